//! One pair of faults in a whole cluster: what was seen of it, and what of that must not be.

use std::fmt;
use std::thread;
use std::time::Duration;

use tsugi_counter::epoch_file;

use super::fault::{Expected, Kind, Pair};
use super::leftovers::{Left, Sweep};
use super::strike::{self, Damage, Done, Roles};
use crate::Trouble;
use crate::address_log::Holding;
use crate::client::{Call, CallEnd};
use crate::expected::{self, Wanted};
use crate::fenced;
use crate::judged;
use crate::kernel::now;
use crate::outage::{self, BEFORE, Outage};
use crate::product::{Profile, Status};
use crate::recorder::Stall;
use crate::report::ms;
use crate::stage::{Stage, show_logs};

/// How much longer than its bound service is waited for, to tell late from never.
const LATE: Duration = Duration::from_secs(9);
/// Service is back when it stays for this.
const STAYS: Duration = Duration::from_secs(1);
/// Where nothing is promised until all is put right, that is done after this: longer than any
/// lease.
const WATCH: Duration = Duration::from_millis(1_800);
/// Unanswered calls are asked again for this long.
const SETTLE: Duration = Duration::from_secs(3);
/// Longer than this without an answer is no service.
const GAP: Duration = Duration::from_millis(200);
/// A frozen owner that wakes up keeps nothing for longer (I15).
const AFTER_WAKE: Duration = Duration::from_millis(50);
/// A kernel tells of an address a moment after, and a call is noted a moment after its answer.
const TOLD: Duration = Duration::from_millis(50);

/// What came of one pair.
#[derive(Debug)]
pub struct Seen {
    /// How often the group was given out.
    pub takeovers: u64,
    /// What must not happen on any machine, however slow.
    pub wrong: Vec<String>,
    /// That service came back too late.
    pub late: Option<String>,
    /// What is left on the hosts.
    pub left: Vec<Left>,
    /// Which of both had nothing to hit.
    pub missed: Vec<&'static str>,
    outage: Outage,
    back: Option<Duration>,
    expected: Expected,
    stalls: Vec<Stall>,
    took: Duration,
}

impl Seen {
    /// How many promises were broken.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.wrong.len() + usize::from(self.late.is_some())
    }

    /// Whether it says nothing: the machine itself stood still, and all that is wrong is the time.
    #[must_use]
    pub fn is_void(&self) -> bool {
        !self.stalls.is_empty() && self.late.is_some() && self.wrong.is_empty()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outage { gap, lost, doubled, from_to: (from, to), .. } = &self.outage;
        let back =
            self.back.map_or_else(|| "never".to_owned(), |back| format!("{:.0} ms", ms(back)));
        let bound = match self.expected {
            Expected::Within(bound) => format!("{:.0} ms", ms(bound)),
            Expected::OncePutRight => "once put right".to_owned(),
        };
        write!(
            f,
            "back after {back} of {bound}, longest gap {:.0} ms ({} to {}), lost {lost} doubled \
             {doubled}, takeovers {}, in {:.1} s",
            ms(*gap),
            from.as_deref().unwrap_or("?"),
            to.as_deref().unwrap_or("?"),
            self.takeovers,
            self.took.as_secs_f64()
        )?;
        for missed in &self.missed {
            write!(f, "\n    nothing to hit: {missed}")?;
        }
        for wrong in self.wrong.iter().chain(&self.late) {
            write!(f, "\n    wrong: {wrong}")?;
        }
        for left in &self.left {
            write!(f, "\n    left: {left}")?;
        }
        Ok(())
    }
}

