//! Who is asked about unknown calls, when, and what follows.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_service_rules::id::CallId;
use tsugi_service_rules::inquiry::{
    AT_ONCE, Event, FIRST, IN_VIEW, Inquiries, Kept, LONGEST, Order, State, Verdict, kept, verdict,
};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::Ending;
use tsugi_vocabulary::{Moment, Span};

use crate::chance::Chance;
use crate::world::counted;

const NOW: Moment = Moment(100_000_000_000);

fn step(all: &mut Inquiries, now: Moment, event: Event) -> Vec<Order> {
    let mut out = Vec::new();
    all.step(now, event, &mut out);
    out
}

fn many(number: u64) -> Vec<CallId> {
    (1..=number).map(|serial| counted(1, serial)).collect()
}

/// Who cannot tell is asked again, and again, ever more seldom.
pub fn pauses() {
    let mut all = Inquiries::default();
    let id = counted(1, 1);
    assert_eq!(step(&mut all, NOW, Event::Found(vec![id])), [Order::Ask(id)]);
    let (mut now, mut waited) = (NOW, Vec::new());
    for asked in 1..=12 {
        assert_eq!(step(&mut all, now, Event::Said(id, Verdict::CannotTell)), []);
        let at = all.wake_at().expect("it is asked again");
        assert_eq!(all.all().collect::<Vec<_>>(), [(id, State::Waits { at, asked })]);
        waited.push(at.since(now));
        assert_eq!(step(&mut all, Moment(at.0 - 1), Event::Woken), [], "not before");
        now = at;
        assert_eq!(step(&mut all, now, Event::Woken), [Order::Ask(id)]);
    }
    assert_eq!(waited[..3], [FIRST, FIRST + FIRST, FIRST + FIRST + FIRST + FIRST]);
    assert!(waited.is_sorted() && waited.last() == Some(&LONGEST), "{waited:?}");
}

/// What is said is kept, or somebody else was first, or the store takes nothing.
pub fn decisions() {
    for said in [Verdict::CarriedOut, Verdict::NotCarriedOut] {
        for (came, left) in [(Kept::Durable, 0), (Kept::Decided, 0), (Kept::Not, 1)] {
            let mut all = Inquiries::default();
            let id = counted(1, 1);
            step(&mut all, NOW, Event::Found(vec![id]));
            assert_eq!(step(&mut all, NOW, Event::Said(id, said)), [Order::Keep(id, said)]);
            // Said again, it is decided once.
            assert_eq!(step(&mut all, NOW, Event::Said(id, said)), []);
            assert_eq!(step(&mut all, NOW, Event::Kept(id, came)), []);
            assert_eq!(all.all().count(), left, "{said:?} {came:?}");
            let later = NOW + FIRST;
            let again = step(&mut all, later, Event::Woken);
            assert_eq!(again.len(), left, "it is asked again: {again:?}");
        }
    }
    assert_eq!(kept(Ok(())), Kept::Durable);
    assert_eq!(kept(Err(&Refusal::Decided)), Kept::Decided);
    assert_eq!(kept(Err(&Refusal::Moving)), Kept::Not);
}

/// What an operator has decided is not asked about any more.
pub fn operators() {
    let mut all = Inquiries::default();
    let ids = many(2);
    step(&mut all, NOW, Event::Found(ids.clone()));
    step(&mut all, NOW, Event::Said(ids[0], Verdict::CannotTell));
    // Both are decided meanwhile; the second question is still open.
    assert_eq!(step(&mut all, NOW, Event::Found(vec![])), []);
    assert_eq!(all.all().count(), 1);
    assert_eq!(step(&mut all, NOW, Event::Kept(ids[1], Kept::Decided)), []);
    assert_eq!((all.all().count(), all.wake_at()), (0, None));
    assert_eq!(step(&mut all, NOW + LONGEST, Event::Woken), []);
}

