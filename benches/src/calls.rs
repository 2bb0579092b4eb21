//! Durable calls exactly once, over HTTP to an engine in a process of its own, beside what this
//! machine and others can do, in one run.
//!
//! Each call is checked as it is answered: a client counts up numbers that are its own, so its
//! reply says whether a call of it was lost or carried out twice; of one hot number every value
//! comes back once. At the end the store's sums are compared with what was answered.

mod cost;
mod engine;
mod floor;
mod load;
mod nothing;
mod peers;
mod programs;
mod rows;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use crate::{Figure, hop, limits};
use cost::Used;
use engine::{Plan, Running, Upkept};
use load::{Load, Loaded, Work};
use programs::Program;

pub use engine::{ENGINE, WORKER, serve};

const SPAN: Duration = Duration::from_secs(3);
/// How many call at once.
const MANY: usize = 64;
/// How many call at once on PostgreSQL.
const BESIDE: usize = 16;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub peers: Peers,
    /// How many replies are stored where many are.
    pub rows: u64,
    /// How often the counter alone is measured, where nothing else is; 0 measures all.
    pub rounds: u32,
    /// How often the counter is measured beside many stored replies, where nothing else is.
    pub kept: u32,
}

/// Whether the peers are measured, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    Beside,
    Left,
}

/// What this machine can do, measured in this run.
#[derive(Default)]
pub struct Limits {
    sqlite: f64,
    sqlite_p99_ms: f64,
    http: f64,
    sync_p50_ms: f64,
    /// The store's statements on PostgreSQL by plain clients, where there is one.
    postgres: Option<f64>,
}

/// What an engine holds in memory, and how long it takes to be there again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    resident_mb: f64,
    /// After it was killed, and with how many replies; none where that was not measured.
    up: Option<(f64, u64)>,
}

/// Measures the limits, tsugi and the peers, and tells the targets beside.
pub fn run(asked: Asked) -> Vec<Figure> {
    if asked.rounds > 0 {
        return (0..asked.rounds).flat_map(|_| counter_alone()).collect();
    }
    if asked.kept > 0 {
        let kept = |_| many_stored(asked.rows, &Limits::default(), &mut Extent::default());
        return (0..asked.kept).map(kept).collect();
    }
    let folder = engine::folder(Program::Library);
    let (mut figures, mut limits) = limits_here(folder.path());
    let plan = Plan {
        folder: folder.path(),
        program: Program::Library,
        upkeep: Upkept::Seldom,
        server: None,
    };
    let mut extent = Extent::default();
    let mut tsugi = own(&plan, &limits, &mut extent);
    drop(folder);
    tsugi.extend(cobol(&limits));
    if asked.rows > 0 {
        tsugi.push(many_stored(asked.rows, &limits, &mut extent));
    }
    if asked.peers == Peers::Beside {
        let peers = peers::run(|server| {
            let measured = floor::run(server);
            limits.postgres = Some(measured.per_s);
            vec![measured, on_postgres(server, &limits)]
        });
        tsugi.extend(peers);
    }
    targets::tell(&tsugi, extent, &limits);
    figures.extend(tsugi);
    figures
}

/// The counter on SQLite, with nothing beside it.
fn counter_alone() -> Vec<Figure> {
    let folder = engine::folder(Program::Library);
    let plan = Plan {
        folder: folder.path(),
        program: Program::Library,
        upkeep: Upkept::Seldom,
        server: None,
    };
    own(&plan, &Limits::default(), &mut Extent::default())
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
        postgres: None,
    };
    (vec![sync, sqlite, http, one], limits)
}

/// Calls an engine by so many clients at once.
fn load(running: &Running, (name, clients): (&str, usize), work: &Work) -> (Loaded, f64) {
    let before = Used::now(running.process());
    let loaded = Load { to: running.address(), clients, span: SPAN }.run(work);
    let cost = Used::now(running.process()).since(&before, loaded.times.len());
    cost::tell(name, &cost);
    (loaded, cost::whole(&cost))
}

fn beside((loaded, cpu_us): &(Loaded, f64), (name, clients): (&str, usize), limit: f64) -> Figure {
    Figure { limit_per_s: limit, cpu_us: *cpu_us, ..loaded.figure(name, clients) }
}

