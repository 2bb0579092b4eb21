//! Real nodes with a fence device, which here is the test: it takes a node's power.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::site::Site;

/// Asks for what it is told to do by a file, and waits until that is done. What it was told is
/// kept; who asks is known by its node's folder.
const AGENT: &str = r#"#!/bin/sh
while read -r line; do
    echo "$line" >> HERE/told
    case "$line" in
    action=*) action=${line#action=} ;;
    nodename=*) node=${line#nodename=} ;;
    esac
done
[ -e HERE/broken ] && { echo "no answer for xyzzy-5" >&2; exit 1; }
case "$action" in
off)
    touch "HERE/off-$node"
    while [ ! -e "HERE/is-off-$node" ]; do sleep 0.02; done
    ;;
status) [ -e "HERE/is-off-$node" ] && exit 2 ;;
*) exit 1 ;;
esac
exit 0
"#;

/// Three nodes with a device each, and a group on a that waits for a confirmed fence.
fn founded() -> Site {
    let site = Site::new();
    let agent = site.path("fence_site");
    let here = site.path("");
    let here = here.to_str().expect("plain").trim_end_matches('/');
    fs::write(&agent, AGENT.replace("HERE", here)).expect("a file");
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let secret = site.path("secret");
    fs::write(&secret, "xyzzy-5\n").expect("a file");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let mut group = "fence = \"confirmed\"\n[[group.WORK.resource]]\nname = \"sleeper\"\n\
                     kind = \"process\"\nrun = [\"/bin/sleep\", \"100000\"]\n"
        .to_owned();
    for node in ["a", "b", "c"] {
        let (agent, secret) = (agent.display(), secret.display());
        let device = format!("agent = \"{agent}\"\nsecret = \"file:{secret}\"\nrack = 7\n");
        group += &format!("[node.{node}.fence]\n{device}");
    }
    let file = site.configure_group(&["a", "b", "c"], &group);
    site.found(&file)
}

fn owner(site: &Site, by: &str) -> (String, String) {
    let (state, owner, _) = site.group(by);
    (state, owner)
}

fn needs(site: &Site, by: &str, number: &str) -> bool {
    site.needs(by).iter().any(|id| id.contains(number))
}

#[test]
fn cl_28_a_lost_node_is_switched_off_before_its_group_is_taken_over() {
    let mut site = founded();
    site.cut_power("a");
    site.until("its device is asked", |site| site.path("off-a").exists());
    let (state, at) = owner(&site, "b");
    assert_ne!((state.as_str(), at.as_str()), ("running", "b"), "nothing is confirmed yet");
    fs::write(site.path("is-off-a"), "").expect("a file");
    site.until("b has taken over", |site| {
        owner(site, "b") == ("running".to_owned(), "b".to_owned())
    });
    let told = fs::read_to_string(site.path("told")).expect("a file");
    for line in ["rack=7", "nodename=a", "action=off", "action=status", "password=xyzzy-5"] {
        assert!(told.lines().any(|l| l == line), "{line}: {told}");
    }
    let history = site.tsugi("c", &["history", "a"]);
    assert!(history.contains("was switched off from"), "{history}");
    let explained = site.tsugi("c", &["explain"]);
    assert!(explained.contains("was switched off from"), "{explained}");
    for node in ["a", "b", "c"] {
        assert!(!site.log(node).contains("xyzzy"), "{}", site.log(node));
    }
}

#[test]
fn with_a_broken_device_the_group_waits_until_a_person_types_the_name() {
    let mut site = founded();
    fs::write(site.path("broken"), "").expect("a file");
    site.cut_power("a");
    site.until("it failed", |site| needs(site, "b", "TSUG10322"));
    site.until("it waits", |site| needs(site, "b", "TSUG10104"));
    assert_ne!(owner(&site, "b").1, "b");
    let (code, said) = site.confirm_off("b", "a", "b");
    assert!(code == Some(3) && said.contains("TSUG10586-E"), "{said}");
    let (code, said) = site.vouch("b", ("a", "a"), &[]);
    assert_eq!(code, Some(3), "without a reason: {said}");
    assert_ne!(owner(&site, "b").1, "b");
    let (code, said) = site.confirm_off("b", "a", "a");
    assert_eq!(code, Some(0), "{said}");
    site.until("b has taken over", |site| {
        owner(site, "b") == ("running".to_owned(), "b".to_owned())
    });
    let audit = site.tsugi("b", &["audit", "list", "--json"]);
    assert!(audit.contains("I stand before it"), "{audit}");
    assert!(!site.tsugi("b", &["history"]).contains("xyzzy"));
}

#[test]
fn a_node_that_lives_is_switched_off_on_a_persons_word() {
    let mut site = founded();
    let fence = ["node", "fence", "a"];
    let (code, _, said) = site.ask("b", &fence);
    assert!(code == Some(3), "without a reason: {said}");
    let (code, _, said) = site.ask("b", &[&fence[..], &["--dry-run"]].concat());
    assert!(code == Some(0) && said.contains("TSUG10524-I"), "{said}");
    assert!(!site.path("off-a").exists());
    site.tsugi("b", &[&fence[..], &["--reason", "it burns"]].concat());
    site.until("its device is asked", |site| site.path("off-a").exists());
    site.cut_power("a");
    fs::write(site.path("is-off-a"), "").expect("a file");
    site.until("b has taken over", |site| {
        owner(site, "b") == ("running".to_owned(), "b".to_owned())
    });
    let audit = site.tsugi("c", &["audit", "list", "--json"]);
    assert!(audit.contains("node fence a") && audit.contains("it burns"), "{audit}");
}

#[test]
fn cl_29_a_device_that_does_not_answer_stands_in_status_before_it_is_needed() {
    let site = Site::new();
    let sleeper = "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
                   run = [\"/bin/sleep\", \"100000\"]\n[node.b.fence]\n\
                   agent = \"/no/such/fence_agent\"\n";
    let file = site.configure_group(&["a", "b", "c"], sleeper);
    let site = site.found(&file);
    site.until("a has tried", |site| needs(site, "a", "TSUG10320"));
    site.until("c has tried", |site| needs(site, "c", "TSUG10320"));
    let own = |site: &Site| site.log("b").contains("TSUG10320");
    site.until("b tells it as well", |site| needs(site, "b", "TSUG10320"));
    assert!(!own(&site), "nobody switches himself off: {}", site.log("b"));
}
