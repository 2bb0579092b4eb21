//! What must hold after every repetition, apart from the causes and the times.

use std::time::Duration;

use crate::badlink::{Claim, ClaimKind};
use crate::client::{Call, CallEnd};
use crate::kernel::now;
use crate::outage::Outage;
use crate::overlap;
use crate::pattern::{After, Pattern};
use crate::product::{GROUP, Status};
use crate::stage::Stage;

/// The interval and the limit of the monitor, the stop and the start, and some air.
const HUNG: Duration = Duration::from_secs(2);

/// What is not as it must be once the cluster is whole again.
#[must_use]
pub fn afterwards(
    stage: &mut Stage,
    pattern: Pattern,
    (before, after): (&Status, &Status),
    foretold: Option<&str>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(kept(pattern, before, after));
    wrong.extend(came_true(foretold, after));
    wrong.extend(together(stage, after));
    wrong
}

/// How long two hosts held one of the addresses, by either instrument; the longest.
#[must_use]
pub fn held_twice(stage: &Stage, since: Duration) -> Duration {
    let shared = stage.site.wire.instruments();
    let claims = shared.switch.claims_since(since);
    let of_one = |address| {
        let of_it = |claim: &&Claim| claim.address == address;
        let claims: Vec<Claim> = claims.iter().filter(of_it).copied().collect();
        let holdings = shared.addresses.of(address);
        let kernels = overlap::held_twice(&holdings, since, now());
        kernels.max(overlap::claimed_twice(&claims, &holdings))
    };
    stage.product.plan.addresses().into_iter().map(of_one).max().unwrap_or_default()
}

/// A new owner says unasked, on the wire, that every address is here now.
#[must_use]
pub fn announced(stage: &Stage, pattern: Pattern, since: Duration, old: &str) -> Option<String> {
    if pattern.after() != After::Another {
        return None;
    }
    let old = stage.site.hosts.iter().find(|host| host.name == old)?.index;
    let claims = stage.site.wire.instruments().switch.claims_since(since);
    let unasked = |claim: &&Claim| claim.kind == ClaimKind::Announcement && claim.port.host != old;
    let silent =
        stage.product.plan.addresses().into_iter().find(|address| {
            !claims.iter().filter(unasked).any(|claim| claim.address == *address)
        })?;
    Some(format!("nobody announced {silent}"))
}

/// An agent that is replaced takes its group over as it runs: the epoch stays.
fn kept(pattern: Pattern, before: &Status, after: &Status) -> Option<String> {
    let stays = matches!(pattern, Pattern::AgentLost | Pattern::NewerAgent | Pattern::ClockStep);
    let epoch = |status: &Status| status.group(GROUP).map(|group| group.epoch.clone());
    (stays && epoch(before) != epoch(after))
        .then(|| format!("the group was given out anew: {:?}", epoch(after)))
}

/// Addresses, volume and program are where the record says, and nothing of them anywhere else.
fn together(stage: &mut Stage, after: &Status) -> Option<String> {
    let owner = after.group(GROUP).and_then(|group| group.owner.clone());
    let has = stage.whole_owner();
    (has.is_none() || has != owner)
        .then(|| format!("{owner:?} owns the group, but: {:?}", stage.parts()))
}

/// What is promised of the outage itself, however fast the machine is.
#[must_use]
pub fn promised(pattern: Pattern, seen: &Outage) -> Option<String> {
    match pattern {
        Pattern::Power if seen.failures.is_empty() => {
            Some("no caller saw an error, so nothing was rehearsed".into())
        }
        Pattern::Hung if seen.gap > HUNG => {
            Some(format!("a program that hangs was out for {:?}", seen.gap))
        }
        _ => None,
    }
}

/// What was foretold is what happened.
fn came_true(foretold: Option<&str>, after: &Status) -> Option<String> {
    let owner = after.group(GROUP).and_then(|group| group.owner.as_deref());
    (foretold.is_some() && foretold != owner)
        .then(|| format!("{foretold:?} was foretold as the owner, it is {owner:?}"))
}

/// How many calls, begun after another node had answered, the old owner still answered.
#[must_use]
pub fn stale(calls: &[Call], old: &str, fault: Duration) -> usize {
    let by = |call: &Call| match &call.end {
        CallEnd::Answered { node, .. } => Some(node.clone()),
        CallEnd::Failed(_) => None,
    };
    // A call that was asked again gets the reply it had, which names the node of that time.
    let calls = || calls.iter().filter(|call| !call.again);
    let later = calls().filter(|call| call.until > fault);
    let taken = later.filter(|call| by(call).is_some_and(|node| node != old));
    let Some(taken) = taken.map(|call| call.until).min() else { return 0 };
    let from_old = |call: &&Call| by(call).is_some_and(|node| node == old);
    calls().filter(|call| call.from > taken).filter(from_old).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(from: u64, until: u64, node: &str) -> Call {
        let ms = Duration::from_millis;
        let end = CallEnd::Answered { number: 7, node: node.into() };
        Call { serial: until, from: ms(from), until: ms(until), end, again: false }
    }

    #[test]
    fn an_answer_of_the_old_owner_to_a_call_begun_after_the_takeover_is_stale() {
        let ms = Duration::from_millis;
        let late = answered(19, 21, "n1");
        let calls = [answered(1, 2, "n1"), answered(10, 20, "n2"), late.clone()];
        assert_eq!(stale(&calls, "n1", ms(5)), 0, "it was begun before");
        let calls = [calls[0].clone(), calls[1].clone(), Call { from: ms(21), ..late }];
        assert_eq!(stale(&calls, "n1", ms(5)), 1);
    }

    #[test]
    fn what_was_foretold_is_compared_with_the_owner() {
        let group = crate::product::GroupStatus {
            name: GROUP.into(),
            owner: Some("n2".into()),
            ..crate::product::GroupStatus::default()
        };
        let after = Status { groups: vec![group], ..Status::default() };
        assert_eq!(came_true(Some("n2"), &after), None);
        assert!(came_true(Some("n3"), &after).is_some());
        assert_eq!(came_true(None, &after), None, "nothing was foretold");
    }
}
