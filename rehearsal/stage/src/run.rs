//! One run: a scene, its faults, then peace; nothing broken, and everything serves at the end.

use tsugi_cluster_rules::spec::{Failback, FencePolicy};
use tsugi_cluster_rules::timing::Profile;
use tsugi_invariants::{Violation, Watch};
use tsugi_world::{
    Cast, Chance, Counts, Devices, Fault, FaultKind, LedgerOn, Neighbours, Scene, SceneGroup,
    World, draw_faults,
};

/// How long the faults of a run last, in milliseconds of the false world.
pub const RUN_MS: u64 = 90_000;
/// How long the world has to heal afterwards, at most.
const HEAL_MS: u64 = 30_000;
/// What a woken node has to let go of what it held, in nanoseconds.
const GRACE: u64 = 50_000_000;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise held, and everything served at the end.
    Held,
    /// One did not.
    Broken(Violation),
}

/// In what kind of cluster a seed plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Drawn from all whose ledger is on the nodes.
    Any,
    /// Two groups that must be apart.
    Apart,
    /// Volumes that ask for a confirmed fence.
    Fenced,
    /// Something switches each node off; of the volumes some ask for it.
    Devices,
    /// Two nodes and a disk that they share; what else there is is drawn.
    SharedDisk,
}

/// Whether the list of voters changes in a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Voters {
    /// It stays as it was founded.
    #[default]
    Stay,
    /// Machines lose their disks, nodes are taken out and join again.
    Change,
}

/// Where the clusters of a series keep their ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Ledgers {
    /// One cluster in five on a disk that two nodes share, the others on the nodes.
    #[default]
    Drawn,
    /// All on such a disk.
    Disk,
}

/// One seed in this many has its ledger on a disk.
const ON_DISK: u64 = 5;

/// Everything that decides a run. The seed still gives the times of messages and acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// The kind of cluster.
    pub setting: Setting,
    /// How long the faults last, in milliseconds.
    pub run_ms: u64,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// The scene that a seed plays in.
fn scene(seed: u64, setting: Setting) -> Scene {
    let mut chance = Chance::new(seed, 3);
    let profile = if chance.happens(500) { Profile::Fast } else { Profile::Default };
    let members = usize::try_from(chance.between(2, 3)).unwrap_or(2);
    let (ledger, members) = match setting {
        Setting::SharedDisk => (LedgerOn::Disk, 2),
        Setting::Any | Setting::Apart | Setting::Fenced | Setting::Devices => {
            (LedgerOn::Nodes, members)
        }
    };
    let drawn = matches!(setting, Setting::Any | Setting::SharedDisk);
    let apart = chance.happens(80) && drawn || setting == Setting::Apart;
    let groups = if apart { 2 } else { chance.between(1, 3) };
    // One run in four of a series; what else is drawn stays as it was without.
    let each = drawn && seed.is_multiple_of(4) || setting == Setting::Devices;
    let devices = if each { Devices::Each } else { Devices::None };
    let kinds = [Failback::Never, Failback::Manual, Failback::WhenBetter];
    let group = |chance: &mut Chance| {
        let likely = if devices == Devices::Each { 500 } else { 60 };
        let confirmed = chance.happens(likely) && setting != Setting::Apart;
        let confirmed = confirmed || setting == Setting::Fenced;
        SceneGroup {
            home: usize::try_from(chance.below(members as u64)).unwrap_or(0),
            failback: chance.pick(&kinds).copied().unwrap_or(Failback::Never),
            restarts: u32::try_from(chance.below(4)).unwrap_or(0),
            fence: if confirmed { FencePolicy::Confirmed } else { FencePolicy::SelfFence },
        }
    };
    let groups = (0..groups).map(|_| group(&mut chance)).collect();
    let neighbours = if apart { Neighbours::Apart } else { Neighbours::Any };
    Scene { profile, members, groups, neighbours, devices, ledger }
}

impl Run {
    /// The run of a seed, with faults of these kinds; of none named, a random subset of all.
    #[must_use]
    pub fn of(seed: u64, setting: Setting, kinds: &'static [&'static str]) -> Self {
        Self::drawn(seed, setting, (kinds, &[]))
    }

    /// The run of a seed in a series.
    #[must_use]
    pub fn of_seed(seed: u64, (voters, ledger): (Voters, Ledgers)) -> Self {
        let without: &'static [&'static str] = match voters {
            Voters::Stay => &FaultKind::MEMBERSHIP,
            Voters::Change => &[],
        };
        let setting = match ledger {
            Ledgers::Drawn if !seed.is_multiple_of(ON_DISK) => Setting::Any,
            Ledgers::Drawn | Ledgers::Disk => Setting::SharedDisk,
        };
        Self::drawn(seed, setting, (&[], without))
    }

    fn drawn(
        seed: u64,
        setting: Setting,
        (kinds, without): (&'static [&'static str], &'static [&'static str]),
    ) -> Self {
        let scene = scene(seed, setting);
        let (nodes, groups) = (scene.voters(), scene.groups.len());
        let (members, ledger) = (scene.members, scene.ledger);
        let cast = Cast { nodes, members, groups, without, kinds, ledger };
        Self { seed, setting, run_ms: RUN_MS, faults: draw_faults(seed, cast, RUN_MS) }
    }

    /// The same with these faults.
    #[must_use]
    pub fn with(&self, faults: Vec<Fault>) -> Self {
        Self { faults, ..self.clone() }
    }

    /// Runs it.
    #[must_use]
    pub fn play(&self) -> (Verdict, Counts) {
        let mut watch = Watch::new(GRACE);
        let (counts, serves, state) = {
            let scene = scene(self.seed, self.setting);
            let mut world = World::new(self.seed, scene, self.faults.clone(), &mut watch);
            world.run(self.run_ms);
            let serves = world.heal(self.run_ms + HEAL_MS);
            let state = if serves { String::new() } else { world.describe() };
            (world.counts, serves, state)
        };
        let verdict = match watch.broken {
            Some(violation) => Verdict::Broken(violation),
            None if !serves => Verdict::Broken(Violation {
                invariant: "I28",
                at: (self.run_ms + HEAL_MS) * 1_000_000,
                what: format!("not everything serves after the faults have ended\n{state}"),
            }),
            None => Verdict::Held,
        };
        (verdict, counts)
    }
}
