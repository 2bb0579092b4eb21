//! What is believed of a backup, and what a restored ledger waits for.

use std::collections::BTreeMap;

use tsugi_vocabulary::{GroupName, Index, Wall};

use super::*;
use crate::lease::former_majority_out_there;
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