/// A counter in a shared library: what each client has of its own, one client, one hot number, and
/// calls whose answers are stored.
fn own(plan: &Plan<'_>, limits: &Limits, extent: &mut Extent) -> Vec<Figure> {
    let running = Running::start(plan);
    let many = load(&running, (targets::MANY, MANY), &Work::OwnKeys { life: 1 });
    let one = load(&running, (targets::ONE, 1), &Work::OwnKeys { life: 2 });
    let hot = load(&running, (targets::HOT, MANY), &Work::HotKey { life: 3 });
    hot.0.every_value_once(1);
    let last = Arc::new(many.0.last.clone());
    let stored = load(&running, (targets::STORED, MANY), &Work::Stored { life: 1, last });
    let answered = [&many, &one, &hot].map(|(loaded, _)| loaded.times.len() as u64).iter().sum();
    extent.resident_mb = running.resident_mb();
    running.end();
    engine::check(plan.folder, plan.program, answered);
    let syncs = 1e3 / limits.sync_p50_ms.max(f64::EPSILON);
    vec![
        beside(&many, (targets::MANY, MANY), limits.sqlite),
        beside(&one, (targets::ONE, 1), syncs),
        beside(&hot, (targets::HOT, MANY), limits.sqlite),
        beside(&stored, (targets::STORED, MANY), limits.http),
    ]
}

/// The program of the verification report: four operations on a file for each call.
fn cobol(limits: &Limits) -> Option<Figure> {
    if let Err(why) = Program::Cobol.can_be_made() {
        println!("{}: not run ({why})", targets::COBOL);
        return None;
    }
    let folder = engine::folder(Program::Cobol);
    let plan = Plan {
        folder: folder.path(),
        program: Program::Cobol,
        upkeep: Upkept::Seldom,
        server: None,
    };
    let running = Running::start(&plan);
    let counted = load(&running, (targets::COBOL, MANY), &Work::Report { life: 1 });
    running.end();
    // It tells what its file says before it counts.
    counted.0.every_value_once(0);
    engine::check(plan.folder, plan.program, counted.0.times.len() as u64);
    Some(beside(&counted, (targets::COBOL, MANY), limits.sqlite))
}

/// As [`own`], beside many replies of others, while the old ones among them are taken away.
fn many_stored(rows: u64, limits: &Limits, extent: &mut Extent) -> Figure {
    let folder = engine::folder(Program::Library);
    rows::fill(folder.path(), rows);
    let plan = Plan {
        folder: folder.path(),
        program: Program::Library,
        upkeep: Upkept::Always,
        server: None,
    };
    let running = Running::start(&plan);
    let many = load(&running, (targets::KEPT, MANY), &Work::OwnKeys { life: 1 });
    let (up_ms, running) = rows::up_ms(&plan, running);
    extent.up = Some((up_ms, rows));
    let last = Arc::new(many.0.last.clone());
    let one = Load { to: running.address(), clients: 1, span: Duration::from_millis(50) };
    // What was told before the kill is told again.
    one.run(&Work::Stored { life: 1, last });
    extent.resident_mb = extent.resident_mb.max(running.resident_mb());
    running.end();
    engine::check(plan.folder, plan.program, many.0.times.len() as u64);
    beside(&many, (targets::KEPT, MANY), limits.sqlite)
}

/// The same counter on a server: as many calls beside each other as its floor has clients.
fn on_postgres(server: &peers::Server, limits: &Limits) -> Figure {
    let folder = tempfile::tempdir().expect("a temporary directory");
    engine::let_in(folder.path());
    Program::Library.make(folder.path());
    server.make_counter(engine::keys());
    let address = server.address();
    let plan = Plan {
        folder: folder.path(),
        program: Program::Library,
        upkeep: Upkept::Seldom,
        server: Some((&address, BESIDE)),
    };
    let running = Running::start(&plan);
    let many = load(&running, (targets::POSTGRES, BESIDE), &Work::OwnKeys { life: 1 });
    running.end();
    let answered = many.0.times.len() as u64;
    assert_eq!(server.counted(), answered, "calls were lost or doubled");
    beside(&many, (targets::POSTGRES, BESIDE), limits.postgres.unwrap_or(0.0))
}
