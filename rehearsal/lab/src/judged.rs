//! What must hold after every repetition, apart from the causes and the times.

use std::net::IpAddr;
use std::time::Duration;

use crate::address_log::AddressLog;
use crate::badlink::{Claim, ClaimKind};
use crate::client::{Call, CallEnd, unlike_in_java};
use crate::drilled;
use crate::host::LOG;
use crate::kernel::now;
use crate::outage::Outage;
use crate::overlap;
use crate::pattern::{After, Pattern};
use crate::product::{self, Served, Shape, Status};
use crate::repetition::{self, Before};
use crate::stage::Stage;
use crate::warm;

/// The interval and the limit of the monitor, the stop and the start, and some air.
const FOUND: Duration = Duration::from_secs(2);

/// What an agent says that came after another one and found groups running.
const TAKEN_ON: &str = "TSUG10021-I";

/// What is not as it must be once the cluster is whole again.
#[must_use]
pub fn afterwards(
    stage: &mut Stage,
    pattern: Pattern,
    (before, after): (&Before, &Status),
    foretold: Option<&str>,
) -> Vec<String> {
    let group = stage.group();
    let mut wrong = Vec::new();
    if stays(pattern) {
        wrong.extend(same_epoch(group, &before.status, after));
        wrong.extend(same_program(stage, before));
    }
    if pattern == Pattern::Warm {
        wrong.extend(warm::was_started(stage, &before.standing_by, after));
    }
    if pattern == Pattern::AgentReplace {
        wrong.extend(not_told_twice(stage, before));
    }
    if pattern == Pattern::DrillIsolate {
        wrong.extend(drilled::left(stage));
    }
    if pattern.shape() == Shape::Full {
        let owner = after.group(group).and_then(|group| group.owner.clone()).unwrap_or_default();
        wrong.extend(product::misplaced(&stage.site.hosts, &owner));
    }
    wrong.extend(came_true(foretold, (group, after)));
    wrong.extend(together(stage, after));
    wrong
}

/// How long two hosts held one of the addresses of any group, by either instrument; the longest,
/// and what was noted of that address. A group that was lost with its node is not excused here.
#[must_use]
pub fn held_twice(stage: &Stage, since: Duration) -> (Duration, Option<String>) {
    let shared = stage.site.wire.instruments();
    let noted = (&shared.addresses, shared.switch.claims_since(since));
    longest_twice(stage.groups().map(|(served, _)| served), noted, (since, now()))
}

fn longest_twice<'a>(
    groups: impl Iterator<Item = &'a Served>,
    (log, claims): (&AddressLog, Vec<Claim>),
    (since, until): (Duration, Duration),
) -> (Duration, Option<String>) {
    let of_one = |address: &IpAddr| {
        let of_it = |claim: &&Claim| claim.address == *address;
        let claims: Vec<Claim> = claims.iter().filter(of_it).copied().collect();
        let holdings = overlap::from_first_claim(&log.of(*address), &claims);
        let kernels = overlap::held_twice(&holdings, since, until);
        let longest = kernels.max(overlap::claimed_twice(&claims, &holdings));
        let told = (!longest.is_zero()).then(|| overlap::noted(&claims, &holdings, since));
        (longest, told.map(|told| format!("two hosts had {address}: {told}")))
    };
    let all = groups.flat_map(|served| &served.addresses).map(of_one);
    all.max_by_key(|(longest, _)| *longest).unwrap_or_default()
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
        stage.served().addresses.iter().find(|address| {
            !claims.iter().filter(unasked).any(|claim| claim.address == **address)
        })?;
    Some(format!("nobody announced {silent}"))
}

