//! What the service manager of the machine is told (`sd_notify(3)`): that the node answers, that
//! its lease loop runs, that it is stopping. The agent knows it and says a letter; the hands say
//! one of a few fixed texts, because they are the main process of the service and it hears no
//! other (`NotifyAccess=main`): so no program of a group can say any of it.
//!
//! Nothing here waits, and what is not taken at once is lost. The agent has its end of a pair of
//! sockets from its start, and nobody else has it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::sys;

/// Where the service manager listens: its own word for it.
pub const MANAGER: &str = "NOTIFY_SOCKET";
/// An agent that has this in its environment has its end of the pair.
pub const GIVEN: &str = "TSUGI_AGENT_WORDS";
/// The descriptor of the agent's end.
pub const AGENTS_END: RawFd = 3;
/// The node answers.
pub const READY: u8 = b'r';
/// The lease loop runs.
pub const ALIVE: u8 = b'a';
/// The node is told to stop and hands over.
pub const STOPPING: u8 = b's';

/// Nobody is expected to be alive: not before the first lease loop, and not between two agents.
const ASLEEP: &str = "WATCHDOG_USEC=0";

/// The hands' end, and where they pass words on to.
pub struct Words {
    manager: SocketAddr,
    alive: String,
    /// Where the agent is heard.
    pub own: UnixDatagram,
    /// The agent's end.
    pub agents: OwnedFd,
}

impl Words {
    /// None where no service manager listens.
    ///
    /// # Errors
    /// The call that failed, or an address that is none.
    pub fn begin() -> io::Result<Option<Self>> {
        let Some(manager) = env::var_os(MANAGER) else { return Ok(None) };
        let manager = match manager.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
        };
        // As long as the unit says; for a unit without a watchdog it stays asleep.
        let limit = env::var("WATCHDOG_USEC").unwrap_or_else(|_| "0".to_owned());
        let alive = format!("WATCHDOG=1\nWATCHDOG_USEC={limit}");
        let (own, agents) = UnixDatagram::pair()?;
        own.set_nonblocking(true)?;
        agents.set_nonblocking(true)?;
        Ok(Some(Self { manager, alive, own, agents: sys::duplicate_high(&agents)? }))
    }

    /// Passes on the next word of the agent.
    pub fn pass_on(&self) {
        // A longer one fills both places, and is none.
        let mut word = [0; 2];
        let length = self.own.recv(&mut word).unwrap_or(0);
        match word[..length] {
            [READY] => self.say(&format!("READY=1\n{ASLEEP}")),
            [ALIVE] => self.say(&self.alive),
            [STOPPING] => self.say("STOPPING=1"),
            _ => {}
        }
    }

    /// The agent has ended: nothing that it said is passed on any more, and no word is expected
    /// until the next one has begun.
    pub fn hush(&self) {
        while self.own.recv(&mut [0; 2]).is_ok() {}
        self.say(ASLEEP);
    }

    fn say(&self, text: &str) {
        self.own.send_to_addr(text.as_bytes(), &self.manager).ok();
    }
}
