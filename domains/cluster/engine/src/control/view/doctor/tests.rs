//! Each finding as a person reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_cluster_rules::record::{FenceFault, Happening};
use tsugi_cluster_rules::spec::FenceDevice;
use tsugi_vocabulary::{Epoch, Index, ResourceName, Span, Wall};

use super::super::scenes::{NOW, group, node, record, standing, text};
use super::*;
use crate::mirror::whole;
use crate::standing::SlowStop;

fn started(by: &str, at: Wall) -> Versioned<EventRecord> {
    let what = Happening::Started { steps: vec![("vip".to_owned(), 3)], took: Span::millis(3) };
    let (group, epoch) = (Some(group("PAY")), Some(Epoch { incarnation: 1, counter: 4 }));
    let value = std::sync::Arc::new(EventRecord { at, by: node(by), group, epoch, what });
    Versioned { version: Index(9), value }
}

fn ids(doctor: &report::Doctor) -> Vec<&str> {
    doctor.findings.iter().map(|finding| finding.what.id.as_str()).collect()
}

#[test]
fn a_cluster_that_has_run_on_every_node_needs_nothing() {
    let seen = [started("node1", NOW), started("node2", NOW)];
    let found = doctor(&standing(record()), &seen);
    assert_eq!(ids(&found), [""; 0]);
    let proven: Vec<bool> = found.settings.iter().map(|s| s.proven).collect();
    assert_eq!(proven, [true, true, false], "its stop was never seen: {:?}", found.settings);
}

#[test]
fn every_finding_has_its_number_and_the_command_to_run_next() {
    let mut sick = standing(record());
    sick.self_fence = "none".to_owned();
    sick.clock_ppm = Some(-700);
    sick.certificate_until = Some(Wall(NOW.0 + 6 * 24 * 3_600_000));
    let (took, budget) = (Span::millis(240), Span::millis(100));
    sick.slow_stops.insert(group("PAY"), SlowStop { took, budget });
    let found = doctor(&sick, &[started("node1", NOW)]);
    let all = ["TSUG10339-W", "TSUG70142-W", "TSUG10406-W", "TSUG10333-W", "TSUG10133-W"];
    assert_eq!(ids(&found), all);
    assert!(found.findings.iter().all(|finding| finding.next.is_some()));
    let read: Vec<String> = found.findings.iter().map(|f| text(&f.what)).collect();
    assert!(read[1].contains("within 7 days"), "{read:?}");
    assert!(read[2].contains("-700 ppm"), "{read:?}");
    assert!(read[3].contains("240 ms") && read[3].contains("100 ms"), "{read:?}");
    assert!(read[4].contains("never seen to run on node node2"), "{read:?}");
}

#[test]
fn a_device_that_fails_its_test_now_is_told_with_the_number_that_says_how() {
    let mut record = record();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.nodes.get_mut(&node("node1")).unwrap().fence = Some(FenceDevice {
        agent: "fence_rack".to_owned(),
        options: BTreeMap::new(),
        secret: None,
        limit: Span::secs(20),
        every: Span::secs(3600),
    });
    let mut standing = standing(record);
    standing.fence_tests.insert(node("node1"), Some(NOW));
    let seen = [started("node1", NOW), started("node2", NOW)];
    assert_eq!(ids(&doctor(&standing, &seen)), [""; 0]);
    let fault = FenceFault::Failed("login failed".to_owned());
    standing.fence_faults.insert(node("node1"), fault);
    assert_eq!(ids(&doctor(&standing, &seen)), ["TSUG10322-E"]);
    standing.fence_faults.clear();
    standing.fence_tests.clear();
    let found = doctor(&standing, &seen);
    assert_eq!(ids(&found), ["TSUG10337-W"]);
    let said = text(&found.findings[0].what);
    assert!(said.contains("since the agent there started"), "{said}");
}

#[test]
fn a_mirror_that_is_not_whole_is_told_with_what_its_sides_do_not_have_alike() {
    let picture = standing(record());
    let connection = "WFConnection".to_owned();
    let parted = Mirror { connection, out_of_sync: 49_152, ..whole() };
    let of = |mirror: Option<Mirror>| {
        let (group, name) = (group("PAY"), "r0".to_owned());
        mirrors_not_whole(&picture, vec![Mirrored { group, name, mirror }])
    };
    assert_eq!(of(Some(whole())), []);
    for (mirror, says) in [(Some(parted), "oos:48K"), (None, "Unconfigured")] {
        let found = of(mirror);
        let [one] = &found[..] else { panic!("one mirror, one finding: {found:?}") };
        assert_eq!((one.what.id.as_str(), one.about.as_str()), ("TSUG10271-W", "PAY"));
        assert!(text(&one.what).contains(says), "{one:?}");
    }
}

#[test]
fn the_doctor_tells_of_a_volume_that_the_next_node_has_to_wait_for() {
    let picture = standing(record());
    assert_eq!(slow_to_mount(&picture, Vec::new()), []);
    let found = slow_to_mount(&picture, vec![(group("PAY"), "/data/pay".to_owned())]);
    let [one] = &found[..] else { panic!("one volume, one finding: {found:?}") };
    assert_eq!((one.what.id.as_str(), one.about.as_str()), ("TSUG10254-W", "PAY"));
    assert!(text(&one.what).contains("/data/pay"), "{one:?}");
}

#[test]
fn the_doctor_tells_of_a_limit_below_what_an_agent_advises() {
    let (limit, advised) = (Span::secs(10), Span::secs(60));
    let (group, resource) = (group("PAY"), ResourceName::new("share").unwrap());
    let shorter = Shorter { group, resource, setting: "stop_limit", limit, advised };
    let found = limits_below_advice(vec![shorter]);
    let [one] = &found[..] else { panic!("one limit, one finding: {found:?}") };
    assert_eq!((one.what.id.as_str(), one.about.as_str()), ("TSUG10341-W", "PAY"));
    let said = text(&one.what);
    assert!(
        ["share", "stop_limit", "10000 ms", "60000 ms"].iter().all(|w| said.contains(w)),
        "{said}"
    );
}
