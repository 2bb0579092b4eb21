//! Drills beside the running group, as they are carried out on this node: one at a time.
//!
//! It never waits: the hands start `tsugi rehearsing` ([`step`]), and their report says how it
//! ended. What it was to do stands in a file ([`brief`]) from before it begins until everything is
//! taken away again, so that the agent after a death knows what was left.

pub(crate) mod bounded;
pub mod brief;
mod copies;
mod inside;
mod log;
mod programs;
mod reading;
pub mod step;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tsugi_cluster_rules::drill::Depth;
use tsugi_cluster_rules::drill::rehearsal::{Fault, FaultKind, Part, Showed};
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::Host;
use tsugi_host::request::{
    Answer, Ended, Event, HowEnded, ProgramId, Report, Request, RequestId, TAIL_LONGEST, TimeLimit,
};
use tsugi_vocabulary::{Epoch, GroupName, Span};

use crate::errand::Surroundings;
use brief::Brief;
pub use brief::held_off;

/// How much longer than its limit a process may take to say what is slow.
const LATE: Span = Span::secs(5);
/// How long taking everything away may take.
const DROP: Span = Span::secs(120);
/// The name that the hands know what is shown by; no group of a configuration is called so.
const GROUP: &str = "tsugi-drill";
/// And what takes it away: the kill of the one does not wait, and must not hit the other.
const CLEARS_UP: &str = "tsugi-drop";

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Show,
    Drop,
}

impl Does {
    const fn word(self) -> &'static str {
        match self {
            Self::Show => "run",
            Self::Drop => "drop",
        }
    }

    const fn group(self) -> &'static str {
        match self {
            Self::Show => GROUP,
            Self::Drop => CLEARS_UP,
        }
    }
}

/// One that is to be carried out.
#[derive(Clone, Debug)]
pub struct Rehearse {
    /// The command that ordered it.
    pub command: String,
    /// The group.
    pub group: GroupName,
    /// What is to be shown.
    pub depth: Depth,
    /// The epoch that programs are told.
    pub epoch: Epoch,
    /// For how long it may take.
    pub limit: Span,
    /// The group as it is configured.
    pub spec: Arc<GroupSpec>,
    /// Where groups have what may be mounted elsewhere next.
    pub held_off: Vec<PathBuf>,
}

/// What one came to; everything of it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The command that ordered it.
    pub command: String,
    /// What it came to.
    pub showed: Showed,
}

/// Where a process stands that the hands were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Asked(RequestId),
    Runs(ProgramId),
}

/// What is being done.
#[derive(Debug)]
enum State {
    Idle,
    /// The whole of it, for whoever still wants to know.
    Showing {
        process: Asked,
        command: Option<String>,
    },
    /// What is left is taken away; then it is told.
    Dropping {
        process: Asked,
        told: Option<Rehearsed>,
    },
}

/// What this node shows beside a running group.
#[derive(Debug)]
pub struct Rehearsals {
    around: Surroundings,
    state: State,
    /// Locked for as long as this agent lives.
    lifeline: Option<File>,
}

