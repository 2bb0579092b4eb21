//! Thousands of random sequences, answered by GnuCOBOL and by the tables: the same but for what is
//! different on purpose.

use std::collections::BTreeMap;

use tsugi_files::definition::{Access, Organization};
use tsugi_files::open::Mode;

use super::chance::Chance;
use super::gnucobol::Oracle;
use super::memory::Memory;
use super::program::{Depending, Program};
use super::schedule::{Kind, Situation, Split, line};
use super::script::{Length, Line, Order, Shown};

/// How many sequences of each kind of file, and how long.
const SEQUENCES: usize = 400;
const LINES: usize = 40;
const AT_ONCE: usize = 20;

/// What is different on purpose and met by random sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// READ PREVIOUS of a relative file.
    RelativePrevious,
    /// REWRITE and DELETE of a number that no record has.
    RelativeMissing,
    /// The position after a WRITE that was refused.
    RelativePosition,
    /// The length of a rewritten relative record, and what lies behind its end.
    RelativeLength,
    /// EXTEND behind a deleted record.
    RelativeExtend,
    /// DELETE of another number than the one read.
    RelativeDelete,
    /// START by the leading bytes of a split key.
    SplitLength,
    /// REWRITE in sequential access.
    IndexedRewrite,
    /// CLOSE of a file closed WITH LOCK.
    CloseLocked,
    /// Ends of lines within a line.
    LineEnds,
}

/// The split key of the indexed file.
const SPLIT: usize = 2;

/// Where libcob stands in a relative file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    AtARecord,
    WithinARecord,
}

/// What a sequence has met so far that matters for later answers.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    standing: Standing,
    deleted: bool,
    rewritten: bool,
    line_ends: bool,
    read: u32,
}

/// How two answers compare.
enum Verdict {
    Equal,
    /// Different on purpose, and the sequence goes on alike.
    Passing(Difference),
    /// Different on purpose, and nothing behind it compares.
    Parting(Difference),
    Wrong,
}

struct Step<'a> {
    kind: Kind,
    mode: Option<Mode>,
    line: &'a Line,
    ours: &'a Shown,
    theirs: &'a Shown,
}

fn verdict(past: &mut Past, step: &Step<'_>) -> Verdict {
    let found = compare(past, step);
    let done = step.theirs.status.starts_with('0');
    match step.line.order {
        Order::Write if step.theirs.status == "22" => past.standing = Standing::WithinARecord,
        Order::Write | Order::Read | Order::Start(..) if done => {
            past.standing = Standing::AtARecord
        }
        Order::Rewrite | Order::Delete if done => {
            past.standing = Standing::AtARecord;
            past.deleted |= step.line.order == Order::Delete;
            past.rewritten |= step.line.order == Order::Rewrite;
        }
        Order::Next if done => past.read = step.ours.number,
        _ => {}
    }
    past.line_ends |= step.line.order == Order::Write && step.line.record.contains(['~', '^']);
    found
}

fn compare(past: &Past, step: &Step<'_>) -> Verdict {
    let (kind, order) = (step.kind, step.line.order);
    let relative = kind.organization == Organization::Relative;
    if relative && order == Order::Previous && step.mode.is_some() {
        return Verdict::Parting(Difference::RelativePrevious);
    }
    if relative && order == Order::Next && past.standing == Standing::WithinARecord {
        return Verdict::Parting(Difference::RelativePosition);
    }
    let leading = matches!(order, Order::Start(_, Length::Leading)) && step.line.length == 1;
    if leading && step.line.key == SPLIT && step.theirs.status == "23" {
        return Verdict::Parting(Difference::SplitLength);
    }
    let sequential = kind.access == Access::Sequential;
    let deleted = order == Order::Delete && step.ours.status == "00";
    if relative && sequential && deleted && step.line.number != past.read {
        return Verdict::Parting(Difference::RelativeDelete);
    }
    if same(kind, step) {
        return Verdict::Equal;
    }
    let (ours, theirs) = (step.ours.status.as_str(), step.theirs.status.as_str());
    let changes = matches!(order, Order::Rewrite | Order::Delete);
    if relative && changes && (ours, theirs) == ("23", "00") {
        return Verdict::Passing(Difference::RelativeMissing);
    }
    match order {
        Order::Close | Order::CloseLock | Order::CloseNoRewind | Order::CloseUnit
            if ours == "42" && theirs.starts_with('0') =>
        {
            Verdict::Parting(Difference::CloseLocked)
        }
        Order::Rewrite if kind.organization == Organization::Indexed && sequential => {
            let unique = kind.split == Split::Unique && theirs == "22";
            match ours == "21" || unique {
                true => Verdict::Parting(Difference::IndexedRewrite),
                false => Verdict::Wrong,
            }
        }
        Order::Write if relative && past.deleted && step.mode == Some(Mode::Extend) => {
            Verdict::Parting(Difference::RelativeExtend)
        }
        Order::Next | Order::Read
            if relative && kind.depending == Depending::Yes && past.rewritten =>
        {
            Verdict::Parting(Difference::RelativeLength)
        }
        Order::Next if past.line_ends => Verdict::Parting(Difference::LineEnds),
        _ => Verdict::Wrong,
    }
}

