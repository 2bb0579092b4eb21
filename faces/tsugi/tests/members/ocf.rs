//! Real resource agents under a real cluster: started, moved, watched, found again, stopped.

use std::path::{Path, PathBuf};

use crate::site::Site;

const DUMMY: &str = "fence = \"self\"\n\n[[group.WORK.resource]]\nname = \"dummy\"\n\
                     kind = \"ocf\"\nagent = \"ocf:heartbeat:Dummy\"\nevery = \"200ms\"\n";

/// What Dummy keeps on a node while it runs there.
fn state(site: &Site, node: &str) -> PathBuf {
    site.path(node).join("run/agent/ocf/Dummy-WORK.dummy.state")
}

/// Whether Debian's agents are here; `./test` installs them.
fn agents() -> bool {
    let there = Path::new("/usr/lib/ocf/resource.d/heartbeat/Dummy").exists();
    assert!(there, "this needs the package resource-agents");
    there
}

#[test]
fn an_agent_of_others_is_started_moved_watched_found_again_and_stopped_unchanged() {
    assert!(agents());
    let site = Site::new();
    let file = site.configure_group(&["a", "b", "c"], DUMMY);
    let site = site.found(&file);
    assert!(state(&site, "a").exists(), "the agent has started it");
    let said = |site: &Site, node: &str, id: &str| site.log(node).contains(id);
    site.until("what ends it is said", |site| said(site, "a", "TSUG10252-W"));

    // The node's agent is another: what runs is found by its own monitor and goes on.
    let epoch = site.group("b").2;
    site.kill_agent("a");
    site.until("the new agent takes it over", |site| said(site, "a", "TSUG10021-I"));
    assert_eq!(site.group("b"), ("running".to_owned(), "a".to_owned(), epoch));

    // It has to hear the others first.
    site.at_last("a", &["group", "move", "WORK", "b", "--reason", "a test", "--wait"]);
    assert!(state(&site, "b").exists() && !state(&site, "a").exists(), "on one node only");

    // Somebody takes it down behind the cluster's back.
    std::fs::remove_file(state(&site, "b")).expect("it is there");
    site.until("the failure is said in the agent's words", |site| {
        said(site, "c", "TSUG10211-W") && said(site, "c", "No process state file found")
    });
    site.until("it runs again", |site| {
        let (state_of, owner, _) = site.group("c");
        state_of == "running" && !owner.is_empty() && state(site, &owner).exists()
    });

    site.tsugi("a", &["group", "stop", "WORK", "--reason", "a test", "--wait"]);
    assert!(!state(&site, "a").exists() && !state(&site, "b").exists(), "its agent has stopped it");
}

#[test]
fn an_agent_that_is_not_installed_is_a_start_that_failed_and_no_node_ends_for_it() {
    let site = Site::new();
    let file = site.configure_group(&["a", "b", "c"], &DUMMY.replace("Dummy", "NoSuchAgent"));
    let site = site.found_without_group(&file);
    site.until("both nodes have tried", |site| {
        let said = |node| site.log("c").matches(node).count() > 0;
        said("did not start on node a") && said("did not start on node b")
    });
    let given_up = |site: &Site| site.needs("c").iter().any(|id| id.contains("TSUG10120"));
    site.until("it is given up", given_up);
    for node in ["a", "b", "c"] {
        assert_eq!(site.votes(node), (3, 3), "{node} runs on");
    }
}

/// A group whose owner hears nobody any more, and what an agent has made is undone so.
fn alone(undo: &str) -> Site {
    let site = Site::new();
    let group = format!("{DUMMY}undo = \"{undo}\"\n");
    let file = site.configure_group(&["a", "b", "c"], &group);
    let mut site = site.found(&file);
    site.cut_power("b");
    site.cut_power("c");
    site
}

#[test]
fn what_only_its_agent_can_undo_ends_with_the_machine_when_the_lease_runs_out() {
    alone("reset").ended("a");
}

#[test]
fn where_a_kill_undoes_what_an_agent_has_made_the_machine_runs_on() {
    let site = alone("kill");
    site.until("the group is let go of", |site| site.group("a").0 != "running");
    assert_eq!(site.votes("a"), (3, 1), "it runs on");
}

#[test]
fn a_group_as_a_resource_of_another_manager_keeps_the_contract_and_runs_where_it_is_asked() {
    let site = Site::founded();
    let folder = site.path("agents");
    let folder = folder.to_str().expect("plain");
    site.tsugi("a", &["ocf", "install", folder]);
    site.tsugi("a", &["ocf", "install", folder]);
    let agent = format!("{folder}/group");
    let test = |node: &str, group: &str| {
        let run_dir = format!("run_dir={}", site.path(node).join("run").display());
        let tsugi = format!("tsugi={}", env!("CARGO_BIN_EXE_tsugi"));
        let group = format!("group={group}");
        let line = ["ocf", "test", &agent, "-p", &group, "-p", &run_dir, "-p", &tsugi];
        site.ask(node, &line)
    };
    let (code, _, said) = test("a", "WORK");
    assert_eq!(code, Some(3), "it runs and is left alone: {said}");
    assert_eq!(site.group("a").0, "running");
    // It runs on a: for b it does not run, and its start there takes it there.
    let (code, _, said) = test("b", "WORK");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("11 calls"), "{said}");
    assert_eq!(site.group("a").0, "stopped", "the last call but one has stopped it");
    let (code, _, said) = test("a", "NONE");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is no group NONE"), "{said}");
}

