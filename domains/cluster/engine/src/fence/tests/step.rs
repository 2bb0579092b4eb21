//! Fence agents that are shell scripts: well-behaved, absent, full of nonsense.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use tempfile::TempDir;
use tsugi_vocabulary::Span;

/// A place with one fence agent, which does what `script` says.
struct Place {
    dir: TempDir,
    device: FenceDevice,
}

impl Place {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let agent = dir.path().join("fence_site");
        // Written by another process: a file that this one has open for writing cannot be run by
        // a child that another thread's start has made meanwhile.
        let text =
            format!("#!/bin/sh\n{}\n", script.replace("HERE", &dir.path().to_string_lossy()));
        let mut cat = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&agent)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        cat.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(cat.wait().unwrap().success());
        let device = FenceDevice {
            agent: agent.to_string_lossy().into_owned(),
            options: [("ip".to_owned(), "192.0.2.1".to_owned())].into(),
            secret: None,
            limit: Span::secs(20),
            every: Span::secs(3600),
        };
        Self { dir, device }
    }

    fn secret(&mut self, text: &str, mode: u32) {
        let path = self.dir.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self.device.secret = Some(path.to_string_lossy().into_owned());
    }

    fn run(&self) -> (i32, String) {
        let user = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        self.run_as(user)
    }

    fn run_as(&self, user: (u32, u32)) -> (i32, String) {
        let words = words(&self.device, (Action::Status, "node1"), user);
        run(&words.into_iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }
}

#[test]
fn the_options_are_lines_on_the_standard_input_and_the_exit_code_is_the_answer() {
    for code in 0..=2 {
        let place = Place::new(&format!("cat > HERE/seen; echo done; exit {code}"));
        assert_eq!(place.run(), (code, "done".to_owned()));
        assert_eq!(place.read("seen"), "ip=192.0.2.1\nnodename=node1\naction=status\n");
    }
}

#[test]
fn a_password_is_read_from_its_file_and_stands_on_the_standard_input_only() {
    let script = "cat > HERE/seen; tr '\\0' '\\n' < /proc/$$/environ > HERE/env; \
                  tr '\\0' ' ' < /proc/$PPID/cmdline > HERE/above; echo \"$@\" > HERE/args; exit 2";
    let mut place = Place::new(script);
    place.secret("xyzzy-5\n", 0o600);
    assert_eq!(place.run().0, 2);
    assert!(place.read("seen").ends_with("passwd=xyzzy-5\npassword=xyzzy-5\n"));
    for other in ["env", "above", "args"] {
        assert!(!place.read(other).contains("xyzzy"), "{other}");
    }
}

#[test]
fn what_an_agent_prints_is_told_without_the_password() {
    let mut place = Place::new("read a; echo debug: $(cat | grep '^password') >&2; exit 1");
    place.secret("xyzzy-5", 0o400);
    assert_eq!(place.run(), (1, "debug: password=***".to_owned()));
}

#[test]
fn a_password_file_that_others_may_read_is_not_used_and_nothing_is_started() {
    let refused = |text: &str, mode| {
        let mut place = Place::new("touch HERE/ran");
        place.secret(text, mode);
        let (code, why) = place.run();
        assert!(!place.dir.path().join("ran").exists());
        assert_eq!(code, SECRET);
        why
    };
    assert_eq!(refused("xyzzy", 0o640), "mode 0640");
    assert_eq!(refused("xyzzy", 0o604), "mode 0604");
    assert_eq!(refused("", 0o600), "not one line");
    assert_eq!(refused("one\ntwo\n", 0o600), "not one line");
    let mut place = Place::new("exit 0");
    place.device.secret = Some("/no/such/file".to_owned());
    assert_eq!(place.run().0, SECRET);
    // A link could be turned to a file of somebody else.
    place.secret("xyzzy", 0o600);
    let link = place.dir.path().join("link");
    std::os::unix::fs::symlink(place.dir.path().join("secret"), &link).unwrap();
    place.device.secret = Some(link.to_string_lossy().into_owned());
    assert_eq!(place.run().0, SECRET);
}

#[test]
fn an_agent_that_is_not_there_floods_or_ends_in_nonsense_has_a_code_of_its_own() {
    let mut place = Place::new("exit 0");
    place.device.agent = "/no/such/fence_agent".to_owned();
    assert_eq!(place.run().0, ABSENT);
    assert_eq!(Place::new("exit 3").run().0, NONSENSE);
    assert_eq!(Place::new("kill -9 $$").run().0, NONSENSE);
    assert_eq!(Place::new("while :; do echo flooding, flooding, flooding; done").run().0, FLOODED);
    assert_eq!(run(&[OsString::from("fence_x")]).0, NONSENSE);
}

#[test]
fn an_agent_that_leaves_something_running_is_not_waited_for() {
    let place = Place::new("sleep 2 & echo off; exit 2");
    assert_eq!(place.run().0, 2);
}

#[test]
fn of_long_output_the_end_is_told_on_one_line() {
    let (code, told) = Place::new("seq 1 5000; printf 'the\\n end\\t\\033[0m'; exit 1").run();
    assert_eq!(code, 1);
    assert!(told.ends_with("5000 the end [0m") && told.chars().count() <= TOLD, "{told}");
}

#[test]
fn a_fence_agent_runs_without_the_rights_of_root() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let mut place = Place::new("cat > /dev/null; id -u; id -G; exit 0");
    place.secret("xyzzy", 0o600);
    assert_eq!(place.run_as((65534, 65534)), (0, "65534 65534".to_owned()));
}
