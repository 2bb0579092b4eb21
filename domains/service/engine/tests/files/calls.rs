//! What a call leaves in its files, and what is refused.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tsugi_files::definition::{Access, Organization};
use tsugi_files::front::Front;
use tsugi_files::open::{Mode, Recreate, Rights};
use tsugi_files::operation::{self, Direction, Edge, Operation, Placing};
use tsugi_files::spoken::{Request, operation_said, shape};
use tsugi_frames::{FileOperation, FileResult};
use tsugi_service_engine::files::{Declared, Files};
use tsugi_service_engine::worker::Begin;
use tsugi_service_engine::worker::thread::{Desk, Undo};
use tsugi_service_engine::{Answer, Refused};
use tsugi_store::{Ending, Store, file};
use tsugi_vocabulary::Span;

use crate::model::program::{self, Fields, run};
use crate::model::schedule::Kind;
use crate::model::script::{Line, Order};
use crate::support::{AtEngine, Function, SLOT, Stand, call, one, said, shared};

/// The record of the report: six bytes of key.
fn indexed() -> program::Declared {
    Kind::of(Organization::Indexed, Access::Dynamic).duplicates().declared()
}

fn sequential() -> program::Declared {
    Kind::of(Organization::Sequential, Access::Sequential).declared()
}

/// How many records a file has; none where it is not there.
fn count(stand: &mut Stand, name: &str) -> Option<usize> {
    let mut store = stand.store();
    let mut aside = store.aside().unwrap();
    let file = file::Files::of(&mut *aside).find(name).unwrap()?;
    let mut records = file::Files::of(&mut *aside).records(&file);
    let (mut count, mut next) = (0, records.seek(file::Seek::First).unwrap());
    while let Some(held) = next {
        next = records.seek(file::Seek::Above(&held.key)).unwrap();
        count += 1;
    }
    Some(count)
}

fn open(file: u16, mode: Mode, declared: &program::Declared) -> FileOperation<'static> {
    let (access, optional) = (declared.select.access, declared.optional);
    Request { file, mode, access, optional, differs: None }.said()
}

fn write(record: &str) -> FileOperation<'static> {
    let operation = Operation::Write { record: record.as_bytes(), placing: Placing::ByKey };
    operation_said(&operation).into_owned()
}

fn next() -> FileOperation<'static> {
    let (stand, edge) = (operation::Stand::Opened, Edge::Inside);
    let step = Operation::Step { direction: Direction::Next, stand, edge, largest: None };
    operation_said(&step).into_owned()
}

/// What a call did: its body is the orders, a letter each.
fn letters(
    declared: &program::Declared,
    call: &Begin,
    desk: &mut Desk<'_>,
) -> Result<String, Undo> {
    let mut told = String::new();
    for letter in String::from_utf8_lossy(call.given.first()).chars() {
        let operation = match letter {
            'o' => open(0, Mode::Output, declared),
            'i' => open(0, Mode::Input, declared),
            'b' => open(0, Mode::InputOutput, declared),
            'n' => next(),
            'd' => FileOperation::Remove {},
            'x' => return Err(Undo::Refused("as it was told to".to_owned())),
            'p' => panic!("as it was told to"),
            record => write(&format!("{record}a11xx1rest")),
        };
        let slot = if letter == 'd' { 0 } else { SLOT };
        let FileResult { status, records, .. } = desk.file(slot, operation)?;
        told += &format!("{status:02}");
        for record in records {
            told.push(char::from(record.record[0]));
        }
        told.push(' ');
    }
    Ok(told)
}

