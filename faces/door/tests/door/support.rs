//! An engine whose program can be held, a door before it, and a caller who sends what he likes.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use tempfile::TempDir;
use tsugi_door::{Deployed, Door, Open, Order, Settings};
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Ear, Link, Nursery, Said};
use tsugi_service_engine::{Engine, Opened, SameBytes, Service, Settings as OfEngine};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::worker::pool;
use tsugi_store::{OpenRefused, Sqlite, Value, suite};
use tsugi_vocabulary::{Epoch, Span};

/// Where programs wait until they are let go.
#[derive(Default)]
pub struct Gate {
    held: Mutex<(bool, usize)>,
    moved: Condvar,
}

impl Gate {
    pub fn shut(&self) {
        self.held.lock().unwrap().0 = true;
    }

    pub fn open(&self) {
        self.held.lock().unwrap().0 = false;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let mut held = self.held.lock().unwrap();
        held.1 += 1;
        self.moved.notify_all();
        while held.0 {
            held = self.moved.wait(held).unwrap();
        }
        held.1 -= 1;
    }

    /// Waits until so many stand in front of it.
    pub fn reached(&self, many: usize) {
        let mut held = self.held.lock().unwrap();
        while held.1 < many {
            held = self.moved.wait(held).unwrap();
        }
    }
}

/// Counts, and gives back what it has counted to.
#[derive(Default)]
pub struct Counter {
    pub gate: Gate,
    /// Where the engine's own thread waits while a worker is born.
    pub birth: Gate,
    pub runs: AtomicUsize,
}

impl Program for Counter {
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let body = String::from_utf8_lossy(call.given.first()).into_owned();
        match body.as_str() {
            "\"panic\"" => panic!("as it was told to"),
            "\"refuse\"" => return Err(Undo::Refused("no".to_owned())),
            "\"hold\"" => self.gate.pass(),
            _ => {}
        }
        let outcome = desk.run(suite::add(1))?.map_err(Undo::Failed)?;
        let Value::Integer(value) = outcome.rows[0][0] else { panic!("{outcome:?}") };
        let long = "x".repeat(if body == "\"long\"" { 100_000 } else { 0 });
        let body = format!("{{\"count\":{value},\"more\":\"{long}\"}}");
        Ok(Said { content_type: "application/json".to_owned(), body: body.into() })
    }
}

/// Bears threads that run the counter.
struct Born(Threads<Counter>, Arc<Counter>);

impl Nursery for Born {
    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String> {
        self.1.birth.pass();
        self.0.bear(ear)
    }
}

/// A store, a program, and what is opened of them.
pub struct Stand {
    pub folder: TempDir,
    pub program: Arc<Counter>,
    pub epoch: u64,
    /// How long a call may take.
    pub limit: Span,
}

fn opened(folder: &Path, epoch: u64) -> Sqlite {
    loop {
        match Sqlite::open(folder, &suite::claim(epoch, 1)) {
            Err(OpenRefused::InUse(_)) => std::thread::yield_now(),
            opened => return opened.expect("it opens"),
        }
    }
}

impl Stand {
    /// A store with its number at 0.
    pub fn new() -> Self {
        let folder = TempDir::new_in("/dev/shm").expect("a folder in memory");
        suite::founded_in(folder.path());
        Self { folder, program: Arc::default(), epoch: 10, limit: Span::secs(30) }
    }

    /// The next engine on the store.
    pub fn engine(&mut self, change: impl FnOnce(&mut OfEngine)) -> (Engine, Open) {
        self.epoch += 1;
        let opened = Opened::sqlite(opened(self.folder.path(), self.epoch)).expect("it opens");
        let mut workers = pool::Settings { start: 2, spare: 0, ..pool::Settings::default() };
        workers.most = 4;
        workers.limits.call = self.limit;
        let service = Service {
            number: ServiceNumber(3),
            name: "counter".into(),
            workers,
            interface: Arc::new(SameBytes),
            nursery: Box::new(Born(Threads(self.program.clone()), self.program.clone())),
        };
        let mut settings = OfEngine::alone(Epoch { incarnation: 1, counter: self.epoch });
        change(&mut settings);
        let word = Box::new(|fatal| {
            loop {
                eprintln!("last word: {fatal}");
                std::thread::park();
            }
        });
        let engine = Engine::start(opened, vec![service], settings.clone(), word);
        let engine = engine.expect("it starts");
        let open = Open::new(engine.calls(), &settings, vec![deployed()]);
        (engine, open)
    }

    /// A door with the next engine open behind it.
    pub fn door(&mut self) -> (Engine, Door) {
        self.door_with(|_| {})
    }

    pub fn door_with(&mut self, change: impl FnOnce(&mut Settings)) -> (Engine, Door) {
        let (engine, open) = self.engine(|_| {});
        let door = door_with(change);
        door.sign().open(open);
        (engine, door)
    }

    pub fn runs(&self) -> usize {
        self.program.runs.load(Ordering::SeqCst)
    }

    /// What the number is in the store, past any engine.
    pub fn value(&self) -> i64 {
        let path = self.folder.path().join("store.db");
        let reader = rusqlite::Connection::open(path).expect("it opens");
        reader.query_row("SELECT value FROM counter", [], |row| row.get(0)).expect("it is there")
    }
}

pub fn deployed() -> Deployed {
    Deployed {
        name: "counter".to_owned(),
        summary: String::new(),
        body: serde_json::json!({ "type": "string" }),
        reply: serde_json::json!({ "type": "object" }),
        effects: Effects::Store,
        order: Order::None,
    }
}

pub fn settings() -> Settings {
    Settings::on_loopback("alpha".parse().expect("a name"))
}

pub fn bound() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

/// A door with nothing open behind it.
pub fn door_with(change: impl FnOnce(&mut Settings)) -> Door {
    let mut settings = settings();
    change(&mut settings);
    Door::open(bound(), &settings).expect("it opens")
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Came {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Status, message and retry word of a problem.
    pub fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        let text = |name: &str| problem[name].as_str().expect("a text").to_owned();
        assert!(!text("title").is_empty() && !text("detail").is_empty());
        (self.status, text("id"), text("retry"))
    }
}

/// What a caller's bytes travel by.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(to),
            Self::Tls(stream) => stream.read(to),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(from),
            Self::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection of a caller.
pub struct Caller(BufReader<Stream>);

impl Caller {
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it is let in");
        stream.set_nodelay(true).expect("it is a socket");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it is a socket");
        Self::over(Stream::Plain(stream))
    }

    pub fn over(stream: Stream) -> Self {
        Self(BufReader::new(stream))
    }

    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())?;
        self.0.get_mut().flush()
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).expect("it is taken");
    }

    /// The next answer; none where the connection ends instead.
    pub fn read(&mut self) -> Option<Came> {
        let mut line = String::new();
        if self.0.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("the head goes on");
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |text| text.parse().expect("digits"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body comes");
        Some(Came { status: status.expect("a status"), headers, body })
    }

    /// All that still comes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // One that is cut says no more either.
        self.0.read_to_end(&mut rest).ok();
        rest
    }

    /// Whether the other end has ended the connection; waits for it.
    pub fn is_ended(&mut self) -> bool {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(many) => many == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Came {
        self.write(request);
        self.read().expect("an answer")
    }

    /// Leaves without a word.
    pub fn leave(self) {}
}

/// A call of the counter with these headers.
pub fn call(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /call/counter HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A call under a key.
pub fn keyed(key: &str, body: &str) -> String {
    call(&format!("Idempotency-Key: {key}\r\n"), body)
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
}
