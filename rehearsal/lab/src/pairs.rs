//! `lab pairs`: two faults that overlap, drawn from a seed, so many times that the group was taken
//! over as often as asked for. Nothing may be lost, doubled or held twice, service must be back
//! within the limits of both, and nothing of the group may be left where it is not.

mod fault;
mod judge;
mod leftovers;
mod planted;
mod strike;

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::Trouble;
use crate::expected;
use crate::product::{Plan, Profile, Shape};
use crate::report::ms;
use crate::stage::Stage;
use fault::{Kind, Pairs};
use judge::Seen;
use leftovers::Sweep;

/// One in so many takeovers is seen where nodes have fence devices.
const FENCED: u64 = 6;
/// Of so many pairs one may be void because the machine itself stood still, and so many more.
const VOID_OF: usize = 10;
const MORE_VOID: usize = 2;

/// Two faults that overlap, again and again.
#[derive(Clone, Debug, clap::Args)]
pub struct PairsArgs {
    /// Until the group was taken over so often.
    #[arg(long, default_value_t = 15)]
    pub takeovers: u64,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only the pairs of these numbers, once each: `17`, or `f17` where nodes have fence devices.
    #[arg(long)]
    pub only: Vec<String>,
    /// Say what every pair gave.
    #[arg(long, short)]
    pub verbose: bool,
}

/// What a run has come to.
#[derive(Debug, Default)]
struct Total {
    takeovers: u64,
    kinds: BTreeSet<(Kind, Kind)>,
    of: usize,
    runs: usize,
    void: usize,
    violations: usize,
    leftovers: usize,
    planted: (usize, usize),
    /// What the lab could not show of itself.
    unshown: usize,
}

/// The pairs of one cluster.
#[derive(Clone, Copy)]
struct Course<'a> {
    shape: Shape,
    /// Until so many takeovers were seen.
    until: u64,
    /// Or these alone.
    only: Option<&'a [usize]>,
}

/// Runs them in both kinds of cluster and prints what came of it.
///
/// # Errors
/// A lab that cannot run; a cluster that does not become whole again.
pub fn run(args: &PairsArgs) -> Result<ExitCode, Trouble> {
    let (plain, fenced) = wanted(&args.only)?;
    let mut total = Total::default();
    let of_fenced = args.takeovers / FENCED;
    for (shape, only, until) in
        [(Shape::Wide, plain, args.takeovers - of_fenced), (Shape::Fenced, fenced, of_fenced)]
    {
        let only = (!args.only.is_empty()).then_some(only.as_slice());
        if only.is_some_and(<[usize]>::is_empty) || (only.is_none() && until == 0) {
            continue;
        }
        in_one_cluster(args, Course { shape, until, only }, &mut total)?;
    }
    println!(
        "timing {}  seed {}  runs {}  void {}",
        args.timing.word(),
        args.seed,
        total.runs,
        total.void
    );
    let (found, planted) = total.planted;
    println!(
        "takeovers {}  pairs {}/{}  violations {}  leftovers {}  planted found {found}/{planted}",
        total.takeovers,
        total.kinds.len(),
        total.of,
        total.violations,
        total.leftovers,
    );
    let enough = !args.only.is_empty() || total.takeovers >= args.takeovers;
    let good = total.violations + total.leftovers + total.unshown == 0 && found == planted;
    Ok(if good && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The numbers that are wanted, in either kind of cluster.
fn wanted(only: &[String]) -> Result<(Vec<usize>, Vec<usize>), Trouble> {
    let (mut plain, mut fenced) = (Vec::new(), Vec::new());
    for word in only.iter().flat_map(|words| words.split(',')) {
        let (list, number) = match word.strip_prefix('f') {
            Some(number) => (&mut fenced, number),
            None => (&mut plain, word),
        };
        let number = number.parse();
        list.push(number.map_err(|_| Trouble::Failed(format!("no pair {word:?}: try 17 or f17")))?);
    }
    Ok((plain, fenced))
}

fn in_one_cluster(args: &PairsArgs, course: Course<'_>, total: &mut Total) -> Result<(), Trouble> {
    let shape = course.shape;
    let pairs = Pairs::new(args.seed, shape, args.timing);
    total.of += pairs.count();
    let mut stage = Stage::set(Plan { profile: args.timing, shape, ..Plan::default() }, args.seed)?;
    let sweep = Sweep::of_whole(&mut stage)?;
    if total.planted == (0, 0) {
        let planted = planted::look(&mut stage, &sweep)?;
        total.planted = (planted.found, planted.of);
        total.unshown += planted.wrong.len();
        planted.wrong.iter().for_each(|wrong| println!("    wrong: {wrong}"));
    }
    let (mut number, mut runs, mut void, mut takeovers) = (0, 0, 0, 0);
    let mut row = course.only.map(|only| only.iter().copied());
    while takeovers < course.until || row.is_some() {
        let next = match &mut row {
            Some(only) => only.next(),
            None => Some(number),
        };
        let Some(this) = next else { break };
        let pair = pairs.pair(this);
        let seen = judge::once(&mut stage, (&pair, args.timing), &sweep)?;
        takeovers += seen.takeovers;
        let letter = if shape == Shape::Fenced { "f" } else { "" };
        let name = format!("{letter}{this}");
        tell(args, (&name, &pair.to_string()), &seen);
        if seen.is_void() && void < runs / VOID_OF + MORE_VOID {
            void += 1;
            continue;
        }
        number += 1;
        runs += 1;
        total.violations += seen.violations();
        total.leftovers += seen.left.len();
        if seen.missed.is_empty() {
            total.kinds.insert((pair.first.kind, pair.second.kind));
        }
    }
    for missing in expected::all_told_again(&mut stage)? {
        total.violations += 1;
        println!("    wrong: {missing}");
    }
    total.takeovers += takeovers;
    total.runs += runs;
    total.void += void;
    println!(
        "{}: longest pause of the machine {:.1} ms",
        shape.word(),
        ms(stage.site.recorder.latest())
    );
    Ok(())
}

/// Says what a pair gave, and how what is broken can be run again.
fn tell(args: &PairsArgs, (name, pair): (&str, &str), seen: &Seen) {
    let broken = seen.violations() + seen.left.len() > 0;
    if args.verbose || broken {
        println!("  {name}: {pair}: {seen}");
    }
    if broken {
        let void = if seen.is_void() { " (void: the machine stood still)" } else { "" };
        println!(
            "    broken{void}: --timing {} --seed {} --only {name}",
            args.timing.word(),
            args.seed
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pairs_of_either_cluster_can_be_asked_for_by_their_numbers() {
        let words = |text: &str| vec![text.to_owned()];
        assert_eq!(wanted(&words("17,f3")).unwrap(), (vec![17], vec![3]));
        assert_eq!(wanted(&[]).unwrap(), (vec![], vec![]));
        assert!(wanted(&words("x")).is_err());
    }
}