/// Whether all that the program sees is the same.
fn same(kind: Kind, step: &Step<'_>) -> bool {
    let (ours, theirs) = (step.ours, step.theirs);
    let relative = kind.organization == Organization::Relative;
    let read = matches!(step.line.order, Order::Next | Order::Read);
    if relative && read && kind.depending == Depending::Yes && ours.status == "00" {
        // A slot holds also what lay behind the record's end when it was written.
        let length = ours.depending as usize;
        return (&ours.status, ours.number, ours.depending, ours.record.get(..length))
            == (&theirs.status, theirs.number, theirs.depending, theirs.record.get(..length));
    }
    ours == theirs
}

/// A random script, and what the tables say to each line.
fn script(kind: Kind, seed: u64) -> Vec<(Line, Option<Mode>, Shown)> {
    let mut chance = Chance::new(seed);
    let mut program = Program::new(kind.declared(), Memory::default());
    let mut out = Vec::new();
    let mut read = Shown::parse("");
    let mut locked = false;
    while out.len() < LINES {
        let mode = program.front.mode();
        let line = line(&mut chance, &Situation { kind, mode, read: &read });
        // What libcob frees at CLOSE of these it frees again at the second one.
        let frees = match kind.organization {
            Organization::Indexed | Organization::LineSequential => true,
            Organization::Sequential | Organization::Relative => false,
        };
        let closes = [Order::Close, Order::CloseLock, Order::CloseNoRewind, Order::CloseUnit];
        if locked && frees && closes.contains(&line.order) {
            continue;
        }
        locked |= line.order == Order::CloseLock && mode.is_some();
        let shown = program.run(&line);
        if matches!(line.order, Order::Next | Order::Previous | Order::Read) {
            read = shown.clone();
        }
        out.push((line, mode, shown));
    }
    out
}

/// What was met, and how often.
#[derive(Debug, Default)]
struct Tally {
    differences: BTreeMap<Difference, usize>,
    /// Statuses that both gave.
    statuses: BTreeMap<String, usize>,
}

/// Runs all sequences of a kind.
fn compared(kind: Kind) -> Tally {
    let oracle = Oracle::of(kind);
    let mut tally = Tally::default();
    let seeds: Vec<u64> = (0..SEQUENCES as u64).collect();
    for (batch, seeds) in seeds.chunks(AT_ONCE).enumerate() {
        let ours: Vec<_> = seeds.iter().map(|seed| script(kind, *seed)).collect();
        let lock = |script: &[(Line, Option<Mode>, Shown)]| {
            script.iter().any(|(line, ..)| line.order == Order::CloseLock)
        };
        // A file that is closed WITH LOCK stays so while the program runs: such run alone.
        let (alone, together): (Vec<_>, Vec<_>) = ours.into_iter().partition(|s| lock(s));
        let mut runs: Vec<Vec<_>> = alone.into_iter().map(|script| vec![script]).collect();
        runs.push(together);
        for (run, ours) in runs.iter().enumerate() {
            let text = |script: &Vec<(Line, Option<Mode>, Shown)>| {
                script.iter().map(|(line, ..)| line.clone()).collect::<Vec<_>>()
            };
            let scripts: Vec<_> = ours.iter().map(text).collect();
            let theirs = oracle.run((batch * AT_ONCE + run) * AT_ONCE, &scripts);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert_eq!(ours.len(), theirs.len(), "{kind:?}: not all lines were answered");
                one(kind, ours, theirs, &mut tally);
            }
        }
    }
    let lines: usize = tally.statuses.values().sum();
    println!("{kind:?}: {lines} lines the same, {tally:?}");
    assert!(lines > SEQUENCES * LINES / 3, "{kind:?}: only {lines} lines were compared");
    tally
}

/// Compares one sequence.
fn one(kind: Kind, ours: &[(Line, Option<Mode>, Shown)], theirs: &[Shown], tally: &mut Tally) {
    let mut past = Past::default();
    for (at, ((line, mode, ours_shown), theirs)) in ours.iter().zip(theirs).enumerate() {
        let step = Step { kind, mode: *mode, line, ours: ours_shown, theirs };
        match verdict(&mut past, &step) {
            Verdict::Equal => *tally.statuses.entry(theirs.status.clone()).or_default() += 1,
            Verdict::Passing(difference) => *tally.differences.entry(difference).or_default() += 1,
            Verdict::Parting(difference) => {
                *tally.differences.entry(difference).or_default() += 1;
                return;
            }
            Verdict::Wrong => {
                let so_far: Vec<_> =
                    ours[..=at].iter().map(|(l, _, s)| format!("{l} | {s:?}")).collect();
                panic!("{kind:?}\n{}\nGnuCOBOL answers {theirs:?}", so_far.join("\n"));
            }
        }
    }
}

