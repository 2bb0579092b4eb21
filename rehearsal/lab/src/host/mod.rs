//! A host: namespaces, a disk of its own, links to the switch, and power that can be taken away.

mod cgroup;
pub mod disk;
mod enter;
mod init;
mod plug;
mod processes;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::badlink::{PortId, Segment, Wire, in_namespace};
use crate::kernel;
use cgroup::Cgroup;
pub use cgroup::directories;
pub use disk::{Disk, Writes};
pub use enter::{enter, exec};
pub use init::{LEDGER, LOG, MORE, STATE, data, device, init};
pub use plug::Plug;
pub use processes::{Process, Seen, everywhere};

/// The links of a host: two data networks and the management network.
pub const LINKS: [Segment; 3] = [Segment::Data, Segment::Data, Segment::Management];
/// Both data links.
pub const DATA_LINKS: [usize; 2] = [0, 1];
/// All links.
pub const ALL_LINKS: [usize; 3] = [0, 1, 2];
/// How long a host may take to boot.
const BOOT_LIMIT: Duration = Duration::from_secs(10);

/// What the init process of a host is told when its taps are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BootPlan {
    /// The host's name.
    pub name: String,
    /// Its address on each link, with prefix.
    pub addresses: Vec<String>,
    /// The hardware address of each link.
    pub macs: Vec<String>,
    /// Its disk.
    pub disk: PathBuf,
    /// The name of each shared volume and its device on it.
    pub volumes: Vec<(String, PathBuf)>,
    /// Programs that are to be found in `/run/bin`.
    pub programs: Vec<PathBuf>,
}

/// What the init process is told later, a line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Set up and boot.
    Boot(BootPlan),
    /// Start this program, and again whenever it fails.
    Start {
        /// Program and arguments.
        argv: Vec<String>,
        /// Additional environment.
        env: Vec<(String, String)>,
    },
    /// End the program in an orderly way and say when it has ended.
    Stop,
}

/// Clears away what a killed lab left: processes, control groups, loop devices.
///
/// # Errors
/// What the kernel refused.
pub fn clear_leftovers(dir: &Path) -> Result<(), Trouble> {
    cgroup::clear_leftovers();
    disk::clear_leftovers(dir)
}

/// A host with or without power.
#[derive(Debug)]
pub struct Host {
    /// 1, 2, 3.
    pub index: usize,
    /// `n1`, `n2`, `n3`.
    pub name: String,
    disk: Disk,
    volumes: Vec<(String, Disk)>,
    programs: Vec<PathBuf>,
    wire: Wire,
    cgroup: Cgroup,
    plug: Plug,
    life: Option<Life>,
}

#[derive(Debug)]
struct Life {
    enter: Child,
    /// Closing it ends the host, whatever happens to the lab.
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pid: i32,
    since: Duration,
}

