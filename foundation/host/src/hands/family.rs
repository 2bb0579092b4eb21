//! The guardian and the agent: started, watched, started again.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use tsugi_vocabulary::{Moment, Span};

use super::launch::{Launch, Prepare, become_user, place};
use super::start::AGENT_PRIORITY;
use super::starter::Starter;
use super::{HandsConfig, words};
use crate::guardian::environment;
use crate::guardian::release::Means;
use crate::guardian::table::Table;
use crate::{clock, rights, sys};

/// A child that lived so long starts again at once.
const LIVED: Span = Span::secs(1);
/// The first time at once, then after twice the time each time.
const FIRST_PAUSE: Span = Span::millis(5);
const LONGEST_PAUSE: Span = Span::secs(5);

enum State {
    Running {
        pid: u32,
        since: Moment,
    },
    Waiting {
        until: Moment,
    },
    /// There is none, or it is not wanted any more.
    Off,
}

struct Child {
    state: State,
    failures: u32,
}

impl Child {
    const fn pid(&self) -> Option<u32> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            State::Waiting { .. } | State::Off => None,
        }
    }

    fn due(&self, now: Moment) -> bool {
        matches!(self.state, State::Waiting { until } if until <= now)
    }

    fn ended(&mut self, now: Moment) {
        let lived = match self.state {
            State::Running { since, .. } => now.since(since),
            State::Waiting { .. } | State::Off => Span::ZERO,
        };
        self.failures = if lived >= LIVED { 0 } else { self.failures + 1 };
        let pause = match self.failures {
            0 | 1 => Span::ZERO,
            n => Span(FIRST_PAUSE.0 << n.min(20)).min(LONGEST_PAUSE),
        };
        self.state = State::Waiting { until: now + pause };
    }

    fn started(&mut self, outcome: io::Result<u32>, now: Moment) -> Option<u32> {
        match outcome {
            Ok(pid) => {
                self.state = State::Running { pid, since: now };
                Some(pid)
            }
            Err(_) => {
                self.ended(now);
                None
            }
        }
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// The guardian.
    Guardian,
    /// The agent.
    Agent,
}

/// Both.
pub struct Family {
    guardian: Child,
    agent: Child,
    guardian_argv: Vec<String>,
    agent_argv: Vec<String>,
    user: Option<(u32, u32)>,
    words: Vec<(&'static str, String)>,
    memory: OwnedFd,
    listener: OwnedFd,
    mouth: Option<RawFd>,
    table: Table,
    starter: Starter,
}

impl Family {
    /// Neither runs yet; both are to be started. The files are the table's memory, the guardian's
    /// listening socket and the agent's end for [`words`], if there is somebody to tell them.
    ///
    /// # Errors
    /// A descriptor could not be duplicated.
    pub fn new(
        config: &HandsConfig,
        user: Option<(u32, u32)>,
        (memory, listener, mouth): (File, OwnedFd, Option<RawFd>),
        (means, starter): (&Means, Starter),
    ) -> io::Result<Self> {
        let waiting = || Child { state: State::Waiting { until: Moment(0) }, failures: 0 };
        let off = || Child { state: State::Off, failures: 0 };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let cgroup = means.tree.as_ref().map(|tree| text(tree.path()));
        let watchdog = config.watchdog.as_deref().map(text);
        Ok(Self {
            guardian: waiting(),
            agent: if config.agent.is_some() { waiting() } else { off() },
            guardian_argv: config.guardian.clone(),
            agent_argv: config.agent.clone().unwrap_or_default(),
            user,
            words: vec![
                (environment::HANDS, std::process::id().to_string()),
                (environment::CGROUP, cgroup.unwrap_or_default()),
                (environment::WATCHDOG, watchdog.unwrap_or_default()),
                (environment::FENCE, config.fence.word().to_owned()),
                (environment::NODE_MARK, means.node_mark.clone()),
            ],
            memory: sys::duplicate_high(&memory)?,
            listener: sys::duplicate_high(&listener)?,
            mouth,
            table: means.table,
            starter,
        })
    }

    /// Starts who is due; says who was started.
    pub fn start_due(&mut self, now: Moment) -> Vec<Member> {
        let mut started = Vec::new();
        if self.guardian.due(now) {
            let outcome = self.start_guardian();
            started.extend(self.guardian.started(outcome, now).map(|_| Member::Guardian));
        }
        if self.agent.due(now) {
            let outcome = self.start_agent();
            started.extend(self.agent.started(outcome, now).map(|_| Member::Agent));
        }
        let own = nix::unistd::geteuid().as_raw();
        let agent_user = self.user.map_or(own, |(uid, _)| uid);
        self.table.set_family(self.agent.pid(), agent_user);
        started
    }