/// What happens to the groups that were not hit: nothing. Every call of theirs was answered, their
/// addresses stayed where they were, and they run under the epoch that they had. Where a node is
/// lost (`lost`), so is what else it had.
#[must_use]
pub fn untouched(
    stage: &Stage,
    (before, after): (&Status, &Status),
    (since, lost): (Duration, Option<&str>),
) -> Vec<String> {
    let mut wrong = Vec::new();
    let was_there = |group: &str| {
        let owner = before.group(group).and_then(|group| group.owner.as_deref());
        lost.is_some() && owner == lost
    };
    for (served, client) in stage.others().filter(|(served, _)| !was_there(served.group)) {
        let why = |call: Call| match call.end {
            CallEnd::Failed(why) if call.from >= since => Some(why),
            CallEnd::Failed(_) | CallEnd::Answered { .. } => None,
        };
        let failed: Vec<_> = client.calls_since(since).into_iter().filter_map(why).collect();
        let moved = served.addresses.iter().any(|address| {
            let shared = stage.site.wire.instruments();
            shared.addresses.of(*address).iter().any(|holding| holding.from >= since)
        });
        let epoch = same_epoch(served.group, before, after);
        if !failed.is_empty() || moved || epoch.is_some() {
            let (group, calls, first) = (served.group, failed.len(), failed.first());
            wrong.push(format!(
                "{group} was hit too: {calls} calls ({first:?}), moved {moved}, {epoch:?}"
            ));
        }
    }
    wrong
}

/// Whether the group goes on as it runs: an agent that is replaced takes it over, a clock on the
/// wall is nothing that it depends on, and of two nodes each may lose the other or the disk.
fn stays(pattern: Pattern) -> bool {
    matches!(
        pattern,
        Pattern::AgentLost
            | Pattern::NewerAgent
            | Pattern::AgentReplace
            | Pattern::ClockStep
            | Pattern::DrillIsolate
            | Pattern::PairCut
            | Pattern::PairDiskLost
    )
}

/// A new agent says which groups it took over as they ran: the newer one, and the former again, on
/// each node that runs any.
fn not_told_twice(stage: &Stage, before: &Before) -> Option<String> {
    let everywhere = stage.served().stands_by();
    let wanted = 2 * if everywhere { stage.site.hosts.len() } else { 1 };
    let log = stage.site.hosts[before.owner].read(LOG).unwrap_or_default();
    let told = log.get(before.said..).unwrap_or_default().matches(TAKEN_ON).count();
    (told != wanted).then(|| format!("{TAKEN_ON} was said {told} times"))
}

/// What the group is, if it was given out anew between the two.
#[must_use]
pub fn same_epoch(group: &str, before: &Status, after: &Status) -> Option<String> {
    let epoch = |status: &Status| status.group(group).map(|group| group.epoch.clone());
    (epoch(before) != epoch(after))
        .then(|| format!("the group was given out anew: {:?}", epoch(after)))
}

/// The program is the one that ran before, by its number and by when it began.
fn same_program(stage: &Stage, before: &Before) -> Option<String> {
    let host = &stage.site.hosts[before.owner];
    let now = repetition::programs(stage, host);
    (now != before.programs).then(|| format!("{:?} ran, now it is {now:?}", before.programs))
}

/// Addresses, volume and program are where the record says, and nothing of them anywhere else.
#[must_use]
pub fn together(stage: &mut Stage, after: &Status) -> Option<String> {
    let owner = after.group(stage.group()).and_then(|group| group.owner.clone());
    let has = stage.whole_owner();
    (has.is_none() || has != owner)
        .then(|| format!("{owner:?} owns the group, but: {:?}", stage.parts()))
}

/// What is promised of the outage itself, however fast the machine is.
#[must_use]
pub fn promised(pattern: Pattern, seen: &Outage) -> Option<String> {
    match pattern {
        Pattern::Power | Pattern::PairPower | Pattern::FullPower if seen.failures.is_empty() => {
            Some("no caller saw an error, so nothing was rehearsed".into())
        }
        Pattern::Hung if seen.gap > FOUND => {
            Some(format!("a program that hangs was out for {:?}", seen.gap))
        }
        Pattern::Monitor | Pattern::Log | Pattern::RunningMonitor | Pattern::Mutual
            if seen.since_fault.is_none_or(|since| since > FOUND) =>
        {
            Some(format!("taken over {:?} after the service beside it ended", seen.since_fault))
        }
        Pattern::DrillIsolate if !seen.failures.is_empty() => {
            Some(format!("callers felt a drill beside their group: {:?}", seen.failures))
        }
        Pattern::PairCut if !seen.failures.is_empty() => {
            Some(format!("callers felt that the networks between were cut: {:?}", seen.failures))
        }
        Pattern::AgentReplace if !seen.failures.is_empty() => {
            Some(format!("callers felt that agents were replaced: {:?}", seen.failures))
        }
        _ => None,
    }
}