fn lettered(files: Files) -> Function {
    let declared = indexed();
    let run = move |call: &Begin, desk: &mut Desk<'_>| letters(&declared, call, desk).map(said);
    Function { files, run: Box::new(run) }
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Reply(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_call_that_aborts_after_a_write_leaves_no_record() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(lettered(one("F", &indexed())));
    let calls = engine.calls();
    assert_eq!(told(&call(&calls, 1, "okl")), "00 00 02 ");
    for (serial, body, ending) in
        [(2, "bmnx", Ending::Refused), (3, "ommp", Ending::Abnormal), (4, "bdx", Ending::Refused)]
    {
        let Answer::Reply(reply) = call(&calls, serial, body) else { panic!("{body}") };
        assert_eq!(reply.ending, ending, "{body}");
    }
    assert_eq!(told(&call(&calls, 5, "inn")), "00 00k 00k ", "each looks from OPEN on");
    engine.hand_over(Span::secs(5));
    assert_eq!(count(&mut stand, "F"), Some(2));
}

#[test]
fn a_file_that_stays_open_is_open_in_the_next_call_and_stands_nowhere() {
    let mut stand = Stand::new();
    let declared = sequential();
    let state = shared((Front::new(declared.select), Fields::default()));
    let files = one("F", &declared);
    let program = move |call: &Begin, desk: &mut Desk<'_>| {
        let (front, fields) = &mut *state.lock().unwrap();
        let mut behind = AtEngine::new(desk, &declared);
        let mut told = String::new();
        for order in String::from_utf8_lossy(call.given.first()).chars() {
            let order = match order {
                'O' => Order::OpenOutput,
                'I' => Order::OpenInput,
                'C' => Order::Close,
                'W' => Order::Write,
                _ => Order::Next,
            };
            let line = Line { record: "abcdefgh".to_owned(), ..Line::of(order) };
            told += &run(&declared, front, fields, &line, &mut behind).status;
            told.push(' ');
        }
        front.call_ended();
        Ok(said(told))
    };
    let (engine, _last) = stand.engine(Function { files, run: Box::new(program) });
    let calls = engine.calls();
    assert_eq!(told(&call(&calls, 1, "OWWCINN")), "00 00 00 00 00 00 00 ");
    // It is open, its position was the call's.
    assert_eq!(told(&call(&calls, 2, "NICIN")), "46 41 00 00 00 ");
    assert_eq!(told(&call(&calls, 3, "N")), "46 ");
    engine.hand_over(Span::secs(5));
}

#[test]
fn a_service_takes_no_call_while_a_file_that_it_needs_is_missing() {
    let mut stand = Stand::new();
    let needed = |name: &str| Declared::new(name, indexed().definition);
    let files = Files::new([needed("F").made_by_programs(), needed("STOCK"), needed("PRICE")]);
    let refused = Refused::NotDeployed { why: "missing files: STOCK, PRICE".into() };
    let (engine, _last) = stand.engine(lettered(files.clone()));
    assert_eq!(call(&engine.calls(), 1, "ok"), Answer::Refused(refused));
    engine.hand_over(Span::secs(5));
    assert_eq!(count(&mut stand, "F"), None, "nothing of it was carried out");
    let mut store = stand.store();
    let mut aside = store.aside().unwrap();
    let kept = tsugi_service_engine::files::shape(&indexed().definition);
    for name in ["STOCK", "PRICE"] {
        file::Files::of(&mut *aside).make(name, &kept, 1).unwrap();
    }
    aside.keep().unwrap();
    store.commit().unwrap();
    drop(store);
    let (engine, _last) = stand.engine(lettered(files));
    assert_eq!(told(&call(&engine.calls(), 1, "ok")), "00 00 ", "the refusal was not stored");
    engine.hand_over(Span::secs(5));
}

#[test]
fn a_service_that_takes_its_own_file_away_is_closed_until_there_is_one_again() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(lettered(one("F", &indexed())));
    assert_eq!(told(&call(&engine.calls(), 1, "o")), "00 ");
    engine.hand_over(Span::secs(5));
    let files = Files::new([Declared::new("F", indexed().definition)]);
    let (engine, _last) = stand.engine(lettered(files));
    assert_eq!(told(&call(&engine.calls(), 2, "dib")), "00 35 35 ", "not in its own call");
    let refused = Refused::NotDeployed { why: "missing files: F".into() };
    let again = call(&engine.calls(), 3, "o");
    assert_eq!(again, Answer::Refused(refused));
    // What it had answered it still tells.
    assert_eq!(told(&call(&engine.calls(), 2, "dib")), "00 35 35 ");
    engine.hand_over(Span::secs(5));
}

#[test]
fn rights_and_other_attributes_are_told_by_their_status() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(lettered(one("F", &indexed())));
    assert_eq!(told(&call(&engine.calls(), 1, "ok")), "00 00 ");
    engine.hand_over(Span::secs(5));
    let read = Declared { rights: Rights::Read, ..Declared::new("F", indexed().definition) };
    let (engine, _last) = stand.engine(lettered(Files::new([read])));
    assert_eq!(told(&call(&engine.calls(), 2, "obdin")), "37 37 37 00 00k ");
    engine.hand_over(Span::secs(5));
    // The program says something else of the file than the store.
    for (recreate, statuses, left) in
        [(Recreate::Refused, "39 39 ", 1), (Recreate::Allowed, "39 00 ", 0)]
    {
        let other = Declared { recreate, ..Declared::new("F", sequential().definition) };
        let (engine, _last) = stand.engine(lettered(Files::new([other])));
        assert_eq!(told(&call(&engine.calls(), 3 + left, "bo")), statuses);
        engine.hand_over(Span::secs(5));
        assert_eq!(count(&mut stand, "F"), Some(usize::try_from(left).unwrap()));
    }
}

