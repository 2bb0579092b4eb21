//! A daemon of services as a process of its own, and what an operator asks of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tsugi_serve::control;

use crate::agent::nobody;
use crate::schema::check;
use crate::{Ran, tsugi, tsugi_ja};

/// Answers every call with what no other call is answered with.
const SAYS: &str = r#"#!/usr/bin/python3
import json, os, sys, time
def say(frame):
    print(json.dumps(frame), flush=True)
say({"hello": {"versions": {"lowest": 1, "highest": 1}, "pid": os.getpid(), "runs": "command"}})
sys.stdin.readline()
say({"ready": {}})
for line in sys.stdin:
    frame = json.loads(line)
    if "leave" in frame:
        break
    told = json.dumps({"at": time.time_ns()})
    say({"done": {"turn": frame["begin"]["turn"], "replies": [{"parameters": [told]}]}})
"#;

/// Never starts, and says why.
const DIES: &str = "#!/bin/sh\necho 'no table of rates' >&2\nexit 7\n";

/// A daemon; killed when it is dropped.
struct Daemon {
    child: Child,
    volume: TempDir,
}

impl Daemon {
    /// One that has these programs as services.
    fn of(services: &[(&str, &str)]) -> Self {
        let volume = TempDir::new_in("/dev/shm").expect("a folder");
        let word = volume.path().display().to_string();
        for (name, program) in services {
            let (script, package) = (volume.path().join(name), format!("{word}/{name}.tsugi"));
            fs::write(&script, program).expect("written");
            let script = script.display().to_string();
            let of = ["--command", "--service", name, "--out", &package];
            service(&[&["import", &script][..], &of].concat()).ended(0, "TSUG20315-I");
            let on = ["--volume", &word, "--group", "pay"];
            service(&[&["deploy", &package][..], &on].concat()).ended(0, "TSUG20409-I");
        }
        Self::started(volume, &[], &["--epoch", "e1.1", "--volume", &word])
    }

    /// One that stands by where one that is whole would be asked.
    fn standing_by() -> Self {
        let volume = TempDir::new_in("/dev/shm").expect("a folder");
        let control = control::on_volume(volume.path()).display().to_string();
        Self::started(volume, &["standby"], &["--control", &control])
    }

    fn started(volume: TempDir, part: &[&str], words: &[&str]) -> Self {
        // Its workers' user goes through the folder.
        let through = fs::Permissions::from_mode(0o711);
        fs::set_permissions(volume.path(), through).expect("it is ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
        command.arg("serve").args(part).args(words);
        command.args(["--group", "pay", "--node", "n1", "--listen", "127.9.4.12:0"]);
        command.arg("--workers").arg(volume.path().join("workers"));
        if nix::unistd::geteuid().is_root() {
            command.args(["--user", "nobody"]);
        }
        command.env_clear().env("LANG", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary was built");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says that it is ready");
        assert_eq!(line, "ready\n");
        Self { child, volume }
    }

    fn socket(&self) -> PathBuf {
        control::on_volume(self.volume.path())
    }

    /// Asks it.
    fn service(&self, words: &[&str]) -> Ran {
        let volume = self.volume.path().display().to_string();
        service(&[words, &["--volume", &volume]].concat())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.service(&["status", "--json"]).out).expect("it is JSON")
    }

