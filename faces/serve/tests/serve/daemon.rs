//! The daemon of a test, and a caller.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tsugi_serve::control::{self, Asked, Status, Told};

use crate::volume::{GROUP, Volume};

/// How long anything may take before it counts as hanging.
pub const BOUND: Duration = Duration::from_secs(30);

/// Calls in a life of the client.
const LIFE: u64 = 1_000;

/// A port of this machine that nobody else asks for.
pub fn own_address() -> SocketAddr {
    TcpListener::bind("127.9.4.11:0").unwrap().local_addr().unwrap()
}

/// A daemon; killed when it is dropped.
pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
    control: PathBuf,
}

/// Tells a process to stop.
pub fn terminate(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

/// How a process ended that is about to.
pub fn ended(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < BOUND, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What came of a process that is about to end. One that goes on is ended.
pub fn outcome(command: &mut Command) -> Output {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() >= BOUND {
            child.kill().unwrap();
            panic!("it does not end: {:?}", child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// The command of a daemon.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi-serve"));
    command.args(words);
    command.env_clear().env("LANG", "C.UTF-8").env("PATH", std::env::var_os("PATH").unwrap());
    if nix::unistd::geteuid().is_root() {
        // Who is root gives its workers another user's rights.
        command.args(["--user", "nobody"]);
    }
    command
}

impl Daemon {
    /// Starts one under an epoch.
    pub fn start(volume: &Volume, address: SocketAddr, epoch: &str) -> Command {
        let mut command = command(&["--group", GROUP, "--node", "n1", "--epoch", epoch]);
        command.arg("--volume").arg(volume.path()).arg("--workers").arg(workers(volume.path()));
        command.args(["--listen", &address.to_string(), "--patience", "10"]);
        command
    }

    /// One that answers calls.
    pub fn ready(volume: &Volume, address: SocketAddr, epoch: &str) -> Self {
        Self::of(Self::start(volume, address, epoch), address, volume)
    }

    /// The one of a command, which answers calls.
    pub fn of(mut command: Command, address: SocketAddr, volume: &Volume) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, address, control: control::on_volume(volume.path()) }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and gives its code.
    pub fn stop(mut self) -> Option<i32> {
        terminate(&self.child);
        ended(&mut self.child).code()
    }

    pub fn ask(&self, asked: &Asked) -> Told {
        control::ask(&self.control, asked, BOUND).unwrap()
    }

    pub fn status(&self) -> Status {
        match self.ask(&Asked::Status {}) {
            Told::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// The descriptors that it has, and how many it may have.
    pub fn descriptors(&self) -> (usize, usize) {
        let of = |what: &str| format!("/proc/{}/{what}", self.child.id());
        let limits = std::fs::read_to_string(of("limits")).unwrap();
        let most = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let most = most.split_whitespace().next().unwrap().parse().unwrap();
        (std::fs::read_dir(of("fd")).unwrap().count(), most)
    }

    /// Stops it where it is, or lets it go on.
    pub fn stands_still(&self, still: bool) {
        stand_still(i32::try_from(self.child.id()).unwrap(), still);
    }

    /// Stops all that it has started, or lets them go on.
    pub fn workers_stand_still(&self, still: bool) {
        let mut all = started_by(i32::try_from(self.child.id()).unwrap());
        assert!(!all.is_empty(), "it has workers");
        while let Some(pid) = all.pop() {
            stand_still(pid, still);
            all.extend(started_by(pid));
        }
    }

    /// Kilobytes that are its own and resident.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn stand_still(pid: i32, still: bool) {
    use nix::sys::signal::Signal;
    let signal = if still { Signal::SIGSTOP } else { Signal::SIGCONT };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// The processes that one has started.
fn started_by(pid: i32) -> Vec<i32> {
    let number = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().parse().ok();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| number(entry.unwrap()));
    let is = |of: &i32| {
        // One that has just ended is nobody's.
        let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        after.split_whitespace().nth(1) == Some(&pid.to_string())
    };
    all.filter(is).collect()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Where the workers of a volume's daemon are: their users go through what is above it.
pub fn workers(volume: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(volume, std::fs::Permissions::from_mode(0o711)).unwrap();
    volume.join("workers")
}

/// A call's answer: status, headers in lower case, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A caller on one connection.
pub struct Caller(BufReader<TcpStream>);

impl Caller {
    pub fn connect(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, BOUND)?;
        stream.set_read_timeout(Some(BOUND))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Waits so long for what comes next.
    pub fn wait_at_most(&self, most: Duration) {
        self.0.get_ref().set_read_timeout(Some(most)).unwrap();
    }

    /// Calls a service with the serial of a client.
    pub fn call(&mut self, service: &str, serial: u64, body: &str) -> std::io::Result<Answer> {
        let length = body.len();
        // Nothing is confirmed, so that all can be asked for again: a life has so many serials.
        let (life, serial) = (serial.div_ceil(LIFE), (serial - 1) % LIFE + 1);
        let request = format!(
            "POST /call/{service} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
             Tsugi-Client: test\r\nTsugi-Call: {life}.{serial}\r\nTsugi-Lowest: 1\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    /// Sends bytes as they are.
    pub fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// The next answer.
    pub fn answer(&mut self) -> std::io::Result<Answer> {
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(cut());
            }
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: status.ok_or_else(cut)?, head, body })
    }
}

/// Calls again, with the same id, until it is answered by whoever is open.
pub fn call_until_answered(to: SocketAddr, serial: u64, body: &str) -> Answer {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < BOUND, "nobody answers");
        let answered = Caller::connect(to).and_then(|mut caller| {
            let answer = caller.call("COUNTER", serial, body)?;
            Ok(answer)
        });
        match answered {
            // It is under way, perhaps by a session of who was killed.
            Ok(answer) if answer.head.contains("retry-after") => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(answer) if answer.status != 503 => return answer,
            Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}
