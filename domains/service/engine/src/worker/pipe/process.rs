//! A process: started, killed with its group, and its end told with what it wrote last.

use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tsugi_service_rules::worker::life::Exit;

use crate::worker::{Ear, Heard};

/// How much of what a process wrote last is told.
const TAIL: usize = 4096;
/// How long the end of its output is waited for once it has ended: what it left behind may hold it.
const REST: Duration = Duration::from_millis(100);

/// Whether the number of a process is still its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Its,
    AnybodyS,
}

/// A process and what watches it.
pub(super) struct Process {
    group: Pid,
    number: Arc<Mutex<Number>>,
    written: Arc<AtomicU64>,
}

impl Process {
    /// Starts a command in a group of its own.
    pub(super) fn start(
        mut command: Command,
        most: u64,
        ear: Ear,
    ) -> std::io::Result<(Self, ChildStdin, ChildStdout)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = (input, output, errors) else {
            return Err(std::io::Error::other("a process without streams"));
        };
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let (number, written) = (Arc::new(Mutex::new(Number::Its)), Arc::new(AtomicU64::new(0)));
        let tail = listen(errors, (written.clone(), most), ear.clone());
        let process = Self { group, number: number.clone(), written };
        let watch = std::thread::Builder::new().name("worker-end".to_owned());
        let watched = watch.spawn(move || watch_end(child, group, &number, &tail, &ear));
        if let Err(error) = watched {
            process.kill();
            return Err(error);
        }
        Ok((process, input, output))
    }

    /// A call begins: it may write as much again.
    pub(super) fn begin(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    /// Kills all of its group, unless it has ended.
    pub(super) fn kill(&self) {
        let number = self.number.lock().expect("nobody dies with the lock");
        if *number == Number::Its {
            // One that has ended just now is told to have by its watch.
            killpg(self.group, Signal::SIGKILL).ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for its end, and ends what it has left in its group before its number is given back.
fn watch_end(
    mut child: Child,
    group: Pid,
    number: &Mutex<Number>,
    tail: &Receiver<Vec<u8>>,
    ear: &Ear,
) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(group), flags) == Err(Errno::EINTR) {}
    let status = {
        let mut number = number.lock().expect("nobody dies with the lock");
        killpg(group, Signal::SIGKILL).ok();
        *number = Number::AnybodyS;
        child.wait()
    };
    let exit = match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        },
        Err(_) => Exit::Code(-1),
    };
    let last = tail.recv_timeout(REST).unwrap_or_default();
    ear.hear(Heard::Ended(exit, String::from_utf8_lossy(&last).into_owned()));
}

/// Keeps what a process wrote last; tells once when it writes too much.
fn listen(
    mut errors: ChildStderr,
    (written, most): (Arc<AtomicU64>, u64),
    ear: Ear,
) -> Receiver<Vec<u8>> {
    let (told, tail) = channel();
    let listen = std::thread::Builder::new().name("worker-errors".to_owned());
    // Without a thread nobody reads it: a process that writes much waits, until its time limit.
    drop(listen.spawn(move || {
        let (mut last, mut piece) = (Vec::new(), [0; TAIL]);
        while let Ok(length @ 1..) = errors.read(&mut piece) {
            last.extend_from_slice(&piece[..length]);
            let over = last.len().saturating_sub(TAIL);
            last.drain(..over);
            let before = written.fetch_add(length as u64, Ordering::Relaxed);
            if before <= most && before + length as u64 > most {
                ear.hear(Heard::Flood);
            }
        }
        drop(told.send(last));
    }));
    tail
}
