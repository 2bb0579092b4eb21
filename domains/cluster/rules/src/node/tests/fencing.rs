//! A fence that was ordered: carried out once, at once, by the one who was to do it.

use tsugi_vocabulary::BootId;

use super::*;
use crate::record::{FenceFault, FenceOrder};
use crate::spec::FenceDevice;

/// The boot of b.
const TARGET: BootId = BootId(b'b' as u128);

/// A node whose record names a device of b; b was heard once, long ago.
fn bench() -> Bench {
    let mut record = record();
    let mut config = (**record.config.as_ref().unwrap()).clone();
    config.spec.nodes.get_mut(&name("b")).unwrap().fence = Some(FenceDevice {
        agent: "fence_rack".to_owned(),
        options: [].into(),
        secret: None,
        limit: Span::secs(20),
        every: Span::secs(3600),
    });
    record.config = Some(Arc::new(config));
    let mut bench = Bench::new(record);
    bench.voters = vec![name("c")];
    let beat = beat_of("b", 1, &bench.record);
    bench.tell(Event::Heard { via: via(0), beat: beat.into() });
    bench.pass(Span::secs(1));
    bench
}

fn order() -> FenceOrder {
    let (by, by_boot) = (name("a"), BOOT);
    FenceOrder { boot: TARGET, by, by_boot, at: Wall(11_000), order: None, failed: None }
}

fn write(bench: &mut Bench, order: FenceOrder) {
    let known = NodeRecord { fencing: Some(order), ..NodeRecord::new(2) };
    let write = Write::Node(name("b"), Arc::new(known));
    bench.record.apply(&Draft::default().write(write), Index(bench.record.applied.0 + 1));
    bench.tell(Event::Applied(Arc::new(bench.record.clone())));
}

fn shots(bench: &Bench) -> usize {
    bench.done.iter().filter(|done| done.starts_with("fence")).count()
}

fn known(bench: &Bench) -> &NodeRecord {
    &bench.record.nodes[&name("b")].value
}

fn late(bench: &Bench) -> bool {
    let failed = known(bench).fencing.as_ref().and_then(|order| order.failed.clone());
    shots(bench) == 0 && failed.is_some_and(|(_, fault)| fault == FenceFault::Late)
}

#[test]
fn an_order_is_carried_out_once_and_its_confirmation_is_an_entry_that_names_the_boot() {
    let mut bench = bench();
    write(&mut bench, order());
    assert_eq!(bench.done, ["fence b"]);
    bench.pass(Span::secs(1));
    assert_eq!(shots(&bench), 1);
    assert_eq!(known(&bench).fenced, None, "nothing is known yet");
    let beats = bench.beats.len();
    bench.tell(Event::Fenced { node: name("b"), boot: TARGET, outcome: Ok(()) });
    assert_eq!((known(&bench).fenced, &known(&bench).fencing), (Some(TARGET), &None));
    assert!(bench.beats.len() > beats, "what the promise held up is asked again at once");
}

#[test]
fn a_node_that_is_said_to_be_off_and_is_heard_is_not_taken_for_off() {
    for lives in [true, false] {
        let mut bench = bench();
        let mut sequence = 10;
        let mut hear = |bench: &mut Bench| {
            sequence += 1;
            let beat = beat_of("b", sequence, &bench.record);
            bench.tell(Event::Heard { via: via(0), beat: beat.into() });
        };
        hear(&mut bench);
        let by_hand = Some(crate::record::Order {
            by: "mori".to_owned(),
            reason: "smoke".to_owned(),
            at: Wall(11_000),
            command: "c-1".to_owned(),
        });
        write(&mut bench, FenceOrder { order: by_hand, ..order() });
        bench.tell(Event::Fenced { node: name("b"), boot: TARGET, outcome: Ok(()) });
        assert_eq!(known(&bench).fenced, None, "it was heard a moment ago");
        for _ in 0..60 {
            bench.pass(Span::millis(20));
            if lives {
                hear(&mut bench);
            }
        }
        let fault = known(&bench).fencing.as_ref().and_then(|order| order.failed.clone());
        if lives {
            assert_eq!(known(&bench).fenced, None);
            assert_eq!(fault.map(|(_, fault)| fault), Some(FenceFault::Wrong));
            let caught = &bench.record.nodes[&name("a")].value.caught;
            assert!(caught.contains_key(&name("b")), "nor is it ever believed unasked");
        } else {
            assert_eq!(known(&bench).fenced, Some(TARGET), "it has been silent since");
        }
    }
}

