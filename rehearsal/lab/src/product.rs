//! The system under rehearsal: how its configuration is written, how a cluster of it is founded,
//! and how it is asked and told from outside. Everything here goes through its command line.

mod binary;
mod clock;
mod config;
mod fence;
mod full;
mod postgres;
mod report;
mod served;
mod shim;
mod status;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::host::{Host, Order, Process};
use crate::kernel::now;
use crate::site::{self, Site};
pub use binary::Build;
pub use clock::move_wall;
pub use config::{Plan, Planted, Profile, Serves, Shape, small_address};
pub use fence::{DeviceTests, ask_by_hand};
pub use full::misplaced;
pub use postgres::fill as fill_database;
pub use report::{TOKEN, copies_of, fill_first, fill_second};
pub use served::{GROUP, Program, Served};
pub use status::{GroupStatus, Status};

const PROGRAM: &str = "/run/bin/tsugi";
const NEWER: &str = "/run/bin/tsugi-next";
const CONFIG: &str = "/etc/tsugi/tsugi.toml";
/// The roles that belong to groups.
const OF_GROUPS: [&str; 3] = ["sample", "serve", "worker"];
const COMMAND: Duration = Duration::from_secs(10);

/// A part of a node that can be hit by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Decides and keeps the lease.
    Agent,
    /// Kills at the deadline.
    Guardian,
    /// The parent of both.
    Hands,
    /// The program of the group.
    Sample,
    /// What answers its callers: that, or what it has handed the volume to.
    Server,
    /// The service beside the group that its monitor asks for.
    Beside,
}

/// The product as it is configured for this run.
#[derive(Clone, Debug)]
pub struct Product {
    /// The program.
    pub binary: PathBuf,
    /// A newer build of it, where one is rehearsed.
    pub newer: Option<PathBuf>,
    /// What is configured.
    pub plan: Plan,
}

impl Product {
    /// The product as `plan` wants it.
    ///
    /// # Errors
    /// When there is no program and none can be built.
    pub fn new(plan: Plan) -> Result<Self, Trouble> {
        let newer = match plan.shape {
            Shape::Plain
            | Shape::Alone
            | Shape::Mutual
            | Shape::Warm
            | Shape::Database
            | Shape::Fenced
            | Shape::Pair
            | Shape::Full => None,
            Shape::Wide => Some(Build::Next.find()?),
        };
        Ok(Self { binary: Build::Current.find()?, newer, plan })
    }

    /// What every host must have in `/run/bin`.
    ///
    /// # Errors
    /// When something of it cannot be built.
    pub fn programs(&self) -> Result<Vec<PathBuf>, Trouble> {
        let mut programs = vec![self.binary.clone(), std::env::current_exe()?];
        programs.extend(self.newer.clone());
        if self.plan.shape == Shape::Wide {
            std::fs::create_dir_all(site::DIR)?;
            programs.push(clock::build(Path::new(site::DIR))?);
        }
        if self.plan.planted == Some(Planted::LedgerWithoutSync) {
            std::fs::create_dir_all(site::DIR)?;
            programs.push(shim::build(Path::new(site::DIR))?);
        }
        Ok(programs)
    }

    /// Writes the configuration to every host, starts every node and founds the cluster.
    ///
    /// # Errors
    /// The first step that failed, with what the product said.
    pub fn found(&self, site: &mut Site) -> Result<(), Trouble> {
        let text = self.plan.text(site.hosts.len());
        for host in &mut site.hosts {
            host.write(CONFIG, &text)?;
            if self.plan.serves == Serves::Report {
                host.write(report::CALLERS, report::CALLER)?;
            }
            if self.plan.shape == Shape::Database {
                postgres::install(host)?;
            }
            if self.plan.planted == Some(Planted::LedgerWithoutSync) {
                shim::plant(host)?;
            }
            self.start(host)?;
        }
        let (first, others) = site.hosts.split_first_mut().expect("a site has hosts");
        patiently(|| tsugi(first, &["init"]))?;
        for host in others {
            let token = patiently(|| tsugi(first, &["node", "token", &host.name]))?;
            let token = token.split_whitespace().last().unwrap_or_default().to_owned();
            host.write("/run/token", &token)?;
            patiently(|| tsugi(host, &["node", "join", "--token-file", "/run/token"]))?;
        }
        Ok(())
    }

    /// Starts the node of a host that has just booted.
    ///
    /// # Errors
    /// When the host has no power.
    pub fn start(&self, host: &mut Host) -> Result<(), Trouble> {
        self.start_as(host, (&[], &[]))
    }

    /// The same, the program started by another one.
    ///
    /// # Errors
    /// When the host has no power.
    pub fn start_by(&self, host: &mut Host, by: &[&str]) -> Result<(), Trouble> {
        self.start_as(host, (by, &[]))
    }

