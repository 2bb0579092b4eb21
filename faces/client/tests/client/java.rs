//! The caller in Java, one file and nothing but a JDK, under the same rules as the client here.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tsugi_client::{Left, Marks, Met, Next, Place, SoFar, Wants, next};

use crate::false_server::{Does, Group, Server};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/caller/Caller.java")
}

/// The caller compiled, which starts many times as quickly as from its source, and its state.
struct Java(TempDir);

impl Java {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut compiler = Command::new("javac");
        compiler.args(["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-proc:none", "-d"]);
        let made = run(compiler.arg(folder.path()), &[&source()]);
        assert!(made.status.success(), "{made:?}");
        Self(folder)
    }

    /// A caller of these servers, which goes on from where the one before has ended.
    fn caller(&self, servers: &[&Server], words: &[&str]) -> Command {
        let mut command = java();
        command.arg("-cp").arg(self.0.path()).arg("Caller");
        asks(&mut command, servers, &self.0.path().join("state"), words);
        command
    }

    fn run(&self, servers: &[&Server], words: &[&str]) -> Output {
        run(&mut self.caller(servers, words), &[])
    }
}

fn java() -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
    command
}

fn asks(command: &mut Command, servers: &[&Server], state: &Path, words: &[&str]) {
    let at: Vec<_> = servers.iter().map(|server| server.at()).collect();
    command.args(["--service", "counter", "--at", &at.join(",")]);
    command.arg("--state").arg(state).args(["--try-ms", "200"]).args(words);
}

fn run(command: &mut Command, files: &[&Path]) -> Output {
    command.args(files).output().expect("a JDK is installed (default-jdk-headless)")
}

/// The ids of the answers, in order.
fn ids(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let id = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!(line["id"], line["reply"]["id"], "the reply is that of its call");
        line["id"].as_str().expect("it has an id").to_owned()
    };
    text.lines().map(id).collect()
}

