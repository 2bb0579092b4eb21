//! The first process of a host: mounts, addresses, one program to keep alive, and nothing else.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, User, sethostname};

use super::{BootPlan, Order};
use crate::Trouble;

/// Where programs of a host are looked for.
pub(super) const PATH: &str = "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The pause before a failed program is started again.
const AGAIN: Duration = Duration::from_millis(100);

/// Where a host writes what its node says.
pub const LOG: &str = "/run/log";
/// Where the host keeps what must outlive its processes.
pub const STATE: &str = "/var/lib/tsugi";
/// The shared volume that keeps a ledger, if hosts have one.
pub const LEDGER: &str = "ledger";
/// The shared volume that a group has besides its first one, if it has one.
pub const MORE: &str = "more";
/// The account that the unprivileged part of tsugi runs under.
const AGENT: &str = "tsugi";
/// Where a group may mount the shared volume of this name.
#[must_use]
pub fn data(volume: &str) -> String {
    format!("/var/lib/{volume}")
}

/// The shared volume's device, the same on every host.
#[must_use]
pub fn device(volume: &str) -> String {
    format!("/run/volume/{volume}")
}

struct Init {
    program: Option<Program>,
    signals: SignalFd,
}

struct Program {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    pid: Option<Pid>,
    again: Option<Instant>,
    stopping: bool,
}

/// Runs as process 1 until its standard input is closed.
///
/// # Errors
/// What failed while booting.
pub fn init() -> Result<ExitCode, Trouble> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().map_err(io::Error::from)?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(io::Error::from)?;
    say("here")?;
    Init { program: None, signals }.run()
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

