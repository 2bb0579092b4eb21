//! What of a round status and doctor say, and what they never call well.

use tsugi_cluster_rules::parity::{Inventory, Wrong};
use tsugi_vocabulary::Wall;

use super::super::scenes::{NOW, group, node, record, standing, text};
use super::*;

/// A round on node1: nothing of itself, and this of node2.
fn round(at: Wall, wrong: Option<Wrong>) -> Outcome {
    let picture = standing(record());
    let config = picture.record.config.as_ref().expect("it is applied").hash.clone();
    let (group, node) = (group("PAY"), node("node2"));
    let item = "program:/opt/pay/start".to_owned();
    let gap = wrong.map(|what| Gap { group: group.clone(), item, what });
    let against = Some(picture.me.clone());
    let verdict = Verdict { group, node, against, gaps: gap.into_iter().collect() };
    let mine = Inventory {
        node: picture.me.clone(),
        config: config.clone(),
        groups: Default::default(),
        facts: Default::default(),
        needed: Default::default(),
        at: None,
    };
    Outcome { at, config, verdicts: vec![verdict], mine }
}

fn said(needs: &[report::Need]) -> Vec<&str> {
    needs.iter().map(|need| need.what.id.as_str()).collect()
}

#[test]
fn a_difference_is_in_status_and_doctor_with_the_command_that_lists_it() {
    let (picture, last) = (standing(record()), round(NOW, Some(Wrong::Missing)));
    let needs = parity_needs(&picture, &last);
    assert_eq!(said(&needs), [messages::parity_found("", "", 0, "").id()]);
    assert_eq!(needs[0].next.as_deref(), Some("tsugi parity PAY"));
    assert!(text(&needs[0].what).contains("program:/opt/pay/start"), "{}", text(&needs[0].what));
    assert_eq!(parity_findings(&picture, Some(Arc::new(last))), needs);
}

#[test]
fn nothing_is_said_of_nodes_that_could_all_take_their_groups() {
    let (picture, last) = (standing(record()), round(NOW, None));
    assert_eq!(parity_needs(&picture, &last), []);
    assert_eq!(parity_findings(&picture, Some(Arc::new(last))), []);
}

#[test]
fn what_is_not_known_is_the_doctors_and_never_well() {
    let picture = standing(record());
    let asked = |last: Option<Outcome>| {
        let found = parity_findings(&picture, last.map(Arc::new));
        said(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(asked(None), [messages::parity_never("").id()]);
    let silent = Wrong::NotAsked("no route".to_owned());
    assert_eq!(parity_needs(&picture, &round(NOW, Some(silent.clone()))), []);
    assert_eq!(asked(Some(round(NOW, Some(silent)))), [messages::parity_unknown("", "").id()]);
    let old = Wall(NOW.0 - STALE.as_millis() - 1);
    assert_eq!(asked(Some(round(old, None))), [messages::parity_old("", "").id()]);
    let of_another = Outcome { config: "another".to_owned(), ..round(NOW, Some(Wrong::Missing)) };
    assert_eq!(parity_needs(&picture, &of_another), []);
    assert_eq!(asked(Some(of_another)), [messages::parity_never("").id()]);
}
