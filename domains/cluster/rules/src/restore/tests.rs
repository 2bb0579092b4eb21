//! What is believed of a backup, and what a restored ledger waits for.

use std::collections::BTreeMap;

use tsugi_vocabulary::{GroupName, Index, Wall};

use super::*;
use crate::lease::{former_majority_out_there, lost_voters_out_there};
use crate::reason::Cause;
use crate::record::{Gone, GroupIntent, Guard, Order, Pause, Phase, Versioned};
use crate::start_kind::StartKind;

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn work() -> GroupName {
    GroupName::new("WORK").unwrap()
}

fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

fn pinned_to(node: &str) -> Pause {
    let order =
        Order { by: String::new(), reason: String::new(), at: Wall(0), command: String::new() };
    Pause { order, until: None, pinned: Some(name(node)), guard: Guard::Disarmed }
}

/// Kept by these, and the group owned by the first under this epoch.
fn kept_by(voters: &[(&str, u64)], counter: u64) -> Record {
    let list: BTreeMap<NodeName, u64> = voters.iter().map(|(n, v)| (name(n), *v)).collect();
    let version = Index(5);
    let node = |(node, voter): (&NodeName, &u64)| {
        let certificate = Some(format!("of {node}"));
        let value = Arc::new(NodeRecord { certificate, ..NodeRecord::new(*voter) });
        (node.clone(), Versioned { version, value })
    };
    let mut group = GroupRecord::new(GroupIntent::Run);
    group.epoch = epoch(counter);
    group.ownership = Ownership::Owned {
        node: name(voters[0].0),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase: Phase::Running,
        handover: None,
    };
    Record {
        incarnation: 1,
        applied: version,
        nodes: list.iter().map(node).collect(),
        groups: BTreeMap::from([(work(), Versioned { version, value: Arc::new(group) })]),
        highest_voter: list.values().copied().max().unwrap_or(0),
        voters: list,
        ..Record::default()
    }
}

const ABC: [(&str, u64); 3] = [("a", 1), ("b", 2), ("c", 3)];

/// The record that a restored ledger of `a` begins with.
fn begun(backup: &Record, newest: Newest<'_>, voter: u64) -> Record {
    let node = name("a");
    let keeper = Keeper { node: &node, voter, certificate: "new" };
    let draft = restored(backup, newest, keeper);
    let voters = BTreeMap::from([(node.clone(), voter)]);
    let mut record = Record { incarnation: 2, voters, ..backup.clone() };
    record.apply(&draft, Index(9));
    record
}

fn come_in(record: &mut Record, node: &str, voter: u64) {
    let value = Arc::new(NodeRecord::new(voter));
    record.nodes.insert(name(node), Versioned { version: record.applied, value });
}

#[test]
fn nobody_owns_anything_and_every_end_was_unseen() {
    let newest = kept_by(&ABC, 7);
    let record = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 4);
    let group = record.group(&work()).unwrap();
    assert_eq!(group.ownership, Ownership::Nobody);
    assert_eq!(group.ended, Ending::Unknown);
    assert_eq!(group.epoch, epoch(7), "the highest that is known");
    assert!(group.epoch.next(record.incarnation) > group.epoch);
    assert_eq!(record.nodes[&name("a")].value.voter, 4);
    assert_eq!(record.nodes[&name("b")].value.certificate, None, "its old number is not its own");
}

#[test]
fn l9_a_pin_that_was_set_after_the_backup_stands() {
    let mut newest = kept_by(&ABC, 7);
    let group = newest.groups.get_mut(&work()).unwrap();
    Arc::make_mut(&mut group.value).pause = Some(pinned_to("c"));
    let record = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 4);
    assert_eq!(record.group(&work()).unwrap().pause, Some(pinned_to("c")));
}

#[test]
fn nothing_starts_while_a_majority_of_the_former_voters_is_out_there() {
    let newest = kept_by(&ABC, 7);
    let mut record = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 4);
    assert!(former_majority_out_there(&record), "b and c may go on");
    come_in(&mut record, "c", 5);
    assert!(!former_majority_out_there(&record), "b alone is no majority");
    assert_eq!(former_voters_out_there(&record), [&name("b")]);
}

#[test]
fn a_node_that_was_taken_out_is_not_waited_for() {
    let newest = kept_by(&ABC, 7);
    let mut record = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 4);
    record.nodes.remove(&name("b"));
    assert!(!former_majority_out_there(&record));
    let mut newest = kept_by(&[("a", 1), ("b", 2)], 7);
    newest.gone.insert(name("c"), Gone { voter: 3, certificate: None });
    let record = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 4);
    assert!(!record.nodes.contains_key(&name("c")), "it was taken out after the backup");
}

#[test]
fn voters_that_came_after_the_backup_are_waited_for_as_well() {
    let newest = kept_by(&[("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)], 7);
    let mut record = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 6);
    come_in(&mut record, "b", 7);
    assert!(former_majority_out_there(&record), "c, d and e are three of five");
    come_in(&mut record, "d", 8);
    assert!(!former_majority_out_there(&record));
}

#[test]
fn without_a_copy_of_its_own_it_waits_for_every_voter_of_the_backup() {
    let mut record = begun(&kept_by(&ABC, 4), Newest::Lost, 4);
    come_in(&mut record, "b", 5);
    assert!(former_majority_out_there(&record), "c may be one of a list that nobody knows here");
    come_in(&mut record, "c", 6);
    assert!(!former_majority_out_there(&record));
}

#[test]
fn a_second_restore_waits_for_what_the_first_still_waited_for() {
    let newest = kept_by(&ABC, 7);
    let first = begun(&kept_by(&ABC, 4), Newest::Kept(&newest), 4);
    let second = begun(&kept_by(&ABC, 4), Newest::Kept(&first), 5);
    assert!(former_majority_out_there(&second), "b and c are still of the first life");
}

const FIVE: [(&str, u64); 5] = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)];

