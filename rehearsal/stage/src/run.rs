//! One run: a seed, its faults, then peace; nothing broken, and everything serves at the end.

use tsugi_cluster_rules::spec::Failback;
use tsugi_cluster_rules::timing::Profile;
use tsugi_invariants::{Violation, Watch};
use tsugi_world::{Chance, Counts, Fault, Scene, SceneGroup, World, draw_faults};

/// How long the faults of a run last, in milliseconds of the false world.
pub const RUN_MS: u64 = 60_000;
/// How long the world has to heal afterwards.
const HEAL_MS: u64 = 25_000;
/// What a woken node has to let go of what it held, in nanoseconds.
const GRACE: u64 = 50_000_000;

/// What came of a run.
pub enum Verdict {
    /// Every promise held, and everything served at the end.
    Held,
    /// One did not.
    Broken(Violation),
}

/// The scene that a seed plays in.
pub fn scene(seed: u64) -> Scene {
    let mut chance = Chance::new(seed, 3);
    let profile = if chance.happens(500) { Profile::Fast } else { Profile::Default };
    let members = usize::try_from(chance.between(2, 3)).unwrap_or(2);
    let groups = chance.between(1, 3);
    let kinds = [Failback::Never, Failback::Manual, Failback::WhenBetter];
    let group = |chance: &mut Chance| SceneGroup {
        home: usize::try_from(chance.below(members as u64)).unwrap_or(0),
        failback: chance.pick(&kinds).copied().unwrap_or(Failback::Never),
        restarts: u32::try_from(chance.below(4)).unwrap_or(0),
    };
    Scene { profile, members, groups: (0..groups).map(|_| group(&mut chance)).collect() }
}

/// The faults of a seed.
pub fn faults(seed: u64, run_ms: u64) -> Vec<Fault> {
    let scene = scene(seed);
    draw_faults(seed, scene.voters(), scene.groups.len(), run_ms)
}

/// Runs a seed.
pub fn run(seed: u64, run_ms: u64) -> (Verdict, Counts) {
    play(seed, faults(seed, run_ms), run_ms)
}

/// Runs a seed with these faults instead of its own.
pub fn play(seed: u64, faults: Vec<Fault>, run_ms: u64) -> (Verdict, Counts) {
    let mut watch = Watch::new(GRACE);
    let (counts, serves, state) = {
        let mut world = World::new(seed, scene(seed), faults, &mut watch);
        world.run(run_ms + HEAL_MS);
        (world.counts, world.all_serve(), world.describe())
    };
    let verdict = match watch.broken {
        Some(violation) => Verdict::Broken(violation),
        None if !serves => Verdict::Broken(Violation {
            invariant: "I28",
            at: (run_ms + HEAL_MS) * 1_000_000,
            what: format!("not everything serves after the faults have ended\n{state}"),
        }),
        None => Verdict::Held,
    };
    (verdict, counts)
}
