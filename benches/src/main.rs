//! `bench`: speed against the limit of this machine, measured in the same run.

mod calls;
mod counter;
mod hop;
mod ledger;
mod limits;
mod plan;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use calls::Peers;
use clap::Parser;
use serde::Serialize;

/// Measure something against the limit of this machine.
#[derive(Parser)]
struct Asked {
    /// `plan`: a plan of 200 groups on three nodes. `counter`: durable calls of the sample.
    /// `ledger`: commits through three voters. `hop`: calls through a worker process, by the ways
    /// that may lead to it. `calls`: durable calls over HTTP, beside limits, targets and peers.
    name: String,
    /// Measure the peers beside it where they can run.
    #[arg(long)]
    peers: bool,
    /// Of `calls`: leave the peers out.
    #[arg(long)]
    alone: bool,
    /// Of `calls`: how many replies are stored where many are; 0 leaves that out.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Of `calls`: only the counter on SQLite, so many times one after the other and without
    /// limits beside it, to compare two builds in the same minute.
    #[arg(long, default_value_t = 0)]
    rounds: u32,
    /// Of `calls`: only the counter beside many stored replies and their purge, so many times.
    #[arg(long, default_value_t = 0)]
    kept: u32,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How many asked at once.
    pub clients: usize,
    /// How many a second.
    pub per_s: f64,
    /// The middle of the times in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 were at most this.
    pub p99_ms: f64,
    /// How many the machine can do at the most, measured in this run; 0 if there is no such limit.
    pub limit_per_s: f64,
    /// Time of processors that one takes in microseconds, of every process; 0 if not measured.
    pub cpu_us: f64,
    /// How many a second in each round, of which the best is told; empty if there was one.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// A figure from the times of single pieces of work done in `span` altogether.
    pub fn of(name: &str, clients: usize, mut times: Vec<Duration>, span: Duration) -> Self {
        times.sort_unstable();
        let at = |part: usize| {
            let place = (times.len().saturating_sub(1)) * part / 100;
            times.get(place).map_or(0.0, |t| t.as_secs_f64() * 1e3)
        };
        let per_s = times.len() as f64 / span.as_secs_f64().max(f64::EPSILON);
        let (p50_ms, p99_ms) = (at(50), at(99));
        let (limit_per_s, cpu_us, rounds) = (0.0, 0.0, Vec::new());
        Self { name: name.to_owned(), clients, per_s, p50_ms, p99_ms, limit_per_s, cpu_us, rounds }
    }
}

/// What there is to say of the peers of a bench: none runs here.
fn peers(name: &str) -> &'static str {
    match name {
        "ledger" => "etcd: not run (this bench brings no other ledger with it)",
        "calls" => "its peers are run without being asked for",
        _ => "peers: not run (this measure has no peer that does the same)",
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(calls::ENGINE) => return calls::serve(words),
        Some(calls::WORKER) => {
            return tsugi_worker::run(words, &[tsugi_worker::COBOL, tsugi_worker::LIBRARY]);
        }
        _ => {}
    }
    let asked = Asked::parse();
    let figures = match asked.name.as_str() {
        "calls" => {
            let peers = if asked.alone { Peers::Left } else { Peers::Beside };
            let (rows, rounds, kept) = (asked.rows, asked.rounds, asked.kept);
            calls::run(calls::Asked { peers, rows, rounds, kept })
        }
        "plan" => plan::run(),
        "counter" => counter::run(),
        "ledger" => ledger::run(),
        "hop" => hop::run(),
        hop::WORKER => return hop::work(),
        other => {
            eprintln!("there is no bench {other:?}: say plan, counter, ledger, hop or calls");
            return ExitCode::from(2);
        }
    };
    if asked.peers {
        println!("{}", peers(&asked.name));
    }
    println!(
        "{:<28} {:>7} {:>12} {:>9} {:>9} {:>12} {:>9} {:>7}",
        "name", "clients", "per s", "p50 ms", "p99 ms", "limit per s", "of limit", "cpu us"
    );
    for f in &figures {
        let part = if f.limit_per_s > 0.0 { f.per_s / f.limit_per_s * 100.0 } else { 0.0 };
        println!(
            "{:<28} {:>7} {:>12.0} {:>9.3} {:>9.3} {:>12.0} {:>7.0} % {:>7.1}",
            f.name, f.clients, f.per_s, f.p50_ms, f.p99_ms, f.limit_per_s, part, f.cpu_us
        );
    }
    if let Some(file) = asked.json {
        let text = serde_json::to_string_pretty(&figures).expect("figures are plain data");
        if let Err(error) = std::fs::write(&file, text) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
