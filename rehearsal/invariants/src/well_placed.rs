//! What the operator has ruled: a pinned group keeps its node (L9), a group that asks for a
//! confirmed fence is not taken from one that may still hold it (L7), groups that must be apart
//! never meet, restarts in place are counted, and nobody is called lost who was never listened for.

use std::collections::BTreeSet;

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan};
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{Answer, Draft, GroupRecord, Ownership, Record, Write};
use tsugi_cluster_rules::spec::FencePolicy;
use tsugi_cluster_rules::timing::Timing;
use tsugi_vocabulary::{GroupName, Span};
use tsugi_world::{Asked, Seen};

use crate::{Invariant, Violation, number_of};

/// What is up where, and when the configuration last changed.
#[derive(Default)]
pub(crate) struct WellPlaced {
    up: BTreeSet<(GroupName, usize)>,
    configured: u64,
    /// The nodes that were switched off and have not begun again.
    off: BTreeSet<usize>,
}

impl Invariant for WellPlaced {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen {
            Seen::Up { node, group, .. } => {
                self.up.insert(((*group).clone(), *node));
            }
            Seen::Down { node, group, .. } => {
                self.up.remove(&((*group).clone(), *node));
            }
            Seen::Began { node, .. } => {
                self.off.remove(node);
            }
            Seen::SwitchedOff { node, .. } => {
                self.off.insert(*node);
            }
            Seen::Committed { at, asked, before, after, draft } => {
                for write in &draft.writes {
                    match write {
                        Write::Config(_) => self.configured = *at,
                        Write::Group(name, now) => {
                            let resumed = is_resumed(draft, name);
                            self.judge((*at, resumed), (before, after), (name, now))?;
                        }
                        Write::Plan(plan) => self.judge_patience(asked, (before, after), plan)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl WellPlaced {
    fn judge(
        &self,
        (at, resumed): (u64, bool),
        (before, after): (&Record, &Record),
        (name, now): (&GroupName, &GroupRecord),
    ) -> Result<(), Violation> {
        let broken = |invariant, what| Err(Violation { invariant, at, what });
        let Some(was) = before.group(name) else { return Ok(()) };
        let moved = now.owner().is_some() && now.owner() != was.owner();
        // For an owner that is lost the word of the operator who resumes lifts the pin at once.
        let taken = now.owner() != was.owner() && now.ownership != Ownership::Nobody;
        let pin = was.pause.as_ref().and_then(|p| p.pinned.as_ref());
        let fenced = self.is_fenced(before, (name, was));
        let pin = pin.filter(|p| taken && was.owner() == Some(*p) && !resumed && !fenced);
        if let Some(pin) = pin {
            return broken("L9", format!("{name} was taken from {pin}, which it is pinned to"));
        }
        if moved && self.is_unfenced(before, name, was) {
            return broken("L7", format!("{name} was given away without the fence it asks for"));
        }
        // Also one that is given anew to the node that has it comes up there anew.
        let given = now.owner().is_some() && (moved || now.epoch != was.epoch);
        if let Some(other) = given.then(|| self.meets(after, name, now)).flatten() {
            return broken("apart", format!("{name} meets {other}, which it must be apart from"));
        }
        // One entry may bring a configuration and the decision under it.
        if let Some(what) = self.too_many_restarts(at, after, (name, was, now)) {
            return broken("restarts", what);
        }
        Ok(())
    }

    /// Nobody is called lost by an agent that had not listened for a whole time when it decided.
    /// Judged by the plan that says so first: a group that finds no place keeps its cause, also in
    /// plans of an agent that has just begun, and whoever asked may have ended meanwhile.
    fn judge_patience(
        &self,
        asked: &Asked,
        (before, after): (&Record, &Record),
        plan: &Plan,
    ) -> Result<(), Violation> {
        let timing = Timing::of(after.spec().map(|s| s.timing).unwrap_or_default());
        let listened = asked.at - asked.began;
        if listened >= timing.ttl.0 * 19 / 10 {
            return Ok(());
        }
        for (name, decision) in &plan.decisions {
            let said = |d: &Decision| d.cause.clone();
            let former = before.plan.as_ref().and_then(|plan| plan.decisions.get(name));
            let news = |cause: &Cause| former.and_then(said).as_ref() != Some(cause);
            // Who is to hand over is heard; a hand-over under way has the cause of the ownership.
            let lost = matches!(
                decision.chosen,
                Chosen::Give { .. } | Chosen::NoPlace | Chosen::Wait { .. }
            );
            let Some(cause) = said(decision).filter(|cause| lost && news(cause)) else { continue };
            let Cause::NodeSilent { node, silence: Span::ZERO } = cause else { continue };
            let was = before.group(name).filter(|was| was.owner() == Some(&node));
            let ends = |was: &GroupRecord| [before, after].iter().any(|r| is_to_end(r, was));
            if was.is_some_and(|was| !self.is_fenced(before, (name, was)) && !ends(was)) {
                let what =
                    format!("{node}, which owns {name}, was called lost, never listened for");
                return Err(Violation { invariant: "patience", at: asked.at, what });
            }
        }
        Ok(())
    }

    /// Whether the owner was confirmed to be off, and in truth nothing of the group is there: that
    /// ends a pin (L9), and there is nobody left to listen for.
    fn is_fenced(&self, record: &Record, (name, was): (&GroupName, &GroupRecord)) -> bool {
        let Ownership::Owned { node, boot, .. } = &was.ownership else { return false };
        let confirmed = record.nodes.get(node).and_then(|known| known.value.fenced);
        let Some(number) = number_of(node).filter(|_| confirmed.is_some()) else { return false };
        let gone = self.off.contains(&number) || *boot == confirmed;
        gone && !self.up.contains(&(name.clone(), number))
    }

    fn is_unfenced(&self, record: &Record, name: &GroupName, was: &GroupRecord) -> bool {
        let spec = record.spec().and_then(|s| s.groups.get(name));
        let asks = spec.is_some_and(|s| s.fence == FencePolicy::Confirmed);
        let Some(owner) = was.owner().and_then(number_of) else { return false };
        asks && self.up.contains(&(name.clone(), owner))
    }

    /// A group that it must be apart from and that is on its node. One that a former life of the
    /// node owned, and of which nothing is there in truth, is not: it comes up there again only
    /// with an entry of its own, which is judged then.
    fn meets(&self, record: &Record, name: &GroupName, now: &GroupRecord) -> Option<GroupName> {
        let Ownership::Owned { node, boot, .. } = &now.ownership else { return None };
        let there = |other: &&GroupName| {
            let entry = record.group(other).map(|entry| &entry.ownership);
            let Some(Ownership::Owned { node: at, boot: of, .. }) = entry else { return false };
            let former = matches!((boot, of), (Some(boot), Some(of)) if boot != of);
            let up = number_of(at).is_some_and(|at| self.up.contains(&((*other).clone(), at)));
            at == node && (up || !former)
        };
        let spec = record.spec().and_then(|s| s.groups.get(name));
        spec.into_iter().flat_map(|s| &s.apart).find(there).cloned()
    }

    /// A list of failures may name no more restarts on one node than the policy has.
    fn too_many_restarts(
        &self,
        at: u64,
        record: &Record,
        (name, was, now): (&GroupName, &GroupRecord, &GroupRecord),
    ) -> Option<String> {
        let policy = record.spec()?.groups.get(name)?.failure;
        let last = now.failures.last()?;
        let new = now.failures.len() > was.failures.len() && last.answer == Answer::Restarted;
        // A restart may have been decided on under the configuration before.
        if !new || at < self.configured + 5_000_000_000 {
            return None;
        }
        let within =
            |wall: tsugi_vocabulary::Wall| Span::millis(wall.0.abs_diff(last.at.0)) < policy.within;
        let same = now
            .failures
            .iter()
            .filter(|f| f.node == last.node && f.answer == Answer::Restarted && within(f.at));
        let count = same.count();
        (count > policy.restarts as usize)
            .then(|| format!("{name} restarted {count} times on {}", last.node))
    }
}

/// Whether an entry is an operator's resume of the group.
fn is_resumed(draft: &Draft, group: &GroupName) -> bool {
    let words = format!("group resume {group}");
    draft.writes.iter().any(|w| matches!(w, Write::Audit(line) if line.words == words))
}

/// Whether a person demanded over the disk that a life of the owner ends: nobody listens for it.
/// The group may have been given to a former life of it, which everybody has lost since.
fn is_to_end(record: &Record, was: &GroupRecord) -> bool {
    let known = was.owner().and_then(|owner| record.nodes.get(owner));
    known.is_some_and(|known| known.value.demanded.is_some())
}
