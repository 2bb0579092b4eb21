//! Units of systemd that are resources: what they are called, and what their state means.
//!
//! A unit is started and stopped by systemd, which also keeps its processes: neither the hands nor
//! the guardian know them. What is asked of it here is answered as a resource agent answers, with
//! the exit codes of [`crate::ocf`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ocf::Code;

/// The unit of a node itself. It is no resource: it would wait for itself.
pub const OWN: &str = "tsugi.service";
/// What the name of every unit ends with that can be a resource: the others have no processes of
/// their own whose end could be seen.
const SERVICE: &str = ".service";
/// The longest name that systemd takes.
const LONGEST: usize = 255;

/// The name of a service unit: `postgresql@15-main.service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

impl UnitName {
    /// As systemd writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The template that it is an instance of: `postgresql@.service`.
    #[must_use]
    pub fn template(&self) -> Option<String> {
        self.0.split_once('@').map(|(front, _)| format!("{front}@{SERVICE}"))
    }

    /// The units by which systemd starts it: itself, and a socket, a timer or a path that has its
    /// name.
    #[must_use]
    pub fn starters(&self) -> [String; 4] {
        let stem = self.0.trim_end_matches(SERVICE);
        [SERVICE, ".socket", ".timer", ".path"].map(|kind| format!("{stem}{kind}"))
    }
}

/// The text names no service unit that can be a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoUnitName;

impl fmt::Display for NoUnitName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a unit is named NAME.service")
    }
}

impl std::error::Error for NoUnitName {}

impl FromStr for UnitName {
    type Err = NoUnitName;

    fn from_str(text: &str) -> Result<Self, NoUnitName> {
        let fine = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let stem = text.strip_suffix(SERVICE).ok_or(NoUnitName)?;
        // A template alone can be started no more than nothing; an option is no name.
        let named = !stem.is_empty() && !stem.starts_with(['-', '.', '@']) && !stem.ends_with('@');
        let whole = named && text.len() <= LONGEST && text != OWN && text.chars().all(fine);
        whole.then(|| Self(text.to_owned())).ok_or(NoUnitName)
    }
}

impl TryFrom<String> for UnitName {
    type Error = NoUnitName;

    fn try_from(text: String) -> Result<Self, NoUnitName> {
        text.parse()
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// Whether systemd has a unit of this name that it could start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// It has.
    Loaded,
    /// There is no such unit.
    NotFound,
    /// Somebody has masked it.
    Masked,
    /// It cannot be read: systemd's word.
    Faulty(String),
}

/// What systemd says that a unit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// It runs, or has done all it does and counts as running.
    Active,
    /// It runs, and reads its configuration anew.
    Reloading,
    /// It does not run.
    Inactive,
    /// It does not run, and did not end well.
    Failed,
    /// It is on its way up, or waits for its next try.
    Activating,
    /// It is on its way down.
    Deactivating,
    /// A word that is not known here.
    Other,
}

/// The properties that [`State::read`] wants.
pub const PROPERTIES: &str = concat!(
    "LoadState,ActiveState,SubState,Result,ExecMainStatus,",
    "Restart,Job,ControlGroup,NeedDaemonReload"
);

/// How a unit is, by what `systemctl show` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it can be started at all.
    pub load: Load,
    /// What it does.
    pub active: Active,
    /// The same in systemd's words: `failed (failed), exit-code, status 3`.
    pub words: String,
    /// When systemd would start it again by itself: `no`, `always`, `on-failure`.
    pub restart: String,
    /// Whether systemd has yet to start or stop it.
    pub job: Job,
    /// Its control group, below the root of their tree; empty if it has none.
    pub control_group: String,
    /// Whether systemd has read what stands in its files now.
    pub files: Files,
}

/// Whether there is a job for a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// There is none.
    None,
    /// One waits or is under way.
    Queued,
}

/// Whether systemd has read the files of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// As they are.
    Read,
    /// They have changed since.
    Changed,
}