    /// The same in another directory: as another node.
    ///
    /// # Errors
    /// When the host has no power.
    pub fn start_elsewhere(&self, host: &mut Host, dir: &str) -> Result<(), Trouble> {
        self.start_as(host, (&[], &["--data-dir", dir]))
    }

    /// Founds a cluster on a node that belongs to none.
    ///
    /// # Errors
    /// What the product said.
    pub fn found_alone(&self, host: &Host) -> Result<(), Trouble> {
        patiently(|| tsugi(host, &["init"])).map(drop)
    }

    fn start_as(&self, host: &mut Host, (by, with): (&[&str], &[&str])) -> Result<(), Trouble> {
        if self.plan.shape == Shape::Wide {
            clock::plant(host)?;
        }
        if self.plan.shape == Shape::Fenced {
            fence::plant(host)?;
        }
        let name = host.name.clone();
        let node = [PROGRAM, "node", "run", "--name", &name];
        let argv = by.iter().chain(&node).chain(with).map(|word| (*word).to_owned()).collect();
        let answer = host.order(&Order::Start { argv, env: Vec::new() })?;
        if answer != "started" {
            return Err(Trouble::Failed(answer));
        }
        self.start_beside(host)
    }

    /// Starts on a host what its groups' monitors ask for and does not run there. It belongs to no
    /// group, as the directory service of the report: every node has it before a group comes.
    ///
    /// # Errors
    /// When the host has no power.
    pub fn start_beside(&self, host: &Host) -> Result<(), Trouble> {
        for at in self.plan.served().into_iter().filter_map(|served| served.beside) {
            let at = at.to_string();
            if self.beside(host, &at).is_empty() {
                let line = format!("setsid /run/bin/lab beside {at} </dev/null >/dev/null 2>&1 &");
                host.run(&["sh", "-c", &line], COMMAND)?;
            }
        }
        Ok(())
    }

    fn beside(&self, host: &Host, at: &str) -> Vec<Process> {
        let all = self.processes(host, Part::Beside).into_iter();
        all.filter(|process| process.argv.get(2).is_some_and(|listens| listens == at)).collect()
    }

    /// What of one part of a host belongs to a group; a daemon is of no group.
    #[must_use]
    pub fn processes_of(&self, host: &Host, part: Part, served: &Served) -> Vec<Process> {
        match part {
            Part::Agent | Part::Guardian | Part::Hands => self.processes(host, part),
            Part::Sample => those(host, served.is_of()),
            Part::Server => those(host, served.answers()),
            Part::Beside => {
                served.beside.map_or_else(Vec::new, |at| self.beside(host, &at.to_string()))
            }
        }
    }

