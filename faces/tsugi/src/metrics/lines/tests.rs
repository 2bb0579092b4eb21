//! What is counted, and that a label cannot break out of its quotes.

use super::*;
use tsugi_wire::control::report::Votes;

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
    }
}

fn page_of(takeovers: &Takeovers, status: &Status) -> String {
    page(Some(("n2", status)), takeovers)
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
    let text = page_of(&takeovers, &status(group("1.7", Some("n2"), "power-lost")));
    assert!(text.contains("tsugi_takeover_total{group=\"PAY\",reason=\"power-lost\"} 2\n"));
    assert!(!text.contains("reason=\"operator\""), "{text}");
}

#[test]
fn a_group_is_in_one_state_on_one_node_and_its_lease_is_its_owners_to_tell() {
    let none = Takeovers::default();
    let text = page_of(&none, &status(group("1.7", Some("n2"), "operator")));
    assert!(text.contains("tsugi_group_state{group=\"PAY\",state=\"running\"} 1\n"));
    let states = text.lines().filter(|l| l.starts_with("tsugi_group_state{")).count();
    assert_eq!(states, STATES.len());
    let ones = text.lines().filter(|l| l.starts_with("tsugi_group_state{") && l.ends_with(" 1"));
    assert_eq!(ones.count(), 1);
    assert!(text.contains("tsugi_group_owner{group=\"PAY\",node=\"n1\"} 0\n"));
    assert!(text.contains("tsugi_group_owner{group=\"PAY\",node=\"n2\"} 1\n"));
    assert!(text.contains("tsugi_group_epoch{group=\"PAY\"} 7\n"));
    assert!(text.contains("tsugi_lease_remaining_seconds{group=\"PAY\"} 1.5\n"));
    let elsewhere = page_of(&none, &status(group("1.7", Some("n1"), "operator")));
    assert!(!elsewhere.contains("lease_remaining_seconds{"));
}

#[test]
fn an_agent_that_does_not_answer_is_a_metric_and_labels_are_escaped() {
    let text = page(None, &Takeovers::default());
    assert!(text.contains("tsugi_up 0\n") && text.contains("tsugi_build_info{version="));
    let mut odd = group("1.1", Some("n2"), "operator");
    odd.name = "P\"A\\Y\n".to_owned();
    let text = page_of(&Takeovers::default(), &status(odd));
    assert!(text.contains("tsugi_group_epoch{group=\"P\\\"A\\\\Y\\n\"} 1\n"), "{text}");
}
