//! Calls of services are played, and what came of it is shown.

use std::process::ExitCode;

use tsugi_calls::run::{Run, series};
use tsugi_calls::{coverage, mutants};

/// Plays one seed, or seeds from one on until so many calls were begun.
#[must_use]
pub fn play(seed: Option<u64>, from: u64, calls: u64) -> ExitCode {
    match seed {
        Some(seed) => one(seed),
        None => whole(from, calls),
    }
}

/// A seed that breaks a promise is shown with the fewest faults that do.
fn one(seed: u64) -> ExitCode {
    let run = Run::of_seed(seed).shrink();
    for fault in &run.faults {
        let (at, length) = (fault.at / 1_000_000, fault.length / 1_000_000);
        println!("{} at {at} ms for {length} ms", fault.kind.name());
    }
    let (broken, counts) = run.play();
    println!("calls {}  answers {}  claims {}", counts.calls, counts.answers, counts.claims);
    let Some(broken) = broken else { return ExitCode::SUCCESS };
    println!("{} at {} ms: {}", broken.promise, broken.at / 1_000_000, broken.what);
    ExitCode::FAILURE
}

fn whole(from: u64, calls: u64) -> ExitCode {
    let total = series(from, calls);
    for ((stage, event), times) in &total.counts.met {
        println!("{times:>9}  {stage}: {event}");
    }
    println!(
        "seeds {}  answers {}  claims {}  trace {:016x}",
        total.seeds, total.counts.answers, total.counts.claims, total.counts.trace
    );
    for (seed, broken) in &total.broken {
        let at = broken.at / 1_000_000;
        println!("seed {seed}: {} at {at} ms: {}", broken.promise, broken.what);
        println!("repeat it: sim --calls 1 --seed {seed}");
    }
    let mut missing = coverage::missing(&total.counts.met);
    if calls < coverage::FROM_CALLS {
        missing.clear();
    }
    for (stage, event) in &missing {
        println!("never met: {stage}: {event}");
    }
    let found = mutants::find_all();
    for mutant in &found {
        match mutant.by {
            Some((seed, promise)) => println!("{}: seed {seed}, {promise}", mutant.name),
            None => println!("{}: NOT FOUND", mutant.name),
        }
    }
    let caught = found.iter().filter(|mutant| mutant.by.is_some()).count();
    println!(
        "calls {}  violations {}  mutants found {caught}/{}",
        total.counts.calls,
        total.broken.len(),
        found.len()
    );
    let bad = !total.broken.is_empty() || caught < found.len() || !missing.is_empty();
    ExitCode::from(u8::from(bad))
}
