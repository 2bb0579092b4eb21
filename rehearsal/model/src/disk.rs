//! The ledger on a shared disk as a model: every order of the reads and writes of two nodes, with
//! crashes, torn and late writes and a power loss of the disk, around the code that ships.
//!
//! A state is a [`Walk`] of the production keepers and what may still happen in it. Nothing of the
//! keepers is abstracted: an act that ships reads and writes in one go, and is walked through by
//! answering it read by read and write by write.
//!
//! Invariants: what was told as done is in every view that is read later; two nodes never hold
//! different things at one place; what stands on the disk is never taken for damaged.

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model as _, Property};
use tsugi_ledger::disk::{Act, Reach, Walk};
use tsugi_ledger::plant;

/// No walk may take longer.
const LIMIT: Duration = Duration::from_secs(150);
const NODES: usize = 2;
const PROMISE: &str = "nothing is lost, different or damaged";

/// What may happen in one world.
#[derive(Clone, Debug)]
pub struct DiskScene {
    /// Its name.
    pub name: &'static str,
    /// What each node may do yet. The first node leads at the beginning and the other follows it.
    pub may: [May; NODES],
    /// How often the first node may crash, before a write in the middle of what it does.
    pub crashes: u8,
    /// How the last write of a crashed node reaches the disk.
    pub ends: &'static [End],
    /// How often a write may be seen before it is durable, and the disk lose its power.
    pub losses: u8,
}

/// How often a node may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct May {
    campaigns: u8,
    appends: u8,
    follows: u8,
}

/// What becomes of the write of a node that crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// So much of it is there at once.
    Now(Reach),
    /// It comes later, or never.
    Late,
}

/// A scene, with one rule taken away or none.
#[derive(Clone, Debug)]
pub struct DiskModel {
    scene: DiskScene,
    without: &'static str,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DiskState {
    walk: Walk,
    may: [May; NODES],
    crashes: u8,
    losses: u8,
    /// The number of the next entry.
    next: u8,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAction {
    /// A node begins an act.
    Begin(usize, Act),
    /// What a node waits for is answered.
    Step(usize),
    /// Its write is seen, and not durable.
    Show(usize),
    /// It loses its power.
    Crash(usize, End),
    /// A write of its former life arrives.
    Late(usize),
    /// The disk loses its power.
    LoseDisk,
}

impl DiskModel {
    fn start(&self) -> DiskState {
        let mut walk = Walk::new(NODES);
        let through = |walk: &mut Walk, seat: usize, act: Act| {
            walk.begin(seat, act);
            while walk.is_busy(seat) {
                walk.step(seat);
            }
        };
        for seat in 0..NODES {
            through(&mut walk, seat, Act::Open);
        }
        through(&mut walk, 0, Act::Campaign);
        through(&mut walk, 1, Act::Follow);
        let DiskScene { may, crashes, losses, .. } = self.scene;
        DiskState { walk, may, crashes, losses, next: 1 }
    }

    fn possible(&self, state: &DiskState, seat: usize, actions: &mut Vec<DiskAction>) {
        let (walk, may) = (&state.walk, state.may[seat]);
        if walk.has_late(seat) {
            actions.push(DiskAction::Late(seat));
        }
        if walk.is_busy(seat) {
            actions.push(DiskAction::Step(seat));
            if walk.writes(seat) {
                if state.losses > 0 {
                    actions.push(DiskAction::Show(seat));
                }
                let ends = self.scene.ends.iter().filter(|_| state.crashes > 0 && seat == 0);
                actions.extend(ends.map(|end| DiskAction::Crash(seat, *end)));
            }
            return;
        }
        let mut begin = |act| actions.push(DiskAction::Begin(seat, act));
        if !walk.is_seated(seat) {
            begin(Act::Open);
            return;
        }
        if may.campaigns > 0 {
            begin(Act::Campaign);
        }
        if may.appends > 0 && walk.leads(seat) {
            begin(Act::Append(state.next));
        }
        if may.follows > 0 && !walk.leads(seat) {
            begin(Act::Follow);
        }
    }
}

impl stateright::Model for DiskModel {
    type State = DiskState;
    type Action = DiskAction;

    fn init_states(&self) -> Vec<DiskState> {
        plant("");
        vec![self.start()]
    }

    fn actions(&self, state: &DiskState, actions: &mut Vec<DiskAction>) {
        for seat in 0..NODES {
            self.possible(state, seat, actions);
        }
        if state.losses > 0 {
            actions.push(DiskAction::LoseDisk);
        }
    }