/// A few at a time, and so many in view.
pub fn widths() {
    let mut all = Inquiries::default();
    let ids = many(IN_VIEW as u64 + 1);
    let asked = step(&mut all, NOW, Event::Found(ids.clone()));
    assert_eq!((asked.len(), all.all().count()), (AT_ONCE, IN_VIEW));
    assert_eq!(all.wake_at(), None, "the next is asked when one has answered");
    assert_eq!(step(&mut all, NOW, Event::Found(ids)), []);
    let Order::Ask(first) = asked[0] else { panic!("{asked:?}") };
    let next = step(&mut all, NOW, Event::Said(first, Verdict::CannotTell));
    assert!(matches!(next[..], [Order::Ask(id)] if id != first), "{next:?}");
}

/// An end that is no answer decides nothing.
pub fn verdicts() {
    let no = "not-carried-out";
    assert_eq!(verdict(Ending::Done, ""), Verdict::CarriedOut);
    assert_eq!(verdict(Ending::Refused, no), Verdict::NotCarriedOut);
    assert_eq!(verdict(Ending::Refused, "the partner is away"), Verdict::CannotTell);
    assert_eq!(verdict(Ending::Refused, "not-carried-out?"), Verdict::CannotTell);
    for ending in [Ending::Abnormal, Ending::TimeLimit] {
        assert_eq!(verdict(ending, no), Verdict::CannotTell, "{ending:?}");
    }
}

/// Anything in any order: each call is decided once, and asked about once at a time.
pub fn walk(seed: u64) {
    let mut chance = Chance::new(seed);
    let mut all = Inquiries::default();
    let mut now = NOW;
    let mut unknown: BTreeSet<CallId> = many(8).into_iter().collect();
    let mut asked = BTreeSet::new();
    let mut keeping = BTreeMap::new();
    for _ in 0..200 {
        now += Span::millis(chance.below(3_000) as u64);
        let some = |of: Vec<CallId>, chance: &mut Chance| {
            (!of.is_empty()).then(|| of[chance.below(of.len())])
        };
        let event = match chance.below(5) {
            0 => Event::Found(unknown.iter().copied().collect()),
            1 => match some(asked.iter().copied().collect(), &mut chance) {
                Some(id) => {
                    asked.remove(&id);
                    let said = [Verdict::CarriedOut, Verdict::NotCarriedOut, Verdict::CannotTell];
                    Event::Said(id, chance.pick(&said))
                }
                None => Event::Woken,
            },
            2 => match some(keeping.keys().copied().collect(), &mut chance) {
                Some(id) => {
                    keeping.remove(&id);
                    let was = unknown.contains(&id);
                    let taken = was && !chance.one_in(3);
                    unknown.retain(|of| *of != id || !taken);
                    Event::Kept(
                        id,
                        match (was, taken) {
                            (true, true) => Kept::Durable,
                            (true, false) => Kept::Not,
                            (false, _) => Kept::Decided,
                        },
                    )
                }
                None => Event::Woken,
            },
            3 if chance.one_in(4) => {
                if let Some(id) = some(unknown.iter().copied().collect(), &mut chance) {
                    unknown.remove(&id);
                }
                Event::Woken
            }
            _ => Event::Woken,
        };
        for order in step(&mut all, now, event) {
            match order {
                Order::Ask(id) => {
                    assert!(asked.insert(id), "asked about twice at once: {id}");
                    assert!(!keeping.contains_key(&id), "{id} is decided");
                    assert!(asked.len() <= AT_ONCE);
                }
                Order::Keep(id, verdict) => {
                    assert_ne!(verdict, Verdict::CannotTell);
                    assert!(keeping.insert(id, verdict).is_none(), "decided twice: {id}");
                }
            }
        }
    }
}

pub fn all() {
    pauses();
    decisions();
    operators();
    widths();
    verdicts();
    (0..100).for_each(walk);
}

#[test]
fn who_cannot_tell_is_asked_again_ever_more_seldom_and_decides_nothing() {
    pauses();
}

#[test]
fn what_a_resolver_says_is_kept_once_or_somebody_else_was_first() {
    decisions();
    operators();
}

#[test]
fn so_many_calls_are_asked_about_at_a_time_whatever_happens() {
    widths();
    (0..400).for_each(walk);
}

#[test]
fn only_an_end_in_order_and_one_word_decide() {
    verdicts();
}
