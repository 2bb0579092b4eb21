//! The entries by which a drill goes on: each is one change of its group's record.

use std::sync::Arc;

use tsugi_vocabulary::{GroupName, NodeName, Span, Wall};

use super::table::{Bounded, Bounds, Home};
use super::{Back, Drill, Leg, Proven, Stand, State, Verdict};
use crate::plan::{Chosen, Life, Situation, Waiting};
use crate::planner;
use crate::reason::Rejected;
use crate::record::{
    Draft, DrillTurn, EntryName, EventRecord, GroupRecord, Happening, NodeIntent, Record, Write,
};

/// For how long a group that is due home waits for what keeps home from taking it and passes by
/// itself: that it boots, that its agent is replaced, that it takes a configuration up.
pub const GRACE: Span = Span::secs(20);

/// A drill that is under way, and what bounds it now.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// Its group.
    pub group: &'a GroupName,
    /// The group's record.
    pub entry: &'a GroupRecord,
    /// The drill.
    pub drill: &'a Drill,
    /// What bounds it.
    pub bounds: Bounds,
}

/// How long a drill has been going on, by a clock that nobody steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Since its order.
    pub whole: Span,
    /// Since its group was ordered on the way that it takes; until it was up there, if it is.
    pub gap: Span,
    /// Since it was due home and home could not take it; nothing if it is not so.
    pub waits: Span,
}

impl<'a> Due<'a> {
    /// The drill of a group, if one is under way, as long as the deciding node has seen it.
    #[must_use]
    pub fn of(situation: &'a Situation<'_>, group: &'a GroupName, seen: Seen) -> Option<Self> {
        let entry = situation.record.group(group)?;
        let drill = entry.drills.under_way()?;
        let decisions = planner::decide(situation);
        if let Some(Chosen::Wait { on: Waiting::Settling | Waiting::NoMajority { .. } }) =
            decisions.get(group).map(|decision| &decision.chosen)
        {
            // Who sees too little to decide for the group sees too little to judge its drill.
            return None;
        }
        let over = matches!(drill.stand(entry), Stand::Elsewhere | Stand::Taken | Stand::Failed);
        if !over && owner_is_lost(situation, entry) {
            // A takeover of it is pending: what it finds decides about the drill.
            return None;
        }
        let gap = seen.gap.max(drill.leg().measured());
        let window = if drill.window <= seen.whole { Bounded::Closed } else { Bounded::Open };
        let home = home(situation, (group, &drill.there.from), seen.waits);
        Some(Self { group, entry, drill, bounds: Bounds { gap, window, home } })
    }
}

fn owner_is_lost(situation: &Situation<'_>, entry: &GroupRecord) -> bool {
    let lives = |owner: &NodeName| match situation.sights.get(owner).map(|sight| &sight.life) {
        Some(Life::Heard | Life::Deaf) => true,
        Some(Life::Silent { .. }) | None => *owner == situation.by,
    };
    entry.owner().is_some_and(|owner| !lives(owner))
}

/// Whether a group that waited for so long can go home.
fn home(situation: &Situation<'_>, (group, home): (&GroupName, &NodeName), waits: Span) -> Home {
    let all = planner::obstacles(situation, group);
    let Some((_, against)) = all.into_iter().find(|(node, _)| node == home) else {
        return Home::Closed;
    };
    let leaves = || {
        let known = situation.record.nodes.get(home);
        known.is_some_and(|known| matches!(known.value.intent, NodeIntent::Leaving(_)))
    };
    let passes = match against {
        None => return Home::Open,
        Some(Rejected::Silent { .. } | Rejected::Isolated | Rejected::OtherConfiguration) => true,
        Some(Rejected::NoLink { .. }) => true,
        // Its next start ends a shutdown by itself, and only a person what a person has ordered.
        Some(Rejected::Drained) => leaves(),
        Some(
            Rejected::NotListed
            | Rejected::Witness
            | Rejected::FailedThere { .. }
            | Rejected::Apart { .. }
            | Rejected::Together { .. }
            | Rejected::LessPreferred { .. }
            | Rejected::StaysPut { .. }
            | Rejected::NotYet { .. },
        ) => false,
    };
    if passes && waits < GRACE { Home::Awaited } else { Home::Closed }
}

