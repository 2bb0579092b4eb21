//! The sample program as a service that is taken over: its own process, its volume, its address.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take before it counts as hanging.
const BOUND: Duration = Duration::from_secs(20);

/// The sample as an owner runs it; killed when dropped.
struct Owner(Child);

impl Owner {
    /// Starts it on `node` and waits until it serves.
    fn begin(node: &str, volume: &Path, address: SocketAddr) -> Self {
        let mut child = sample(node, volume, address).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self(child)
    }

    /// The code it ends with by itself; one that goes on serving is killed and has none.
    fn ended_with(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < BOUND {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.lose();
        None
    }

    /// The machine loses power: nothing is said and nothing is finished.
    fn lose(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _gone = self.0.wait();
    }
}

fn sample(node: &str, volume: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
    command.args(["sample", "counter", "--create", "--node", node]);
    command.arg("--volume").arg(volume).arg("--listen").arg(address.to_string());
    command.env_clear().env("LANG", "C.UTF-8").stderr(Stdio::piped());
    command
}

/// An address of this machine that nobody else asks for: one of the loopback network.
fn own_address() -> SocketAddr {
    let free = TcpListener::bind("127.9.3.17:0").unwrap();
    free.local_addr().unwrap()
}

/// Calls once; what came back, or the error that the caller sees.
fn call(address: SocketAddr, serial: u64) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.write_all(format!("CALL caller {serial}\n").as_bytes())?;
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

fn number(line: &str) -> u64 {
    line.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
}

/// Sends a call, never reads the answer, and waits until the number behind it is durable.
fn call_unanswered(address: SocketAddr, serial: u64, durable: u64) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("CALL caller {serial}\n").as_bytes()).unwrap();
    let begun = Instant::now();
    while !ping(address).ends_with(&format!(" {durable}")) {
        assert!(begun.elapsed() < BOUND, "the call was never carried out");
    }
    stream
}

fn ping(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"PING\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn mf_09_during_a_takeover_the_caller_sees_an_error_then_the_same_address_and_no_number_again() {
    let (volume, address) = (tempfile::tempdir().unwrap(), own_address());
    let mut first = Owner::begin("node1", volume.path(), address);
    let before: Vec<u64> = (1..=3).map(|s| number(&call(address, s).unwrap())).collect();
    assert_eq!(before, [1, 2, 3]);
    let unanswered = call_unanswered(address, 4, 4);
    first.lose();
    drop(unanswered);
    let error = call(address, 5).expect_err("nobody serves the address now");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let _second = Owner::begin("node2", volume.path(), address);
    let line = call(address, 6).expect("the same address serves again");
    assert_eq!(number(&line), 5, "the unanswered call took 4, once: {line}");
    assert!(line.starts_with("5 node2 "), "{line}");
}

#[test]
fn mf_10_a_caller_that_repeats_an_unanswered_call_by_its_id_gets_the_stored_answer_once() {
    let (volume, address) = (tempfile::tempdir().unwrap(), own_address());
    let mut first = Owner::begin("node1", volume.path(), address);
    assert_eq!(number(&call(address, 1).unwrap()), 1);
    let unanswered = call_unanswered(address, 2, 2);
    first.lose();
    drop(unanswered);
    let _second = Owner::begin("node2", volume.path(), address);
    let again = call(address, 2).unwrap();
    assert!(again.starts_with("2 node1 "), "the answer that node1 had stored: {again}");
    assert_eq!(call(address, 2).unwrap(), again, "however often");
    assert_eq!(number(&call(address, 3).unwrap()), 3, "and it took no second number");
}

#[test]
fn mf_11_a_program_whose_address_is_not_on_the_node_refuses_plainly_and_harms_nothing() {
    let (volume, address) = (tempfile::tempdir().unwrap(), own_address());
    let _owner = Owner::begin("node1", volume.path(), address);
    assert_eq!(number(&call(address, 1).unwrap()), 1);
    // 192.0.2.0/24 is set aside for documents: no machine holds it.
    let absent: SocketAddr = "192.0.2.77:9003".parse().unwrap();
    let mut refused = Owner(sample("node2", volume.path(), absent).spawn().unwrap());
    let code = refused.ended_with();
    let mut said = String::new();
    refused.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(1), "it does not serve: {said}");
    assert!(said.contains("listen on 192.0.2.77:9003"), "it names the address: {said}");
    let line = call(address, 2).expect("the group of the owner runs on");
    assert!(line.starts_with("2 node1 "), "and its volume was not touched: {line}");
}
