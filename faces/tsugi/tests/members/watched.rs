//! What scripts of the former product load, under real agents.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::site::Site;

/// Loads a program that says its number, and ends it by the same name.
const SCRIPT: &str = r#"#!/bin/sh
echo "$1 $ARMS_EVENT" >> "$2/told-$TSUGI_NODE"
case "$1" in
start)
    says="echo \$\$ > $2/pid-$TSUGI_NODE; exec sleep 100000"
    exec "$2/old/ARMLOAD" AP OPTIONS /bin/sh -c "$says"
    ;;
stop) "$2/old/ARMKILL" AP; exit 0 ;;
esac
"#;

/// Three nodes whose group has loaded a program with these options of the former product.
fn founded(options: &str) -> Site {
    with(&SCRIPT.replace("OPTIONS", options), |_| String::new())
}

/// Three nodes whose group has such a script, and something else.
fn with(script_text: &str, more: impl Fn(&Site) -> String) -> Site {
    let site = Site::new();
    let script = site.path("script");
    fs::write(&script, script_text).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let old = site.path("old");
    fs::create_dir(&old).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tsugi"), old.join("ARMLOAD")).expect("a link");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tsugi"), old.join("ARMKILL")).expect("a link");
    let folder = site.path("");
    let run = |word: &str| format!("[{script:?}, \"{word}\", {folder:?}]");
    let (start, stop) = (run("start"), run("stop"));
    let resource = format!(
        "[[group.WORK.resource]]\nname = \"batch\"\nkind = \"process\"\nstart = {start}\n\
         stop = {stop}\nmonitor = [\"/bin/true\"]\n"
    ) + &more(&site);
    let file = site.configure_group(&["a", "b", "c"], &resource);
    site.found(&file)
}

fn told(site: &Site, node: &str) -> Vec<String> {
    let text = fs::read_to_string(site.path(&format!("told-{node}"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The program that runs on a node, once it has said its number.
fn program(site: &Site, node: &str) -> Option<i32> {
    let text = fs::read_to_string(site.path(&format!("pid-{node}"))).ok()?;
    let pid = text.trim().parse().ok()?;
    Path::new(&format!("/proc/{pid}")).exists().then_some(pid)
}

/// Kills the program of a behind the cluster's back and waits until something holds.
fn kills(site: &Site, what: &str, holds: impl Fn(&Site, i32) -> bool) {
    site.until("it runs", |site| program(site, "a").is_some() && site.group("c").0 == "running");
    let pid = program(site, "a").expect("it runs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
    site.until(what, |site| holds(site, pid));
}

fn taken_over(site: &Site, _: i32) -> bool {
    let (state, owner, _) = site.group("c");
    (state.as_str(), owner.as_str()) == ("running", "b") && program(site, "b").is_some()
}

#[test]
fn cl_11_a_program_is_started_again_as_often_as_is_said_and_then_its_group_moves() {
    let site = founded("/r 1 /H 2 /INT 1");
    let epoch = site.group("a").2;
    kills(&site, "another one runs", |site, former| {
        program(site, "a").is_some_and(|pid| pid != former)
    });
    assert_eq!(site.group("a").2, epoch, "the group goes on");
    assert_eq!(told(&site, "a"), ["start START"], "its script was not run again");
    kills(&site, "the group has moved", taken_over);
    assert_eq!(told(&site, "b"), ["start FAILOVER"]);
}

#[test]
fn cl_11_with_scr_the_scripts_are_run_again_on_the_same_node_and_then_the_group_moves() {
    let site = founded("/SCR /R 1 /H 2 /WAIT 1");
    kills(&site, "another one runs", |site, former| {
        program(site, "a").is_some_and(|pid| pid != former) && site.group("c").0 == "running"
    });
    assert_eq!(told(&site, "a"), ["start START", "stop START", "start START"]);
    assert!(site.log("a").contains("TSUG10244-W"), "it is said");
    // Also a new agent knows how often that was.
    site.kill_agent("a");
    site.at_last("a", &["status"]);
    kills(&site, "the group has moved", taken_over);
    assert_eq!(told(&site, "b"), ["start FAILOVER"]);
}

/// Loads a service by the lines of an old script: with the options behind its name and before it.
const SERVICE: &str = r#"#!/bin/sh
echo "$1 $ARMS_EVENT" >> "$2/told-$TSUGI_NODE"
case "$1" in
start)
    "$2/old/ARMLOAD" NONE /S "no such service" 2>> "$2/said"
    exec "$2/old/ARMLOAD" WM_IS "WMIS" /fov /S /M
    ;;
stop) "$2/old/ARMKILL" WM_IS; exit 0 ;;
esac
"#;

#[test]
fn cl_08_a_service_runs_in_its_group_ends_with_it_and_its_end_moves_the_group() {
    let site = with(SERVICE, |site| {
        let say =
            format!("echo $$ > {}/pid-$TSUGI_NODE; exec sleep 100000", site.path("").display());
        format!("[group.WORK.services]\nwmIS = [\"/bin/sh\", \"-c\", \"{say}\"]\n")
    });
    site.until("it runs", |site| program(site, "a").is_some());
    let said = fs::read_to_string(site.path("said")).expect("the start script has said it");
    assert!(said.contains("TSUG10596-E") && said.contains("wmIS"), "{said}");
    assert!(site.tsugi("a", &["proc", "list"]).contains("wmIS: /bin/sh"), "it is listed");
    kills(&site, "the group has moved", taken_over);
    assert_eq!(told(&site, "b"), ["start FAILOVER"]);
    let pid = program(&site, "b").expect("it runs there");
    site.at_last("b", &["group", "stop", "WORK", "--reason", "evening", "--wait"]);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "ARMKILL has ended it");
}
