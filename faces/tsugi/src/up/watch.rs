//! Runs a trial: founds the cluster, starts the nodes, calls the service and tells about it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tsugi_cluster_engine::agent::{self, Founding};
use tsugi_cluster_engine::config;
use tsugi_cluster_rules::record::AuditRecord;
use tsugi_counter::caller::{Answered, Summary};
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::{Generation, NodeName};

use super::calls::Caller;
use super::place::{GROUP, Gate, NODES, Place};
use super::service::{self, Program};
use super::trial::{self, Asked, Frozen};
use crate::args::Up;
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::run as command;

/// Calls a second.
const RATE: u32 = 25;
/// How often the trial looks for what it was asked to do.
const LOOK: Duration = Duration::from_millis(20);
/// A gap worth a word.
const GAP: Duration = Duration::from_millis(150);

/// Runs a trial to its end; nothing of it is left, however it ends.
pub fn run(mut place: Place, up: &Up, out: &Out) -> Exit {
    let exit = attempt(&mut place, up, out).unwrap_or_else(|exit| exit);
    for node in NODES {
        trial::signal_all(&place, node, Signal::SIGKILL);
    }
    let _left_for_the_next = fs::remove_dir_all(place.dir());
    exit
}

fn attempt(place: &mut Place, up: &Up, out: &Out) -> Result<Exit, Exit> {
    let run_for = time(up.run_for.as_deref(), "--for", out)?;
    let lose_after = time(up.lose_owner_after.as_deref(), "--lose-owner-after", out)?;
    if lose_after.zip(run_for).is_some_and(|(lose, end)| lose >= end) {
        let detail = phrase::usage_exceeds("--lose-owner-after", "--for").text(out.language);
        out.tell(&messages::usage_wrong(detail, "tsugi up --help"));
        return Err(Exit::Usage);
    }
    sweep(place, out);
    let failed = |why| {
        out.tell(&messages::internal_failure("tsugi up", why));
        Exit::Failed
    };
    let began = Instant::now();
    let Founded { mut nodes, program, gate: _open } = found(place, out).map_err(failed)?;
    let times = Times { began, run_for, lose_after };
    let exit = watch(place, &mut nodes, (&times, program), out);
    for node in NODES {
        trial::signal_all(place, node, Signal::SIGKILL);
    }
    for child in nodes.values_mut() {
        // It was killed a moment ago.
        let _status = child.wait();
    }
    exit.map_err(failed)
}

/// When what happens, counted from when the cluster was there to be called.
struct Times {
    began: Instant,
    run_for: Option<Duration>,
    lose_after: Option<Duration>,
}

fn time(text: Option<&str>, option: &str, out: &Out) -> Result<Option<Duration>, Exit> {
    let Some(text) = text else { return Ok(None) };
    match config::duration(text) {
        Some(span) => Ok(Some(span.to_std())),
        None => {
            let detail = phrase::usage_value(text, option).text(out.language);
            out.tell(&messages::usage_wrong(detail, "tsugi up --help"));
            Err(Exit::Usage)
        }
    }
}

/// Ends what an earlier trial that was killed has left running.
fn sweep(place: &Place, out: &Out) {
    let count: usize = NODES.iter().map(|n| trial::signal_all(place, n, Signal::SIGKILL)).sum();
    if count > 0 {
        out.tell(&messages::up_left_removed(place.dir().display(), count));
    }
}

/// The nodes of a trial, once what they are to run is on their volume.
struct Founded {
    nodes: BTreeMap<&'static str, Child>,
    program: Program,
    /// As long as it is there, it is open for everybody.
    gate: Gate,
}

fn found(place: &mut Place, out: &Out) -> Result<Founded, String> {
    out.say(&phrase::up_begins());
    place.furnish().map_err(|e| e.to_string())?;
    out.say(&phrase::up_directory(place.dir().display()));
    let place = &*place;
    let mut gate = place.close().map_err(|e| e.to_string())?;
    // The compiler runs while keys are made and the nodes agree. The group's daemon stands by
    // meanwhile: one that had the volume would be in the way of the package.
    let (nodes, program) = std::thread::scope(|scope| {
        let deployed = scope.spawn(|| service::deploy(place, out));
        let nodes = identities(place).and_then(|()| begun(place, out))?;
        let program = deployed.join().map_err(|_| "deploy".to_owned())??;
        Ok::<_, String>((nodes, program))
    })?;
    gate.open().map_err(|e| e.to_string())?;
    let (at, volume) = (place.service(), place.volume());
    out.say(&phrase::up_group_starts(GROUP, NODES[0], at, volume.display(), program.word()));
    Ok(Founded { nodes, program, gate })
}

