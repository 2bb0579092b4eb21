//! One takeover, move or restart as a chain: sighting, decision, steps, effects.
//!
//! It is made from the ledger alone, so every node tells the same story, also after a restart of
//! all of them. What came first is told by the order of the ledger's entries: the times that
//! stand in them are of clocks that may have stepped. What a silent node had been doing is known
//! only when it returns; until then the cause is its silence, and afterwards the story names what
//! it was.

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan};
use tsugi_cluster_rules::reason::{Cause, Nature};
use tsugi_cluster_rules::record::{Answer, EventRecord, Happening, HowOff, Versioned};
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::{Epoch, Generation, GroupName, Index, NodeName, Span, Wall};
use tsugi_wire::control::report;
use tsugi_wire::control::{Utc, Words};

use super::history;
use super::words::{Deed, cause, chosen_by_figure, phrased, rejected};

/// What the ledger keeps of what happened, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    /// The plans.
    pub plans: Vec<Versioned<Plan>>,
    /// The events.
    pub events: Vec<Versioned<EventRecord>>,
}

impl Chronicle {
    /// The events from this entry on.
    fn since(&self, entry: Index) -> impl DoubleEndedIterator<Item = &Versioned<EventRecord>> {
        self.events.iter().filter(move |e| e.version >= entry)
    }
}

/// The last story, or the one `back` before it, of one group or of all.
#[must_use]
pub fn explain(chronicle: &Chronicle, group: Option<&GroupName>, back: usize) -> report::Explain {
    let mut turns = in_order(turns(chronicle), chronicle);
    turns.retain(|t| group.is_none_or(|g| t.group == Some(g)));
    let chosen = turns.len().checked_sub(back + 1).and_then(|at| turns.get(at));
    report::Explain { story: chosen.map(|turn| turn.story(chronicle)) }
}

/// Something that changed who runs a group, or might have.
struct Turn<'a> {
    entry: Index,
    at: Wall,
    by: &'a NodeName,
    group: Option<&'a GroupName>,
    generation: Generation,
    from: Option<&'a NodeName>,
    to: Option<&'a NodeName>,
    /// The epoch that the turn ends in, if one is known.
    epoch: Option<Epoch>,
    cause: Cause,
    deed: Deed,
    decision: Option<&'a Decision>,
    what: What,
}

/// What kind of turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Takeover,
    Move,
    Restart,
    AddressMoved(String, String),
    ClockStep(i64),
}

fn turns(chronicle: &Chronicle) -> Vec<Turn<'_>> {
    let planned = chronicle.plans.iter().enumerate().flat_map(|(i, plan)| {
        let before = &chronicle.plans[..i];
        let decisions = plan.value.decisions.iter();
        decisions.filter_map(move |(group, d)| planned(before, plan, group, d))
    });
    planned.chain(chronicle.events.iter().filter_map(happened)).collect()
}

/// In the order of their entries. What a node that was cut off could tell only later, or wrote
/// into the same entry, stands before the decision that took its epoch from it.
fn in_order<'a>(mut turns: Vec<Turn<'a>>, chronicle: &Chronicle) -> Vec<Turn<'a>> {
    let ended: Vec<_> = turns
        .iter()
        .filter(|turn| turn.decision.is_some())
        .filter_map(|turn| {
            let given = turn.epoch.or_else(|| turn.started(chronicle)?.event.epoch)?;
            Some((turn.group, given, turn.entry))
        })
        .collect();
    turns.sort_by_cached_key(|turn| {
        let ends = |(group, given, entry): &(Option<&GroupName>, Epoch, Index)| {
            let earlier = turn.epoch.is_some_and(|epoch| epoch < *given);
            (*group == turn.group && earlier && *entry <= turn.entry).then_some(*entry)
        };
        match turn.decision.is_none().then(|| ended.iter().filter_map(ends).min()).flatten() {
            Some(entry) => (entry, 0),
            None => (turn.entry, 1),
        }
    });
    turns
}

