//! Calls through a worker process: which way to it carries how many a second.
//!
//! 64 callers at once (and one), one writer that commits together what has come, and a program of
//! one update whose reply is stored beside it. The limit is the same in one process, without a
//! worker. No door stands before it: what HTTP takes comes on top.

mod callers;
mod ring;
mod store;
mod way;
mod worker;
mod writer;

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::Figure;
use store::Store;
use way::Over;
use writer::{Ahead, InProcess, Program, Worker};

/// The name under which this program is its own worker.
pub const WORKER: &str = "hop-worker";
const SPAN: Duration = Duration::from_millis(500);
/// Many and short: on a shared machine the best round is one in which nobody else ran.
const ROUNDS: usize = 20;

/// How a program is reached.
#[derive(Clone, Copy)]
enum Reach {
    /// It is a function of the engine: the limit.
    Function,
    /// A function that is spoken to in frames.
    Frames,
    /// A process.
    Process(Over, Ahead),
}

/// Every way, with what it is called and how many call at once. The first of as many callers is
/// their limit.
const WAYS: [(&str, Reach, usize); 12] = [
    ("in process", Reach::Function, 64),
    ("in process, by frames", Reach::Frames, 64),
    ("socketpair", Reach::Process(Over::Sockets, Ahead::No), 64),
    ("socketpair, begun ahead", Reach::Process(Over::Sockets, Ahead::Yes), 64),
    ("pipes", Reach::Process(Over::Pipes, Ahead::No), 64),
    ("pipes, begun ahead", Reach::Process(Over::Pipes, Ahead::Yes), 64),
    ("shared memory", Reach::Process(Over::Memory, Ahead::No), 64),
    ("shared memory, begun ahead", Reach::Process(Over::Memory, Ahead::Yes), 64),
    ("in process", Reach::Function, 1),
    ("socketpair", Reach::Process(Over::Sockets, Ahead::No), 1),
    ("pipes", Reach::Process(Over::Pipes, Ahead::No), 1),
    ("shared memory", Reach::Process(Over::Memory, Ahead::No), 1),
];

/// Measures each way several times, in turn, and tells the best of each.
pub fn run() -> Vec<Figure> {
    let mut best: Vec<Option<Figure>> = WAYS.iter().map(|_| None).collect();
    for _ in 0..ROUNDS {
        for ((name, reach, callers), best) in WAYS.iter().zip(&mut best) {
            let mut figure = measure(name, *reach, *callers);
            let before = best.take();
            let rounds = before.as_ref().map_or_else(Vec::new, |before| before.rounds.clone());
            let here = figure.per_s;
            if let Some(before) = before.filter(|before| before.per_s >= figure.per_s) {
                figure = before;
            }
            figure.rounds = [rounds, vec![here]].concat();
            *best = Some(figure);
        }
    }
    let mut figures: Vec<Figure> = best.into_iter().flatten().collect();
    let mut limit = (0, 0.0);
    for figure in &mut figures {
        if figure.clients != limit.0 {
            limit = (figure.clients, figure.per_s);
        }
        figure.limit_per_s = limit.1;
    }
    figures
}

/// The best of some rounds without a worker: what SQLite does if one sync is for all that wait.
pub fn in_process(callers: usize) -> Figure {
    let name = "SQLite, one sync for all";
    let rounds = (0..5).map(|_| measure(name, Reach::Function, callers));
    let best = rounds.max_by(|a, b| a.per_s.total_cmp(&b.per_s));
    best.expect("there was a round")
}

/// What this program does as a worker.
pub fn work() -> ExitCode {
    worker::work();
    ExitCode::SUCCESS
}

fn measure(name: &str, reach: Reach, callers: usize) -> Figure {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::create(dir.path());
    let before = processor_time();
    let program: Box<dyn Program + Send> = match reach {
        Reach::Function => Box::new(InProcess::Plain),
        Reach::Frames => Box::new(InProcess::framed()),
        Reach::Process(over, ahead) => Box::new(Worker::start(over, ahead)),
    };
    let (to_writer, calls) = mpsc::channel();
    let (letters, from_writer) = mpsc::channel();
    let writer = std::thread::spawn(move || writer::run(store, program, &calls, &letters));
    let began = Instant::now();
    let times = callers::call(callers, SPAN, to_writer, &from_writer);
    let span = began.elapsed();
    let store = writer.join().expect("the writer does not panic");
    let used = processor_time().saturating_sub(before);
    store.check(times.len());
    let count = times.len().max(1) as f64;
    Figure { cpu_us: used.as_secs_f64() * 1e6 / count, ..Figure::of(name, callers, times, span) }
}

/// What this process and the workers that have ended took of the processors.
fn processor_time() -> Duration {
    let of = |who| {
        let usage = getrusage(who).expect("a process may ask for its own");
        [usage.user_time(), usage.system_time()]
    };
    let all = [of(UsageWho::RUSAGE_SELF), of(UsageWho::RUSAGE_CHILDREN)];
    let micros = |time: &nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000
            + u64::try_from(time.tv_usec()).unwrap_or(0)
    };
    Duration::from_micros(all.iter().flatten().map(micros).sum())
}
