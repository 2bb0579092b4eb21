//! The daemons of a node, each started as a subcommand.
//!
//! `tsugi node run` becomes the hands, which start the guardian and the agent from the same file
//! on disk: a newer build is taken when the agent is replaced.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;
use tsugi_cluster_engine::agent::{self, AgentConfig, AgentFailure, AnewRefused};
use tsugi_cluster_engine::core::Ended;
use tsugi_host::fence::Fence;
use tsugi_host::hands::{self, HandsConfig, StartFailure};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::Span;
use tsugi_wire::version::Build;

use crate::args::Run;
use crate::exit::Exit;
use crate::out::Out;

/// The user that the agent runs as when the node is root.
const USER: &str = "tsugi";
/// How long a node may take to hand everything over when it is told to stop: each stop has a limit
/// of its own, a volume's is two minutes. Systemd waits longer (`TimeoutStopSec=`).
const STOP_LIMIT: Span = Span::secs(170);

/// What the hands tell the agent they start.
#[derive(Debug, Parser)]
struct AgentWords {
    #[arg(long)]
    run_dir: PathBuf,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    name: Option<String>,
}

/// `tsugi node run`.
pub fn node_run(run: &Run, run_dir: &Path, out: &Out) -> Exit {
    let machine = nix::unistd::geteuid().is_root() && !run.trial;
    let exe = match std::env::current_exe() {
        Ok(exe) => exe.display().to_string(),
        Err(error) => return failed(out, &error),
    };
    // What follows the dashes is the agent's own, not the command line's.
    let mut agent = vec![exe.clone(), "agent".to_owned(), "--".to_owned()];
    let mut add = |option: &str, value: &dyn std::fmt::Display| {
        agent.push(option.to_owned());
        agent.push(value.to_string());
    };
    add("--run-dir", &run_dir.display());
    add("--data-dir", &run.data_dir.display());
    add("--config", &run.config.display());
    if let Some(name) = &run.name {
        add("--name", name);
    }
    let config = HandsConfig {
        run_dir: run_dir.to_path_buf(),
        data_dir: run.data_dir.clone(),
        agent: Some(agent),
        guardian: vec![exe, "guardian".to_owned()],
        user: if machine { user_of_agent() } else { None },
        fence: if machine { Fence::Machine } else { Fence::Processes },
        watchdog: run.watchdog.clone(),
        stop_limit: STOP_LIMIT,
        final_codes: FINAL.iter().map(|e| *e as i32).collect(),
    };
    match hands::run(config) {
        Ok(0) => Exit::Done,
        Ok(_) => Exit::Failed,
        Err(StartFailure::Taken { dir }) => {
            out.tell(&messages::agent_directory_in_use(dir.display()));
            Exit::Refused
        }
        Err(failure @ StartFailure::System { .. }) => failed(out, &failure),
    }
}

/// The agent ended in a way that starting it again does not change.
const FINAL: [Exit; 4] = [Exit::Done, Exit::Usage, Exit::Refused, Exit::NotFound];

/// The ids of the agent's user; an ordinary user that every machine has if there is none.
fn user_of_agent() -> Option<(u32, u32)> {
    [USER, "nobody"].iter().find_map(|name| {
        let user = nix::unistd::User::from_name(name).ok().flatten()?;
        Some((user.uid.as_raw(), user.gid.as_raw()))
    })
}

/// `tsugi agent`, as the hands start it.
pub fn agent(words: &[OsString], out: &Out, build: Build) -> Exit {
    let program = OsString::from("tsugi agent");
    let words = std::iter::once(program).chain(words.iter().cloned());
    let words = match AgentWords::try_parse_from(words) {
        Ok(words) => words,
        Err(error) => return failed(out, &error),
    };
    let config = AgentConfig {
        run_dir: words.run_dir,
        pki_dir: words.data_dir.join("pki"),
        data_dir: words.data_dir,
        name: words.name,
        config_file: words.config,
        build,
    };
    match agent::run(config.clone()) {
        Ok(Ended::Left) => Exit::Done,
        // The hands start the next one.
        Ok(Ended::SteppedAside | Ended::NoHands | Ended::CannotWrite | Ended::Removed) => {
            Exit::StillRunning
        }
        Err(failure) => {
            let end = end_of(&failure);
            out.tell(&agent::complaint(&failure, &config));
            end
        }
    }
}

/// Whether another start may help.
fn end_of(failure: &AgentFailure) -> Exit {
    match failure {
        AgentFailure::NoName(_) => Exit::Usage,
        AgentFailure::SecondAgent(_) | AgentFailure::Removed { .. } => Exit::Refused,
        AgentFailure::Founding(_)
        | AgentFailure::Identity(_)
        | AgentFailure::Boot(_)
        | AgentFailure::File(_)
        | AgentFailure::Promise(_)
        | AgentFailure::Bind { .. }
        | AgentFailure::Hands(_)
        | AgentFailure::Ledger(_)
        | AgentFailure::Unreadable(_)
        | AgentFailure::System(_)
        | AgentFailure::CannotWrite => Exit::Failed,
    }
}

/// `tsugi guardian`, as the hands start it.
pub fn guardian() -> Exit {
    match tsugi_host::guardian::run() {
        0 => Exit::Done,
        _ => Exit::Failed,
    }
}

/// `tsugi hands`.
pub fn hands(_words: &[OsString], out: &Out) -> Exit {
    out.tell(&messages::usage_wrong("tsugi hands", "tsugi node run"));
    Exit::Usage
}

/// How a ledger was made anew on a node that does not run.
pub fn made_anew(done: Result<Message, AnewRefused>, out: &Out) -> Exit {
    let (said, exit) = match done {
        Ok(done) => (Box::new(done), Exit::Done),
        Err(AnewRefused::Because(why)) => (why, Exit::Refused),
        Err(AnewRefused::NoFile(why)) => (why, Exit::NotFound),
        Err(AnewRefused::Failed(why)) => (why, Exit::Failed),
    };
    out.tell(&said);
    exit
}

fn failed(out: &Out, error: &dyn std::fmt::Display) -> Exit {
    out.tell(&messages::internal_failure("tsugi node", error));
    Exit::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_waits_longer_for_a_node_than_the_node_for_its_groups() {
        let unit = include_str!("../../../packaging/systemd/tsugi.service");
        let guides = [
            include_str!("../../../docs/guide/en/src/first.md"),
            include_str!("../../../docs/guide/ja/src/first.md"),
        ];
        for text in [unit].into_iter().chain(guides) {
            let said = text.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
            let seconds = said.expect("it is said").trim_end_matches('s').parse().expect("seconds");
            assert!(Span::secs(seconds) > STOP_LIMIT, "{seconds} s");
        }
        assert!(STOP_LIMIT > tsugi_cluster_rules::volume::RELEASE_LIMIT);
    }
}