/// Whether processes of a unit are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// None.
    None,
    /// Some, though it counts as ended.
    Left,
}

impl State {
    /// What stands in a page of `NAME=VALUE` lines; none if it does not say how the unit is.
    #[must_use]
    pub fn read(page: &str) -> Option<Self> {
        let value = |name: &str| {
            let of = |line: &'_ str| {
                line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned)
            };
            page.lines().find_map(of)
        };
        let given = |name: &str| value(name).unwrap_or_default();
        let (load, active) = (value("LoadState")?, value("ActiveState")?);
        let mut words = format!("{active} ({})", given("SubState"));
        let result = given("Result");
        if !result.is_empty() && result != "success" {
            words.push_str(&format!(", {result}, status {}", given("ExecMainStatus")));
        }
        Some(Self {
            load: match load.as_str() {
                "loaded" | "merged" => Load::Loaded,
                "not-found" => Load::NotFound,
                "masked" => Load::Masked,
                _ => Load::Faulty(load),
            },
            active: match active.as_str() {
                "active" => Active::Active,
                "reloading" | "refreshing" => Active::Reloading,
                "inactive" => Active::Inactive,
                "failed" => Active::Failed,
                "activating" => Active::Activating,
                "deactivating" => Active::Deactivating,
                _ => Active::Other,
            },
            words,
            restart: given("Restart"),
            job: if given("Job").is_empty() { Job::None } else { Job::Queued },
            control_group: given("ControlGroup"),
            files: if given("NeedDaemonReload") == "yes" { Files::Changed } else { Files::Read },
        })
    }

    /// Why it cannot be started here at all, whatever is tried; nothing was begun then.
    #[must_use]
    pub fn refuses(&self, unit: &UnitName) -> Option<String> {
        match &self.load {
            Load::Loaded => None,
            Load::NotFound => Some(format!("systemd knows no unit {unit}")),
            Load::Masked => Some(format!("{unit} is masked: systemctl unmask {unit}")),
            Load::Faulty(word) => Some(format!("systemd cannot load {unit}: {word}")),
        }
    }

    /// What still starts it behind the cluster's back once its own settings are overridden.
    #[must_use]
    pub fn restarts(&self) -> Option<String> {
        let word = self.restart.as_str();
        let set = !word.is_empty() && word != "no";
        set.then(|| format!("Restart={word} stays in force: a drop-in of a later name sets it"))
    }
}

/// The answer of a monitor, and why.
#[must_use]
pub fn answer(state: &State, processes: Processes) -> (Code, String) {
    let words = || state.words.clone();
    match (state.active, state.job, processes) {
        (Active::Active | Active::Reloading, _, _) => (Code::Success, words()),
        (Active::Inactive | Active::Failed, Job::None, Processes::None) => {
            (Code::NotRunning, words())
        }
        (Active::Inactive | Active::Failed, Job::Queued, _) => {
            (Code::Generic, format!("{}, and a job for it waits", state.words))
        }
        (Active::Inactive | Active::Failed, Job::None, Processes::Left) => {
            (Code::Generic, format!("{}, and processes of it are left", state.words))
        }
        // Once it was up it is none of these, but by another hand or by its own failure.
        (Active::Activating | Active::Deactivating | Active::Other, _, _) => {
            (Code::Generic, words())
        }
    }
}