/// Starts the nodes.
fn begun(place: &Place, out: &Out) -> Result<BTreeMap<&'static str, Child>, String> {
    let mut nodes = BTreeMap::new();
    for node in NODES {
        let child = trial::begin(place, node).map_err(|e: io::Error| e.to_string())?;
        nodes.insert(node, child);
        out.say(&phrase::up_agent_started(node, place.address(node)));
    }
    Ok(nodes)
}

/// Makes the configuration, and the identities of the nodes.
fn identities(place: &Place) -> Result<(), String> {
    let exe = std::env::current_exe().map_err(|e| e.to_string())?;
    let text = place.config(&exe);
    fs::write(place.dir().join("tsugi.toml"), &text).map_err(|e| e.to_string())?;
    let name = |text: &str| NodeName::new(text).expect("the names of a trial are names");
    let (data, first) = (place.data_dir(NODES[0]), name(NODES[0]));
    let identity = agent::found((&data, &data.join("pki")), &text, &first, founder())
        .map_err(|e| e.to_string())?;
    let founding = Founding::read(&data).map_err(|e| e.to_string())?;
    for node in &NODES[1..] {
        let data = place.data_dir(node);
        let now = tsugi_wire::join::wall_now();
        identity.found_beside(&data.join("pki"), &name(node), now).map_err(|e| e.to_string())?;
        founding.for_joiner().write(&data).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The first line of the trial's audit.
fn founder() -> AuditRecord {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    AuditRecord {
        at: tsugi_host::clock::wall(),
        command: command::random_id(),
        person: user.map_or_else(|| uid.to_string(), |user| user.name),
        origin: command::origin(),
        words: command::typed(),
        reason: String::new(),
        decided_on: Generation::default(),
        outcome: "accepted".to_owned(),
    }
}

/// Calls until the time is over or the person ends it.
fn watch(
    place: &Place,
    nodes: &mut BTreeMap<&'static str, Child>,
    (times, program): (&Times, Program),
    out: &Out,
) -> Result<Exit, String> {
    let called = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    end_on_signal(&over);
    let last = Arc::new(std::sync::Mutex::new(None::<Answered>));
    let helper = {
        let (over, last, out) = (Arc::clone(&over), Arc::clone(&last), out.clone());
        move |owner: &dyn Fn() -> Option<String>| {
            let mut lose_at = times.lose_after.map(|t| called + t);
            let mut frozen = BTreeMap::new();
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                if times.run_for.is_some_and(|t| called.elapsed() >= t) {
                    over.store(true, Ordering::Relaxed);
                }
                let due = lose_at.is_some_and(|at| at <= Instant::now());
                if let Some(owner) = owner().filter(|_| due) {
                    lose_at = None;
                    out.say(&phrase::up_losing_owner(&owner));
                    trial::signal_all(place, &owner, Signal::SIGKILL);
                }
                start_asked(place, nodes);
                freeze_asked(place, &mut frozen);
            }
            out.say(&phrase::up_ending());
            drop(last);
        }
    };
    let client = format!("up-{}", std::process::id());
    let caller = Caller { to: place.service(), name: &client, rate: RATE, program };
    let mut told = Told { began: times.began, answered: None, first: true };
    let summary = std::thread::scope(|scope| {
        let owner_of = Arc::clone(&last);
        scope.spawn(move || {
            helper(&|| {
                let last = owner_of.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                last.as_ref().map(|a| a.node.clone())
            });
        });
        let summary = caller.call_until(
            || over.load(Ordering::Relaxed),
            |answered| {
                told.tell(answered, out);
                *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                    Some(answered.clone());
            },
        );
        over.store(true, Ordering::Relaxed);
        summary
    });
    Ok(sum_up(&summary.map_err(|why| why.to_string())?, out))
}

/// Prints the last line, and says whether every number followed.
fn sum_up(summary: &Summary, out: &Out) -> Exit {
    match out.form {
        Form::Json => {
            let text = serde_json::to_string(summary).expect("five plain fields");
            out.lines([text]);
        }
        Form::Text => out.lines([summary.to_string()]),
    }
    if summary.calls > 0 && summary.lost == 0 && summary.doubled == 0 {
        out.say(&phrase::up_all_followed());
        Exit::Done
    } else {
        out.say(&phrase::up_did_not_follow());
        Exit::Failed
    }
}

/// Starts the nodes that `tsugi up start` asked for.
fn start_asked(place: &Place, nodes: &mut BTreeMap<&'static str, Child>) {
    for node in NODES {
        if !Asked::Start.taken(place, node) {
            continue;
        }
        if let Some(child) = nodes.get_mut(node) {
            // One that still runs is left alone.
            if matches!(child.try_wait(), Ok(None)) {
                continue;
            }
        }
        if let Ok(child) = trial::begin(place, node) {
            nodes.insert(node, child);
        }
    }
}

/// Stops the nodes that `tsugi up freeze` asked for, and lets them go on.
fn freeze_asked(place: &Place, frozen: &mut BTreeMap<&'static str, Frozen>) {
    for node in NODES {
        if Asked::Freeze.taken(place, node) {
            frozen.insert(node, Frozen::begin(place, node));
        }
    }
    frozen.retain(|_, node| !node.woke());
}

fn end_on_signal(over: &Arc<AtomicBool>) {
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without it the trial ends at once, and the next one clears away.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let term = tokio::signal::unix::SignalKind::terminate();
            let Ok(mut term) = tokio::signal::unix::signal(term) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
        });
        over.store(true, Ordering::Relaxed);
    });
}

