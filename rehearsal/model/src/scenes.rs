//! The scenes, each small enough to be walked whole, and the rules that are taken away in them.

use crate::ground::{Entry, NODES, Place};

/// What may happen, and for how long.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// The clocks that are tried.
    pub rates: &'static [[i32; NODES]],
    /// How many steps of time.
    pub ticks: u8,
    /// How many steps a letter is under way at most.
    pub delay: u8,
    /// How many beats each node may send.
    pub beats: [u8; NODES],
    /// Whose beats reach whom. The answer comes back the same way.
    pub links: &'static [(Place, Place)],
    /// Whether the owner hears answers.
    pub owner: Owner,
    /// What the ledger comes to say, in order.
    pub script: &'static [Entry],
    /// How many of these entries everybody has applied at the beginning.
    pub known: usize,
    /// How each node follows the ledger.
    pub follows: [Follows; NODES],
    /// What befalls the nodes.
    pub trouble: Trouble,
    /// Whose the third vote is.
    pub third: Third,
    /// How soon a disk answers.
    pub answers: Answers,
}

/// Whose the third vote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Third {
    /// A witness.
    Witness,
    /// A disk that the nodes 0 and 1 share. No network leads from one to the other.
    Disk,
    /// The same, and that node also writes there without a claim, to be seen.
    DiskShown(Place),
}

/// How soon the disk answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Before time goes on.
    AtOnce,
    /// At any time, or never.
    Sometime,
}

/// Whether the owner hears answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It does, where they are not lost.
    Hears,
    /// After the first instant it does not; it is heard all the same.
    TurnsDeaf,
}

/// How a node follows the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It applies an entry when that is committed.
    AtOnce,
    /// It applies each entry at any later time, or never.
    Sometime,
    /// It applies nothing more: the worst that an owner can do that is to lose its group.
    Never,
}

/// What befalls the nodes, besides silence, loss and pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    Silence,
    /// One agent is restarted once.
    Restart(Place),
    /// The owner stops the group to hand it over.
    Move,
    /// The owner loses its power to a fence and comes back.
    Fence,
}

/// A rule that is taken away, and the scene in which that must show.
#[derive(Clone, Copy, Debug)]
pub struct TakenAway {
    /// The rule of the lease.
    pub rule: &'static str,
    /// The planted fault.
    pub fault: &'static str,
    /// The scene.
    pub scene: &'static str,
}

const EVEN: [i32; NODES] = [0, 0, 0];
/// The owner's clock is slow, those of the others are fast: the worst for its deadline.
const WORST: [i32; NODES] = [-100_000, 100_000, 100_000];
const TAKEOVER: &[Entry] = &[Entry::Give(0, 1), Entry::Give(1, 2)];

const TO_WITNESS: &[(Place, Place)] = &[(0, 2), (1, 2)];
const LATE_WITNESS: [Follows; NODES] = [Follows::Never, Follows::AtOnce, Follows::Sometime];
const LATE_OWNER: [Follows; NODES] = [Follows::Sometime, Follows::AtOnce, Follows::AtOnce];

/// The scene that the others are variations of: the owner is silent or late, and the ledger gives
/// its group away.
fn takeover() -> Scene {
    Scene {
        name: "takeover",
        rates: &[WORST],
        ticks: 6,
        delay: 2,
        beats: [1, 1, 0],
        links: TO_WITNESS,
        owner: Owner::Hears,
        script: TAKEOVER,
        known: 1,
        follows: [Follows::Never, Follows::AtOnce, Follows::AtOnce],
        trouble: Trouble::Silence,
        third: Third::Witness,
        answers: Answers::Sometime,
    }
}

/// All scenes.
#[must_use]
pub fn scenes() -> Vec<Scene> {
    let mut all = wire_and_clocks();
    all.extend(ledger_and_lives());
    all.extend(two_and_a_disk());
    all
}

fn wire_and_clocks() -> Vec<Scene> {
    vec![
        takeover(),
        Scene { name: "even-clocks", rates: &[EVEN], delay: 1, ..takeover() },
        Scene { name: "renewal", delay: 0, beats: [2, 2, 0], ..takeover() },
        Scene { name: "late-answers", beats: [2, 1, 0], ..takeover() },
        Scene { name: "late-and-often", rates: &[EVEN], delay: 1, beats: [2, 2, 0], ..takeover() },
        Scene {
            name: "every-link",
            ticks: 5,
            delay: 1,
            links: &[(0, 1), (1, 0), (0, 2), (1, 2)],
            ..takeover()
        },
        Scene {
            name: "one-way",
            ticks: 12,
            delay: 0,
            beats: [4, 0, 0],
            owner: Owner::TurnsDeaf,
            ..takeover()
        },
        Scene {
            name: "lag",
            rates: &[EVEN],
            ticks: 5,
            delay: 0,
            follows: LATE_WITNESS,
            ..takeover()
        },
    ]
}

