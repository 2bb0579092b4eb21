//! Commands about watched programs; the ones that act wait until what they ask for is so.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tsugi_messages::{self as messages, Column, Message, Table, phrase};
use tsugi_vocabulary::{Epoch, Span};
use tsugi_wire::control::report::No;
use tsugi_wire::control::watched::{self, Again, AtEnd, Program, Programs, Run, State};
use tsugi_wire::control::{Change, How, Operation, Reply, Request};

use super::change::{origin, random_id, time, typed};
use super::read;
use crate::args::{Load, Proc};
use crate::ask::{Agents, Silence};
use crate::exit::Exit;
use crate::out::{Form, Out, Schema};
use crate::render;

/// How often the list is asked for.
const LOOK: Duration = Duration::from_millis(20);
/// How long a start may take to be known, and an end longer than it was allowed.
const PATIENCE: Duration = Duration::from_secs(30);

/// `proc …`
pub fn proc(agents: &Agents, out: &Out, asked: &Proc) -> Exit {
    match asked {
        Proc::Load(load) => load_one(agents, out, load),
        Proc::Kill { id, within, reason } => match time(out, "--within", Some(within)) {
            Ok(within) => kill(agents, out, (id, reason.as_deref()), within.unwrap_or_default()),
            Err(exit) => exit,
        },
        Proc::List => list(agents, out),
        Proc::Hold { id, reason } => {
            let what = Operation::Hold { run: run_here(None), id: id.clone() };
            tell(out, send(agents, out, (what, reason.as_deref())), &messages::proc_held(id))
        }
        Proc::Watch { id, reason } => {
            let what = Operation::Watch { run: run_here(None), id: id.clone() };
            tell(out, send(agents, out, (what, reason.as_deref())), &messages::proc_watched(id))
        }
    }
}

/// Says what was done, if it was.
fn tell(out: &Out, sent: Result<(), Exit>, done: &Message) -> Exit {
    match sent {
        Ok(()) => {
            out.tell(done);
            Exit::Done
        }
        Err(exit) => exit,
    }
}

/// The run of a group that this was called from: the hands tell every program of a group.
fn run_here(group: Option<&str>) -> Option<Run> {
    let told = std::env::var("TSUGI_GROUP").ok();
    let epoch = std::env::var("TSUGI_EPOCH").ok().and_then(|text| epoch(&text));
    match (group, told) {
        (Some(group), told) => {
            let epoch = epoch.filter(|_| told.as_deref() == Some(group));
            Some(Run { group: group.to_owned(), epoch })
        }
        (None, told) => Some(Run { group: told?, epoch }),
    }
}

/// `e1.4`, as programs are told it.
fn epoch(text: &str) -> Option<Epoch> {
    let (incarnation, counter) = text.strip_prefix('e')?.split_once('.')?;
    Some(Epoch { incarnation: incarnation.parse().ok()?, counter: counter.parse().ok()? })
}

fn load_one(agents: &Agents, out: &Out, load: &Load) -> Exit {
    let Some(run) = run_here(load.group.as_deref()) else {
        out.tell(&messages::proc_group_missing());
        return Exit::Usage;
    };
    let at_end = match at_end(out, load) {
        Ok(at_end) => at_end,
        Err(exit) => return exit,
    };
    let dir = std::env::current_dir().ok();
    let what = watched::Load {
        service: load.service.clone(),
        run: found(&load.program, dir.as_deref()),
        dir: dir.map(|dir| dir.display().to_string()),
        user: load.user.clone(),
        at_end,
    };
    let what = Operation::Load { run, id: load.id.clone(), load: Box::new(what) };
    if let Err(exit) = send(agents, out, (what, load.reason.as_deref())) {
        return exit;
    }
    let started = |program: &Program| program.state != State::Starting;
    let Some(program) = wait(agents, &load.id, PATIENCE, started) else {
        let seconds = PATIENCE.as_secs();
        out.tell(&messages::command_still_running(typed(), seconds, "-"));
        return Exit::StillRunning;
    };
    if program.state == State::Refused {
        // The id is free again for whoever repairs it.
        let what = Operation::Kill { run: None, id: load.id.clone(), within: Span::ZERO };
        let _freed = ask(agents, (what, None));
        out.tell(&messages::proc_not_started(&program.id, program.detail.unwrap_or_default()));
        return Exit::Failed;
    }
    out.tell(&messages::proc_loaded(&program.id));
    Exit::Done
}

/// The program where it is from here; one without a slash is looked for in the node's `PATH`.
fn found(program: &[String], dir: Option<&Path>) -> Vec<String> {
    let mut program = program.to_vec();
    if let (Some(first), Some(dir)) = (program.first_mut(), dir)
        && first.contains('/')
    {
        *first = dir.join(PathBuf::from(&*first)).display().to_string();
    }
    program
}

fn at_end(out: &Out, load: &Load) -> Result<AtEnd, Exit> {
    Ok(match (load.fail, load.failover, load.restart) {
        (_, true, _) => AtEnd::TakeOver,
        (true, _, _) => AtEnd::Fail,
        (_, _, Some(times)) => AtEnd::Restart {
            times,
            within: time(out, "--within", load.within.as_deref())?,
            wait: time(out, "--delay", load.delay.as_deref())?.unwrap_or(Span::ZERO),
            interval: time(out, "--interval", load.interval.as_deref())?.unwrap_or(Span::ZERO),
            again: if load.rerun_scripts { Again::Scripts } else { Again::Program },
        },
        (false, false, None) => AtEnd::Log,
    })
}