/// What has been told of the calls.
struct Told {
    began: Instant,
    answered: Option<Instant>,
    first: bool,
}

impl Told {
    fn tell(&mut self, answered: &Answered, out: &Out) {
        let now = Instant::now();
        if self.first {
            self.first = false;
            out.say(&phrase::up_in_service(self.began.elapsed().as_millis()));
            out.say(&phrase::up_caller(RATE));
            self.hints(answered, out);
        }
        if let Some(gap) = self.answered.map(|at| now - at).filter(|gap| *gap >= GAP) {
            out.say(&phrase::up_answer_again(&answered.node, gap.as_millis()));
        }
        self.answered = Some(now);
        if out.form == Form::Text {
            out.lines([answered.to_string()]);
        }
    }

    fn hints(&self, answered: &Answered, out: &Out) {
        let owner = &answered.node;
        let other = if owner == NODES[0] { NODES[1] } else { NODES[0] };
        out.say(&phrase::up_try_title());
        if let Some(path) = elsewhere() {
            out.say_text(&format!("    alias tsugi={}", path.display()));
        }
        let hint = |command: String, what: messages::Phrase| {
            out.say_text(&format!("    {command:<44} {}", what.text(out.language)));
        };
        hint(format!("tsugi up kill {owner}"), phrase::up_try_kill(owner));
        hint(format!("tsugi up freeze {owner}"), phrase::up_try_freeze(owner));
        hint(format!("tsugi up start {owner}"), phrase::up_try_start(owner));
        hint("tsugi status".to_owned(), phrase::up_try_status());
        let reason = "--reason trial";
        hint(format!("tsugi group move {GROUP} {other} {reason}"), phrase::up_try_move(other));
        hint("tsugi explain".to_owned(), phrase::up_try_explain());
        out.say(&phrase::up_stop_hint());
    }
}

/// Where this program is, if a terminal that is told `tsugi` would not find it.
fn elsewhere() -> Option<std::path::PathBuf> {
    let here = std::env::current_exe().ok()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("tsugi")).find(|p| p.is_file());
    let same = found.and_then(|found| found.canonicalize().ok()).is_some_and(|f| f == here);
    (!same).then_some(here)
}
