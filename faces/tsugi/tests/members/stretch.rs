//! Time-outs that are longer for a while, on real nodes (CL-35).

use std::time::Duration;

use crate::site::Site;

/// The TTL of the default profile in milliseconds.
const TTL_MS: u64 = 560;

/// For how long the voter of a node keeps quiet after its start, in milliseconds.
fn kept(site: &Site, node: &str) -> u64 {
    let text = std::fs::read_to_string(site.path(node).join("data/longest-promise"));
    text.unwrap_or_default().trim().parse::<u64>().unwrap_or(0) / 1_000_000
}

fn stretch(site: &Site, by: &str, ratio: &str, time: &str) {
    let words = ["stretch", ratio, "--for", time, "--reason", "storage move"];
    site.tsugi(by, &words);
    let stands = |site: &Site, node: &str| !site.status(node)["stretch"].is_null();
    site.until("every node knows", |site| ["a", "b", "c"].iter().all(|n| stands(site, n)));
}

#[test]
fn cl_35_a_stretched_owner_that_stands_still_keeps_its_group_and_everybody_is_told_why() {
    let site = Site::founded();
    let before = site.group("b");
    stretch(&site, "b", "10", "10m");

    let told = site.status("c")["stretch"].clone();
    assert_eq!((&told["ratio"], &told["reason"]), (&10.into(), &"storage move".into()), "{told}");
    assert_eq!(told["takes_over_within_ms"], TTL_MS * 10, "{told}");
    assert!(told["by"].as_str().is_some_and(|by| !by.is_empty()), "{told}");
    assert!(told["until"].is_string(), "{told}");
    for words in [&["status"][..], &["why", "WORK"]] {
        let (_, out, _) = site.ask("c", words);
        assert!(out.contains("time-outs are 10 times as long"), "{words:?}: {out}");
        assert!(out.contains("storage move"), "{words:?}: {out}");
    }
    let (_, doctor, _) = site.ask("a", &["doctor"]);
    assert!(doctor.contains("TSUG10950-W"), "{doctor}");
    let metrics = site.tsugi("c", &["metrics"]);
    assert!(metrics.contains("tsugi_timeout_ratio 10"), "{metrics}");
    let audit = site.tsugi("a", &["audit", "list"]);
    assert!(audit.contains("stretch 10 --for 10m"), "{audit}");
    site.until("voters have it on disk", |site| kept(site, "b") == TTL_MS * 10);

    // Three leases of the profile: without the stretch the guardian would have let go of the group.
    site.freeze_agent("a", Duration::from_millis(TTL_MS * 3));
    site.until("a is heard again", |site| site.votes("b") == (3, 3));
    assert_eq!(site.group("b"), before, "same owner, same epoch");

    site.tsugi("c", &["stretch", "--end", "--reason", "moved"]);
    site.until("as before", |site| site.status("a")["stretch"].is_null());
    let (code, _, _) = site.ask("c", &["stretch", "--end"]);
    assert_eq!(code, Some(0), "there is nothing to end");
    site.until("what is durable goes back", |site| kept(site, "b") == TTL_MS);
    site.until("the log says so", |site| site.log("a").contains("TSUG10951-I"));
    assert_eq!(site.group("b"), before);
}

#[test]
fn cl_35_a_stretch_ends_by_itself_although_the_node_that_led_is_gone() {
    let mut site = Site::founded();
    stretch(&site, "a", "3", "8s");
    let leader = site.leader("a");
    site.cut_power(&leader);
    let left = ["a", "b", "c"].into_iter().find(|node| *node != leader).expect("two are left");
    site.until("it is over", |site| {
        site.status(left)["stretch"].is_null() && site.votes(left).1 == 2
    });
    let audit = site.at_last(left, &["audit", "list"]);
    assert!(audit.contains("stretch: ends by itself"), "{audit}");
}

#[test]
fn cl_35_what_a_stretch_would_do_is_told_first_and_too_much_is_refused_with_the_bound() {
    let site = Site::founded();
    let words = ["stretch", "5", "--for", "2h", "--reason", "storage move", "--dry-run"];
    let (code, out, err) = site.ask("a", &words);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("at most 2800 ms instead of 560 ms"), "{out}");
    assert!(out.contains("it ends by itself at"), "{out}");
    assert!(site.status("a")["stretch"].is_null(), "nothing was changed");

    let (code, out, err) =
        site.ask("a", &["stretch", "18", "--for", "2h", "--reason", "storage move"]);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(err.contains("TSUG10952-E") && err.contains("from 2 to 17"), "{err}");
    let (code, _, err) = site.ask("a", &["stretch", "5", "--for", "2h"]);
    assert!(code == Some(3) && err.contains("--reason"), "{err}");
    assert!(site.status("a")["stretch"].is_null());
}

#[test]
fn cl_35_a_monitor_that_is_starved_is_waited_for_while_time_outs_are_stretched_and_not_after() {
    let site = Site::new();
    let (slow, asked) = (site.path("slow"), site.path("asked"));
    let (slow, asked) = (slow.display(), asked.display());
    // Where the machine is starved it takes three times its limit.
    let look = format!("if [ -e {slow} ]; then sleep 3; echo >> {asked}; fi");
    let group = format!(
        "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
         run = [\"/bin/sleep\", \"100000\"]\n\
         monitor = [\"/bin/sh\", \"-c\", \"{look}\"]\n\
         every = \"1s\"\nlimit = \"1s\"\nfailures = 1\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    let site = site.found(&file);
    stretch(&site, "a", "10", "10m");
    std::fs::write(site.path("slow"), "").expect("a file");
    let answers = |site: &Site| {
        std::fs::read_to_string(site.path("asked")).unwrap_or_default().lines().count()
    };
    site.until("two starved monitors have answered", |site| answers(site) >= 2);
    let too_slow = |site: &Site| site.log("a").contains("TSUG10212-W");
    assert!(!too_slow(&site), "{}", site.log("a"));

    site.tsugi("a", &["stretch", "--end"]);
    site.until("the next one is too slow", too_slow);
}
