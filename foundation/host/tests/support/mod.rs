//! A node to test: its hands and guardian run as processes, the test is the agent.
#![allow(dead_code, reason = "each test file uses a part")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tsugi_host::clock;
use tsugi_host::guardian::Guardian;
use tsugi_host::guardian::message::{Arm, Notice, Order, Refused, Volume};
use tsugi_host::hands::Hands;
use tsugi_host::request::{
    Answer, Ended, Event, Failure, KillBy, Limits, Listing, Output, Program, ProgramId, Purpose,
    Report, Request, Right,
};
use tsugi_host::{Guard, Host};
use tsugi_vocabulary::{Epoch, GroupName, Moment, ResourceName, Span};

pub const BOUND: Duration = Duration::from_secs(15);

/// Waits until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {BOUND:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether the test may go on; prints why if not.
pub fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: this needs root");
    }
    root
}

/// A process that is killed when the test ends.
pub struct Leash(pub Child);

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub struct Node {
    pub process: Leash,
    pub dir: TempDir,
    pub hands: Hands,
    pub guardian: Guardian,
    pub events: VecDeque<Event>,
}

pub fn start_process(dir: &Path, options: &[&str]) -> Leash {
    start_under(dir, options, &[])
}

/// The same with these variables in its environment.
fn start_under(dir: &Path, options: &[&str], around: &[(&str, &str)]) -> Leash {
    start_by(Command::new(env!("CARGO_BIN_EXE_tsugi-host-node")), dir, options, around)
}

fn start_by(mut command: Command, dir: &Path, options: &[&str], around: &[(&str, &str)]) -> Leash {
    command.arg("hands").arg(dir.join("run")).arg(dir.join("data")).args(options);
    command.envs(around.iter().copied());
    Leash(command.stdin(Stdio::null()).spawn().expect("the program is built with the tests"))
}

impl Node {
    pub fn start(options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        for option in options {
            if let Some(("as", id)) = option.split_once('=') {
                let id = id.parse().unwrap();
                std::os::unix::fs::chown(dir.path(), Some(id), Some(id)).unwrap();
            }
        }
        let process = start_process(dir.path(), options);
        Self::met(dir, process)
    }

    /// One with these variables in the environment of its hands.
    pub fn under(around: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let process = start_under(dir.path(), &[], around);
        Self::met(dir, process)
    }

    /// One that is started by somebody who ignores how his children end.
    pub fn of_one_who_ignores_children() -> Self {
        let dir = TempDir::new().unwrap();
        let mut command = Command::new("env");
        command.args(["--ignore-signal=CHLD", env!("CARGO_BIN_EXE_tsugi-host-node")]);
        let process = start_by(command, dir.path(), &[], &[]);
        Self::met(dir, process)
    }