/// A decision that gives a group to another node. The first start of a group is none.
fn planned<'a>(
    before: &'a [Versioned<Plan>],
    plan: &'a Versioned<Plan>,
    group: &'a GroupName,
    decision: &'a Decision,
) -> Option<Turn<'a>> {
    let first = decision.cause.clone().unwrap_or(Cause::ClusterStart);
    let (from, to, epoch, what) = match &decision.chosen {
        Chosen::Give { node, epoch } => {
            let from = last_owner(before, group);
            let starts = matches!(first, Cause::ClusterStart | Cause::Configuration { .. });
            if starts && from.is_none() {
                return None;
            }
            (from, node, Some(*epoch), What::Takeover)
        }
        Chosen::HandOver { from, to } => (Some(from), to, None, What::Move),
        Chosen::Stay { .. }
        | Chosen::Stop { .. }
        | Chosen::Rest { .. }
        | Chosen::NoPlace
        | Chosen::Wait { .. } => return None,
    };
    let deed = if what == What::Move { Deed::Move } else { Deed::Start };
    Some(Turn {
        entry: plan.version,
        at: plan.value.at,
        by: &plan.value.by,
        group: Some(group),
        generation: plan.value.generation,
        from,
        to: Some(to),
        epoch,
        cause: first,
        deed,
        decision: Some(decision),
        what,
    })
}

/// Who had a group last, as the plans before say.
fn last_owner<'a>(before: &'a [Versioned<Plan>], group: &GroupName) -> Option<&'a NodeName> {
    before.iter().rev().find_map(|plan| match &plan.value.decisions.get(group)?.chosen {
        Chosen::Give { node, .. } | Chosen::Stay { node } => Some(node),
        Chosen::HandOver { to, .. } => Some(to),
        Chosen::Stop { from } => Some(from),
        Chosen::Rest { .. } | Chosen::NoPlace | Chosen::Wait { .. } => None,
    })
}

/// An event that is a turn of its own: nobody had to plan it.
fn happened(written: &Versioned<EventRecord>) -> Option<Turn<'_>> {
    let event = &*written.value;
    let turn = |cause: Cause, node, what| Turn {
        entry: written.version,
        at: event.at,
        by: &event.by,
        group: event.group.as_ref(),
        generation: Generation::NONE,
        from: Some(node),
        to: Some(node),
        epoch: event.epoch,
        cause,
        deed: Deed::Start,
        decision: None,
        what,
    };
    match &event.what {
        Happening::Failed { cause, answer: Answer::Restarted } => {
            Some(turn(cause.clone(), &event.by, What::Restart))
        }
        Happening::ClockStepped { node, by_ms } => {
            let cause = Cause::WasCutOff { node: node.clone() };
            Some(turn(cause, node, What::ClockStep(*by_ms)))
        }
        Happening::AddressMoved { address, from, link } => {
            let cause = Cause::LinksDown { node: event.by.clone(), links: vec![from.clone()] };
            let what = What::AddressMoved(address.to_string(), link.clone());
            Some(turn(cause, &event.by, what))
        }
        Happening::Failed { .. }
        | Happening::Observed { .. }
        | Happening::Started { .. }
        | Happening::Stopped { .. }
        | Happening::Lost { .. }
        | Happening::Returned { .. }
        | Happening::Link { .. }
        | Happening::StopFailed { .. }
        | Happening::StopLied { .. }
        | Happening::Unreleased { .. }
        | Happening::VolumeAgain { .. }
        | Happening::Flooded { .. }
        | Happening::StartUndone { .. }
        | Happening::Monitor { .. }
        | Happening::WatchedEnded { .. }
        | Happening::Recovered { .. }
        | Happening::GuardianLost { .. }
        | Happening::GuardianActed { .. }
        | Happening::FenceOrdered { .. }
        | Happening::Fenced { .. }
        | Happening::FenceFailed { .. }
        | Happening::Drill { .. }
        | Happening::Readopted { .. }
        | Happening::Damaged { .. }
        | Happening::Unknown => None,
    }
}

/// The group is up again.
struct Up<'a> {
    entry: Index,
    event: &'a EventRecord,
    /// Resource and milliseconds, in start order.
    steps: &'a [(String, u64)],
}