#[test]
fn a_failure_is_written_down_and_not_tried_again_by_itself() {
    let mut bench = bench();
    write(&mut bench, order());
    let outcome = Err(FenceFault::Lied);
    bench.tell(Event::Fenced { node: name("b"), boot: TARGET, outcome });
    let failed = known(&bench).fencing.clone().unwrap().failed;
    assert_eq!(failed.map(|(_, fault)| fault), Some(FenceFault::Lied));
    assert_eq!(known(&bench).fenced, None);
    bench.pass(Span::secs(30));
    assert_eq!(shots(&bench), 1);
}

#[test]
fn an_order_of_another_node_or_to_another_life_of_this_one_is_not_carried_out() {
    let mut bench = bench();
    write(&mut bench, FenceOrder { by: name("c"), ..order() });
    write(&mut bench, FenceOrder { by_boot: BootId(4711), ..order() });
    bench.pass(Span::secs(1));
    assert_eq!((shots(&bench), known(&bench).fenced), (0, None));
}

/// A node that is heard when it comes to it is not switched off, and a node that is cut off
/// switches nobody off.
fn the_cut_off_shoots_nobody() {
    let mut heard = bench();
    let beat = beat_of("b", 2, &heard.record);
    heard.tell(Event::Heard { via: via(0), beat: beat.into() });
    write(&mut heard, order());
    assert!(late(&heard), "{:?}", heard.done);
    let mut cut_off = bench();
    cut_off.voters.clear();
    cut_off.pass(Span::secs(1));
    write(&mut cut_off, order());
    assert!(late(&cut_off), "{:?}", cut_off.done);
}

#[test]
fn a_node_that_is_cut_off_shoots_nobody_and_nobody_is_shot_who_is_heard_again() {
    the_cut_off_shoots_nobody();
}

#[test]
fn a_person_may_have_a_node_switched_off_that_is_heard() {
    let mut bench = bench();
    let beat = beat_of("b", 2, &bench.record);
    bench.tell(Event::Heard { via: via(0), beat: beat.into() });
    let by_hand = crate::record::Order {
        by: "mika".to_owned(),
        reason: "it burns".to_owned(),
        at: Wall(0),
        command: "c-1".to_owned(),
    };
    write(&mut bench, FenceOrder { order: Some(by_hand), ..order() });
    assert_eq!(shots(&bench), 1);
}

#[test]
fn an_outcome_that_no_ledger_takes_is_put_to_it_again() {
    let mut bench = bench();
    write(&mut bench, order());
    bench.ledger = Ledger::Silent;
    bench.tell(Event::Fenced { node: name("b"), boot: TARGET, outcome: Ok(()) });
    assert_eq!(known(&bench).fenced, None);
    bench.ledger = Ledger::Answers;
    bench.pass(Span::secs(1));
    assert_eq!(known(&bench).fenced, Some(TARGET));
}

#[test]
fn what_the_devices_said_stands_in_the_nodes_own_entry_and_is_written_when_it_changes() {
    let mut bench = bench();
    let own = |bench: &Bench| bench.record.nodes[&name("a")].value.unable.clone();
    let writes = |bench: &Bench| bench.taken.len();
    let before = writes(&bench);
    bench.tell(Event::DevicesAsked(BTreeMap::new()));
    assert_eq!(writes(&bench), before, "all is well, as the record has it");
    let unable = BTreeMap::from([(name("b"), FenceFault::Flooded)]);
    bench.tell(Event::DevicesAsked(unable.clone()));
    assert_eq!((own(&bench), writes(&bench)), (unable.clone(), before + 1));
    bench.tell(Event::DevicesAsked(unable));
    bench.pass(Span::secs(5));
    assert_eq!(writes(&bench), before + 1);
    bench.tell(Event::DevicesAsked(BTreeMap::new()));
    assert_eq!(own(&bench), BTreeMap::new());
}

#[cfg(feature = "mutants")]
#[test]
fn an_order_that_is_carried_out_late_is_noticed() {
    crate::mutant::plant("fence-carried-out-late");
    let found = std::panic::catch_unwind(the_cut_off_shoots_nobody).is_err();
    crate::mutant::plant("");
    assert!(found);
}
