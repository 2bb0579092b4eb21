//! What another part of tsugi or a group starts is understood by its own few words: a takeover may
//! wait for it, and what the whole command line is made of would stay resident in every daemon.
//! Anything that is not understood here takes the way of what is typed, with its help and its
//! complaints.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tsugi_cluster_engine::{fence, mirror, rehearsal, reservation, unit};
use tsugi_messages::Language;
use tsugi_wire::version::Build;

use crate::args::{Global, Run};
use crate::ask::Agents;
use crate::daemon;
use crate::out::{Form, Out};

/// Ends with this code, having printed this.
type Step = fn(&[OsString]) -> (i32, String);

/// What an agent has the hands start as a program of its own, by its first word: a fence agent, a
/// drill beside a running group, DRBD's role of a volume or its reservation, a call of systemd.
const STEPS: [(&str, Step); 5] = [
    (fence::step::WORD, fence::step::run),
    (rehearsal::step::WORD, rehearsal::step::run),
    (mirror::step::WORD, mirror::step::run),
    (reservation::WORD, reservation::run),
    (unit::WORD, unit::run),
];

#[derive(Debug, Parser)]
struct Node {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    node: OnlyRun,
}

#[derive(Debug, Subcommand)]
enum OnlyRun {
    Run(Run),
}

#[derive(Debug, Parser)]
struct Sample {
    #[command(subcommand)]
    sample: tsugi_counter::Sample,
}

/// How it ended, if these words call for something that stands alone.
pub fn run(words: &[OsString], build: Build) -> Option<ExitCode> {
    let (word, rest) = words.get(1..)?.split_first()?;
    if let Some((_, step)) = STEPS.iter().find(|(name, _)| word == name) {
        let (code, printed) = step(rest);
        println!("{printed}");
        return Some(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from));
    }
    let out = |asked| Out { language: crate::asked_language(words, asked), form: Form::Text };
    match word.to_str()? {
        "sample" => Some(tsugi_counter::run(&parsed::<Sample>(words)?.sample)),
        // The process of a user's program.
        "worker" => {
            let words = rest.iter().map(|word| word.to_string_lossy().into_owned());
            Some(tsugi_worker::run(words, &[tsugi_worker::COBOL, tsugi_worker::LIBRARY]))
        }
        "serve" => Some(tsugi_serve::read(rest).ok()?.play(out(None).language)),
        "guardian" if rest.is_empty() => Some(daemon::guardian().into()),
        "agent" if rest.first()? == "--" => {
            Some(daemon::agent(&rest[1..], &out(None), build).into())
        }
        "node" => {
            let Node { global, node: OnlyRun::Run(run) } = parsed(words)?;
            let complained = Language::here(global.lang.as_deref(), None).is_err();
            if complained || global.json {
                return None;
            }
            let agents = Agents::find(global.run_dir.as_deref());
            let out = out(agents.language().as_deref());
            Some(daemon::node_run(&run, agents.run_dir(), &out).into())
        }
        _ => None,
    }
}

/// The words without the first of them, which named what this is.
fn parsed<P: Parser>(words: &[OsString]) -> Option<P> {
    let without = words.iter().take(1).chain(words.iter().skip(2));
    P::try_parse_from(without).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_node_and_a_sample_are_understood_by_their_own_words() {
        let asked =
            words("tsugi node run --name n1 --run-dir /r --data-dir /d --config /c --trial");
        let Node { global, node: OnlyRun::Run(run) } = parsed(&asked).expect("understood");
        assert_eq!(global.run_dir.as_deref(), Some("/r".as_ref()));
        assert_eq!((run.name.as_deref(), run.trial), (Some("n1"), true));
        assert!(
            parsed::<Sample>(&words(
                "tsugi sample counter --listen 10.0.0.1:7 --volume /d --node n1"
            ))
            .is_some()
        );
    }

    #[test]
    fn what_is_asked_for_help_or_wrong_takes_the_way_of_what_is_typed() {
        let build = Build { version: "0", protocol: tsugi_wire::version::Protocol::CURRENT };
        for line in [
            "tsugi",
            "tsugi status",
            "tsugi guardian now",
            "tsugi agent",
            "tsugi node run --help",
            "tsugi node run --json",
            "tsugi node run --lang fr",
            "tsugi node list",
            "tsugi sample",
            "tsugi serve",
            "tsugi serve --help",
            "tsugi serve standby --volume /v",
            "tsugi serve activate --contol /s --volume /v --epoch e1.1",
        ] {
            assert!(run(&words(line), build).is_none(), "{line}");
        }
    }
}