impl Rehearsals {
    /// Nothing is shown yet.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self { around, state: State::Idle, lifeline: None }
    }

    /// Ends and takes away what an earlier agent has left.
    pub fn clear_up(&mut self, host: &mut dyn Host) {
        if brief::file(&brief::folder(&self.around.data_dir)).exists() {
            self.kill(host);
            self.drop_all(None, host);
        }
    }

    /// Begins one; what it came to, if that is known at once.
    pub fn begin(&mut self, asked: &Rehearse, host: &mut dyn Host) -> Option<Rehearsed> {
        let command = asked.command.clone();
        let failed = |fault: Fault| {
            let showed = Showed { parts: Vec::new(), fault: Some(fault) };
            Some(Rehearsed { command: command.clone(), showed })
        };
        let left = brief::file(&brief::folder(&self.around.data_dir)).exists();
        if left || !matches!(self.state, State::Idle) {
            if matches!(self.state, State::Idle) {
                self.clear_up(host);
            }
            let folder = brief::folder(&self.around.data_dir).display().to_string();
            return failed(fault(Part::Drop, "/", folder));
        }
        let brief = match Brief::of(&self.around, asked) {
            Ok(brief) => brief,
            Err((resource, why)) => return failed(fault(Part::Start, &resource, why)),
        };
        if let Err(why) = self.write(&brief) {
            return failed(fault(Part::Copy, "/", why));
        }
        match self.spawn(Does::Show, asked.limit + LATE, host) {
            Some(id) => {
                let command = Some(asked.command.clone());
                self.state = State::Showing { process: Asked::Asked(id), command };
                None
            }
            // Without hands the node is ending.
            None => failed(fault(Part::Start, "/", String::new())),
        }
    }

    /// Ends it at once; nobody wants to know any more.
    pub fn end(&mut self, host: &mut dyn Host) {
        if let State::Showing { command, .. } = &mut self.state {
            *command = None;
            self.kill(host);
        }
    }

    /// Takes a report of the hands, and says what one came to.
    pub fn on_report(&mut self, report: &Report, host: &mut dyn Host) -> Option<Rehearsed> {
        let ended = match report {
            Report::Answer { id, outcome } => {
                let process = self.process().filter(|p| **p == Asked::Asked(*id))?;
                match outcome {
                    Ok(Answer::Spawned(program)) => {
                        *process = Asked::Runs(*program);
                        return None;
                    }
                    Ok(_) => return None,
                    Err(failure) => Err(failure.to_string()),
                }
            }
            Report::Event(Event::Ended(ended)) => {
                self.process().filter(|p| **p == Asked::Runs(ended.program.id))?;
                said(ended)
            }
            Report::Event(_) => return None,
        };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => None,
            State::Showing { command, .. } => {
                let showed = ended.unwrap_or_else(nothing);
                let told = command.map(|command| Rehearsed { command, showed });
                self.drop_all(told, host);
                None
            }
            State::Dropping { told, .. } => {
                let dropped = ended.unwrap_or_else(nothing);
                if dropped.fault.is_none() {
                    self.forget();
                }
                let mut told = told?;
                told.showed.parts.extend(dropped.parts);
                // What was seen first is the cause; that something is left is told otherwise.
                told.showed.fault = told.showed.fault.or(dropped.fault);
                Some(told)
            }
        }
    }

    fn process(&mut self) -> Option<&mut Asked> {
        match &mut self.state {
            State::Idle => None,
            State::Showing { process, .. } | State::Dropping { process, .. } => Some(process),
        }
    }

    fn drop_all(&mut self, told: Option<Rehearsed>, host: &mut dyn Host) {
        if let Some(id) = self.spawn(Does::Drop, DROP, host) {
            self.state = State::Dropping { process: Asked::Asked(id), told };
        }
    }

    fn kill(&self, host: &mut dyn Host) {
        if let Ok(group) = GroupName::new(GROUP) {
            // Without hands the node is ending.
            host.ask(&Request::KillGroup { group }).ok();
        }
    }

    fn write(&mut self, brief: &Brief) -> Result<(), String> {
        brief.write()?;
        let file = File::create(brief::lifeline(&brief.folder));
        let locked = file.and_then(|file| file.lock().map(|()| file));
        self.lifeline = Some(locked.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Everything is gone, and so is what said that it was there.
    fn forget(&mut self) {
        self.lifeline = None;
        // The brief goes first: what else is there is found by nobody.
        let folder = brief::folder(&self.around.data_dir);
        std::fs::remove_file(brief::file(&folder)).ok();
        std::fs::remove_dir_all(&folder).ok();
    }

    fn spawn(&self, what: Does, limit: Span, host: &mut dyn Host) -> Option<RequestId> {
        let folder = brief::folder(&self.around.data_dir).display().to_string();
        let (tsugi, word) = (self.around.tsugi.clone(), what.word());
        let argv = vec![tsugi, step::WORD.to_owned(), word.to_owned(), folder];
        // It makes copies and cuts itself off, and then gives up the rights of the hands.
        let program = self.around.aside((what.group(), word), (argv, limit), TAIL_LONGEST)?;
        host.ask(&Request::Spawn(program)).ok()
    }
}

/// What a process said of itself, or how it ended.
fn said(ended: &Ended) -> Result<Showed, String> {
    if ended.limit == TimeLimit::Exceeded {
        let (part, resource, kind) = (Part::Mount, "/".to_owned(), FaultKind::Slow);
        let slow = Fault { part, resource, kind, detail: String::new() };
        return Ok(Showed { parts: Vec::new(), fault: Some(slow) });
    }
    let text = String::from_utf8_lossy(&ended.tail);
    match &ended.how {
        HowEnded::Exited(0) => serde_json::from_str(text.trim()).map_err(|error| error.to_string()),
        HowEnded::Exited(code) => Err(format!("exit {code}: {}", text.trim())),
        HowEnded::Signalled(signal) => Err(format!("signal {signal}")),
    }
}

/// Nothing was shown, because its process failed.
fn nothing(why: String) -> Showed {
    Showed { parts: Vec::new(), fault: Some(fault(Part::Mount, "/", why)) }
}

fn fault(part: Part, resource: &str, detail: String) -> Fault {
    Fault { part, resource: resource.to_owned(), kind: FaultKind::Unable, detail }
}

#[cfg(test)]
mod tests;
