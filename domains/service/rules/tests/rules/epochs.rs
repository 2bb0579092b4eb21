//! Whose a store is: the row and the fence told as text, and owners that come too late.

use std::fmt::Write as _;

use tsugi_service_rules::epoch::fence::{
    CLEAR_EVERY, CLEAR_MOST, Event, Fence, Order, Refused, State, Unfit,
};
use tsugi_service_rules::epoch::{
    Opening, Owner, Row, Run, Working, at_open, at_work, compare as whose,
};
use tsugi_vocabulary::{Epoch, Moment};

use crate::chance::Chance;
use crate::told::compare;

const NOW: Moment = Moment(100_000_000_000);

const ROWS: [Row; 5] = [Row::Absent, Row::Lower, Row::Own, Row::OtherRun, Row::Higher];

const EVENTS: [Event; 13] = [
    Event::Looked(Ok(())),
    Event::Looked(Err(Unfit::MayNotEnd)),
    Event::Looked(Err(Unfit::Pooled)),
    Event::Looked(Err(Unfit::CommitsEarly)),
    Event::Named,
    Event::Raised(Row::Absent),
    Event::Raised(Row::Lower),
    Event::Raised(Row::Own),
    Event::Raised(Row::OtherRun),
    Event::Raised(Row::Higher),
    Event::Cleared(0),
    Event::Cleared(2),
    Event::Woken,
];

fn fence(events: &[Event]) -> Fence {
    let mut fence = Fence::begin(&mut Vec::new());
    for event in events {
        fence.step(NOW, *event, &mut Vec::new());
    }
    fence
}

fn state_word(state: State) -> String {
    match state {
        State::Clearing { left: Some(left), .. } => format!("Clearing, {left} left"),
        State::Clearing { left: None, .. } => "Clearing, not counted".to_owned(),
        State::Looking | State::Naming | State::Raising | State::Open | State::Refused(_) => {
            format!("{state:?}")
        }
    }
}

#[test]
fn every_opening_of_a_store_goes_as_the_table_says() {
    let mut text = String::new();
    for row in ROWS {
        let (open, work) = (at_open(row), at_work(row));
        writeln!(text, "row {row:?}: at open {open:?}, at work {work:?}").unwrap();
    }
    let path = [Event::Looked(Ok(())), Event::Named, Event::Raised(Row::Lower), Event::Cleared(2)];
    let open = [path[0], path[1], path[2], Event::Cleared(0)];
    let refused = [Event::Looked(Err(Unfit::Recovering))];
    let starts: [(&str, &[Event]); 7] = [
        ("looking", &path[..0]),
        ("naming", &path[..1]),
        ("raising", &path[..2]),
        ("clearing", &path[..3]),
        ("clearing, some are left", &path),
        ("open", &open),
        ("refused", &refused),
    ];
    for (word, events) in starts {
        let whens = [("", NOW), (", late", NOW + CLEAR_EVERY), (", too late", NOW + CLEAR_MOST)];
        let timed = matches!(fence(events).state(), State::Clearing { .. });
        for (when, now) in whens.into_iter().take(if timed { 3 } else { 1 }) {
            writeln!(text, "{word}{when}").unwrap();
            for event in EVENTS {
                let mut fence = fence(events);
                let before = fence.state();
                let mut out = Vec::new();
                fence.step(now, event, &mut out);
                if fence.state() != before || !out.is_empty() {
                    let (event, after) = (format!("{event:?}"), state_word(fence.state()));
                    writeln!(text, "  {event:<26} -> {after:<28} {out:?}").unwrap();
                }
            }
        }
    }
    compare("epochs.txt", include_str!("epochs.txt"), &text);
}

#[test]
fn a_row_is_compared_by_epoch_first_and_then_by_run() {
    let owner =
        |incarnation, counter, run| Owner { epoch: Epoch { incarnation, counter }, run: Run(run) };
    let own = owner(2, 5, 7);
    assert_eq!(whose(None, own), Row::Absent);
    assert_eq!(whose(Some(owner(2, 4, 9)), own), Row::Lower);
    assert_eq!(whose(Some(owner(1, 9, 9)), own), Row::Lower);
    assert_eq!(whose(Some(own), own), Row::Own);
    assert_eq!(whose(Some(owner(2, 5, 8)), own), Row::OtherRun);
    assert_eq!(whose(Some(owner(3, 1, 7)), own), Row::Higher);
}

