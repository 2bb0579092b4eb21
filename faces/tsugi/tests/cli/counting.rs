//! The report's service as people have it: its source imported, the package deployed with the
//! record of its file, and called over HTTP at a daemon that is killed again and again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::agent::nobody;
use crate::{Ran, tsugi};

/// How long anything may take before it counts as hanging.
pub const BOUND: Duration = Duration::from_secs(30);
/// Calls in a life of the client.
const LIFE: u64 = 1_000;
/// Callers at once.
const CALLERS: u64 = 4;

fn rounds() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 1_000 } else { 4 }
}

pub fn sample(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/report").join(name);
    path.display().to_string()
}

fn service(words: &[&str]) -> Ran {
    tsugi(nobody().path(), &[&["service"], words].concat())
}

/// A group's volume, and packages beside it.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self::of(&["u01"])
    }

    /// One with these volumes.
    pub fn of(volumes: &[&str]) -> Self {
        let folder = TempDir::new_in("/dev/shm").expect("a folder");
        // The users of workers go through it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("ours");
        for volume in volumes {
            fs::create_dir(folder.path().join(volume)).expect("made");
        }
        Self(folder)
    }

    fn word(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Imports the report's program with its interface and these words.
    pub fn import(&self, to: &str, words: &[&str]) -> String {
        let (source, kept, out) = (sample("CBLAPP01.cbl"), sample("CBLAPP01.toml"), self.word(to));
        let all = ["import", &source, "--name", "srv01", "--interface", &kept, "--out", &out];
        service(&[&all[..], words].concat()).ended(0, "TSUG20315-I");
        out
    }

    /// Imports the same service as a shared library, with the same interface.
    fn import_library(&self, to: &str) -> String {
        let (library, out) = (self.word("libCBLAPP01.so"), self.word(to));
        fs::write(&library, include_bytes!(concat!(env!("OUT_DIR"), "/libCBLAPP01.so")))
            .expect("written");
        let (kept, tables) = (sample("CBLAPP01.toml"), sample("native/cblapp01.sql"));
        let words = ["import", &library, "--name", "srv01", "--interface", &kept];
        let ran = service(&[&words[..], &["--tables", &tables, "--out", &out]].concat());
        ran.ended(0, "TSUG20315-I").ended(0, "statements that make tables: ");
        out
    }

    fn deploy(&self, package: &str) -> Ran {
        self.deploy_on("u01", package, &[])
    }

    /// Deploys a package on a volume, with these words.
    pub fn deploy_on(&self, volume: &str, package: &str, words: &[&str]) -> Ran {
        let volume = self.word(volume);
        let on = ["deploy", package, "--volume", &volume, "--group", "ESSRV01"];
        service(&[&on[..], words].concat())
    }

    /// A daemon that answers calls at an address.
    fn serve(&self, at: SocketAddr, epoch: u64) -> Daemon {
        self.serve_on("u01", (at, epoch), &[])
    }

    /// A daemon of a volume, with these words.
    pub fn serve_on(&self, volume: &str, (at, epoch): (SocketAddr, u64), words: &[&str]) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
        command.args(["serve", "--group", "ESSRV01", "--node", "host2", "--patience", "10"]);
        command.args(["--epoch", &format!("e1.{epoch}"), "--volume", &self.word(volume)]);
        let workers = self.word(&format!("workers-{volume}"));
        command.args(["--workers", &workers, "--listen", &at.to_string()]).args(words);
        if nix::unistd::geteuid().is_root() {
            command.args(["--user", "nobody"]);
        }
        command.env_clear().env("LANG", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says something");
        assert_eq!(line, "ready\n");
        Daemon(child)
    }
}

/// A daemon; killed when it is dropped.
pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _gone = self.0.wait();
    }
}

impl Daemon {
    /// Ends it in order.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        assert!(self.0.wait().expect("it ends").success());
    }
}

