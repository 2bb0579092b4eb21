//! The process of a user's program is a role of the one binary.

use std::process::{Command, Stdio};

/// What a worker says that is told nothing, and how it ends.
fn said(words: &[&str]) -> (Vec<u8>, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
    let ended = command.arg("worker").args(words).stdin(Stdio::null()).output().expect("it runs");
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    (ended.stdout, ended.status.code())
}

#[test]
fn a_worker_speaks_frames_and_ends_with_its_engine() {
    let (hello, code) = said(&["library", "/no/such.so"]);
    // Behind the length of the first frame stands its kind: 65 is a hello.
    assert_eq!((hello.get(4), code), (Some(&65), Some(0)));
    let (failed, code) = said(&[]);
    assert_eq!((failed.get(4), code), (Some(&69), Some(0)));
    assert!(String::from_utf8_lossy(&failed).contains("the worker is not told what to hold"));
}