/// A provider of agents that is nobody else's; gone when dropped.
struct Provider {
    name: String,
    folder: PathBuf,
}

impl Drop for Provider {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// An agent that does what the parameter `how` says instead of what it should.
const BAD: &str = r#"#!/bin/sh
state=$HA_RSCTMP/$OCF_RESOURCE_INSTANCE
case $1:$OCF_RESKEY_how in
  start:nonsense) exit 77 ;;
  start:hangs) trap '' TERM; while :; do sleep 1; done ;;
  start:floods) head -c 5000000 /dev/zero ;;
  start:forks) setsid sleep $OCF_RESKEY_mark & ;;
  stop:lies) exit 0 ;;
  monitor:odd) [ -e "$state" ] && exit 78 ;;
  monitor:unable) [ -e "$state" ] && exit 5 ;;
esac
case $1 in
  start) touch "$state" ;;
  stop) rm -f "$state" ;;
  monitor) [ -e "$state" ] || exit 7 ;;
esac
"#;

fn bad() -> Provider {
    use std::os::unix::fs::PermissionsExt as _;
    let name = format!("tsugi-test-{}", std::process::id());
    let folder = Path::new("/usr/lib/ocf/resource.d").join(&name);
    std::fs::create_dir(&folder).expect("the test may add a provider");
    let provider = Provider { name, folder };
    let agent = provider.folder.join("bad");
    std::fs::write(&agent, BAD).expect("a file");
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).expect("a program");
    provider
}

#[test]
fn each_way_to_misbehave_has_its_number_and_leaves_nothing_half_done() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let provider = bad();
    let mark = format!("1000000.{}", std::process::id());
    let mut text = "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
                    run = [\"/bin/sleep\", \"100000\"]\n"
        .to_owned();
    let ways = ["nonsense", "hangs", "floods", "forks", "lies", "odd", "unable"];
    for how in ways {
        text += &format!(
            "[group.{how}]\nrestarts = 0\n\
             [[group.{how}.resource]]\nname = \"bad\"\nkind = \"ocf\"\nundo = \"kill\"\n\
             agent = \"ocf:{}:bad\"\nstart_limit = \"1s\"\nstop_limit = \"1s\"\nevery = \"200ms\"\n\
             parameters = {{ how = \"{how}\", mark = \"{mark}\" }}\n",
            provider.name
        );
    }
    let site = Site::new();
    let file = site.configure_group(&["a", "b", "c"], &text);
    let site = site.found(&file);
    let said = |number: &str, how: &str| {
        let log = site.log("b");
        log.lines().any(|line| line.starts_with(number) && line.contains(&format!("group {how}")))
    };
    for (number, how) in [
        ("TSUG10206-E", "nonsense"),
        ("TSUG10207-E", "hangs"),
        ("TSUG10253-W", "floods"),
        ("TSUG10251-W", "odd"),
        ("TSUG10250-W", "unable"),
    ] {
        site.until(&format!("{number} of {how}"), |_| said(number, how));
    }
    for (number, how) in [("TSUG10220-W", "forks"), ("TSUG10221-E", "lies")] {
        site.until(&format!("{how} runs"), |_| said("TSUG10201-I", how));
        site.tsugi("a", &["group", "stop", how, "--reason", "a test", "--wait"]);
        site.until(&format!("{number} of {how}"), |_| said(number, how));
    }
    let sleeps = |pid: &std::fs::DirEntry| {
        let words = std::fs::read(pid.path().join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    let left = std::fs::read_dir("/proc").unwrap().flatten().filter(sleeps).count();
    assert_eq!(left, 0, "what it has forked went with its group");
    assert_eq!(site.votes("c"), (3, 3), "every node runs on");
}

#[test]
fn what_an_agent_has_left_under_a_former_ledger_is_taken_down_before_a_node_comes_in() {
    let site = Site::new();
    let file = site.configure_group(&["a", "b", "c"], DUMMY);
    let mut site = site.found(&file);
    let backup = site.path("backup");
    site.tsugi("a", &["backup", backup.to_str().expect("plain")]);
    site.tsugi("a", &["group", "pause", "WORK", "--reason", "a test"]);
    // Its machine runs on, and nobody is left who would take anything down.
    site.cut_power("a");
    site.stop("b");
    site.stop("c");
    assert!(state(&site, "a").exists(), "its guardian was disarmed by the pause");
    let (code, said) = site.restore("b", &["--reason", "the ledger was spoiled"]);
    assert_eq!(code, Some(0), "{said}");
    site.start("b");
    site.start("a");
    site.until("a has come in", |site| site.votes("a") == (2, 2));
    assert!(!state(&site, "a").exists(), "before it came in");
    site.tsugi("b", &["group", "resume", "WORK", "--reason", "a test"]);
    site.until("it runs again", |site| site.group("a").0 == "running");
    let owner = site.group("a").1;
    assert!(state(&site, &owner).exists(), "where it is said to run");
}