impl Turn<'_> {
    fn story(&self, chronicle: &Chronicle) -> report::Story {
        let first = self.first_cause(chronicle);
        let started = self.started(chronicle);
        let began = self.began(&first);
        let none = GroupName::new("-").ok();
        let served = started.as_ref().map(|up| up.event.at.0.saturating_sub(began.0));
        report::Story {
            group: self.group.or(none.as_ref()).map_or_else(String::new, ToString::to_string),
            from: self.from.map(ToString::to_string),
            to: self.to.map(ToString::to_string),
            epoch: started
                .and_then(|up| up.event.epoch)
                .or(self.epoch)
                .map_or_else(|| "-".to_owned(), |e| e.to_string()),
            generation: self.generation.0,
            cause: self.cause_words(&first, chronicle),
            cause_data: self.cause_data(&first),
            sightings: self.sightings(chronicle, began),
            decision: report::Moment {
                at: Utc(self.at),
                by: self.by.to_string(),
                what: self.decision_words(&first),
            },
            rejected: self.decision.map_or_else(Vec::new, |d| {
                d.rejected.iter().map(|(node, why)| rejected(node, why)).collect()
            }),
            steps: self.steps(chronicle),
            effects: self.effects(chronicle),
            without_service_ms: match self.what {
                What::AddressMoved(..) | What::ClockStep(_) => Some(0),
                What::Takeover | What::Move | What::Restart => served,
            },
        }
    }

    /// What the silence of a node turned out to have been, once it has returned.
    fn first_cause(&self, chronicle: &Chronicle) -> Cause {
        let Cause::NodeSilent { node: lost, .. } = &self.cause else { return self.cause.clone() };
        if self.was_switched_off(chronicle) {
            return self.cause.clone();
        }
        match self.return_of(lost, chronicle).map(|e| &e.value.what) {
            Some(Happening::Returned { cause, .. }) => cause.clone(),
            _ => self.cause.clone(),
        }
    }

    /// Whether the node that was lost was switched off before it came back, which says of it only
    /// that it had no power then.
    fn was_switched_off(&self, chronicle: &Chronicle) -> bool {
        let Cause::NodeSilent { node: lost, .. } = &self.cause else { return false };
        let back = self.return_of(lost, chronicle).map_or(Index(u64::MAX), |e| e.version);
        let (before, beside) = self.fences(chronicle, back);
        let switched =
            |e: &&EventRecord| matches!(&e.what, Happening::Fenced { how: HowOff::Switched, .. });
        before.iter().chain(&beside).any(switched)
    }

    /// How a node that was lost came back, if that is known. What it was when it was lost again is
    /// another story, and so is a return from an absence that began when this was decided already:
    /// who decided may have told nothing of the first, since it had been deaf itself.
    fn return_of<'c>(
        &self,
        lost: &NodeName,
        chronicle: &'c Chronicle,
    ) -> Option<&'c Versioned<EventRecord>> {
        let again = |e: &&Versioned<EventRecord>| {
            let is_it = matches!(&e.value.what, Happening::Lost { node, .. } if node == lost);
            is_it && e.version > self.entry
        };
        let mut until_again = chronicle.since(self.entry).take_while(|e| !again(e));
        until_again.find(|e| match &e.value.what {
            Happening::Returned { node, last_seen, .. } => {
                node == lost && last_seen.is_none_or(|seen| seen < self.entry)
            }
            _ => false,
        })
    }

    fn cause_words(&self, first: &Cause, chronicle: &Chronicle) -> Words {
        if let Cause::NodeSilent { node, silence } = first
            && self.was_switched_off(chronicle)
        {
            return phrased(&phrase::cause_silent_then_switched_off(node, silence.as_millis()));
        }
        match (&self.what, self.from) {
            (What::ClockStep(by_ms), Some(node)) => phrased(&phrase::cause_clock_step(node, by_ms)),
            _ => cause(first, self.deed),
        }
    }

    fn cause_data(&self, first: &Cause) -> serde_json::Value {
        match self.what {
            What::ClockStep(by_ms) => {
                serde_json::json!({"cause": "clock-step", "node": self.by, "by_ms": by_ms})
            }
            _ => serde_json::to_value(first).unwrap_or_default(),
        }
    }

    /// When the first sign of the cause was there.
    fn began(&self, first: &Cause) -> Wall {
        let silence = match (&self.cause, first) {
            (Cause::NodeSilent { silence, .. }, _) => *silence,
            (_, Cause::Frozen { .. }) | (_, _) => Span::ZERO,
        };
        Wall(self.at.0.saturating_sub(silence.as_millis()))
    }

    fn decision_words(&self, first: &Cause) -> Words {
        let word = |name: Option<&NodeName>| name.map_or("-", |n| n.as_str()).to_owned();
        let by_figure = || chosen_by_figure(self.to?, &self.decision?.rejected);
        phrased(&match (&self.what, first) {
            (What::Restart, _) => phrase::decided_restart(word(self.to)),
            (What::AddressMoved(address, link), _) => phrase::decided_link(address, link),
            (What::ClockStep(_), _) => phrase::decided_nothing(),
            (_, Cause::Operator { by, .. }) => phrase::chosen_by_person(word(self.to), by),
            (_, _) => by_figure().unwrap_or_else(|| phrase::chosen_preferred(word(self.to))),
        })
    }

    /// What was seen around the first sign: links, losses, failures.
    fn sightings(&self, chronicle: &Chronicle, began: Wall) -> Vec<report::Moment> {
        let from = began.0.saturating_sub(5_000);
        let near = |e: &&EventRecord| e.at.0 >= from && e.at <= self.at;
        let about = self.cause.node();
        let seen = |e: &&EventRecord| match &e.what {
            Happening::Lost { node, .. }
            | Happening::Link { node, .. }
            | Happening::GuardianLost { node }
            | Happening::FenceOrdered { node, .. }
            | Happening::ClockStepped { node, .. } => Some(node) == about,
            Happening::Failed { .. }
            | Happening::Observed { .. }
            | Happening::StopFailed { .. }
            | Happening::StopLied { .. }
            | Happening::Unreleased { .. }
            | Happening::VolumeAgain { .. }
            | Happening::StartUndone { .. }
            | Happening::Monitor { .. }
            | Happening::WatchedEnded { .. }
            | Happening::GuardianActed { .. } => e.group.as_ref() == self.group,
            // What came of a fence is a step.
            Happening::Fenced { .. }
            | Happening::FenceFailed { .. }
            | Happening::Started { .. }
            | Happening::Stopped { .. }
            | Happening::Returned { .. }
            | Happening::AddressMoved { .. }
            | Happening::Recovered { .. }
            | Happening::Flooded { .. }
            | Happening::Drill { .. }
            | Happening::Readopted { .. }
            | Happening::Damaged { .. }
            | Happening::Unknown => false,
        };
        // Who saw it wrote it down when it had a leader to tell: in the ledger it may stand behind
        // the decision.
        let events = chronicle.events.iter().map(|e| &*e.value);
        events.filter(near).filter(seen).map(history::moment).collect()
    }

    /// The next time the group was up again, and how long its steps took.
    fn started<'c>(&self, chronicle: &'c Chronicle) -> Option<Up<'c>> {
        if matches!(self.what, What::AddressMoved(..) | What::ClockStep(_)) {
            return None;
        }
        let mut its = chronicle.since(self.entry).filter(|e| e.value.group.as_ref() == self.group);
        its.find_map(|e| match &e.value.what {
            Happening::Started { steps, .. } => {
                Some(Up { entry: e.version, event: &e.value, steps })
            }
            _ => None,
        })
    }

    fn steps(&self, chronicle: &Chronicle) -> Vec<report::Moment> {
        if matches!(self.what, What::AddressMoved(..) | What::ClockStep(_)) {
            return Vec::new();
        }
        let started = self.started(chronicle);
        let end = started.as_ref().map_or(Index(u64::MAX), |up| up.entry);
        let between = chronicle.since(self.entry).filter(|e| e.version <= end);
        let stopped = |e: &&EventRecord| {
            e.group.as_ref() == self.group && matches!(e.what, Happening::Stopped { .. })
        };
        let stops: Vec<_> = between.map(|e| &*e.value).filter(stopped).collect();
        let (waited_for, beside) = self.fences(chronicle, end);
        let first = waited_for.iter().chain(&stops);
        let mut steps: Vec<_> = first.map(|e| history::moment(e)).collect();
        let Some(Up { event, steps: each, .. }) = started else { return steps };
        // A hand-over is one entry: the stop and the new epoch stand in it together (L8).
        let given = match (&self.what, stops.last()) {
            (What::Move, Some(stop)) => (stop.at, stop.by.to_string()),
            (What::Move | What::Takeover | What::Restart, _)
            | (What::AddressMoved(..) | What::ClockStep(_), _) => (self.at, self.by.to_string()),
        };
        if let (What::Takeover, Some(node), Nature::OwnFailure) =
            (&self.what, self.from, self.cause.nature())
        {
            // An owner that lives says that it failed only when nothing of the group is left there.
            let what = phrased(&phrase::step_let_go(node));
            steps.push(report::Moment { at: Utc(self.at), by: node.to_string(), what });
        }
        if let (What::Takeover | What::Move, Some(epoch)) = (&self.what, event.epoch) {
            let what = phrased(&phrase::step_recorded(epoch));
            steps.push(report::Moment { at: Utc(given.0), by: given.1, what });
        }
        steps.extend(beside.iter().map(|fence| history::moment(fence)));
        let whole: u64 = each.iter().map(|(_, millis)| millis).sum();
        let mut at = event.at.0.saturating_sub(whole);
        let mut step = |at, what: &Phrase| {
            let by = event.by.to_string();
            steps.push(report::Moment { at: Utc(Wall(at)), by, what: phrased(what) });
        };
        if let Cause::NodeSilent { node, .. } | Cause::OneWay { node, .. } = &self.cause
            && !waited_for.iter().chain(&beside).any(|e| matches!(e.what, Happening::Fenced { .. }))
        {
            step(at, &phrase::step_lease_ended(node));
        }
        for (resource, millis) in each {
            at += millis;
            step(at, &phrase::step_started(resource));
        }
        steps
    }

    /// What came of the fence of the node that was lost: what the decision had to wait for, and
    /// what went on beside it until the group was up again.
    fn fences<'c>(
        &self,
        chronicle: &'c Chronicle,
        end: Index,
    ) -> (Vec<&'c EventRecord>, Vec<&'c EventRecord>) {
        let of_it = |e: &&Versioned<EventRecord>| match &e.value.what {
            Happening::Fenced { node, .. } | Happening::FenceFailed { node, .. } => {
                Some(node) == self.cause.node()
            }
            _ => false,
        };
        // Before it came back the last time it was lost for another reason.
        let back = |e: &&Versioned<EventRecord>| match &e.value.what {
            Happening::Returned { node, .. } => {
                Some(node) == self.cause.node() && e.version < self.entry
            }
            _ => false,
        };
        let lost = chronicle.events.iter().filter(back).map(|e| e.version).max();
        let lost = lost.unwrap_or(Index(0));
        let all = chronicle.since(lost).filter(|e| e.version <= end).filter(of_it);
        let (before, beside): (Vec<_>, Vec<_>) = all.partition(|e| e.version < self.entry);
        let values = |all: Vec<&'c Versioned<EventRecord>>| all.into_iter().map(|e| &*e.value);
        (values(before).collect(), values(beside).collect())
    }

    /// What came of it: in service again, and what the lost node turned out to have been.
    fn effects(&self, chronicle: &Chronicle) -> Vec<report::Moment> {
        let mut effects = Vec::new();
        if let Some(Up { event, .. }) = self.started(chronicle) {
            let what = phrased(&phrase::effect_in_service(&event.by));
            effects.push(report::Moment { at: Utc(event.at), by: event.by.to_string(), what });
        }
        let back = match &self.cause {
            Cause::NodeSilent { node, .. } => self.return_of(node, chronicle).map(|e| &*e.value),
            _ => None,
        };
        effects.extend(back.map(history::moment));
        effects
    }
}

#[cfg(test)]
mod tests;
