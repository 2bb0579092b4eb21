//! What is counted, and that a label cannot break out of its quotes.

use super::*;
use tsugi_vocabulary::Wall;
use tsugi_wire::control::gauges::{Differences, FenceTest, HeardOver, SeenOnDisk};
use tsugi_wire::control::listing::{Listing, PartRow, StatusWord};
use tsugi_wire::control::report::{Moment, Stretch, Votes};
use tsugi_wire::control::{Utc, Words};

fn group(epoch: &str, owner: Option<&str>, cause: &str) -> Group {
    Group {
        name: "PAY".to_owned(),
        state: "running".to_owned(),
        paused: false,
        owner: owner.map(str::to_owned),
        epoch: epoch.to_owned(),
        cause: None,
        cause_data: Some(serde_json::json!({ "cause": cause })),
        lease_ms: Some(1500),
        prefer: vec!["n1".to_owned(), "n2".to_owned()],
        proven: Vec::new(),
    }
}

fn status(group: Group) -> Status {
    Status {
        cluster: None,
        needs: Vec::new(),
        notes: Vec::new(),
        votes: Votes { of: 3, heard: 3, needed: 2, leader: None },
        nodes: Vec::new(),
        groups: vec![group],
        generation: 1,
        config: None,
        listing: Listing::default(),
        stretch: None,
    }
}

fn page_of(takeovers: Takeovers, status: Status) -> String {
    let seen = Seen { node: "n2".to_owned(), status };
    page((Some(&seen), None), &Kept { takeovers, ..Kept::default() })
}

#[test]
fn a_new_owner_is_counted_once_by_its_reason_and_never_the_first_one_seen() {
    let mut takeovers = Takeovers::default();
    for (epoch, owner, cause) in [
        ("1.4", Some("n1"), "operator"),
        ("1.4", Some("n1"), "operator"),
        ("1.5", Some("n2"), "power-lost"),
        ("1.5", Some("n2"), "power-lost"),
        ("1.6", None, "operator"),
        ("1.7", Some("n1"), "power-lost"),
    ] {
        takeovers.see(&status(group(epoch, owner, cause)));
    }
    let text = page_of(takeovers, status(group("1.7", Some("n2"), "power-lost")));
    assert!(text.contains("tsugi_takeover_total{group=\"PAY\",reason=\"power-lost\"} 2\n"));
    assert!(!text.contains("reason=\"operator\""), "{text}");
}

#[test]
fn cl_35_the_ratio_of_time_outs_is_one_unless_somebody_has_them_stretched() {
    let calm = || status(group("1.7", Some("n2"), "operator"));
    let text = page_of(Takeovers::default(), calm());
    assert!(text.contains("tsugi_timeout_ratio 1\n"), "{text}");
    assert!(!text.contains("tsugi_timeout_ratio_end"), "{text}");
    let stretch = Stretch {
        ratio: 5,
        by: "mika".to_owned(),
        reason: "storage move".to_owned(),
        since: Utc(Wall(1_000_000)),
        until: Utc(Wall(8_200_000)),
        takes_over_within_ms: 2_800,
    };
    let text = page_of(Takeovers::default(), Status { stretch: Some(stretch), ..calm() });
    assert!(text.contains("tsugi_timeout_ratio 5\n"), "{text}");
    let end = "tsugi_timeout_ratio_end_timestamp_seconds{by=\"mika\",";
    assert!(text.contains(&format!("{end}reason=\"storage move\"}} 8200\n")), "{text}");
}

#[test]
fn a_group_is_in_one_state_on_one_node_and_its_lease_is_its_owners_to_tell() {
    let none = Takeovers::default;
    let text = page_of(none(), status(group("1.7", Some("n2"), "operator")));
    assert!(text.contains("tsugi_group_state{group=\"PAY\",state=\"running\"} 1\n"));
    let states = text.lines().filter(|l| l.starts_with("tsugi_group_state{")).count();
    assert_eq!(states, STATES.len());
    let ones = text.lines().filter(|l| l.starts_with("tsugi_group_state{") && l.ends_with(" 1"));
    assert_eq!(ones.count(), 1);
    assert!(text.contains("tsugi_group_owner{group=\"PAY\",node=\"n1\"} 0\n"));
    assert!(text.contains("tsugi_group_owner{group=\"PAY\",node=\"n2\"} 1\n"));
    assert!(text.contains("tsugi_group_epoch{group=\"PAY\"} 7\n"));
    assert!(text.contains("tsugi_lease_remaining_seconds{group=\"PAY\"} 1.5\n"));
    let elsewhere = page_of(none(), status(group("1.7", Some("n1"), "operator")));
    assert!(!elsewhere.contains("lease_remaining_seconds{"));
}

