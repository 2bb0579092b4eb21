//! A share under a real cluster: mounted and unmounted by Debian's agent `Filesystem`, as it is,
//! on nodes that each have a view of their own of what is mounted.
//!
//! What is shared is a directory of this machine, bound into the view of whoever owns the group:
//! to the agent it is mounted and unmounted like a share of a server, and what one node writes
//! there the next one reads.

use std::fs;
use std::path::Path;

use crate::site::Site;

/// A group that writes into its share every 20 ms; its nodes.
fn founded() -> Option<Site> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return None;
    }
    let agent = Path::new("/usr/lib/ocf/resource.d/heartbeat/Filesystem");
    assert!(agent.exists(), "this needs the package resource-agents");
    let modprobe = ["/usr/sbin/modprobe", "/sbin/modprobe"].iter().any(|at| Path::new(at).exists());
    assert!(modprobe, "its agent needs the package kmod");
    let site = Site::with_views();
    let (from, to) = (site.path("export"), site.path("share"));
    fs::create_dir_all(&from).expect("a folder");
    let write =
        format!("while sleep 0.02; do echo $TSUGI_NODE >> {}/log || exit 1; done", to.display());
    let group = format!(
        "fence = \"self\"\n\n\
         [[group.WORK.resource]]\nname = \"share\"\nkind = \"ocf\"\n\
         agent = \"ocf:heartbeat:Filesystem\"\nevery = \"200ms\"\n\
         parameters = {{ device = \"{}\", directory = \"{}\", fstype = \"none\", \
         options = \"bind\" }}\n\n\
         [[group.WORK.resource]]\nname = \"writer\"\nkind = \"process\"\nafter = [\"share\"]\n\
         run = [\"/bin/sh\", \"-c\", \"{write}\"]\n",
        from.display(),
        to.display(),
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    Some(site.found(&file))
}

/// Whether the share is mounted in the view of a node.
fn mounted(site: &Site, node: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/{}/mountinfo", site.pid(node)));
    let share = format!(" {} ", site.path("share").display());
    text.unwrap_or_default().lines().any(|line| line.contains(&share))
}

/// Who wrote last into what is shared.
fn last(site: &Site) -> String {
    let log = fs::read_to_string(site.path("export/log")).unwrap_or_default();
    log.lines().last().unwrap_or_default().to_owned()
}

fn runs_on(site: &Site, node: &str) -> bool {
    let (state, owner, _) = site.group("c");
    (state.as_str(), owner.as_str()) == ("running", node) && mounted(site, node)
}

#[test]
fn a_share_is_mounted_where_its_group_runs_and_nowhere_else_by_the_agent_of_debian() {
    let Some(mut site) = founded() else { return };
    site.until("a writes", |site| last(site) == "a");
    assert!(mounted(&site, "a") && !mounted(&site, "b"));

    site.at_last("a", &["group", "move", "WORK", "b", "--reason", "a test", "--wait"]);
    site.until("b writes on", |site| last(site) == "b");
    assert!(mounted(&site, "b") && !mounted(&site, "a"));

    // Somebody unmounts it behind the cluster's back: the agent's monitor tells.
    let (pid, share) = (site.pid("b").to_string(), site.path("share"));
    let ended = std::process::Command::new("nsenter")
        .args(["-t", &pid, "-m", "umount", "-l"])
        .arg(&share)
        .status();
    assert!(ended.expect("nsenter is here").success());
    site.until("it is mounted again where it runs", |site| {
        let (state, owner, _) = site.group("c");
        state == "running" && !owner.is_empty() && mounted(site, &owner) && last(site) == owner
    });

    site.at_last("c", &["group", "move", "WORK", "a", "--reason", "a test", "--wait"]);
    site.cut_power("a");
    site.until("b goes on with what a wrote", |site| runs_on(site, "b") && last(site) == "b");
    let log = fs::read_to_string(site.path("export/log")).expect("it is shared");
    assert!(log.starts_with("a\n"), "nothing was lost");

    site.tsugi("b", &["group", "stop", "WORK", "--reason", "a test", "--wait"]);
    assert!(!mounted(&site, "b"), "its agent has unmounted it");
}

#[test]
fn a_share_whose_lease_runs_out_ends_with_the_machine_of_its_owner() {
    let Some(mut site) = founded() else { return };
    let said = |site: &Site| site.log("a").contains("TSUG10252-W");
    site.until("it is said at the start", said);
    // The owner hears nobody any more, and its guardian asks no agent at the deadline.
    site.cut_power("b");
    site.cut_power("c");
    site.ended("a");
}
