//! One run of a fence agent, as a process of its own: `tsugi fencing AGENT SECRET USER GROUP …`.
//!
//! It is started by the hands like a monitor and killed at its limit with all it started. It reads
//! the password while it is root, starts the fence agent as the agent's user, and hands it the
//! options on its standard input. The password stands in no argument, environment or output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tsugi_cluster_rules::spec::FenceDevice;

use crate::aside;

/// The word of the command line that calls it.
pub const WORD: &str = "fencing";
/// It could not be started.
pub const ABSENT: i32 = 64;
/// The file of the password is not as it must be.
pub const SECRET: i32 = 65;
/// It printed far too much.
pub const FLOODED: i32 = 66;
/// It ended in a way that the API of fence agents does not know.
pub const NONSENSE: i32 = 67;

/// More than this is no answer.
const FLOOD: usize = 1 << 20;
/// So much of the end of its output is told.
const TOLD: usize = 240;
/// How long what it has left behind may hold its output open.
const AFTER_END: Duration = Duration::from_millis(200);
/// The longest password.
const SECRET_LONGEST: u64 = 512;
/// In place of a value that there is none of.
const NONE: &str = "-";

/// What a fence agent is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say whether the machine has power.
    Status,
    /// Take its power.
    Off,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Off => "off",
        }
    }
}

/// The words after [`WORD`] that have `device` do `action` to `node`; `user` is whose rights the
/// fence agent gets.
#[must_use]
pub fn words(
    device: &FenceDevice,
    (action, node): (Action, &str),
    user: (u32, u32),
) -> Vec<String> {
    let secret = device.secret.clone().unwrap_or_else(|| NONE.to_owned());
    let mut out = vec![device.agent.clone(), secret, user.0.to_string(), user.1.to_string()];
    out.extend(device.options.iter().map(|(name, value)| format!("{name}={value}")));
    // The last of two is the one that counts.
    out.push(format!("nodename={node}"));
    out.push(format!("action={}", action.word()));
    out
}

struct Step {
    agent: String,
    secret: Option<PathBuf>,
    user: (u32, u32),
    lines: Vec<String>,
}

/// Runs the fence agent that `words` name: an exit code, and what is to be printed.
#[must_use]
pub fn run(words: &[OsString]) -> (i32, String) {
    let Some(step) = read(words) else { return (NONSENSE, String::new()) };
    let secret = match step.secret.as_ref().map(password).transpose() {
        Ok(secret) => secret,
        Err(why) => return (SECRET, why.to_string()),
    };
    let (code, printed) = match carry_out(&step, secret.as_deref()) {
        Ok(ended) => ended,
        Err(error) => (ABSENT, error.to_string().into_bytes()),
    };
    (code, last_of(&printed, secret.as_deref()))
}

fn read(words: &[OsString]) -> Option<Step> {
    let words = aside::texts(words)?;
    let [agent, secret, user, group, lines @ ..] = words.as_slice() else { return None };
    Some(Step {
        agent: (*agent).to_owned(),
        secret: (*secret != NONE).then(|| PathBuf::from(secret)),
        user: (user.parse().ok()?, group.parse().ok()?),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    })
}

/// The one line of a file that belongs to us and that nobody else may read.
fn password(path: &PathBuf) -> io::Result<String> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    let mut options = File::options();
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = options.read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.uid() != nix::unistd::geteuid().as_raw() {
        return refuse("not a file of root");
    }
    if about.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("mode {:04o}", about.mode() & 0o7777),
        ));
    }
    let mut text = String::new();
    file.take(SECRET_LONGEST + 1).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    if line.is_empty() || line.contains(['\n', '\r', '\0']) || text.len() as u64 > SECRET_LONGEST {
        return refuse("not one line");
    }
    Ok(line.to_owned())
}

/// What is heard of a fence agent while it runs.
enum News {
    Ended(io::Result<ExitStatus>),
    Printed(Vec<u8>),
    Flooded,
}

/// Its exit code, and the last it printed.
fn carry_out(step: &Step, secret: Option<&str>) -> io::Result<(i32, Vec<u8>)> {
    let mut command = Command::new(&step.agent);
    let (output, writer) = io::pipe()?;
    let (options, mut told) = io::pipe()?;
    command.stdin(options).stdout(writer.try_clone()?).stderr(writer).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        command.uid(step.user.0).gid(step.user.1);
    }
    let mut child = command.spawn()?;
    // Its ends of the pipes are in the command.
    drop(command);
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    // All of it fits into the pipe; one that ends without reading it has said enough.
    let _unread = told.write_all(input(step, secret).as_bytes());
    drop(told);
    let (tell, news) = channel();
    let reader = tell.clone();
    thread::spawn(move || listen(output, &reader));
    thread::spawn(move || tell.send(News::Ended(child.wait())));
    let ended = wait(&news)?;
    if ended.0 == FLOODED {
        // What is left of it goes with this process.
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
    }
    Ok(ended)
}

/// The options as the API has them, one a line. The older agents call a password `passwd`.
fn input(step: &Step, secret: Option<&str>) -> String {
    let mut text: String = step.lines.iter().flat_map(|line| [line, "\n"]).collect();
    if let Some(secret) = secret {
        text += &format!("passwd={secret}\npassword={secret}\n");
    }
    text
}

fn wait(news: &Receiver<News>) -> io::Result<(i32, Vec<u8>)> {
    let (mut code, mut printed) = (None, None);
    loop {
        let next = match code {
            None => news.recv().map_err(io::Error::other)?,
            Some(code) => match news.recv_timeout(AFTER_END) {
                Ok(next) => next,
                Err(_) => return Ok((code, b"its output stays open".to_vec())),
            },
        };
        match next {
            News::Flooded => return Ok((FLOODED, Vec::new())),
            News::Printed(bytes) => printed = Some(bytes),
            News::Ended(status) => code = Some(code_of(status?)),
        }
        if let (Some(code), Some(printed)) = (code, &printed) {
            return Ok((code, printed.clone()));
        }
    }
}

/// The API knows three codes.
fn code_of(status: ExitStatus) -> i32 {
    status.code().filter(|code| (0..=2).contains(code)).unwrap_or(NONSENSE)
}

fn listen(mut output: PipeReader, tell: &Sender<News>) {
    let mut kept = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    let mut all = 0;
    while let Ok(length @ 1..) = output.read(&mut chunk) {
        all += length;
        kept.extend_from_slice(&chunk[..length]);
        // A password at the edge is still found whole.
        let over = kept.len().saturating_sub(4 * TOLD + 2 * chunk.len());
        kept.drain(..over);
        if all > FLOOD {
            tell.send(News::Flooded).ok();
            return;
        }
    }
    tell.send(News::Printed(kept)).ok();
}

/// The last of what was printed, on one line, the password blotted out.
fn last_of(printed: &[u8], secret: Option<&str>) -> String {
    let mut text = String::from_utf8_lossy(printed).into_owned();
    if let Some(secret) = secret {
        text = text.replace(secret, "***");
    }
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    let from = line.char_indices().rev().take(TOLD).last().map_or(0, |(at, _)| at);
    line[from..].to_owned()
}

#[cfg(test)]
#[path = "tests/step.rs"]
mod tests;
