//! The caller in Java, one file and nothing but a JDK, under the same rules as the client here.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tsugi_client::{Left, Marks, Met, Next, Place, SoFar, Wants, next};

use crate::false_server::{Does, Group, Server};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/caller/Caller.java")
}

/// The caller, launched from its source; it may be slow to start and is quick then.
fn caller(servers: &[&Server], state: &Path, words: &[&str]) -> Command {
    let at: Vec<_> = servers.iter().map(|server| server.at()).collect();
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-Xshare:auto"]).arg(source());
    command.args(["--service", "counter", "--at", &at.join(",")]);
    command.arg("--state").arg(state).args(["--try-ms", "200"]).args(words);
    command
}

fn run(mut command: Command) -> Output {
    command.output().expect("a JDK is installed (default-jdk-headless)")
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
    let mut command = caller(&[], folder.path(), &["--table", "all"]);
    let output = command.output().expect("a JDK is installed (default-jdk-headless)");
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
    let folder = tempfile::tempdir().unwrap();
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
    let output = run(caller(&[&one, &other], &folder.path().join("state"), &["--calls", "40"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(ids(&output).len(), 40);
    assert_eq!(group.once_each(), 40);
    one.then([Does::ItsProgramRefuses]);
    other.then([Does::ItsProgramRefuses]);
    let refused = run(caller(&[&one, &other], &folder.path().join("state"), &["--calls", "1"]));
    let line = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(line.contains("\"ending\":\"refused\",\"reply\":{\"refused\":"), "{refused:?}");
    one.then([Does::EndsAbnormally]);
    other.then([Does::EndsAbnormally]);
    let ended = run(caller(&[&one, &other], &folder.path().join("state"), &["--calls", "1"]));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(group.once_each(), 42);
}

#[test]
fn a_caller_in_java_that_was_killed_goes_on_with_the_call_that_was_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let group = Group::default();
    // The answer of the fifth call never comes while the first process lives.
    let script = [vec![Does::Answers; 4], vec![Does::IsSilentAfterwards; 200]].concat();
    let first = group.server(script);
    let mut command = caller(&[&first], &state, &["--calls", "100", "--deadline-ms", "600000"]);
    let mut running =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a JDK is installed");
    while group.kept().runs.len() < 5 {
        thread::sleep(Duration::from_millis(5));
    }
    running.kill().expect("it runs");
    running.wait().expect("it was killed");
    first.dies();
    let second = group.server([]);
    let output = run(caller(&[&second], &state, &["--calls", "3"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let serials: Vec<_> = ids(&output)
        .iter()
        .map(|id| id.rsplit('.').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(serials, ["5", "6", "7"]);
    assert_eq!(group.once_each(), 7);
    // At a deadline it says so, and asks the same again the next time.
    second.then(vec![Does::LosesTheAnswer; 300]);
    let lost = run(caller(&[&second], &state, &["--calls", "1", "--deadline-ms", "300"]));
    assert_eq!(lost.status.code(), Some(5), "{lost:?}");
    drop(second);
    let third = group.server([]);
    let found = run(caller(&[&third], &state, &["--calls", "1"]));
    assert!(ids(&found)[0].ends_with(".8"), "{found:?}");
    assert_eq!(group.once_each(), 8);
}

#[test]
fn a_caller_in_java_takes_no_refusal_for_the_end_of_a_call_of_an_earlier_run() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let group = Group::default();
    let first = group.server(vec![Does::LosesTheAnswer; 300]);
    let lost = run(caller(&[&first], &state, &["--calls", "1", "--deadline-ms", "300"]));
    assert_eq!(lost.status.code(), Some(5), "{lost:?}");
    drop(first);
    let server = group.server([]);
    for status in [401, 404, 422] {
        server.then([Does::Refuses(status, "never")]);
        let refused = run(caller(&[&server], &state, &["--calls", "1"]));
        assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    }
    let heard = group.kept().heard.len();
    let words = ["--calls", "1", "--body", "{\"by\":2}"];
    let other = run(caller(&[&server], &state, &words));
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stderr).contains("another --client"), "{other:?}");
    assert_eq!(group.kept().heard.len(), heard, "nothing was sent");
    let found = run(caller(&[&server], &state, &["--calls", "1"]));
    assert!(ids(&found)[0].ends_with(".1"), "{found:?}");
    assert_eq!(group.once_each(), 1);
    // Nothing is under way now: the next may ask for anything, and may be refused.
    server.then([Does::Refuses(422, "never")]);
    let refused = run(caller(&[&server], &state, &words));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(ids(&run(caller(&[&server], &state, &words)))[0].ends_with(".3"));
    assert_eq!(group.once_each(), 2);
}
