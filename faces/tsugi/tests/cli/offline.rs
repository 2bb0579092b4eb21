//! Without an agent: help, wrong input, the catalogue, the configuration file.

use std::path::PathBuf;
use std::process::Command;

use crate::agent::nobody;
use crate::schema::check;
use crate::{tsugi, tsugi_ja};

fn commands_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.txt")
}

const FILE: &str = "[cluster]\nname = \"a\"\n[node.n1]\naddress = \"10.0.0.1\"\n[group.G]\n";

#[test]
fn docs_list_exactly_the_commands_that_exist() {
    let here = nobody();
    let now = tsugi(here.path(), &["commands"]).out;
    let kept = std::fs::read_to_string(commands_file()).unwrap_or_default();
    assert!(now == kept, "write the output of `tsugi commands` to docs/commands.txt");
    assert!(now.contains("tsugi group move GROUP [NODE] [--dry-run] [--reason TEXT]"));
}

#[test]
fn every_command_and_option_has_help_in_both_languages() {
    let here = nobody();
    for leaf in tsugi(here.path(), &["commands"]).out.lines().filter(|l| l.starts_with("tsugi ")) {
        let bare = |w: &&str| !w.starts_with(['[', '-']) && w.chars().any(char::is_lowercase);
        let mut words: Vec<&str> = leaf.split(' ').skip(1).take_while(bare).collect();
        words.push("--help");
        let english = tsugi(here.path(), &words).out;
        let japanese = tsugi_ja(here.path(), &words).out;
        assert!(english.contains("Usage: tsugi") && japanese.contains("使い方: tsugi"), "{leaf}");
        assert!(!english.lines().next().unwrap_or_default().is_empty(), "{leaf} has no about");
        assert_ne!(english.lines().next(), japanese.lines().next(), "{leaf}");
        for text in [english, japanese] {
            for option in text.lines().filter(|l| l.trim_start().starts_with(['-', '<', '['])) {
                let help = option.trim_start().split_once("  ").map_or("", |(_, help)| help);
                assert!(!help.trim().is_empty(), "{leaf}: {option:?} has no help");
            }
        }
    }
}

#[test]
fn wrong_words_are_answered_with_what_was_meant_and_exit_code_2() {
    let here = nobody();
    let cases: [(&[&str], &str, &str); 11] = [
        (&["stauts"], "did you mean", "のことですか"),
        (&["group", "mvoe", "G"], "did you mean \"move\"", "「move」のことですか"),
        (&["status", "--wach"], "did you mean \"--watch\"", "「--watch」のことですか"),
        (&["group"], "<COMMAND> is missing", "<COMMAND> が要ります"),
        (&["status", "now"], "now is one word too many", "「now」は余分です"),
        (&["group", "stop", "G", "--wait", "5s"], "mean \"--wait=5s\"", "「--wait=5s」のこと"),
        (&["group", "stop"], "<GROUP> is missing", "<GROUP> が要ります"),
        (
            &["group", "start", "G", "--fresh", "--inherit"],
            "cannot be used with",
            "一緒に使えません",
        ),
        (&["completions", "tcsh"], "bash", "bash"),
        (&["history", "--most", "many"], "many", "many"),
        (&["--lang", "fr", "status"], "there is no language", "言語「fr」はありません"),
    ];
    for (words, english, japanese) in cases {
        tsugi(here.path(), words).ended(2, english);
        tsugi_ja(here.path(), words).ended(2, japanese);
    }
    let bare = tsugi(here.path(), &[]);
    assert_eq!(bare.code, 2);
    assert!(bare.out.is_empty(), "help that was not asked for is talk, not data");
}

#[test]
fn the_flag_wins_over_the_locale() {
    let here = nobody();
    let ran = tsugi_ja(here.path(), &["--lang", "en", "stauts"]);
    ran.ended(2, "did you mean");
    tsugi(here.path(), &["message", "TSUG10001", "--lang=ja"]).ended(0, "エージェント");
}

#[test]
fn without_an_agent_every_question_ends_with_7_and_names_the_next_command() {
    let here = nobody();
    let questions: [&[&str]; 14] = [
        &["status"],
        &["why"],
        &["doctor"],
        &["parity"],
        &["explain"],
        &["history"],
        &["whatif", "lose", "n1"],
        &["group", "list"],
        &["node", "list"],
        &["group", "stop", "G", "--reason", "r"],
        &["config", "show"],
        &["audit", "list"],
        &["audit", "verify"],
        &["backup", "/tmp/never-written"],
    ];
    for words in questions {
        let ran = tsugi(here.path(), words);
        ran.ended(7, "TSUG10522-E").ended(7, "next: tsugi node run");
        assert!(ran.out.is_empty(), "{words:?}: talk goes to standard error");
    }
}

#[test]
fn a_message_is_explained_without_an_agent() {
    let here = nobody();
    tsugi(here.path(), &["message", "TSUG10601-E"]).ended(0, "there is no key");
    tsugi_ja(here.path(), &["message", "tsug10601"]).ended(0, "操作する人がすること");
    for former in ["KFSB80310-I", "kfsb80310"] {
        let ran = tsugi(here.path(), &["message", former]);
        ran.ended(0, "TSUG10008-I").ended(0, "formerly: KFSB80310-I");
    }
    tsugi(here.path(), &["message", "TSUG99999"]).ended(4, "TSUG90301-E");
    tsugi(here.path(), &["message", "--journal"]).ended(0, "Subject: TSUG10601-E");
    tsugi(here.path(), &["message", "--journal", "--all"]).ended(2, "TSUG90201-E");
    let all = tsugi(here.path(), &["message", "--all"]);
    assert!(all.out.lines().count() > 100);
    assert_eq!(check(&tsugi(here.path(), &["message", "--all", "--json"]).out), "tsugi.messages");
}

