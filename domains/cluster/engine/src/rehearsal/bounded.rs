//! A program that is run to its end: bounded in time and in what it prints.

use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// More than this is no output of a proof or of a script.
const FLOOD: usize = 1 << 20;
/// How that is told.
const FLOODED: &str = "more than 1 MiB of output";
/// So much of the end of it is kept.
const KEPT: usize = 32 << 10;
/// So much of the end of it is told.
const TOLD: usize = 240;
/// How long what a program has left behind may hold its output open.
const AFTER_END: Duration = Duration::from_millis(200);

/// Why a program did not do what it was run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It could not be started, or it ended otherwise than with 0.
    Failed(String),
    /// It did not end in time.
    Slow,
}

/// What is heard of a program while it runs.
enum News {
    Printed(Vec<u8>),
    Closed,
    Flooded,
    Ended(io::Result<ExitStatus>),
}

/// A program that runs.
pub(super) struct Running {
    pid: Pid,
    news: Receiver<News>,
    kept: Vec<u8>,
    /// How it ended, once it has.
    ended: Option<String>,
    flooded: bool,
}

/// Runs a program to its end, which must be 0 and come by then; the last that it printed.
pub(crate) fn run(command: Command, until: Instant) -> Result<String, Wrong> {
    let mut running = Running::start(command)?;
    let outcome = running.until_end(until);
    running.kill();
    outcome
}

impl Running {
    /// Starts a program in a group of its own.
    pub(super) fn start(mut command: Command) -> Result<Self, Wrong> {
        let name = command.get_program().to_string_lossy().into_owned();
        let failed = |error: io::Error| Wrong::Failed(format!("{name}: {error}"));
        let (output, writer) = io::pipe().map_err(failed)?;
        let both = writer.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(both).stderr(writer).process_group(0);
        let child = command.spawn().map_err(failed)?;
        // Its ends of the pipe are in the command.
        drop(command);
        let pid = Pid::from_raw(child.id().cast_signed());
        let (tell, news) = channel();
        let reader = tell.clone();
        thread::spawn(move || listen(output, &reader));
        thread::spawn(move || wait(child, &tell));
        Ok(Self { pid, news, kept: Vec::new(), ended: None, flooded: false })
    }

    /// Waits until it prints this line; it must not end before.
    pub(super) fn until_line(&mut self, line: &str, until: Instant) -> Result<(), Wrong> {
        loop {
            if self.ended.is_some() {
                self.read_rest();
            }
            let lines = String::from_utf8_lossy(&self.kept).into_owned();
            if lines.split_inclusive('\n').any(|l| l.strip_suffix('\n') == Some(line)) {
                return Ok(());
            }
            if let Some(ended) = &self.ended {
                return Err(Wrong::Failed(self.told(ended)));
            }
            self.next(until).map_err(|_| Wrong::Slow)?;
        }
    }

    /// Waits until it has ended with 0; the last that it printed.
    pub(super) fn until_end(&mut self, until: Instant) -> Result<String, Wrong> {
        while self.ended.is_none() && !self.flooded {
            self.next(until).map_err(|_| Wrong::Slow)?;
        }
        if self.flooded {
            return Err(Wrong::Failed(FLOODED.to_owned()));
        }
        self.read_rest();
        match self.ended.as_deref() {
            Some("exit 0") | None => Ok(String::from_utf8_lossy(&self.kept).into_owned()),
            Some(ended) => Err(Wrong::Failed(self.told(ended))),
        }
    }

    /// Waits until then, or until it has ended.
    pub(super) fn stay(&mut self, until: Instant) {
        while self.ended.is_none() && self.next(until).is_ok() {}
    }

    /// How it has ended, if it has.
    pub(super) fn has_ended(&mut self) -> Option<String> {
        while self.next(Instant::now()).is_ok() {}
        if self.ended.is_some() {
            self.read_rest();
        }
        self.ended.as_ref().map(|ended| self.told(ended))
    }

    /// Reads what it had printed by its end, of which its end may be heard before. Whoever it left
    /// behind may hold its output open; who has not is read to the end.
    fn read_rest(&mut self) {
        let after = Instant::now() + AFTER_END;
        while let Ok(More::Yes) = self.next(after) {}
    }

    /// Asks it to end, and kills it with all it started when it does not.
    pub(super) fn end(&mut self, until: Instant) {
        killpg(self.pid, Signal::SIGTERM).ok();
        self.stay(until);
        self.kill();
    }

    /// Kills it with all of its group.
    pub(super) fn kill(&self) {
        killpg(self.pid, Signal::SIGKILL).ok();
    }

    fn next(&mut self, until: Instant) -> Result<More, RecvTimeoutError> {
        let wait = until.saturating_duration_since(Instant::now());
        match self.news.recv_timeout(wait)? {
            News::Printed(bytes) => {
                self.kept.extend(bytes);
                let over = self.kept.len().saturating_sub(KEPT);
                self.kept.drain(..over);
            }
            News::Closed => return Ok(More::No),
            News::Flooded => self.flooded = true,
            News::Ended(status) => self.ended = Some(how(status)),
        }
        Ok(More::Yes)
    }

    /// How it ended, and the last line that it printed.
    fn told(&self, ended: &str) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let plain: String = last.chars().filter(|c| !c.is_control()).take(TOLD).collect();
        if plain.is_empty() { ended.to_owned() } else { format!("{ended}: {plain}") }
    }
}

/// Whether more may come of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

fn how(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        },
        Err(error) => error.to_string(),
    }
}

fn wait(mut child: Child, tell: &Sender<News>) {
    // Nobody may listen any more.
    tell.send(News::Ended(child.wait())).ok();
}

fn listen(mut output: PipeReader, tell: &Sender<News>) {
    let mut chunk = vec![0; 16 * 1024];
    let mut all = 0;
    while let Ok(length @ 1..) = output.read(&mut chunk) {
        // A service may print what it likes: the rest is read, so that it can, and forgotten.
        if all > FLOOD {
            continue;
        }
        all += length;
        let printed = News::Printed(chunk[..length].to_vec());
        tell.send(if all > FLOOD { News::Flooded } else { printed }).ok();
    }
    tell.send(News::Closed).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program whose end is heard before what it had printed.
    fn heard_late() -> Running {
        let (tell, news) = channel();
        tell.send(News::Ended(Ok(ExitStatus::from_raw(3 << 8)))).expect("somebody listens");
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            tell.send(News::Printed(b"ready\nno licence\n".to_vec())).expect("somebody listens");
            tell.send(News::Closed).expect("somebody listens");
        });
        Running { pid: Pid::from_raw(0), news, kept: Vec::new(), ended: None, flooded: false }
    }

    #[test]
    fn what_a_program_printed_is_told_though_its_end_is_heard_first() {
        assert_eq!(heard_late().has_ended().as_deref(), Some("exit 3: no licence"));
        let until = Instant::now() + Duration::from_secs(10);
        let told = Err(Wrong::Failed("exit 3: no licence".to_owned()));
        assert_eq!(heard_late().until_line("steady", until), told);
        assert_eq!(heard_late().until_line("ready", until), Ok(()));
    }
}
