//! Stores in which much is kept: filled by the store's own code, without an engine.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tsugi_store::{Begun, Call, Client, Content, Ending, Id, Reply, Serial, Store as _};

use super::engine::{Plan, Running, opened};

/// How many replies one client has that it has not confirmed.
const EACH: u64 = 1_000;
/// How many go into one commit.
const TOGETHER: u64 = 10_000;
/// Every second reply is older than what is kept, and is taken away by a purge.
const OLD: Duration = Duration::from_secs(8 * 24 * 3_600);

/// Fills a store with so many replies of clients whom nobody else is.
pub fn fill(folder: &Path, rows: u64) {
    let mut store = opened(folder);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let reply = Reply {
        ending: Ending::Done,
        service: 1,
        interface: 1,
        attempt: 1,
        at: at(now),
        status: 200,
        content_type: "application/json".to_owned(),
        body: b"4711".to_vec(),
    };
    for row in 0..rows {
        let mut digest = *b"filled..filled..";
        digest[8..].copy_from_slice(&(row / EACH).to_be_bytes());
        let client = Client { digest, incarnation: 1 };
        let serial = i64::try_from(row % EACH + 1).expect("they are few");
        let id = Id::Serial(Serial::new(client, serial, 1).expect("a client counts so"));
        let age = if row % 2 == 0 { Duration::ZERO } else { OLD };
        let reply = Reply { at: at(now.saturating_sub(age)), ..reply.clone() };
        let Begun::New(work) =
            store.begin(&Call { id, content: Content([7; 16]) }).expect("it is ours")
        else {
            panic!("nobody has called it");
        };
        work.finish(&reply).expect("there is room");
        if (row + 1) % TOGETHER == 0 {
            store.commit().expect("the disk works");
        }
    }
    store.commit().expect("the disk works");
}

/// How long an engine that was killed takes until it listens again, in milliseconds.
pub fn up_ms(plan: &Plan<'_>, running: Running) -> (f64, Running) {
    running.kill();
    let begun = Instant::now();
    let running = Running::start(plan);
    (begun.elapsed().as_secs_f64() * 1e3, running)
}
