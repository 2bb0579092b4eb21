//! What a worker refuses to run, by name and before its first call.

use std::fs;

use tsugi_frames::{Class, Hash};
use tsugi_worker::Spawn;

use crate::engine::{Came, Engine, interface};
use crate::programs::{counter_c, library, room};

/// Why this is not run.
#[track_caller]
fn refused(engine: &mut Engine, spawn: &Spawn, service: (&str, Hash)) -> String {
    match engine.serving(spawn, &[service]) {
        Ok(_) => panic!("it is run"),
        Err(Came::Failed(Class::Start, _, text)) => text,
        Err(other) => panic!("{other:?}"),
    }
}

const UNFIT: (&str, Hash) = ("UNFIT", Hash([0x11; 32]));

fn unfit(engine: &Engine, more: &[&str]) -> Spawn {
    library(&engine.compiled(&room().join("tests/worker/unfit.c"), more))
}

#[test]
fn a_library_of_another_version_is_refused_by_name() {
    let mut engine = Engine::new();
    let spawn = unfit(&engine, &["-DABI=2"]);
    let text = refused(&mut engine, &spawn, UNFIT);
    assert!(text.ends_with("unfit.so: no service for ABI 1"), "{text}");
}

#[test]
fn a_library_without_the_symbol_or_that_is_none_is_refused_by_name() {
    let mut engine = Engine::new();
    let empty = engine.path("empty.c");
    fs::write(&empty, "int nothing;").unwrap();
    let spawn = library(&engine.compiled(&empty, &[]));
    let text = refused(&mut engine, &spawn, UNFIT);
    assert!(text.contains("empty.so") && text.contains("tsugi_service_at"), "{text}");
    let text = refused(&mut engine, &library(&empty), UNFIT);
    assert!(text.contains("empty.c"), "{text}");
    let missing = engine.path("missing.so");
    let text = refused(&mut engine, &library(&missing), UNFIT);
    assert!(text.contains("missing.so"), "{text}");
}

#[test]
fn a_service_that_the_library_does_not_have_is_refused_by_name() {
    let mut engine = Engine::new();
    let spawn = unfit(&engine, &[]);
    let text = refused(&mut engine, &spawn, ("OTHER", Hash([0; 32])));
    assert!(text.ends_with("unfit.so: no service OTHER"), "{text}");
}

#[test]
fn a_service_written_for_another_interface_is_refused_with_both() {
    let mut engine = Engine::new();
    let counter = library(&engine.compiled(&counter_c(), &[]));
    let text = refused(&mut engine, &counter, ("COUNTER", Hash([0xab; 32])));
    let both =
        format!("COUNTER: written for interface 0123456789abcdef, deployed is {}", "ab".repeat(32));
    assert_eq!(text, both);
    assert!(engine.serving(&counter, &[("COUNTER", interface())]).is_ok());
    // A hash that is too short to say anything is none.
    let short = unfit(&engine, &["-DHASH=\"1111\""]);
    let text = refused(&mut engine, &short, UNFIT);
    assert!(text.starts_with("UNFIT: written for interface 1111,"), "{text}");
}

#[test]
fn a_service_whose_start_fails_is_refused_and_one_that_starts_asks_for_nothing() {
    let mut engine = Engine::new();
    let failing = unfit(&engine, &["-DSTARTS=5"]);
    let text = refused(&mut engine, &failing, UNFIT);
    assert_eq!(text, "UNFIT: its start has answered 5");
    let spawn = unfit(&engine, &[]);
    let mut talk = engine.serving(&spawn, &[UNFIT]).expect("it starts");
    assert_eq!(engine.call(&mut talk, "x").reply(), "");
    engine.leave(&mut talk);
    let printed = &engine.printed[&talk.worker.number()];
    assert_eq!(printed, b"starting\n", "what it logs then goes to where it prints");
}

#[test]
fn a_worker_tells_the_hash_of_what_it_holds_and_refuses_what_it_cannot_hold() {
    let mut engine = Engine::new();
    let path = engine.compiled(&counter_c(), &[]);
    let talk = engine.ready(&library(&path));
    let (_, modules) = talk.hello.expect("it has said hello");
    let said = std::process::Command::new("sha256sum").arg(&path).output().expect("a hash");
    assert!(String::from_utf8_lossy(&said.stdout).starts_with(&modules[0].to_string()));
    let mut spawn = library(&path);
    spawn.argv[1] = "cards".to_owned();
    assert_eq!(refused(&mut engine, &spawn, UNFIT), "the worker holds no cards");
    spawn.argv.truncate(1);
    assert_eq!(refused(&mut engine, &spawn, UNFIT), "the worker is not told what to hold");
}
