//! `region stop`: an ordered stop; if that does not come to its end in time, the kill of what is
//! left of this region on this machine; and a report of what is still there.
//!
//! Nothing is killed before the stop is recorded: who is to run the region learns of it first, and
//! an end is no failure then.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{AccessFlags, access};
use tsugi_cluster_engine::config;
use tsugi_cluster_rules::spec::{ProcessHow, ResourceKind};
use tsugi_host::hands::node_mark;
use tsugi_host::remains::{self, Killed, Remain};
use tsugi_messages::{self as messages, Message, phrase};
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::{Operation, Reply, Request};

use super::{directory, one};
use crate::args::StopRegion;
use crate::ask::{Agents, person};
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};
use crate::region::{Directory, State};
use crate::run::change;

/// How often it is looked whether the region has stopped.
const AGAIN: Duration = Duration::from_millis(250);
/// How long what was killed may take to be gone, and the stop to come to its end then.
const LAST: Duration = Duration::from_secs(30);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Ended {
    /// As any command does.
    So(Exit),
    /// What is needed to stop it cannot be used; nothing was changed.
    NoTool,
    /// The directory does not answer, or cannot record a stop; this is how a command ends then.
    NoDirectory(Exit),
}

/// What came of it, as programs read it.
#[derive(serde::Serialize)]
struct Report<'a> {
    region: &'a str,
    stopped: bool,
    killed: Vec<Process>,
    left: Vec<Process>,
}

#[derive(serde::Serialize)]
struct Process {
    pid: u32,
    command: String,
}

/// Carries it out.
pub(in crate::run) fn stop(agents: &Agents, out: &Out, asked: &StopRegion) -> Ended {
    match ordered(agents, out, asked) {
        Ok(of) => Ended::So(finish(agents, out, (asked, &of))),
        Err(ended) => ended,
    }
}

/// Ends what a former run of a region has left on this machine, before it is started. Nothing is
/// touched while it runs anywhere: what is listed first, and seen to be nobody's then, is left.
pub(in crate::run) fn clean(agents: &Agents, out: &Out, region: &str) -> Result<(), Exit> {
    let Ok(name) = region.parse::<GroupName>() else { return Ok(()) };
    let left = remains::of_group(&node_mark(agents.run_dir()), &name).unwrap_or_default();
    if left.is_empty() || !has_stopped(agents, &name, Duration::ZERO) {
        return Ok(());
    }
    let killed = remains::kill(left, LAST);
    for one in &killed.gone {
        out.say(&phrase::region_killed(one.pid(), &one.command));
    }
    for one in &killed.left {
        out.say(&phrase::region_left(one.pid(), &one.command));
    }
    if killed.refused {
        out.tell(&messages::region_kill_refused(person(), &name));
        return Err(Exit::NotPermitted);
    }
    if killed.left.is_empty() {
        return Ok(());
    }
    out.tell(&messages::region_survives(&name, killed.left.len()));
    Err(Exit::Failed)
}

/// What is stopped, and how long it has.
struct Of {
    name: GroupName,
    within: Duration,
}

/// Looks whether it can be stopped, and has that recorded.
fn ordered(agents: &Agents, out: &Out, asked: &StopRegion) -> Result<Of, Ended> {
    let within = change::time(out, "--within", Some(&asked.within)).map_err(Ended::So)?;
    let within = if asked.force { Duration::ZERO } else { within.unwrap_or_default().to_std() };
    let directory = directory(agents, out, None).map_err(Ended::NoDirectory)?;
    let region = one(out, (&directory, &asked.region)).map_err(Ended::So)?;
    let name: GroupName = region.name.parse().expect("the directory has read it");
    let is_here = region.runs_on.as_deref() == Some(directory.node.as_str());
    if let (false, true, Some(path)) = (asked.force, is_here, missing_tool(agents, &name)) {
        out.tell(&messages::region_tool_missing(&name, path));
        return Err(Ended::NoTool);
    }
    let what = Operation::Stop { group: name.to_string() };
    match change::order(agents, out, what, &asked.changing) {
        Ok(Some(_)) => Ok(Of { name, within }),
        Ok(None) => Err(Ended::So(Exit::Done)),
        Err(Exit::NoMajority) => Err(Ended::NoDirectory(Exit::NoMajority)),
        Err(exit) => Err(Ended::So(exit)),
    }
}

/// What the ordered stop needs on this machine and cannot use: the list of processes, or a program
/// that stops a part of the region.
fn missing_tool(agents: &Agents, name: &GroupName) -> Option<String> {
    if remains::of_group(&node_mark(agents.run_dir()), name).is_err() {
        return Some("/proc".to_owned());
    }
    let Ok(Reply::Config(applied)) = agents.ask(&Request::ConfigShow).map(|answer| answer.reply)
    else {
        return None;
    };
    let spec = config::read(&applied.text).ok()?.spec;
    let stops =
        spec.groups.get(name)?.resources.iter().filter_map(|resource| match &resource.kind {
            ResourceKind::Process { how: ProcessHow::Scripts { stop, .. }, .. } => stop.first(),
            _ => None,
        });
    let is_missing = |path: &&String| {
        path.starts_with('/') && access(Path::new(path), AccessFlags::X_OK).is_err()
    };
    stops.into_iter().find(is_missing).cloned()
}

