//! Random statements on a file of every organization and access: through an engine they are
//! answered as by the tables on records in memory, which are held to GnuCOBOL.

use std::sync::{Arc, Mutex};

use tsugi_files::definition::Organization;
use tsugi_files::front::Front;
use tsugi_service_engine::Answer;
use tsugi_service_engine::worker::thread::{Desk, Undo};
use tsugi_service_engine::worker::{Begin, Said};
use tsugi_store::file;
use tsugi_store::{Sqlite, Store};

use crate::model::chance::Chance;
use crate::model::memory::Memory;
use crate::model::program::{Declared, Fields, Program, run};
use crate::model::schedule::{Kind, Situation, line};
use crate::model::script::{Line, Order, Shown};
use crate::support::{AtEngine, Function, Stand, call, one, said, shared};

/// How many sequences of each of the fourteen kinds of file, and how long.
fn sequences() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 400 } else { 40 }
}

const LINES: usize = 40;

/// Lines, and what the tables say to each.
type Script = Vec<(Line, Shown)>;

/// A random script, as many calls as the file is closed in between, and what is left.
fn script(kind: Kind, seed: u64) -> (Script, Memory) {
    let mut chance = Chance::new(seed);
    let mut program = Program::new(kind.declared(), Memory::default());
    let (mut script, mut read) = (Script::new(), Shown::parse(""));
    while script.len() < LINES {
        let mode = program.front.mode();
        let line = line(&mut chance, &Situation { kind, mode, read: &read });
        let shown = program.run(&line);
        if matches!(line.order, Order::Next | Order::Previous | Order::Read) {
            read = shown.clone();
        }
        script.push((line, shown));
    }
    (script, program.records)
}

/// The scripts of one kind, each a file of its own, in calls that end where the file is closed.
fn compared(kind: Kind) {
    for seed in 0..sequences() {
        let (script, left) = script(kind, seed);
        let mut stand = Stand::new();
        let declared = kind.declared();
        let state = shared((Front::new(declared.select), Fields::default(), script, 0_usize));
        let files = one("F", &declared);
        let own = state.clone();
        let run = Box::new(move |_: &Begin, desk: &mut Desk<'_>| part(&own, &declared, desk));
        let (engine, _last) = stand.engine(Function { files, run });
        for serial in 1.. {
            match call(&engine.calls(), serial, "on") {
                Answer::Reply(reply) if reply.body == b"more" => {}
                Answer::Reply(reply) if reply.body == b"over" => break,
                other => panic!("{kind:?}, seed {seed}: {other:?}"),
            }
        }
        engine.hand_over(tsugi_vocabulary::Span::secs(5));
        same(&mut stand.store(), &left, &format!("{kind:?}, seed {seed}"));
    }
}

/// One call: lines up to one that leaves the file closed, each answered as it should be.
fn part(
    state: &Arc<Mutex<(Front, Fields, Script, usize)>>,
    declared: &Declared,
    desk: &mut Desk<'_>,
) -> Result<Said, Undo> {
    let mut state = state.lock().unwrap();
    let (front, fields, script, at) = &mut *state;
    let mut behind = AtEngine::new(desk, declared);
    while let Some((line, shown)) = script.get(*at) {
        let own = run(declared, front, fields, line, &mut behind);
        if let Some(left) = behind.left.take() {
            return Err(left);
        }
        if own != *shown {
            return Err(Undo::Failed(format!("line {at}: {line}: {own:?}, not {shown:?}")));
        }
        *at += 1;
        if front.mode().is_none() && *at % 3 == 0 {
            return Ok(said("more"));
        }
    }
    Ok(said("over"))
}

/// All rows of the file are those that are in memory.
fn same(store: &mut Sqlite, memory: &Memory, what: &str) {
    let (records, entries) = memory.content();
    let mut aside = store.aside().unwrap();
    let Some(file) = file::Files::of(&mut *aside).find("F").unwrap() else {
        return assert!(records.is_empty() && entries.is_empty(), "{what}: there is no file");
    };
    let mut rows = file::Files::of(&mut *aside).records(&file);
    let (mut held, mut next) = (Vec::new(), rows.seek(file::Seek::First).unwrap());
    while let Some(one) = next {
        next = rows.seek(file::Seek::Above(&one.key)).unwrap();
        held.push((one.key, one.record));
    }
    let expected: Vec<_> = records.into_iter().map(|one| (one.key, one.record)).collect();
    assert_eq!(held, expected, "{what}");
    let mut kept = Vec::new();
    for number in 1..=3 {
        let mut next = rows.seek_entry(number, file::Seek::First).unwrap();
        while let Some(one) = next {
            next = rows.seek_entry(number, file::Seek::Above((&one.key, one.place))).unwrap();
            kept.push((usize::try_from(number).unwrap(), one.key, one.place as u64, one.of));
        }
    }
    let expected: Vec<_> = entries
        .into_iter()
        .map(|(number, one)| (number, one.key, one.place, one.primary))
        .collect();
    assert_eq!(kept, expected, "{what}");
}

fn of(organization: Organization) {
    for kind in Kind::all().into_iter().filter(|kind| kind.organization == organization) {
        compared(kind);
    }
}

#[test]
fn indexed_files_are_answered_as_under_gnucobol() {
    of(Organization::Indexed);
}

#[test]
fn relative_files_are_answered_as_under_gnucobol() {
    of(Organization::Relative);
}

#[test]
fn sequential_files_are_answered_as_under_gnucobol() {
    of(Organization::Sequential);
}

#[test]
fn line_sequential_files_are_answered_as_under_gnucobol() {
    of(Organization::LineSequential);
}