#[test]
fn a_file_is_checked_without_an_agent_and_errors_point_at_the_line() {
    let here = nobody();
    let path = here.path().join("tsugi.toml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, FILE).unwrap();
    tsugi(here.path(), &["config", "validate", file]).ended(0, "TSUG10608-I");
    let json = tsugi(here.path(), &["config", "validate", file, "--json"]);
    assert_eq!(check(&json.out), "tsugi.validation");
    std::fs::write(&path, FILE.replace("address", "adress")).unwrap();
    let ran = tsugi(here.path(), &["config", "validate", file]);
    ran.ended(3, "did you mean \"address\"?").ended(3, "4 | adress = \"10.0.0.1\"\n  | ^^^^^^");
    tsugi_ja(here.path(), &["config", "validate", file]).ended(3, "「address」のことですか");
    let json = tsugi(here.path(), &["config", "validate", file, "--json"]);
    assert_eq!((json.code, check(&json.out).as_str()), (3, "tsugi.validation"));
    for change in ["apply", "plan", "init"] {
        tsugi(here.path(), &[change, file]).ended(3, "did you mean \"address\"?");
    }
    tsugi(here.path(), &["config", "validate", "/no/such/file"]).ended(4, "TSUG10617-E");
}

#[test]
fn completions_and_manual_come_from_the_same_commands() {
    let here = nobody();
    for shell in ["bash", "zsh", "fish"] {
        let script = tsugi(here.path(), &["completions", shell]).out;
        assert!(script.contains("undrain") && script.contains("confirm-within"), "{shell}");
    }
    tsugi(here.path(), &["man"]).ended(0, "Keeps work going");
    tsugi_ja(here.path(), &["man"]).ended(0, "業務を継ぐ");
    let folder = here.path().join("man1");
    assert_eq!(tsugi(here.path(), &["man", folder.to_str().unwrap()]).code, 0);
    assert!(folder.join("tsugi-group-move.1").exists());
}

#[test]
fn a_restore_asks_for_a_reason() {
    let here = nobody();
    tsugi(here.path(), &["restore", "/no/such/file"]).ended(3, "TSUG10507-E");
}

#[test]
fn a_trial_that_was_asked_for_wrongly_starts_nothing_and_leaves_nothing() {
    let here = nobody();
    let cases: [(&[&str], &str); 2] = [
        (&["up", "--for", "soon"], "--for cannot be soon"),
        (&["up", "--for", "5s", "--lose-owner-after", "6s"], "must be shorter than --for"),
    ];
    for (words, said) in cases {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tsugi"))
            .args(words)
            .env_clear()
            .env("TMPDIR", here.path())
            .output()
            .expect("the binary was built");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0, "nothing is left");
    }
}

#[test]
fn what_a_monitor_asks_can_be_asked_by_hand_and_its_exit_code_says_how_it_was() {
    let here = nobody();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let well = tsugi(here.path(), &["monitor", "tcp", &at]);
    assert_eq!((well.code, well.err.contains("TSUG10217-I")), (0, true), "{}", well.err);
    drop(listener);
    let refused = tsugi(here.path(), &["monitor", "tcp", &at]);
    assert_eq!((refused.code, refused.err.contains("TSUG10218-E")), (1, true), "{}", refused.err);
    let missing = tsugi_ja(here.path(), &["monitor", "link", "nosuchlink0"]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("その名前のリンクがありません"), "{}", missing.err);
    let wrong = tsugi(here.path(), &["monitor", "tcp", &at, "--within", "3"]);
    assert_eq!((wrong.code, wrong.err.contains("--within")), (2, true), "{}", wrong.err);
}

/// The program finds its number and one socket that listens at the port, whatever number that
/// socket had here.
const LOOKS: &str = r#"socket=$(readlink /proc/$$/fd/3 | tr -dc 0-9)
[ "$LISTEN_PID" = $$ ] && [ "$LISTEN_FDS" = 1 ] || exit 5
grep -q "^ *[0-9]*: 4D0200C0:1EDE 00000000:0000 0A .* $socket " /proc/net/tcp || exit 6
echo "$1""#;

#[test]
fn a_program_is_started_with_its_port_before_the_address_is_here() {
    // 192.0.2.0/24 is set aside for documents: no machine holds it.
    let listen = |words: &[&str]| {
        let mut tsugi = Command::new(env!("CARGO_BIN_EXE_tsugi"));
        tsugi.args(["--lang", "en", "listen", "192.0.2.77:7902"]).args(words).output().unwrap()
    };
    let done = listen(&["sh", "-c", LOOKS, "sh", "--its own words"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!((done.status.code(), said.as_str()), (Some(0), "--its own words\n"));
    let none = listen(&["/nonexistent/program"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG10280-E") && said.contains("/nonexistent/program"), "{said}");
}

#[test]
fn the_first_command_of_the_readme_finds_one_program() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = |folder: &str| {
        std::fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("a manifest")
    };
    let workspace = manifest(".");
    let members = workspace.lines().find(|line| line.starts_with("default-members"));
    let members = members.expect("a list").split('"').skip(1).step_by(2);
    let names = |folder: &&str| manifest(folder).lines().any(|l| l.starts_with("default-run"));
    let named: Vec<&str> = members.filter(names).collect();
    assert_eq!(named, ["faces/tsugi"], "`cargo run` takes the one that is named, and no other");
}
