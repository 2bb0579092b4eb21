//! The names that runbooks use: the program called by one of them says what the command is now,
//! carries it out, and ends as the old one did where its manual says how.

mod arm;
mod clp;
pub mod mf;

use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tsugi_messages::{Phrase, phrase};

/// One old name.
pub struct OldName {
    /// The name, as it stands on the path.
    pub name: &'static str,
    /// How it is used here.
    pub usage: &'static str,
    /// What it means now.
    now: fn(&[String]) -> Result<Now, Misuse>,
}

/// What an old command means.
#[derive(Debug, PartialEq, Eq)]
pub enum Now {
    /// These words after `tsugi`.
    Command(Vec<String>),
    /// Print the node that a group is on (`clpgrp -n`), as `tsugi group list` shows it.
    OwnerOf(String),
    /// Make the package of a mapping that was edited (`imtkmake -generate`), of this service.
    Generate(String),
    /// Deploy this package for the region that `.mfdeploy` of the folder above names (`mfdepinst`).
    Install(String),
    /// Start this region (`casstart`).
    Start {
        /// The region.
        region: String,
        /// How.
        how: Starting,
        /// For how many seconds it is waited until it is ready, if it is.
        wait: Option<String>,
        /// Why, as the audit keeps it.
        reason: String,
        /// The directory that has to know it, if one is named.
        at: Option<String>,
    },
    /// Stop this region (`casstop`).
    Stop {
        /// The region.
        region: String,
        /// How.
        how: Stopping,
        /// Why, as the audit keeps it.
        reason: String,
        /// The directory that has to know it, if one is named.
        at: Option<String>,
    },
    /// Print the regions of a directory, or one, as scripts search it (`mdump`).
    Dump {
        /// Whose directory.
        host: String,
        /// The region; the names of all if none is said.
        region: Option<String>,
    },
    /// Suspend or take up these monitors, or all if none is named (`clpmonctrl`).
    Monitors(Turn, Vec<String>),
}

/// How a region is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starting {
    /// As the cluster would.
    AsUsual,
    /// Cold: it inherits nothing.
    Cold,
    /// Warm: it goes on with what a former run has left.
    Warm,
}

/// How a region is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// In order; nobody waits for it.
    Ordered,
    /// In order, and by force where that takes too long.
    Waited,
    /// By force.
    Forced,
}

/// What becomes of a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is suspended.
    Suspend,
    /// It is taken up again.
    Resume,
}