/// Runs one pair in a whole cluster, and has the cluster whole again.
///
/// # Errors
/// A lab that could not do its part; a cluster that cannot help itself even after a new start.
pub fn once(
    stage: &mut Stage,
    (pair, profile): (&Pair, Profile),
    sweep: &Sweep,
) -> Result<Seen, Trouble> {
    let begun = now();
    let before = stage.wait_whole()?;
    let roles = Roles::of(stage, &before)?;
    let expected = pair.expected(profile, roles.two_nodes(pair));
    thread::sleep(pair.pause);
    let mut damage = Damage::default();
    let done = strike::act(stage, (pair, &roles), &mut damage)?;
    await_service(stage, expected, &done);
    let mended = now();
    strike::put_right(stage, &mut damage)?;
    let whole = stage.wait_whole();
    let since = done.first.saturating_sub(BEFORE);
    let open = stage.client().settle(since, SETTLE);
    let calls = stage.client().calls_since(since);
    let outage = Outage::of(&calls, done.first, now(), open.len());
    let back = back_again(&calls, (done.first, mended));
    let back = back.map(|at| at.saturating_sub(done.first));
    let mut wrong = against(stage, (pair, &roles), (since, &done), &outage);
    if outage.doubled > 0 {
        println!("    at odds: {}", outage::at_odds(&calls));
    }
    wrong.extend(stale(stage, &calls));
    let (mut left, mut takeovers) = (Vec::new(), 0);
    if let Ok(after) = &whole {
        takeovers = risen(stage, &before, after)?;
        wrong.extend(judged::together(stage, after));
        // Another boot is noticed by whoever hears the node again.
        let wanted = if pair.first.kind == Kind::Power { Wanted::Known } else { Wanted::Any };
        let about = (Some(stage.group()), 0);
        let told = expected::one_story(stage, (&pair.to_string(), about), &wanted);
        wrong.extend(told.wrong);
        left = sweep.left(stage)?;
    }
    let late = too_late(expected, back);
    let stalls = stage.site.recorder.since(since);
    stage.forget(since);
    stage.site.wire.instruments().switch.forget(since);
    if let Err(trouble) = whole {
        wrong.push(trouble.to_string());
        stage.start_over()?;
    }
    if !wrong.is_empty() || !left.is_empty() || late.is_some() {
        show_logs(&stage.site);
    }
    let missed = damage.missed.iter().map(|kind| kind.word()).collect();
    let took = now() - begun;
    Ok(Seen { takeovers, wrong, late, left, missed, outage, back, expected, stalls, took })
}

/// Waits until the service is back, or for so long that it should be.
fn await_service(stage: &Stage, expected: Expected, done: &Done) {
    match expected {
        Expected::Within(bound) => {
            let limit = (done.first + bound).saturating_sub(now()) + LATE;
            stage.wait_answered(done.last, STAYS, limit, |_| true);
        }
        Expected::OncePutRight => thread::sleep((done.last + WATCH).saturating_sub(now())),
    }
}

/// When calls were answered again for good after the faults; the first fault itself if they always
/// were. What begins only as everything is put right (`mended`) is none of the faults: calls are
/// answered until then, the last of them a moment before.
fn back_again(calls: &[Call], (fault, mended): (Duration, Duration)) -> Option<Duration> {
    let answered = |call: &&Call| !call.again && matches!(call.end, CallEnd::Answered { .. });
    let mut answers: Vec<Duration> = calls.iter().filter(answered).map(|call| call.until).collect();
    answers.sort_unstable();
    answers.last().filter(|last| **last > fault)?;
    let of_faults = |pair: &&[Duration]| pair[1] > fault && pair[0] + GAP / 2 < mended;
    let mut gaps = answers.windows(2).filter(of_faults).filter(|pair| pair[1] - pair[0] > GAP);
    Some(gaps.next_back().map_or(fault, |pair| pair[1]))
}

/// What is wrong with the time, if anything. What is served only once all is put right is judged
/// by the time that the cluster takes to be whole.
fn too_late(expected: Expected, back: Option<Duration>) -> Option<String> {
    let Expected::Within(bound) = expected else { return None };
    match back {
        Some(back) if back <= bound => None,
        Some(back) => Some(format!("back after {back:?}, bound {bound:?}")),
        None => Some(format!("not back, bound {bound:?}")),
    }
}

/// What must not be, by the numbers of the calls, by who held the addresses, by who was woken up
/// and by whom fence devices have switched off.
fn against(
    stage: &Stage,
    (pair, roles): (&Pair, &Roles),
    (since, done): (Duration, &Done),
    outage: &Outage,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let Outage { lost, doubled, .. } = outage;
    if lost + doubled > 0 {
        wrong.push(format!("lost {lost} doubled {doubled}"));
    }
    wrong.extend(stage.client().kept());
    wrong.extend(judged::held_twice(stage, since).1);
    let (one, two) = roles.befallen(pair);
    if one != two {
        wrong.extend(kept_after_wake(stage, done.first));
    }
    let names = [one, two, roles.owner].map(|at| stage.site.hosts[at].name.as_str());
    wrong.extend(fenced::shot_but(stage, (&names, done.first)));
    wrong
}

/// What a frozen host still had when it woke up, of what another had taken, and kept too long.
fn kept_after_wake(stage: &Stage, since: Duration) -> Vec<String> {
    let shared = stage.site.wire.instruments();
    let of = |address: &std::net::IpAddr| {
        let all = shared.addresses.of(*address);
        let kept = all.iter().filter(|held| held.waking && held.from >= since);
        let too_long = kept.filter(|held| {
            let until = held.until.unwrap_or_else(now);
            was_taken(&all, held) && until.saturating_sub(held.from) > AFTER_WAKE
        });
        let told =
            |held: &Holding| format!("host {} kept {address} after its wake: {held:?}", held.host);
        too_long.map(told).collect::<Vec<_>>()
    };
    stage.served().addresses.iter().flat_map(of).collect()
}

