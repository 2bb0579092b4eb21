//! Makes a resource of DRBD primary or secondary, as a process of its own:
//! `tsugi mirroring promote NAME DEVICE lost|awaited|older|newer MILLIS [fenced]`.
//!
//! It is started by the hands like a script of its group and killed at its limit. Whether and when
//! is the rules' table; `--force` is a person's alone. What else is done about mirrors by a process
//! of its own is called by the same word: what DRBD calls (`fence-peer`), and what the ledger is
//! told (`say`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tsugi_cluster_rules::desk::Told;
use tsugi_cluster_rules::mirror::{
    Begun, Fencing, Io, LetGo, Mirror, Next, Obstacle, Peer, let_go, next,
};
use tsugi_vocabulary::Span;
use tsugi_wire::control::{How, MirrorOf, Operation};

use super::fence_peer::Side;
use super::say::Said;
use super::{begun, configured, fence_peer, is_mounted, look, mark, say};
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
    GiveUp,
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
    let (word, peer, more) = match action {
        Action::Promote(peer, Fencing::AsItIs) => ("promote", of_peer(peer), None),
        Action::Promote(peer, Fencing::Demanded) => ("promote", of_peer(peer), Some(FENCED)),
        Action::Demote => ("demote", "-", None),
        Action::Thaw => ("thaw", "-", None),
        Action::Sever => ("sever", "-", None),
        Action::GiveUp => ("give-up", "-", None),
        Action::Resume => ("resume", "-", None),
        Action::Connect => ("connect", "-", None),
    };
    let device = device.to_string_lossy().into_owned();
    let limit = limit.as_millis().to_string();
    let words = [word.to_owned(), name.to_owned(), device, peer.to_owned(), limit];
    words.into_iter().chain(more.map(str::to_owned)).collect()
}

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
        Action::GiveUp => step.give_up(),
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
    let [action, name, device, peer, limit, more @ ..] = words.as_slice() else { return None };
    let fencing = match more {
        [] => Fencing::AsItIs,
        [word] if *word == FENCED => Fencing::Demanded,
        _ => return None,
    };
    let peers = [Peer::Lost, Peer::Awaited, Peer::Older, Peer::Newer];
    let of = peers.into_iter().find(|of| of_peer(*of) == *peer);
    let action = match (*action, of, *peer, fencing) {
        ("promote", Some(of), ..) => Action::Promote(of, fencing),
        ("demote", None, "-", Fencing::AsItIs) => Action::Demote,
        ("thaw", None, "-", Fencing::AsItIs) => Action::Thaw,
        ("sever", None, "-", Fencing::AsItIs) => Action::Sever,
        ("give-up", None, "-", Fencing::AsItIs) => Action::GiveUp,
        ("resume", None, "-", Fencing::AsItIs) => Action::Resume,
        ("connect", None, "-", Fencing::AsItIs) => Action::Connect,
        _ => return None,
    };
    let limit = Duration::from_millis(limit.parse().ok()?).saturating_sub(AHEAD);
    let (name, device) = ((*name).to_owned(), PathBuf::from(device));
    Some(Step { action, name, device, until: Instant::now() + limit })
}

/// How far a mirror is let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Nothing that was written to it waits.
    NothingWaits,
    /// It is secondary, and DRBD has it as before.
    Over,
}

/// Why it was not done, and what DRBD said to it.
type Came = Result<(), (Obstacle, String)>;

impl Step {
    fn look(&self) -> Option<Mirror> {
        look(Path::new("/"), &self.device)
    }

    fn promote(&self, peer: Peer, fencing: Fencing) -> Came {
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
                Next::Promote => match drbdadm(["primary", &self.name]) {
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
            let Err(said) = drbdadm(["secondary", &self.name]) else { return Ok(()) };
            if Instant::now() >= self.until {
                return Err((Obstacle::HeldOpen, said));
            }
            thread::sleep(PAUSE);
        }
    }

