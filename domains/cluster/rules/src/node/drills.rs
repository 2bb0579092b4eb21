//! The drills of the record, carried on by the node that leads.
//!
//! Every node sees for how long the group of a drill is out of service, by its own lease clock, so
//! that whoever comes to lead knows. One that was not there at the start goes by the wall, and by
//! its own time where the wall says that less has passed: a clock that was set back holds up no
//! drill.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, GroupName, Moment, Span, Wall};

use super::Now;
use super::machine::Node;
use crate::command::{self, Command, Issued};
use crate::drill::{self, Back, Drill, Due, Seen, Stand, Step, Verdict};
use crate::plan::Situation;
use crate::record::{Draft, Record};

/// What this node has seen of the drills.
#[derive(Clone, Debug, Default)]
pub(super) struct Drills(BTreeMap<GroupName, Watched>);

/// One drill, as this node has seen it.
#[derive(Clone, Debug)]
struct Watched {
    /// The command that ordered it.
    command: String,
    /// When it was ordered; none if that was before this node looked.
    began: Option<Moment>,
    /// When this node saw it first.
    seen: Moment,
    way: Way,
    /// Since when it is due home and cannot go, as this node has judged it.
    waits: Option<Moment>,
}

/// The way that it takes.
#[derive(Clone, Copy, Debug)]
struct Way {
    epoch: Epoch,
    /// When it was ordered; none if that was before this node looked.
    ordered: Option<Moment>,
    /// When this node saw it first.
    seen: Moment,
    up: Option<Moment>,
}

/// Whether the orders in the record were given while this node looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orders {
    /// They were there when it began.
    Found,
    /// They are new, and this is the time on the wall: who lags reads old ones as well.
    Given(Wall),
}

/// An order is read this much later than it was given, at most, by who does not lag.
const PROMPT: Span = Span::secs(3);

impl Orders {
    /// When an order was given that is read now, by the clock that nobody steps; none if it was
    /// given before this node looked.
    pub(super) fn as_of(self, at: Wall, now: Moment) -> Option<Moment> {
        match self {
            Self::Given(wall) if wall.0.saturating_sub(at.0) <= PROMPT.as_millis() => Some(now),
            Self::Given(_) | Self::Found => None,
        }
    }
}

impl Drills {
    /// Looks at the record as it is applied.
    pub(super) fn look(&mut self, record: &Record, now: Moment, orders: Orders) {
        let drill = |group: &GroupName| {
            let entry = record.group(group)?;
            Some((entry, entry.drills.under_way()?))
        };
        self.0.retain(|group, _| drill(group).is_some());
        for group in record.groups.keys() {
            let Some((entry, drill)) = drill(group) else { continue };
            let (command, epoch) = (drill.order.command.clone(), drill.leg().epoch);
            let ordered = orders.as_of(drill.leg().at, now);
            let way = Way { epoch, ordered, seen: now, up: None };
            let began = orders.as_of(drill.order.at, now);
            let watched = self.0.get(group).filter(|known| known.command == command).cloned();
            let new = Watched { command, began, seen: now, way, waits: None };
            let mut watched = watched.unwrap_or(new);
            if watched.way.epoch != epoch {
                watched.way = way;
            }
            if drill.stand(entry) == Stand::Up {
                watched.way.up.get_or_insert(now);
            }
            self.0.insert(group.clone(), watched);
        }
    }

    /// When the next drill crosses one of its bounds, if nothing happens until then.
    pub(super) fn next_bound(&self, record: &Record, now: Now) -> Option<Moment> {
        let bounds = self.0.iter().filter_map(|(group, watched)| {
            let drill = record.group(group)?.drills.under_way()?;
            let seen = self.seen(group, drill, now);
            let rest = |bound: Span, stood: Span| {
                (stood < bound).then(|| now.lease + bound.saturating_sub(stood))
            };
            let line = || rest(drill.gap + Span::millis(1), seen.gap);
            let line = watched.way.up.is_none().then(line).flatten();
            let grace = watched.waits.and_then(|_| rest(drill::GRACE, seen.waits));
            [rest(drill.window, seen.whole), line, grace].into_iter().flatten().min()
        });
        bounds.min()
    }

    /// How long a drill has been going on.
    fn seen(&self, group: &GroupName, drill: &Drill, now: Now) -> Seen {
        let leg = drill.leg();
        let watched = self.0.get(group).filter(|w| w.command == drill.order.command);
        let way = watched.map(|watched| watched.way).filter(|way| way.epoch == leg.epoch);
        // Who was not there goes by the wall, and by no less than its own time.
        let stood = |began: Option<Moment>, seen: Moment, wall: Wall, until: Moment| match began {
            Some(began) => until.since(began),
            None => by_wall(now, wall).max(until.since(seen)),
        };
        let whole = |w: &Watched| stood(w.began, w.seen, drill.order.at, now.lease);
        let gap = |way: Way| stood(way.ordered, way.seen, leg.at, way.up.unwrap_or(now.lease));
        Seen {
            whole: watched.map_or_else(|| by_wall(now, drill.order.at), whole),
            gap: way.map_or_else(|| by_wall(now, leg.at), gap),
            waits: watched.and_then(|w| w.waits).map_or(Span::ZERO, |at| now.lease.since(at)),
        }
    }

    /// Whether a drill is due home and cannot go, as it was judged now.
    fn judged(&mut self, group: &GroupName, waits: Option<Moment>) {
        if let Some(watched) = self.0.get_mut(group) {
            watched.waits = waits.and(watched.waits).or(waits);
        }
    }
}

pub(super) fn by_wall(now: Now, then: Wall) -> Span {
    Span::millis(now.wall.0.saturating_sub(then.0))
}

impl Node {
    /// The next entry of the drills that are under way, if one is due.
    pub(super) fn drill_due(&mut self, now: Now, situation: &Situation<'_>) -> Option<Draft> {
        let groups = situation.record.groups.keys();
        groups.into_iter().find_map(|group| self.next_of(now, situation, group))
    }

    fn next_of(&mut self, now: Now, situation: &Situation<'_>, group: &GroupName) -> Option<Draft> {
        let drill = situation.record.group(group)?.drills.under_way()?;
        let seen = self.drills.seen(group, drill, now);
        let Some(due) = Due::of(situation, group, seen) else {
            self.drills.judged(group, None);
            return None;
        };
        let by = (&self.me, now.wall);
        let end = |verdict| Some(drill::ended(&due, verdict, situation.record, by));
        let (waits, draft) = match drill::next(drill, drill.stand(due.entry), due.bounds) {
            Step::Wait => (None, None),
            Step::AwaitHome => (Some(now.lease), None),
            Step::Arrive => (None, Some(drill::arrived(&due, situation.record, by))),
            Step::End(verdict) => (None, end(verdict)),
            Step::TurnBack(because) => match turn_back(situation, &due, because) {
                Some(draft) => (None, Some(draft)),
                // Something else speaks against it for the moment.
                None if seen.waits < drill::GRACE => (Some(now.lease), None),
                None => (None, end(Verdict::Stayed)),
            },
        };
        self.drills.judged(group, waits);
        draft
    }
}

/// The second half of what the person has ordered who ordered the drill.
fn turn_back(situation: &Situation<'_>, due: &Due<'_>, because: Back) -> Option<Draft> {
    let order = &due.drill.order;
    let gap = Some(due.bounds.gap);
    let command = Command::DrillBack { group: due.group.clone(), because, gap };
    // No person has typed it.
    let words = format!("drill {}: goes back by itself", due.group);
    let issued = Issued::by_itself(situation, (command, words), (order, "back"));
    command::decide(situation, &issued).ok()
}
