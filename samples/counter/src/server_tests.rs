//! The server over real sockets.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

fn args(volume: &std::path::Path, listen: SocketAddr) -> CounterArgs {
    CounterArgs {
        listen,
        volume: volume.to_owned(),
        node: "n1".into(),
        freebind: false,
        patience: 0.0,
        unsafe_no_fsync: false,
        create: true,
        log: None,
        kept: 64,
    }
}

/// Serves a fresh volume on a free port until the test's process ends.
fn served(volume: &std::path::Path) -> SocketAddr {
    let listener = listener::listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = listener.local_addr().unwrap();
    Journal::create(volume).unwrap();
    let journal = Journal::open(volume, 64, Durability::Synced).unwrap();
    let server = Server::new(listener, journal, "n1".into()).unwrap();
    thread::spawn(move || server.run());
    address
}

fn ask(address: SocketAddr, text: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut lines = Vec::new();
    let mut reader = BufReader::new(stream);
    for _ in text.lines() {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[test]
fn mf_17_a_reply_names_number_node_date_time_program_client_and_serial() {
    let dir = tempfile::tempdir().unwrap();
    let address = served(dir.path());
    let lines = ask(address, "CALL c 1\nCALL c 2\nCALL c 1\nPING\nwhat\n");
    let words: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!((words[0], words[1]), ("1", "n1"));
    assert_eq!(words[4..], ["counter", "c", "1"]);
    let date_time = format!("{} {}", words[2], words[3]);
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", date_time).unwrap();
    assert!(lines[1].starts_with("2 n1 "));
    assert_eq!(lines[2], lines[0]);
    assert_eq!(lines[3], "PONG n1 2");
    assert_eq!(lines[4], "REFUSED not a call");
}

#[test]
fn mf_10_a_call_that_was_counted_and_not_answered_gets_its_number_when_it_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let address = served(dir.path());
    let mut lost = TcpStream::connect(address).unwrap();
    lost.write_all(b"CALL c 1 after 10000\n").unwrap();
    // Nothing of this call is answered; that it was counted is seen from the next one.
    let counted = (0..1000).any(|_| ask(address, "PING\n")[0] == "PONG n1 1");
    assert!(counted);
    drop(lost);
    assert!(ask(address, "CALL c 2\n")[0].starts_with("2 n1 "));
    assert!(ask(address, "CALL c 1\n")[0].starts_with("1 n1 "));
}

#[test]
fn many_callers_get_each_number_once() {
    let dir = tempfile::tempdir().unwrap();
    let address = served(dir.path());
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            thread::spawn(move || {
                (0..25)
                    .map(|serial| ask(address, &format!("CALL c{caller} {serial}\n")).remove(0))
                    .map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap())
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut numbers: Vec<u64> = callers.into_iter().flat_map(|c| c.join().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
}

#[test]
fn two_programs_never_listen_on_one_address() {
    let first = listener::listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = first.local_addr().unwrap();
    assert!(listener::listen(address, false).is_err());
    assert!(listener::listen(address, true).is_err());
}

#[test]
fn a_program_with_patience_waits_until_the_former_one_has_left_the_address() {
    let first = listener::listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = first.local_addr().unwrap();
    let patient = |seconds| listener::listen_within(address, false, Duration::from_secs(seconds));
    assert!(patient(0).is_err());
    let leaves = thread::spawn(move || drop(first));
    patient(60).unwrap();
    leaves.join().unwrap();
}

#[test]
fn a_standby_can_listen_before_the_address_arrives() {
    // 192.0.2.0/24 is set aside for documents: no machine holds it.
    let absent: SocketAddr = "192.0.2.77:0".parse().unwrap();
    assert!(listener::listen(absent, false).is_err());
    listener::listen(absent, true).unwrap();
    listener::listen("[2001:db8::77]:0".parse().unwrap(), true).unwrap();
}

#[test]
fn a_volume_without_a_number_is_served_only_when_told_to_begin() {
    let dir = tempfile::tempdir().unwrap();
    let mut asked = args(dir.path(), "127.0.0.1:0".parse().unwrap());
    asked.create = false;
    let error = serve(&asked, || {}).unwrap_err().to_string();
    assert!(error.contains("--create"), "{error}");
}
