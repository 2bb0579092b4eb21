//! Makes a resource of DRBD primary or secondary, as a process of its own:
//! `tsugi mirroring promote NAME DEVICE lost|awaited|older|newer MILLIS [fenced]`, or
//! `tsugi mirroring give-up NAME DEVICE left|given-up MILLIS STARTS`.
//!
//! It is started by the hands like a script of its group and killed at its limit. Whether and when
//! is the rules' table; `--force` is a person's alone. What else is done about mirrors by a process
//! of its own is called by the same word: what DRBD calls (`fence-peer`), and what the ledger is
//! told (`say`).

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tsugi_cluster_rules::desk::Told;
use tsugi_cluster_rules::mirror::{
    Begun, Fencing, IfMounted, Io, LetGo, Mirror, Next, Obstacle, Peer, let_go, next,
};
use tsugi_vocabulary::Span;
use tsugi_wire::control::{How, MirrorOf, Operation};

use super::fence_peer::Side;
use super::say::Said;
use super::{begun, configured, fence_peer, is_mounted, look, mark, say, starts, turns};
use crate::aside::{self, AHEAD, ExitCodes, NONSENSE};

/// The word of the command line that calls it.
pub const WORD: &str = "mirroring";
/// What keeps it from what it was told.
const OBSTACLES: ExitCodes<Obstacle> = ExitCodes {
    first: 70,
    of: &[
        Obstacle::NotUpToDate,
        Obstacle::StandsAlone,
        Obstacle::PeerUnknown,
        Obstacle::PeerIsPrimary,
        Obstacle::NotUp,
        Obstacle::Refused,
        Obstacle::HeldOpen,
        Obstacle::Older,
        Obstacle::NotFenced,
    ],
};
/// How often DRBD's state is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long after a refusal DRBD is asked again, and how often.
const PAUSE: Duration = Duration::from_millis(300);
const ASKED: usize = 3;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To be primary.
    Promote(Peer, Fencing),
    /// To be secondary.
    Demote,
    /// To have nothing that waits any more if it is frozen, because its group was ended here: so
    /// that it can be unmounted.
    Thaw,
    /// The same although it is not frozen yet: DRBD may notice later that the other side is gone.
    Sever,
    /// To be secondary although it may be frozen, because the group is not this node's.
    GiveUp {
        /// What becomes of it where it is mounted.
        mounted: IfMounted,
        /// How many starts of it there had been when that was decided: after another one it is the
        /// group's again.
        starts: u64,
    },
    /// To connect again.
    Connect,
    /// To go on, once the ledger has said so, with what waits for a handler that has ended.
    Resume,
}

impl Action {
    /// To be primary in a start that is told so.
    #[must_use]
    pub fn promote(told: &Told) -> Self {
        Self::Promote(Peer::of(told), told.promotion.fencing)
    }
}

/// The words after [`WORD`] that do `action` to a resource, which has `limit` for it.
#[must_use]
pub fn words(action: Action, (name, device): (&str, &Path), limit: Span) -> Vec<String> {
    let (word, how, more) = match action {
        Action::Promote(peer, Fencing::AsItIs) => ("promote", of_peer(peer), None),
        Action::Promote(peer, Fencing::Demanded) => {
            ("promote", of_peer(peer), Some(FENCED.to_owned()))
        }
        Action::GiveUp { mounted, starts } => {
            (GIVE_UP, if_mounted(mounted), Some(starts.to_string()))
        }
        Action::Demote => ("demote", "-", None),
        Action::Thaw => ("thaw", "-", None),
        Action::Sever => ("sever", "-", None),
        Action::Resume => ("resume", "-", None),
        Action::Connect => ("connect", "-", None),
    };
    let device = device.to_string_lossy().into_owned();
    let limit = limit.as_millis().to_string();
    let words = [word.to_owned(), name.to_owned(), device, how.to_owned(), limit];
    words.into_iter().chain(more).collect()
}

/// Which resource words give up, if they do.
pub(super) fn gives_up(words: &[String]) -> Option<&str> {
    match words {
        [word, name, ..] if word == GIVE_UP => Some(name),
        _ => None,
    }
}

const GIVE_UP: &str = "give-up";

/// DRBD has to be one whose fencing is a proof.
const FENCED: &str = "fenced";

const fn of_peer(peer: Peer) -> &'static str {
    match peer {
        Peer::Lost => "lost",
        Peer::Awaited => "awaited",
        Peer::Older => "older",
        Peer::Newer => "newer",
    }
}

