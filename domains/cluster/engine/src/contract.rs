//! Tries a resource agent out: calls it as the contract's row says and tells what it answered.
//!
//! It runs where it is asked, as who asks, without a cluster. Each call has a limit, and of what
//! an agent prints only so much is kept. A row that has begun a start goes on to its stop.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tsugi_cluster_rules::ocf::contract::{End, Kept, Next, Part};
use tsugi_cluster_rules::ocf::description::{self, Description, Flaw};

use crate::errand::how::shown;
use crate::errand::{OCF_ROOT, REASON};

/// The limit of a call whose agent advises none.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the output of what has ended is waited for: what it left running may keep it open.
const AFTER_END: Duration = Duration::from_millis(300);
/// What is there so long after a stop was not stopped.
const STAYS: Duration = Duration::from_secs(3);
/// How much is kept of what one call prints.
const KEPT: usize = 1 << 20;
/// By this variable the processes are known that come from a call.
const MARK: &str = "TSUGI_CONTRACT";

/// What is tried out, and how.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The agent's file.
    pub path: PathBuf,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The limit of every call; none takes what the agent advises.
    pub limit: Option<Duration>,
}

/// One call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub part: Part,
    /// How it ended.
    pub end: End,
    /// How long it took.
    pub took: Duration,
    /// Why, in the agent's own words; empty if it said nothing.
    pub reason: String,
    /// What it printed beyond what is kept.
    pub dropped: u64,
    /// The processes that were left of it, and of all calls before, after it had said that
    /// nothing runs.
    pub left: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// What is wrong with its description.
    pub flaws: Vec<Flaw>,
    /// Why the row ended.
    pub end: Next,
}

impl Shown {
    /// The calls that did not keep the contract.
    pub fn broken(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.part.kept_by(call.end) == Kept::No)
    }

    /// How much is wrong.
    #[must_use]
    pub fn count(&self) -> usize {
        let beside = |call: &&Call| call.dropped > 0 || call.left > 0;
        self.broken().count() + self.flaws.len() + self.calls.iter().filter(beside).count()
    }
}