/// The group is up on the other node: from now on it stands there for the rest of the window.
#[must_use]
pub fn arrived(due: &Due<'_>, record: &Record, (by, at): (&NodeName, Wall)) -> Draft {
    let mut next = due.entry.clone();
    let gap = due.bounds.gap;
    if let Some(drill) = next.drills.newest.as_deref_mut() {
        drill.state = State::There;
        drill.there.gap = Some(gap);
    }
    prove(&mut next, &due.drill.there, (due, at));
    let Leg { to, .. } = &due.drill.there;
    let turn = DrillTurn::Arrived { node: to.clone(), gap };
    entry(due, record, next, event(due, turn, (by, at)))
}

/// It is over, and the group is put where an operator had put it before.
#[must_use]
pub fn ended(
    due: &Due<'_>,
    verdict: Verdict,
    record: &Record,
    (by, at): (&NodeName, Wall),
) -> Draft {
    let mut next = due.entry.clone();
    if let Some(drill) = next.drills.newest.as_deref_mut() {
        let came_home = drill.stand(due.entry) == super::Stand::Up;
        drill.state = State::Ended { at, verdict };
        if let Some(back) = drill.back.as_mut().filter(|_| came_home) {
            back.gap = Some(due.bounds.gap);
        }
    }
    if let Some(back) = next.drills.newest.as_deref().and_then(|drill| drill.back.clone())
        && back.gap.is_some()
        && proves_its_return(due.drill)
    {
        prove(&mut next, &back, (due, at));
    }
    put_back(due.drill, due.group, &mut next);
    let turn = DrillTurn::Ended { verdict };
    let mut draft = entry(due, record, next, event(due, turn, (by, at)));
    for mate in due.drill.places.keys().filter(|mate| *mate != due.group) {
        let Some(known) = record.group(mate) else { continue };
        let mut next = known.clone();
        put_back(due.drill, mate, &mut next);
        if next != *known {
            draft = draft
                .unless_changed(record, EntryName::Group(mate.clone()))
                .write(Write::Group(mate.clone(), Arc::new(next)));
        }
    }
    draft
}

/// Whether its return shows that the group can move from there: it ran there, and nothing else
/// than the end of the drill took it back.
fn proves_its_return(drill: &Drill) -> bool {
    let because = match drill.state {
        State::Returning { because } => because,
        State::Going | State::There | State::Ended { .. } => return false,
    };
    drill.there.took.is_some() && matches!(because, Back::Window | Back::Ordered)
}

/// Where an operator had put it, unless one has put it elsewhere since.
fn put_back(drill: &Drill, group: &GroupName, next: &mut GroupRecord) {
    let legs = [Some(&drill.there), drill.back.as_ref()];
    // What nobody had while the group went back still has its place from the way there.
    let by_drill = legs.into_iter().flatten().any(|leg| next.location.as_ref() == Some(&leg.to));
    if let (true, Some(place)) = (by_drill, drill.places.get(group)) {
        next.location.clone_from(place);
    }
}

/// A direction is proven if it was gone within the stop line.
fn prove(next: &mut GroupRecord, leg: &Leg, (due, at): (&Due<'_>, Wall)) {
    let gap = due.bounds.gap;
    if gap > due.drill.gap {
        return;
    }
    let (from, to) = (leg.from.clone(), leg.to.clone());
    next.drills.proven.retain(|proven| proven.from != from || proven.to != to);
    next.drills.proven.push(Proven { from, to, level: due.drill.level, at, gap });
    next.drills.proven.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
}

fn event(due: &Due<'_>, turn: DrillTurn, (by, at): (&NodeName, Wall)) -> EventRecord {
    let what = Happening::Drill { by: due.drill.order.by.clone(), turn };
    let (group, epoch) = (Some(due.group.clone()), Some(due.entry.epoch));
    EventRecord { at, by: by.clone(), group, epoch, what }
}

fn entry(due: &Due<'_>, record: &Record, next: GroupRecord, event: EventRecord) -> Draft {
    Draft::default()
        .unless_changed(record, EntryName::Group(due.group.clone()))
        .write(Write::Group(due.group.clone(), Arc::new(next)))
        .write(Write::Event(event))
}
