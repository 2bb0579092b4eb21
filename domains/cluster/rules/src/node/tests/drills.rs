//! A drill is carried on by the node that leads, whoever led before.

use super::*;
use crate::drill::{Back, Drill, Drills, Leg, Level, State as Stands, Verdict};
use crate::record::Order as Ordered;

const LINE: Span = Span::secs(1);
const WINDOW: Span = Span::secs(5);

fn leg(from: &str, to: &str, counter: u64, at: Wall) -> Leg {
    let (stop, start) = (Vec::new(), Vec::new());
    let (from, to, epoch) = (name(from), name(to), epoch(counter));
    Leg { from, to, epoch, at, gap: None, stop, start, took: None }
}

/// The group is on b, handed over by a drill that was ordered then.
fn drilled(phase: Phase, state: Stands, at: Wall) -> GroupRecord {
    let order =
        Ordered { by: "mika".to_owned(), reason: "drill".to_owned(), at, command: "c1".to_owned() };
    let drill = Drill {
        order,
        level: Level::Move,
        gap: LINE,
        window: WINDOW,
        state,
        there: leg("a", "b", 2, at),
        back: None,
        places: BTreeMap::from([(pay(), None)]),
    };
    let mut entry = owned(2, "b");
    if let Ownership::Owned { phase: its, cause, .. } = &mut entry.ownership {
        *its = phase;
        *cause = Cause::Operator { by: "mika".to_owned(), reason: "drill".to_owned() };
    }
    entry.location = Some(name("b"));
    entry.drills = Drills { newest: Some(Box::new(drill)), ..Drills::default() };
    entry
}

impl Bench {
    /// Time passes while b is heard.
    fn pass_with_b(&mut self, time: Span) {
        self.pass_with(&["b", "c"], time);
    }

    fn pass_with(&mut self, heard: &[&str], time: Span) {
        let end = self.now + time;
        while self.now < end {
            for sender in heard {
                let beat = beat_of(sender, self.now.0, &self.record).into();
                self.tell(Event::Heard { via: via(0), beat });
            }
            self.pass(Span::millis(100));
        }
    }

    fn leads(&mut self) {
        self.tell(Event::Leader { term: 2, leader: Some(name("a")) });
        self.pass_with_b(Span::secs(1));
    }

    fn drill(&self) -> &Drill {
        self.group().drills.newest.as_deref().expect("a drill")
    }

    fn goes_to(&self) -> Option<&NodeName> {
        match &self.group().ownership {
            Ownership::Owned { handover, .. } => handover.as_ref(),
            Ownership::Nobody => None,
        }
    }

    fn wall(&self) -> Wall {
        Wall(self.now.0 / 1_000_000)
    }
}

#[test]
fn a_group_that_rises_too_slowly_is_turned_back_when_its_line_is_crossed() {
    let mut bench = Bench::new(record());
    bench.leads();
    let at = bench.wall();
    bench.write(drilled(Phase::Starting, Stands::Going, at));
    bench.pass_with_b(Span::millis(800));
    assert_eq!((bench.drill().state, bench.goes_to()), (Stands::Going, None));
    bench.pass_with_b(Span::millis(400));
    assert_eq!(bench.drill().state, Stands::Returning { because: Back::StopLine });
    assert_eq!(bench.goes_to(), Some(&name("a")));
    assert_eq!(bench.drill().back.as_ref().map(|leg| leg.epoch), Some(epoch(3)));
    let gap = bench.drill().there.gap.expect("how long it was out of service is written down");
    assert!(gap > LINE, "{gap:?}");
}

#[test]
fn one_that_was_up_in_time_stays_for_its_window_and_the_gap_is_what_was_seen() {
    let mut bench = Bench::new(record());
    bench.leads();
    let at = bench.wall();
    bench.write(drilled(Phase::Starting, Stands::Going, at));
    bench.pass_with_b(Span::millis(300));
    bench.change(|group| {
        if let Ownership::Owned { phase, .. } = &mut group.ownership {
            *phase = Phase::Running;
        }
    });
    assert_eq!(bench.drill().state, Stands::There);
    assert_eq!(bench.drill().there.gap, Some(Span::millis(300)));
    let proven = bench.group().drills.proven(&name("a"), &name("b")).expect("it is proven");
    assert_eq!(proven.gap, Span::millis(300));
    bench.pass_with_b(Span::secs(4));
    assert_eq!((bench.drill().state, bench.goes_to()), (Stands::There, None));
    bench.pass_with_b(Span::secs(1));
    assert_eq!(bench.drill().state, Stands::Returning { because: Back::Window });
    assert_eq!(bench.goes_to(), Some(&name("a")));
}