#[test]
fn an_agent_that_does_not_answer_is_a_metric_and_labels_are_escaped() {
    let text = page((None, None), &Kept::default());
    assert!(text.contains("tsugi_up 0\n") && text.contains("tsugi_build_info{version="));
    let mut odd = group("1.1", Some("n2"), "operator");
    odd.name = "P\"A\\Y\n".to_owned();
    let text = page_of(Takeovers::default(), status(odd));
    assert!(text.contains("tsugi_group_epoch{group=\"P\\\"A\\\\Y\\n\"} 1\n"), "{text}");
}

#[test]
fn cl_44_what_a_node_alone_knows_is_told_of_certificate_devices_parity_beats_mirrors_and_log() {
    let seen = Seen { node: "n2".to_owned(), status: status(group("1.7", None, "operator")) };
    let known = Gauges {
        certificate_until: Some(Utc(Wall(1_800_000_000_500))),
        fence_tests: vec![
            FenceTest { node: "n1".to_owned(), at: Some(Utc(Wall(1_700_000_000_000))) },
            FenceTest { node: "n3".to_owned(), at: None },
        ],
        differences: vec![Differences { group: "PAY".to_owned(), node: "n1".to_owned(), count: 3 }],
        heard: vec![HeardOver { node: "n1".to_owned(), network: 1, ago_us: 29_900 }],
        on_disk: Some(SeenOnDisk { node: "n1".to_owned(), ago_us: 280_000 }),
        mirrors: vec![
            MirrorState {
                group: "PAY".to_owned(),
                name: "r0".to_owned(),
                connection: "WFConnection".to_owned(),
                role: "Primary".to_owned(),
                disk: "UpToDate".to_owned(),
                peer_disk: "DUnknown".to_owned(),
                out_of_sync: Some(49_152),
            },
            MirrorState {
                group: "LOG".to_owned(),
                name: "r1".to_owned(),
                connection: "Unconfigured".to_owned(),
                role: "Unknown".to_owned(),
                disk: "DUnknown".to_owned(),
                peer_disk: "DUnknown".to_owned(),
                out_of_sync: None,
            },
        ],
        messages: [("TSUG10005-I".to_owned(), 2)].into(),
    };
    let text = page((Some(&seen), Some(&known)), &Kept::default());
    for line in [
        "tsugi_certificate_expiry_timestamp_seconds{name=\"n2\"} 1800000000.5",
        "tsugi_fence_test_last_success_timestamp_seconds{node=\"n2\",device=\"n1\"} 1700000000",
        "tsugi_fence_test_last_success_timestamp_seconds{node=\"n2\",device=\"n3\"} 0",
        "tsugi_parity_differences{node=\"n1\",group=\"PAY\"} 3",
        "tsugi_heartbeat_age_seconds{node=\"n1\",network=\"1\"} 0.0299",
        "tsugi_heartbeat_age_seconds{node=\"n1\",network=\"disk\"} 0.28",
        "tsugi_mirror_out_of_sync_bytes{node=\"n2\",group=\"PAY\",mirror=\"r0\"} 49152",
        "tsugi_mirror_state{node=\"n2\",group=\"PAY\",mirror=\"r0\",connection=\"WFConnection\",\
         role=\"Primary\",disk=\"UpToDate\",peer_disk=\"DUnknown\"} 1",
        "tsugi_mirror_state{node=\"n2\",group=\"LOG\",mirror=\"r1\",connection=\"Unconfigured\",\
         role=\"Unknown\",disk=\"DUnknown\",peer_disk=\"DUnknown\"} 1",
        "tsugi_message_total{id=\"TSUG10005-I\"} 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let of_r1 = "tsugi_mirror_out_of_sync_bytes{node=\"n2\",group=\"LOG\"";
    assert!(!text.contains(of_r1), "what is not up has no lag that anybody knows");
}

#[test]
fn how_long_a_takeover_took_is_told_by_phase_and_only_of_one_that_ended() {
    let words = || Words { id: "TSUG10005-I".to_owned(), values: BTreeMap::new() };
    let moment = |at| Moment { at: Utc(Wall(at)), by: "n2".to_owned(), what: words() };
    let story = |without_service_ms| Story {
        group: "PAY".to_owned(),
        from: Some("n1".to_owned()),
        to: Some("n2".to_owned()),
        epoch: "1.7".to_owned(),
        generation: 3,
        cause: words(),
        cause_data: serde_json::Value::Null,
        sightings: vec![moment(10_000)],
        decision: moment(10_460),
        rejected: Vec::new(),
        steps: Vec::new(),
        effects: Vec::new(),
        without_service_ms,
    };
    assert_eq!(Phases::of(&story(None)), None);
    let mut kept = Kept::default();
    let now = status(group("1.7", Some("n2"), "operator"));
    let asked = ("PAY".to_owned(), "1.7".to_owned());
    let open = std::slice::from_ref(&asked);
    assert_eq!(kept.see(&now), open);
    assert_eq!(kept.see(&now), open, "a question without an answer is asked again");
    kept.took(asked.0, asked.1, Some(&story(Some(600))));
    assert_eq!(kept.see(&now), [], "once is enough");
    let text = page((None, None), &kept);
    for (phase, took) in [("notice", "0.46"), ("whole", "0.6")] {
        let line =
            format!("tsugi_takeover_duration_seconds{{group=\"PAY\",phase=\"{phase}\"}} {took}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("phase=\"carry-out\"} 0.1"), "{text}");
}

#[test]
fn a_group_that_is_gone_is_gone_from_the_page() {
    let mut kept = Kept::default();
    kept.took("OLD".to_owned(), "1.1".to_owned(), None);
    kept.see(&status(group("1.7", Some("n2"), "operator")));
    assert!(!kept.phases.contains_key("OLD"));
}

#[test]
fn a_resource_and_a_monitor_are_in_one_state_on_each_node_and_a_hung_one_is_unknown() {
    let row = |name: &str, node: &str, status| PartRow {
        group: "PAY".to_owned(),
        name: name.to_owned(),
        kind: "process".to_owned(),
        node: node.to_owned(),
        status,
    };
    let mut status = status(group("1.7", Some("n2"), "operator"));
    status.listing.resources = vec![
        row("server", "n1", StatusWord::Offline),
        row("server", "n2", StatusWord::Online),
        row("server", "n3", StatusWord::Unused),
    ];
    status.listing.monitors = vec![
        row("server/port", "n2", StatusWord::Normal),
        row("server/page", "n2", StatusWord::Unknown),
    ];
    let text = page_of(Takeovers::default(), status);
    let is = |what: &str, name: &str, node: &str, state: &str| {
        let labels = format!("node=\"{node}\",group=\"PAY\",{what}=\"{name}\"");
        format!("tsugi_{what}_state{{{labels},state=\"{state}\"}} 1")
    };
    let ones = |family: &str| -> Vec<&str> {
        let of = text.lines().filter(|l| l.starts_with(family) && l.ends_with(" 1"));
        of.collect()
    };
    assert_eq!(
        ones("tsugi_resource_state{"),
        [is("resource", "server", "n1", "offline"), is("resource", "server", "n2", "online")]
    );
    let well = is("monitor", "server/port", "n2", "normal");
    let hung = is("monitor", "server/page", "n2", "unknown");
    assert_eq!(ones("tsugi_monitor_state{"), [well, hung]);
    let all = text.lines().filter(|l| l.starts_with("tsugi_monitor_state{")).count();
    assert_eq!(all, 2 * MONITOR.len(), "one series a state");
}
