//! Real nodes on loopback addresses: their processes, their directories, and the command line.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PORT: u16 = 7400;
/// How long anything may take that a test waits for: far more than it should.
const PATIENCE: Duration = Duration::from_secs(40);

/// A corner of the loopback network, and what stands in it.
pub struct Site {
    folder: tempfile::TempDir,
    net: u8,
    /// Says to other sites that the corner is taken, also while none of its nodes runs.
    _taken: TcpListener,
    nodes: Vec<(String, Child)>,
    views: Views,
    /// What every node that is started from now on has in its environment besides.
    around: Vec<(String, String)>,
}

/// What the nodes of a site see mounted.
#[derive(Clone, Copy)]
enum Views {
    /// The same.
    Common,
    /// Each its own, as machines do.
    Own,
}

impl Site {
    pub fn new() -> Self {
        let first = u8::try_from(std::process::id() % 200 + 20).expect("below 220");
        let take = |net: u8| {
            let bind = |host| TcpListener::bind((Ipv4Addr::new(127, 79, net, host), PORT)).ok();
            let taken = bind(254)?;
            (1..=4).all(|host| bind(host).is_some()).then_some((net, taken))
        };
        let (net, _taken) = (0..200_u8)
            .find_map(|n| take(first.wrapping_add(n)))
            .expect("a free corner of 127.79.0.0/16");
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, net, _taken, nodes: Vec::new(), views: Views::Common, around: Vec::new() }
    }

    /// A site of which each node sees only what it has mounted itself; this needs root.
    pub fn with_views() -> Self {
        let mut site = Self::new();
        site.views = Views::Own;
        site
    }

    /// The process of a node.
    pub fn pid(&self, node: &str) -> u32 {
        let (_, child) = self.nodes.iter().find(|(name, _)| name == node).expect("it was started");
        child.id()
    }

    /// An address of the corner that no node has.
    pub fn service(&self) -> SocketAddr {
        (Ipv4Addr::new(127, 79, self.net, 100), PORT).into()
    }

    /// How the addresses of the corner begin.
    pub fn net(&self) -> String {
        format!("127.79.{}", self.net)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration of these nodes and one group that runs on the first two.
    pub fn configure(&self, nodes: &[&str]) -> PathBuf {
        let sleeper = "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
                       run = [\"/bin/sleep\", \"100000\"]\n";
        self.configure_group(nodes, sleeper)
    }

    /// The same with what else is to stand in the group.
    pub fn configure_group(&self, nodes: &[&str], group: &str) -> PathBuf {
        let mut text = "[cluster]\nname = \"trial\"\n".to_owned();
        for name in nodes {
            let host = u32::from(name.as_bytes()[0] - b'a') + 1;
            let net = self.net;
            text += &format!("\n[node.{name}]\naddress = [\"127.79.{net}.{host}\"]\n");
        }
        text += "\n[group.WORK]\nprefer = [\"a\", \"b\"]\n\n";
        text += group;
        let file = self.path("tsugi.toml");
        fs::write(&file, text).expect("a file");
        file
    }

    /// Puts a variable into the environment of every node that is started from now on.
    pub fn surround(&mut self, name: &str, value: &str) {
        self.around.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process of a node and waits until it answers.
    pub fn start(&mut self, node: &str) {
        self.spawn(node);
        self.until(&format!("{node} answers"), |site| !site.status(node).is_null());
    }

    /// Starts the process of a node, which may end by itself.
    pub fn spawn(&mut self, node: &str) {
        let dir = self.path(node);
        fs::create_dir_all(dir.join("data")).expect("a folder");
        let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log"));
        let program = env!("CARGO_BIN_EXE_tsugi");
        let around: &[&str] = match self.views {
            // A write that is not let through is an error and no end.
            Views::Common => &["env", "--ignore-signal=XFSZ"],
            Views::Own => &["unshare", "--mount", "--"],
        };
        let mut command = Command::new(around[0]);
        command.args(&around[1..]).arg(program);
        command
            .args(["node", "run", "--trial", "--name", node, "--run-dir"])
            .arg(dir.join("run"))
            .arg("--data-dir")
            .arg(dir.join("data"))
            .arg("--config")
            .arg(self.path("tsugi.toml"))
            .env("LANG", "en_US.UTF-8")
            .envs(self.around.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .process_group(0);
        let child = command.spawn().expect("the binary was built");
        self.nodes.push((node.to_owned(), child));
    }

    fn take(&mut self, node: &str) -> Child {
        let place = self.nodes.iter().position(|(name, _)| name == node);
        self.nodes.remove(place.expect("it was started")).1
    }

    /// Whether the process of a node was started and neither stopped nor cut off.
    pub fn has(&self, node: &str) -> bool {
        self.nodes.iter().any(|(name, _)| name == node)
    }

    /// Ends every process of a node at once, as a power loss would.
    pub fn cut_power(&mut self, node: &str) {
        let mut child = self.take(node);
        let all = family(&child);
        end_all(&child);
        child.wait().expect("it was a child");
        all_gone(&all);
    }

    /// The process that a node was started as.
    pub fn main_process(&self, node: &str) -> u32 {
        self.nodes.iter().find(|(n, _)| n == node).expect("it was started").1.id()
    }

    /// Tells a node to hand over and end, and does not wait.
    pub fn ask_to_stop(&self, node: &str) {
        let (_, child) = self.nodes.iter().find(|(n, _)| n == node).expect("it was started");
        kill(pid(child), Signal::SIGTERM).expect("it runs");
    }

    /// Has a node hand over and end.
    pub fn stop(&mut self, node: &str) {
        let mut child = self.take(node);
        let all = family(&child);
        kill(pid(&child), Signal::SIGTERM).expect("it runs");
        child.wait().expect("it was a child");
        all_gone(&all);
    }

    /// Waits until a node has ended by itself.
    pub fn ended(&mut self, node: &str) {
        let mut child = self.take(node);
        let until = Instant::now() + PATIENCE;
        while child.try_wait().expect("it was a child").is_none() {
            assert!(Instant::now() < until, "{node} goes on: {}", self.log(node));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.path(node).join("log")).unwrap_or_default()
    }

    /// Runs `tsugi` against a node: its exit code and what it printed and said.
    pub fn ask(&self, node: &str, words: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tsugi"))
            .args(words)
            .env_clear()
            .env("TSUGI_RUN_DIR", self.path(node).join("run"))
            .env("LANG", "en_US.UTF-8")
            .output()
            .expect("the binary was built");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The same for a command that must succeed; what it printed.
    #[track_caller]
    pub fn tsugi(&self, node: &str, words: &[&str]) -> String {
        let (code, out, err) = self.ask(node, words);
        assert_eq!(code, Some(0), "{words:?} on {node}: {out}{err}\n{}", self.log(node));
        out
    }

    /// The same for a command that may have to wait for a majority first.
    #[track_caller]
    pub fn at_last(&self, node: &str, words: &[&str]) -> String {
        let mut last = String::new();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let (code, out, err) = self.ask(node, words);
            if code == Some(0) {
                return out;
            }
            last = format!("{code:?} {out}{err}");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{words:?} on {node}: {last}\n{}", self.log(node));
    }

    /// Makes a token for a node on another one and joins with it.
    #[track_caller]
    pub fn join(&self, node: &str, by: &str) {
        let file = self.token(node, by);
        self.at_last(node, &["node", "join", "--token-file", &file]);
    }

    /// A token for a node, in a file.
    #[track_caller]
    pub fn token(&self, node: &str, by: &str) -> String {
        let token = self.at_last(by, &["node", "token", node]);
        let file = self.path(&format!("token-{node}"));
        let mut kept = fs::File::create(&file).expect("a file");
        kept.write_all(token.as_bytes()).expect("a file");
        file.to_str().expect("plain").to_owned()
    }

    /// Restores the ledger of a node that does not run: its exit code and what it said.
    pub fn restore(&self, node: &str, words: &[&str]) -> (Option<i32>, String) {
        let (backup, data) = (self.path("backup"), self.path(node).join("data"));
        let paths = [&backup, &data].map(|path| path.to_str().expect("plain"));
        let first = ["restore", paths[0], "--data-dir", paths[1]];
        let (code, out, err) = self.ask(node, &[&first[..], words].concat());
        (code, out + &err)
    }

    /// Has a node that does not run keep the ledger alone: its exit code and what it said.
    pub fn recover(&self, node: &str, words: &[&str]) -> (Option<i32>, String) {
        let data = self.path(node).join("data");
        let first = ["node", "recover-majority", "--data-dir", data.to_str().expect("plain")];
        let (code, out, err) = self.ask(node, &[&first[..], words].concat());
        (code, out + &err)
    }

    /// Vouches on one node that another is off, with this typed as its name, and a reason.
    pub fn confirm_off(&self, by: &str, node: &str, typed: &str) -> (Option<i32>, String) {
        self.vouch(by, (node, typed), &["--reason", "I stand before it"])
    }

    /// The same with these words in the place of a reason.
    pub fn vouch(
        &self,
        by: &str,
        (node, typed): (&str, &str),
        words: &[&str],
    ) -> (Option<i32>, String) {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_tsugi"))
            .args([&["node", "confirm-off", node], words].concat())
            .env_clear()
            .env("TSUGI_RUN_DIR", self.path(by).join("run"))
            .env("LANG", "en_US.UTF-8")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut stdin = asked.stdin.take().expect("a pipe");
        writeln!(stdin, "{typed}").expect("it reads");
        drop(stdin);
        let output = asked.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    }

    /// What needs a person, by the numbers of its messages.
    pub fn needs(&self, node: &str) -> Vec<String> {
        let status = self.status(node);
        let needs = status["needs"].as_array().cloned().unwrap_or_default();
        needs.iter().map(|need| need["what"]["id"].to_string()).collect()
    }

    /// What the agent of a node says; nothing while only what a former one left on disk is shown.
    pub fn status(&self, node: &str) -> Value {
        let (_, out, _) = self.ask(node, &["status", "--json"]);
        let said: Value = serde_json::from_str(&out).unwrap_or_default();
        if said["source"] == "agent" { said } else { Value::Null }
    }

    /// How many voters a node knows, and how many of them it hears.
    pub fn votes(&self, node: &str) -> (u64, u64) {
        let votes = &self.status(node)["votes"];
        (votes["of"].as_u64().unwrap_or(0), votes["heard"].as_u64().unwrap_or(0))
    }

    /// Who leads the ledger, once a node knows.
    pub fn leader(&self, node: &str) -> String {
        let leader = |site: &Self| site.status(node)["votes"]["leader"].as_str().map(str::to_owned);
        self.until("somebody leads", |site| leader(site).is_some());
        leader(self).unwrap_or_else(|| self.leader(node))
    }

    /// State, owner and epoch of the group, as a node shows them.
    pub fn group(&self, node: &str) -> (String, String, (u64, u64)) {
        let group = &self.status(node)["groups"][0];
        let text = |field: &str| group[field].as_str().unwrap_or_default().to_owned();
        let epoch = text("epoch").trim_start_matches('e').to_owned();
        let parts = epoch.split_once('.').unwrap_or_default();
        let number = |text: &str| text.parse().unwrap_or(0);
        (text("state"), text("owner"), (number(parts.0), number(parts.1)))
    }

    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            if Instant::now() >= until {
                let tell = |(n, child): &(String, Child)| {
                    let lives = if there(&pid(child)) { "runs" } else { "has ended by itself" };
                    format!("--- {n} {lives}\n{}\n{}", self.log(n), self.status(n))
                };
                let logs: Vec<String> = self.nodes.iter().map(tell).collect();
                panic!("not in time: {what}\n{}", logs.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Three nodes a, b and c, all heard, the group running.
    pub fn founded() -> Self {
        let site = Self::new();
        let file = site.configure(&["a", "b", "c"]);
        site.found(&file)
    }

    /// The same with the group of this configuration.
    pub fn found(self, file: &Path) -> Self {
        let site = self.found_without_group(file);
        site.until("the group runs", |site| site.group("a").0 == "running");
        site
    }

    /// The same where the group may not come up.
    pub fn found_without_group(mut self, file: &Path) -> Self {
        let site = &mut self;
        for node in ["a", "b", "c"] {
            site.start(node);
        }
        site.tsugi("a", &["init", file.to_str().expect("plain")]);
        for node in ["b", "c"] {
            site.join(node, "a");
        }
        site.until("three voters", |site| ["a", "b", "c"].iter().all(|n| site.votes(n) == (3, 3)));
        self
    }

    /// Lets nothing that a node's processes write beyond this place of any file through, and
    /// everything again.
    pub fn let_write(&self, node: &str, up_to: &str) {
        let (_, child) = self.nodes.iter().find(|(n, _)| n == node).expect("it was started");
        for of in family(child) {
            let limit = format!("--fsize={up_to}:");
            let set = Command::new("prlimit").args(["--pid", &of.to_string(), &limit]).status();
            assert!(set.expect("prlimit is there").success() || !there(&of), "{of}");
        }
    }

    /// Ends the agent of a node and nothing else of it.
    pub fn kill_agent(&self, node: &str) {
        kill(self.agent(node), Signal::SIGKILL).expect("it runs");
    }

    /// Has the agent of a node stand still for so long.
    pub fn freeze_agent(&self, node: &str, time: Duration) {
        let agent = self.agent(node);
        kill(agent, Signal::SIGSTOP).expect("it runs");
        std::thread::sleep(time);
        kill(agent, Signal::SIGCONT).expect("it is there");
    }

    #[track_caller]
    pub fn agent(&self, node: &str) -> Pid {
        self.agent_now(node).expect("it has an agent")
    }

    /// Whether a node has another agent than the former one. In between it has none.
    pub fn began_anew(&self, node: &str, former: Pid) -> bool {
        self.agent_now(node).is_some_and(|agent| agent != former)
    }

    fn agent_now(&self, node: &str) -> Option<Pid> {
        let (_, child) = self.nodes.iter().find(|(n, _)| n == node).expect("it was started");
        let is_agent = |of: &&Pid| {
            let words = fs::read(format!("/proc/{of}/cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).nth(1) == Some(&b"agent"[..])
        };
        family(child).iter().find(is_agent).copied()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for (_, child) in &mut self.nodes {
            let all = family(child);
            end_all(child);
            let _ended = child.wait();
            all_gone(&all);
        }
        // What a node has mounted outlives its processes here; on a machine without power it would
        // be gone. A mount that stays keeps its loop device for good.
        for place in mounted_below(self.folder.path()) {
            let _gone = umount2(&place, MntFlags::MNT_DETACH);
        }
    }
}

/// What is mounted in a folder, the innermost first.
fn mounted_below(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    let mut below: Vec<PathBuf> = places.filter(|place| place.starts_with(folder)).collect();
    below.reverse();
    below
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}

/// A node's process and all that descends from it: only what this test started.
fn family(child: &Child) -> Vec<Pid> {
    let mut pids = vec![pid(child)];
    let mut at = 0;
    while let Some(parent) = pids.get(at).copied() {
        let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = children.split_whitespace().filter_map(|p| p.parse().ok());
            pids.extend(children.map(Pid::from_raw));
        }
        at += 1;
    }
    pids
}

/// Kills them at once; whoever was born meanwhile as well.
fn end_all(child: &Child) {
    for _ in 0..2 {
        for pid in family(child) {
            let _ended = kill(pid, Signal::SIGKILL);
        }
    }
}

/// Whether the process has not ended.
fn there(pid: &Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Waits until nothing of them holds a lock or a port any more.
fn all_gone(pids: &[Pid]) {
    let until = Instant::now() + PATIENCE;
    while pids.iter().any(there) {
        assert!(Instant::now() < until, "something of the node stays");
        std::thread::sleep(Duration::from_millis(5));
    }
}
