//! Many seeds on all cores; the results are taken in the order of the seeds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use tsugi_cluster_rules::mutant::plant;
use tsugi_invariants::Violation;
use tsugi_world::Counts;

use crate::run::{Ledgers, Run, Verdict, Voters};

/// One seed in this many is run twice.
const TWICE: u64 = 100;
/// A series ends after so many violations.
const ENOUGH: usize = 5;

/// What came of a series.
#[derive(Default)]
pub struct Total {
    /// How many seeds were run.
    pub seeds: u64,
    /// Takeovers of all runs.
    pub takeovers: u64,
    /// Calls of all runs.
    pub calls: u64,
    /// Effects of old epochs that were refused.
    pub stale: u64,
    /// Seeds that were run twice with the same trace.
    pub repeated: u64,
    /// What was met, and how often.
    pub met: BTreeMap<&'static str, u64>,
    /// What broke, by seed and by whether its voters change.
    pub broken: Vec<(u64, Voters, Violation)>,
    /// The traces of all runs, in order.
    pub trace: u64,
}

/// Runs seeds from `from` on until so many takeovers were seen.
#[must_use]
pub fn series(kind: (Voters, Ledgers), (from, takeovers): (u64, u64)) -> Total {
    let next = AtomicU64::new(from);
    let stop = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut total = Total::default();
    thread::scope(|scope| {
        let (sender, results) = mpsc::sync_channel(cores * 4);
        for _ in 0..cores {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                plant("");
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if sender.send((seed, one(seed, kind))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = from;
        while total.takeovers < takeovers && total.broken.len() < ENOUGH {
            let Ok((seed, result)) = results.recv() else { break };
            early.insert(seed, result);
            while let Some((verdict, counts)) = early.remove(&due) {
                if total.takeovers < takeovers && total.broken.len() < ENOUGH {
                    total.add((due, kind.0), verdict, &counts);
                }
                due += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
        drop(results);
    });
    total
}

/// Runs a seed; one in a hundred twice, which must be the same to the bit.
fn one(seed: u64, kind: (Voters, Ledgers)) -> (Verdict, Counts) {
    let run = Run::of_seed(seed, kind);
    let first = run.play();
    if seed % TWICE != 1 || run.play() == first {
        return first;
    }
    let what = "the same seed gave another trace".to_owned();
    (Verdict::Broken(Violation { invariant: "determinism", at: 0, what }), first.1)
}

impl Total {
    fn add(&mut self, (seed, voters): (u64, Voters), verdict: Verdict, counts: &Counts) {
        self.seeds += 1;
        self.takeovers += counts.takeovers;
        self.calls += counts.calls;
        self.stale += counts.stale;
        self.repeated += u64::from(seed % TWICE == 1);
        self.trace = self.trace.rotate_left(7) ^ counts.trace;
        for (what, times) in &counts.met {
            *self.met.entry(what).or_insert(0) += times;
        }
        if let Verdict::Broken(violation) = verdict {
            self.broken.push((seed, voters, violation));
        }
    }

    /// What came of this series and of another.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.seeds += other.seeds;
        self.takeovers += other.takeovers;
        self.calls += other.calls;
        self.stale += other.stale;
        self.repeated += other.repeated;
        self.trace = self.trace.rotate_left(7) ^ other.trace;
        for (what, times) in other.met {
            *self.met.entry(what).or_insert(0) += times;
        }
        self.broken.extend(other.broken);
        self
    }
}