    /// When the next is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        let due = |child: &Child| match child.state {
            State::Waiting { until } => Some(until),
            State::Running { .. } | State::Off => None,
        };
        due(&self.guardian).into_iter().chain(due(&self.agent)).min()
    }

    /// Who this process was, if it was one of the two; it is to be started again.
    pub fn ended(&mut self, pid: u32) -> Option<Member> {
        let now = clock::now();
        if self.guardian.pid() == Some(pid) {
            self.guardian.ended(now);
            Some(Member::Guardian)
        } else if self.agent.pid() == Some(pid) {
            self.agent.ended(now);
            Some(Member::Agent)
        } else {
            None
        }
    }

    /// The agent's process.
    #[must_use]
    pub const fn agent(&self) -> Option<u32> {
        self.agent.pid()
    }

    /// Does not start the agent again.
    pub fn let_agent_go(&mut self) {
        self.agent.state = State::Off;
    }

    /// Asks the agent to hand everything over and end.
    pub fn ask_agent_to_stop(&self) {
        if let Some(pid) = self.agent.pid() {
            drop(sys::kill(pid.cast_signed(), libc::SIGTERM));
        }
    }

    /// Kills the agent. The guardian ends when the hands do: it may have a watchdog to put to
    /// sleep.
    pub fn kill(&mut self) {
        if let Some(pid) = self.agent.pid() {
            drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
        }
        self.let_agent_go();
    }

    fn start_guardian(&self) -> io::Result<u32> {
        let words = self.words.iter().map(|(name, value)| (*name, value.as_str()));
        let (memory, listener) = (self.memory.as_raw_fd(), self.listener.as_raw_fd());
        // It outlives the hands, to release what they leave.
        let prepare = move || {
            place(memory, environment::TABLE)?;
            place(listener, environment::LISTENER)
        };
        self.starter.start(launch(&self.guardian_argv, words, Box::new(prepare)))
    }

    fn start_agent(&self) -> io::Result<u32> {
        let parent = std::process::id();
        let (user, mouth) = (self.user, self.mouth);
        let prepare = move || {
            mouth.map_or(Ok(()), |mouth| place(mouth, words::AGENTS_END))?;
            // Where these are not allowed the agent works all the same, a little later under
            // load. Its first thread is real-time from the start, as raising the limit for
            // another one needs a right that containers often lack.
            let most = AGENT_PRIORITY.unsigned_abs().into();
            setrlimit(Resource::RLIMIT_RTPRIO, most, most).ok();
            drop(sys::real_time(AGENT_PRIORITY, libc::SCHED_RESET_ON_FORK));
            setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).ok();
            umask(Mode::from_bits_truncate(0o027));
            if let Some((uid, gid)) = user {
                become_user(uid, gid)?;
            }
            // Whoever it runs as: also root's agent decides and does not act.
            nix::sys::prctl::set_no_new_privs()?;
            rights::keep_only(&[])?;
            sys::die_with_parent(parent)
        };
        let words = mouth.map(|_| (words::GIVEN, ""));
        let words = words.into_iter().chain([(environment::KNOWS, environment::OPEN)]);
        self.starter.start(launch(&self.agent_argv, words, Box::new(prepare)))
    }
}

fn launch<'a>(
    argv: &[String],
    words: impl IntoIterator<Item = (&'a str, &'a str)>,
    prepare: Prepare,
) -> Launch {
    // Nobody but the hands speaks to the service manager.
    let own = env::vars_os().filter(|(name, _)| name != words::MANAGER);
    let words = words.into_iter().map(|(name, value)| (name.into(), value.into()));
    let env = own.chain(words).collect();
    let streams = [None, None, None];
    Launch { argv: argv.to_vec(), env, dir: None, streams, cgroup: None, prepare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_starts_again_at_once_and_then_ever_later() {
        let mut child = Child { state: State::Off, failures: 0 };
        let mut pauses = Vec::new();
        for _ in 0..14 {
            child.ended(Moment(0));
            let State::Waiting { until } = child.state else { panic!("it is to be started") };
            pauses.push(until.0 / 1_000_000);
        }
        assert_eq!(pauses[..4], [0, 20, 40, 80]);
        assert_eq!(pauses.last(), Some(&5000));
        child.state = State::Running { pid: 1, since: Moment(0) };
        child.ended(Moment(LIVED.0));
        assert!(child.due(Moment(LIVED.0)), "it had lived long");
    }
}