const fn if_mounted(mounted: IfMounted) -> &'static str {
    match mounted {
        IfMounted::Left => "left",
        IfMounted::GivenUp => "given-up",
    }
}

/// What an exit code of it says.
#[must_use]
pub fn obstacle(code: i32) -> Option<Obstacle> {
    OBSTACLES.read(code)
}

struct Step {
    action: Action,
    name: String,
    device: PathBuf,
    until: Instant,
    run_dir: PathBuf,
    drbd: Box<dyn Drbd>,
}

/// DRBD of this machine, or a stand-in of it.
trait Drbd {
    /// How the mirror of a device stands.
    fn look(&self, device: &Path) -> Option<Mirror>;
    /// Whether a device is mounted.
    fn is_mounted(&self, device: &Path) -> bool;
    /// What `drbdadm` printed, or what it said to why not.
    fn adm(&self, words: &[&str]) -> Result<String, String>;
}

/// That of the kernel.
struct Kernels;

impl Drbd for Kernels {
    fn look(&self, device: &Path) -> Option<Mirror> {
        look(Path::new("/"), device)
    }

    fn is_mounted(&self, device: &Path) -> bool {
        is_mounted(device)
    }

    fn adm(&self, words: &[&str]) -> Result<String, String> {
        printed("drbdadm", words)
    }
}

/// Does what `words` say: an exit code, and what is to be printed.
#[must_use]
pub fn run(words: &[OsString]) -> (i32, String) {
    match words {
        [word] if word == fence_peer::WORD => return (fence_peer::answer(), String::new()),
        [word, of @ ..] if word == say::WORD => return say::run(of),
        _ => {}
    }
    let Some(step) = read(words) else { return (NONSENSE, String::new()) };
    let came = match step.action {
        Action::Promote(peer, fencing) => step.promote(peer, fencing),
        Action::Demote => step.demote(),
        Action::Thaw => step.let_go(Until::NothingWaits),
        Action::Sever => step.sever(),
        Action::GiveUp { mounted, starts } => step.give_up(mounted, starts),
        Action::Connect => step.connect(),
        Action::Resume => step.resume(),
    };
    match came {
        Ok(()) => (0, String::new()),
        Err((obstacle, said)) => (OBSTACLES.code(obstacle), step.told(&said)),
    }
}

fn read(words: &[OsString]) -> Option<Step> {
    let words = aside::texts(words)?;
    let [action, name, device, how, limit, more @ ..] = words.as_slice() else { return None };
    let peers = [Peer::Lost, Peer::Awaited, Peer::Older, Peer::Newer];
    let peer = || peers.into_iter().find(|peer| of_peer(*peer) == *how);
    let all = [IfMounted::Left, IfMounted::GivenUp];
    let mounted = || all.into_iter().find(|mounted| if_mounted(*mounted) == *how);
    let action = match (*action, *how, more) {
        ("promote", _, []) => Action::Promote(peer()?, Fencing::AsItIs),
        ("promote", _, [word]) if *word == FENCED => Action::Promote(peer()?, Fencing::Demanded),
        (GIVE_UP, _, [starts]) => {
            Action::GiveUp { mounted: mounted()?, starts: starts.parse().ok()? }
        }
        ("demote", "-", []) => Action::Demote,
        ("thaw", "-", []) => Action::Thaw,
        ("sever", "-", []) => Action::Sever,
        ("resume", "-", []) => Action::Resume,
        ("connect", "-", []) => Action::Connect,
        _ => return None,
    };
    let limit = Duration::from_millis(limit.parse().ok()?).saturating_sub(AHEAD);
    let (name, device) = ((*name).to_owned(), PathBuf::from(device));
    let (run_dir, drbd) = (say::run_dir(), Box::new(Kernels));
    Some(Step { action, name, device, until: Instant::now() + limit, run_dir, drbd })
}

/// How far a mirror is let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Nothing that was written to it waits.
    NothingWaits,
    /// It is secondary, and DRBD has it as before.
    Over,
    /// The same, unless it becomes the group's again: so many starts there had been.
    GivenUp(IfMounted, u64),
}

/// Why it was not done, and what DRBD said to it.
type Came = Result<(), (Obstacle, String)>;

impl Step {
    fn look(&self) -> Option<Mirror> {
        self.drbd.look(&self.device)
    }

    fn drbdadm<const N: usize>(&self, words: [&str; N]) -> Result<String, String> {
        self.drbd.adm(&words)
    }