    fn next_state(&self, last: &DiskState, action: DiskAction) -> Option<DiskState> {
        plant(self.without);
        let mut state = last.clone();
        match action {
            DiskAction::Begin(seat, act) => {
                let may = &mut state.may[seat];
                match act {
                    Act::Open => {}
                    Act::Campaign => may.campaigns -= 1,
                    Act::Follow => may.follows -= 1,
                    Act::Append(_) => {
                        may.appends -= 1;
                        state.next += 1;
                    }
                }
                state.walk.begin(seat, act);
            }
            DiskAction::Step(seat) => state.walk.step(seat),
            DiskAction::Show(seat) => state.walk.show(seat, Reach::Whole),
            DiskAction::Crash(seat, end) => {
                state.crashes -= 1;
                match end {
                    End::Now(reach) => state.walk.crash(seat, reach),
                    End::Late => state.walk.crash_with_late_write(seat),
                }
            }
            DiskAction::Late(seat) => state.walk.late_write(seat),
            DiskAction::LoseDisk => {
                state.losses -= 1;
                state.walk.lose_disk();
            }
        }
        plant("");
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISE, |_: &Self, s: &DiskState| s.walk.wrong().is_none()),
            Property::sometimes("somebody leads again", |m: &Self, s: &DiskState| {
                (0..NODES).any(|seat| {
                    let used = s.may[seat].campaigns < m.scene.may[seat].campaigns;
                    used && s.walk.leads(seat)
                })
            }),
            Property::sometimes("an entry stands", |_: &Self, s: &DiskState| {
                !s.walk.done().is_empty()
            }),
        ]
    }
}

/// What one walk found.
#[derive(Clone, Debug)]
pub struct DiskFound {
    /// The scene.
    pub scene: &'static str,
    /// The rule that was taken away; empty if none was.
    pub without: &'static str,
    /// The distinct states that were seen.
    pub states: usize,
    /// What went wrong, and the steps that lead there.
    pub broken: Option<String>,
    /// What the scene has shown to be possible.
    pub reached: Vec<&'static str>,
    /// Whether every state was seen, or a counterexample.
    pub whole: crate::Whole,
    /// How long it took.
    pub took: Duration,
}

/// The scenes.
#[must_use]
pub fn disk_scenes() -> Vec<DiskScene> {
    let may = |campaigns, appends, follows| May { campaigns, appends, follows };
    let calm = DiskScene { name: "", may: [may(0, 0, 0); 2], crashes: 0, ends: &[], losses: 0 };
    // A record is smaller than a sector here: torn it is whole. The walks at random tear others.
    let ends = &[End::Now(Reach::Lost), End::Now(Reach::Whole)];
    let late = &[End::Now(Reach::Lost), End::Late];
    vec![
        DiskScene { name: "takeover", may: [may(0, 2, 1), may(1, 1, 1)], ..calm.clone() },
        DiskScene { name: "duel", may: [may(1, 1, 0), may(2, 1, 0)], ..calm.clone() },
        DiskScene {
            name: "crash",
            may: [may(1, 1, 1), may(1, 0, 0)],
            crashes: 1,
            ends,
            ..calm.clone()
        },
        DiskScene { name: "areas", may: [may(3, 3, 0), may(0, 0, 1)], ..calm.clone() },
        DiskScene {
            name: "late-write",
            may: [may(1, 1, 1), may(0, 0, 1)],
            crashes: 1,
            ends: &late[1..],
            ..calm.clone()
        },
        DiskScene {
            name: "openings",
            may: [may(1, 1, 0), may(0, 0, 0)],
            crashes: 2,
            ends: late,
            ..calm.clone()
        },
        DiskScene { name: "cache", may: [may(1, 3, 0), may(0, 0, 2)], losses: 1, ..calm },
    ]
}

/// Every rule that is taken away, and the scene in which that breaks the promise.
pub const DISK_TAKEN_AWAY: &[(&str, &str)] = &[
    ("read-before-promise", "duel"),
    ("written-is-done", "takeover"),
    ("read-is-done", "takeover"),
    ("own-region", "takeover"),
    ("promise-in-memory", "takeover"),
    ("leads-unasked", "duel"),
    ("vow-before-region", "crash"),
    ("area-in-use", "crash"),
    ("one-copy", "late-write"),
    ("opened-once", "openings"),
    ("older-frames", "areas"),
    ("seen-is-durable", "cache"),
];

/// Walks `scene` without the rule of this name; the empty name leaves all.
#[must_use]
pub fn walk_disk(scene: DiskScene, without: &'static str) -> DiskFound {
    let name = scene.name;
    let begun = Instant::now();
    let model = DiskModel { scene, without };
    let checker = model.checker().threads(2).timeout(LIMIT);
    let checker = checker.finish_when(HasDiscoveries::AnyOf([PROMISE].into_iter().collect()));
    let checker = checker.spawn_bfs().join();
    let found = checker.discoveries();
    let broken = found.get(PROMISE).map(|path| {
        let wrong = path.last_state().walk.wrong().cloned();
        let steps = path.clone().into_actions();
        let steps: Vec<String> = steps.iter().map(|a| format!("  {a:?}\n")).collect();
        format!("{wrong:?} after {} steps\n{}", steps.len(), steps.concat())
    });
    DiskFound {
        scene: name,
        without,
        states: checker.unique_state_count(),
        broken,
        reached: found.keys().copied().filter(|p| *p != PROMISE).collect(),
        took: begun.elapsed(),
        whole: if begun.elapsed() < LIMIT { crate::Whole::Yes } else { crate::Whole::No },
    }
}

impl fmt::Display for DiskFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without = if self.without.is_empty() { "all rules" } else { self.without };
        write!(f, "disk {without:<20} {:<12} {:>9} states", self.scene, self.states)?;
        write!(f, " {:>5.1} s  ", self.took.as_secs_f64())?;
        match &self.broken {
            Some(broken) => write!(f, "{}", broken.lines().next().unwrap_or_default()),
            None => write!(f, "nothing broken; {}", self.reached.join(", ")),
        }
    }
}