fn kill(agents: &Agents, out: &Out, (id, reason): (&str, Option<&str>), within: Span) -> Exit {
    let what = Operation::Kill { run: run_here(None), id: id.to_owned(), within };
    if let Err(exit) = send(agents, out, (what, reason)) {
        return exit;
    }
    let ended = |program: &Program| match program.state {
        State::Gone | State::Killed | State::Elsewhere => true,
        State::Starting
        | State::Up
        | State::Resting
        | State::Refused
        | State::Ended
        | State::Failed
        | State::Ending => false,
    };
    match wait(agents, id, PATIENCE + within.to_std(), ended) {
        Some(Program { state: State::Killed, id, .. }) => {
            out.tell(&messages::proc_killed(id, within.as_millis() / 1000));
            Exit::Failed
        }
        Some(program) => {
            out.tell(&messages::proc_ended(program.id));
            Exit::Done
        }
        None => {
            out.tell(&messages::command_still_running(typed(), within.as_millis() / 1000, "-"));
            Exit::StillRunning
        }
    }
}

/// Looks until a program stands so, or the time is over.
fn wait(
    agents: &Agents,
    id: &str,
    patience: Duration,
    stands: impl Fn(&Program) -> bool,
) -> Option<Program> {
    let end = Instant::now() + patience;
    let id = id.to_ascii_uppercase();
    loop {
        let found =
            programs(agents).ok().and_then(|list| list.programs.into_iter().find(|p| p.id == id));
        if let Some(program) = found.filter(|program| stands(program)) {
            return Some(program);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

fn programs(agents: &Agents) -> Result<Programs, Silence> {
    match agents.ask(&Request::Programs)?.reply {
        Reply::Programs(programs) => Ok(programs),
        _ => Ok(Programs { programs: Vec::new() }),
    }
}

fn send(agents: &Agents, out: &Out, (what, reason): (Operation, Option<&str>)) -> Result<(), Exit> {
    let request = request(what, reason);
    match read::ask(agents, out, (&request, &typed()))? {
        (Reply::Done(_), _) => Ok(()),
        _ => Err(read::strange(out, &typed())),
    }
}

/// The same, and nothing is told.
fn ask(agents: &Agents, (what, reason): (Operation, Option<&str>)) -> Result<(), Option<No>> {
    match agents.ask(&request(what, reason)).map(|answer| answer.reply) {
        Ok(Reply::Done(_)) => Ok(()),
        Ok(Reply::No(refused)) => Err(Some(refused.kind)),
        Ok(_) | Err(_) => Err(None),
    }
}

fn request(what: Operation, reason: Option<&str>) -> Request {
    Request::Change(Change {
        command: random_id(),
        words: typed(),
        reason: reason.unwrap_or_default().to_owned(),
        origin: origin(),
        decided_on: None,
        how: How::ForReal,
        what,
    })
}

fn list(agents: &Agents, out: &Out) -> Exit {
    let (programs, observed) = match read::ask(agents, out, (&Request::Programs, "tsugi proc list"))
    {
        Ok((Reply::Programs(programs), observed)) => (programs, observed),
        Ok(_) => return read::strange(out, "tsugi proc list"),
        Err(exit) => return exit,
    };
    match out.form {
        Form::Json => out.json(Schema::first("tsugi.programs"), &observed, &programs),
        Form::Text => {
            let over = |program: &&Program| matches!(program.state, State::Gone | State::Killed);
            let mut table = Table::new([Column::Left; 5]);
            let headings = [
                phrase::heading_watch(),
                phrase::heading_state(),
                phrase::heading_group(),
                phrase::heading_node(),
                phrase::heading_program(),
            ];
            table.row(headings.map(|phrase| phrase.text(out.language)));
            for program in programs.programs.iter().filter(|program| !over(program)) {
                table.row([
                    program.id.clone(),
                    state(out, program),
                    program.group.clone(),
                    program.node.clone(),
                    what_runs(&program.load),
                ]);
            }
            out.lines(table.lines(render::columns()));
        }
    }
    Exit::Done
}

/// The words of a program, behind the name of the service that it is.
fn what_runs(load: &watched::Load) -> String {
    let words = load.run.join(" ");
    match &load.service {
        Some(service) => format!("{service}: {words}"),
        None => words,
    }
}

/// The word for how a program stands; a suspended watch is what counts first.
fn state(out: &Out, program: &Program) -> String {
    if let Some(held) = &program.held {
        let word = phrase::watch_state_suspended().text(out.language);
        return format!("{word}: {} ({}, {})", held.by, held.reason, render::second(held.at));
    }
    let word = match program.state {
        State::Starting => phrase::watch_state_starting(),
        State::Up => phrase::watch_state_up(),
        State::Resting => phrase::watch_state_resting(),
        State::Refused => phrase::watch_state_refused(),
        State::Ended => phrase::watch_state_ended(),
        State::Failed => phrase::watch_state_failed(),
        State::Ending => phrase::watch_state_ending(),
        State::Gone | State::Killed => phrase::watch_state_over(),
        State::Elsewhere => phrase::watch_state_elsewhere(),
    };
    let word = word.text(out.language);
    match &program.detail {
        Some(detail) => format!("{word} ({detail})"),
        None => word,
    }
}