    fn promote(&self, peer: Peer, fencing: Fencing) -> Came {
        // Said before the turn is waited for: who is giving it up ends at the next step.
        let turn = self.turns(b".")?;
        while !self.has_its(&turn)? {
            thread::sleep(LOOK);
        }
        self.is_its_device()?;
        // Whoever let go of it before, and was killed: without its disk it would be nothing.
        if self.begun() == Begun::Yes {
            self.let_go(Until::Over)?;
        }
        if fencing == Fencing::Demanded {
            configured::is_fenced(&self.name).map_err(|why| (Obstacle::NotFenced, why))?;
        }
        let mut refused = 0;
        loop {
            let Some(mirror) = self.look() else { return Err((Obstacle::NotUp, String::new())) };
            match next(&mirror, peer) {
                Next::Done => return Ok(()),
                Next::Refuse(obstacle) => return Err((obstacle, String::new())),
                Next::Wait(obstacle) if Instant::now() >= self.until => {
                    return Err((obstacle, String::new()));
                }
                Next::Wait(_) => thread::sleep(LOOK),
                Next::Promote => match self.drbdadm(["primary", &self.name]) {
                    Ok(_) => return Ok(()),
                    Err(said) => {
                        refused += 1;
                        if refused == ASKED {
                            return Err((Obstacle::Refused, said));
                        }
                        thread::sleep(PAUSE);
                    }
                },
            }
        }
    }

    /// What is not up has no role to give up. What was begun before its release is ended after it.
    fn demote(&self) -> Came {
        if self.begun() == Begun::Yes {
            return self.let_go(Until::Over);
        }
        loop {
            match self.look() {
                Some(mirror) if mirror.is_primary() => {}
                _ => return Ok(()),
            }
            let Err(said) = self.drbdadm(["secondary", &self.name]) else { return Ok(()) };
            if Instant::now() >= self.until {
                return Err((Obstacle::HeldOpen, said));
            }
            thread::sleep(PAUSE);
        }
    }

    fn give_up(&self, mounted: IfMounted, starts: u64) -> Came {
        let until = Until::GivenUp(mounted, starts);
        let turn = self.turns(b"")?;
        loop {
            if let Some(came) = self.stands_in_the_way(until) {
                return came;
            }
            if self.has_its(&turn)? {
                return self.let_go(until);
            }
            thread::sleep(LOOK);
        }
    }

    /// What ends a give-up before its next step, if anything does. It was decided a while ago:
    /// meanwhile the group may have been started here, and what is mounted may be used by what
    /// nobody here has ended.
    fn stands_in_the_way(&self, until: Until) -> Option<Came> {
        let Until::GivenUp(mounted, decided_after) = until else { return None };
        if starts(&self.run_dir, &self.name) != decided_after {
            return Some(Ok(()));
        }
        let left = mounted == IfMounted::Left && self.drbd.is_mounted(&self.device);
        left.then(|| Err((Obstacle::HeldOpen, String::new())))
    }

