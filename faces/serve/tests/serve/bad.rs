//! What comes in wrong, at a daemon as it runs: each is refused by its number, and nothing of it is
//! done; whoever asks again as he should is answered once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::daemon::{Answer, Caller, Daemon, call_until_answered, outcome, own_address};
use crate::volume::Volume;

/// The head and body of a call of the counter, with these headers.
fn call(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /call/COUNTER HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn counted(call: &str, lowest: &str) -> String {
    format!("Tsugi-Client: test\r\nTsugi-Call: {call}\r\nTsugi-Lowest: {lowest}\r\n")
}

fn keyed(key: &str) -> String {
    format!("Idempotency-Key: {key}\r\n")
}

/// The answer to bytes on a connection of their own.
fn told(to: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    let mut caller = Caller::connect(to).unwrap();
    caller.say(bytes.as_ref()).unwrap();
    caller.answer().unwrap()
}

/// Its status, and the number of its message.
fn refusal(answer: &Answer) -> (u16, String) {
    let of = |problem: serde_json::Value| problem["id"].as_str().unwrap_or_default().to_owned();
    (answer.status, serde_json::from_str(&answer.body).map(of).unwrap_or_default())
}

#[test]
fn each_call_that_is_wrong_is_refused_by_its_number_and_is_not_carried_out() {
    let volume = Volume::new();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let good = |headers: &str| call(headers, "add a");
    let of = |name: &str| good(&counted("1.1", "1")).replace("COUNTER", name);
    let twice = |header: &str| good(&(counted("1.1", "1") + header));
    let long = good(&counted("1.1", "1")).replace("Length: 5", "Length: 3000000");
    let pieces =
        good(&counted("1.1", "1")).replace("Content-Length: 5", "Transfer-Encoding: chunked");
    let torn = pieces.replace("add a", "2\r\nad\r\nnonsense\r\n");
    let deep = good(&counted("1.1", "1")).replace("/call/", "/call/a/");
    for (what, request, status, number) in [
        ("no id", good(""), 400, "TSUG20101-E"),
        ("half an id", good("Tsugi-Client: test\r\n"), 400, "TSUG20101-E"),
        ("two kinds of id", good(&(counted("1.1", "1") + &keyed("k"))), 400, "TSUG20101-E"),
        ("serial 0", good(&counted("1.0", "1")), 400, "TSUG20102-E"),
        ("a sign", good(&counted("1.-1", "1")), 400, "TSUG20102-E"),
        ("hexadecimal", good(&counted("1.0x1", "1")), 400, "TSUG20102-E"),
        ("beyond 64 bits", good(&counted("1.18446744073709551616", "1")), 400, "TSUG20102-E"),
        ("400 digits", good(&counted(&format!("1.{}", "1".repeat(400)), "1")), 400, "TSUG20102-E"),
        ("the largest serial", good(&counted("1.18446744073709551615", "1")), 400, "TSUG20103-E"),
        ("the largest life", good(&counted("18446744073709551615.1", "1")), 400, "TSUG20103-E"),
        ("beyond its window", good(&counted("1.9223372036854775807", "1")), 429, "TSUG20122-E"),
        ("lowest 0", good(&counted("1.1", "0")), 400, "TSUG20102-E"),
        ("lowest above", good(&counted("1.1", "2")), 400, "TSUG20105-E"),
        ("two serials", twice("Tsugi-Call: 1.2\r\n"), 400, "TSUG20102-E"),
        ("two clients", twice("Tsugi-Client: other\r\n"), 400, "TSUG20102-E"),
        ("two lowest", twice("Tsugi-Lowest: 1\r\n"), 400, "TSUG20102-E"),
        ("two keys", good(&(keyed("k") + &keyed("l"))), 400, "TSUG20102-E"),
        ("a long key", good(&keyed(&"k".repeat(256))), 400, "TSUG20102-E"),
        ("an empty key", good(&keyed("")), 400, "TSUG20102-E"),
        ("patience -1", twice("Tsugi-Patience: -1\r\n"), 400, "TSUG20102-E"),
        ("two kinds of body", twice("Content-Type: text/plain\r\n"), 415, "TSUG20206-E"),
        ("no such service", of("NOBODY"), 404, "TSUG20108-E"),
        ("another case", of("counter"), 404, "TSUG20108-E"),
        ("out of its place", of("..%2f..%2fetc%2fpasswd"), 404, "TSUG20108-E"),
        ("no such page", deep, 404, "TSUG20204-E"),
        ("another method", of("COUNTER").replacen("POST", "PUT", 1), 405, "TSUG20205-E"),
        ("too long", long, 413, "TSUG20110-E"),
        ("no pieces", torn, 400, "TSUG20104-E"),
    ] {
        let answer = told(daemon.address, request);
        assert_eq!(refusal(&answer), (status, number.to_owned()), "{what}: {answer:?}");
    }
    assert_eq!(volume.value(), 0, "nothing was carried out");
    let mut caller = Caller::connect(daemon.address).unwrap();
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, "1", "the id is still free");
    let other = caller.call("COUNTER", 1, "add b").unwrap();
    assert_eq!(refusal(&other), (422, "TSUG20113-E".to_owned()), "{other:?}");
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, "1");
    assert_eq!((volume.value(), daemon.stop()), (1, Some(0)));
}