/// Makes the whole row of calls.
///
/// # Errors
/// The agent cannot be started.
pub fn show(tried: &Tried) -> io::Result<Shown> {
    let folder = Folder::make()?;
    let mark = folder.name();
    let mut described = Description::default();
    let mut shown = Shown { calls: Vec::new(), flaws: Vec::new(), end: Next::Over };
    let mut part = Part::Describe;
    loop {
        let advised = described.advised(part.action().word());
        let limit = tried.limit.or(advised.map(|span| span.to_std())).unwrap_or(LIMIT);
        let (mut call, printed) = make(tried, part, (limit, &folder))?;
        if part == Part::Describe && part.kept_by(call.end) == Kept::Yes {
            match description::read(&String::from_utf8_lossy(&printed)) {
                Ok(read) => {
                    shown.flaws = read.flaws(&name_of(&tried.path));
                    described = read;
                }
                Err(flaw) => shown.flaws = vec![flaw],
            }
        }
        let says_down = [Part::Down, Part::DownStill].contains(&part);
        if says_down && part.kept_by(call.end) == Kept::Yes {
            call.left = left(&mark);
        }
        let next = part.next(call.end);
        shown.calls.push(call);
        match next {
            Next::Call(following) => part = following,
            Next::RunsAlready | Next::CannotBeTried | Next::Over => {
                shown.end = next;
                return Ok(shown);
            }
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the agent may keep its files meanwhile: nobody else's, and gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let name =
            format!("tsugi-ocf-{}-{}", std::process::id(), since.map_or(0, |t| t.as_nanos()));
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn name(&self) -> String {
        name_of(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be cleared away is a few small files in a private folder.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn make(
    tried: &Tried,
    part: Part,
    (limit, folder): (Duration, &Folder),
) -> io::Result<(Call, Vec<u8>)> {
    let began = Instant::now();
    let mut child = command(tried, part, (limit, folder)).spawn()?;
    let printed = heard(child.stdout.take());
    let said = heard(child.stderr.take());
    let end = end_of(child, limit)?;
    let took = began.elapsed();
    let (printed, much) = last(&printed);
    let (said, more) = last(&said);
    let reason = reason_of(&said);
    let call = Call { part, end, took, reason, dropped: much + more, left: 0 };
    Ok((call, printed))
}

fn command(tried: &Tried, part: Part, (limit, files): (Duration, &Folder)) -> Command {
    let kind = name_of(&tried.path);
    let folder = tried.path.parent().and_then(Path::file_name).unwrap_or_default();
    let word = part.action().word();
    let mut command = Command::new(&tried.path);
    command
        .arg(word)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .env("OCF_ROOT", OCF_ROOT)
        .env("OCF_RA_VERSION_MAJOR", "1")
        .env("OCF_RA_VERSION_MINOR", "1")
        .env("OCF_RESOURCE_PROVIDER", folder)
        .env("OCF_RESOURCE_TYPE", &kind)
        .env("OCF_RESOURCE_INSTANCE", format!("tsugi-ocf-test-{}", std::process::id()))
        .env("OCF_EXIT_REASON_PREFIX", REASON)
        .env("OCF_CHECK_LEVEL", "0")
        .env("OCF_RESKEY_CRM_meta_name", word)
        .env("OCF_RESKEY_CRM_meta_timeout", limit.as_millis().to_string())
        .env("OCF_RESKEY_CRM_meta_interval", "0")
        .env("HA_RSCTMP", &files.0)
        .env("HA_LOGFACILITY", "none")
        .env(MARK, files.name())
        .envs(tried.parameters.iter().map(|(name, value)| (format!("OCF_RESKEY_{name}"), value)))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What came out of a pipe.
enum Piece {
    Kept(Vec<u8>),
    /// So many bytes more than are kept.
    Dropped(u64),
}

/// What comes out of a pipe, piece by piece.
fn heard(pipe: Option<impl Read + Send + 'static>) -> Receiver<Piece> {
    let (tell, news) = channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut chunk = vec![0; 16 * 1024];
            let mut room = KEPT;
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let kept = length.min(room);
                room -= kept;
                let mut pieces = vec![Piece::Kept(chunk[..kept].to_vec())];
                if kept < length {
                    pieces.push(Piece::Dropped((length - kept) as u64));
                }
                if pieces.into_iter().any(|piece| tell.send(piece).is_err()) {
                    return;
                }
            }
        });
    }
    news
}

/// All that was heard, and how many bytes were dropped.
fn last(news: &Receiver<Piece>) -> (Vec<u8>, u64) {
    let (mut kept, mut dropped) = (Vec::new(), 0);
    let end = Instant::now() + AFTER_END;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match news.recv_timeout(left) {
            Ok(Piece::Kept(bytes)) => kept.extend(bytes),
            Ok(Piece::Dropped(bytes)) => dropped += bytes,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return (kept, dropped);
            }
        }
    }
}

/// Waits for its end, and makes one at its limit.
fn end_of(mut child: Child, limit: Duration) -> io::Result<End> {
    let group = Pid::from_raw(child.id().cast_signed());
    let (tell, ended) = channel();
    thread::spawn(move || tell.send(child.wait()));
    let of = |status: ExitStatus| match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, signal) => End::Signal(signal.unwrap_or(0)),
    };
    match ended.recv_timeout(limit) {
        Ok(status) => Ok(of(status?)),
        Err(RecvTimeoutError::Timeout) => {
            // Whoever left its group is found by its mark at the end.
            killpg(group, Signal::SIGKILL).ok();
            ended.recv().map_err(io::Error::other)??;
            Ok(End::TooLate)
        }
        Err(gone @ RecvTimeoutError::Disconnected) => Err(io::Error::other(gone)),
    }
}

/// Why it ended so, in its own words: its reason, else the last line.
fn reason_of(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let mut lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let reason = lines.clone().find_map(|line| line.split_once(REASON)).map(|(_, reason)| reason);
    shown(reason.or_else(|| lines.next()).unwrap_or_default().trim())
}

/// How many processes stay: what an agent runs beside, as the announcement of an address, may
/// take a moment to see that it is over.
fn left(mark: &str) -> usize {
    let end = Instant::now() + STAYS;
    loop {
        let count = marked(mark);
        if count == 0 || Instant::now() >= end {
            return count;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many processes carry the mark.
fn marked(mark: &str) -> usize {
    let wanted = format!("{MARK}={mark}");
    let carries = |entry: &std::fs::DirEntry| {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter(carries).count()
}