pub fn own_address() -> SocketAddr {
    let listener = TcpListener::bind("127.9.4.13:0").expect("a port");
    listener.local_addr().expect("it has one")
}

/// One call of the report's service: its status and its body.
pub fn call(to: SocketAddr, serial: u64) -> std::io::Result<(u16, String)> {
    call_of(to, ("CBLAPP01", serial), "{}")
}

/// One call: its status and its body.
fn call_of(
    to: SocketAddr,
    (service, serial): (&str, u64),
    body: &str,
) -> std::io::Result<(u16, String)> {
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let stream = TcpStream::connect_timeout(&to, BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    let mut stream = BufReader::new(stream);
    let length = body.len();
    // Nothing is confirmed, so that all can be asked for again: a life has so many serials.
    let (life, serial) = (serial.div_ceil(LIFE), (serial - 1) % LIFE + 1);
    let request = format!(
        "POST /call/{service} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Tsugi-Client: web\r\nTsugi-Call: {life}.{serial}\r\nTsugi-Lowest: 1\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.get_mut().write_all(request.as_bytes())?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(cut());
        }
    }
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(cut)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|text| text.trim().parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Calls with the same id until somebody answers.
fn answered(to: SocketAddr, serial: u64) -> String {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < BOUND, "nobody answers");
        match call(to, serial) {
            Ok((200, body)) => return body,
            // It runs, or whoever answers is about to open.
            Ok((202 | 503, _)) | Err(_) => thread::sleep(Duration::from_millis(2)),
            Ok(other) => panic!("{other:?}"),
        }
    }
}

pub fn counter(body: &str) -> u64 {
    let said: Value = serde_json::from_str(body).expect("it is JSON");
    assert_eq!(said["lk_pgmname"], "CBLAPP01", "{body}");
    said["lk_counter"].as_u64().unwrap_or_else(|| panic!("{body}"))
}

