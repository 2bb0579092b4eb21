//! One call of systemd for a unit that is a resource, as a process of its own: `tsugi unit ACTION
//! UNIT`.
//!
//! It is started by the hands like a resource agent, killed at its limit, and answers with the same
//! exit codes. The unit's processes are systemd's: a call that is killed leaves its job to systemd,
//! and what the job has done is seen by the next call.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tsugi_cluster_rules::ocf::Code;
use tsugi_cluster_rules::unit::{
    Active, Files, Job, OWN, PROPERTIES, Processes, State, UnitName, answer, started,
};

use crate::errand::REASON;

/// The word of the command line that calls it.
pub const WORD: &str = "unit";
/// A drop-in is taken by the order of names, whatever its folder: after `override.conf`, which
/// `systemctl edit` writes.
const DROP_IN: &str = "zz-tsugi.conf";
/// How often a unit that is being killed is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// After how many looks what has come up meanwhile, as an `ExecStopPost=`, is killed as well.
const KILL_EVERY: u32 = 10;
/// In place of its state where there is none.
const ABSENT: &str = "this machine was not started by systemd";
/// Takes a job on at once, whatever it would wait for.
const AT_ONCE: &str = "--job-mode=ignore-dependencies";

/// What is asked of systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it; back when its job has ended.
    Start,
    /// Stop it in order; back when its job has ended.
    Stop,
    /// Kill what there is of it; back when nothing is left.
    Kill,
    /// Say how it is.
    Monitor,
}

const ACTIONS: [Action; 4] = [Action::Start, Action::Stop, Action::Kill, Action::Monitor];

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Monitor => "monitor",
        }
    }
}

/// The words after the name of the program that call it so.
#[must_use]
pub fn words(action: Action, unit: &UnitName) -> [String; 3] {
    [WORD.to_owned(), action.word().to_owned(), unit.to_string()]
}

/// Does what the words after [`WORD`] say: an exit code of a resource agent, and what is to be
/// printed.
#[must_use]
pub fn run(words: &[OsString]) -> (i32, String) {
    let read = || {
        let [action, unit] = words else { return None };
        let action = ACTIONS.into_iter().find(|one| action == one.word())?;
        Some((action, unit.to_str()?.parse().ok()?))
    };
    let Some((action, unit)) = read() else { return (number(Code::Arguments), String::new()) };
    let (code, words) = Systemd::here().does(action, &unit);
    (number(code), format!("{REASON}{words}"))
}

/// The exit code of an answer: those that are given here.
const fn number(code: Code) -> i32 {
    match code {
        Code::Success => 0,
        Code::Arguments => 2,
        Code::NotInstalled => 5,
        Code::NotConfigured => 6,
        Code::NotRunning => 7,
        Code::Generic
        | Code::Unimplemented
        | Code::Permission
        | Code::Promoted
        | Code::FailedPromoted
        | Code::Degraded
        | Code::DegradedPromoted
        | Code::Unknown(_) => 1,
    }
}

/// The service of the node itself.
enum Own {
    /// It goes on, or systemd has nothing to do with it.
    Stays,
    /// It has a job, or is on its way down: what is ordered before it waits for that.
    Goes,
}

/// An exit code, and why.
type Answer = (Code, String);

/// The systemd of a machine: how it is called, and where its files are.
struct Systemd {
    systemctl: PathBuf,
    /// Where units and drop-ins are that do not outlive the machine.
    runtime: PathBuf,
    /// The root of the tree of control groups.
    groups: PathBuf,
}

impl Systemd {
    fn here() -> Self {
        Self {
            systemctl: "systemctl".into(),
            runtime: "/run/systemd/system".into(),
            groups: "/sys/fs/cgroup".into(),
        }
    }

    fn does(&self, action: Action, unit: &UnitName) -> Answer {
        let is_booted = self.runtime.is_dir();
        let done = match action {
            Action::Start if is_booted => self.start(unit),
            Action::Start => Ok((Code::NotInstalled, ABSENT.to_owned())),
            // Where systemd does not run no unit of it does.
            _ if !is_booted => Ok((Code::NotRunning, ABSENT.to_owned())),
            Action::Stop => self.stop(unit),
            Action::Kill => self.kill(unit),
            Action::Monitor => self.look(unit).map(|state| self.answer(&state)),
        };
        done.unwrap_or_else(|error| {
            // Nothing can be begun without it, nor stopped.
            let missing = error.kind() == io::ErrorKind::NotFound;
            let code = if missing { Code::NotInstalled } else { Code::Generic };
            (code, format!("{}: {error}", self.systemctl.display()))
        })
    }

    fn start(&self, unit: &UnitName) -> io::Result<Answer> {
        let found = self.look(unit)?;
        if let Some(why) = found.refuses(unit) {
            return Ok((Code::NotInstalled, why));
        }
        // What runs already runs on what was there before this start: another file system, other
        // addresses. It is not taken on.
        if self.answer(&found).0 != Code::NotRunning {
            self.call(&["stop", unit.as_str()])?;
        }
        self.take_on(unit, &found)?;
        if let Some(why) = self.look(unit)?.restarts() {
            self.give_back(unit)?;
            return Ok((Code::NotConfigured, why));
        }
        // A few starts in a row are systemd's limit; how often is tried here, the group says.
        self.call(&["reset-failed", unit.as_str()])?;
        let begun = self.asked(&["start", unit.as_str()]);
        let state = self.look(unit)?;
        match (begun, state.active) {
            // What its state does not tell: a dependency that failed, a person that may not.
            (Err(error), Active::Inactive) => Ok((Code::Generic, error.to_string())),
            (Ok(_) | Err(_), _) => Ok(started(&state)),
        }
    }