#[test]
fn what_no_worker_asks_that_keeps_to_the_rules_ends_the_call_by_name() {
    let mut stand = Stand::new();
    let declared = indexed();
    let (tell, asked) = channel::<(u16, FileOperation<'static>)>();
    let asked = std::sync::Mutex::new(asked);
    let program = move |_: &Begin, desk: &mut Desk<'_>| {
        while let Ok((slot, operation)) = asked.lock().unwrap().try_recv() {
            desk.file(slot, operation)?;
        }
        Ok(said("all was answered"))
    };
    let files = one("F", &declared);
    let (engine, _last) = stand.engine(Function { files, run: Box::new(program) });
    let calls = engine.calls();
    let mut long = shape(&declared.definition);
    long.longest = 32 << 20;
    let of_long = FileOperation::Open {
        file: 0,
        mode: tsugi_frames::Mode::Output,
        access: tsugi_frames::Access::Dynamic,
        optional: tsugi_frames::Optional::No,
        shape: Some(long),
    };
    let all = [
        (vec![(1, write("ka11xx1"))], "file of slot 1: it is not open"),
        (vec![(1, open(9, Mode::Output, &declared))], "file of slot 1: no file has index 9"),
        (vec![(1, of_long)], "file F: a record of 33554432 bytes is longer than"),
        (
            vec![
                (1, open(0, Mode::Output, &declared)),
                (1, open(0, Mode::Input, &declared)),
                (1, write("ka11xx1")),
            ],
            "file F: it is open to be read only",
        ),
        (vec![(1, open(0, Mode::Output, &declared)), (1, write("k"))], "file F: RecordLength"),
    ];
    for (serial, (operations, why)) in (1..).zip(all) {
        operations.into_iter().for_each(|one| tell.send(one).unwrap());
        let Answer::Reply(reply) = call(&calls, serial, "on") else { panic!("{why}") };
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.ending, Ending::Abnormal, "{why}");
        assert!(body.contains(why), "{body}, not {why}");
    }
    engine.hand_over(Span::secs(5));
    assert_eq!(count(&mut stand, "F"), None, "nothing of them is left");
}

#[test]
fn what_a_file_had_before_it_was_made_anew_is_swept_away() {
    let mut stand = Stand::new();
    let declared = sequential();
    let (access, optional) = (declared.select.access, declared.optional);
    let program = move |_: &Begin, desk: &mut Desk<'_>| {
        let mode = Mode::Output;
        let open = Request { file: 0, mode, access, optional, differs: None }.said();
        desk.file(SLOT, open)?;
        for _ in 0..300 {
            let write = Operation::Write { record: b"12345678", placing: Placing::Append };
            desk.file(SLOT, operation_said(&write).into_owned())?;
        }
        Ok(said("written"))
    };
    let files = one("F", &sequential());
    let (engine, _last) = stand.engine(Function { files, run: Box::new(program) });
    for serial in 1..=4 {
        assert_eq!(told(&call(&engine.calls(), serial, "on")), "written");
    }
    let path = stand.folder.path().join("store.db");
    let reader = rusqlite::Connection::open(path).unwrap();
    let count = |table: &str| -> i64 {
        let text = format!("SELECT count(*) FROM tsugi_{table}");
        reader.query_row(&text, [], |row| row.get(0)).unwrap()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while count("record") > 300 || count("generation") > 1 {
        assert!(Instant::now() < end, "{} records are left", count("record"));
        std::thread::yield_now();
    }
    engine.hand_over(Span::secs(5));
    assert_eq!(self::count(&mut stand, "F"), Some(300));
}

#[test]
fn a_file_that_a_program_makes_has_its_quota_and_what_is_more_is_told_by_status() {
    let mut stand = Stand::new();
    let declared = Declared::new("F", indexed().definition).made_by_programs().at_most(Some(2));
    let (engine, _last) = stand.engine(lettered(Files::new([declared])));
    let calls = engine.calls();
    assert_eq!(told(&call(&calls, 1, "oklm")), "00 00 02 24 ", "the third has no place");
    assert_eq!(told(&call(&calls, 2, "bm")), "00 24 ", "nor in another call");
    assert_eq!(told(&call(&calls, 3, "om")), "00 00 ", "made anew it is empty");
    engine.hand_over(Span::secs(5));
    assert_eq!(count(&mut stand, "F"), Some(1));
}