#[test]
fn sessions_that_do_not_end_are_named_after_their_limit() {
    let mut fence = fence(&[
        Event::Looked(Ok(())),
        Event::Named,
        Event::Raised(Row::OtherRun),
        Event::Cleared(3),
    ]);
    assert_eq!(fence.wake_at(), Some(NOW + CLEAR_EVERY));
    let mut out = Vec::new();
    fence.step(NOW + CLEAR_EVERY, Event::Woken, &mut out);
    assert_eq!(out, [Order::Clear]);
    out.clear();
    fence.step(NOW + CLEAR_MOST, Event::Woken, &mut out);
    assert_eq!(out, [Order::Refuse(Refused::StillThere(3))]);
    assert_eq!(fence.wake_at(), None);
}

/// An engine that has tried to open the store, and when it is its turn works in it.
struct Engine {
    owner: Owner,
    fence: Fence,
    /// Its session on the server, once it has its name.
    connected: bool,
}

/// Engines come, are slow, and come again; the store stands on a server.
pub fn walk(seed: u64) {
    let mut chance = Chance::new(seed);
    let mut row: Option<Owner> = None;
    let mut engines: Vec<Engine> = Vec::new();
    let mut counter = 1;
    let mut now = NOW;
    for run in 0..120 {
        now.0 += chance.below(30_000_000) as u64;
        if engines.len() < 4 && chance.one_in(8) {
            counter += chance.below(2) as u64;
            let owner = Owner { epoch: Epoch { incarnation: 1, counter }, run: Run(run) };
            let fence = Fence::begin(&mut Vec::new());
            engines.push(Engine { owner, fence, connected: false });
        }
        if engines.is_empty() {
            continue;
        }
        let n = chance.below(engines.len());
        let others = engines.iter().enumerate().filter(|(m, e)| *m != n && e.connected).count();
        let engine = &mut engines[n];
        let mut out = Vec::new();
        let mut cleared = false;
        let event = match engine.fence.state() {
            State::Looking => Event::Looked(Ok(())),
            State::Naming => {
                engine.connected = true;
                Event::Named
            }
            State::Raising => {
                let stands = whose(row, engine.owner);
                if matches!(at_open(stands), Opening::Insert | Opening::Raise) {
                    let falls = row.is_some_and(|row| row.epoch > engine.owner.epoch);
                    assert!(!falls, "seed {seed}: a store that a newer epoch has is opened");
                    row = Some(engine.owner);
                }
                Event::Raised(stands)
            }
            State::Clearing { .. } if chance.one_in(2) => Event::Woken,
            State::Clearing { .. } => {
                cleared = true;
                Event::Cleared(others)
            }
            State::Open => {
                work(seed, row, engine.owner);
                continue;
            }
            State::Refused(_) => {
                engines.remove(n);
                continue;
            }
        };
        engine.fence.step(now, event, &mut out);
        if out.contains(&Order::Open) {
            assert_eq!(others, 0, "seed {seed}: open, and another's session is left");
        }
        if cleared {
            // They were told to end, and some take their time.
            let own = engines[n].owner;
            engines.retain(|engine| engine.owner == own || !engine.connected || chance.one_in(3));
        }
    }
}

/// One unit of work: what it reads in its own transaction says whether it is kept.
fn work(seed: u64, row: Option<Owner>, own: Owner) {
    match at_work(whose(row, own)) {
        Working::GoesOn => {
            assert_eq!(row, Some(own), "seed {seed}: another has the store, and work is kept");
        }
        Working::Superseded => {}
        Working::Broken => panic!("seed {seed}: a row has fallen"),
    }
}

/// Engines of a store without a fence: only the row stands between them.
pub fn late(seed: u64) {
    let mut chance = Chance::new(seed);
    let mut row: Option<Owner> = None;
    let mut opened: Vec<Owner> = Vec::new();
    let mut counter = 1;
    for run in 0..60 {
        if chance.one_in(3) {
            counter += chance.below(2) as u64;
            // Some were given their epoch long ago and come only now.
            let epoch = counter - (chance.below(3) as u64).min(counter - 1);
            let own = Owner { epoch: Epoch { incarnation: 1, counter: epoch }, run: Run(run) };
            match at_open(whose(row, own)) {
                Opening::Insert | Opening::Raise => {
                    let falls = row.is_some_and(|row| row.epoch > own.epoch);
                    assert!(!falls, "seed {seed}: a store that a newer epoch has is opened");
                    row = Some(own);
                    opened.push(own);
                }
                Opening::Refuse => {}
                Opening::Broken => panic!("seed {seed}: a run was drawn twice"),
            }
        } else if !opened.is_empty() {
            work(seed, row, chance.pick(&opened));
        }
    }
}

#[test]
fn whoever_comes_too_late_writes_nothing() {
    (0..300).for_each(late);
}

#[test]
fn an_owner_works_when_no_session_of_another_is_left() {
    (0..300).for_each(walk);
}
