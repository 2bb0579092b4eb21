//! Calls for numbers at a steady pace, whatever the answers do, and follows a takeover.
//!
//! An unanswered call is asked again under the same id, so that its answer can tell whether it
//! was counted. What was lost or doubled is seen from the numbers alone.

mod line;
mod tally;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

use crate::{CounterError, Doing};
pub use line::Answered;
pub use tally::{Summary, Tally};

/// How long a new connection may take.
const CONNECT: Duration = Duration::from_millis(100);
/// After this long without an answer a connection is given up.
const PATIENCE: Duration = Duration::from_millis(150);
/// The pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(10);
/// How long the last calls may take once no new ones are made.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// Call for numbers, print a line a call, and say at the end what was lost or doubled.
#[derive(Clone, Debug, clap::Args)]
pub struct CallerArgs {
    /// The address the counter is found at.
    #[arg(long)]
    pub to: SocketAddr,
    /// This caller's name; unique among all that ever called.
    #[arg(long)]
    pub client: String,
    /// Calls a second.
    #[arg(long, default_value_t = 20)]
    pub rate: u32,
    /// End after so many seconds; without it, at SIGTERM or when standard output is closed.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Print only the summary, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A caller over one connection at a time.
#[derive(Debug)]
pub struct Caller {
    to: SocketAddr,
    client: String,
    every: Duration,
    serial: u64,
    unanswered: BTreeMap<u64, Instant>,
    link: Option<Link>,
    try_again: Instant,
    tally: Tally,
}

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    received: Vec<u8>,
    /// Since when something asked over this connection waits for an answer.
    waiting_since: Instant,
}

/// Runs the caller of the command line.
///
/// # Errors
/// A standard output that is closed.
pub fn run(args: &CallerArgs) -> Result<ExitCode, CounterError> {
    let mut caller = Caller::new(args.to, &args.client, args.rate);
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
    let closed = AtomicBool::new(false);
    let summary = caller.call_until(
        || closed.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end),
        |answered| {
            if !args.json && writeln!(std::io::stdout(), "{answered}").is_err() {
                closed.store(true, Ordering::Relaxed);
            }
        },
    );
    let text = if args.json {
        serde_json::to_string(&summary).expect("five plain fields are always JSON")
    } else {
        summary.to_string()
    };
    writeln!(std::io::stdout(), "{text}").doing(|| "print".into())?;
    let whole = summary.lost == 0 && summary.doubled == 0 && summary.calls > 0;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Caller {
    /// A caller named `client` that starts `rate` calls a second at `to`.
    #[must_use]
    pub fn new(to: SocketAddr, client: &str, rate: u32) -> Self {
        Self {
            to,
            client: client.into(),
            every: Duration::from_secs(1) / rate.max(1),
            serial: 0,
            unanswered: BTreeMap::new(),
            link: None,
            try_again: Instant::now(),
            tally: Tally::default(),
        }
    }

    /// Calls until `stop` says so, then waits a few seconds for what is unanswered. Each answer is
    /// handed to `take` once.
    pub fn call_until(
        &mut self,
        stop: impl Fn() -> bool,
        mut take: impl FnMut(&Answered),
    ) -> Summary {
        let mut next = Instant::now();
        while !stop() {
            let now = Instant::now();
            if now >= next {
                next = if now - next > self.every * 10 { now } else { next } + self.every;
                self.serial += 1;
                self.unanswered.insert(self.serial, now);
                self.ask(self.serial);
            }
            self.turn(next, &mut take);
        }
        let end = Instant::now() + LAST_CALLS;
        while !self.unanswered.is_empty() && Instant::now() < end {
            self.turn(Instant::now() + PAUSE, &mut take);
        }
        self.tally.summary(self.unanswered.len() as u64)
    }

    /// What has been seen so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.tally.summary(0)
    }

    fn ask(&mut self, serial: u64) {
        let line = format!("CALL {} {serial}\n", self.client);
        let Some(link) = &mut self.link else { return };
        if link.received.is_empty() && self.unanswered.len() <= 1 {
            link.waiting_since = Instant::now();
        }
        if !matches!(link.stream.write(line.as_bytes()), Ok(count) if count == line.len()) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.link = None;
        self.try_again = Instant::now() + PAUSE;
    }

    /// Waits for answers until `until` at the latest.
    fn turn(&mut self, until: Instant, take: &mut impl FnMut(&Answered)) {
        let now = Instant::now();
        if self.link.is_none() && now >= self.try_again {
            self.connect();
        }
        let late = self.link.as_ref().is_some_and(|link| now - link.waiting_since > PATIENCE);
        if late && !self.unanswered.is_empty() {
            self.give_up();
        }
        let left = until.min(now + PAUSE).saturating_duration_since(now);
        let Some(link) = &mut self.link else {
            std::thread::sleep(left.max(Duration::from_millis(1)));
            return;
        };
        let mut ready = [PollFd::new(link.stream.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left.as_millis().max(1)).unwrap_or(PollTimeout::ZERO);
        if !matches!(poll(&mut ready, timeout), Ok(count) if count > 0) {
            return;
        }
        match receive(link) {
            Some(lines) => {
                for line in lines {
                    self.answered(&line, take);
                }
            }
            None => self.give_up(),
        }
    }

    fn connect(&mut self) {
        let opened = TcpStream::connect_timeout(&self.to, CONNECT).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => {
                let waiting_since = Instant::now();
                self.link = Some(Link { stream, received: Vec::new(), waiting_since });
                for serial in self.unanswered.keys().copied().collect::<Vec<_>>() {
                    self.ask(serial);
                }
            }
            Err(_) => self.try_again = Instant::now() + PAUSE,
        }
    }

    fn answered(&mut self, line: &str, take: &mut impl FnMut(&Answered)) {
        let Some(answered) = line::parse(line, &self.client) else { return };
        if let Some(link) = &mut self.link {
            link.waiting_since = Instant::now();
        }
        let first = self.unanswered.remove(&answered.serial).is_some();
        self.tally.note(&answered);
        if first {
            take(&answered);
        }
    }
}

/// The whole lines that have come; `None` when the connection has ended.
fn receive(link: &mut Link) -> Option<Vec<String>> {
    let mut buffer = [0; 4096];
    match link.stream.read(&mut buffer) {
        Ok(0) => return None,
        Ok(count) => link.received.extend_from_slice(&buffer[..count]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_) => return None,
    }
    let end = link.received.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let whole: Vec<u8> = link.received.drain(..end).collect();
    Some(String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect())
}

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;