/// These statuses were given by both, and only these differences are met; that each of them is
/// there, `differences` shows.
fn same_but_for(kind: Kind, statuses: &str, differences: &[Difference]) {
    let tally = compared(kind);
    let never = statuses.split_whitespace().find(|status| !tally.statuses.contains_key(*status));
    assert_eq!(never, None, "{kind:?}: a status that was never given");
    let other = tally.differences.keys().find(|met| !differences.contains(met));
    assert_eq!(other, None, "{kind:?}: another difference than {differences:?}");
}

const INDEXED: Organization = Organization::Indexed;
const RELATIVE: Organization = Organization::Relative;
const SEQUENTIAL: Kind = Kind::of(Organization::Sequential, Access::Sequential);
const LINE: Kind = Kind::of(Organization::LineSequential, Access::Sequential);

#[test]
fn indexed_files_in_dynamic_access_answer_as_under_gnucobol() {
    same_but_for(
        Kind::of(INDEXED, Access::Dynamic),
        "00 02 10 22 23 35 38 41 42 44 46 47 48 49",
        &[Difference::SplitLength],
    );
}

#[test]
fn optional_indexed_files_answer_as_under_gnucobol() {
    same_but_for(
        Kind::of(INDEXED, Access::Dynamic).optional(),
        "00 02 05 10 22 23 38 41 42 44 46 47 48 49",
        &[Difference::SplitLength],
    );
}

#[test]
fn indexed_files_in_random_access_answer_as_under_gnucobol() {
    same_but_for(Kind::of(INDEXED, Access::Random), "00 02 22 23 35 38 41 42 44 47 48 49", &[]);
}

#[test]
fn indexed_files_in_sequential_access_answer_as_under_gnucobol() {
    let kind = Kind::of(INDEXED, Access::Sequential);
    assert_eq!(kind.split, Split::Unique);
    let met = [Difference::SplitLength, Difference::IndexedRewrite];
    same_but_for(kind, "00 02 10 21 22 23 35 38 41 42 43 44 46 47 48 49", &met);
    same_but_for(
        kind.duplicates().optional(),
        "00 02 05 10 21 22 23 38 41 42 43 44 46 47 48 49",
        &met,
    );
}

#[test]
fn relative_files_in_dynamic_access_answer_as_under_gnucobol() {
    let (previous, missing) = (Difference::RelativePrevious, Difference::RelativeMissing);
    let (position, locked) = (Difference::RelativePosition, Difference::CloseLocked);
    let kind = Kind::of(RELATIVE, Access::Dynamic);
    same_but_for(
        kind,
        "00 07 10 22 23 24 35 38 41 42 46 47 48 49",
        &[previous, missing, position, locked],
    );
    let length = Difference::RelativeLength;
    let varying = kind.depending().optional();
    same_but_for(
        varying,
        "00 05 07 10 22 23 24 38 41 42 44 46 47 48 49",
        &[previous, missing, position, length, locked],
    );
}

#[test]
fn relative_files_in_random_access_answer_as_under_gnucobol() {
    let kind = Kind::of(RELATIVE, Access::Random);
    same_but_for(
        kind,
        "00 07 22 23 24 35 38 41 42 47 48 49",
        &[Difference::RelativeMissing, Difference::CloseLocked],
    );
}

#[test]
fn relative_files_in_sequential_access_answer_as_under_gnucobol() {
    let (previous, extend) = (Difference::RelativePrevious, Difference::RelativeExtend);
    let (delete, locked) = (Difference::RelativeDelete, Difference::CloseLocked);
    let kind = Kind::of(RELATIVE, Access::Sequential);
    same_but_for(
        kind,
        "00 07 10 23 35 38 41 42 43 46 47 48 49",
        &[previous, extend, delete, locked],
    );
}

#[test]
fn sequential_files_answer_as_under_gnucobol() {
    same_but_for(SEQUENTIAL, "00 07 10 35 38 41 42 43 46 47 48 49", &[Difference::CloseLocked]);
    same_but_for(
        SEQUENTIAL.optional(),
        "00 05 07 10 38 41 42 43 46 47 48 49",
        &[Difference::CloseLocked],
    );
    same_but_for(
        SEQUENTIAL.depending(),
        "00 07 10 35 38 41 42 43 44 46 47 48 49",
        &[Difference::CloseLocked],
    );
}

#[test]
fn line_sequential_files_answer_as_under_gnucobol() {
    same_but_for(LINE, "00 07 10 35 38 41 42 46 47 48", &[Difference::LineEnds]);
    same_but_for(LINE.optional(), "00 05 07 10 38 41 42 46 47 48", &[Difference::LineEnds]);
}