fn was_taken(all: &[Holding], waking: &Holding) -> bool {
    all.iter().any(|other| {
        let lasts = other.until.is_none_or(|until| until > waking.from);
        other.host != waking.host && other.from <= waking.from && lasts
    })
}

/// Answers of a node to calls that were begun after it had lost the address for good: of an old
/// owner.
fn stale(stage: &Stage, calls: &[Call]) -> Option<String> {
    let held = stage.site.wire.instruments().addresses.of(stage.address());
    let index = |node: &str| stage.site.hosts.iter().find(|host| host.name == node);
    let is_stale = |call: &&Call| {
        let CallEnd::Answered { node, .. } = &call.end else { return false };
        let Some(host) = index(node) else { return true };
        // What is asked again is answered by the reply that is kept, which names who gave it.
        !call.again && !had(&held, host.index, call)
    };
    let stale = calls.iter().filter(is_stale).count();
    (stale > 0).then(|| format!("{stale} answers of a node that had not the address"))
}

fn had(held: &[Holding], host: usize, call: &Call) -> bool {
    held.iter().filter(|holding| holding.host == host && !holding.waking).any(|holding| {
        let ends = holding.until.is_none_or(|until| until + TOLD >= call.from);
        holding.from <= call.until + TOLD && ends
    })
}

/// How often the group was given out.
fn risen(stage: &Stage, before: &Status, after: &Status) -> Result<u64, Trouble> {
    let epoch = |status: &Status| {
        let text = status.group(stage.group()).map(|group| group.epoch.clone());
        let epoch = epoch_file::parse(&text.unwrap_or_default());
        epoch.map_err(|error| Trouble::Failed(error.to_string()))
    };
    Ok(epoch(after)?.counter.saturating_sub(epoch(before)?.counter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn holding(host: usize, from: u64, until: Option<u64>) -> Holding {
        let (address, until) = (IpAddr::from([10, 77, 1, 100]), until.map(ms));
        Holding { host, link: 2, address, from: ms(from), until, waking: false }
    }

    fn answered(from: u64, until: u64) -> Call {
        let end = CallEnd::Answered { number: 7, node: "n1".into(), told_by: None };
        Call { serial: from, from: ms(from), until: ms(until), end, again: false }
    }

    #[test]
    fn service_is_back_at_the_end_of_the_last_gap() {
        let calls: Vec<Call> =
            [0, 100, 200, 900, 950, 1400, 1450].iter().map(|at| answered(*at, at + 1)).collect();
        let back =
            |count: usize, fault, mended| back_again(&calls[..count], (ms(fault), ms(mended)));
        assert_eq!(back(7, 210, 5000), Some(ms(1401)));
        assert_eq!(back(7, 210, 940), Some(ms(901)), "the second gap is of what put things right");
        assert_eq!(back(7, 210, 302), Some(ms(901)), "it was away until that was done");
        assert_eq!(back(7, 110, 210), Some(ms(110)), "what was put right took it away");
        assert_eq!(back(3, 50, 5000), Some(ms(50)), "it was never away");
        assert_eq!(back(3, 5000, 6000), None, "nobody was answered any more");
    }

    #[test]
    fn service_that_comes_back_late_is_told_unless_it_was_promised_only_once_put_right() {
        let within = Expected::Within(ms(1000));
        assert_eq!(too_late(within, Some(ms(1000))), None);
        assert!(too_late(within, Some(ms(1001))).is_some() && too_late(within, None).is_some());
        assert_eq!(too_late(Expected::OncePutRight, None), None);
    }

    #[test]
    fn an_answer_to_a_call_begun_after_the_address_was_lost_is_stale() {
        let held = [holding(1, 0, Some(500)), holding(2, 600, None)];
        assert!(had(&held, 1, &answered(490, 510)), "it was under way");
        assert!(!had(&held, 1, &answered(700, 710)));
        assert!(had(&held, 2, &answered(700, 710)));
    }

    #[test]
    fn a_host_that_wakes_up_may_keep_what_nobody_has_taken() {
        let waking = Holding { waking: true, ..holding(1, 900, None) };
        assert!(!was_taken(&[holding(1, 0, Some(500)), waking], &waking));
        assert!(was_taken(&[holding(2, 600, None), waking], &waking));
        assert!(!was_taken(&[holding(2, 600, Some(800)), waking], &waking), "given back before");
    }
}
