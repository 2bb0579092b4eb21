//! The faults of which two overlap, and which pairs of them there are.

use std::time::Duration;

use crate::badlink::Draw;
use crate::pattern::Pattern;
use crate::product::{Profile, Shape};

/// A voter that has just begun promises nothing for the longest lease.
const VOTES_AGAIN: Duration = Duration::from_secs(1);
/// What no single rehearsal has a limit for: a node that starts again, a disk that is given up.
const STARTS: Duration = Duration::from_secs(1);
/// After this a fault that ends by itself is over, at most.
const ENDS: u64 = 1_200;
/// How long the clients are served steadily before the first fault, at least and at most.
const PAUSE: (u64, u64) = (200, 600);

/// What is done to a node, or to what it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It loses its power.
    Power,
    /// All its processes stand still, and go on later.
    Freeze,
    /// All its links are cut.
    Links,
    /// It is heard but hears nothing, or hears but is not heard.
    OneWay,
    /// The link that has the address is cut; on another node the first one.
    OneLink,
    /// Its agent is killed.
    AgentKill,
    /// Its agent stands still.
    AgentStop,
    /// Its guardian is killed.
    GuardianKill,
    /// Its hands are killed.
    HandsKill,
    /// The program of the group is killed.
    ProgramKill,
    /// The disk of its ledger takes nothing any more.
    LedgerDisk,
    /// The volume of the group takes nothing any more.
    VolumeDisk,
    /// The fence device is absent, slow, or says that it has done what it has not.
    Device,
    /// An operator moves the group.
    Move,
    /// An operator drains the node.
    Drain,
    /// Its clock on the wall steps by an hour.
    ClockStep,
}

/// What alone has the group taken over when it befalls the owner.
const TAKES: [Kind; 12] = [
    Kind::Power,
    Kind::Freeze,
    Kind::Links,
    Kind::OneWay,
    Kind::AgentStop,
    Kind::GuardianKill,
    Kind::HandsKill,
    Kind::ProgramKill,
    Kind::LedgerDisk,
    Kind::VolumeDisk,
    Kind::Move,
    Kind::Drain,
];

/// What can come second.
const SECOND: [Kind; 15] = [
    Kind::Power,
    Kind::Freeze,
    Kind::Links,
    Kind::OneWay,
    Kind::OneLink,
    Kind::AgentKill,
    Kind::AgentStop,
    Kind::GuardianKill,
    Kind::HandsKill,
    Kind::ProgramKill,
    Kind::LedgerDisk,
    Kind::VolumeDisk,
    Kind::Move,
    Kind::Drain,
    Kind::ClockStep,
];

/// What is tried together with a fence device that fails.
const WITH_DEVICE: [Kind; 6] =
    [Kind::Power, Kind::Freeze, Kind::Links, Kind::AgentStop, Kind::GuardianKill, Kind::HandsKill];

/// Whom a fault befalls, by what it is to the group at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// Who has the group.
    Owner,
    /// Who is next to have it.
    Taker,
    /// Who leads the ledger.
    Leader,
    /// Neither owner nor taker.
    Third,
}

/// One fault of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// What is done.
    pub kind: Kind,
    /// To whom.
    pub whom: Whom,
    /// Which of its ways, where it has several.
    pub way: u64,
    /// When it ends by itself, counted from its beginning; else it lasts until all is put right.
    pub lasts: Option<Duration>,
}

/// Two faults that overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The first one, after this pause.
    pub pause: Duration,
    /// It befalls the owner.
    pub first: Strike,
    /// The second one, so long after the first: within the takeover.
    pub offset: Duration,
    /// Whomever it befalls.
    pub second: Strike,
}

/// What is expected of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is back so long after the first fault.
    Within(Duration),
    /// It may be away until all is put right: what is left is no majority, or lacks the proof that
    /// the former owner is off.
    OncePutRight,
}

