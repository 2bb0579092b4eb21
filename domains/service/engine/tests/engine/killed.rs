//! An engine that is killed at any moment, under load, by SIGKILL: a process of its own, and a
//! client that asks again with the same ids.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsugi_service_engine::worker::pipe::Processes;
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Nursery, Said};
use tsugi_service_engine::{Answer, Asked, Calls, Refused, SameBytes, Service, Sessions};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_service_rules::worker::pool;
use tsugi_store::suite;
use tsugi_vocabulary::Span;

use crate::programs::{python, ward};
use crate::support::{
    Counter, Runs, Stand, Watched, in_parallel, life, opened, start_beside, workers,
};

const FOLDER: &str = "TSUGI_ENGINE_OF_A_CHILD";
const EPOCH: &str = "TSUGI_EPOCH_OF_A_CHILD";
/// Where its store is, if not in the folder.
const SERVER: &str = "TSUGI_SERVER_OF_A_CHILD";
const ON_SQLITE: &str = "killed::i16_whenever_an_engine_is_killed_each_call_is_applied_once";
const ON_POSTGRES: &str =
    "killed::i16_whenever_an_engine_on_a_server_is_killed_each_call_is_applied_once";

/// Whether the service that is called has another one count.
const CALLS: &str = "TSUGI_CALLS_OF_A_CHILD";
const NESTED: &str =
    "killed::whenever_an_engine_is_killed_a_call_is_applied_once_with_whom_it_calls";

/// How often an engine is killed.
fn rounds() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 1_000 } else { 50 }
}

/// Calls that a client has open at once.
const OPEN: usize = 24;
/// Every so many rounds the program is a process, which takes longer to start.
const PROCESSES: u64 = 10;

/// One call: the life of its client, and its serial.
type Of = (u64, u64);

fn id((life_of, serial): Of) -> CallId {
    CallId::Counted { life: life(life_of), serial: Serial::new(serial).unwrap() }
}

/// Has another service count, and tells what that has told it.
struct Caller;

impl Program for Caller {
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        desk.run(suite::add(1))?.map_err(Undo::Failed)?;
        let told = desk.call("adds", vec![call.given.first().to_vec()])?;
        let told = told.map_err(|not| Undo::Failed(format!("{not:?}")))?;
        // Of the two it has added one itself.
        let value: i64 = String::from_utf8_lossy(&told.records[0]).parse().expect("a number");
        let body = (value / 2).to_string().into();
        Ok(Said { content_type: "text/plain".to_owned(), body })
    }
}

/// The service that is called by that one.
fn adds() -> Service {
    Service {
        number: ServiceNumber(9),
        name: "adds".into(),
        workers: pool::Settings { spare: 1, ..workers(1) },
        interface: Arc::new(SameBytes),
        nursery: Box::new(Threads(Arc::new(Counter::default()))),
    }
}

/// The engine: a line for a call, a line for its answer.
fn engine(folder: &Path) {
    let epoch: u64 = std::env::var(EPOCH).unwrap().parse().unwrap();
    let calls = std::env::var_os(CALLS).is_some();
    let nursery: Box<dyn Nursery> = if calls {
        Box::new(Threads(Arc::new(Caller)))
    } else if epoch.is_multiple_of(PROCESSES) {
        Box::new(Processes::new(ward(folder), python()))
    } else {
        Box::new(Threads(Arc::new(Counter::default())))
    };
    let runs: Runs = (workers(2), nursery, Arc::new(SameBytes));
    let (engine, _last) = match std::env::var(SERVER) {
        Ok(server) => {
            let sessions = Sessions::postgres(&server, &suite::claim(epoch, 1), 2);
            in_parallel(sessions.unwrap(), epoch, runs, |_| {})
        }
        Err(_) => {
            let store = opened(folder, epoch);
            let watched = Watched { store, counts: Arc::default(), gates: Arc::default() };
            let more = if calls { vec![adds()] } else { Vec::new() };
            start_beside(watched, epoch, (runs, more), |_| {})
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (lines, mut read) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if lines.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        while let Some(line) = read.recv().await {
            tokio::task::spawn_local(one(engine.calls(), line));
        }
    });
    engine.hand_over(Span::secs(5));
}

async fn one(calls: Calls, line: String) {
    let mut words = line.split(' ');
    let verb = words.next().unwrap();
    let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
    let of = (numbers[0], numbers[1]);
    let answer = match verb {
        "call" => {
            let asked = Asked {
                id: id(of),
                lowest: Serial::FIRST,
                service: "counter".to_owned(),
                order: None,
                body: b"a".as_slice().into(),
                patience: None,
            };
            calls.call(asked).await
        }
        _ => calls.fetch(id(of)).await,
    };
    let told = match answer {
        Answer::Reply(reply) => String::from_utf8(reply.body.clone()).unwrap(),
        // It met others, of which some may be of the engine before.
        Answer::Refused(Refused::Busy(_)) => AGAIN.to_owned(),
        other => format!("{other:?}"),
    };
    let mut out = std::io::stdout().lock();
    // What cannot be told is asked for again.
    drop(writeln!(out, "told {} {} {told}", of.0, of.1).and_then(|()| out.flush()));
}

/// What is to be asked again.
const AGAIN: &str = "again";