    /// The file by which a start and a give-up take turns, with `said` behind what stands there.
    fn turns(&self, said: &[u8]) -> Result<File, (Obstacle, String)> {
        let path = turns(&self.run_dir, &self.name);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(said).map(|()| file));
        written.map_err(|error| self.no_turn(&error))
    }

    /// Whether it is this one's turn, which is over with the file, or with whoever holds it.
    fn has_its(&self, turn: &File) -> Result<bool, (Obstacle, String)> {
        match turn.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() < self.until => Ok(false),
            Err(error) => Err(self.no_turn(&error.into())),
        }
    }

    fn no_turn(&self, error: &io::Error) -> (Obstacle, String) {
        let path = turns(&self.run_dir, &self.name);
        (Obstacle::Refused, format!("{}: {error}", path.display()))
    }

    fn begun(&self) -> Begun {
        begun(&self.run_dir, &self.name)
    }

    fn begin(&self) -> Came {
        let mark = mark(&self.run_dir, &self.name);
        let failed = |error| (Obstacle::Refused, format!("{}: {error}", mark.display()));
        fs::write(&mark, "").map_err(failed)
    }

    fn end(&self) -> Came {
        let mark = mark(&self.run_dir, &self.name);
        match fs::remove_file(&mark) {
            // Another one has ended it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            came => came.map_err(|e| (Obstacle::Refused, format!("{}: {e}", mark.display()))),
        }
    }

    fn sever(&self) -> Came {
        if self.look().is_some_and(|mirror| mirror.is_primary()) {
            self.begin()?;
        }
        self.let_go(Until::NothingWaits)
    }

    /// Step by step, each decided by how the mirror stands then: of one before that was killed
    /// nothing is known but that.
    fn let_go(&self, until: Until) -> Came {
        loop {
            if let Some(came) = self.stands_in_the_way(until) {
                return came;
            }
            let next = let_go(self.look().as_ref(), self.begun());
            if matches!(next, LetGo::Disconnect | LetGo::Detach | LetGo::Fail) {
                self.begin()?;
            }
            let came = match (next, until) {
                (LetGo::Done, _) | (LetGo::Demote | LetGo::TakeUp, Until::NothingWaits) => {
                    return Ok(());
                }
                (LetGo::Wait, _) => Ok(String::new()),
                (LetGo::Disconnect, _) => self.drbdadm(["disconnect", "--force", &self.name]),
                (LetGo::Detach, _) => self.drbdadm(["detach", "--force", &self.name]),
                (LetGo::Fail, _) => self.drbdadm(["resume-io", &self.name]),
                (LetGo::Demote, Until::Over | Until::GivenUp(..)) => {
                    self.drbdadm(["secondary", &self.name])
                }
                (LetGo::TakeUp, Until::Over | Until::GivenUp(..)) => {
                    match self.drbdadm(["adjust", &self.name]) {
                        Ok(_) => return self.end(),
                        Err(said) => Err(said),
                    }
                }
            };
            if Instant::now() >= self.until {
                let obstacle = match next {
                    LetGo::Demote => Obstacle::HeldOpen,
                    LetGo::Done
                    | LetGo::Wait
                    | LetGo::Disconnect
                    | LetGo::Detach
                    | LetGo::Fail
                    | LetGo::TakeUp => Obstacle::Refused,
                };
                return Err((obstacle, came.err().unwrap_or_default()));
            }
            thread::sleep(if came.is_err() { PAUSE } else { LOOK });
        }
    }

    /// What the handler would have done. The word of the ledger that is known here may be an old
    /// one: it is asked anew, and a majority has to have the answer.
    fn resume(&self) -> Came {
        let waits = || {
            let mirror = self.look().filter(|mirror| mirror.io == Io::Frozen);
            Side::unless(self.begun(), mirror.as_ref()) == Side::Frozen
        };
        if !waits() {
            return Ok(());
        }
        let of = MirrorOf::Resource(self.name.clone());
        match say::ask(Operation::MirrorAlone { of }, How::ForReal) {
            Said::Written if waits() => {
                let said = self.drbdadm(["resume-io", &self.name]);
                said.map(drop).map_err(|said| (Obstacle::Refused, said))
            }
            Said::Written => Ok(()),
            Said::Refused | Said::WouldBe | Said::Nothing => {
                Err((Obstacle::Refused, String::new()))
            }
        }
    }

    /// Whether anything comes of it is DRBD's: it refuses to join what was written apart.
    fn connect(&self) -> Came {
        self.drbdadm(["connect", &self.name]).map(drop).map_err(|said| (Obstacle::Refused, said))
    }

    /// Another resource than that of the device would be made primary for nothing.
    fn is_its_device(&self) -> Came {
        let device =
            self.drbdadm(["sh-dev", &self.name]).map_err(|said| (Obstacle::NotUp, said))?;
        let same = |path: &str| {
            let number = |path: &Path| {
                std::fs::metadata(path).map(|about| std::os::unix::fs::MetadataExt::rdev(&about))
            };
            matches!((number(Path::new(path)), number(&self.device)), (Ok(a), Ok(b)) if a == b)
        };
        match device.split_whitespace().any(same) {
            true => Ok(()),
            false => Err((Obstacle::NotUp, format!("{}: {}", self.name, device.trim()))),
        }
    }

    /// `r0: WFConnection Secondary/Unknown UpToDate/DUnknown`, and DRBD's own words.
    fn told(&self, said: &str) -> String {
        let stands = self.look().map_or_else(String::new, |m| {
            let Mirror { connection, role, peer_role, disk, peer_disk, .. } = m;
            format!(" {connection} {role}/{peer_role} {disk}/{peer_disk}")
        });
        // What follows its first line only names the command that failed.
        let why = said.lines().map(str::trim).find(|line| !line.is_empty());
        let why = why.map_or_else(String::new, |why| format!("; {why}"));
        format!("{}:{stands}{why}", self.name)
    }
}

/// What a program of DRBD printed, or what it said to why not.
pub(super) fn printed(program: &str, words: &[&str]) -> Result<String, String> {
    let ended = Command::new(program).args(words).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error: io::Error| format!("{program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match ended.status.success() {
        true => Ok(text(&ended.stdout)),
        false => Err(text(&ended.stderr)),
    }
}

#[cfg(test)]
mod tests;