impl Kind {
    /// As it is told.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Freeze => "freeze",
            Self::Links => "links",
            Self::OneWay => "one-way",
            Self::OneLink => "one-link",
            Self::AgentKill => "agent-kill",
            Self::AgentStop => "agent-stop",
            Self::GuardianKill => "guardian-kill",
            Self::HandsKill => "hands-kill",
            Self::ProgramKill => "program-kill",
            Self::LedgerDisk => "ledger-disk",
            Self::VolumeDisk => "volume-disk",
            Self::Device => "fence-device",
            Self::Move => "move",
            Self::Drain => "drain",
            Self::ClockStep => "clock-step",
        }
    }

    /// Whether the node has no vote while it lasts.
    #[must_use]
    pub fn costs_a_vote(self) -> bool {
        match self {
            Self::Power
            | Self::Freeze
            | Self::Links
            | Self::OneWay
            | Self::AgentStop
            | Self::LedgerDisk => true,
            Self::OneLink
            | Self::AgentKill
            | Self::GuardianKill
            | Self::HandsKill
            | Self::ProgramKill
            | Self::VolumeDisk
            | Self::Device
            | Self::Move
            | Self::Drain
            | Self::ClockStep => false,
        }
    }

    /// Whether it may end before everything else is put right.
    fn may_end(self) -> bool {
        matches!(self, Self::Freeze | Self::Links | Self::OneWay | Self::OneLink | Self::AgentStop)
    }

    /// How long it may keep the group away by itself: what its own rehearsal promises for the
    /// worst; where that is nothing, what it has to wait for.
    #[must_use]
    pub fn limit(self, profile: Profile) -> Duration {
        let worst = |pattern: Pattern| {
            let limit = pattern.limit(profile).map_or(0, |limit| limit.worst_ms);
            Duration::from_millis(limit)
        };
        let silent = worst(Pattern::Power);
        match self {
            Self::Power => silent,
            Self::Freeze => worst(Pattern::Freeze),
            Self::Links => worst(Pattern::Isolated),
            Self::OneWay => worst(Pattern::OneWay),
            Self::AgentStop => worst(Pattern::AgentStop),
            Self::GuardianKill => worst(Pattern::GuardianLost),
            // Nothing is promised of it; a link that is lost costs no more than a node.
            Self::OneLink => silent,
            // The next one takes over what runs, but votes only when no former lease can run.
            Self::AgentKill => worst(Pattern::AgentLost) + VOTES_AGAIN,
            Self::HandsKill => silent + STARTS + VOTES_AGAIN,
            Self::LedgerDisk => silent + STARTS,
            Self::ProgramKill | Self::VolumeDisk => worst(Pattern::Hung),
            Self::Move | Self::Drain => worst(Pattern::Move),
            Self::ClockStep => worst(Pattern::ClockStep),
            Self::Device => silent,
        }
    }

    /// How long the takeover lasts within which the second fault comes.
    fn overlaps(self, profile: Profile) -> Duration {
        match self {
            // They are over at once: what comes second comes while they are carried out.
            Self::Move | Self::Drain | Self::ProgramKill | Self::VolumeDisk => {
                Duration::from_millis(100)
            }
            Self::HandsKill | Self::LedgerDisk | Self::Device => Self::Power.limit(profile),
            Self::Power
            | Self::Freeze
            | Self::Links
            | Self::OneWay
            | Self::OneLink
            | Self::AgentKill
            | Self::AgentStop
            | Self::GuardianKill
            | Self::ClockStep => self.limit(profile),
        }
    }
}

impl Whom {
    fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Taker => "taker",
            Self::Leader => "leader",
            Self::Third => "third",
        }
    }
}

/// Every pair of kinds that there is in a cluster of this shape, and whom the second may befall.
#[must_use]
pub fn kinds(shape: Shape) -> Vec<(Kind, Kind)> {
    match shape {
        Shape::Fenced => {
            let either = WITH_DEVICE.iter();
            either.flat_map(|kind| [(*kind, Kind::Device), (Kind::Device, *kind)]).collect()
        }
        Shape::Plain
        | Shape::Alone
        | Shape::Wide
        | Shape::Mutual
        | Shape::Warm
        | Shape::Database
        | Shape::Pair
        | Shape::Full => {
            let all = TAKES.iter().flat_map(|one| SECOND.iter().map(|two| (*one, *two)));
            all.filter(|(one, two)| one != two || one.costs_a_vote()).collect()
        }
    }
}

/// Whom the second of two kinds can befall.
fn second_befalls((first, second): (Kind, Kind)) -> &'static [Whom] {
    match (first, second) {
        // What befalls the program or the volume befalls it where it comes to be.
        (Kind::Power, Kind::ProgramKill | Kind::VolumeDisk) => &[Whom::Taker],
        (_, Kind::ProgramKill | Kind::VolumeDisk) => &[Whom::Owner, Whom::Taker],
        // The device is nobody's, and who moves a group names no node.
        (Kind::Device, _) | (_, Kind::Device | Kind::Move) => &[Whom::Owner],
        (Kind::Power, _) => &[Whom::Taker, Whom::Leader, Whom::Third],
        (one, two) if one == two => &[Whom::Taker, Whom::Leader, Whom::Third],
        (_, _) => &[Whom::Owner, Whom::Taker, Whom::Leader, Whom::Third],
    }
}

/// The pairs of a run under `seed`, one after the other: every pair of kinds comes once before any
/// comes again.
#[derive(Clone, Debug)]
pub struct Pairs {
    seed: u64,
    kinds: Vec<(Kind, Kind)>,
    profile: Profile,
}

impl Pairs {
    /// Those of a cluster of this shape.
    #[must_use]
    pub fn new(seed: u64, shape: Shape, profile: Profile) -> Self {
        let mut kinds = kinds(shape);
        let mut draw = Draw::new(seed ^ 0x7061_6972);
        for at in (1..kinds.len()).rev() {
            let with = draw.below(at as u64 + 1);
            kinds.swap(at, usize::try_from(with).unwrap_or(0));
        }
        Self { seed, kinds, profile }
    }

