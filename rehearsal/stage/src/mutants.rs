//! The planted faults that the false world must find, each with the faults that bring it out and
//! the seeds it may take; and those that only a nearer look can see, with where that is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tsugi_cluster_rules::mutant::plant;

use crate::run::{Run, Setting, Verdict};

/// A planted fault.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// Its name.
    pub name: &'static str,
    /// The faults of the world that bring it out; none named is a random subset of all.
    pub kinds: &'static [&'static str],
    /// The kind of cluster.
    pub setting: Setting,
    /// How many seeds may pass before it is found.
    pub budget: u64,
}

/// What became of the search for one.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: &'static str,
    /// The seed and the promise that broke; none if it was not found.
    pub by: Option<(u64, &'static str)>,
}

const LOSS: &[&str] = &["power", "freeze", "isolate", "one-way", "agent", "bad-wire"];
const OPERATOR: &[&str] = &["move", "stop-start", "drain", "pause", "power", "one-way"];
const WIRE: &[&str] = &["bad-wire", "agent", "move", "one-way", "power"];
const VOTERS: &[&str] = &["wipe", "take-out", "power", "isolate", "one-way", "lag"];
/// A voter promises long, does not hear the release, begins again, and is asked by the next owner.
const STRETCH: &[&str] = &["stretch", "agent", "move", "one-way"];
const STRETCHED_VOTERS: &[&str] = &["stretch", "wipe", "take-out", "isolate", "power", "lag"];
/// A guardian has nobody beside it who looks at the clock.
const ALONE: &[&str] = &["agent", "hang", "isolate", "one-way"];
/// What shows a rule of the disk's vote: no vote of the other node is there, or it is just gone.
const DISK: &[&str] = &["split", "one-way", "cut-off", "isolate", "power", "move", "freeze"];
const DISK_RESTART: &[&str] = &["power", "power-at-write", "split", "agent", "move"];
/// A life whose end is demanded stands still, or does not see the disk, and its programs run.
const DEMAND: &[&str] = &["demand", "freeze", "freeze-at-write", "disk-hangs", "split"];
const START: &[&str] = &["all-power", "power", "agent"];

