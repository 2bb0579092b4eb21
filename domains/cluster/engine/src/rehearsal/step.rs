//! A drill beside the running group as a process of its own: `tsugi rehearsing run|drop FOLDER`.
//!
//! The hands start it like a monitor, with their rights, and kill it at its limit with all it
//! started. `run` makes the copies, cuts itself off (`apart`: mounts, network, processes of its
//! own), and the first process there (`inside`) shows what is to be shown. It ends with its agent.
//! `drop` takes the copies away, also those that a run has left which was killed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use tsugi_cluster_rules::drill::rehearsal::{Fault, FaultKind, Part, Showed};

use super::brief::{Brief, lifeline};
use super::log::Log;
use super::{copies, inside};
use crate::records::{decode, encode};

/// The word of the command line that calls it.
pub const WORD: &str = "rehearsing";
/// The most that the inside says of itself.
const SAID: u64 = 1 << 20;
/// The file of the places of the copies.
const COPIES: &str = "copies";

/// Does what the words after [`WORD`] say: an exit code, and what is to be printed.
#[must_use]
pub fn run(words: &[OsString]) -> (i32, String) {
    let (what, folder, left) = match words {
        [what, folder] => (what, folder, None),
        [what, folder, left] => (what, folder, left.to_str().and_then(|ms| ms.parse().ok())),
        _ => return (2, String::new()),
    };
    let folder = Path::new(folder);
    let brief = match Brief::read(folder) {
        Ok(Some(brief)) => brief,
        Ok(None) => return (2, String::new()),
        Err(why) => return (2, why),
    };
    let showed = match what.to_str() {
        Some("run") => whole(&brief),
        Some("drop") => {
            let mut log = Log::new();
            copies::drop_all(&brief, &mut log);
            log.showed
        }
        Some("apart") => return (apart(words), String::new()),
        Some("inside") => within(&brief, Duration::from_millis(left.unwrap_or(0))),
        Some(_) | None => return (2, String::new()),
    };
    (0, serde_json::to_string(&showed).unwrap_or_default())
}

fn whole(brief: &Brief) -> Showed {
    let until = Instant::now() + brief.limit.to_std();
    end_with_the_agent(brief);
    let mut log = Log::new();
    let Ok(made) = copies::make(brief, until, &mut log) else { return log.showed };
    let noted = copies::make_places(brief).and_then(|()| {
        let file = brief.folder.join(COPIES);
        tsugi_wire::files::replace(&file, &encode(&made)).map_err(std::io::Error::other)
    });
    let shown = match noted {
        Ok(()) => inner(brief, until),
        Err(error) => Err((FaultKind::Failed, error.to_string())),
    };
    match shown {
        Ok(shown) => {
            log.showed.parts.extend(shown.parts);
            log.showed.fault = shown.fault;
        }
        Err((kind, detail)) => {
            let (part, resource) = (Part::Mount, "/".to_owned());
            log.showed.fault = Some(Fault { part, resource, kind, detail });
        }
    }
    log.showed
}

/// The agent keeps a file locked for as long as it lives. What is left then, the next one takes
/// away.
fn end_with_the_agent(brief: &Brief) {
    let Ok(file) = File::open(lifeline(&brief.folder)) else { std::process::exit(2) };
    std::thread::spawn(move || {
        // It is never told that it has the lock while the agent lives.
        let _locked = file.lock();
        std::process::exit(2);
    });
}

/// Has all that is seen of it nowhere else done, and takes what it says of itself.
fn inner(brief: &Brief, until: Instant) -> Result<Showed, (FaultKind, String)> {
    let refused = |error: std::io::Error| (FaultKind::Unable, error.to_string());
    let mut command = Command::new(std::env::current_exe().map_err(refused)?);
    let left = until.saturating_duration_since(Instant::now()).as_millis();
    command.arg(WORD).arg("apart").arg(&brief.folder).arg(left.to_string());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(refused)?;
    let (output, error) = (child.stdout.take(), child.stderr.take());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let read = output.map(|output| output.take(SAID).read_to_end(&mut said));
        tell.send((read.is_some(), said)).ok();
    });
    let said = told.recv_timeout(until.saturating_duration_since(Instant::now()) + LATE);
    // Its input ends here, and with it everything that it has begun.
    drop(child.stdin.take());
    gone(child);
    match said {
        Ok((_, said)) => serde_json::from_slice(&said).map_err(|_| {
            let mut why = String::new();
            let error = error.map(|error| error.take(240).read_to_string(&mut why));
            drop(error);
            (FaultKind::Unable, why.trim().to_owned())
        }),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err((FaultKind::Slow, String::new()))
        }
    }
}

/// Waits until nothing of it is left.
fn gone(mut child: Child) {
    let end = Instant::now() + GONE;
    while Instant::now() < end {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().ok();
    child.wait().ok();
}

/// How long the kernel may take to end what was begun.
const GONE: Duration = Duration::from_secs(10);
/// What is slow within says so itself, and is given this long for it.
const LATE: Duration = Duration::from_millis(500);

/// Cuts itself off and starts the first process of what it has made.
fn apart(words: &[OsString]) -> i32 {
    let own = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    let begun = unshare(own).map_err(std::io::Error::from).and_then(|()| {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORD).arg("inside").args(words.iter().skip(1)).status()
    });
    match begun {
        Ok(status) => status.code().unwrap_or(1),
        Err(error) => {
            // Who asked tells it on.
            std::io::stderr().write_all(error.to_string().as_bytes()).ok();
            1
        }
    }
}

fn within(brief: &Brief, left: Duration) -> Showed {
    let until = Instant::now() + left;
    inside::end_with_the_caller();
    let noted = std::fs::read(brief.folder.join(COPIES)).unwrap_or_default();
    let copies: Vec<PathBuf> = decode(&noted).unwrap_or_default();
    let mut log = Log::new();
    inside::show(brief, &copies, until, &mut log);
    log.showed
}
