//! A daemon is killed at any moment, under load: every call counts once, and what was told once is
//! told again, byte for byte.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::daemon::{Caller, Daemon, call_until_answered, own_address};
use crate::volume::Volume;

/// Callers at once.
const CALLERS: u64 = 8;

/// Numbers from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn rounds() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 1_000 } else { 12 }
}

#[test]
fn mf_10_whenever_the_daemon_is_killed_each_call_counts_once_and_is_answered_alike() {
    let volume = Volume::new();
    let address = own_address();
    let rounds = rounds();
    let next = Arc::new(AtomicU64::new(1));
    let told: Arc<Mutex<BTreeMap<u64, String>>> = Arc::default();
    let last = Arc::new(AtomicU64::new(u64::MAX));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (next, told, last) = (next.clone(), told.clone(), last.clone());
            thread::spawn(move || {
                while next.load(Ordering::SeqCst) < last.load(Ordering::SeqCst) {
                    let serial = next.fetch_add(1, Ordering::SeqCst);
                    let answer = call_until_answered(address, serial, "add a");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    told.lock().unwrap().insert(serial, answer.body);
                }
            })
        })
        .collect();
    let mut chance = Chance(0x7473_7567);
    for round in 1..=rounds {
        let daemon = Daemon::ready(&volume, address, &format!("e1.{round}"));
        let enough = next.load(Ordering::SeqCst) + chance.below(40);
        while next.load(Ordering::SeqCst) < enough {
            thread::sleep(Duration::from_millis(1));
        }
        // Somewhere within a call and its commit.
        thread::sleep(Duration::from_micros(chance.below(4_000)));
        daemon.kill();
    }
    last.store(0, Ordering::SeqCst);
    let daemon = Daemon::ready(&volume, address, &format!("e1.{}", rounds + 1));
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    let told = Arc::try_unwrap(told).unwrap().into_inner().unwrap();
    let many = told.len() as u64;
    let mut numbers: Vec<u64> = told.values().map(|body| body.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=many).collect::<Vec<_>>(), "each has counted once");
    assert_eq!(volume.value(), many);
    let mut caller = Caller::connect(address).unwrap();
    for (serial, body) in &told {
        assert_eq!(caller.call("COUNTER", *serial, "add a").unwrap().body, *body);
    }
    assert_eq!(volume.value(), many, "and what is asked again does not count");
    assert!(many >= 8 * rounds, "{many} calls");
    assert_eq!(daemon.stop(), Some(0));
}
