//! A daemon is killed at any moment, under load, and so is a process of its server: every call
//! counts once, and what was told once is told again, byte for byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::daemon::{Caller, Daemon, call_until_answered, own_address};
use crate::members::Shared;
use crate::server::Server;
use crate::volume::Volume;
use crate::way::{Fate, way};

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

/// As often as this, or as the full counts say.
fn often(usual: u64, full: u64) -> u64 {
    let all = std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1");
    if all { full } else { usual }
}

/// Callers that call until they are told to end, each call with an id of its own.
struct Load {
    next: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    told: Arc<Mutex<BTreeMap<u64, String>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (next, last) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(u64::MAX)));
        let told: Arc<Mutex<BTreeMap<u64, String>>> = Arc::default();
        let caller = |_| {
            let (next, told, last) = (next.clone(), told.clone(), last.clone());
            thread::spawn(move || {
                while next.load(Ordering::SeqCst) < last.load(Ordering::SeqCst) {
                    let serial = next.fetch_add(1, Ordering::SeqCst);
                    let answer = call_until_answered(address, serial, "add a");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    told.lock().unwrap().insert(serial, answer.body);
                }
            })
        };
        let callers = (0..CALLERS).map(caller).collect();
        Self { next, last, told, callers }
    }

    /// Waits until so many calls more have begun.
    fn goes_on(&self, many: u64) {
        let enough = self.next.load(Ordering::SeqCst) + many;
        self.until(|| self.next.load(Ordering::SeqCst) >= enough);
    }

    fn until(&self, holds: impl Fn() -> bool) {
        while !holds() {
            let dead = self.callers.iter().any(JoinHandle::is_finished);
            assert!(!dead, "a caller was told what it should not be");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it: each call has counted once, and is told the same again. How many there were.
    fn holds(self, address: SocketAddr, value: impl Fn() -> u64) -> u64 {
        self.last.store(0, Ordering::SeqCst);
        self.callers.into_iter().for_each(|caller| caller.join().unwrap());
        let told = Arc::try_unwrap(self.told).unwrap().into_inner().unwrap();
        let many = told.len() as u64;
        let mut numbers: Vec<u64> = told.values().map(|body| body.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=many).collect::<Vec<_>>(), "each has counted once");
        assert_eq!(value(), many);
        let mut caller = Caller::connect(address).unwrap();
        for (serial, body) in &told {
            assert_eq!(caller.call("COUNTER", *serial, "add a").unwrap().body, *body);
        }
        assert_eq!(value(), many, "and what is asked again does not count");
        many
    }
}

/// A daemon is started and killed so often, and once more started. How many calls were answered.
fn killed(
    rounds: u64,
    address: SocketAddr,
    ready: impl Fn(&str) -> Daemon,
    value: impl Fn() -> u64,
) -> u64 {
    let load = Load::start(address);
    let mut chance = Chance(0x7473_7567);
    for round in 1..=rounds {
        let daemon = ready(&format!("e1.{round}"));
        load.goes_on(chance.below(40));
        // Somewhere within a call and its commit.
        thread::sleep(Duration::from_micros(chance.below(4_000)));
        daemon.kill();
    }
    let daemon = ready(&format!("e1.{}", rounds + 1));
    let many = load.holds(address, value);
    assert_eq!(daemon.stop(), Some(0));
    many
}

#[test]
fn mf_10_whenever_the_daemon_is_killed_each_call_counts_once_and_is_answered_alike() {
    let (volume, address, rounds) = (Volume::new(), own_address(), often(12, 1_000));
    let ready = |epoch: &str| Daemon::ready(&volume, address, epoch);
    let many = killed(rounds, address, ready, || volume.value());
    assert!(many >= 8 * rounds, "{many} calls");
}

#[test]
fn mf_10_whenever_a_daemon_on_postgresql_is_killed_each_call_counts_once() {
    let (server, volume, address) = (Server::new(), Volume::bare(), own_address());
    let (shared, rounds) = (Shared::new(&server, &[&volume]), often(8, 1_000));
    let folder = server.folder.path();
    let ready = |epoch: &str| {
        let command = shared.member_by(("one", &volume), (address, epoch), folder);
        Daemon::of(command, address, &volume)
    };
    let many = killed(rounds, address, ready, || shared.value().parse().unwrap());
    assert!(many >= 8 * rounds, "{many} calls");
}

/// Of so many commits one is lost, in one of two ways.
const EVERY: u64 = 6;

#[test]
fn i3_whenever_a_process_of_the_server_is_killed_at_a_commit_each_call_counts_once() {
    let (server, volume, address) = (Server::new(), Volume::bare(), own_address());
    let (shared, kills) = (Shared::new(&server, &[&volume]), often(8, 400));
    let (commits, killed) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let counts = killed.clone();
    let judge = move |bytes: &[u8]| {
        if !bytes.windows(7).any(|seven| seven == b"COMMIT\0") {
            return Fate::Carried;
        }
        let nth = commits.fetch_add(1, Ordering::SeqCst) + 1;
        if !nth.is_multiple_of(EVERY) {
            return Fate::Carried;
        }
        counts.fetch_add(1, Ordering::SeqCst);
        // The other half is killed with the commit's record written, and its answer not told.
        if (nth / EVERY).is_multiple_of(2) { Fate::Killed } else { Fate::KilledBehind }
    };
    let way = way(server.folder.path(), Arc::new(judge));
    let command = shared.member_by(("one", &volume), (address, "e1.1"), way.path());
    let daemon = Daemon::of(command, address, &volume);
    let load = Load::start(address);
    load.until(|| killed.load(Ordering::SeqCst) >= kills);
    let value = || {
        server.answers();
        shared.value().parse().unwrap()
    };
    load.holds(address, value);
    assert_eq!(daemon.stop(), Some(0));
}