fn ledger_and_lives() -> Vec<Scene> {
    let even = Scene { rates: &[EVEN], delay: 0, ..takeover() };
    vec![
        Scene { name: "witness-restart", trouble: Trouble::Restart(2), ..even.clone() },
        Scene {
            name: "agent-restart",
            beats: [2, 1, 0],
            trouble: Trouble::Restart(0),
            ..even.clone()
        },
        Scene {
            name: "move",
            ticks: 3,
            delay: 1,
            beats: [2, 1, 0],
            follows: LATE_WITNESS,
            trouble: Trouble::Move,
            ..even.clone()
        },
        Scene {
            name: "voters",
            rates: &[WORST],
            ticks: 8,
            beats: [3, 1, 0],
            script: &[
                Entry::Give(0, 1),
                Entry::Voters(&[1, 2]),
                Entry::Voters(&[1]),
                Entry::Give(1, 2),
            ],
            follows: LATE_WITNESS,
            ..even.clone()
        },
        Scene {
            name: "fence",
            ticks: 0,
            beats: [2, 1, 0],
            links: &[(0, 1), (0, 2), (1, 2)],
            script: &[Entry::Give(0, 1), Entry::Fenced(0, 1), Entry::Give(1, 2)],
            follows: [Follows::Never, Follows::Sometime, Follows::Sometime],
            trouble: Trouble::Fence,
            ..even.clone()
        },
        Scene {
            name: "pin",
            beats: [2, 1, 0],
            script: &[Entry::Give(0, 1), Entry::Pin, Entry::Unpin, Entry::Give(1, 2)],
            follows: LATE_OWNER,
            ..even.clone()
        },
        Scene {
            name: "pinned",
            script: &[Entry::Give(0, 1), Entry::Pin, Entry::Give(1, 2)],
            follows: LATE_OWNER,
            ..even
        },
    ]
}

/// Two nodes between which every network is cut, and the disk that both still write.
fn on_disk() -> Scene {
    Scene {
        name: "disk",
        ticks: 6,
        delay: 0,
        beats: [1, 2, 0],
        links: &[],
        script: &[Entry::OnDisk, Entry::Give(0, 1), Entry::Give(1, 2)],
        known: 2,
        third: Third::Disk,
        ..takeover()
    }
}

fn two_and_a_disk() -> Vec<Scene> {
    let quick = Scene { rates: &[EVEN], answers: Answers::AtOnce, beats: [2, 2, 0], ..on_disk() };
    vec![
        on_disk(),
        Scene { name: "disk-renewal", ..quick.clone() },
        Scene { name: "disk-shown", third: Third::DiskShown(1), ..quick.clone() },
        Scene {
            name: "disk-restart",
            ticks: 5,
            third: Third::DiskShown(0),
            trouble: Trouble::Restart(0),
            ..quick.clone()
        },
        Scene {
            name: "disk-let-go",
            ticks: 5,
            third: Third::DiskShown(0),
            trouble: Trouble::Restart(0),
            follows: LATE_OWNER,
            ..quick.clone()
        },
        Scene {
            name: "disk-new-life",
            beats: [1, 2, 0],
            trouble: Trouble::Restart(1),
            ..quick.clone()
        },
        Scene {
            name: "disk-move",
            ticks: 3,
            beats: [3, 1, 0],
            trouble: Trouble::Move,
            ..quick.clone()
        },
        Scene {
            name: "disk-fence",
            script: &[Entry::OnDisk, Entry::Give(0, 1), Entry::Fenced(0, 1), Entry::Give(1, 2)],
            trouble: Trouble::Fence,
            ..quick.clone()
        },
        Scene {
            name: "disk-pinned",
            script: &[Entry::OnDisk, Entry::Give(0, 1), Entry::Pin, Entry::Give(1, 2)],
            follows: LATE_OWNER,
            beats: [1, 2, 0],
            ..quick
        },
    ]
}

const fn away(rule: &'static str, fault: &'static str, scene: &'static str) -> TakenAway {
    TakenAway { rule, fault, scene }
}

/// Every rule, taken away in one way or more.
pub const TAKEN_AWAY: &[TakenAway] = &[
    away("L1", "voter-promises-twice", "takeover"),
    away("L1", "voter-takes-old-epochs", "lag"),
    away("L2", "voter-takes-its-own-ttl", "takeover"),
    away("L3", "lease-drift-ignored", "takeover"),
    away("L3", "lease-guard-ignored", "takeover"),
    away("L3", "lease-from-reply-time", "late-answers"),
    away("L3", "lease-any-vote-counts", "takeover"),
    away("L3", "lease-newest-vote-counts", "renewal"),
    away("L3", "lease-ack-without-entry", "lag"),
    away("L4", "voter-forgets-at-start", "witness-restart"),
    away("L5", "lease-asked-after-deadline", "one-way"),
    away("L5", "started-again", "move"),
    away("L6", "membership-unchecked", "voters"),
    away("L6", "voters-changed-at-once", "voters"),
    away("L6", "voters-counted-from-commit", "voters"),
    away("L7", "voter-ends-every-boot", "fence"),
    away("L8", "released-before-stopped", "move"),
    away("L9", "voter-unpins-early", "pinned"),
    away("L9", "unpinned-before-armed", "pin"),
    away("L1", "disk-read-before-written", "disk"),
    away("L1", "disk-votes-unasked", "disk-shown"),
    away("L1", "disk-counts-lower-epochs", "disk-renewal"),
    away("L1", "disk-waits-for-nobody", "disk"),
    away("L1", "disk-counts-from-an-older-claim", "disk-shown"),
    away("L2", "disk-claim-names-another-ttl", "disk"),
    away("L3", "lease-drift-ignored", "disk"),
    away("L4", "disk-forgets-at-start", "disk-restart"),
    away("L5", "disk-lets-former-go-at-once", "disk-let-go"),
    away("L5", "released-before-stopped", "disk-move"),
    away("L7", "disk-ends-every-boot", "disk-fence"),
    away("L9", "voter-unpins-early", "disk-pinned"),
];
