//! Real shell scripts under real agents: what they are told, and the folder of their run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::site::Site;

/// Writes what it is told into a file of its node, and what it has done into its folder. What it
/// starts runs on by itself until it stops it.
const SCRIPT: &str = r#"#!/bin/sh
told="$ARMS_EVENT/$CLP_EVENT $ARMS_SERVER/$CLP_SERVER $ARMS_DISK/$CLP_DISK"
told="$told $TSUGI_START $TSUGI_REASON $TSUGI_GROUP $(cat "$TSUGI_RUN/done" 2>/dev/null)"
echo "$1 $told" >> "$2/told-$TSUGI_NODE"
echo "$1 has begun"
printf '%s.' "$1" >> "$TSUGI_RUN/done"
case "$1" in
start)
    if [ "$ARMS_EVENT" = RECOVER ] && [ -e "$2/hang" ]; then
        echo $$ >> "$2/hung"
        exec sleep 100000
    fi
    sleep 100000 > /dev/null 2>&1 &
    echo $! | tee "$2/slept-$TSUGI_NODE" > "$TSUGI_RUN/pid"
    ;;
stop) pid=$(cat "$TSUGI_RUN/pid") && kill "$pid" && while kill -0 "$pid"; do sleep 0.01; done ;;
esac 2> /dev/null
true
"#;

/// Three nodes that run a group whose one resource has been written with this line as well.
fn founded(line: &str) -> Site {
    let site = Site::new();
    let script = site.path("script");
    fs::write(&script, SCRIPT).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let folder = site.path("");
    let run = |word: &str| format!("[{script:?}, \"{word}\", {folder:?}]");
    let (start, stop) = (run("start"), run("stop"));
    let resource = format!(
        "[[group.WORK.resource]]\nname = \"batch\"\nkind = \"process\"\nstart = {start}\n\
         stop = {stop}\nmonitor = [\"/bin/true\"]\n{line}\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &resource);
    site.found(&file)
}

/// What the scripts of a node were told, line by line.
fn told(site: &Site, node: &str) -> Vec<String> {
    let text = fs::read_to_string(site.path(&format!("told-{node}"))).unwrap_or_default();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn owner(site: &Site, by: &str) -> (String, String) {
    let (state, owner, _) = site.group(by);
    (state, owner)
}

#[test]
fn scripts_of_a_takeover_and_of_the_way_back_are_told_which_it_is() {
    let mut site = founded("");
    let first = "start START/START HOME/HOME SUCCESS/SUCCESS normal";
    assert!(told(&site, "a")[0].starts_with(first), "{:?}", told(&site, "a"));
    site.cut_power("a");
    site.until("b has taken over", |site| {
        owner(site, "b") == ("running".to_owned(), "b".to_owned())
    });
    site.start("a");
    site.until("a is back", |site| site.votes("a") == (3, 3));
    site.at_last("b", &["group", "move", "WORK", "a", "--reason", "home"]);
    // As b tells it: what a had known before it was lost says the same.
    site.until("a runs it", |site| owner(site, "b") == ("running".to_owned(), "a".to_owned()));
    let b = told(&site, "b");
    assert_eq!(
        b,
        [
            "start FAILOVER/FAILOVER OTHER/OTHER SUCCESS/SUCCESS restart node-silent WORK",
            "stop FAILOVER/FAILOVER OTHER/OTHER SUCCESS/SUCCESS restart move WORK start.",
        ]
    );
    let a = told(&site, "a");
    assert_eq!(a[1..], ["start START/START HOME/HOME SUCCESS/SUCCESS normal operator WORK"]);
}

#[test]
fn the_folder_of_a_run_outlives_the_agent_and_ends_with_the_run() {
    let site = founded("");
    let runs = site.path("a").join("run/agent/runs/WORK");
    let folders = || fs::read_dir(&runs).map_or(0, Iterator::count);
    assert_eq!(folders(), 1);
    let epoch = site.group("a").2;
    site.kill_agent("a");
    site.at_last("a", &["status"]);
    let kept = ("running".to_owned(), "a".to_owned(), epoch);
    site.until("the new agent runs it on", |site| site.group("a") == kept);
    site.at_last("a", &["group", "stop", "WORK", "--reason", "evening", "--wait=30s"]);
    let a = told(&site, "a");
    assert!(a[1].starts_with("stop START/START"), "{a:?}");
    assert!(a[1].ends_with(" stop WORK start."), "it found what the start has left: {a:?}");
    assert_eq!(folders(), 0, "nothing of the run is left");
    let log = fs::read_to_string(site.path("a").join("data/log/WORK.batch.log"));
    assert_eq!(log.expect("a log"), "start has begun\nstop has begun\n");
}

#[test]
fn a_node_that_was_lost_and_is_back_runs_the_script_that_is_configured_for_it() {
    let mut site = founded("on_recover = \"run\"");
    site.cut_power("a");
    site.until("b has taken over", |site| {
        owner(site, "b") == ("running".to_owned(), "b".to_owned())
    });
    site.start("a");
    site.until("its script has run", |site| told(site, "a").len() == 2);
    let first = "start RECOVER/RECOVER HOME/HOME SUCCESS/SUCCESS restart node-silent WORK";
    assert_eq!(told(&site, "a")[1], first);
    site.until("it is in the history", |site| {
        site.tsugi("b", &["history", "WORK"])
            .contains("scripts of WORK were told that a has come back")
    });
    let slept = fs::read_to_string(site.path("slept-a")).expect("the script has started one");
    site.until("what it started is gone", |_| !sleeps(slept.trim()));
    let runs = site.path("a").join("run/agent/runs/WORK");
    assert_eq!(fs::read_dir(runs).map_or(0, Iterator::count), 0, "and its folder");
    assert_eq!(owner(&site, "b"), ("running".to_owned(), "b".to_owned()), "it never noticed");
    assert_eq!(told(&site, "b").len(), 1);
}

fn sleeps(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("sleep"))
}

#[test]
fn a_script_that_is_told_of_a_return_runs_beside_no_other_also_after_its_agent() {
    let mut site = founded("on_recover = \"run\"");
    fs::write(site.path("hang"), "").expect("a file");
    site.cut_power("a");
    site.until("b has taken over", |site| {
        owner(site, "b") == ("running".to_owned(), "b".to_owned())
    });
    site.start("a");
    let hung = site.path("hung");
    let pids = || {
        let text = fs::read_to_string(&hung).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    site.until("its script runs and does not end", |_| pids().len() == 1);
    site.kill_agent("a");
    site.until("the new agent tells it as well", |_| pids().len() == 2);
    assert!(!sleeps(&pids()[0]), "the first was ended before");
    site.until("a is back", |site| site.votes("a") == (3, 3));
    site.at_last("b", &["group", "move", "WORK", "a", "--reason", "home"]);
    site.until("a runs it", |site| owner(site, "a") == ("running".to_owned(), "a".to_owned()));
    assert!(!sleeps(&pids()[1]), "the second was ended before the group began here");
}
