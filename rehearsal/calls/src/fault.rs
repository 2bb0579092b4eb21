//! What goes wrong, drawn from a seed.

use tsugi_world::Chance;

use crate::step::{Loss, RARE, STEPS, Step};
use crate::store;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The engine's process is killed.
    Kill,
    /// Its node loses power.
    Power,
    /// It stands still, and the group goes to the other node meanwhile.
    Freeze,
    /// It stands still for a moment, and nobody minds.
    Pause,
    /// The group goes to the other node; running calls are given so long.
    Move,
    /// The store is taken before what runs has ended.
    MoveByForce,
    /// The next sync fails, and the one after it tells nothing of that.
    SyncFails,
    /// The store takes nothing that is new.
    Full,
    /// A new interface serves.
    Interface,
    /// An engine that was given the store in a former epoch opens it only now.
    LateOpen,
    /// The server ends all its sessions.
    SessionsEnd,
    /// The engine ends so the next time that it has taken this step of a call.
    AtStep(Step, Loss),
}

/// All of them but those at a step.
pub const KINDS: &[Kind] = &[
    Kind::Kill,
    Kind::Power,
    Kind::Freeze,
    Kind::Pause,
    Kind::Move,
    Kind::MoveByForce,
    Kind::SyncFails,
    Kind::Full,
    Kind::Interface,
    Kind::LateOpen,
    Kind::SessionsEnd,
];

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Power => "power",
            Self::Freeze => "freeze",
            Self::Pause => "pause",
            Self::Move => "move",
            Self::MoveByForce => "move-by-force",
            Self::SyncFails => "sync-fails",
            Self::Full => "full",
            Self::Interface => "interface",
            Self::LateOpen => "late-open",
            Self::SessionsEnd => "sessions-end",
            Self::AtStep(_, Loss::Process) => "killed at",
            Self::AtStep(_, Loss::Power) => "power lost at",
        }
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// When, in nanoseconds from the start.
    pub at: u64,
    /// For how long, where it lasts.
    pub length: u64,
}

/// How the end of an engine at a step is counted, whichever way it ended.
pub const ENDED_AT: &str = "ended at";

/// A step of a call on this kind of store, and how the engine ends there.
fn at_step(store: store::Kind, chance: &mut Chance) -> Kind {
    let of = if chance.happens(500) { RARE } else { STEPS };
    let all: Vec<Step> = of.iter().copied().filter(|step| step.is_of(store)).collect();
    let step = chance.pick(&all).copied().unwrap_or(Step::Commit);
    Kind::AtStep(step, if chance.happens(500) { Loss::Process } else { Loss::Power })
}

/// Draws what goes wrong under a seed, whose store is of this kind.
#[must_use]
pub(crate) fn draw(seed: u64, store: store::Kind) -> Vec<Fault> {
    let mut chance = Chance::new(seed, 4);
    let count = chance.below(12);
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..count {
        let kind = match chance.happens(350) {
            true => at_step(store, &mut chance),
            false => chance.pick(KINDS).copied().unwrap_or(Kind::Kill),
        };
        // Most while calls are under way.
        let span = if chance.happens(700) { 4_000 } else { 18_000 };
        // A step is waited for from the begin.
        let at = match kind {
            Kind::AtStep(..) => 0,
            _ => (1_000 + chance.below(span)) * super::world::MS,
        };
        let length = chance.between(5, 3_000) * super::world::MS;
        faults.push(Fault { kind, at, length });
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}