/// Callers that call until they are told to end, each call with an id of its own.
struct Callers {
    next: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    told: Arc<Mutex<BTreeMap<u64, String>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Callers {
    fn start(at: SocketAddr) -> Self {
        let (next, last) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(u64::MAX)));
        let told: Arc<Mutex<BTreeMap<u64, String>>> = Arc::default();
        let one = |_| {
            let (next, last, told) = (next.clone(), last.clone(), told.clone());
            thread::spawn(move || {
                while next.load(Ordering::SeqCst) < last.load(Ordering::SeqCst) {
                    let serial = next.fetch_add(1, Ordering::SeqCst);
                    let body = answered(at, serial);
                    told.lock().expect("nobody has panicked").insert(serial, body);
                }
            })
        };
        let threads = (0..CALLERS).map(one).collect();
        Self { next, last, told, threads }
    }

    fn have_called(&self, many: u64) {
        let begun = Instant::now();
        while self.next.load(Ordering::SeqCst) < many {
            assert!(begun.elapsed() < BOUND, "nobody is answered");
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
fn mf_17_the_reports_service_counts_once_for_each_call_however_its_daemon_is_killed() {
    let place = Place::new();
    let data = format!("APPFILE01={}", sample("APPFILE01.dat"));
    let package = place.import("srv01.tsugi", &["--dialect", "mf", "--data", &data]);
    place.deploy(&package).ended(0, "TSUG20409-I");
    let at = own_address();
    let callers = Callers::start(at);
    for round in 1..=rounds() {
        let daemon = place.serve(at, round);
        callers.have_called(20 * round);
        // Within a call and its commit, each round somewhere else.
        thread::sleep(Duration::from_micros(round.wrapping_mul(0x9E37_79B9) % 5_000));
        drop(daemon);
    }
    let daemon = place.serve(at, rounds() + 1);
    let told = callers.end();
    let many = told.len() as u64;
    assert!(many >= 20 * rounds() - CALLERS, "{many} calls");
    let mut numbers: Vec<u64> = told.values().map(|body| counter(body)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..many).collect::<Vec<_>>(), "each has counted once");
    for (serial, body) in &told {
        assert_eq!(answered(at, *serial), *body, "what was told once is told again");
    }
    let next = told.keys().next_back().map_or(1, |last| last + 1);
    assert_eq!(counter(&answered(at, next)), many, "and does not count");
    daemon.stop();
}

#[test]
fn mf_13_a_file_is_loaded_with_its_first_package_and_stays_with_the_next() {
    let place = Place::new();
    let data = format!("APPFILE01={}", sample("APPFILE01.dat"));
    let at = own_address();
    // Without its file no call is taken.
    let without = place.import("without.tsugi", &["--dialect", "mf"]);
    place.deploy(&without).ended(0, "TSUG20409-I");
    let daemon = place.serve(at, 1);
    let (status, said) = call(at, 1).expect("it answers");
    assert!(status == 503 && said.contains("missing files: APPFILE01"), "{status} {said}");
    daemon.stop();

    let first = place.import("first.tsugi", &["--dialect", "mf", "--data", &data]);
    place.deploy(&first).ended(0, "TSUG20409-I");
    let daemon = place.serve(at, 2);
    let bodies: Vec<_> = (1..=3).map(|serial| answered(at, serial)).collect();
    assert_eq!(bodies.iter().map(|body| counter(body)).collect::<Vec<_>>(), [0, 1, 2]);
    daemon.stop();

    // Another package of that name, with data too: what was counted stays.
    let words = ["--dialect", "mf", "--commits", "nothing", "--data", &data];
    let second = place.import("second.tsugi", &words);
    place.deploy(&second).ended(0, "TSUG20409-I");
    place.deploy(&second).ended(0, "TSUG20410-I");
    let daemon = place.serve(at, 3);
    assert_eq!(answered(at, 3), bodies[2]);
    assert_eq!(counter(&answered(at, 4)), 3);
    daemon.stop();

    // One whose programs could not open the file is not deployed, and the other goes on.
    let longer = place.0.path().join("CBLAPP01.cbl");
    let source = fs::read_to_string(sample("CBLAPP01.cbl")).expect("it is there");
    fs::write(&longer, source.replace("05 RKEY PIC X(6)", "05 RKEY PIC X(8)")).expect("written");
    let (longer, kept, out) = (&path(&longer), sample("CBLAPP01.toml"), place.word("other.tsugi"));
    let words = ["import", longer, "--name", "srv01", "--interface", &kept, "--out", &out];
    service(&[&words[..], &["--dialect", "mf"]].concat()).ended(0, "TSUG20315-I");
    place.deploy(&out).ended(3, "TSUG20408-E").ended(3, "file APPFILE01 of the store has another");
    let daemon = place.serve(at, 4);
    assert_eq!(counter(&answered(at, 5)), 4);
    daemon.stop();
}

/// What a caller may say, and what becomes of a quantity of four digits and a name of eight bytes.
const ORDERS: &str = "       IDENTIFICATION DIVISION.
       PROGRAM-ID. ORDERS.
       DATA DIVISION.
       LINKAGE SECTION.
       01 LK-QTY PIC 9(4).
       01 LK-NAME PIC X(8).
       PROCEDURE DIVISION USING LK-QTY LK-NAME.
           ADD 1 TO LK-QTY.
           GOBACK.
";

#[test]
fn a_body_that_does_not_fit_is_refused_with_its_field_and_its_id_stays_free() {
    let place = Place::new();
    let (source, out) = (place.word("ORDERS.cbl"), place.word("orders.tsugi"));
    fs::write(&source, ORDERS).expect("written");
    service(&["import", &source, "--name", "orders", "--out", &out]).ended(0, "TSUG20315-I");
    place.deploy(&out).ended(0, "TSUG20409-I");
    let at = own_address();
    let daemon = place.serve(at, 1);
    let (deep, nines) = ("[".repeat(100_000), "9".repeat(100_000));
    let digits = format!("{{\"lk_qty\":{nines},\"lk_name\":\"a\"}}");
    let field = format!("{{\"lk_qty\":1,\"lk_name\":\"a\",\"{nines}\":1}}");
    for (body, says) in [
        ("", "not-json"),
        ("{", "not-json"),
        ("[]", "object"),
        ("null", "object"),
        (&*deep, "TSUG20111-E"),
        (&*digits, "lk_qty"),
        (&*field, "999"),
        ("{\"lk_qty\":1}", "lk_name"),
        ("{\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":\"x\",\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":true,\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":[1],\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":12345,\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":-1,\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":1.5,\"lk_name\":\"a\"}", "lk_qty"),
        ("{\"lk_qty\":1e400,\"lk_name\":\"a\"}", "TSUG20111-E"),
        ("{\"lk_qty\":1,\"lk_name\":\"123456789\"}", "lk_name"),
        ("{\"lk_qty\":1,\"lk_name\":5}", "lk_name"),
        ("{\"lk_qty\":1,\"lk_name\":\"a\",\"more\":1}", "more"),
        ("{\"lk_qty\":1,\"lk_qty\":1,\"lk_name\":\"a\"}", "lk_qty"),
    ] {
        let (status, said) = call_of(at, ("ORDERS", 1), body).expect("it is answered");
        let short = body.get(..60).unwrap_or(body);
        assert!(status == 422 && said.contains("TSUG20111-E"), "{short}: {status} {said:.300}");
        assert!(said.contains(says), "{short}: {said:.300}");
        assert!(said.len() < 4_096, "{short}: an answer of {} bytes", said.len());
    }
    let good = "{\"lk_name\":\"a\",\"lk_qty\":1}";
    let (status, said) = call_of(at, ("ORDERS", 1), good).expect("it is answered");
    assert!(status == 200 && said.contains("\"lk_qty\":2"), "{status} {said}");
    daemon.stop();
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// What an answer says, its moment only by its shape.
fn comparable(body: &str) -> Value {
    let mut said: Value = serde_json::from_str(body).expect("it is JSON");
    let at = said["lk_datetime"].as_str().expect("it is a text");
    let shape = at.chars().map(|one| if one.is_ascii_digit() { '9' } else { one });
    said["lk_datetime"] = shape.collect::<String>().into();
    said
}

#[test]
fn the_reports_service_as_a_shared_library_answers_what_the_cobol_program_answers() {
    let (cobol, library) = (Place::new(), Place::new());
    let data = format!("APPFILE01={}", sample("APPFILE01.dat"));
    let package = cobol.import("srv01.tsugi", &["--dialect", "mf", "--data", &data]);
    cobol.deploy(&package).ended(0, "TSUG20409-I");
    let package = library.import_library("srv01.tsugi");
    library.deploy(&package).ended(0, "TSUG20409-I");
    let (at_cobol, at_library) = (own_address(), own_address());
    let daemons = [cobol.serve(at_cobol, 1), library.serve(at_library, 1)];
    for serial in 1..=3 {
        let (one, other) = (answered(at_cobol, serial), answered(at_library, serial));
        assert_eq!(comparable(&one), comparable(&other));
        assert_eq!(
            (counter(&other), comparable(&other)["lk_hostname"].as_str()),
            (serial - 1, Some("host2"),)
        );
        assert_eq!(answered(at_library, serial), other, "a retry is told the same bytes");
    }
    // A body that the interface does not have is refused by both alike.
    drop(daemons);
    // Its number stays where the package becomes current again, and the tables are made again.
    library.deploy(&cobol.import("again.tsugi", &["--dialect", "mf", "--data", &data]));
    library.deploy(&package).ended(0, "TSUG20409-I");
    let daemon = library.serve(at_library, 2);
    assert_eq!(counter(&answered(at_library, 4)), 3);
    daemon.stop();
}
