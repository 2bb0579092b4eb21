//! `sim`: runs seeds against the cluster's machine until enough takeovers were seen.

mod run;

use clap::Parser;
use run::Verdict;

/// Rehearse the cluster in a false world, from seeds.
#[derive(Parser)]
struct Asked {
    /// How many takeovers to see.
    #[arg(long, default_value_t = 250_000)]
    takeovers: u64,
    /// Run this seed only, and show what happens.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed of a series.
    #[arg(long, default_value_t = 1)]
    from: u64,
}

fn main() -> std::process::ExitCode {
    let asked = Asked::parse();
    if let Some(seed) = asked.seed {
        return one(seed);
    }
    let mut seed = asked.from;
    let (mut takeovers, mut calls, mut violations) = (0, 0, 0);
    while takeovers < asked.takeovers && violations < 5 {
        let (verdict, counts) = run::run(seed, run::RUN_MS);
        takeovers += counts.takeovers;
        calls += counts.calls;
        if let Verdict::Broken(violation) = verdict {
            violations += 1;
            println!(
                "seed {seed}: {} at {} ms: {}",
                violation.invariant,
                violation.at / 1_000_000,
                violation.what
            );
        }
        seed += 1;
    }
    println!("takeovers {takeovers}  calls {calls}  violations {violations}  mutants found 0/0");
    std::process::ExitCode::from(u8::from(violations > 0))
}

fn one(seed: u64) -> std::process::ExitCode {
    let (verdict, counts) = run::run(seed, run::RUN_MS);
    for fault in run::faults(seed, run::RUN_MS) {
        println!("{:>7} ms  {:?}", fault.at_ms, fault.kind);
    }
    println!("{counts:?}");
    match verdict {
        Verdict::Held => std::process::ExitCode::SUCCESS,
        Verdict::Broken(v) => {
            println!("{} at {} ms: {}", v.invariant, v.at / 1_000_000, v.what);
            std::process::ExitCode::FAILURE
        }
    }
}
