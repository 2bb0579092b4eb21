//! The socket itself: who may reach it, and what cannot be understood.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::*;

fn path(site: &Site) -> PathBuf {
    site.folder.path().join("control.sock")
}

/// Says these bytes and hears until the agent hangs up.
fn say(site: &Site, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(path(site)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut heard = Vec::new();
    // An end that the system calls a reset is an end as well.
    let _ended = stream.read_to_end(&mut heard);
    heard
}

fn request(json: &str) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap().to_be_bytes();
    [&length[..], json.as_bytes()].concat()
}

#[test]
fn sec11_the_control_socket_has_its_mode_with_any_umask_and_replaces_a_dead_one() {
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bound = || runtime.block_on(async { crate::control::serve::bind(&path) }).unwrap();
    for _ in 0..2 {
        let listener = bound();
        let found = std::fs::metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o7777, 0o660);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is beside it");
        drop(listener);
    }
    nix::sys::stat::umask(before);
}

#[test]
fn i20_a_command_line_two_versions_away_is_refused_by_both_versions_and_a_neighbour_is_not() {
    let site = Site::with(&record());
    let ask = |version| format!(r#"{{"version":{version},"request":{{"ask":"status"}}}}"#);
    let heard = say(&site, &request(&ask(VERSION + 2)));
    let answer: tsugi_wire::control::Answer = talk::decode(&heard[4..]).unwrap();
    let refused = no(answer.reply);
    assert_eq!(refused.what.id, "TSUG10530-E");
    let (ours, theirs) = (VERSION.to_string(), (VERSION + 2).to_string());
    assert_eq!(refused.what.values["version"], ours);
    assert_eq!(refused.what.values["expected"], theirs);
    let heard = say(&site, &request(&ask(VERSION + 1)));
    let answer: tsugi_wire::control::Answer = talk::decode(&heard[4..]).unwrap();
    assert!(matches!(answer.reply, Reply::Status(_)), "{answer:?}");
}

#[test]
fn a_request_that_only_a_newer_build_knows_is_told_so() {
    let site = Site::with(&record());
    let heard = say(&site, &request(r#"{"version":2,"request":{"ask":"levitate"}}"#));
    let answer: tsugi_wire::control::Answer = talk::decode(&heard[4..]).unwrap();
    assert_eq!(no(answer.reply).what.id, "TSUG10531-E");
}

#[test]
fn a_gibibyte_that_is_announced_is_hung_up_on() {
    let site = Site::with(&record());
    assert!(say(&site, &(1_u32 << 30).to_be_bytes()).is_empty());
    assert!(say(&site, &(8_u32 << 20).to_be_bytes()).is_empty(), "also one an answer may have");
}

#[test]
fn a_change_is_carried_out_when_the_terminal_closes() {
    let site = Site::with(&record());
    let ask = Ask { version: VERSION, request: Request::Change(command("c-1", move_pay())) };
    let mut stream = UnixStream::connect(path(&site)).unwrap();
    stream.write_all(&talk::encode(&ask).unwrap()).unwrap();
    drop(stream);
    until("it is in the audit", || site.audit().len() == 1);
}

#[test]
fn those_who_connect_and_say_nothing_keep_nobody_out_for_long() {
    let site = Site::with(&record());
    let silent: Vec<UnixStream> =
        (0..100).map(|_| UnixStream::connect(path(&site)).unwrap()).collect();
    let asked = || {
        let ask = Ask { version: VERSION, request: Request::Status };
        talk::ask(&path(&site), &ask, Duration::from_secs(20))
    };
    assert!(asked().is_err(), "all places are taken, and one more is hung up on");
    drop(silent);
    until("there is a place again", || asked().is_ok());
}
