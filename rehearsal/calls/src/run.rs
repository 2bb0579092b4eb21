//! A seed is played, shrunk, and looked at with a planted fault.

use tsugi_service_rules::mutant::plant;

use crate::fault::{Fault, draw};
use crate::promises::Violation;
use crate::store::Kind;
use crate::world::{Counts, World};

/// One run: a seed with the faults of its world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Run {
    /// What a seed stands for. Odd seeds have their store on a volume, even ones on a server.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self { seed, faults: draw(seed, kind_of(seed)) }
    }

    /// Plays it to its end: what broke, and what was met.
    #[must_use]
    pub fn play(&self) -> (Option<Violation>, Counts) {
        World::new(self.seed, kind_of(self.seed), &self.faults).play()
    }

    /// The run with the fewest faults that was found to break the same promise.
    #[must_use]
    pub fn shrink(&self) -> Self {
        let Some(first) = self.play().0 else { return self.clone() };
        let mut run = self.clone();
        let mut at = 0;
        while at < run.faults.len() {
            let mut less = run.clone();
            less.faults.remove(at);
            match less.play().0 {
                Some(broken) if broken.promise == first.promise => run = less,
                Some(_) | None => at += 1,
            }
        }
        run
    }
}

/// Where the store of a seed is.
const fn kind_of(seed: u64) -> Kind {
    if seed % 2 == 1 { Kind::Volume } else { Kind::Server }
}

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// How many were run.
    pub seeds: u64,
    /// All that they have met.
    pub counts: Counts,
    /// What broke, by seed.
    pub broken: Vec<(u64, Violation)>,
}

/// After so many violations a series ends.
const ENOUGH: usize = 5;
/// One seed in this many is run twice, and must be the same to the bit.
const TWICE: u64 = 50;

/// Runs seeds from `from` on until so many calls were begun.
#[must_use]
pub fn series(from: u64, calls: u64) -> Total {
    plant("");
    let mut total = Total::default();
    while total.counts.calls < calls && total.broken.len() < ENOUGH {
        let seed = from + total.seeds;
        let run = Run::of_seed(seed);
        let (broken, counts) = run.play();
        if seed % TWICE == 1 && run.play() != (broken.clone(), counts.clone()) {
            let what = "the same seed gave another trace".to_owned();
            total.broken.push((seed, Violation { promise: "determinism", at: 0, what }));
        }
        total.seeds += 1;
        total.counts.add(&counts);
        total.broken.extend(broken.map(|broken| (seed, broken)));
    }
    total
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.answers += other.answers;
        self.claims += other.claims;
        self.trace = self.trace.rotate_left(7) ^ other.trace;
        for (cell, times) in &other.met {
            *self.met.entry(*cell).or_default() += times;
        }
    }
}

/// The first of so many seeds that finds a planted fault, and the promise that it breaks.
#[must_use]
pub fn find(name: &'static str, budget: u64) -> Option<(u64, &'static str)> {
    let look = |seed| {
        plant(name);
        let found = std::panic::catch_unwind(|| Run::of_seed(seed).play().0);
        plant("");
        match found {
            Ok(broken) => broken.map(|broken| (seed, broken.promise)),
            Err(_) => Some((seed, "panic")),
        }
    };
    (1..=budget).find_map(look)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{Loss, STEPS, Step};
    use crate::{coverage, fault};

    #[test]
    fn a_few_seeds_keep_every_promise() {
        let total = series(1, 2_000);
        assert_eq!(total.broken, []);
        assert!(total.counts.answers > 1_000, "{total:?}");
    }

    #[test]
    fn a_seed_that_breaks_a_promise_is_shrunk_to_what_breaks_it() {
        plant("last-moment-ignored");
        let broken = (1..400).map(Run::of_seed).find(|run| run.play().0.is_some());
        let run = broken.expect("the fault that is planted is found");
        let less = run.shrink();
        let broken = less.play().0.map(|broken| broken.promise);
        plant("");
        assert_eq!(broken, run_again(&run), "another promise than before");
        assert!(less.faults.len() <= run.faults.len());
    }

    /// Seeds that may pass until a step was taken under the faults of the seed.
    const SEEDS: u64 = 200;

    /// The first seed in which an engine ended so, after nothing else had gone wrong if that is
    /// how the step is come to.
    fn ended_at(step: Step, loss: Loss) -> Option<u64> {
        let cell = (fault::Kind::AtStep(step, loss).name(), step.name());
        for seed in (1..=SEEDS).filter(|seed| step.is_of(kind_of(*seed))) {
            let at = fault::Fault { kind: fault::Kind::AtStep(step, loss), at: 1, length: 1 };
            let mut run = Run::of_seed(seed);
            run.faults.retain(|fault| !matches!(fault.kind, fault::Kind::AtStep(..)));
            run.faults.insert(0, at);
            let (broken, counts) = run.play();
            assert_eq!(broken, None, "seed {seed}: {cell:?}");
            if counts.met.contains_key(&cell) {
                return Some(seed);
            }
        }
        None
    }

    #[test]
    fn i16_an_engine_may_end_at_each_step_of_a_call_and_every_promise_is_kept() {
        plant("");
        let mut never = Vec::new();
        for step in STEPS {
            for loss in [Loss::Process, Loss::Power] {
                if ended_at(*step, loss).is_none() {
                    never.push((step.name(), loss));
                }
            }
        }
        assert_eq!(never, [], "no engine was ended there");
    }

    #[test]
    fn a_series_that_never_ends_an_engine_at_some_step_is_not_enough() {
        let total = series(1, 2_000);
        let mut met = total.counts.met;
        let cell = (fault::ENDED_AT, Step::Insert.name());
        met.insert(cell, 1);
        assert!(!coverage::missing(&met).contains(&cell));
        met.remove(&cell);
        assert!(coverage::missing(&met).contains(&cell));
    }

    fn run_again(run: &Run) -> Option<&'static str> {
        plant("last-moment-ignored");
        let broken = run.play().0.map(|broken| broken.promise);
        plant("");
        broken
    }
}
