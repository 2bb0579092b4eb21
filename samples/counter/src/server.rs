//! Serves the number: many connections, one thread, one fsync for all calls that are waiting.

mod connection;
mod held;
mod listener;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::journal::{Answer, DEFAULT_KEPT, Durability, Journal};
use crate::kept::CallId;
use crate::log::Log;
use crate::{CounterError, Doing, PROGRAM, epoch_file};
use connection::{Connection, Request};
use held::{Due, Held, Pace};
pub(crate) use listener::listen_within;

/// How long an orderly stop goes on answering calls that are already connected.
const DRAIN: Duration = Duration::from_millis(20);
const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
const MASTER: u64 = 2;

/// Serve the number.
#[derive(Clone, Debug, clap::Args)]
pub struct CounterArgs {
    /// Where callers connect.
    #[arg(long)]
    pub listen: SocketAddr,
    /// The directory that holds the number.
    #[arg(long)]
    pub volume: PathBuf,
    /// The name of this node, part of every reply.
    #[arg(long, env = "TSUGI_NODE")]
    pub node: String,
    /// Listen on an address that this node does not hold yet.
    #[arg(long)]
    pub freebind: bool,
    /// Wait so many seconds for another process to leave the address.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    pub patience: f64,
    /// Answer without waiting for the disk: a planted fault for rehearsals.
    #[arg(long)]
    pub unsafe_no_fsync: bool,
    /// Begin at 0 when the volume holds no number.
    #[arg(long)]
    pub create: bool,
    /// Write down every answer in this directory; the former run's log is kept there.
    #[arg(long, value_name = "DIRECTORY")]
    pub log: Option<PathBuf>,
    /// How many replies are kept for callers that ask again.
    #[arg(long, default_value_t = DEFAULT_KEPT)]
    pub kept: usize,
}

/// Serves until SIGTERM or SIGINT; `ready` is called once calls are answered.
///
/// # Errors
/// A volume that cannot be trusted, an address in use, a failing disk. The caller must end the
/// process then: what is on the disk is known only when it is read back.
pub fn serve(args: &CounterArgs, ready: impl FnOnce()) -> Result<(), CounterError> {
    let durability =
        if args.unsafe_no_fsync { Durability::UnsafeNoSync } else { Durability::Synced };
    // First of all: until here another owner may still write to the volume.
    let patience = Duration::try_from_secs_f64(args.patience).unwrap_or_default();
    let listener = listener::listen_within(args.listen, args.freebind, patience)?;
    if let Some(text) = std::env::var_os("TSUGI_EPOCH") {
        epoch_file::claim(&args.volume, epoch_file::parse(&text.to_string_lossy())?)?;
    }
    if args.create {
        Journal::create(&args.volume)?;
    }
    let journal = Journal::open(&args.volume, args.kept, durability)?;
    let mut server = Server::new(listener, journal, args.node.clone())?;
    server.log = args.log.as_deref().map(|dir| Log::begin(dir, &args.node)).transpose()?;
    ready();
    server.run().map(drop)
}

/// Why a server has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to by a signal.
    Signal,
    /// Whoever gave it the volume wants it back.
    Closed,
    /// Whoever did has gone: whether it may still write is not known.
    Cut,
}

/// The signals that end a program in order, to be waited for beside everything else.
pub(crate) fn signals() -> Result<SignalFd, CounterError> {
    let mut ending = SigSet::empty();
    ending.add(Signal::SIGTERM);
    ending.add(Signal::SIGINT);
    ending.thread_block().doing(|| "block signals".into())?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    SignalFd::with_flags(&ending, flags).doing(|| "watch for signals".into())
}

pub(crate) struct Server {
    listener: Option<TcpListener>,
    signals: SignalFd,
    /// Who gave it the volume, if somebody did.
    master: Option<UnixStream>,
    epoll: Epoll,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    journal: Journal,
    held: Held,
    log: Option<Log>,
    node: String,
}

impl Server {
    pub(crate) fn new(
        listener: TcpListener,
        journal: Journal,
        node: String,
    ) -> Result<Self, CounterError> {
        let signals = signals()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing(|| "epoll".into())?;
        let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        epoll.add(&listener, readable(LISTENER)).doing(|| "watch the listener".into())?;
        epoll.add(signals.as_fd(), readable(SIGNALS)).doing(|| "watch for signals".into())?;
        Ok(Self {
            listener: Some(listener),
            signals,
            master: None,
            epoll,
            connections: BTreeMap::new(),
            next: MASTER + 1,
            journal,
            held: Held::default(),
            log: None,
            node,
        })
    }

