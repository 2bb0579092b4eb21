//! Makes a resource of DRBD primary or secondary, as a process of its own:
//! `tsugi mirroring promote NAME DEVICE lost|awaited MILLIS`.
//!
//! It is started by the hands like a script of its group and killed at its limit. Whether and when
//! is the rules' table; `--force` is a person's alone.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tsugi_cluster_rules::mirror::{Mirror, Next, Obstacle, Peer, next};
use tsugi_vocabulary::Span;

use super::look;

/// The word of the command line that calls it.
pub const WORD: &str = "mirroring";
/// It was called with words that it does not know.
const NONSENSE: i32 = 64;
/// The exit code of the first obstacle; the others follow.
const FIRST: i32 = 70;
/// In the order of their exit codes.
const OBSTACLES: [Obstacle; 7] = [
    Obstacle::NotUpToDate,
    Obstacle::StandsAlone,
    Obstacle::PeerUnknown,
    Obstacle::PeerIsPrimary,
    Obstacle::NotUp,
    Obstacle::Refused,
    Obstacle::HeldOpen,
];
/// How often DRBD's state is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long after a refusal DRBD is asked again, and how often.
const PAUSE: Duration = Duration::from_millis(300);
const ASKED: usize = 3;
/// So long before the limit at which it is killed it says what it waits for.
const AHEAD: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To be primary.
    Promote(Peer),
    /// To be secondary.
    Demote,
}

/// The words after [`WORD`] that do `action` to a resource, which has `limit` for it.
#[must_use]
pub fn words(action: Action, (name, device): (&str, &Path), limit: Span) -> Vec<String> {
    let (word, peer) = match action {
        Action::Promote(Peer::Lost) => ("promote", "lost"),
        Action::Promote(Peer::Awaited) => ("promote", "awaited"),
        Action::Demote => ("demote", "-"),
    };
    let device = device.to_string_lossy().into_owned();
    let limit = limit.as_millis().to_string();
    vec![word.to_owned(), name.to_owned(), device, peer.to_owned(), limit]
}

/// What an exit code of it says.
#[must_use]
pub fn obstacle(code: i32) -> Option<Obstacle> {
    let place = usize::try_from(code.checked_sub(FIRST)?).ok()?;
    OBSTACLES.get(place).copied()
}

fn code(obstacle: Obstacle) -> i32 {
    let place = OBSTACLES.iter().position(|known| *known == obstacle);
    place.and_then(|place| i32::try_from(place).ok()).map_or(NONSENSE, |place| FIRST + place)
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
    let Some(step) = read(words) else { return (NONSENSE, String::new()) };
    let came = match step.action {
        Action::Promote(peer) => step.promote(peer),
        Action::Demote => step.demote(),
    };
    match came {
        Ok(()) => (0, String::new()),
        Err((obstacle, said)) => (code(obstacle), step.told(&said)),
    }
}

fn read(words: &[OsString]) -> Option<Step> {
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let words = words?;
    let [action, name, device, peer, limit] = words.as_slice() else { return None };
    let action = match (*action, *peer) {
        ("promote", "lost") => Action::Promote(Peer::Lost),
        ("promote", "awaited") => Action::Promote(Peer::Awaited),
        ("demote", "-") => Action::Demote,
        _ => return None,
    };
    let limit = Duration::from_millis(limit.parse().ok()?).saturating_sub(AHEAD);
    let (name, device) = ((*name).to_owned(), PathBuf::from(device));
    Some(Step { action, name, device, until: Instant::now() + limit })
}

/// Why it was not done, and what DRBD said to it.
type Came = Result<(), (Obstacle, String)>;

impl Step {
    fn look(&self) -> Option<Mirror> {
        look(Path::new("/"), &self.device)
    }

    fn promote(&self, peer: Peer) -> Came {
        self.is_its_device()?;
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

    /// What is not up has no role to give up.
    fn demote(&self) -> Came {
        loop {
            match self.look() {
                Some(mirror) if mirror.role != "Secondary" => {}
                _ => return Ok(()),
            }
            let Err(said) = drbdadm(["secondary", &self.name]) else { return Ok(()) };
            if Instant::now() >= self.until {
                return Err((Obstacle::HeldOpen, said));
            }
            thread::sleep(PAUSE);
        }
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
    let ended = Command::new("drbdadm").args(words).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error: io::Error| format!("drbdadm: {error}"))?;
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
    fn each_obstacle_has_an_exit_code_of_its_own() {
        for known in OBSTACLES {
            assert_eq!(obstacle(code(known)), Some(known));
        }
        for other in [0, 1, NONSENSE, FIRST - 1, FIRST + 7, i32::MIN] {
            assert_eq!(obstacle(other), None);
        }
    }

    #[test]
    fn what_it_is_told_it_reads_again_and_nothing_else() {
        let device = Path::new("/dev/drbd0");
        let actions = [Action::Promote(Peer::Lost), Action::Promote(Peer::Awaited), Action::Demote];
        for action in actions {
            let words = words(action, ("r0", device), Span::secs(9));
            let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
            let step = read(&words).expect("its own words");
            assert_eq!((step.action, step.name.as_str()), (action, "r0"));
            assert_eq!(step.device, device);
            assert!(read(&words[1..]).is_none());
        }
        assert_eq!(run(&["promote".into(), "r0".into()]).0, NONSENSE);
    }
}