#[test]
fn who_did_not_see_it_begin_goes_by_the_wall() {
    let mut record = record();
    let entry = drilled(Phase::Running, Stands::There, Wall(4_000));
    let write = Write::Group(pay(), Arc::new(entry));
    record.apply(&Draft::default().write(write), Index(record.applied.0 + 1));
    // It begins at 10 s: the window has ended a second ago.
    let mut bench = Bench::new(record);
    assert_eq!(bench.drill().state, Stands::There, "it does not lead yet");
    bench.leads();
    assert_eq!(bench.drill().state, Stands::Returning { because: Back::Window });
}

/// Its clock was set back, or whoever ordered it had one that was ahead.
#[test]
fn who_did_not_see_it_begin_and_whose_clock_is_behind_the_order_goes_by_its_own_time() {
    let ahead = Wall(400_000);
    for (state, phase) in [(Stands::There, Phase::Running), (Stands::Going, Phase::Starting)] {
        let mut record = record();
        let write = Write::Group(pay(), Arc::new(drilled(phase, state, ahead)));
        record.apply(&Draft::default().write(write), Index(record.applied.0 + 1));
        let mut bench = Bench::new(record);
        assert!(bench.wall() < ahead);
        bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
        let bound = if state == Stands::There { WINDOW } else { LINE };
        bench.pass_with_b(bound.saturating_sub(Span::millis(100)));
        assert_eq!(bench.drill().state, state);
        bench.pass_with_b(Span::millis(500));
        let because = if state == Stands::There { Back::Window } else { Back::StopLine };
        assert_eq!(bench.drill().state, Stands::Returning { because });
    }
}

#[test]
fn where_the_other_node_is_lost_the_takeover_goes_first_and_the_drill_is_over() {
    let mut bench = Bench::new(record());
    bench.leads();
    let at = bench.wall();
    bench.write(drilled(Phase::Running, Stands::Going, at));
    assert_eq!(bench.drill().state, Stands::There);
    bench.pass_with(&["c"], Span::secs(2));
    let owner = bench.group().owner().cloned();
    assert_eq!(owner, Some(name("a")), "b was silent");
    let Stands::Ended { verdict, .. } = bench.drill().state else {
        panic!("{:?}", bench.drill().state)
    };
    assert_eq!(verdict, Verdict::Interrupted);
    assert_eq!(bench.group().location, None, "it is placed as it was before");
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(3) });
}

#[test]
fn a_node_that_does_not_lead_carries_no_drill_on() {
    let mut bench = Bench::new(record());
    let at = bench.wall();
    bench.write(drilled(Phase::Starting, Stands::Going, at));
    bench.pass_with_b(Span::secs(3));
    assert_eq!((bench.drill().state, bench.goes_to()), (Stands::Going, None));
}

/// One that came from c, which is not heard, and whose window ends.
fn due_home_to_c() -> Bench {
    let mut record = record();
    let mut config = AppliedConfig::clone(record.config.as_deref().expect("a configuration"));
    config.spec.nodes.get_mut(&name("c")).expect("c").role = Role::Node;
    config.spec.groups.get_mut(&pay()).expect("the group").prefer.push(name("c"));
    let write = Write::Config(Arc::new(config));
    record.apply(&Draft::default().write(write), Index(record.applied.0 + 1));
    let mut bench = Bench::new(record);
    bench.leads();
    let mut entry = drilled(Phase::Running, Stands::There, bench.wall());
    let drill = entry.drills.newest.as_deref_mut().expect("a drill");
    drill.there = leg("c", "b", 2, drill.order.at);
    bench.write(entry);
    bench.pass_with(&["b"], WINDOW + Span::secs(10));
    assert_eq!((bench.drill().state, bench.goes_to()), (Stands::There, None), "c may be booting");
    bench
}

#[test]
fn a_group_that_is_due_home_waits_until_home_is_heard_again() {
    let mut bench = due_home_to_c();
    bench.pass_with_b(Span::secs(1));
    assert_eq!(bench.drill().state, Stands::Returning { because: Back::Window });
    assert_eq!(bench.goes_to(), Some(&name("c")));
}

#[test]
fn one_whose_home_does_not_come_back_stays_at_last_without_anything_that_happens() {
    let mut bench = due_home_to_c();
    bench.pass_with(&["b"], crate::drill::GRACE);
    let Stands::Ended { verdict, .. } = bench.drill().state else {
        panic!("{:?}", bench.drill().state)
    };
    assert_eq!(verdict, Verdict::Stayed);
}

#[test]
fn who_lagged_takes_an_old_drill_for_no_new_one() {
    let mut bench = Bench::new(record());
    bench.leads();
    bench.pass_with_b(Span::secs(10));
    let at = Wall(bench.wall().0 - 5_500);
    bench.write(drilled(Phase::Running, Stands::There, at));
    bench.pass_with_b(Span::millis(200));
    assert_eq!(bench.drill().state, Stands::Returning { because: Back::Window });
}
