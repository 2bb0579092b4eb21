//! The report's program, in COBOL, as a service of several members that share its file by one
//! PostgreSQL: each is killed at any moment, again and again, while callers go to whichever is up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::counting::{BOUND, Daemon, Place, call, counter, own_address, sample};
use crate::server::Server;

/// Callers at once.
const CALLERS: u64 = 4;
/// The folder of each member.
const MEMBERS: [&str; 2] = ["u01", "u02"];

fn rounds() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 1_000 } else { 4 }
}

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

/// Calls with the same id, of one member after the other, until one tells what came of it.
fn answered(members: &[SocketAddr], serial: u64) -> String {
    let begun = Instant::now();
    let first = usize::try_from(serial).expect("they are few");
    for turn in first.. {
        assert!(begun.elapsed() < 2 * BOUND, "nobody answers {serial}");
        match call(members[turn % members.len()], serial) {
            Ok((200, body)) => return body,
            // It runs here or at another member, or whoever answers is about to open.
            Ok((202 | 409 | 503, _)) | Err(_) => thread::sleep(Duration::from_millis(2)),
            Ok(other) => panic!("{other:?}"),
        }
    }
    unreachable!("it was answered, or is overdue")
}

/// Callers that call until they are told to end, each call with an id of its own.
struct Callers {
    next: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    told: Arc<Mutex<BTreeMap<u64, String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Callers {
    fn start(members: &[SocketAddr]) -> Self {
        let (next, last) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(u64::MAX)));
        let told: Arc<Mutex<BTreeMap<u64, String>>> = Arc::default();
        let one = |_| {
            let (next, last, told) = (next.clone(), last.clone(), told.clone());
            let members = members.to_vec();
            thread::spawn(move || {
                while next.load(Ordering::SeqCst) < last.load(Ordering::SeqCst) {
                    let serial = next.fetch_add(1, Ordering::SeqCst);
                    let body = answered(&members, serial);
                    told.lock().expect("nobody has panicked").insert(serial, body);
                }
            })
        };
        let threads = (0..CALLERS).map(one).collect();
        Self { next, last, told, threads }
    }

    /// Waits until so many calls more have begun.
    fn go_on(&self, many: u64) {
        let enough = self.next.load(Ordering::SeqCst) + many;
        while self.next.load(Ordering::SeqCst) < enough {
            let dead = self.threads.iter().any(JoinHandle::is_finished);
            assert!(!dead, "a caller was told what it should not be");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) -> BTreeMap<u64, String> {
        self.last.store(0, Ordering::SeqCst);
        self.threads.into_iter().for_each(|one| one.join().expect("it was answered"));
        self.told.lock().expect("nobody has panicked").clone()
    }
}

#[test]
fn mf_10_mf_20_the_reports_program_counts_once_for_each_call_however_its_members_are_killed() {
    let (server, place) = (Server::new(), Place::of(&MEMBERS));
    let database = server.database();
    let at = database.address(server.folder.path());
    let on = ["--postgres", &*at];
    let data = format!("APPFILE01={}", sample("APPFILE01.dat"));
    let package = place.import("srv01.tsugi", &["--dialect", "mf", "--data", &data]);
    // Its file is loaded for the group, once.
    for (volume, said) in [("u01", "TSUG20409-I"), ("u02", "TSUG20410-I")] {
        place.deploy_on(volume, &package, &on).ended(0, said);
    }
    let addresses = MEMBERS.map(|_| own_address());
    let serve = |one: usize, epoch: u64| -> Daemon {
        let words = [&on[..], &["--member", MEMBERS[one], "--sessions", "2"]].concat();
        place.serve_on(MEMBERS[one], (addresses[one], epoch), &words)
    };
    let mut daemons = [0, 1].map(|one| Some(serve(one, 1)));
    let (mut chance, callers) = (Chance(0x7473_7567), Callers::start(&addresses));
    for round in 1..=rounds() {
        callers.go_on(4 + chance.below(12));
        // Within a call and its commit, each round somewhere else.
        thread::sleep(Duration::from_micros(chance.below(6_000)));
        // One or the other, and every third time both at once.
        let killed: &[usize] = match chance.below(3) {
            0 => &[0],
            1 => &[1],
            _ => &[0, 1],
        };
        killed.iter().for_each(|one| drop(daemons[*one].take()));
        for one in killed {
            daemons[*one] = Some(serve(*one, round + 1));
        }
    }
    let told = callers.end();
    let many = told.len() as u64;
    assert!(many >= 4 * rounds() - CALLERS, "{many} calls");
    println!("{} kills, {many} calls", rounds());
    let mut numbers: Vec<u64> = told.values().map(|body| counter(body)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..many).collect::<Vec<_>>(), "each has counted once");
    for (serial, body) in &told {
        for member in addresses {
            assert_eq!(answered(&[member], *serial), *body, "told once, told so by every member");
        }
    }
    let next = told.keys().next_back().map_or(1, |last| last + 1);
    assert_eq!(counter(&answered(&addresses, next)), many, "and does not count");
    daemons.into_iter().flatten().for_each(Daemon::stop);
}