/// What is not as it must be of the calls themselves, apart from their numbers.
#[must_use]
pub fn of_calls(pattern: Pattern, calls: &[Call], of: (&str, Duration)) -> Option<String> {
    pattern.has_java().then(|| unlike_in_java(calls, of)).flatten()
}

/// Which calls the fault was to find under way and did not: a repetition that shows nothing of
/// them, and is done again.
#[must_use]
pub fn not_met(pattern: Pattern, calls: &[Call], of: (&str, Duration)) -> Option<String> {
    pattern.has_work().then(|| carried_out_once(pattern, calls, of)).flatten()
}

/// What became of the calls that were under way at the fault. That each was carried out once is
/// seen from the numbers; here it is seen that there were such calls of both kinds: one that the
/// old owner had carried out and whose answer was lost, told by another node from what was stored,
/// and one that met the fault and was carried out by another. A volume that is handed over by its
/// owner takes answers along only that were told.
#[must_use]
fn carried_out_once(
    pattern: Pattern,
    calls: &[Call],
    (old, fault): (&str, Duration),
) -> Option<String> {
    let told = |call: &&Call| match &call.end {
        CallEnd::Answered { node, told_by: Some(by), .. } => node == old && by != old,
        CallEnd::Answered { .. } | CallEnd::Failed(_) => false,
    };
    let met_it = |call: &&Call| {
        let failed = |c: &Call| matches!(c.end, CallEnd::Failed(_)) && c.until > fault;
        calls.iter().any(|c| c.serial == call.serial && failed(c))
    };
    let by_another = |call: &&Call| match &call.end {
        CallEnd::Answered { node, .. } => node != old,
        CallEnd::Failed(_) => false,
    };
    let after = || calls.iter().filter(|call| call.until > fault);
    let stored = after().filter(told).count();
    let anew = after().filter(by_another).filter(met_it).count();
    let wants_stored = pattern == Pattern::RunningLinks;
    ((wants_stored && stored == 0) || anew == 0).then(|| {
        format!("no call of each kind was under way: {stored} carried out before, {anew} after")
    })
}

/// What was foretold is what happened.
fn came_true(foretold: Option<&str>, (group, after): (&str, &Status)) -> Option<String> {
    let owner = after.group(group).and_then(|group| group.owner.as_deref());
    (foretold.is_some() && foretold != owner)
        .then(|| format!("{foretold:?} was foretold as the owner, it is {owner:?}"))
}

/// How many calls of any group its old owner answered though another node had before; what a
/// group's owner was is in `before`.
#[must_use]
pub fn stale_of_all(
    stage: &Stage,
    pattern: Pattern,
    before: &Status,
    (since, fault): (Duration, Duration),
) -> usize {
    // Its old owner has the group again: what it answers then is not of a former time.
    if pattern == Pattern::DrillMove {
        return 0;
    }
    let calls = stage.groups().map(|(served, client)| (served.group, client.calls_since(since)));
    stale_by_owner(calls, before, fault)
}

