//! `lab patterns`: every situation, so many times, with what is promised of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::expected;
use crate::outage::BEFORE;
use crate::pattern::{ALL, Pattern};
use crate::product::{Plan, Profile, Serves};
use crate::repetition::{self, Repetition};
use crate::report::{self, Row, Series, ms};
use crate::stage::Stage;

/// So many repetitions of a pattern may be void.
const MOST_VOID: usize = 2;

/// Every situation, so many times.
#[derive(Clone, Debug, clap::Args)]
pub struct PatternsArgs {
    /// Repetitions of each pattern.
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
    /// Only these patterns.
    #[arg(long)]
    pub only: Vec<String>,
    /// Write the rows there as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Fail also when an outage is longer than promised.
    #[arg(long)]
    pub strict: bool,
    /// Say what every repetition gave.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Runs them and prints the table.
///
/// # Errors
/// A lab that cannot run; a cluster that does not become whole again.
pub fn run(args: &PatternsArgs) -> Result<ExitCode, Trouble> {
    let wanted = wanted(&args.only)?;
    let mut rows = Vec::new();
    let mut good = true;
    for of_one_cluster in wanted.chunk_by(|one, next| one.shape() == next.shape()) {
        good &= in_one_cluster(args, of_one_cluster, &mut rows)?;
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows).expect("plain data is always JSON");
        std::fs::write(path, text + "\n")?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Founds the cluster that these patterns are rehearsed in and runs them. Whether all was well.
fn in_one_cluster(
    args: &PatternsArgs,
    patterns: &[Pattern],
    rows: &mut Vec<Row>,
) -> Result<bool, Trouble> {
    let shape = patterns.first().map(|pattern| pattern.shape()).unwrap_or_default();
    let plan = Plan { profile: args.timing, shape, serves: Serves::Report, ..Plan::default() };
    let mut stage = Stage::set(plan, args.seed)?;
    println!(
        "timing {}, {}, first in service after {:.0} ms",
        args.timing.word(),
        shape.word(),
        ms(stage.first_service)
    );
    println!("{}", report::heading());
    // What is looked at of a fault begins so long before it: not with groups that are starting.
    stage.wait_whole()?;
    thread::sleep(BEFORE);
    let mut good = true;
    for pattern in patterns {
        let series = series(&mut stage, *pattern, args)?;
        let row = series.row();
        println!("{}", row.line(*pattern, args.timing));
        for wrong in row.wrong() {
            println!("    wrong: {wrong}");
        }
        good &= row.is_safe() && series.void <= MOST_VOID;
        good &= !args.strict || row.is_quick(*pattern, args.timing);
        rows.push(row);
    }
    for missing in expected::all_told_again(&mut stage)? {
        good = false;
        println!("    wrong: {missing}");
    }
    println!("longest pause of the machine {:.1} ms", ms(stage.site.recorder.latest()));
    Ok(good)
}

fn wanted(only: &[String]) -> Result<Vec<Pattern>, Trouble> {
    if only.is_empty() {
        return Ok(ALL.to_vec());
    }
    only.iter()
        .flat_map(|names| names.split(','))
        .map(|name| {
            Pattern::named(name).ok_or_else(|| {
                let names: Vec<&str> = ALL.iter().map(|pattern| pattern.name()).collect();
                Trouble::Failed(format!("no pattern {name:?}; there are {}", names.join(" ")))
            })
        })
        .collect()
}

fn series(stage: &mut Stage, pattern: Pattern, args: &PatternsArgs) -> Result<Series, Trouble> {
    let mut series = Series { pattern, runs: Vec::new(), void: 0 };
    while series.runs.len() < args.runs {
        let repetition = repetition::run(stage, pattern, series.runs.len() + series.void)?;
        if args.verbose {
            tell(pattern, &repetition);
            explain_if_slow(stage, pattern, args.timing, &repetition);
        }
        let Some(why) = repetition.void() else {
            series.runs.push(repetition);
            continue;
        };
        series.void += 1;
        println!("{}: void, {why}", pattern.name());
        if series.void > MOST_VOID {
            break;
        }
    }
    Ok(series)
}

/// An outage that was longer than promised is of interest: what the cluster says of it.
fn explain_if_slow(stage: &mut Stage, pattern: Pattern, profile: Profile, repetition: &Repetition) {
    let most = pattern.limit(profile).map_or(u64::MAX, |limit| limit.worst_ms);
    if repetition.outage.gap.as_millis() <= u128::from(most) {
        return;
    }
    stage.tell_why(stage.group());
}

fn tell(pattern: Pattern, repetition: &Repetition) {
    let Repetition { outage, held_twice, after_wake, stale, wrong, causes, took, .. } = repetition;
    let since = outage.since_fault.unwrap_or(Duration::ZERO);
    println!(
        "  {}: outage {:.1} ms (until {:.1} after the fault) {:?} lost {} doubled {} \
         held twice {:.1} after wake {:?} stale {stale} {wrong:?} {:?} took {:.1} s {causes:?}",
        pattern.name(),
        ms(outage.gap),
        ms(since),
        outage.from_to,
        outage.lost,
        outage.doubled,
        ms(*held_twice),
        after_wake.map(ms),
        outage.failures,
        took.as_secs_f64(),
    );
}