impl Host {
    /// A host without power.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn new(
        index: usize,
        disk: Disk,
        volumes: Vec<(String, Disk)>,
        programs: Vec<PathBuf>,
        wire: Wire,
    ) -> Result<Self, Trouble> {
        let name = format!("n{index}");
        let cgroup = Cgroup::create(&format!("tsl-{name}"))?;
        let disks = std::iter::once(&disk).chain(volumes.iter().map(|(_, volume)| volume));
        let disks = disks.map(|disk| disk.number.clone()).collect();
        let plug = Plug::new((index, &name), disks, wire.clone());
        Ok(Self { index, name, disk, volumes, programs, wire, cgroup, plug, life: None })
    }

    /// The address of a host on one of its links.
    #[must_use]
    pub fn address(index: usize, link: usize) -> String {
        let network = [1, 2, 9][link];
        format!("10.77.{network}.{index}")
    }

    /// Whether it has power and has not reset itself.
    #[must_use]
    pub fn is_on(&mut self) -> bool {
        let ended = |life: &mut Life| !matches!(life.enter.try_wait(), Ok(None));
        if self.life.as_mut().is_some_and(ended) {
            self.life = None;
            self.wire.unplug(self.index);
        }
        self.life.is_some()
    }

    /// Since when it has power, if it has.
    #[must_use]
    pub fn on_since(&self) -> Option<Duration> {
        self.life.as_ref().map(|life| life.since)
    }

    /// Its plug, for whoever may take its power.
    #[must_use]
    pub fn plug(&self) -> Plug {
        self.plug.clone()
    }

    /// The pid of its first process, as the lab sees it.
    ///
    /// # Errors
    /// When it has no power.
    pub fn pid(&self) -> Result<i32, Trouble> {
        self.life.as_ref().map(|life| life.pid).ok_or_else(|| Trouble::off(&self.name))
    }

    /// Gives it power and waits until it is up.
    ///
    /// # Errors
    /// What failed.
    pub fn boot(&mut self) -> Result<(), Trouble> {
        if self.is_on() {
            return Ok(());
        }
        self.plug.wait_idle();
        // The last life's file systems go when its last process is gone; a mount before that
        // would be of the old, dead file system.
        self.disk.wait_free(BOOT_LIMIT)?;
        self.volumes.iter().try_for_each(|(_, volume)| volume.wait_free(BOOT_LIMIT))?;
        let mut enter = Command::new(crate::own_program()?)
            .args(["host-enter", "--cgroup"])
            .arg(self.cgroup.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = enter.stdin.take().expect("was asked for");
        let mut answers = BufReader::new(enter.stdout.take().expect("was asked for"));
        let mut line = String::new();
        answers.read_line(&mut line)?;
        if line.trim() != "here" {
            let mut rest = String::new();
            answers.read_to_string(&mut rest)?;
            return Err(Trouble::Failed(format!("{}: did not start: {line}{rest}", self.name)));
        }
        let pid = processes::only_child(enter.id())?;
        self.life = Some(Life { enter, orders, answers, pid, since: kernel::now() });
        self.plug.put_in(pid)?;
        self.connect(pid)?;
        let plan = BootPlan {
            name: self.name.clone(),
            addresses: (0..LINKS.len()).map(|l| Self::address(self.index, l) + "/24").collect(),
            macs: (0..LINKS.len())
                .map(|l| format!("02:77:00:00:{l:02x}:{:02x}", self.index))
                .collect(),
            disk: self.disk.device.clone(),
            volumes: self
                .volumes
                .iter()
                .map(|(name, volume)| (name.clone(), volume.device.clone()))
                .collect(),
            programs: self.programs.clone(),
        };
        let answer = self.order(&Order::Boot(plan))?;
        if answer == "booted" {
            Ok(())
        } else {
            Err(Trouble::Failed(format!("{}: {answer}", self.name)))
        }
    }

    fn connect(&self, pid: i32) -> Result<(), Trouble> {
        let namespace = PathBuf::from(format!("/proc/{pid}/ns/net"));
        self.wire.watch_end(self.index, pid)?;
        self.wire.watch(self.index, &namespace)?;
        for (link, segment) in LINKS.into_iter().enumerate() {
            let id = PortId { host: self.index, link };
            let tap = in_namespace(&namespace, move || kernel::open_tap(&format!("eth{link}")))?;
            self.wire.plug(id, segment, tap)?;
        }
        Ok(())
    }

    /// Gives an order to its first process and waits for the answer.
    ///
    /// # Errors
    /// When it has no power.
    pub fn order(&mut self, order: &Order) -> Result<String, Trouble> {
        let life = self.life.as_mut().ok_or_else(|| Trouble::off(&self.name))?;
        let line = serde_json::to_string(order).expect("plain data is always JSON");
        writeln!(life.orders, "{line}")?;
        let mut answer = String::new();
        life.answers.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Takes the power: links, disks and processes at one instant. What was not flushed is gone.
    /// Returns the instant.
    ///
    /// # Errors
    /// A file system that could not be cut: the run would prove nothing.
    pub fn power_off(&mut self) -> Result<Duration, Trouble> {
        if !self.is_on() {
            return Ok(kernel::now());
        }
        let at = self.plug.pull()?;
        let Some(mut life) = self.life.take() else { return Err(Trouble::off(&self.name)) };
        drop(life.orders);
        // What stood still has ended as well; only whoever waits for it could not see that.
        self.cgroup.freeze(false)?;
        life.enter.wait()?;
        // Somebody else may have pulled it meanwhile.
        Ok(at.unwrap_or_else(kernel::now))
    }

    /// Stops every process at once, as a machine whose hypervisor stopped, and cuts all links.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn freeze(&mut self) -> Result<Duration, Trouble> {
        let at = kernel::now();
        self.wire.isolate(self.index);
        self.cgroup.freeze(true)?;
        self.wire.instruments().addresses.end(at, self.index);
        self.wire.cut(self.index, &ALL_LINKS, true);
        Ok(at)
    }

    /// Lets it go on, links and processes together. Returns the instant. What lost its power
    /// meanwhile does not go on.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn thaw(&mut self, frozen: Duration) -> Result<Duration, Trouble> {
        let at = kernel::now();
        if self.plug.has_power() {
            self.wire.instruments().addresses.resume(frozen, at, self.index);
        }
        self.cgroup.freeze(false)?;
        self.wire.cut(self.index, &ALL_LINKS, false);
        Ok(at)
    }

    /// Cuts or restores links.
    pub fn cut(&self, links: &[usize], cut: bool) {
        self.wire.cut(self.index, links, cut);
    }

    /// Runs a program in the host and gives its output; an answer other than 0 is an error.
    ///
    /// # Errors
    /// A program that failed or took longer than `limit`.
    pub fn run(&self, argv: &[&str], limit: Duration) -> Result<String, Trouble> {
        enter::run(self.pid()?, self.cgroup.path(), argv, limit)
            .map_err(|error| Trouble::Failed(format!("{}: {argv:?}: {error}", self.name)))
    }

    /// The command that gives a person a shell in the host.
    ///
    /// # Errors
    /// When it has no power.
    pub fn way_in(&self) -> Result<String, Trouble> {
        let (own, pid) = (std::env::current_exe()?, self.pid()?);
        let cgroup = self.cgroup.path().display();
        Ok(format!("{} host-exec --pid {pid} --cgroup {cgroup} -- bash", own.display()))
    }

    /// Every process of the host.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes::of(&self.cgroup)
    }

    /// The same for a program whose exit code is part of its answer: that code, and what it said.
    ///
    /// # Errors
    /// A program that took longer than `limit`.
    pub fn ask(&self, argv: &[&str], limit: Duration) -> Result<(i32, String), Trouble> {
        match enter::run(self.pid()?, self.cgroup.path(), argv, limit) {
            Ok(said) => Ok((0, said)),
            Err(Trouble::Answered { code, said }) => Ok((code, said)),
            Err(error) => Err(Trouble::Failed(format!("{}: {argv:?}: {error}", self.name))),
        }
    }

    /// Where its control group is, from the root of the tree.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        self.cgroup.path()
    }

    /// Where the lab finds a file of the host.
    ///
    /// # Errors
    /// When it has no power.
    pub fn place(&self, path: &str) -> Result<PathBuf, Trouble> {
        Ok(PathBuf::from(format!("/proc/{}/root{path}", self.pid()?)))
    }

    /// A file of the host as its text.
    ///
    /// # Errors
    /// When it has no power or there is no such file.
    pub fn read(&self, path: &str) -> Result<String, Trouble> {
        Ok(std::fs::read_to_string(self.place(path)?)?)
    }

    /// Writes a file of the host; its directory is made.
    ///
    /// # Errors
    /// When it has no power or the disk is full.
    pub fn write(&self, path: &str, text: &str) -> Result<(), Trouble> {
        let path = self.place(path)?;
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut file = std::fs::File::create(path)?;
        file.write_all(text.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// Has the shared volume of this name take this host's writes, or refuse them.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn set_writes(&self, volume: &str, writes: Writes) -> Result<(), Trouble> {
        let found = self.volumes.iter().find(|(known, _)| known == volume);
        let none = || Trouble::Failed(format!("{} has no volume {volume}", self.name));
        found.ok_or_else(none)?.1.set_writes(writes)
    }

    /// The shared volumes that are mounted.
    #[must_use]
    pub fn mounted(&self) -> Vec<&str> {
        let names = self.volumes.iter().map(|(name, _)| name.as_str());
        names.filter(|name| self.has_volume(name)).collect()
    }

    /// Whether the shared volume of this name is mounted.
    #[must_use]
    pub fn has_volume(&self, name: &str) -> bool {
        let table = self.read("/proc/1/mountinfo").unwrap_or_default();
        let number = self.volumes.iter().find(|(known, _)| known == name).map(|(_, v)| &v.number);
        number.is_some_and(|number| {
            table.lines().any(|line| line.split(' ').nth(2) == Some(number.as_str()))
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut life) = self.life.take() {
            // A frozen host could not see that its orders ended.
            let _frozen = self.cgroup.freeze(false);
            let _gone = kill(Pid::from_raw(life.pid), Signal::SIGKILL);
            let _ended = life.enter.wait();
        }
        self.wire.unplug(self.index);
    }
}