    fn met(dir: TempDir, process: Leash) -> Self {
        let run = dir.path().join("run");
        let hands = until("the hands listen", || Hands::connect(&run).ok());
        let guardian = until("the guardian listens", || Guardian::connect(&run).ok());
        let mut node = Self { process, dir, hands, guardian, events: VecDeque::new() };
        assert_eq!(node.ask(&Request::Watch), Ok(Answer::Done));
        node.event("the guardian is ready", |event| matches!(event, Event::GuardianReady));
        node
    }

    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let asked = self.hands.ask(request).unwrap();
        let end = Instant::now() + BOUND;
        loop {
            assert!(Instant::now() < end, "no answer to {request:?}");
            match self.hands.next_report().unwrap() {
                Some(Report::Answer { id, outcome }) if id == asked => return outcome,
                Some(Report::Answer { id, .. }) => panic!("an answer to {id:?} not asked for"),
                Some(Report::Event(event)) => self.events.push_back(event),
                None => wait_for(&self.hands),
            }
        }
    }

    pub fn event(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(at) = self.events.iter().position(&wanted) {
                return self.events.remove(at).unwrap();
            }
            assert!(Instant::now() < end, "{what}: not within {BOUND:?}");
            match self.hands.next_report().unwrap() {
                Some(Report::Event(event)) => self.events.push_back(event),
                Some(Report::Answer { .. }) => panic!("an answer that nobody asked for"),
                None => wait_for(&self.hands),
            }
        }
    }

    pub fn ended(&mut self, id: ProgramId) -> Ended {
        let wanted = |e: &Event| matches!(e, Event::Ended(ended) if ended.program.id == id);
        match self.event("the program ended", wanted) {
            Event::Ended(ended) => ended,
            _ => unreachable!(),
        }
    }

    pub fn tell(&mut self, order: &Order) {
        self.guardian.tell(order).unwrap();
    }

    pub fn notice(&mut self) -> Notice {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(notice) = self.guardian.next_notice().unwrap() {
                return notice;
            }
            assert!(Instant::now() < end, "the guardian is silent");
            wait_for(&self.guardian);
        }
    }

    /// Arms `group()` for `for_ms` from now.
    pub fn arm(&mut self, for_ms: u64, addresses: &[&str], volumes: Vec<Volume>) -> Moment {
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            let deadline = clock::now() + Span::millis(for_ms);
            self.tell(&Order::Arm(Arm {
                group: group(),
                epoch: epoch(),
                deadline,
                allowed: Span::secs(5),
                addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
                volumes: volumes.clone(),
            }));
            match self.notice() {
                // The machine stood still for longer than that: nothing came of it.
                Notice::Refused { why: Refused::TooLate, .. } => {}
                notice => {
                    assert_eq!(notice, Notice::Armed { group: group(), epoch: epoch(), deadline });
                    return deadline;
                }
            }
        }
        panic!("never armed in time");
    }

    /// Arms `group()` anew, for less: what runs of it was started without haste.
    pub fn shorten(&mut self, for_ms: u64, addresses: &[&str], volumes: Vec<Volume>) -> Moment {
        self.tell(&Order::Disarm { group: group(), epoch: epoch() });
        assert_eq!(self.notice(), Notice::Disarmed { group: group(), epoch: epoch() });
        self.arm(for_ms, addresses, volumes)
    }

    pub fn spawn(&mut self, program: Program) -> ProgramId {
        match self.ask(&Request::Spawn(program)) {
            Ok(Answer::Spawned(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn list(&mut self) -> Listing {
        match self.ask(&Request::List) {
            Ok(Answer::Listing(listing)) => listing,
            other => panic!("{other:?}"),
        }
    }

    /// Where it has its cgroups, if it has any.
    pub fn tree(&mut self) -> Option<PathBuf> {
        if self.list().powers.kill == KillBy::Descent {
            eprintln!("skipped: there are no cgroups here");
            return None;
        }
        let environ = fs::read_to_string(format!("/proc/{}/environ", self.guardian_pid())).unwrap();
        let base = environ.split('\0').find_map(|w| w.strip_prefix("TSUGI_GUARDIAN_CGROUP="));
        Some(PathBuf::from(base.unwrap()))
    }

    pub fn guardian_pid(&self) -> u32 {
        let children = children(self.pid());
        let guards = |pid: &u32| command_line(*pid).ends_with("guardian\0");
        children.into_iter().find(guards).expect("there is a guardian")
    }
}

fn wait_for(what: &impl AsFd) {
    let mut polled = [PollFd::new(what.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, 100_u16).unwrap();
}

pub fn group() -> GroupName {
    GroupName::new("pay").unwrap()
}

pub fn epoch() -> Epoch {
    Epoch { incarnation: 1, counter: 4 }
}

pub fn lease() -> Right {
    Right::Lease { group: group(), epoch: epoch() }
}

pub fn free() -> Right {
    Right::Free { group: group(), epoch: epoch() }
}

pub fn shell(right: Right, purpose: Purpose, script: &str) -> Program {
    Program {
        right,
        name: ResourceName::new("counter").unwrap(),
        purpose,
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())],
        dir: None,
        user: None,
        limits: Limits::default(),
        output: Output::Tail { keep: 512 },
        time_limit: None,
    }
}

pub fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

pub fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub fn children(pid: u32) -> Vec<u32> {
    // Each belongs to the thread that started it.
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).ok();
    let texts: Vec<String> = tasks.filter_map(|task| of_task(task.ok()?)).collect();
    let pids = texts.iter().flat_map(|text| text.split_whitespace());
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

pub fn command_line(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// The words of a program that stays, as nobody else on the machine has it: the same tests may run
/// beside each other, and each counts and kills its own.
pub fn sleep() -> String {
    format!("sleep {}", mark())
}

/// A number that only this call gives out: one million and more, and behind the point who asked.
pub fn mark() -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(1_000_000);
    format!("{}.{}", GIVEN.fetch_add(1, Ordering::Relaxed), std::process::id())
}

/// Every process whose command line holds these words.
pub fn named(words: &str) -> Vec<u32> {
    let text = &words.replace(' ', "\0");
    let entries = fs::read_dir("/proc").unwrap();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter(|pid| command_line(*pid).contains(text) && lives(*pid))
        .collect()
}

/// Runs a tool in the network and mount namespaces of a process; its output.
pub fn inside(pid: u32, line: &str) -> String {
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid.to_string(), "-n", "-m"]).args(line.split(' '));
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A share whose server answers nothing: whoever asks for something in it waits until it is gone,
/// or is killed.
pub struct Silent {
    pub dir: PathBuf,
    _server: fs::File,
    _holds: TempDir,
}

impl Silent {
    /// None where this machine has nothing that could be one.
    pub fn mount() -> Option<Self> {
        let server = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?;
        let holds = TempDir::new().unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&server);
        let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other");
        let (none, dir) = (nix::mount::MsFlags::empty(), holds.path().to_owned());
        nix::mount::mount(Some("silent"), &dir, Some("fuse"), none, Some(options.as_str())).ok()?;
        Some(Self { dir, _server: server, _holds: holds })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        nix::mount::umount2(&self.dir, nix::mount::MntFlags::MNT_DETACH).ok();
    }
}