#[test]
fn i3_an_id_is_one_call_over_restarts_however_its_callers_behave() {
    let volume = Volume::new();
    let address = own_address();
    let mut told: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for round in 1..=3 {
        let daemon = Daemon::ready(&volume, address, &format!("e1.{round}"));
        // Callers and confirms of the same ids at once, some sent in one breath.
        let of = move |serial: u64| call(&counted(&format!("{round}.{serial}"), "1"), "add a");
        let one = move |serial: u64, breath: usize| {
            let mut caller = Caller::connect(address).unwrap();
            caller.say(of(serial).repeat(breath).as_bytes()).unwrap();
            let answers = (0..breath).map(|_| caller.answer().unwrap());
            answers.filter(|answer| answer.status == 200).map(|answer| answer.body).collect()
        };
        let confirm = move |serial: u64| {
            let page =
                format!("POST /call/test:{round}.{serial}/confirm HTTP/1.1\r\nHost: h\r\n\r\n");
            drop(self::told(address, page));
            Vec::new()
        };
        for serial in 1..=20 {
            let together: Vec<thread::JoinHandle<Vec<String>>> = vec![
                thread::spawn(move || one(serial, 1)),
                thread::spawn(move || confirm(serial)),
                thread::spawn(move || one(serial, 5)),
                thread::spawn(move || one(serial, 1)),
            ];
            for caller in together {
                let all = told.entry(round * 100 + serial).or_default();
                all.extend(caller.join().unwrap());
            }
        }
        if round % 2 == 1 { daemon.kill() } else { assert_eq!(daemon.stop(), Some(0)) }
    }
    let daemon = Daemon::ready(&volume, address, "e1.4");
    assert!(told.values().all(|bodies| bodies.len() <= 1), "two answers of one id: {told:?}");
    let numbers: Vec<u64> = told.values().flatten().map(|body| body.parse().unwrap()).collect();
    let distinct: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "one number for two ids: {told:?}");
    let value = volume.value();
    assert!(numbers.len() as u64 <= value && value <= 60, "{value} of {}", numbers.len());
    // Whatever was confirmed is over, in the next life of the daemon too.
    let over = call(&counted("1.20", "1"), "add a");
    let stands = self::told(address, &over);
    match told[&120].first() {
        Some(body) if stands.status == 200 => assert_eq!(stands.body, *body),
        _ => assert_eq!(refusal(&stands).0, 410, "{stands:?}"),
    }
    assert_eq!((volume.value(), daemon.stop()), (value, Some(0)));
}

#[test]
fn i29_a_volume_that_is_full_refuses_calls_and_a_start_and_loses_nothing() {
    let Some(volume) = Volume::on_small_disk() else { return };
    let address = own_address();
    let daemon = Daemon::ready(&volume, address, "e1.1");
    let mut caller = Caller::connect(address).unwrap();
    let first = caller.call("COUNTER", 1, "add a").unwrap();
    assert_eq!(first.status, 200, "{first:?}");
    let rest = volume.fill();
    let refused = caller.call("COUNTER", 2, "add a").unwrap();
    assert_eq!(refusal(&refused), (503, "TSUG20120-E".to_owned()), "{refused:?}");
    assert!(refused.body.contains("same-id"), "{refused:?}");
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, first.body, "it is stored");
    daemon.kill();
    let ended = outcome(&mut Daemon::start(&volume, own_address(), "e1.2"));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG20606-E") && said.contains("full"), "{said}");
    std::fs::remove_file(rest).unwrap();
    let daemon = Daemon::ready(&volume, address, "e1.3");
    let mut caller = Caller::connect(address).unwrap();
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, first.body);
    assert_eq!(caller.call("COUNTER", 2, "add a").unwrap().body, "2", "it had not counted");
    // While it runs, and there is room again: nobody has to start it anew.
    let rest = volume.fill();
    assert_eq!(caller.call("COUNTER", 3, "add a").unwrap().status, 503);
    std::fs::remove_file(rest).unwrap();
    assert_eq!(call_until_answered(address, 3, "add a").body, "3");
    assert_eq!((volume.value(), daemon.stop()), (3, Some(0)));
}

