//! Two nodes and a disk that has the third vote.

use super::*;
use crate::lease::disk_vote::DiskSight;
use crate::plan::{Beats, Life};
use crate::spec::LedgerPlace;

pub(super) fn on_disk() -> Record {
    let mut record = record();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.nodes.remove(&name("c"));
    config.spec.ledger = LedgerPlace::OnDisk(BTreeMap::new());
    record.nodes.remove(&name("c"));
    record.voters.remove(&name("c"));
    record
}

/// The node `a`, which runs the group, and `b`, which answers.
fn running() -> Bench {
    let mut bench = Bench::new(on_disk());
    bench.voters = vec![name("b")];
    bench.disk = Some(Shows::Claims(None));
    bench.give(|_| ());
    bench.pass(Span::secs(1));
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) }, "{:?}", bench.done);
    bench.done.clear();
    bench.claims.clear();
    bench
}

#[test]
fn while_the_other_answers_the_disk_is_asked_for_no_vote() {
    let mut bench = running();
    bench.pass(Span::secs(2));
    assert!(!bench.claims.is_empty(), "it is there, and is seen to be");
    let renewed = |claims: &Claims| claims.groups.get(&pay()).map(|claim| claim.renewed);
    let first = renewed(&bench.claims[0]);
    assert!(bench.claims.iter().all(|claims| renewed(claims) == first));
    // A disk that hangs then costs nothing.
    bench.disk = None;
    bench.pass(Span::secs(2));
    assert_eq!(bench.done, [""; 0]);
}

#[test]
fn for_the_first_lease_of_a_group_the_disk_is_asked_beside_the_other() {
    let mut bench = Bench::new(on_disk());
    bench.voters = vec![name("b")];
    bench.pass(Span::secs(1));
    bench.claims.clear();
    bench.give(|_| ());
    bench.pass(Span::secs(1));
    let claimed = |claims: &Claims| claims.groups.get(&pay()).map(|claim| claim.epoch);
    assert!(bench.claims.iter().any(|claims| claimed(claims) == Some(epoch(1))));
}

#[test]
fn an_owner_that_hears_nobody_goes_on_with_the_vote_of_the_disk() {
    let mut bench = running();
    bench.voters.clear();
    bench.pass(Span::secs(2));
    assert_eq!(bench.done, [""; 0]);
    assert_eq!(bench.claims.last().unwrap().groups[&pay()].epoch, epoch(1));
    let said = bench.beats.last().unwrap().health.hearing;
    assert_eq!(said, crate::lease::heartbeat::Hearing::Majority);
}

#[test]
fn a_node_tells_a_disk_that_it_does_not_see_and_one_that_only_it_sees() {
    let mut bench = running();
    let sight = |bench: &Bench| bench.node.disk_sight(bench.now);
    assert_eq!(bench.node.disk_sight(bench.now), DiskSight::Seen);
    bench.pass(Span::secs(4));
    assert_eq!(sight(&bench), DiskSight::OnlyHere, "b is heard and never wrote");
    for number in 1..20 {
        let theirs = Claims { number, boot: BootId(5), ..Claims::default() };
        bench.disk = Some(Shows::Claims(Some(theirs)));
        bench.pass(Span::millis(200));
    }
    assert_eq!(sight(&bench), DiskSight::Seen);
    bench.disk = Some(Shows::Nothing);
    bench.pass(Span::secs(1));
    assert_eq!(sight(&bench), DiskSight::NotSeen);
    let alone = Bench::running(record());
    assert_eq!(sight(&alone), DiskSight::None);
}

#[test]
fn a_node_that_is_only_seen_to_write_on_the_disk_has_said_nothing_of_itself() {
    let mut bench = running();
    let beats = |bench: &Bench| bench.node.sights(bench.now)[&name("b")].beats;
    let writes = |bench: &mut Bench, boot: u128| {
        for number in 1..9 {
            let theirs = Claims { number, boot: BootId(boot), ..Claims::default() };
            bench.disk = Some(Shows::Claims(Some(theirs)));
            bench.pass(Span::millis(200));
        }
    };
    writes(&mut bench, 5);
    assert_eq!(beats(&bench), Beats::Unheard);
    let beat = beat_of("b", 1, &bench.record);
    bench.tell(Event::Heard { via: via(0), beat: beat.into() });
    assert_eq!(beats(&bench), Beats::Heard);
    // Another life of it has said nothing again.
    writes(&mut bench, 6);
    assert_eq!(beats(&bench), Beats::Unheard);
}

#[test]
fn an_owner_that_hears_nobody_and_loses_the_disk_lets_go_at_its_deadline() {
    for disk in [None, Some(Shows::Nothing)] {
        let mut bench = running();
        bench.voters.clear();
        bench.ledger = Ledger::Silent;
        bench.pass(Span::secs(1));
        bench.disk = disk;
        bench.pass(Span::secs(1));
        assert_eq!(bench.done, ["let go", "disarm"]);
    }
}

#[test]
fn an_owner_loses_the_vote_of_the_disk_to_a_higher_epoch() {
    let mut bench = running();
    bench.voters.clear();
    bench.ledger = Ledger::Silent;
    bench.pass(Span::secs(1));
    let mut theirs = bench.claims.last().unwrap().clone();
    theirs.groups.get_mut(&pay()).unwrap().epoch = epoch(2);
    bench.disk = Some(Shows::Claims(Some(theirs)));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["let go", "disarm"]);
}

#[test]
fn who_writes_on_the_disk_is_not_silent_though_no_network_leads_to_it() {
    let mut bench = running();
    bench.voters.clear();
    let life = |bench: &Bench| bench.node.sights(bench.now).get(&name("b")).map(|s| s.life.clone());
    for number in 1..40 {
        let theirs = Claims { number, boot: BootId(5), ..Claims::default() };
        bench.disk = Some(Shows::Claims(Some(theirs)));
        bench.pass(Span::millis(100));
    }
    assert_eq!(life(&bench), Some(Life::Heard));
    bench.pass(bench.node.timing().silent_after() + Span::millis(200));
    assert!(matches!(life(&bench), Some(Life::Silent { .. })), "{:?}", life(&bench));
}