    /// How the cluster stands, asked on any host that answers.
    ///
    /// # Errors
    /// When none answers.
    pub fn status(&self, site: &mut Site) -> Result<Status, Trouble> {
        let mut last = Trouble::Failed("no host has power".into());
        for host in &mut site.hosts {
            if !host.is_on() {
                continue;
            }
            match self.status_of(host) {
                Ok(status) if status.knows() => return Ok(status),
                Ok(status) => last = Trouble::Failed(format!("{}: {status:?}", host.name)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The same asked on one host.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status_of(&self, host: &Host) -> Result<Status, Trouble> {
        tsugi(host, &["status", "--json"]).and_then(|text| Status::read(&text))
    }

    /// How each host with power explains the last thing that happened, or the one `back` before
    /// it, to the group or at all.
    pub fn explanations(
        &self,
        site: &mut Site,
        (about, back): (Option<&str>, usize),
    ) -> Vec<(String, String)> {
        let back = back.to_string();
        let words: Vec<&str> = ["explain", "--back", &back].into_iter().chain(about).collect();
        let mut told = Vec::new();
        for host in &mut site.hosts {
            if host.is_on() {
                let text = tsugi(host, &words).unwrap_or_else(|t| t.to_string());
                told.push((host.name.clone(), text));
            }
        }
        told
    }

    /// Moves a group to `node`.
    ///
    /// # Errors
    /// What the product refused.
    pub fn move_group(&self, from: &Host, (group, node): (&str, &str)) -> Result<(), Trouble> {
        tsugi(from, &["group", "move", group, node, "--reason", "rehearsal"]).map(drop)
    }

    /// Takes a node out of service, or puts it back.
    ///
    /// # Errors
    /// What the product refused.
    pub fn drain(&self, from: &Host, word: &str, node: &str) -> Result<(), Trouble> {
        tsugi(from, &["node", word, node, "--reason", "rehearsal"]).map(drop)
    }

    /// What a question is answered, also where the answer has an exit code of its own.
    ///
    /// # Errors
    /// When the host has no power.
    pub fn answer(&self, host: &Host, words: &[&str]) -> Result<String, Trouble> {
        let argv: Vec<&str> = std::iter::once(PROGRAM).chain(words.iter().copied()).collect();
        host.ask(&argv, COMMAND).map(|(_, said)| said)
    }

    /// The file of a build.
    #[must_use]
    pub fn file(&self, build: Build) -> &Path {
        match (build, &self.newer) {
            (Build::Next, Some(newer)) => newer,
            (Build::Current, _) | (Build::Next, None) => &self.binary,
        }
    }

    /// Puts the newer build, or the former one again, where the program is. What runs goes on.
    ///
    /// # Errors
    /// What the host refused.
    pub fn install(&self, host: &Host, build: Build) -> Result<(), Trouble> {
        match build {
            Build::Next => host.run(&["mount", "--bind", NEWER, PROGRAM], COMMAND),
            // The build that runs from there keeps its file.
            Build::Current => host.run(&["umount", "--lazy", PROGRAM], COMMAND),
        }
        .map(drop)
    }

    /// The processes of one part of a host.
    #[must_use]
    pub fn processes(&self, host: &Host, part: Part) -> Vec<Process> {
        let word = match part {
            Part::Agent => "agent",
            Part::Guardian => "guardian",
            Part::Hands => "node",
            Part::Sample | Part::Server => "sample",
            Part::Beside => "beside",
        };
        let ours = |name: &String| {
            name.ends_with("tsugi") || name.ends_with("lab") || name.contains("exe")
        };
        let is_it = |process: &Process| {
            process.argv.first().is_some_and(ours)
                && process.argv.get(1).is_some_and(|first| first == word)
        };
        // Whoever is asked to do something to a node is no part of one.
        let runs = |process: &Process| process.argv.get(2).is_some_and(|word| word == "run");
        let all = host.processes().into_iter().filter(is_it);
        all.filter(|process| part != Part::Hands || runs(process)).collect()
    }

    /// Begins a command of the product on a host; nobody waits for what it says.
    ///
    /// # Errors
    /// When the host has no power.
    pub fn begin(&self, host: &Host, words: &[&str]) -> Result<(), Trouble> {
        let line = format!("{PROGRAM} {} </dev/null >/dev/null 2>&1 &", words.join(" "));
        host.run(&["sh", "-c", &line], COMMAND).map(drop)
    }

    /// Whether such a command is under way on a host.
    #[must_use]
    pub fn is_asked(&self, host: &Host) -> bool {
        let words = |process: &Process| process.argv.iter().any(|word| word == "--reason");
        host.processes().iter().any(words)
    }

    /// Whether each host has a clock on the wall of its own.
    #[must_use]
    pub fn has_own_clocks(&self) -> bool {
        self.plan.shape == Shape::Wide
    }

    /// The programs that stand by on a host, whoever has the group.
    #[must_use]
    pub fn standing_by(&self, host: &Host) -> Vec<Process> {
        let stands_by = |argv: &[String]| {
            argv.get(1).is_some_and(|role| role == "sample" || role == "serve")
                && argv.get(2).is_some_and(|side| side == "standby")
        };
        those(host, stands_by)
    }

    /// Every process of the product itself, not of its groups.
    #[must_use]
    pub fn daemons(&self, host: &Host) -> Vec<Process> {
        let is_it = |process: &Process| {
            process.argv.first().is_some_and(|name| name.ends_with("tsugi"))
                && process.argv.get(1).is_some_and(|first| !OF_GROUPS.contains(&first.as_str()))
        };
        host.processes().into_iter().filter(is_it).collect()
    }
}

/// The processes of a host with such a command line.
fn those(host: &Host, are: impl Fn(&[String]) -> bool) -> Vec<Process> {
    host.processes().into_iter().filter(|process| are(&process.argv)).collect()
}

/// Runs a command of the product in a host.
///
/// # Errors
/// What it said.
pub fn tsugi(host: &Host, words: &[&str]) -> Result<String, Trouble> {
    let argv: Vec<&str> = std::iter::once(PROGRAM).chain(words.iter().copied()).collect();
    host.run(&argv, COMMAND)
}

/// The first cause that an explanation names, on one line.
#[must_use]
pub fn first_cause(explanation: &str) -> String {
    let from = explanation.lines().skip_while(|line| !line.starts_with("first cause"));
    let cause = from.take_while(|line| !line.starts_with("what ") && !line.trim().is_empty());
    cause.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Tries again for a few seconds: a node that was just started does not listen yet.
fn patiently(mut work: impl FnMut() -> Result<String, Trouble>) -> Result<String, Trouble> {
    let end = now() + Duration::from_secs(5);
    loop {
        match work() {
            Ok(text) => return Ok(text),
            Err(trouble) if now() >= end => return Err(trouble),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_cause_is_joined_to_one_line() {
        let text = "counter: n1 -> n2\nfirst cause: volume could not be\nstarted\nwhat was seen\n";
        assert_eq!(super::first_cause(text), "first cause: volume could not be started");
        assert_eq!(super::first_cause("nothing"), "");
    }
}
