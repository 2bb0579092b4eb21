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

    site.tsugi("a", &["group", "move", "WORK", "b", "--reason", "a test", "--wait"]);
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