    /// How many pairs of kinds there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kinds.len()
    }

    /// The pair of this number: it follows from the seed and the number alone.
    #[must_use]
    pub fn pair(&self, number: usize) -> Pair {
        let (first, second) = self.kinds[number % self.kinds.len()];
        let mut draw = Draw::new(self.seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A));
        let ms = |value| Duration::from_millis(value);
        let pause = ms(PAUSE.0 + draw.below(PAUSE.1 - PAUSE.0));
        let within = u64::try_from(first.overlaps(self.profile).as_millis()).unwrap_or(0);
        let offset = ms(draw.below(within));
        let befalls = second_befalls((first, second));
        let whom = befalls[usize::try_from(draw.below(befalls.len() as u64)).unwrap_or(0)];
        let mut strike = |kind: Kind, whom| {
            let (way, ends, after) = (draw.below(6), draw.below(2) == 0, ms(draw.below(ENDS)));
            Strike { kind, whom, way, lasts: (ends && kind.may_end()).then_some(after) }
        };
        let (first, second) = (strike(first, Whom::Owner), strike(second, whom));
        Pair { pause, first, offset, second }
    }
}

impl Pair {
    /// The rule for the time without service. Each fault alone may keep the group away for as long
    /// as its own limit says. The second one may undo what was done about the first, so together
    /// they may keep it away for the offset and both limits, counted from the first. That holds
    /// while a majority is left all the time; it does not where the two cost two nodes their vote
    /// (`two_nodes`), nor where a device cannot prove that the owner is off.
    #[must_use]
    pub fn expected(&self, profile: Profile, two_nodes: TwoNodes) -> Expected {
        let (first, second) = (self.first.kind, self.second.kind);
        let lost = first.costs_a_vote() && second.costs_a_vote() && two_nodes == TwoNodes::Yes;
        if lost || first == Kind::Device || second == Kind::Device {
            return Expected::OncePutRight;
        }
        Expected::Within(self.offset + first.limit(profile) + second.limit(profile))
    }
}

/// Whether the faults of a pair befall two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoNodes {
    /// They do.
    Yes,
    /// Both befall one.
    No,
}

impl std::fmt::Display for Strike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} (way {})", self.kind.word(), self.whom.word(), self.way)?;
        match self.lasts {
            Some(lasts) => write!(f, " for {} ms", lasts.as_millis()),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, after {} ms {}", self.first, self.offset.as_millis(), self.second)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHAPES: [Shape; 2] = [Shape::Wide, Shape::Fenced];

    #[test]
    fn every_pair_of_kinds_comes_once_before_any_comes_again() {
        for shape in SHAPES {
            let pairs = Pairs::new(7, shape, Profile::Default);
            let of = |number| {
                let pair: Pair = pairs.pair(number);
                (pair.first.kind, pair.second.kind)
            };
            let once: BTreeSet<_> = (0..pairs.count()).map(of).collect();
            assert_eq!(once.len(), pairs.count());
            assert_eq!(once, kinds(shape).into_iter().collect());
            assert_eq!(of(0), of(pairs.count()));
        }
    }

    #[test]
    fn a_seed_and_a_number_give_the_same_pair_again_and_another_seed_another() {
        let row = |seed| {
            let pairs = Pairs::new(seed, Shape::Wide, Profile::Fast);
            (0..50).map(|number| pairs.pair(number)).collect::<Vec<_>>()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
    }

    #[test]
    fn the_second_fault_comes_within_the_takeover_of_the_first_and_finds_something_to_hit() {
        for (shape, profile) in [(Shape::Wide, Profile::Default), (Shape::Fenced, Profile::Fast)] {
            let pairs = Pairs::new(3, shape, profile);
            for pair in (0..3 * pairs.count()).map(|number| pairs.pair(number)) {
                assert!(pair.offset < pair.first.kind.overlaps(profile), "{pair}");
                assert_eq!(pair.first.whom, Whom::Owner);
                let gone = pair.first.kind == Kind::Power && pair.second.kind != Kind::Move;
                let nothing = gone && pair.second.kind != Kind::Device;
                assert!(!nothing || pair.second.whom != Whom::Owner, "{pair}");
            }
        }
    }

    #[test]
    fn two_nodes_without_a_vote_are_waited_for_and_everything_else_is_bounded_by_both_limits() {
        let strike = |kind, whom| Strike { kind, whom, way: 0, lasts: None };
        let pair = |first, second| Pair {
            pause: Duration::ZERO,
            first: strike(first, Whom::Owner),
            offset: Duration::from_millis(300),
            second: strike(second, Whom::Taker),
        };
        let expected = |first, second, two| pair(first, second).expected(Profile::Default, two);
        let lost = expected(Kind::Power, Kind::Freeze, TwoNodes::Yes);
        assert_eq!(lost, Expected::OncePutRight);
        let within = |ms| Expected::Within(Duration::from_millis(ms));
        assert_eq!(expected(Kind::Freeze, Kind::Power, TwoNodes::No), within(2300));
        assert_eq!(expected(Kind::Power, Kind::GuardianKill, TwoNodes::Yes), within(2300));
        let proof = expected(Kind::Power, Kind::Device, TwoNodes::No);
        assert_eq!(proof, Expected::OncePutRight);
    }
}
