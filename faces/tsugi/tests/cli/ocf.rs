//! `tsugi ocf test`: real resource agents keep the contract, and what does not is named.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::agent::nobody;
use crate::{Ran, tsugi};

const DUMMY: &str = "ocf:heartbeat:Dummy";

/// A small agent that keeps the contract.
const GOOD: &str = r#"#!/bin/sh
state=$HA_RSCTMP/fake
describe() {
  cat <<END
<?xml version="1.0"?>
<resource-agent name="fake"><actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s"/><action name="meta-data" timeout="5s"/>
</actions></resource-agent>
END
}
up() { touch "$state"; }
down() { rm -f "$state"; }
runs() { [ -e "$state" ]; }
case $1 in
  meta-data) describe ;;
  validate-all) exit 0 ;;
  start) up ;;
  stop) down ;;
  monitor) runs || exit 7 ;;
  *) exit 3 ;;
esac
"#;

/// Tries an agent out that differs from the good one so.
fn tried(from: &str, to: &str) -> Ran {
    assert!(GOOD.contains(from), "{from}");
    let folder = nobody();
    let file = folder.path().join("fake");
    std::fs::write(&file, GOOD.replacen(from, to, 1)).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a program");
    tsugi(folder.path(), &["ocf", "test", file.to_str().expect("plain"), "--within", "2s"])
}

#[track_caller]
fn broken(from: &str, to: &str, said: &[&str]) {
    let ran = tried(from, to);
    ran.ended(1, "TSUG10261-E");
    for words in said {
        assert!(ran.err.contains(words), "{words:?}: {ran:#?}");
    }
}

#[test]
fn agents_of_others_and_a_small_one_keep_the_contract() {
    let here = nobody();
    tsugi(here.path(), &["ocf", "test", DUMMY]).ended(0, "11 calls");
    let path = "/usr/lib/ocf/resource.d/heartbeat/Dummy";
    tsugi(here.path(), &["ocf", "test", path]).ended(0, "TSUG10260-I");
    tried("up() {", "up() {").ended(0, "TSUG10260-I");
}