    /// What is mounted may be used by what nobody here has ended. Where somebody has begun to let
    /// go of it, that came before.
    fn give_up(&self) -> Came {
        if self.begun() == Begun::No && is_mounted(&self.device) {
            return Err((Obstacle::HeldOpen, String::new()));
        }
        self.let_go(Until::Over)
    }

    fn begun(&self) -> Begun {
        begun(&say::run_dir(), &self.name)
    }

    fn begin(&self) -> Came {
        let mark = mark(&say::run_dir(), &self.name);
        let failed = |error| (Obstacle::Refused, format!("{}: {error}", mark.display()));
        fs::write(&mark, "").map_err(failed)
    }

    fn end(&self) -> Came {
        let mark = mark(&say::run_dir(), &self.name);
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
            let next = let_go(self.look().as_ref(), self.begun());
            if matches!(next, LetGo::Disconnect | LetGo::Detach | LetGo::Fail) {
                self.begin()?;
            }
            let came = match (next, until) {
                (LetGo::Done, _) | (LetGo::Demote | LetGo::TakeUp, Until::NothingWaits) => {
                    return Ok(());
                }
                (LetGo::Wait, _) => Ok(String::new()),
                (LetGo::Disconnect, _) => drbdadm(["disconnect", "--force", &self.name]),
                (LetGo::Detach, _) => drbdadm(["detach", "--force", &self.name]),
                (LetGo::Fail, _) => drbdadm(["resume-io", &self.name]),
                (LetGo::Demote, Until::Over) => drbdadm(["secondary", &self.name]),
                (LetGo::TakeUp, Until::Over) => match drbdadm(["adjust", &self.name]) {
                    Ok(_) => return self.end(),
                    Err(said) => Err(said),
                },
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
                drbdadm(["resume-io", &self.name]).map(drop).map_err(|s| (Obstacle::Refused, s))
            }
            Said::Written => Ok(()),
            Said::Refused | Said::WouldBe | Said::Nothing => {
                Err((Obstacle::Refused, String::new()))
            }
        }
    }

    /// Whether anything comes of it is DRBD's: it refuses to join what was written apart.
    fn connect(&self) -> Came {
        drbdadm(["connect", &self.name]).map(drop).map_err(|said| (Obstacle::Refused, said))
    }

    /// Another resource than that of the device would be made primary for nothing.
    fn is_its_device(&self) -> Came {
        let device = drbdadm(["sh-dev", &self.name]).map_err(|said| (Obstacle::NotUp, said))?;
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

/// What it printed, or what it said to why not.
fn drbdadm<const N: usize>(words: [&str; N]) -> Result<String, String> {
    printed("drbdadm", &words)
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
mod tests {
    use super::*;

    #[test]
    fn what_it_is_told_it_reads_again_and_nothing_else() {
        let device = Path::new("/dev/drbd0");
        let peers = [Peer::Lost, Peer::Awaited, Peer::Older, Peer::Newer];
        let kinds = [Fencing::AsItIs, Fencing::Demanded];
        let promote = |peer| kinds.map(|fencing| Action::Promote(peer, fencing));
        let frozen = [Action::Thaw, Action::Sever, Action::Resume];
        let others = [Action::Demote, Action::GiveUp, Action::Connect].into_iter().chain(frozen);
        let promotions = peers.into_iter().flat_map(promote);
        for action in promotions.chain(others) {
            let words = words(action, ("r0", device), Span::secs(9));
            let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
            let step = read(&words).expect("its own words");
            assert_eq!((step.action, step.name.as_str()), (action, "r0"));
            assert_eq!(step.device, device);
            assert!(read(&words[1..]).is_none());
        }
        for words in [&["promote", "r0"][..], &["demote", "r0", "/dev/drbd0", "-", "9", "fenced"]] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(run(&words).0, NONSENSE);
        }
    }
}