fn named(names: &[&str]) -> BTreeSet<NodeName> {
    names.iter().map(|n| name(n)).collect()
}

/// The record that the ledger begins with which `a` keeps alone after these were named lost.
fn alone(known: &Record, lost: &[&str], voter: u64) -> Record {
    let node = name("a");
    let keeper = Keeper { node: &node, voter, certificate: "new" };
    let draft = recovered(known, &named(lost), keeper);
    let voters = BTreeMap::from([(node.clone(), voter)]);
    let mut record = Record { incarnation: 2, voters, highest_voter: voter, ..known.clone() };
    record.apply(&draft, Index(9));
    record
}

#[test]
fn a_recovered_ledger_believes_nothing_that_only_the_owners_could_know() {
    let mut known = kept_by(&[("b", 2), ("a", 1), ("c", 3)], 7);
    let group = known.groups.get_mut(&work()).unwrap();
    Arc::make_mut(&mut group.value).pause = Some(pinned_to("b"));
    let record = alone(&known, &["b", "c"], 4);
    let group = record.group(&work()).unwrap();
    assert_eq!((group.ownership.clone(), group.ended), (Ownership::Nobody, Ending::Unknown));
    assert_eq!(group.epoch, epoch(7));
    assert!(group.epoch.next(record.incarnation) > group.epoch);
    assert_eq!(group.pause, Some(pinned_to("b")), "a pin stands (L9)");
    assert_eq!(record.nodes[&name("a")].value.voter, 4);
    let certificate = record.nodes[&name("b")].value.certificate.clone();
    assert_eq!(certificate.as_deref(), Some("of b"), "whoever shows it is refused");
}

#[test]
fn nothing_starts_after_a_recovery_while_one_node_is_not_accounted_for() {
    let known = kept_by(&FIVE, 7);
    let mut record = alone(&known, &["c", "d", "e"], 6);
    assert_eq!(lost_voters_out_there(&record), [&name("c"), &name("d"), &name("e")]);
    let gone = Draft::default().write(Write::NodeGone(name("c")));
    record.apply(&gone.write(Write::NodeGone(name("d"))), Index(10));
    come_in(&mut record, "b", 7);
    assert!(former_majority_out_there(&record), "e may own any group by itself");
    assert_eq!(lost_voters_out_there(&record), [&name("e")]);
    record.apply(&Draft::default().write(Write::NodeGone(name("e"))), Index(11));
    assert!(!former_majority_out_there(&record));
    // A machine that joins anew under the name is a member like any other.
    come_in(&mut record, "e", 8);
    assert!(lost_voters_out_there(&record).is_empty() && !former_majority_out_there(&record));
}

#[test]
fn a_node_that_is_left_comes_in_by_itself_and_one_without_a_vote_is_waited_for_too() {
    let mut known = kept_by(&ABC, 7);
    come_in(&mut known, "d", 4);
    let mut record = alone(&known, &["b", "c"], 5);
    assert_eq!(record.nodes[&name("d")].value.certificate, None, "its old number is not its own");
    assert_eq!(lost_voters_out_there(&record), [&name("b"), &name("c")]);
    for lost in ["b", "c"] {
        record.apply(&Draft::default().write(Write::NodeGone(name(lost))), Index(10));
    }
    assert!(former_majority_out_there(&record), "d may have been given a vote and a group since");
    come_in(&mut record, "d", 6);
    assert!(!former_majority_out_there(&record));
}

#[test]
fn who_an_earlier_recovery_waits_for_stays_lost_in_the_next() {
    let first = alone(&kept_by(&ABC, 7), &["b", "c"], 4);
    let mut second = first.clone();
    come_in(&mut second, "d", 5);
    second.voters = BTreeMap::from([(name("a"), 4), (name("d"), 5)]);
    let third = alone(&second, &["d"], 6);
    assert_eq!(lost_voters_out_there(&third), [&name("b"), &name("c"), &name("d")]);
    assert_eq!(third.nodes[&name("b")].value.certificate.as_deref(), Some("of b"));
}

#[test]
fn only_the_loss_of_a_majority_is_recovered_from() {
    let known = kept_by(&FIVE, 7);
    let of =
        |names: &[&str]| loss(&known, &name("a"), &names.iter().map(|n| (*n).to_owned()).collect());
    assert_eq!(of(&["c", "d", "e"]), Loss::OfTheMajority);
    assert_eq!(of(&["b", "c", "d", "e"]), Loss::OfTheMajority);
    assert_eq!(of(&["d", "e"]), Loss::StillThere(named(&["a", "b", "c"])));
    let unknown = |names: &[&str]| Loss::Unknown(names.iter().map(|n| (*n).to_owned()).collect());
    assert_eq!(of(&["c", "d", "e", "x"]), unknown(&["x"]));
    assert_eq!(of(&["a", "b", "c"]), unknown(&["a"]), "who keeps it is not lost");
    assert_eq!(of(&[]), unknown(&[]), "nobody was named");
    let pair = kept_by(&[("a", 1), ("b", 2)], 7);
    let lost = ["b".to_owned()].into();
    assert_eq!(loss(&pair, &name("a"), &lost), Loss::OfTheMajority);
}