#[test]
fn a_volume_that_takes_no_writes_is_not_opened_and_stays_as_it_is() {
    let Some(volume) = Volume::on_small_disk() else { return };
    let address = own_address();
    let daemon = Daemon::ready(&volume, address, "e1.1");
    let first = call_until_answered(address, 1, "add a");
    assert_eq!(daemon.stop(), Some(0));
    let mut next = Daemon::start(&volume, own_address(), "e1.2");
    volume.may_be_written(false);
    let ended = outcome(&mut next);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG20606-E") && said.contains("Read-only"), "{said}");
    assert!(ended.stdout.is_empty(), "it was never ready");
    volume.may_be_written(true);
    let daemon = Daemon::ready(&volume, address, "e1.3");
    assert_eq!(call_until_answered(address, 1, "add a").body, first.body);
    assert_eq!((volume.value(), daemon.stop()), (1, Some(0)));
}

#[test]
fn a_store_that_somebody_else_writes_costs_patience_and_nothing_else() {
    let volume = Volume::new();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let behind = volume.behind();
    behind.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waits = call(&(counted("1.1", "1") + "Tsugi-Patience: 300\r\n"), "add a");
    let told_so = refusal(&told(daemon.address, &waits));
    // Its program has begun, or has not.
    let either = [(202, "TSUG20201-I".to_owned()), (504, "TSUG20125-E".to_owned())];
    assert!(either.contains(&told_so), "{told_so:?}");
    behind.execute_batch("ROLLBACK").unwrap();
    let long = call(&(counted("1.1", "1") + "Tsugi-Patience: 20000\r\n"), "add a");
    assert_eq!(told(daemon.address, &long).body, "1");
    assert_eq!((volume.value(), daemon.stop()), (1, Some(0)));
}

#[test]
fn who_stands_still_and_wakes_late_has_each_call_counted_once() {
    let volume = Volume::new();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    assert_eq!(told(daemon.address, call(&counted("1.1", "1"), "add a")).body, "1");
    daemon.workers_stand_still(true);
    let waits = call(&(counted("1.2", "1") + "Tsugi-Patience: 200\r\n"), "add a");
    assert_eq!(told(daemon.address, &waits).status, 202);
    daemon.workers_stand_still(false);
    let long = call(&(counted("1.2", "1") + "Tsugi-Patience: 20000\r\n"), "add a");
    assert_eq!(told(daemon.address, &long).body, "2");
    daemon.stands_still(true);
    let mut caller = Caller::connect(daemon.address).unwrap();
    caller.say(call(&counted("1.3", "1"), "add a").repeat(3).as_bytes()).unwrap();
    let mut gone = TcpStream::connect(daemon.address).unwrap();
    std::io::Write::write_all(&mut gone, call(&counted("1.3", "1"), "add a").as_bytes()).unwrap();
    drop(gone);
    daemon.stands_still(false);
    assert!((0..3).all(|_| caller.answer().unwrap().body == "3"));
    assert_eq!((volume.value(), daemon.stop()), (3, Some(0)));
}

#[test]
fn many_idle_connections_do_not_stand_in_the_way_of_a_call() {
    let full = std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1");
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let may = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(400);
    let many = if full { 10_000 } else { 500 };
    assert!(many <= may, "a process may have {most} descriptors here");
    let volume = Volume::new();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let before = daemon.memory();
    let mut idle = Vec::with_capacity(many);
    for _ in 0..many {
        // What says nothing is cut after a while; so each has asked.
        let mut caller = Caller::connect(daemon.address).unwrap();
        caller.say(b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(caller.answer().unwrap().status, 200);
        idle.push(caller);
    }
    let each = daemon.memory().saturating_sub(before) * 1_024 / many as u64;
    assert!(each < 40 << 10, "{each} bytes each");
    let mut caller = idle.pop().unwrap();
    caller.wait_at_most(Duration::from_secs(10));
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, "1");
    assert!(idle.len() + 1 == many && daemon.descriptors().0 > many, "all are there");
    assert_eq!(daemon.stop(), Some(0));
}
