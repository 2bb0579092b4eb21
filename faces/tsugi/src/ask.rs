//! Asks the agent of this machine, or of the trial cluster.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsugi_cluster_engine::control::{recall, socket};
use tsugi_messages as messages;
use tsugi_wire::control::{Answer, Ask, Reply, Request, VERSION, talk};

use crate::exit::Exit;
use crate::out::Out;
use crate::up;

/// The run directory of a node that was installed.
const RUN_DIR: &str = "/run/tsugi";
/// How long an answer may take; a change waits for the ledger up to 5 s at a time.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// The answer did not come in time.
    TimedOut,
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

    /// The first of the run directories.
    pub fn run_dir(&self) -> &Path {
        self.run_dirs.first().map_or(Path::new(RUN_DIR), PathBuf::as_path)
    }

    /// Asks one agent after the other until one answers.
    pub fn ask(&self, request: &Request) -> Result<Answer, Silence> {
        let ask = Ask { version: VERSION, request: request.clone() };
        let mut last = Silence::NoAgent(self.run_dir().to_owned());
        for run_dir in &self.run_dirs {
            match talk::ask(&socket(run_dir), &ask, PATIENCE) {
                Ok(answer) => return Ok(answer),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                        last = Silence::NoAgent(run_dir.clone());
                    }
                    io::ErrorKind::PermissionDenied => {
                        last = Silence::NotPermitted;
                    }
                    // It has heard the request: nobody else may carry it out as well.
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Err(Silence::TimedOut);
                    }
                    _ => return Err(Silence::Broken(error)),
                },
            }
        }
        Err(last)
    }

    /// The newest status that any of the agents has left on disk.
    pub fn last_status(&self) -> Option<Answer> {
        let kept = self.run_dirs.iter().filter_map(|dir| recall(dir).ok());
        kept.filter(|a| matches!(a.reply, Reply::Status(_))).max_by_key(|a| a.observed_at)
    }
}

impl Silence {
    /// Says why there is no answer.
    pub fn tell(&self, out: &Out, command: &str) -> Exit {
        match self {
            Self::NoAgent(path) => {
                out.tell(&messages::agent_not_reachable_no_record(path.display()));
                Exit::NoMajority
            }
            Self::NotPermitted => {
                out.tell(&messages::refused_not_permitted(person(), command));
                Exit::NotPermitted
            }
            Self::TimedOut => {
                let seconds = PATIENCE.as_secs();
                out.tell(&messages::command_still_running(command, seconds, "-"));
                Exit::StillRunning
            }
            Self::Broken(error) => {
                out.tell(&messages::internal_failure(command, error));
                Exit::Failed
            }
        }
    }
}

/// The user who asks.
fn person() -> String {
    let uid = nix::unistd::Uid::current();
    let known = nix::unistd::User::from_uid(uid).ok().flatten();
    known.map_or_else(|| format!("uid {uid}"), |user| user.name)
}
