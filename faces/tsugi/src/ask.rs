//! Asks the agent of this machine, or of the trial cluster.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsugi_cluster_engine::control::{LOOKS_WITHIN, recall, recall_doctor, socket};
use tsugi_messages as messages;
use tsugi_wire::control::{Answer, Ask, Reply, Request, VERSION, talk};

use crate::exit::Exit;
use crate::out::Out;
use crate::up;

/// The run directory of a node that was installed.
const RUN_DIR: &str = "/run/tsugi";
/// How long the answer to a change may take: it waits for the ledger up to 5 s at a time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the answer to a question may take, which an agent gives by itself.
const QUESTION: Duration = Duration::from_secs(10);
/// The same where the last record answers otherwise, or another agent.
const GLANCE: Duration = Duration::from_secs(2);
const _: () = assert!(LOOKS_WITHIN.as_millis() < GLANCE.as_millis(), "it answers first");

/// Where agents may be asked.
#[derive(Clone, Debug)]
pub struct Agents {
    run_dirs: Vec<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Silence {
    /// Nobody listens.
    NoAgent(PathBuf),
    /// This person may not ask.
    NotPermitted,
    /// The answer did not come in this time.
    TimedOut(Duration),
    /// The agent ended the connection without an answer.
    HungUp,
    /// The agent speaks a version that is not understood here.
    OtherVersion(io::Error),
    /// Something else.
    Broken(io::Error),
}

impl Agents {
    /// The one that is named; else the one of this machine; else those of the trial cluster.
    pub fn find(named: Option<&Path>) -> Self {
        if let Some(named) = named {
            return Self { run_dirs: vec![named.to_owned()] };
        }
        let installed = PathBuf::from(RUN_DIR);
        let mut run_dirs = Vec::new();
        if socket(&installed).exists() {
            run_dirs.push(installed.clone());
        }
        run_dirs.extend(up::run_dirs());
        if run_dirs.is_empty() {
            run_dirs.push(installed);
        }
        Self { run_dirs }
    }

    /// Whether it is an installed node that is asked.
    pub fn is_installed(&self) -> bool {
        self.run_dir() == Path::new(RUN_DIR)
    }

    /// The first of the run directories.
    pub fn run_dir(&self) -> &Path {
        self.run_dirs.first().map_or(Path::new(RUN_DIR), PathBuf::as_path)
    }

    /// Asks one agent after the other until one answers.
    pub fn ask(&self, request: &Request) -> Result<Answer, Silence> {
        let ask = Ask { version: VERSION, request: request.clone() };
        let mut last = Silence::NoAgent(self.run_dir().to_owned());
        for (at, run_dir) in self.run_dirs.iter().enumerate() {
            let is_last = at + 1 == self.run_dirs.len();
            let patience = match request {
                Request::Change(_) => PATIENCE,
                Request::Status => GLANCE,
                // Nodes look at their files for it.
                Request::Parity { .. } => QUESTION,
                _ if is_last => QUESTION,
                _ => GLANCE,
            };
            match talk::ask(&socket(run_dir), &ask, patience) {
                Ok(answer) => return Ok(answer),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                        last = Silence::NoAgent(run_dir.clone());
                    }
                    io::ErrorKind::PermissionDenied => {
                        last = Silence::NotPermitted;
                    }
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        last = Silence::TimedOut(patience);
                        // It has heard the change: nobody else may carry it out as well.
                        if matches!(request, Request::Change(_)) {
                            return Err(last);
                        }
                    }
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        last = Silence::HungUp;
                        if matches!(request, Request::Change(_)) {
                            return Err(last);
                        }
                    }
                    io::ErrorKind::Unsupported => return Err(Silence::OtherVersion(error)),
                    _ => return Err(Silence::Broken(error)),
                },
            }
        }
        Err(last)
    }

    /// The language that the applied configuration names, as the last record has it.
    pub fn language(&self) -> Option<String> {
        match self.last_status()?.reply {
            Reply::Status(status) => status.config?.language,
            _ => None,
        }
    }

    /// The newest status that any of the agents has left on disk.
    pub fn last_status(&self) -> Option<Answer> {
        self.newest(recall, |reply| matches!(reply, Reply::Status(_)))
    }

    /// What the doctor of any of the agents found last, as they have left it on disk.
    pub fn last_doctor(&self) -> Option<Answer> {
        self.newest(recall_doctor, |reply| matches!(reply, Reply::Doctor(_)))
    }

    fn newest(
        &self,
        recall: impl Fn(&Path) -> io::Result<Answer>,
        wanted: impl Fn(&Reply) -> bool,
    ) -> Option<Answer> {
        let kept = self.run_dirs.iter().filter_map(|dir| recall(dir).ok());
        kept.filter(|answer| wanted(&answer.reply)).max_by_key(|answer| answer.observed_at)
    }
}

impl Silence {
    /// Whether what an agent left on disk may stand for its answer: there may be none that could
    /// give one.
    pub const fn is_down(&self) -> bool {
        !matches!(self, Self::NotPermitted | Self::OtherVersion(_))
    }

    /// Says why there is no answer to a command, which may be a change with an id.
    pub fn tell(&self, out: &Out, (command, request): (&str, &Request)) -> Exit {
        let change = match request {
            Request::Change(change) => Some(change.command.as_str()),
            _ => None,
        };
        match self {
            Self::NoAgent(path) => {
                out.tell(&messages::agent_not_reachable_no_record(path.display()));
                Exit::NoMajority
            }
            Self::NotPermitted => {
                out.tell(&messages::refused_not_permitted(person(), command));
                Exit::NotPermitted
            }
            Self::TimedOut(patience) => {
                let seconds = patience.as_secs();
                let Some(id) = change else {
                    out.tell(&messages::agent_does_not_answer(seconds));
                    return Exit::NoMajority;
                };
                out.tell(&messages::command_still_running(command, seconds, id));
                Exit::StillRunning
            }
            Self::HungUp => {
                let Some(id) = change else {
                    out.tell(&messages::agent_does_not_answer(0));
                    return Exit::NoMajority;
                };
                out.tell(&messages::command_cut_off(command, id));
                Exit::StillRunning
            }
            Self::OtherVersion(error) => {
                let other = error.get_ref().and_then(|e| e.downcast_ref::<talk::OtherVersion>());
                let theirs = other.map_or(0, |other| other.theirs);
                out.tell(&messages::control_version_refused(theirs, VERSION));
                Exit::Failed
            }
            Self::Broken(error) => {
                out.tell(&messages::internal_failure(command, error));
                Exit::Failed
            }
        }
    }
}

/// The user who asks.
pub fn person() -> String {
    let uid = nix::unistd::Uid::current();
    let known = nix::unistd::User::from_uid(uid).ok().flatten();
    known.map_or_else(|| format!("uid {uid}"), |user| user.name)
}
