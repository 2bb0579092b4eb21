//! `sim`: runs seeds against the cluster's machine until enough takeovers were seen, or against the
//! rules of services until enough calls were, then looks for every planted fault.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tsugi_cluster_rules::mutant::plant;
use tsugi_stage::decisions::{self, Decisions};
use tsugi_stage::run::{Ledgers, Run, Verdict, Voters};
use tsugi_stage::{coverage, mutants, series, services, shrink};

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
    /// Whether the list of voters changes in this one seed.
    #[arg(long, value_enum, default_value_t)]
    voters: Voters,
    /// Where the clusters keep their ledger.
    #[arg(long, value_enum, default_value_t)]
    ledger: Ledgers,
    /// Run a list of decisions from a file.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Play so many calls of services instead, and look for the faults planted in their rules.
    #[arg(long)]
    calls: Option<u64>,
    /// Look for this planted fault only, and show the shortest list of decisions that finds it.
    #[arg(long)]
    mutant: Option<String>,
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    if let Some(calls) = asked.calls {
        return services::play(asked.seed, asked.from, calls);
    }
    if let Some(file) = asked.replay {
        return replay(&file);
    }
    if let Some(name) = asked.mutant {
        return one_mutant(&name);
    }
    if let Some(seed) = asked.seed {
        let run = Run::of_seed(seed, (asked.voters, asked.ledger));
        return show(&Decisions { mutant: None, run });
    }
    whole(asked.ledger, (asked.from, asked.takeovers))
}

/// So many takeovers are seen with voters that stay for one with voters that change.
const STAY: u64 = 10;

fn whole(ledger: Ledgers, (from, takeovers): (u64, u64)) -> ExitCode {
    let changing = series::series((Voters::Change, ledger), (from, takeovers / STAY));
    println!("voters change: seeds {}  takeovers {}", changing.seeds, changing.takeovers);
    let total = series::series((Voters::Stay, ledger), (from, takeovers)).with(changing);
    for (what, times) in &total.met {
        println!("{times:>9}  {what}");
    }
    println!(
        "seeds {}  run twice {}  old effects refused {}  trace {:016x}",
        total.seeds, total.repeated, total.stale, total.trace
    );
    for (seed, voters, violation) in &total.broken {
        let (at, what) = (violation.at / 1_000_000, &violation.what);
        println!("seed {seed}: {} at {at} ms: {what}", violation.invariant);
        let voters = voters.to_possible_value().expect("no way of voters is hidden");
        let kept = ledger.to_possible_value().expect("no place of the ledger is hidden");
        let (voters, kept) = (voters.get_name(), kept.get_name());
        println!("repeat it: sim --seed {seed} --voters {voters} --ledger {kept}");
    }
    let mut missing = coverage::missing(&total.met);
    if takeovers < coverage::FROM_TAKEOVERS {
        missing.clear();
    }
    for what in &missing {
        println!("never met: {what}");
    }
    let found = mutants::find_all();
    for mutant in &found {
        match mutant.by {
            Some((seed, invariant)) => println!("{}: seed {seed}, {invariant}", mutant.name),
            None => println!("{}: NOT FOUND", mutant.name),
        }
    }
    let caught = found.iter().filter(|f| f.by.is_some()).count();
    println!(
        "takeovers {}  calls {}  violations {}  mutants found {caught}/{}",
        total.takeovers,
        total.calls,
        total.broken.len(),
        found.len()
    );
    let bad = !total.broken.is_empty() || caught < found.len() || !missing.is_empty();
    ExitCode::from(u8::from(bad))
}

fn replay(file: &PathBuf) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            println!("{}: {error}", file.display());
            return ExitCode::from(2);
        }
    };
    match decisions::read(&text) {
        Ok(decisions) => show(&decisions),
        Err(line) => {
            println!("{}: no decision: {line}", file.display());
            ExitCode::from(2)
        }
    }
}

fn one_mutant(name: &str) -> ExitCode {
    let Some(planted) = mutants::VISIBLE.iter().find(|p| p.name == name) else {
        println!("no such planted fault: {name}");
        return ExitCode::from(2);
    };
    let Some((seed, _)) = mutants::find(planted).by else {
        println!("{name}: NOT FOUND in {} seeds", planted.budget);
        return ExitCode::FAILURE;
    };
    let run = Run::of(seed, planted.setting, planted.kinds);
    show(&Decisions { mutant: Some(planted.name), run })
}

/// Plays a run; one that breaks is shrunk and shown with the command that repeats it.
fn show(decisions: &Decisions) -> ExitCode {
    plant(decisions.mutant.unwrap_or_default());
    let (verdict, counts) = decisions.run.play();
    let Verdict::Broken(violation) = verdict else {
        print!("{}", decisions::write(decisions));
        println!("{counts:?}");
        return ExitCode::SUCCESS;
    };
    let run = shrink::shrink(&decisions.run);
    let last = match run.play().0 {
        Verdict::Broken(violation) => violation,
        Verdict::Held => violation,
    };
    let text = decisions::write(&Decisions { run, ..decisions.clone() });
    print!("{text}");
    println!("{} at {} ms: {}", last.invariant, last.at / 1_000_000, last.what);
    let file = std::env::temp_dir().join(format!("sim-{}.txt", decisions.run.seed));
    match std::fs::write(&file, text) {
        Ok(()) => println!("repeat it: sim --replay {}", file.display()),
        Err(error) => println!("{}: {error}", file.display()),
    }
    ExitCode::FAILURE
}