/// Waits for its end, forces it where that does not come, and tells what is left.
fn finish(agents: &Agents, out: &Out, (asked, of): (&StopRegion, &Of)) -> Exit {
    let mark = node_mark(agents.run_dir());
    let left = || remains::of_group(&mark, &of.name).unwrap_or_default();
    has_stopped(agents, &of.name, of.within);
    // Also where it counts as stopped: what has hidden itself from a stop is found by its mark.
    let (stopped, mut killed) = forced(agents, &of.name, left);
    killed.left = left();
    report(out, (asked, stopped), &killed);
    let came = Came { stopped, refused: killed.refused, left: killed.left.len() };
    let (exit, message) = ending(&of.name, came, of.within.max(LAST));
    if exit == Exit::Done {
        out.say_text(&message.line(out.language));
    } else {
        out.tell(&message);
    }
    exit
}

/// What came of a stop.
#[derive(Clone, Copy, Debug)]
struct Came {
    /// Whether the region has stopped.
    stopped: bool,
    /// Whether this person may not kill what is left.
    refused: bool,
    /// How many processes are left.
    left: usize,
}

/// How the command ends by what came of the stop, after so long, and what is said.
fn ending(name: &GroupName, came: Came, waited: Duration) -> (Exit, Message) {
    match came {
        Came { refused: true, .. } => {
            (Exit::NotPermitted, messages::region_kill_refused(person(), name))
        }
        Came { stopped: true, left: 0, .. } => (Exit::Done, messages::region_ended(name)),
        Came { stopped: false, left: 0, .. } => {
            (Exit::StillRunning, messages::region_does_not_end(name, waited.as_secs()))
        }
        Came { left, .. } => (Exit::Failed, messages::region_survives(name, left)),
    }
}

/// Kills what is left of the region on this machine, until it has stopped: the stop that goes on
/// may start what is to stop it. What was there before it was seen that nobody has started the
/// region again is of the run that was stopped.
fn forced(agents: &Agents, name: &GroupName, left: impl Fn() -> Vec<Remain>) -> (bool, Killed) {
    let end = Instant::now() + LAST;
    let mut killed = Killed::default();
    loop {
        let all = left();
        if !all.is_empty() && is_still_to_stop(agents, name) {
            let these = remains::kill(all, end.saturating_duration_since(Instant::now()));
            killed.gone.extend(these.gone);
            killed.refused |= these.refused;
        }
        let stopped = has_stopped(agents, name, Duration::ZERO);
        if (stopped && left().is_empty()) || killed.refused || Instant::now() >= end {
            return (stopped, killed);
        }
        thread::sleep(AGAIN);
    }
}

/// Whether the region has stopped everywhere within this time.
fn has_stopped(agents: &Agents, name: &GroupName, within: Duration) -> bool {
    let end = Instant::now() + within;
    loop {
        let seen = Directory::look(agents).ok();
        let region = seen.as_ref().and_then(|seen| seen.region(name.as_str()));
        if region.is_some_and(|one| one.state == State::Stopped && one.runs_on.is_none()) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(AGAIN.min(end.saturating_duration_since(Instant::now())));
    }
}

/// Whether the stop has reached the region, and nobody has started it again.
fn is_still_to_stop(agents: &Agents, name: &GroupName) -> bool {
    let Ok(Reply::Status(status)) = agents.ask(&Request::Status).map(|answer| answer.reply) else {
        return false;
    };
    let group = status.groups.iter().find(|group| group.name == name.as_str());
    group.is_some_and(|group| !["starting", "running", "moving"].contains(&group.state.as_str()))
}

fn report(out: &Out, (asked, stopped): (&StopRegion, bool), killed: &Killed) {
    let told = |all: &[Remain]| -> Vec<Process> {
        let one = |one: &Remain| Process { pid: one.pid(), command: one.command.clone() };
        all.iter().map(one).collect()
    };
    let report = Report {
        region: &asked.region,
        stopped,
        killed: told(&killed.gone),
        left: told(&killed.left),
    };
    let observed = Observed::here();
    out.show(Schema::first("tsugi.region_stopped"), &observed, &report, || {
        let gone = report.killed.iter().map(|one| phrase::region_killed(one.pid, &one.command));
        let left = report.left.iter().map(|one| phrase::region_left(one.pid, &one.command));
        gone.chain(left).map(|line| line.text(out.language)).collect()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mf_04_a_stop_is_done_only_when_the_region_has_stopped_and_nothing_of_it_is_left() {
        let name = "ESSRV01".parse().unwrap();
        let said = |stopped, refused, left| {
            let came = Came { stopped, refused, left };
            let (exit, message) = ending(&name, came, Duration::from_secs(60));
            (exit, message.line(tsugi_messages::Language::En))
        };
        for (came, exit, told) in [
            ((true, false, 0), Exit::Done, "TSUG20906-I"),
            ((true, false, 2), Exit::Failed, "2 processes of region ESSRV01 are still there"),
            ((false, false, 1), Exit::Failed, "TSUG20907-E"),
            ((false, false, 0), Exit::StillRunning, "has not stopped within 60 s"),
            ((false, true, 3), Exit::NotPermitted, "TSUG20914-E"),
        ] {
            let (ended, line) = said(came.0, came.1, came.2);
            assert_eq!(ended, exit, "{came:?}");
            assert!(line.contains(told), "{line}");
        }
    }
}