const fn planted(name: &'static str, kinds: &'static [&'static str], budget: u64) -> Planted {
    Planted { name, kinds, setting: Setting::Any, budget }
}

const fn set(setting: Setting, planted: Planted) -> Planted {
    Planted { setting, ..planted }
}

/// What the false world finds.
pub const VISIBLE: &[Planted] = &[
    planted("lease-drift-ignored", &[], 10),
    planted("lease-guard-ignored", &[], 10),
    planted("lease-from-reply-time", WIRE, 10),
    planted("lease-any-vote-counts", LOSS, 20),
    planted("lease-newest-vote-counts", LOSS, 20),
    planted("timer-runs-the-whole-rest", ALONE, 400),
    planted("voter-promises-twice", LOSS, 40),
    planted("voter-forgets-at-start", WIRE, 200),
    planted("voter-forgets-the-stretch", STRETCH, 400),
    planted("promise-shortened-early", STRETCH, 400),
    planted("voter-takes-its-own-ttl", &[], 10),
    planted("voter-lets-anybody-release", WIRE, 200),
    planted("voter-takes-old-epochs", LOSS, 100),
    planted("voter-of-another-number", VOTERS, 40),
    planted("membership-unchecked", VOTERS, 200),
    planted("voters-changed-at-once", VOTERS, 40),
    planted("voters-counted-from-commit", VOTERS, 40),
    planted("voters-changed-under-stretch", STRETCHED_VOTERS, 400),
    planted("removed-node-given", &["take-out", "power", "program"], 100),
    planted("epoch-not-raised", LOSS, 10),
    planted("given-without-release", OPERATOR, 20),
    planted("draft-without-conditions", &[], 100),
    planted("paused-group-moved", &["pause", "isolate", "freeze", "power"], 40),
    planted("retry-without-budget", &["program", "hang"], 40),
    planted("settle-ignored", START, 60),
    planted("stale-view-accepted", OPERATOR, 40),
    planted("config-half-applied", &["apply", "move"], 20),
    set(Setting::Apart, planted("apart-ignored", LOSS, 40)),
    set(Setting::Devices, planted("fence-failure-confirms", LOSS, 200)),
    set(Setting::Devices, planted("state-believed-untested", LOSS, 100)),
    set(Setting::Devices, planted("state-believed-once", LOSS, 100)),
    set(Setting::SharedDisk, planted("disk-waits-for-nobody", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-votes-unasked", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-counts-from-an-older-claim", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-counts-lower-epochs", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-claim-names-another-ttl", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-drift-ignored", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-counted-from-reading", DISK, 400)),
    set(Setting::SharedDisk, planted("disk-forgets-at-start", DISK_RESTART, 400)),
    set(Setting::SharedDisk, planted("disk-lets-former-go-at-once", DISK_RESTART, 400)),
    set(Setting::SharedDisk, planted("disk-ends-every-boot", LOSS, 400)),
    set(Setting::SharedDisk, planted("disk-ends-the-demanded", DEMAND, 400)),
    planted("start-before-armed", &[], 10),
    planted("release-without-stop", OPERATOR, 10),
    planted("failed-stop-believed", &["stop-fails", "move", "stop-start"], 20),
    planted("adopted-unseen", START, 100),
    planted("adopted-half-way", &["agent", "start-slow", "start-fails", "program"], 100),
    planted("monitor-timeout-is-fine", &["hang", "power"], 20),
    planted("receiver-takes-any-epoch", &["freeze"], 40),
];

/// What only a nearer look can see: the name, and the tests that find it.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("lease-ack-without-entry", "the lease's own tests and the model"),
    ("lease-membership-ignored", "the lease's own tests: the voter refuses another list too"),
    ("voter-ignores-membership", "the lease's own tests: the asker does not count it either"),
    ("lease-asked-after-deadline", "the lease's own tests: it costs service, not safety"),
    ("lease-asked-after-release", "the lease's own tests: the voter refuses it too"),
    ("restored-starts-at-once", "the lease's own tests: the world restores nothing"),
    ("voter-serves-other-incarnations", "the lease's own tests: the world has one life"),
    ("voters-removed-blindly", "the lease's own tests: it costs service, not safety"),
    ("voter-takes-old-beats", "the lease's own tests: the wire drops them before"),
    ("voter-serves-the-fenced", "the lease's own tests and the model"),
    ("voter-ends-every-boot", "the lease's own tests and the model"),
    ("voter-lets-the-released-return", "the lease's own tests"),
    ("voter-unpins-early", "the lease's own tests: the planner never asks for it"),
    ("disk-read-before-written", "the model: here who is taken over from has long ceased to ask"),
    ("disk-ignores-membership", "the lease's own tests: the list changes when no lease runs"),
    ("demand-names-a-node", "the node's own tests: it costs service, not safety"),
    ("fence-carried-out-late", "the node's own tests: it costs service, not safety"),
    ("state-of-a-liar-believed", "the node's own tests: here no device begins to lie"),
    ("fence-failure-assumed-dead", "the rules' walks: the checker of plans stops it before"),
    ("observed-group-moved", "the rules' stories: the checker of plans stops it before"),
    ("minority-decides", "the rules' walks: no minority commits what it decides"),
];

/// The name of a planted fault, as the tables have it.
#[must_use]
pub fn named(name: &str) -> Option<&'static str> {
    VISIBLE.iter().map(|p| p.name).find(|known| *known == name)
}

/// Looks for one, seed by seed. Nothing is planted afterwards.
#[must_use]
pub fn find(planted: &Planted) -> Found {
    plant(planted.name);
    let by = (1..=planted.budget).find_map(|seed| {
        match Run::of(seed, planted.setting, planted.kinds).play().0 {
            Verdict::Held => None,
            Verdict::Broken(violation) => Some((seed, violation.invariant)),
        }
    });
    plant("");
    Found { name: planted.name, by }
}

/// Looks for all of them on all cores, in the order of the table.
#[must_use]
pub fn find_all() -> Vec<Found> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(planted) = VISIBLE.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = find(planted);
                    found.lock().expect("nobody panics with it").push(result);
                }
            });
        }
    });
    let mut found = found.into_inner().expect("all threads have ended");
    let place = |name: &str| VISIBLE.iter().position(|p| p.name == name);
    found.sort_by_key(|f| place(f.name));
    found
}
