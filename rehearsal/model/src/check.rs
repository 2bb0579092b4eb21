//! Walks every scene with all rules, and one scene for each rule that is taken away.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model as _};

use crate::scenes::{Scene, TAKEN_AWAY, scenes};
use crate::state::Model;

/// No walk may take longer.
const LIMIT: Duration = Duration::from_secs(60);
/// The properties that no state may break.
const PROMISES: [&str; 3] = ["one runner", "epochs rise", "promises end"];

/// What one walk found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The scene.
    pub scene: &'static str,
    /// The rule and the fault, if one was taken away.
    pub without: Option<(&'static str, &'static str)>,
    /// The distinct states that were seen.
    pub states: usize,
    /// The promise that was broken, and by how many steps.
    pub broken: Option<(&'static str, usize)>,
    /// The steps that lead there, one a line.
    pub steps: String,
    /// What the scene has shown to be possible.
    pub reached: Vec<&'static str>,
    /// Whether the walk came to its end.
    pub whole: Whole,
    /// How long it took.
    pub took: Duration,
}

/// Whether a walk came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Every state was seen, or a counterexample.
    Yes,
    /// The time was over first.
    No,
}

/// All walks.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each scene, with all rules.
    pub scenes: Vec<Found>,
    /// One for each fault.
    pub without: Vec<Found>,
}

/// Walks `scene` without the rule that `fault` names; the empty name leaves all rules.
#[must_use]
pub fn walk(scene: Scene, without: Option<(&'static str, &'static str)>) -> Found {
    let name = scene.name;
    let model = Model { scene, without: without.map_or("", |(_, fault)| fault) };
    let begun = Instant::now();
    let checker = model.checker().threads(2).timeout(LIMIT);
    let stop = match without {
        Some(_) => HasDiscoveries::AnyOf(PROMISES.into_iter().collect()),
        None => HasDiscoveries::AllOf(PROMISES.into_iter().collect()),
    };
    let checker = checker.finish_when(stop).spawn_bfs().join();
    let found = checker.discoveries();
    let first = PROMISES.iter().find_map(|p| found.get(p).map(|path| (*p, path.clone())));
    let broken = first.as_ref().map(|(p, path)| (*p, path.clone().into_actions().len()));
    let steps = first.map_or(String::new(), |(_, path)| {
        path.into_actions().iter().map(|a| format!("  {a:?}\n")).collect()
    });
    Found {
        scene: name,
        without,
        states: checker.unique_state_count(),
        broken,
        steps,
        reached: found.keys().copied().filter(|p| !PROMISES.contains(p)).collect(),
        whole: if begun.elapsed() < LIMIT { Whole::Yes } else { Whole::No },
        took: begun.elapsed(),
    }
}

/// All walks.
#[must_use]
pub fn report() -> Report {
    let with_all = scenes().into_iter().map(|scene| walk(scene, None)).collect();
    let without = TAKEN_AWAY.iter().filter_map(|away| {
        let scene = scenes().into_iter().find(|s| s.name == away.scene)?;
        Some(walk(scene, Some((away.rule, away.fault))))
    });
    Report { scenes: with_all, without: without.collect() }
}

impl Report {
    /// The distinct states of the walks with all rules.
    #[must_use]
    pub fn states(&self) -> usize {
        self.scenes.iter().map(|f| f.states).sum()
    }

    /// The rules of which every removal was found, and all rules that were removed.
    #[must_use]
    pub fn rules(&self) -> (usize, usize) {
        let rule = |f: &Found| f.without.map(|(rule, _)| rule);
        let all: BTreeSet<_> = self.without.iter().filter_map(rule).collect();
        let missed = self.without.iter().filter(|f| f.broken.is_none());
        let missed: BTreeSet<_> = missed.filter_map(rule).collect();
        (all.len() - missed.len(), all.len())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, fault) = self.without.unwrap_or(("--", "all rules"));
        write!(f, "{rule} {fault:<28} {:<16} {:>9} states", self.scene, self.states)?;
        write!(f, " {:>5.1} s", self.took.as_secs_f64())?;
        match self.broken {
            Some((promise, steps)) => write!(f, "  broken in {steps} steps: {promise}"),
            None => write!(f, "  nothing broken; {}", self.reached.join(", ")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in self.scenes.iter().chain(&self.without) {
            writeln!(f, "{found}")?;
        }
        let (found, all) = self.rules();
        write!(f, "model: {} states, {found} of {all} removed rules found", self.states())
    }
}
