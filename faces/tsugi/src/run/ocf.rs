//! `ocf`: tries a resource agent out and says what does not keep the contract; puts our own, by
//! which a group lives inside another cluster manager, where that one looks for agents.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsugi_cluster_engine::config::duration;
use tsugi_cluster_engine::contract::{Call, Shown, Tried, show};
use tsugi_cluster_engine::errand::OCF_ROOT;
use tsugi_cluster_rules::ocf::contract::{End, Kept, Next};
use tsugi_cluster_rules::ocf::description::Flaw;
use tsugi_cluster_rules::ocf::{AgentName, is_parameter_name};
use tsugi_messages::{self as messages, Message, Phrase, phrase};

use crate::args::Ocf;
use crate::exit::Exit;
use crate::out::Out;

/// Our own agent: `ocf:tsugi:group`.
const GROUP: &str = include_str!("../../ocf/group");

/// `ocf …`
pub fn ocf(out: &Out, asked: &Ocf) -> Exit {
    match asked {
        Ocf::Install { directory } => install(out, directory),
        Ocf::Test { agent, parameter, within } => test(out, (agent, parameter, within.as_deref())),
    }
}

/// Puts our agent there; another one of that name is left alone.
fn install(out: &Out, directory: &Path) -> Exit {
    let place = directory.join("group");
    match put(directory, &place) {
        Ok(()) => {
            out.lines([place.display().to_string()]);
            Exit::Done
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            out.tell(&messages::ocf_place_taken(place.display()));
            Exit::Refused
        }
        Err(error) => {
            out.tell(&messages::ocf_not_installed(place.display(), error));
            Exit::Failed
        }
    }
}

/// In one step: nobody ever calls half of it.
fn put(directory: &Path, place: &Path) -> io::Result<()> {
    let ours = |text: &String| text.lines().nth(1) == GROUP.lines().nth(1);
    match std::fs::read_to_string(place) {
        Ok(text) if !ours(&text) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    std::fs::create_dir_all(directory)?;
    let new = directory.join(format!(".group.{}", std::process::id()));
    let put = std::fs::write(&new, GROUP)
        .and_then(|()| std::fs::set_permissions(&new, Permissions::from_mode(0o755)))
        .and_then(|()| std::fs::rename(&new, place));
    put.inspect_err(|_| drop(std::fs::remove_file(&new)))
}

/// Tries an agent out, tells what was seen, and ends with 0 if all of it was as it must be.
fn test(out: &Out, (agent, parameter, within): (&str, &[String], Option<&str>)) -> Exit {
    let tried = match tried(agent, parameter, within) {
        Ok(tried) => tried,
        Err((given, option)) => {
            let detail = phrase::usage_value(given, option).text(out.language);
            out.tell(&messages::usage_wrong(detail, "tsugi ocf test --help"));
            return Exit::Usage;
        }
    };
    let path = tried.path.display().to_string();
    match show(&tried) {
        Ok(shown) => told(out, &path, &shown),
        Err(error) => {
            out.tell(&messages::ocf_contract_not_called(path, error));
            Exit::Failed
        }
    }
}

/// What is asked for, or the option that cannot be understood with what was given for it.
fn tried<'a>(
    agent: &str,
    parameters: &'a [String],
    within: Option<&'a str>,
) -> Result<Tried, (&'a str, &'static str)> {
    let pair = |text: &'a String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| is_parameter_name(name))?;
        Some((name.to_owned(), value.to_owned()))
    };
    let each = parameters.iter().map(|text| pair(text).ok_or((text.as_str(), "--parameter")));
    let parameters: BTreeMap<String, String> = each.collect::<Result<_, _>>()?;
    let span = |text: &'a str| duration(text).ok_or((text, "--within"));
    let limit = within.map(span).transpose()?.map(|span| Duration::from_nanos(span.0));
    Ok(Tried { path: file(agent), parameters, limit })
}

/// The file of an agent that is given by its name or as a path.
fn file(agent: &str) -> PathBuf {
    match agent.parse::<AgentName>() {
        Ok(name) => Path::new(OCF_ROOT).join("resource.d").join(name.provider()).join(name.kind()),
        // Where this command stands; what it calls stands at the root.
        Err(_) => std::path::absolute(agent).unwrap_or_else(|_| PathBuf::from(agent)),
    }
}

fn told(out: &Out, path: &str, shown: &Shown) -> Exit {
    let text = |phrase: Phrase| phrase.text(out.language);
    for flaw in &shown.flaws {
        out.tell(&messages::ocf_contract_flaw(text(words_of(flaw, path))));
    }
    // That it runs is no fault of the agent.
    let calls = if shown.end == Next::RunsAlready { &[] } else { &shown.calls[..] };
    for call in calls {
        for message in of_call(call, text) {
            out.tell(&message);
        }
    }
    match (shown.end, shown.count()) {
        (Next::RunsAlready, _) => {
            out.tell(&messages::ocf_contract_runs_already(path));
            Exit::Refused
        }
        (Next::CannotBeTried, _) => {
            out.tell(&messages::ocf_contract_not_tried(path));
            Exit::Failed
        }
        (Next::Over | Next::Call(_), 0) => {
            let took: Duration = shown.calls.iter().map(|call| call.took).sum();
            let (calls, took) = (shown.calls.len(), took.as_millis());
            out.tell(&messages::ocf_contract_held(path, calls, took));
            Exit::Done
        }
        (Next::Over | Next::Call(_), count) => {
            out.tell(&messages::ocf_contract_broken(path, count));
            Exit::Failed
        }
    }
}

/// What was wrong with one call.
fn of_call(call: &Call, text: impl Fn(Phrase) -> String) -> Vec<Message> {
    let (number, word) = (call.part.number(), call.part.action().word());
    let mut out = Vec::new();
    if call.part.kept_by(call.end) == Kept::No {
        let expected: Vec<String> = call.part.expected().iter().map(i32::to_string).collect();
        let status = text(match call.end {
            End::Exit(code) if call.reason.is_empty() => phrase::ocf_end_exit(code),
            End::Exit(code) => phrase::ocf_end_exit_reason(code, &call.reason),
            End::Signal(signal) => phrase::ocf_end_signal(signal),
            End::TooLate => phrase::ocf_end_late(),
        });
        out.push(messages::ocf_contract_answer(number, word, expected.join(" | "), status));
    }
    if call.dropped > 0 {
        out.push(messages::ocf_contract_flood(number, word, call.dropped));
    }
    if call.left > 0 {
        out.push(messages::ocf_contract_left(number, call.left));
    }
    out
}

fn words_of(flaw: &Flaw, path: &str) -> Phrase {
    match flaw {
        Flaw::NoXml { line } => phrase::ocf_flaw_no_xml(line),
        Flaw::NotAnAgent => phrase::ocf_flaw_not_an_agent(),
        Flaw::OtherName(name) => {
            let file = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
            phrase::ocf_flaw_other_name(name, file)
        }
        Flaw::NoAction(action) => phrase::ocf_flaw_no_action(action),
    }
}