    fn stop(&self, unit: &UnitName) -> io::Result<Answer> {
        let found = self.look(unit)?;
        if self.answer(&found).0 != Code::NotRunning {
            // Its own stop would wait for the node, which waits here for it: where one waits
            // already, as at a shutdown, and where the node itself is being stopped.
            match (found.job, self.node()) {
                (Job::None, Own::Stays) => self.call(&["stop", unit.as_str()])?,
                (Job::Queued, _) | (Job::None, Own::Goes) => {
                    self.call(&["stop", AT_ONCE, unit.as_str()])?;
                }
            }
        }
        self.down(unit)
    }

    /// Whether systemd is about to stop the node as well.
    fn node(&self) -> Own {
        let said = self.asked(&["show", "--property=ActiveState,Job", "--", OWN]);
        let said = said.unwrap_or_default();
        let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name));
        let waits = value("Job=").is_some_and(|job| job.parse().is_ok_and(|job: u32| job != 0));
        match value("ActiveState=") {
            // One that systemd has not started is not ordered by it.
            Some("active" | "inactive") if !waits => Own::Stays,
            Some(_) | None => Own::Goes,
        }
    }

    fn kill(&self, unit: &UnitName) -> io::Result<Answer> {
        let mut looks = 0;
        loop {
            match self.look(unit) {
                Ok(state) if self.answer(&state).0 == Code::NotRunning => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                // One that does not answer now, as while it reads its files, may do so soon.
                Ok(_) | Err(_) => {}
            }
            if looks % KILL_EVERY == 0 {
                // In this order: what is killed first could be started again.
                self.call(&["stop", "--no-block", AT_ONCE, unit.as_str()])?;
                self.call(&["kill", "--signal=SIGKILL", unit.as_str()])?;
            }
            looks += 1;
            thread::sleep(LOOK);
        }
        self.down(unit)
    }

    /// It is down, or why not; what was made for it is taken away with it.
    fn down(&self, unit: &UnitName) -> io::Result<Answer> {
        let (code, words) = self.answer(&self.look(unit)?);
        if code != Code::NotRunning {
            return Ok((Code::Generic, words));
        }
        // It is down whatever comes of this, and no stop has failed.
        self.give_back(unit).ok();
        Ok((Code::Success, words))
    }

    fn answer(&self, state: &State) -> Answer {
        let group = state.control_group.trim_start_matches('/');
        let events = self.groups.join(group).join("cgroup.events");
        // One that was removed has no processes.
        let populated = !group.is_empty()
            && fs::read_to_string(events).is_ok_and(|t| t.lines().any(|l| l == "populated 1"));
        answer(state, if populated { Processes::Left } else { Processes::None })
    }

    /// How systemd says that the unit is.
    fn look(&self, unit: &UnitName) -> io::Result<State> {
        let property = format!("--property={PROPERTIES}");
        let page = self.asked(&["show", &property, "--", unit.as_str()])?;
        State::read(&page).ok_or_else(|| io::Error::other("it does not say how the unit is"))
    }

    /// Has systemd leave the unit to the node: it starts nothing again by itself, and at a shutdown
    /// it waits until the node has let go of the group.
    fn take_on(&self, unit: &UnitName, found: &State) -> io::Result<()> {
        let text = "# Of a resource of tsugi, while its group runs here.\n\
                    [Unit]\n\
                    Before="
            .to_owned()
            + OWN
            + "\n[Service]\nRestart=no\n";
        let file = self.drop_in(unit);
        let there = fs::read_to_string(&file).is_ok_and(|now| now == text);
        if there && found.files == Files::Read {
            return Ok(());
        }
        let folder = file.parent().unwrap_or(&self.runtime);
        fs::create_dir_all(folder)?;
        // Whatever the mask of who calls: systemd complains of what not everybody may read.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let fresh = folder.join(".zz-tsugi");
        fs::write(&fresh, text)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o644))?;
        fs::rename(&fresh, &file)?;
        self.asked(&["daemon-reload"]).map(drop)
    }

    /// The unit is systemd's again.
    fn give_back(&self, unit: &UnitName) -> io::Result<()> {
        let file = self.drop_in(unit);
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        // Others may have something in it.
        if let Some(folder) = file.parent() {
            fs::remove_dir(folder).ok();
        }
        self.asked(&["daemon-reload"]).map(drop)
    }

    fn drop_in(&self, unit: &UnitName) -> PathBuf {
        self.runtime.join(format!("{unit}.d")).join(DROP_IN)
    }

    /// What systemd answers; an error if it does not do it.
    fn asked(&self, words: &[&str]) -> io::Result<String> {
        let done = self.command(words).stderr(Stdio::piped()).output()?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            let first = said.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("{}: {first}", words.join(" "))));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Has systemd do something; what came of it the unit's state says.
    fn call(&self, words: &[&str]) -> io::Result<()> {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).status().map(drop)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.systemctl);
        command.args(["--no-ask-password", "--no-pager"]).args(words).stdin(Stdio::null());
        command.current_dir(Path::new("/"));
        command
    }
}

#[cfg(test)]
mod tests;
