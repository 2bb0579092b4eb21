//! An engine that is killed at any moment by SIGKILL: of each call all records are there, or none.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsugi_files::definition::{Access, Organization};
use tsugi_files::open::Mode;
use tsugi_files::operation::{Operation, Placing};
use tsugi_files::spoken::{Request, operation_said};
use tsugi_service_engine::Answer;
use tsugi_service_engine::worker::Begin;
use tsugi_service_engine::worker::thread::{Desk, Undo};
use tsugi_store::{Store, file};

use crate::model::program::Declared;
use crate::model::schedule::Kind;
use crate::support::{Function, SLOT, asked, engine, one, opened, said};

const FOLDER: &str = "TSUGI_FILES_OF_A_CHILD";
const EPOCH: &str = "TSUGI_EPOCH_OF_A_CHILD";
const NAME: &str = "killed::i16_of_each_call_of_a_killed_engine_all_records_are_there_or_none";

/// How many records a call writes.
const RECORDS: u8 = 6;

fn rounds() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 500 } else { 25 }
}

fn declared() -> Declared {
    Kind::of(Organization::Indexed, Access::Dynamic).duplicates().optional().declared()
}

/// A record of a call: its key is a number that no other record has, its serial stands behind.
fn record(number: u16, serial: u64) -> Vec<u8> {
    let mut record = number.to_be_bytes().to_vec();
    record.extend_from_slice(b"11xx1");
    record.extend_from_slice(&serial.to_be_bytes());
    record
}

/// Writes so many records behind the last one.
fn writes(call: &Begin, desk: &mut Desk<'_>) -> Result<tsugi_service_engine::worker::Said, Undo> {
    let declared = declared();
    let serial: u64 = String::from_utf8_lossy(call.given.first()).parse().unwrap();
    let (access, optional) = (declared.select.access, declared.optional);
    let mode = Mode::InputOutput;
    let request = Request { file: 0, mode, access, optional, differs: None };
    let opened = desk.file(SLOT, request.said())?;
    assert!(opened.status < 10, "{opened:?}");
    for n in 0..RECORDS {
        let number = u16::try_from(serial).unwrap() * u16::from(RECORDS) + u16::from(n);
        let record = record(number, serial);
        let placing = Placing::ByKey;
        let write = operation_said(&Operation::Write { record: &record, placing }).into_owned();
        let written = desk.file(SLOT, write)?;
        if written.status >= 10 {
            return Err(Undo::Failed(format!("record {number}: {}", written.status)));
        }
    }
    Ok(said(call.given.first().to_vec()))
}

/// The engine: a line for a call, a line for its answer.
fn child(folder: &Path) {
    let epoch: u64 = std::env::var(EPOCH).unwrap().parse().unwrap();
    let program = Function { files: one("F", &declared()), run: Box::new(writes) };
    let (engine, _last) = engine(opened(folder, epoch), epoch, program);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for line in std::io::stdin().lines() {
        let (calls, serial) = (engine.calls(), line.unwrap());
        runtime.spawn(async move {
            let answer = calls.call(asked(serial.parse().unwrap(), &serial)).await;
            if let Answer::Reply(reply) = &answer {
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                let mut out = std::io::stdout().lock();
                // What cannot be told is asked for again.
                drop(writeln!(out, "told {body}").and_then(|()| out.flush()));
            }
        });
    }
}

/// Kills an engine that has these calls after a while. Which it had told.
fn round(folder: &Path, epoch: u64, serials: &[u64], answers: usize, pause: Duration) -> Vec<u64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(FOLDER, folder);
    command.env(EPOCH, epoch.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for serial in serials {
        writeln!(input, "{serial}").unwrap();
    }
    let mut told = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut hear = |told: &mut Vec<u64>| {
        let Some(Ok(line)) = lines.next() else { return false };
        if let Some((_, serial)) = line.split_once("told ") {
            told.push(serial.trim().parse().unwrap_or_else(|_| panic!("{line}")));
        }
        true
    };
    while told.len() < answers {
        assert!(hear(&mut told), "nothing but this test ends it");
    }
    let until = Instant::now() + pause;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    // What it told before it died counts.
    while hear(&mut told) {}
    child.wait().unwrap();
    told
}

/// How many records of each call there are, and how many entries of each alternate key.
fn counted(folder: &Path, epoch: u64) -> (BTreeMap<u64, u8>, [usize; 3]) {
    let mut store = opened(folder, epoch);
    let mut aside = store.aside().unwrap();
    let Some(file) = file::Files::of(&mut *aside).find("F").unwrap() else {
        return (BTreeMap::new(), [0; 3]);
    };
    let mut rows = file::Files::of(&mut *aside).records(&file);
    let (mut records, mut entries) = (BTreeMap::new(), [0; 3]);
    let mut next = rows.seek(file::Seek::First).unwrap();
    while let Some(held) = next {
        next = rows.seek(file::Seek::Above(&held.key)).unwrap();
        let serial = u64::from_be_bytes(held.record[7..15].try_into().unwrap());
        *records.entry(serial).or_default() += 1;
    }
    for (number, count) in (1..).zip(&mut entries) {
        let mut next = rows.seek_entry(number, file::Seek::First).unwrap();
        while let Some(entry) = next {
            next = rows.seek_entry(number, file::Seek::Above((&entry.key, entry.place))).unwrap();
            *count += 1;
        }
    }
    (records, entries)
}

#[test]
fn i16_of_each_call_of_a_killed_engine_all_records_are_there_or_none() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return child(Path::new(&folder));
    }
    let folder = TempDir::new().unwrap();
    let (mut told, mut open, mut serial) = (Vec::new(), Vec::new(), 0);
    let mut all_or_none = 0;
    for epoch in 10..10 + rounds() {
        while open.len() < 12 {
            serial += 1;
            open.push(serial);
        }
        let answers = usize::try_from(epoch % 7).unwrap();
        let pause = Duration::from_micros(epoch * 7_919 % 2_000);
        let now = round(folder.path(), epoch * 2, &open, answers, pause);
        told.extend(now);
        let (records, entries) = counted(folder.path(), epoch * 2 + 1);
        let all = records.len() * usize::from(RECORDS);
        assert_eq!(entries, [all; 3], "each record has its entries");
        for serial in &open {
            let there = records.get(serial).copied().unwrap_or_default();
            assert!(there == 0 || there == RECORDS, "{serial}: {there} records");
            let was = told.contains(serial);
            assert!(!was || there == RECORDS, "{serial} was told and is not there");
            all_or_none += usize::from(!was);
        }
        open.retain(|serial| !told.contains(serial));
    }
    assert!(all_or_none > 20, "hardly a call was interrupted: {all_or_none}");
    assert!(told.len() > 20, "hardly a call was told: {}", told.len());
}