/// An engine in a process of its own.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start((stand, of): (&Stand, &str), epoch: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let folder = stand.folder.path();
        command.env(FOLDER, folder).env(EPOCH, epoch.to_string()).arg("--exact");
        match &stand.database {
            Some(database) => {
                let server = database.address(database.server.folder.path());
                command.env(SERVER, server)
            }
            None => &mut command,
        };
        if of == NESTED {
            command.env(CALLS, "1");
        }
        command.arg(of);
        command.arg("--nocapture");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn ask(&mut self, verb: &str, of: Of) {
        // One that is dead is asked again by its successor.
        drop(writeln!(self.input, "{verb} {} {}", of.0, of.1));
    }

    /// The next answer; none once it is dead.
    fn told(&mut self) -> Option<(Of, String)> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap_or(0) == 0 || !line.ends_with('\n') {
                return None;
            }
            // What the test's own frame prints stands before the first.
            let Some((_, told)) = line.trim_end().split_once("told ") else { continue };
            let mut words = told.splitn(3, ' ');
            let mut number = || words.next().unwrap().parse().unwrap();
            let of = (number(), number());
            return Some((of, words.next().unwrap().to_owned()));
        }
    }
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

#[derive(Default)]
struct Client {
    open: BTreeSet<Of>,
    told: BTreeMap<Of, i64>,
    /// How often an answer came that was known.
    again: usize,
}

impl Client {
    /// What was told once is told so for ever.
    fn hear(&mut self, process: &mut Process, (of, told): (Of, String)) {
        if told == AGAIN {
            return process.ask("call", of);
        }
        let value: i64 = told.parse().unwrap_or_else(|_| panic!("{of:?}: {told}"));
        self.open.remove(&of);
        if let Some(before) = self.told.insert(of, value) {
            assert_eq!(before, value, "{of:?}");
            self.again += 1;
        }
    }
}

/// One engine, which is killed after so many answers and a moment.
fn round(
    process: &mut Process,
    client: &mut Client,
    (epoch, most): (u64, u64),
    chance: &mut Chance,
) {
    for of in client.open.clone() {
        process.ask("call", of);
    }
    let mut serial = 0;
    let answers = chance.below(most);
    let mut heard = 0;
    while heard < answers {
        while client.open.len() < OPEN {
            serial += 1;
            client.open.insert((epoch, serial));
            process.ask("call", (epoch, serial));
            if chance.below(4) == 0 {
                process.ask("call", (epoch, serial));
            }
        }
        let told = process.told().expect("nothing but this test ends it");
        client.hear(process, told);
        heard += 1;
    }
    let until = Instant::now() + Duration::from_micros(chance.below(3_000));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    process.child.kill().unwrap();
    // What it told before it died counts.
    while let Some(told) = process.told() {
        client.hear(process, told);
    }
    process.child.wait().unwrap();
}

#[test]
fn i16_whenever_an_engine_is_killed_each_call_is_applied_once() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return engine(Path::new(&folder));
    }
    assert_eq!(killed(&Stand::in_folder(TempDir::new().unwrap()), ON_SQLITE), 1);
}

#[test]
fn whenever_an_engine_is_killed_a_call_is_applied_once_with_whom_it_calls() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return engine(Path::new(&folder));
    }
    assert_eq!(killed(&Stand::in_folder(TempDir::new().unwrap()), NESTED), 2);
}

#[test]
fn i16_whenever_an_engine_on_a_server_is_killed_each_call_is_applied_once() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return engine(Path::new(&folder));
    }
    assert_eq!(killed(&Stand::on_postgres(), ON_POSTGRES), 1);
}

/// How much each call has added.
fn killed(stand: &Stand, of: &str) -> i64 {
    // On a server what meets is run again, and an engine has more to open.
    let most = if stand.database.is_some() { 16 } else { 60 };
    let (mut client, mut chance) = (Client::default(), Chance(0x7375_6769));
    let last = 100 + rounds();
    for epoch in 100..last {
        round(&mut Process::start((stand, of), epoch), &mut client, (epoch, most), &mut chance);
    }
    let mut process = Process::start((stand, of), last);
    for of in client.open.clone() {
        process.ask("call", of);
    }
    while !client.open.is_empty() {
        let told = process.told().unwrap();
        client.hear(&mut process, told);
    }
    let all = client.told.len();
    let mut values: Vec<i64> = client.told.values().copied().collect();
    values.sort_unstable();
    let each_once: Vec<i64> = (1..=i64::try_from(all).unwrap()).collect();
    assert_eq!(values, each_once, "every call has added one, once");
    let (value, calls) = (stand.value(), i64::try_from(all).unwrap());
    assert_eq!(value % calls, 0, "{value} of {calls} calls");
    // The same bytes again, for each.
    let (before, of_all) = (client.again, client.told.keys().copied().collect::<Vec<_>>());
    for some in of_all.chunks(100) {
        some.iter().for_each(|of| process.ask("fetch", *of));
        for _ in some {
            let told = process.told().unwrap();
            client.hear(&mut process, told);
        }
    }
    assert_eq!(client.again - before, all);
    let least = usize::try_from(rounds() * most / 6).unwrap();
    assert!(all > least, "{all} calls");
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    value / calls
}