fn stale_by_owner(
    groups: impl Iterator<Item = (&'static str, Vec<Call>)>,
    before: &Status,
    fault: Duration,
) -> usize {
    let of_one = |(group, calls): (&str, Vec<Call>)| {
        let old = before.group(group).and_then(|group| group.owner.as_deref());
        old.map_or(0, |old| stale(&calls, old, fault))
    };
    groups.map(of_one).sum()
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
    use crate::address_log::Change;
    use crate::product::{GROUP, GroupStatus, Serves, Shape};

    fn answered(from: u64, until: u64, node: &str) -> Call {
        let ms = Duration::from_millis;
        let end = CallEnd::Answered { number: 7, node: node.into(), told_by: None };
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
    fn the_address_of_each_group_is_held_once_whichever_is_rehearsed() {
        let ms = Duration::from_millis;
        for shape in [Shape::Mutual, Shape::Database] {
            let groups = Served::of(shape, Serves::Report);
            assert_eq!(groups.len(), 2);
            for address in groups.iter().map(Served::called) {
                let mut log = AddressLog::default();
                let twice = |log: &AddressLog| {
                    longest_twice(groups.iter(), (log, Vec::new()), (ms(0), ms(90)))
                };
                log.note(ms(1), 1, Change { address, link: 2, held: true });
                assert_eq!(twice(&log), (Duration::ZERO, None));
                log.note(ms(50), 2, Change { address, link: 2, held: true });
                let (longest, told) = twice(&log);
                assert_eq!(longest, ms(40), "of {address}");
                assert!(told.unwrap().contains(&address.to_string()));
            }
        }
    }

    #[test]
    fn a_stale_answer_is_counted_in_each_group_by_the_owner_that_it_had() {
        let ms = Duration::from_millis;
        let of = |name: &str, owner: &str| GroupStatus {
            name: name.into(),
            owner: Some(owner.into()),
            ..GroupStatus::default()
        };
        let groups = vec![of("one", "n1"), of("two", "n2")];
        let before = Status { groups, ..Status::default() };
        let stays = || vec![answered(10, 20, "n1"), answered(22, 23, "n1")];
        let back = vec![answered(10, 20, "n3"), answered(22, 23, "n2")];
        let stale = |two| {
            let calls = [("one", stays()), ("two", two)];
            stale_by_owner(calls.into_iter(), &before, ms(5))
        };
        assert_eq!(stale(vec![answered(1, 2, "n2"), answered(10, 20, "n3")]), 0);
        assert_eq!(stale(back), 1);
    }

    #[test]
    fn whatever_ends_with_a_failed_monitor_is_taken_over_within_two_seconds() {
        use Pattern::{Log, Monitor, Mutual, RunningMonitor};
        let seen = |since_fault| Outage {
            gap: Duration::from_millis(40),
            from_to: (Some("n1".into()), Some("n2".into())),
            since_fault,
            lost: 0,
            doubled: 0,
            answered: 900,
            failures: std::collections::BTreeMap::new(),
        };
        for pattern in [Monitor, Log, RunningMonitor, Mutual] {
            let name = pattern.name();
            assert_eq!(promised(pattern, &seen(Some(Duration::from_secs(2)))), None, "{name}");
            assert!(
                promised(pattern, &seen(Some(Duration::from_millis(2001)))).is_some(),
                "{name}"
            );
            assert!(promised(pattern, &seen(None)).is_some(), "{name}");
        }
        assert_eq!(promised(Pattern::Move, &seen(None)), None, "nothing was to be found out");
    }

    #[test]
    fn a_fault_that_found_no_call_under_way_rehearsed_nothing() {
        use Pattern::{RunningLinks, RunningMonitor};
        let fault = Duration::from_millis(5);
        let told_by = |serial, node: &str, by: &str| {
            let end = CallEnd::Answered { number: 7, node: node.into(), told_by: Some(by.into()) };
            Call { serial, end, ..answered(1, 20, node) }
        };
        let met = |serial| Call { serial, end: CallEnd::Failed("x".into()), ..answered(1, 20, "") };
        let both = [met(4), told_by(4, "n2", "n2"), met(5), told_by(5, "n1", "n2")];
        assert_eq!(carried_out_once(RunningLinks, &both, ("n1", fault)), None);
        assert!(carried_out_once(RunningLinks, &both[..2], ("n1", fault)).is_some());
        assert_eq!(carried_out_once(RunningMonitor, &both[..2], ("n1", fault)), None);
        assert!(carried_out_once(RunningMonitor, &both[2..], ("n1", fault)).is_some());
        let unhurt = [told_by(4, "n2", "n2"), told_by(5, "n1", "n2")];
        assert!(carried_out_once(RunningLinks, &unhurt, ("n1", fault)).is_some(), "none met it");
    }

    #[test]
    fn what_was_foretold_is_compared_with_the_owner() {
        let group =
            GroupStatus { name: GROUP.into(), owner: Some("n2".into()), ..GroupStatus::default() };
        let after = Status { groups: vec![group], ..Status::default() };
        assert_eq!(came_true(Some("n2"), (GROUP, &after)), None);
        assert!(came_true(Some("n3"), (GROUP, &after)).is_some());
        assert_eq!(came_true(None, (GROUP, &after)), None, "nothing was foretold");
    }
}