impl Init {
    fn run(mut self) -> Result<ExitCode, Trouble> {
        let input = io::stdin();
        loop {
            let wait = self.until_again();
            let mut ready = [
                PollFd::new(input.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, wait) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let [orders, children] = ready.map(|fd| fd.any().unwrap_or(false));
            if children {
                self.reap()?;
            }
            if orders {
                let mut line = String::new();
                if input.read_line(&mut line)? == 0 {
                    return Ok(ExitCode::SUCCESS);
                }
                self.obey(&line)?;
            }
            self.start_again()?;
        }
    }

    fn until_again(&self) -> PollTimeout {
        let again = self.program.as_ref().and_then(|program| program.again);
        let wait = again.map(|at| at.saturating_duration_since(Instant::now()));
        wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO)
        })
    }

    fn obey(&mut self, line: &str) -> Result<(), Trouble> {
        let order: Order =
            serde_json::from_str(line).map_err(|error| Trouble::Failed(error.to_string()))?;
        match order {
            Order::Boot(plan) => match boot(&plan) {
                Ok(()) => say("booted")?,
                Err(error) => say(&format!("cannot boot: {error}"))?,
            },
            Order::Start { argv, env } => {
                let pid = None;
                let now = Some(Instant::now());
                self.program = Some(Program { argv, env, pid, again: now, stopping: false });
                say("started")?;
            }
            Order::Stop => match &mut self.program {
                Some(Program { pid: Some(pid), stopping, .. }) => {
                    *stopping = true;
                    // Its end is reported by reap.
                    kill(*pid, Signal::SIGTERM).map_err(io::Error::from)?;
                }
                Some(Program { pid: None, .. }) | None => {
                    self.program = None;
                    say("stopped")?;
                }
            },
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<(), Trouble> {
        while self.signals.read_signal().map_err(io::Error::from)?.is_some() {}
        loop {
            let ended = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => pid,
                Ok(_) | Err(_) => return Ok(()),
            };
            let Some(program) = self.program.as_mut().filter(|p| p.pid == Some(ended)) else {
                continue;
            };
            program.pid = None;
            if program.stopping {
                self.program = None;
                say("stopped")?;
            } else {
                program.again = Some(Instant::now() + AGAIN);
            }
        }
    }

    fn start_again(&mut self) -> Result<(), Trouble> {
        let Some(program) = &mut self.program else { return Ok(()) };
        if program.again.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        program.again = None;
        let log = fs::OpenOptions::new().create(true).append(true).open(LOG)?;
        let (name, arguments) =
            program.argv.split_first().ok_or_else(|| Trouble::Failed("no program".into()))?;
        let child = Command::new(name)
            .args(arguments)
            .env("PATH", PATH)
            .envs(program.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        program.pid = Some(Pid::from_raw(child.id().cast_signed()));
        Ok(())
    }
}

fn boot(plan: &BootPlan) -> Result<(), Trouble> {
    sethostname(&plan.name).map_err(io::Error::from)?;
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing).map_err(io::Error::from)?;
    // What the machine has below it, as its own tree of control groups, is hidden and stays listed.
    umount2("/sys", MntFlags::MNT_DETACH).map_err(io::Error::from)?;
    fresh("proc", "/proc")?;
    fresh("sysfs", "/sys")?;
    fresh("cgroup2", "/sys/fs/cgroup")?;
    // Programs may lie below /tmp: they get their second name before it is covered.
    fresh("tmpfs", "/run")?;
    for dir in ["/run/bin", "/run/volume", "/run/over/up", "/run/over/work", "/run/lock"] {
        fs::create_dir_all(dir)?;
    }
    for program in &plan.programs {
        offer(program)?;
    }
    fresh("tmpfs", "/tmp")?;
    fresh("tmpfs", "/dev/shm")?;
    over("/var/lib", "/run/over/up", "/run/over/work")?;
    fs::create_dir_all(STATE)?;
    mount(Some(&plan.disk), STATE, Some("ext4"), MsFlags::empty(), nothing)
        .map_err(io::Error::from)?;
    let (up, work) = (format!("{STATE}/.etc/up"), format!("{STATE}/.etc/work"));
    fs::create_dir_all(&up)?;
    fs::create_dir_all(&work)?;
    over("/etc", &up, &work)?;
    add_user()?;
    for (volume, device_of_lab) in &plan.volumes {
        fs::create_dir_all(data(volume))?;
        let number = std::os::unix::fs::MetadataExt::rdev(&fs::metadata(device_of_lab)?);
        let number = makedev(nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let place = device(volume);
        mknod(place.as_str(), SFlag::S_IFBLK, mode, number).map_err(io::Error::from)?;
        if volume == LEDGER {
            give_to_agent(&place)?;
        }
    }
    connect(plan)
}

fn fresh(kind: &str, at: &str) -> io::Result<()> {
    let flags = MsFlags::empty();
    Ok(mount(Some(kind), at, Some(kind), flags, None::<&str>)?)
}

fn over(dir: &str, up: &str, work: &str) -> io::Result<()> {
    let options = format!("lowerdir={dir},upperdir={up},workdir={work}");
    Ok(mount(Some("overlay"), dir, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?)
}

fn offer(program: &Path) -> Result<(), Trouble> {
    let name = program.file_name().ok_or_else(|| Trouble::Failed("program without name".into()))?;
    let place = Path::new("/run/bin").join(name);
    fs::File::create(&place)?;
    let (kind, data) = (None::<&str>, None::<&str>);
    mount(Some(program), &place, kind, MsFlags::MS_BIND, data).map_err(io::Error::from)?;
    Ok(())
}

/// The account that the unprivileged part of tsugi runs under.
fn add_user() -> io::Result<()> {
    for (file, line) in [
        ("/etc/passwd", "tsugi:x:7400:7400:tsugi:/nonexistent:/usr/sbin/nologin\n"),
        ("/etc/group", "tsugi:x:7400:\n"),
    ] {
        let text = fs::read_to_string(file)?;
        if !text.lines().any(|line| line.starts_with("tsugi:")) {
            fs::write(file, text + line)?;
        }
    }
    Ok(())
}

/// Lets the agent open a device, as a rule of udev would. The machine may have the account itself,
/// under another number.
fn give_to_agent(device: &str) -> Result<(), Trouble> {
    let none = || Trouble::Missing(format!("the account {AGENT}"));
    let agent = User::from_name(AGENT).map_err(io::Error::from)?.ok_or_else(none)?;
    Ok(std::os::unix::fs::chown(device, Some(agent.uid.as_raw()), Some(agent.gid.as_raw()))?)
}

/// Addresses, and the settings that a host with two links into one network needs: it answers for
/// an address only on the link that has it, and sends nothing into a link without carrier.
fn connect(plan: &BootPlan) -> Result<(), Trouble> {
    for (key, value) in
        [("arp_ignore", "1"), ("arp_announce", "2"), ("ignore_routes_with_linkdown", "1")]
    {
        for scope in ["all", "default"] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/{key}"), value)?;
        }
    }
    let mut script = String::from("link set lo up\n");
    for (link, (address, mac)) in plan.addresses.iter().zip(&plan.macs).enumerate() {
        script += &format!(
            "link set eth{link} address {mac}\nlink set eth{link} up\n\
             addr add {address} dev eth{link}\n"
        );
        let key = format!("/proc/sys/net/ipv4/conf/eth{link}/ignore_routes_with_linkdown");
        fs::write(key, "1")?;
    }
    crate::ip_batch(&script)
}