    /// Calls one of its services.
    fn call(&self, name: &str, id: &str) -> Ran {
        let at = self.status()["listens"].as_str().expect("it listens").to_owned();
        tsugi(nobody().path(), &["call", name, "--at", &at, "--id", id, "--deadline", "3s"])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn service(words: &[&str]) -> Ran {
    tsugi(nobody().path(), &[&["service"], words].concat())
}

#[test]
fn a_service_is_blocked_and_opened_by_command() {
    let daemon = Daemon::of(&[("SAY", SAYS)]);
    daemon.service(&["status"]).ended(0, "group pay answers on node n1 under e1.1").ended(0, "SAY");
    let json = daemon.service(&["status", "--json"]);
    assert_eq!(check(&json.out), "tsugi.services");
    daemon.call("SAY", "k1").ended(0, "\"at\"");
    let block = ["block", "SAY", "--reason", "month's end"];
    daemon.service(&block).ended(0, "TSUG20708-I");
    daemon.call("SAY", "k2").ended(5, "TSUG20118").ended(5, "month's end");
    daemon.service(&["status"]).ended(0, "blocked by").ended(0, "month's end");
    let json = daemon.service(&["status", "--json"]);
    assert_eq!(check(&json.out), "tsugi.services");
    assert_eq!(daemon.status()["services"][0]["closed"]["word"], "blocked");
    let opened = daemon.service(&["open", "SAY", "--json"]);
    assert_eq!((opened.code, check(&opened.out).as_str()), (0, "tsugi.done"), "{opened:?}");
    daemon.call("SAY", "k2").ended(0, "\"at\"");
    let volume = daemon.volume.path().display().to_string();
    let ja = tsugi_ja(nobody().path(), &["service", "status", "--volume", &volume]);
    ja.ended(0, "受付中").ended(0, "で呼び出しに答えています");
    let listed = control::here().expect("the kernel lists them");
    assert!(listed.contains(&daemon.socket()), "{listed:?}");

    daemon.service(&["open", "NOBODY"]).ended(4, "TSUG20707-E");
    daemon.service(&["block", "SAY"]).ended(2, "--reason");
}

#[test]
fn what_came_of_a_call_is_forgotten_by_command_and_a_call_that_has_its_end_keeps_it() {
    let daemon = Daemon::of(&[("SAY", SAYS)]);
    let first = daemon.call("SAY", "k1").ended(0, "\"at\"").out.clone();
    assert_eq!(daemon.call("SAY", "k1").out, first, "it is stored");
    let resolve =
        |id: &str| daemon.service(&["resolve", id, "--identity", "loopback", "--not-carried-out"]);
    resolve("key:k1").ended(3, "TSUG20713-E").ended(3, "the call has its end already");
    resolve("key:k0").ended(4, "TSUG20713-E").ended(4, "there is no such call");
    assert_eq!(daemon.call("SAY", "k1").out, first, "it is as it was");
    let forget = |id: &str| daemon.service(&["forget", id, "--identity", "loopback"]);
    forget("key:k1").ended(0, "TSUG20712-I");
    let again = daemon.call("SAY", "k1").ended(0, "\"at\"").out.clone();
    assert_ne!(again, first, "it was carried out as a new call");
    forget("someone:1.7").ended(3, "only a key is forgotten");
    let no = daemon.service(&["forget", "someone:1.7", "--identity", "loopback", "--json"]);
    assert_eq!((no.code, check(&no.out).as_str()), (3, "tsugi.refused"));

    forget("k1").ended(2, "ID cannot be k1");
    daemon.service(&["forget", "key:k1"]).ended(2, "--identity");
    let unsaid = ["resolve", "key:k1", "--identity", "loopback"];
    daemon.service(&unsaid).ended(2, "--not-carried-out");
    let answered = |reply: &str| {
        let words = ["resolve", "key:k1", "--identity", "loopback", "--carried-out", reply];
        daemon.service(&words)
    };
    answered("{\"paid\":7}").ended(3, "TSUG20713-E").ended(3, "the call has its end already");
    answered("{paid").ended(2, "{paid");
    let both = ["resolve", "key:k1", "--not-carried-out", "--carried-out", "7"];
    daemon.service(&both).ended(2, "--carried-out");
}

#[test]
fn a_service_that_never_starts_is_closed_by_its_own_last_words() {
    let daemon = Daemon::of(&[("DIES", DIES), ("SAY", SAYS)]);
    let begun = std::time::Instant::now();
    while daemon.service(&["status"]).code == 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it is not given up");
    }
    daemon.service(&["status"]).ended(6, "no-worker").ended(6, "no table of rates");
    daemon.call("DIES", "k1").ended(5, "TSUG20121").ended(5, "no table of rates");
    daemon.call("SAY", "k1").ended(0, "\"at\"");
}

#[test]
fn where_nobody_answers_it_is_said_and_nothing_is_changed() {
    let folder = nobody();
    let volume = folder.path().display().to_string();
    service(&["status", "--volume", &volume]).ended(7, "TSUG20703-E");
    let block = ["block", "SAY", "--reason", "x", "--volume", &volume, "--json"];
    let ran = service(&block);
    assert_eq!((ran.code, check(&ran.out).as_str()), (7, "tsugi.refused"));
    service(&["status", "--group", "pay"]).ended(3, "TSUG20412-E");
    let daemon = Daemon::standing_by();
    daemon.service(&["status"]).ended(4, "TSUG20706-E");
    let control = daemon.socket().display().to_string();
    service(&["open", "SAY", "--control", &control]).ended(4, "TSUG20706-E");
}

#[test]
fn a_daemon_that_is_started_wrongly_is_told_as_any_command_is() {
    let here = nobody();
    let wrong = ["serve", "--volum", "/u01"];
    tsugi(here.path(), &wrong).ended(2, "did you mean \"--volume\"");
    tsugi_ja(here.path(), &wrong).ended(2, "「--volume」のことですか");
    tsugi(here.path(), &["serve", "standby"]).ended(2, "--control <PATH>");
    let help = tsugi(here.path(), &["serve", "standby", "--help"]);
    help.ended(0, "The socket at which a volume is handed over")
        .ended(0, "--call-limit <MS>")
        .ended(0, "--memory <MIB>");
}
