//! What systemd is asked, by one that only writes down what it was asked.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A systemd whose unit is in the state of a file, and does what a test says it would.
struct Stand {
    dir: tempfile::TempDir,
    systemd: Systemd,
}

/// `start` and `stop` put the states of these names in the unit's place; `slow-kill` is a unit
/// that needs several.
const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
shift 2
echo "$*" >>asked
case $1 in
show)
    case $* in
    *tsugi.service) cat node 2>/dev/null || echo ActiveState=active ;;
    *) cat state ;;
    esac ;;
daemon-reload) [ ! -e sick ] || { echo "it is sick" >&2; exit 1; } ;;
start) [ ! -e refused ] || { echo "A dependency job failed." >&2; exit 1; }; cp after-start state ;;
*) [ ! -e "after-$1" ] || cp "after-$1" state ;;
esac
"#;

const UP: &str = "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n";
const DOWN: &str = "LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success\n";
const FAILED: &str =
    "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=signal\nExecMainStatus=9\n";

impl Stand {
    fn of(state: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("systemctl"), SYSTEMCTL).unwrap();
        fs::set_permissions(at("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(at("system")).unwrap();
        let systemd =
            Systemd { systemctl: at("systemctl"), runtime: at("system"), groups: at("cgroup") };
        let stand = Self { dir, systemd };
        stand.write("state", state);
        stand
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn after(self, word: &str, state: &str) -> Self {
        self.write(&format!("after-{word}"), state);
        self
    }

    fn does(&self, action: Action) -> (Code, String) {
        self.systemd.does(action, &unit())
    }

    /// What was asked but how it is.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default();
        text.lines().filter(|l| !l.starts_with("show")).map(str::to_owned).collect()
    }

    fn drop_in(&self) -> PathBuf {
        self.dir.path().join("system/pay.service.d/zz-tsugi.conf")
    }
}

fn unit() -> UnitName {
    "pay.service".parse().unwrap()
}

#[test]
fn a_start_takes_the_unit_from_systemd_forgets_its_failures_and_says_how_it_is() {
    let stand = Stand::of(FAILED).after("start", UP);
    assert_eq!(stand.does(Action::Start).0, Code::Success);
    assert_eq!(stand.asked(), ["daemon-reload", "reset-failed pay.service", "start pay.service"]);
    let text = fs::read_to_string(stand.drop_in()).unwrap();
    assert!(text.contains("\nRestart=no\n") && text.contains("\nBefore=tsugi.service\n"), "{text}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stand.drop_in()), 0o644);
    assert_eq!(mode(stand.drop_in().parent().unwrap()), 0o755);
}

#[test]
fn what_systemd_has_read_already_is_not_read_again() {
    let stand = Stand::of(DOWN).after("start", UP);
    stand.does(Action::Start);
    stand.write("state", DOWN);
    stand.does(Action::Start);
    let reloads = |stand: &Stand| stand.asked().iter().filter(|a| *a == "daemon-reload").count();
    assert_eq!(reloads(&stand), 1);
    // Written and not read, as by a start that was killed between the two.
    stand.write("state", &format!("{DOWN}NeedDaemonReload=yes\n"));
    stand.does(Action::Start);
    assert_eq!(reloads(&stand), 2);
}

#[test]
fn what_runs_before_its_start_is_stopped_first() {
    for state in [UP, "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n"] {
        let stand = Stand::of(state).after("stop", DOWN).after("start", UP);
        assert_eq!(stand.does(Action::Start).0, Code::Success);
        assert_eq!(stand.asked()[0], "stop pay.service", "it runs on what was there before");
    }
}

#[test]
fn a_start_that_cannot_be_begins_nothing_and_says_why() {
    for (state, part) in [
        ("LoadState=not-found\nActiveState=inactive\n", "knows no unit"),
        ("LoadState=masked\nActiveState=inactive\n", "systemctl unmask"),
        ("LoadState=bad-setting\nActiveState=inactive\n", "bad-setting"),
    ] {
        let stand = Stand::of(state);
        let (code, words) = stand.does(Action::Start);
        assert_eq!(code, Code::NotInstalled, "{state}");
        assert!(words.contains(part), "{words}");
        assert_eq!(stand.asked(), [""; 0], "{state}");
        assert_eq!(stand.does(Action::Monitor).0, Code::NotRunning, "{state}");
        assert_eq!(stand.does(Action::Stop).0, Code::Success, "{state}");
    }
}

#[test]
fn a_unit_that_systemd_would_still_start_by_itself_is_not_started() {
    let stand = Stand::of(&format!("{DOWN}Restart=always\n"));
    let (code, words) = stand.does(Action::Start);
    assert_eq!(code, Code::NotConfigured);
    assert!(words.contains("Restart=always"), "{words}");
    assert!(!stand.asked().iter().any(|asked| asked.starts_with("start")));
    assert!(!stand.drop_in().exists(), "and it is as it was");
}

#[test]
fn a_start_whose_unit_is_not_up_after_it_has_failed_in_the_words_of_systemd() {
    let came = |state| Stand::of(DOWN).after("start", state).does(Action::Start);
    let (code, words) = came(FAILED);
    assert_eq!((code, words.as_str()), (Code::Generic, "failed (failed), signal, status 9"));
    let (code, words) = came(DOWN);
    assert_eq!(code, Code::Generic);
    assert!(words.contains("RemainAfterExit"), "{words}");
    let stand = Stand::of(DOWN);
    stand.write("refused", "");
    let (code, words) = stand.does(Action::Start);
    assert_eq!(code, Code::Generic);
    assert!(words.contains("A dependency job failed."), "{words}");
}

#[test]
fn a_stop_gives_the_unit_back_and_one_that_left_it_up_has_failed() {
    let stand = Stand::of(DOWN).after("start", UP).after("stop", DOWN);
    stand.does(Action::Start);
    assert_eq!(stand.does(Action::Stop).0, Code::Success);
    assert!(!stand.drop_in().parent().unwrap().exists());
    assert_eq!(stand.asked()[3..], ["stop pay.service", "daemon-reload"]);
    let stays = Stand::of("LoadState=loaded\nActiveState=deactivating\nSubState=stop\n");
    let (code, words) = stays.does(Action::Stop);
    assert_eq!((code, words.as_str()), (Code::Generic, "deactivating (stop)"));
}

#[test]
fn a_stop_that_is_done_has_not_failed_for_what_systemd_makes_of_its_files() {
    let stand = Stand::of(DOWN).after("start", UP).after("stop", DOWN);
    stand.does(Action::Start);
    stand.write("sick", "");
    assert_eq!(stand.does(Action::Stop).0, Code::Success);
}

#[test]
fn a_stop_that_waits_for_the_node_already_is_taken_on_at_once() {
    let stand = Stand::of(&format!("{UP}Job=77\n")).after("stop", DOWN);
    assert_eq!(stand.does(Action::Stop).0, Code::Success);
    assert_eq!(stand.asked(), ["stop --job-mode=ignore-dependencies pay.service"]);
}

#[test]
fn a_stop_of_the_node_itself_is_not_waited_for_by_its_unit() {
    for node in ["ActiveState=deactivating", "ActiveState=active\nJob=78", ""] {
        let stand = Stand::of(UP).after("stop", DOWN);
        stand.write("node", node);
        assert_eq!(stand.does(Action::Stop).0, Code::Success);
        assert_eq!(stand.asked(), ["stop --job-mode=ignore-dependencies pay.service"], "{node}");
    }
    for node in ["ActiveState=active\nJob=0", "ActiveState=inactive"] {
        let stand = Stand::of(UP).after("stop", DOWN);
        stand.write("node", node);
        assert_eq!(stand.does(Action::Stop).0, Code::Success);
        assert_eq!(stand.asked(), ["stop pay.service"], "{node}");
    }
}

#[test]
fn a_kill_ends_when_nothing_is_left_and_kills_again_what_has_come_up() {
    let stand = Stand::of(UP).after("kill", FAILED);
    assert_eq!(stand.does(Action::Kill).0, Code::Success);
    let kill = [
        "stop --no-block --job-mode=ignore-dependencies pay.service",
        "kill --signal=SIGKILL pay.service",
    ];
    assert_eq!(stand.asked(), kill);
    // What says nothing at first has said nothing.
    let stand = Stand::of("").after("kill", FAILED);
    assert_eq!(stand.does(Action::Kill).0, Code::Success);
    // Something of it is left in its control group, and then not.
    let left = format!("{FAILED}ControlGroup=/system.slice/pay.service\n");
    let stand = Stand::of(&left);
    stand.write("cgroup/system.slice/pay.service/cgroup.events", "populated 1\nfrozen 0\n");
    let (code, words) = stand.does(Action::Monitor);
    assert_eq!(code, Code::Generic);
    assert!(words.contains("processes of it are left"), "{words}");
    let stand = stand.after("kill", FAILED);
    assert_eq!(stand.does(Action::Kill).0, Code::Success);
    assert_eq!(stand.asked(), kill);
}

#[test]
fn where_systemd_does_not_run_nothing_of_it_does_and_nothing_is_started() {
    let stand = Stand::of(UP);
    fs::remove_dir(stand.dir.path().join("system")).unwrap();
    assert_eq!(stand.does(Action::Start).0, Code::NotInstalled);
    for action in [Action::Stop, Action::Kill, Action::Monitor] {
        assert_eq!(stand.does(action).0, Code::NotRunning, "{action:?}");
    }
    assert_eq!(stand.asked(), [""; 0]);
}

#[test]
fn a_systemd_that_says_nothing_of_use_is_no_answer() {
    assert_eq!(Stand::of("").does(Action::Monitor).0, Code::Generic);
    let gone = Stand::of(UP);
    fs::remove_file(gone.dir.path().join("systemctl")).unwrap();
    assert_eq!(gone.does(Action::Start).0, Code::NotInstalled);
}

#[test]
fn words_that_are_no_call_are_refused_before_anything_is_asked() {
    let run = |words: &[&str]| run(&words.iter().map(OsString::from).collect::<Vec<_>>()).0;
    for words in [
        &["start"][..],
        &["restart", "pay.service"],
        &["start", "tsugi.service"],
        &["start", "pay.service", "x"],
    ] {
        assert_eq!(run(words), 2, "{words:?}");
    }
}
