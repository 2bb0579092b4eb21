//! Where the programs of the tests are, and what compiles them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tsugi_host::enclosed::User;
use tsugi_worker::{Environment, Spawn};

/// The room.
pub fn room() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles a shared library.
pub fn compile(source: &Path, more: &[&str], to: &Path) {
    let done = Command::new("cc")
        .args(["-std=gnu99", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared"])
        .arg("-I")
        .arg(room().join("../program/include"))
        .args(more)
        .arg("-o")
        .arg(to)
        .arg(source)
        .output()
        .expect("a compiler of C");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Whose rights the workers have: another's where the test is root's.
pub fn user() -> User {
    if nix::unistd::geteuid().is_root() {
        User::Other { uid: 61_234, gid: 61_234 }
    } else {
        User::Same
    }
}

/// Where they run.
pub fn environment() -> Environment {
    Environment {
        group: "ESSRV01".to_owned(),
        node: "node1".to_owned(),
        time_zone: "Asia/Tokyo".to_owned(),
        locale: "C.UTF-8".to_owned(),
        code_page: "utf-8".to_owned(),
    }
}

/// A worker with this library.
pub fn library(path: &Path) -> Spawn {
    let worker = vec![env!("CARGO_BIN_EXE_tsugi-worker").to_owned()];
    Spawn::library(worker, path, user(), environment())
}

/// A command.
pub fn command(argv: &[&str]) -> Spawn {
    Spawn::command(argv.iter().map(|&word| word.to_owned()).collect(), user(), environment())
}

/// A command in Python, by its text.
pub fn python(text: &str) -> Spawn {
    command(&["python3", "-c", &format!("{TALK}\n{text}")])
}

/// What a script in Python says and hears before its first call.
const TALK: &str = r#"
import json, os, sys, time, signal, subprocess, socket
def say(frame): os.write(1, (json.dumps(frame) + "\n").encode())
def hear():
    line = sys.stdin.readline()
    if not line: sys.exit(0)
    return json.loads(line)
def hello(): say({"hello": {"versions": {"lowest": 1, "highest": 1}, "pid": 1, "runs": "command"}})
def begin():
    hello(); hear(); say({"ready": {}})
    return hear()["begin"]
def done(turn, text): say({"done": {"turn": turn, "replies": [{"parameters": [text]}]}})
"#;

/// What cargo builds with the tests.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let target = test.parent().and_then(Path::parent).expect("it stands in a target folder");
    target.join("examples").join(name)
}

/// The counter in Rust.
pub fn counter_rs() -> PathBuf {
    example("libcounter_in_rust.so")
}

/// The counter in C.
pub fn counter_c() -> PathBuf {
    room().join("../program/tests/program/counter.c")
}

/// The counter in Python.
pub fn counter_py() -> Spawn {
    let path = room().join("examples/counter.py");
    command(&["python3", path.to_str().expect("a path of this tree")])
}
