//! Callers that call again as soon as they are answered.

use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use super::store::KEYS;

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: usize,
    /// The how manieth call of this caller, from 1.
    pub serial: u64,
    /// Which number is counted up.
    pub key: u64,
    at: Instant,
}

/// A call and what its program replied, once that is durable.
pub struct Answered {
    /// Which call.
    pub call: Call,
    /// The reply: the key and its number.
    pub reply: Vec<u8>,
}

/// Calls with so many at once for `span`; how long each call took.
pub fn call(
    callers: usize,
    span: Duration,
    calls: Sender<Call>,
    letters: &Receiver<Vec<Answered>>,
) -> Vec<Duration> {
    let (began, mut times, mut waiting) = (Instant::now(), Vec::new(), callers);
    let send = |caller: usize, serial: u64| {
        // Far from one another, so that each call has a page of its own.
        let key = (caller as u64 * 7_919 + serial * 104_729) % KEYS;
        let sent = calls.send(Call { caller, serial, key, at: Instant::now() });
        sent.expect("the writer takes calls until the last caller is gone");
    };
    (0..callers).for_each(|caller| send(caller, 1));
    while waiting > 0 {
        let letter = letters.recv().expect("the writer answers every call");
        let now = Instant::now();
        for Answered { call, reply } in letter {
            times.push(now - call.at);
            let key = reply.split(|byte| *byte == b' ').next();
            assert_eq!(key, Some(call.key.to_string().as_bytes()), "another call's reply");
            if began.elapsed() < span {
                send(call.caller, call.serial + 1);
            } else {
                waiting -= 1;
            }
        }
    }
    times
}
