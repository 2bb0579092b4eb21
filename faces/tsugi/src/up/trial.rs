//! What can be done to a node of a trial: cut its power, give it back, let it stand still.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;
use tsugi_messages as messages;

use super::place::{NODES, Place};
use crate::exit::Exit;
use crate::out::Out;

/// How long a frozen node stands still.
const FREEZE: Duration = Duration::from_secs(3);
/// By how much the daemons of a woken node are ahead of its programs.
const DAEMONS_FIRST: Duration = Duration::from_millis(20);

/// Starts the process of a node. It ends with the process that started it.
pub fn begin(place: &Place, node: &str) -> io::Result<Child> {
    let log = fs::File::create(place.dir().join("nodes").join(node).join("log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["node", "run", "--trial", "--name", node])
        .arg("--run-dir")
        .arg(place.run_dir(node))
        .arg("--data-dir")
        .arg(place.data_dir(node))
        .arg("--config")
        .arg(place.dir().join("tsugi.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0);
    let child = command.spawn()?;
    fs::write(pid_file(place, node), format!("{}\n", child.id()))?;
    Ok(child)
}

fn pid_file(place: &Place, node: &str) -> std::path::PathBuf {
    place.dir().join("nodes").join(node).join("pid")
}

/// Every process of a node: the hands and all that descends from them.
pub fn processes(place: &Place, node: &str) -> Vec<Pid> {
    let text = fs::read_to_string(pid_file(place, node)).unwrap_or_default();
    let Ok(root) = text.trim().parse::<i32>() else { return Vec::new() };
    let run_dir = place.run_dir(node);
    let mine = fs::read(format!("/proc/{root}/cmdline")).unwrap_or_default();
    // A pid that belongs to somebody else by now is not ours to touch.
    if !String::from_utf8_lossy(&mine).contains(&*run_dir.to_string_lossy()) {
        return Vec::new();
    }
    let parents = parents();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, p)| **p == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.into_iter().map(Pid::from_raw).collect()
}

fn parents() -> BTreeMap<i32, i32> {
    let mut parents = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return parents };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let after = stat.rsplit(')').next().unwrap_or_default();
        if let Some(parent) = after.split_whitespace().nth(1).and_then(|p| p.parse().ok()) {
            parents.insert(pid, parent);
        }
    }
    parents
}

/// Signals every process of a node at once; how many there were.
pub fn signal_all(place: &Place, node: &str, signal: Signal) -> usize {
    let pids = processes(place, node);
    // One that has ended meanwhile is as wanted.
    pids.iter().filter(|pid| send(**pid, signal).is_ok()).count()
}

fn known(node: &str, out: &Out) -> bool {
    let known = NODES.contains(&node);
    if !known {
        out.tell(&messages::refused_unknown_node(node, NODES.join(", ")));
    }
    known
}

/// `tsugi up kill NODE`.
pub fn kill(place: &Place, node: &str, out: &Out) -> Exit {
    if !known(node, out) {
        return Exit::NotFound;
    }
    match signal_all(place, node, Signal::SIGKILL) {
        0 => is_off(node, out),
        count => {
            out.tell(&messages::up_node_killed(node, count));
            Exit::Done
        }
    }
}

/// `tsugi up start NODE`: the process that runs the trial does it.
pub fn start(place: &Place, node: &str, out: &Out) -> Exit {
    if !known(node, out) {
        return Exit::NotFound;
    }
    if !processes(place, node).is_empty() {
        out.tell(&messages::up_node_is_on(node));
        return Exit::Refused;
    }
    ask(place, Asked::Start, node, &messages::up_node_started(node), out)
}

/// `tsugi up freeze NODE`: the process that runs the trial does it, so that the node wakes up
/// whatever becomes of this terminal.
pub fn freeze(place: &Place, node: &str, out: &Out) -> Exit {
    if !known(node, out) {
        return Exit::NotFound;
    }
    if processes(place, node).is_empty() {
        return is_off(node, out);
    }
    ask(place, Asked::Freeze, node, &messages::up_node_frozen(node, FREEZE.as_secs()), out)
}

fn is_off(node: &str, out: &Out) -> Exit {
    out.tell(&messages::up_node_is_off(node));
    Exit::Refused
}

/// What another terminal may ask of the process that runs the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Give a node its power back.
    Start,
    /// Let a node stand still for a while.
    Freeze,
}

impl Asked {
    fn file(self, place: &Place, node: &str) -> std::path::PathBuf {
        let word = match self {
            Self::Start => "start",
            Self::Freeze => "freeze",
        };
        place.dir().join(format!("{word}-{node}"))
    }

    /// Whether it was asked since the last time this was called.
    pub fn taken(self, place: &Place, node: &str) -> bool {
        fs::remove_file(self.file(place, node)).is_ok()
    }
}

fn ask(place: &Place, what: Asked, node: &str, told: &messages::Message, out: &Out) -> Exit {
    match fs::write(what.file(place, node), "") {
        Ok(()) => {
            out.tell(told);
            Exit::Done
        }
        Err(error) => {
            out.tell(&messages::internal_failure("tsugi up", error));
            Exit::Failed
        }
    }
}

/// A node that stands still.
#[derive(Debug)]
pub struct Frozen {
    pids: Vec<Pid>,
    wakes: Instant,
}

impl Frozen {
    /// Stops every process of a node at once.
    pub fn begin(place: &Place, node: &str) -> Self {
        let pids = processes(place, node);
        for pid in &pids {
            let _ended = send(*pid, Signal::SIGSTOP);
        }
        Self { pids, wakes: Instant::now() + FREEZE }
    }

    /// Lets the node go on once its time is over; whether it does. Its own daemons go first: on a
    /// machine they have real-time priority, which nobody has here.
    pub fn woke(&self) -> bool {
        if Instant::now() < self.wakes {
            return false;
        }
        let (daemons, programs): (Vec<Pid>, Vec<Pid>) =
            self.pids.iter().partition(|pid| is_daemon(**pid));
        for pid in daemons {
            let _ended = send(pid, Signal::SIGCONT);
        }
        std::thread::sleep(DAEMONS_FIRST);
        for pid in programs {
            let _ended = send(pid, Signal::SIGCONT);
        }
        true
    }
}

/// Whether a process of a node is one of its daemons, as against a program of a group.
fn is_daemon(pid: Pid) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let second = words.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    [&b"node"[..], b"agent", b"guardian"].contains(&second)
}