#[test]
fn the_table_in_java_is_the_table_in_rust() {
    let folder = tempfile::tempdir().unwrap();
    // From its source, as its first lines say.
    let mut command = java();
    asks(command.arg(source()), &[], folder.path(), &["--table", "all"]);
    let output = run(&mut command, &[]);
    let mut wanted = String::new();
    let all = [
        ("PLAIN", Marks::Plain),
        ("FINAL", Marks::Final),
        ("SAME_ID", Marks::Refusal(Wants::SameId)),
        ("ELSEWHERE", Marks::Refusal(Wants::Elsewhere)),
        ("NEVER", Marks::Refusal(Wants::Never)),
    ];
    for status in 100..=999 {
        for (word, marks) in all {
            for (may, so_far) in [(false, SoFar::NotDone), (true, SoFar::MayBeDone)] {
                let (step, after) = next(Met::Answer { status, marks }, so_far);
                let step = match step {
                    Next::Replied => "REPLIED",
                    Next::Ended => "ENDED",
                    Next::Refused => "REFUSED",
                    Next::NotKnown(Left::Nothing) => "GONE",
                    Next::NotKnown(Left::AskLater) => "STOP",
                    Next::Again(Place::Same | Place::Anew) => "SAME",
                    Next::Again(Place::Next) => "NEXT",
                };
                let after = after == SoFar::MayBeDone;
                writeln!(wanted, "{status} {word} {may} {step} {after}").unwrap();
            }
        }
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{output:?}");
}

#[test]
fn mf_10_a_caller_in_java_has_each_of_its_calls_carried_out_once() {
    let java = Java::new();
    let group = Group::default();
    let one = group.server([
        Does::Answers,
        Does::LosesTheAnswer,
        Does::CutsTheAnswer,
        Does::IsSilentAfterwards,
        Does::SaysPending,
        Does::AnswersAndHangsUp,
        Does::Says(503),
        Does::Says(200),
        Does::Feigns(500),
        Does::Refuses(503, "elsewhere"),
    ]);
    let other = group.server([
        Does::MeetsItTwice,
        Does::ResetsBefore,
        Does::Babbles,
        Does::Says(500),
        Does::Feigns(200),
        Does::IsSilent,
        Does::Refuses(429, "same-id"),
        Does::LosesTheAnswer,
    ]);
    let output = java.run(&[&one, &other], &["--calls", "40"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(ids(&output).len(), 40);
    assert_eq!(group.once_each(), 40);
    one.then([Does::ItsProgramRefuses]);
    other.then([Does::ItsProgramRefuses]);
    let patient = ["--calls", "1", "--try-ms", "10000"];
    let refused = java.run(&[&one, &other], &patient);
    let line = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(line.contains("\"ending\":\"refused\",\"reply\":{\"refused\":"), "{refused:?}");
    one.then([Does::EndsAbnormally]);
    other.then([Does::EndsAbnormally]);
    let ended = java.run(&[&one, &other], &patient);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(group.once_each(), 42);
}

#[test]
fn a_caller_in_java_that_was_killed_goes_on_with_the_call_that_was_under_way() {
    let java = Java::new();
    let group = Group::default();
    // The answer of the fifth call never comes while the first process lives.
    let script = [vec![Does::Answers; 4], vec![Does::IsSilentAfterwards; 200]].concat();
    let first = group.server(script);
    let mut command = java.caller(&[&first], &["--calls", "100", "--deadline-ms", "600000"]);
    let mut running =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a JDK is installed");
    while group.kept().runs.len() < 5 {
        thread::sleep(Duration::from_millis(5));
    }
    running.kill().expect("it runs");
    running.wait().expect("it was killed");
    first.dies();
    let second = group.server([]);
    let output = java.run(&[&second], &["--calls", "3"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let serials: Vec<_> = ids(&output)
        .iter()
        .map(|id| id.rsplit('.').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(serials, ["5", "6", "7"]);
    assert_eq!(group.once_each(), 7);
    // At a deadline it says so, and asks the same again the next time.
    second.then(vec![Does::LosesTheAnswer; 300]);
    let lost = java.run(&[&second], &["--calls", "1", "--deadline-ms", "300"]);
    assert_eq!(lost.status.code(), Some(5), "{lost:?}");
    drop(second);
    let third = group.server([]);
    let found = java.run(&[&third], &["--calls", "1"]);
    assert!(ids(&found)[0].ends_with(".8"), "{found:?}");
    assert_eq!(group.once_each(), 8);
}

#[test]
fn a_caller_in_java_takes_no_refusal_for_the_end_of_a_call_of_an_earlier_run() {
    let java = Java::new();
    let group = Group::default();
    let first = group.server(vec![Does::LosesTheAnswer; 300]);
    let lost = java.run(&[&first], &["--calls", "1", "--deadline-ms", "300"]);
    assert_eq!(lost.status.code(), Some(5), "{lost:?}");
    drop(first);
    let server = group.server([]);
    // Which of them is all one: the table says it of each.
    server.then([Does::Refuses(404, "never")]);
    let refused = java.run(&[&server], &["--calls", "1"]);
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    let heard = group.kept().heard.len();
    let words = ["--calls", "1", "--body", "{\"by\":2}"];
    let other = java.run(&[&server], &words);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stderr).contains("another --client"), "{other:?}");
    assert_eq!(group.kept().heard.len(), heard, "nothing was sent");
    let found = java.run(&[&server], &["--calls", "1"]);
    assert!(ids(&found)[0].ends_with(".1"), "{found:?}");
    assert_eq!(group.once_each(), 1);
    // Nothing is under way now: the next may ask for anything, and may be refused.
    server.then([Does::Refuses(422, "never")]);
    let refused = java.run(&[&server], &words);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(ids(&java.run(&[&server], &words))[0].ends_with(".3"));
    assert_eq!(group.once_each(), 2);
}