    /// Ends when `master` wants the volume back or has gone.
    pub(crate) fn held_by(&mut self, master: &UnixStream) -> Result<(), CounterError> {
        let master = master.try_clone().doing(|| "watch the owner".into())?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, MASTER);
        self.epoll.add(&master, event).doing(|| "watch the owner".into())?;
        self.master = Some(master);
        Ok(())
    }

    pub(crate) fn run(mut self) -> Result<Ended, CounterError> {
        let mut events = [EpollEvent::empty(); 256];
        let mut stopping: Option<(Instant, Ended)> = None;
        loop {
            if let Some((at, ended)) = stopping
                && (at <= Instant::now() || self.connections.is_empty())
            {
                return Ok(ended);
            }
            let wakes = stopping.map(|(at, _)| at).into_iter().chain(self.held.next()).min();
            let count = match self.epoll.wait(&mut events, until(wakes)) {
                Err(nix::errno::Errno::EINTR) => 0,
                counted => counted.doing(|| "wait for calls".into())?,
            };
            let ready = &events[..count];
            match self.told(ready)? {
                // Nothing is written or answered any more, not even what has come already.
                Some(Ended::Cut) => return Ok(Ended::Cut),
                told => {
                    self.turn(ready, told.is_some())?;
                    stopping = stopping.or(told.map(|ended| (Instant::now() + DRAIN, ended)));
                }
            }
        }
    }

    /// Whether it was told to end.
    fn told(&mut self, ready: &[EpollEvent]) -> Result<Option<Ended>, CounterError> {
        let mut told = None;
        for event in ready {
            match event.data() {
                SIGNALS => {
                    let signal = self.signals.read_signal().doing(|| "read a signal".into())?;
                    told = told.or(signal.map(|_| Ended::Signal));
                }
                MASTER => {
                    let mut word = [0; 64];
                    let length = self.master.as_mut().map_or(Ok(0), |m| m.read(&mut word));
                    let closes = matches!(length, Ok(length)
                        if word[..length].starts_with(crate::standby::CLOSE.as_bytes()));
                    told = Some(if closes { Ended::Closed } else { Ended::Cut });
                }
                _ => {}
            }
        }
        Ok(told)
    }

    /// Serves all that is ready with one durable write; the last one but what is connected when it
    /// is to `stop`.
    fn turn(&mut self, ready: &[EpollEvent], stop: bool) -> Result<(), CounterError> {
        let mut requests = Vec::new();
        for event in ready {
            match event.data() {
                LISTENER => self.accept(&mut requests)?,
                SIGNALS | MASTER => {}
                token => self.receive(token, &mut requests),
            }
        }
        for (token, due) in self.held.take(Instant::now()) {
            match due {
                Due::Call(call) => requests.push((token, Request::Call(call, Pace::AtOnce))),
                Due::Reply(text) => self.reply(token, &text),
            }
        }
        if stop {
            self.accept(&mut requests)?;
            // From here on a caller is refused at once and tries the next owner.
            self.listener = None;
        }
        self.answer(requests)
    }

    fn accept(&mut self, requests: &mut Vec<(u64, Request)>) -> Result<(), CounterError> {
        while let Some(listener) = &self.listener {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // A caller that went away again, or too many at once: the others are served.
                Err(_) => break,
            };
            let Ok(connection) = Connection::new(stream) else { continue };
            let token = self.next;
            self.next += 1;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
            self.epoll.add(connection.stream(), event).doing(|| "watch a caller".into())?;
            self.connections.insert(token, connection);
            // The first call is often there already.
            self.receive(token, requests);
        }
        Ok(())
    }

    fn receive(&mut self, token: u64, requests: &mut Vec<(u64, Request)>) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let open = connection.receive(|request| requests.push((token, request)));
        if !open && !requests.iter().any(|(of, _)| *of == token) {
            self.connections.remove(&token);
        }
    }

    fn answer(&mut self, requests: Vec<(u64, Request)>) -> Result<(), CounterError> {
        let requests = self.put_off(requests);
        let calls: Vec<CallId> = requests
            .iter()
            .filter_map(|(_, request)| match request {
                Request::Call(call, _) => Some(call.clone()),
                Request::Ping | Request::Unknown => None,
            })
            .collect();
        let mut answers = self.carry_out(&calls)?.into_iter();
        let now = Instant::now();
        for (token, request) in requests {
            match request {
                Request::Ping => {
                    let text = format!("PONG {} {}", self.node, self.journal.number());
                    self.reply(token, &text);
                }
                Request::Unknown => self.reply(token, "REFUSED not a call"),
                Request::Call(call, pace) => {
                    let text = match answers.next() {
                        Some(Answer::Line(line)) => line,
                        Some(Answer::Forgotten) | None => {
                            format!("REFUSED too old {} {}", call.client, call.serial)
                        }
                    };
                    match pace {
                        Pace::After(span) => self.held.keep(now + span, token, Due::Reply(text)),
                        Pace::AtOnce | Pace::Before(_) => self.reply(token, &text),
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps for later what is to be carried out later; gives back the rest.
    fn put_off(&mut self, requests: Vec<(u64, Request)>) -> Vec<(u64, Request)> {
        let now = Instant::now();
        let mut rest = Vec::with_capacity(requests.len());
        for (token, request) in requests {
            match request {
                Request::Call(call, Pace::Before(span)) => {
                    self.held.keep(now + span, token, Due::Call(call));
                }
                Request::Call(..) | Request::Ping | Request::Unknown => {
                    rest.push((token, request));
                }
            }
        }
        rest
    }

    /// Gives the calls their numbers, durably, and writes the answers down.
    fn carry_out(&mut self, calls: &[CallId]) -> Result<Vec<Answer>, CounterError> {
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        let node = &self.node;
        let line = move |number: u64, call: &CallId| {
            format!("{number} {node} {now} {PROGRAM} {} {}", call.client, call.serial)
        };
        let answers = self.journal.answer(calls, &line)?;
        if let Some(log) = &mut self.log {
            let lines = answers.iter().filter_map(|answer| match answer {
                Answer::Line(line) => Some(format!("{line}\n")),
                Answer::Forgotten => None,
            });
            log.note(&lines.collect::<String>())?;
        }
        Ok(answers)
    }

    fn reply(&mut self, token: u64, text: &str) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if !connection.reply(text) {
            self.connections.remove(&token);
        }
    }
}

/// How long to wait for something to happen, if nothing comes before.
fn until(at: Option<Instant>) -> EpollTimeout {
    at.map_or(EpollTimeout::NONE, |at| {
        let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        EpollTimeout::try_from(left).expect("a held call and a drain fit in a time-out")
    })
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