/// What a start has come to, by how the unit is when its job has ended.
#[must_use]
pub fn started(state: &State) -> (Code, String) {
    match state.active {
        Active::Active | Active::Reloading => (Code::Success, state.words.clone()),
        Active::Inactive => {
            let why = "it ended at once; one that runs to its end needs RemainAfterExit=yes";
            (Code::Generic, format!("{}: {why}", state.words))
        }
        Active::Failed | Active::Activating | Active::Deactivating | Active::Other => {
            (Code::Generic, state.words.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(load: &str, active: &str, more: &str) -> State {
        let page = format!("LoadState={load}\nActiveState={active}\nSubState=x\n{more}");
        State::read(&page).expect("it says how it is")
    }

    #[test]
    fn a_unit_is_a_service_by_its_whole_name_and_never_the_node_itself() {
        for text in
            ["postgresql@15-main.service", "a.service", "sys\\x2dlog.service", "a@b@c.service"]
        {
            assert_eq!(text.parse::<UnitName>().map(String::from).as_deref(), Ok(text));
        }
        for text in [
            "postgresql",
            ".service",
            "postgresql@.service",
            "@x.service",
            "--now.service",
            "tsugi.service",
            "a b.service",
            "a/b.service",
            "../a.service",
            "a.timer",
            "a*.service",
            &format!("{}.service", "a".repeat(LONGEST)),
        ] {
            assert_eq!(text.parse::<UnitName>(), Err(NoUnitName), "{text}");
        }
        let unit: UnitName = "postgresql@15-main.service".parse().unwrap();
        assert_eq!(unit.template().as_deref(), Some("postgresql@.service"));
        assert_eq!(unit.starters()[1], "postgresql@15-main.socket");
    }

    #[test]
    fn every_state_of_a_unit_has_its_answer_to_a_monitor_and_after_a_start() {
        // One code each: monitor, monitor with a job, monitor with processes left, after a start.
        for (active, codes) in [
            ("active", [0, 0, 0, 0]),
            ("reloading", [0, 0, 0, 0]),
            ("refreshing", [0, 0, 0, 0]),
            ("inactive", [7, 1, 1, 1]),
            ("failed", [7, 1, 1, 1]),
            ("activating", [1, 1, 1, 1]),
            ("deactivating", [1, 1, 1, 1]),
            ("maintenance", [1, 1, 1, 1]),
            ("", [1, 1, 1, 1]),
        ] {
            let plain = state("loaded", active, "Job=\n");
            let queued = state("loaded", active, "Job=42\n");
            let found = [
                answer(&plain, Processes::None).0,
                answer(&queued, Processes::None).0,
                answer(&plain, Processes::Left).0,
                started(&plain).0,
            ];
            assert_eq!(found, codes.map(Code::of), "{active}");
        }
    }

    #[test]
    fn a_unit_that_cannot_be_started_here_is_refused_in_words_that_say_why() {
        let unit: UnitName = "pay.service".parse().unwrap();
        let why = |load| state(load, "inactive", "").refuses(&unit);
        assert_eq!((why("loaded"), why("merged")), (None, None));
        for (load, part) in [
            ("not-found", "no unit pay.service"),
            ("masked", "systemctl unmask pay.service"),
            ("bad-setting", "bad-setting"),
            ("error", "error"),
        ] {
            assert!(why(load).is_some_and(|why| why.contains(part)), "{load}");
        }
    }

    #[test]
    fn what_is_masked_while_it_runs_runs() {
        let masked = state("masked", "active", "");
        assert_eq!(answer(&masked, Processes::None).0, Code::Success);
    }

    #[test]
    fn how_it_ended_is_told_in_the_words_of_systemd() {
        let failed = state("loaded", "failed", "Result=exit-code\nExecMainStatus=3\n");
        assert_eq!(failed.words, "failed (x), exit-code, status 3");
        assert_eq!(state("loaded", "active", "Result=success\n").words, "active (x)");
        assert_eq!(State::read("LoadState=loaded\n"), None, "it does not say what it does");
        assert_eq!(State::read(""), None);
    }

    #[test]
    fn a_restart_of_systemds_own_that_stays_in_force_is_named() {
        let restarts = |word: &str| state("loaded", "inactive", word).restarts();
        assert_eq!((restarts(""), restarts("Restart=no\n")), (None, None));
        for word in ["always", "on-failure", "on-abnormal"] {
            let line = format!("Restart={word}\n");
            let why = restarts(&line).unwrap();
            assert!(why.starts_with(&format!("Restart={word} ")), "{why}");
        }
    }
}
