//! Against real listeners, files and links of this machine; on loopback only.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use super::*;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(40);

/// Answers one request with one status line, and says where.
fn page(status: &'static str) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut caller, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = caller.read(&mut request).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        caller.write_all(answer.as_bytes()).unwrap();
    });
    (url, answering)
}

fn http(status: &'static str) -> Result<(), Unwell> {
    let (url, answering) = page(status);
    let outcome = ask(&Check::Http(url), LONG);
    answering.join().unwrap();
    outcome
}

#[test]
fn a_port_is_well_while_somebody_listens_there() {
    // Of this process alone: a port of 127.0.0.1 may be given to somebody else once it is free.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let own = std::net::Ipv4Addr::new(127, 128 | high, middle, low);
    let listener = TcpListener::bind((own, 0)).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    assert!(ask(&Check::Tcp(at.clone()), LONG).is_ok());
    drop(listener);
    let refused = ask(&Check::Tcp(at), LONG);
    assert!(
        matches!(&refused, Err(Unwell::Failed(e)) if e.kind() == io::ErrorKind::ConnectionRefused),
        "{refused:?}"
    );
}

#[test]
fn a_page_is_well_with_every_status_from_200_to_399_and_with_no_other() {
    for status in ["200 OK", "204 No Content", "302 Found", "304 Not Modified"] {
        assert!(http(status).is_ok(), "{status}");
    }
    assert!(matches!(http("404 Not Found"), Err(Unwell::Status(404))));
    assert!(matches!(http("503 Service Unavailable"), Err(Unwell::Status(503))));
}

#[test]
fn a_page_that_says_nothing_is_not_well_after_the_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let silent = ask(&Check::Http(url), SHORT);
    assert!(matches!(silent, Err(Unwell::Silent(SHORT))), "{silent:?}");
}

#[test]
fn a_host_that_answers_an_echo_is_well_in_both_families() {
    for host in ["127.0.0.1", "::1"] {
        let answered = ask(&Check::Ping(host.parse().unwrap()), LONG);
        assert!(answered.is_ok(), "{host}: {answered:?}");
    }
}

#[test]
fn a_link_is_well_that_carries_and_a_missing_one_is_named_as_missing() {
    assert!(ask(&Check::Link("lo".to_owned()), SHORT).is_ok());
    let missing = ask(&Check::Link("nosuchlink0".to_owned()), SHORT);
    assert!(matches!(missing, Err(Unwell::Link(Carrier::Gone))), "{missing:?}");
}

#[test]
fn a_directory_is_written_and_left_as_it_was_and_a_file_is_read() {
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let disk = |path: &Path| ask(&Check::Disk(path.display().to_string()), SHORT);
    assert!(disk(dir.path()).is_ok());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    let file = dir.path().join("image");
    std::fs::write(&file, vec![1_u8; 8192]).unwrap();
    assert!(disk(&file).is_ok());
    std::fs::write(&file, b"").unwrap();
    assert!(disk(&file).is_err(), "a device without a sector is not well");
    assert!(disk(&dir.path().join("gone")).is_err());
    assert!(disk(Path::new("/proc")).is_err(), "where nothing can be written");
}