#[test]
fn an_agent_that_makes_an_address_keeps_the_contract_on_a_network_of_its_own() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let program = env!("CARGO_BIN_EXE_tsugi");
    let script = format!(
        "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up && \
         ip link set v1 up && ip address add 10.9.9.1/24 dev v0 && \
         {program} ocf test ocf:heartbeat:IPaddr2 -p ip=10.9.9.9 -p cidr_netmask=24 -p nic=v0 && \
         ! ip address show dev v0 | grep -q 10.9.9.9"
    );
    let ran = Command::new("unshare").args(["-n", "sh", "-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("TSUG10260-I"), "{said}");
}

#[test]
fn each_answer_that_breaks_the_contract_is_named_with_what_was_expected() {
    broken("start) up", "start) runs && exit 1; up", &["call 6, start: 0 was expected", "exit 1"]);
    broken("stop) down", "stop) runs || exit 7; down", &["call 10, stop: 0 was", "exit 7"]);
    broken("runs || exit 7", "runs || exit 7; exit 77", &["call 5, monitor: 0 was", "exit 77"]);
    broken(
        "runs || exit 7",
        "runs || { [ -e $0.up ] && exit 1; exit 7; }; touch $0.up",
        &["call 9, monitor: 7 was expected", "exit 1"],
    );
    let reason = "start) echo \"ocf-exit-reason:no 'licence'\" >&2; exit 5";
    broken("start) up", reason, &["call 4, start", "exit 5 (no 'licence')"]);
    broken("start) up", "start) kill -11 $$", &["signal 11"]);
}

#[test]
fn an_agent_that_hangs_and_ignores_the_end_is_ended_at_its_limit() {
    let hangs = "start) trap '' TERM; while :; do sleep 1; done";
    broken("start) up", hangs, &["call 4, start", "no end within its limit"]);
}

#[test]
fn an_agent_that_leaves_a_process_or_floods_is_told_so() {
    // It ends by itself: nobody else is to end what an agent has left.
    let lies = "start) up; (exec setsid sleep 20 >/dev/null 2>&1 &)";
    broken("start) up", lies, &["TSUG10264-E"]);
    let flood = "monitor) head -c 3000000 /dev/zero; runs || exit 7";
    broken("monitor) runs || exit 7", flood, &["TSUG10265-E", "1951424 bytes"]);
}

#[test]
fn a_description_that_does_not_describe_the_agent_is_told_so() {
    broken("meta-data) describe", "meta-data) echo usage", &["TSUG10263-E", "no XML"]);
    broken("name=\"fake\"", "name=\"other\"", &["called other and its file fake"]);
    broken("action name=\"stop\"", "action name=\"halt\"", &["no action stop"]);
    broken("</actions>", "", &["no XML (line 5)"]);
}

#[test]
fn what_runs_already_or_cannot_run_here_is_not_started() {
    let touched = |ran: &Ran| ran.err.contains("call 4");
    let runs = tried("runs || exit 7", "exit 0");
    runs.ended(3, "TSUG10266-E");
    assert!(!touched(&runs) && !runs.err.contains("TSUG10262-E"), "{runs:#?}");
    let unfit = tried("validate-all) exit 0", "validate-all) exit 6");
    unfit.ended(1, "TSUG10267-E");
    assert!(unfit.err.contains("call 2, validate-all: 0 | 3 was expected"), "{unfit:#?}");
    assert!(!touched(&unfit));
    tried("validate-all) exit 0", "validate-all) exit 3").ended(0, "TSUG10260-I");
}

#[test]
fn a_file_that_is_no_program_and_a_parameter_that_is_none_are_refused() {
    let here = nobody();
    let absent = here.path().join("absent");
    assert!(!absent.exists());
    tsugi(here.path(), &["ocf", "test", absent.to_str().unwrap()]).ended(1, "TSUG10268-E");
    for wrong in ["state", "a-b=1", "CRM_meta_timeout=1"] {
        tsugi(here.path(), &["ocf", "test", DUMMY, "-p", wrong]).ended(2, wrong);
    }
    tsugi(here.path(), &["ocf", "test", DUMMY, "--within", "3"]).ended(2, "--within");
}

/// Our own agent with these variables: its exit code and what it said.
fn ours(action: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ocf/group"));
    command.arg(action).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("OCF_RESKEY_tsugi", env!("CARGO_BIN_EXE_tsugi"));
    let ran = command.envs(variables.iter().copied()).output().expect("it is a program");
    (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn where_no_node_runs_no_group_does_and_without_a_name_nothing_is_asked() {
    let here = nobody();
    let run_dir = here.path().to_str().unwrap();
    let given = [("OCF_RESKEY_group", "PAY"), ("OCF_RESKEY_run_dir", run_dir)];
    assert_eq!(ours("monitor", &given).0, Some(7));
    assert_eq!(ours("stop", &given).0, Some(0));
    let (code, said) = ours("start", &given);
    assert_eq!((code, said.contains("ocf-exit-reason:")), (Some(1), true), "{said}");
    assert_eq!(ours("promote", &given).0, Some(3));
    let (code, said) = ours("monitor", &given[1..]);
    assert_eq!((code, said.contains("group is missing")), (Some(6), true), "{said}");
    // Somebody holds the lock of the hands and nobody answers: it may run.
    let lock = std::fs::File::create(here.path().join("hands.lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    assert_eq!(ours("monitor", &given).0, Some(1), "in doubt it runs");
    assert_ne!(ours("stop", &given).0, Some(0));
    drop(lock);
}

#[test]
fn our_agent_is_put_where_it_is_looked_for_and_takes_no_place_of_another() {
    let here = nobody();
    let folder = here.path().join("tsugi");
    let put = || tsugi(here.path(), &["ocf", "install", folder.to_str().unwrap()]);
    put().ended(0, "group");
    let agent = folder.join("group");
    assert_eq!(std::fs::metadata(&agent).unwrap().permissions().mode() & 0o777, 0o755);
    put().ended(0, "group");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    std::fs::write(&agent, "#!/bin/sh\n# of somebody else\n").unwrap();
    put().ended(3, "TSUG10269-E");
    let file = here.path().join("file");
    std::fs::write(&file, "").unwrap();
    tsugi(here.path(), &["ocf", "install", file.to_str().unwrap()]).ended(1, "TSUG10270-E");
}
