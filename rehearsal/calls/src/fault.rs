//! What goes wrong, drawn from a seed.

use tsugi_world::Chance;

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
}

/// All of them.
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

/// Draws what goes wrong under a seed.
#[must_use]
pub fn draw(seed: u64) -> Vec<Fault> {
    let mut chance = Chance::new(seed, 4);
    let count = chance.below(12);
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..count {
        let kind = chance.pick(KINDS).copied().unwrap_or(Kind::Kill);
        // Most while calls are under way.
        let span = if chance.happens(700) { 4_000 } else { 18_000 };
        let at = (1_000 + chance.below(span)) * super::world::MS;
        let length = chance.between(5, 3_000) * super::world::MS;
        faults.push(Fault { kind, at, length });
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}
