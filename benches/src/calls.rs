//! Durable calls exactly once, over HTTP to an engine in a process of its own, beside what this
//! machine and others can do, in one run.
//!
//! Each call is checked as it is answered: a client counts up numbers that are its own, so its
//! reply says whether a call of it was lost or carried out twice; of one hot number every value
//! comes back once. At the end the store's sums are compared with what was answered.

mod cost;
mod engine;
mod load;
mod nothing;
mod peers;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use crate::{Figure, hop, limits};
use cost::Used;
use engine::Running;
use load::{Load, Loaded, Work};

pub use engine::{ENGINE, WORKER, serve};

const SPAN: Duration = Duration::from_secs(3);
/// How many call at once.
const MANY: usize = 64;

/// Whether the peers are measured, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    Beside,
    Left,
}

/// What this machine can do, measured in this run.
pub struct Limits {
    sqlite: f64,
    sqlite_p99_ms: f64,
    http: f64,
    sync_p50_ms: f64,
}

/// Measures the limits, tsugi and the peers, and tells the targets beside.
pub fn run(peers: Peers) -> Vec<Figure> {
    let folder = engine::folder();
    let (mut figures, limits) = limits_here(folder.path());
    let running = Running::start(folder.path());
    let tsugi = tsugi(&running, &limits);
    let resident = running.resident_mb();
    let answered = tsugi.answered;
    running.end();
    engine::check(folder.path(), answered);
    targets::tell(&tsugi.figures, resident, &limits);
    figures.extend(tsugi.figures);
    if peers == Peers::Beside {
        figures.extend(peers::run());
    }
    figures
}

fn limits_here(folder: &std::path::Path) -> (Vec<Figure>, Limits) {
    let sync = limits::syncs(folder, Duration::from_secs(1));
    let sqlite = hop::in_process(MANY);
    let to = nothing::serve();
    let ask = |clients| Load { to, clients, span: SPAN }.run(&Work::Nothing);
    let http = ask(MANY).figure("hyper answering nothing", MANY);
    let one = ask(1).figure("hyper answering nothing", 1);
    let limits = Limits {
        sqlite: sqlite.per_s,
        sqlite_p99_ms: sqlite.p99_ms,
        http: http.per_s,
        sync_p50_ms: sync.p50_ms,
    };
    (vec![sync, sqlite, http, one], limits)
}

/// What came of the engine.
struct Tsugi {
    figures: Vec<Figure>,
    /// How many calls were carried out.
    answered: u64,
}

fn tsugi(running: &Running, limits: &Limits) -> Tsugi {
    let load = |name, clients, work: &Work| {
        let before = Used::now(running.process());
        let loaded = Load { to: running.address(), clients, span: SPAN }.run(work);
        let cost = Used::now(running.process()).since(&before, loaded.times.len());
        cost::tell(name, &cost);
        (loaded, cost::whole(&cost))
    };
    let beside = |(loaded, cpu_us): &(Loaded, f64), name: &str, clients, limit_per_s| Figure {
        limit_per_s,
        cpu_us: *cpu_us,
        ..loaded.figure(name, clients)
    };
    let many = load(targets::MANY, MANY, &Work::OwnKeys { life: 1 });
    let one = load(targets::ONE, 1, &Work::OwnKeys { life: 2 });
    let hot = load(targets::HOT, MANY, &Work::HotKey { life: 3 });
    hot.0.every_value_once();
    let last = Arc::new(many.0.last.clone());
    let stored = load(targets::STORED, MANY, &Work::Stored { life: 1, last });
    let answered = [&many, &one, &hot].map(|(loaded, _)| loaded.times.len() as u64).iter().sum();
    let syncs = 1e3 / limits.sync_p50_ms.max(f64::EPSILON);
    let figures = vec![
        beside(&many, targets::MANY, MANY, limits.sqlite),
        beside(&one, targets::ONE, 1, syncs),
        beside(&hot, targets::HOT, MANY, limits.sqlite),
        beside(&stored, targets::STORED, MANY, limits.http),
    ];
    Tsugi { figures, answered }
}
