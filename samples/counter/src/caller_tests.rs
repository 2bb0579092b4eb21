//! The caller against owners that come and go.

use super::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread;

/// Answers calls with numbers that rise from `first`; drops the connection before the answer to
/// every `drop_each`-th new call, as an owner that was lost between effect and reply.
fn owner(listener: TcpListener, first: u64, drop_each: u64) {
    let mut given = BTreeMap::<u64, u64>::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
            let serial: u64 = line.split(' ').next_back().unwrap().parse().unwrap();
            let known = given.contains_key(&serial);
            let next = first + given.len() as u64;
            let number = *given.entry(serial).or_insert(next);
            if !known && number.is_multiple_of(drop_each) {
                break;
            }
            let reply = format!("{number} n1 2026-01-01 00:00:00.000 counter c {serial}\n");
            if stream.write_all(reply.as_bytes()).is_err() {
                break;
            }
        }
    }
}

#[test]
fn a_call_whose_answer_was_lost_is_asked_again_under_the_same_id() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut caller = Caller::new(listener.local_addr().unwrap(), "c", 500);
    thread::spawn(move || owner(listener, 1, 7));
    let printed = std::cell::Cell::new(0);
    let summary = caller.call_until(|| printed.get() >= 30, |_| printed.set(printed.get() + 1));
    assert_eq!((summary.lost, summary.doubled), (0, 0), "{summary}");
    assert_eq!(summary.calls, printed.get());
    assert_eq!(summary.program, "counter");
}