impl Turn {
    /// The word of the new command.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// Why an old command is not carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A word that the old command knows and that means nothing here, or that nobody knows.
    Word(String),
    /// An option with something else than a number between two others.
    OutOfRange(&'static str, String, RangeInclusive<u32>),
    /// Something is missing.
    Missing(&'static str),
    /// Two words that exclude each other.
    Both(String, String),
    /// Another command of the system does that.
    Elsewhere(&'static str),
}

/// All of them.
pub const ALL: [OldName; 13] = [
    OldName {
        name: "casstart",
        usage: "casstart /rNAME [/w[SECONDS]] [/s:c|/s:w] [/m HOST:PORT]",
        now: mf::start,
    },
    OldName { name: "casstop", usage: "casstop /rNAME [/f] [/w] [/m HOST:PORT]", now: mf::stop },
    OldName { name: "mdump", usage: "mdump [HOST[:PORT] [REGION]]", now: mf::dump },
    OldName {
        name: "imtkmake",
        usage: "imtkmake -defmap src=FILE service=NAME | -generate service=NAME",
        now: mf::make,
    },
    OldName { name: "mfdepinst", usage: "mfdepinst PACKAGE", now: mf::deploy },
    OldName {
        name: "clpgrp",
        usage: "clpgrp -s|-t|-m|-n GROUP [-h NODE] [-a NODE]",
        now: clp::group,
    },
    OldName { name: "clpstat", usage: "clpstat [-s|-g|-n|-i] [--json]", now: clp::status },
    OldName {
        name: "clptoratio",
        usage: "clptoratio -r RATIO -t TIME[s|m|h|d] | -i | -s",
        now: clp::time_outs,
    },
    OldName { name: "clpcl", usage: "clpcl --suspend|--resume", now: clp::cluster },
    OldName {
        name: "clpmonctrl",
        usage: "clpmonctrl -s|-r [-m MONITOR …] [-h NODE] [-w SECONDS] | -v",
        now: clp::monitors,
    },
    OldName {
        name: "ARMLOAD",
        usage: concat!(
            "ARMLOAD ID [/S] [/M [/FOV] | /R n [/H h] [/SCR] [/WAIT s] [/INT s]] [/U USER] ",
            "PROGRAM …|SERVICE"
        ),
        now: arm::load,
    },
    OldName { name: "ARMKILL", usage: "ARMKILL ID [/T s]", now: arm::kill },
    OldName { name: "ARMLOADC", usage: "ARMLOADC ID /W pause|continue", now: arm::suspend },
];

/// The old name that the program was called by.
pub fn called_by(word: Option<&OsString>) -> Option<&'static OldName> {
    let name = Path::new(word?).file_name()?.to_str()?;
    let same = |old: &&OldName| match old.any_case() {
        true => old.name.eq_ignore_ascii_case(name),
        false => old.name == name,
    };
    ALL.iter().find(same)
}

impl OldName {
    /// Whether scripts wrote it in whatever case: where it comes from no file name has one.
    fn any_case(&self) -> bool {
        self.name.chars().all(|c| c.is_ascii_uppercase())
    }

    /// The names to install: scripts of Windows call in capitals, in small letters, or as the
    /// guide prints it, `ARMLoad`.
    fn spellings(&self) -> Vec<String> {
        if !self.any_case() {
            return vec![self.name.to_owned()];
        }
        let small = self.name.to_ascii_lowercase();
        let (front, back) = self.name.split_at(4);
        let last = back.len().min(3);
        let mixed = format!("{front}{}{}", back[..last].to_ascii_lowercase(), &back[last..]);
        vec![self.name.to_owned(), mixed, small]
    }

    /// What the words after the name mean.
    pub fn now(&self, words: &[OsString]) -> Result<Now, Misuse> {
        let words: Vec<String> = words.iter().map(|w| w.to_string_lossy().into_owned()).collect();
        (self.now)(&words)
    }
}

impl Misuse {
    /// In words.
    pub fn words(&self) -> Phrase {
        match self {
            Self::Word(word) => phrase::usage_unknown_option(word.clone()),
            Self::OutOfRange(option, given, range) => {
                phrase::usage_out_of_range(given.clone(), *option, range.start(), range.end())
            }
            Self::Missing(what) => phrase::usage_missing(what),
            Self::Both(one, other) => phrase::usage_exclude(one.clone(), other.clone()),
            Self::Elsewhere(command) => phrase::old_name_elsewhere(command),
        }
    }
}

impl Now {
    /// The new command, as a person would type it.
    pub fn spelled(&self) -> String {
        match self {
            Self::Command(words) => {
                let quoted = words.iter().map(|word| match word.contains(' ') {
                    true => format!("\"{word}\""),
                    false => word.clone(),
                });
                quoted.fold("tsugi".to_owned(), |line, word| format!("{line} {word}"))
            }
            Self::OwnerOf(_) => "tsugi group list".to_owned(),
            Self::Generate(service) => format!("tsugi service import … --name {service}"),
            Self::Install(package) => format!("tsugi service deploy {package} --group …"),
            Self::Start { region, how, wait, reason, .. } => {
                let how = match how {
                    Starting::AsUsual => "",
                    Starting::Cold => " --fresh",
                    Starting::Warm => " --inherit",
                };
                let wait = wait.as_ref().map(|wait| format!(" --wait={wait}s")).unwrap_or_default();
                format!("tsugi group start {region}{how}{wait} --reason \"{reason}\"")
            }
            Self::Stop { region, how, reason, .. } => {
                let how = match how {
                    Stopping::Ordered => ["group stop", ""],
                    Stopping::Waited => ["region stop", ""],
                    Stopping::Forced => ["region stop", " --force"],
                };
                format!("tsugi {} {region}{} --reason \"{reason}\"", how[0], how[1])
            }
            Self::Dump { host, region } => {
                let at =
                    if mf::is_this_machine(host) { String::new() } else { format!(" --at {host}") };
                let region = region.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                format!("tsugi region list{region}{at}")
            }
            Self::Monitors(turn, names) => {
                let names = if names.is_empty() { "…".to_owned() } else { names.join(" ") };
                format!("tsugi monitor {} {names}", turn.word())
            }
        }
    }
}

/// Why an old name was not installed.
#[derive(Debug)]
pub enum NotInstalled {
    /// Something else stands there, perhaps the product that is to be replaced.
    Taken(PathBuf),
    /// A call failed.
    Failed(PathBuf, io::Error),
}

/// Puts every old name into a directory, as a link to this program; what stands there already is
/// left alone. All or none: nothing is made where one name is taken.
pub fn install(dir: &Path, program: &Path) -> Result<Vec<PathBuf>, NotInstalled> {
    let spellings = ALL.iter().flat_map(OldName::spellings);
    let places: Vec<PathBuf> = spellings.map(|name| dir.join(name)).collect();
    let mut open = Vec::new();
    for place in &places {
        match place.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => open.push(place.clone()),
            Err(error) => return Err(NotInstalled::Failed(place.clone(), error)),
            Ok(_) if is_ours(place, program) => {}
            Ok(_) => return Err(NotInstalled::Taken(place.clone())),
        }
    }
    for place in open {
        symlink(program, &place).map_err(|error| NotInstalled::Failed(place.clone(), error))?;
    }
    Ok(places)
}

/// A link to this program, or to one of the same name that is gone: an earlier installation.
fn is_ours(place: &Path, program: &Path) -> bool {
    let named = |path: &Path| path.file_name().map(OsStr::to_owned);
    place.read_link().is_ok_and(|to| to == program || named(&to) == named(program))
}

#[cfg(test)]
mod tests;
