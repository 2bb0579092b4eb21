//! Commands that need no agent: the catalogue, completions, the manual, a ledger made anew.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use clap_complete::Shell;
use tsugi_cluster_engine::agent::{self, AnewHow, Author, Recovery, Restore, Survey, Tokens};
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::NodeName;
use tsugi_wire::control::Utc;
use tsugi_wire::version::Protocol;

use super::change;
use crate::args::{Changing, DATA_DIR, RecoverMajority};
use crate::daemon;
use crate::exit::Exit;
use crate::help;
use crate::out::{Observed, Out, Schema};
use crate::render;

const MESSAGES: Schema = Schema::first("tsugi.messages");

/// `message ID`, or all of them.
pub fn message(out: &Out, id: Option<&str>) -> Exit {
    let json = |e: &messages::Entry| {
        serde_json::json!({
            "id": e.id,
            "severity": e.severity.letter().to_string(),
            "text": e.text.of(out.language),
            "system": e.system.of(out.language),
            "operator": e.operator.of(out.language),
            "next": e.next,
            "formerly": e.formerly,
            "since": e.since,
        })
    };
    let Some(id) = id else {
        let content = serde_json::json!({
            "messages": messages::all().iter().map(json).collect::<Vec<_>>()
        });
        out.show(MESSAGES, &Observed::here(), &content, || render::messages(out, messages::all()));
        return Exit::Done;
    };
    let Some(entry) = messages::lookup(id) else {
        out.tell(&messages::message_unknown(id));
        return Exit::NotFound;
    };
    let content = serde_json::json!({"messages": [json(entry)]});
    out.show(MESSAGES, &Observed::here(), &content, || render::message(out, entry));
    Exit::Done
}

/// `message --journal`: the file by which `journalctl -x` explains each line.
pub fn explain_to_journal(out: &Out) -> Exit {
    let catalogue = tsugi_cluster_engine::logbook::catalogue(out.language);
    written(out, io::stdout().write_all(catalogue.as_bytes()))
}

/// `completions SHELL`.
pub fn completions(out: &Out, shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::tree(out.language), "tsugi", &mut script);
    written(out, io::stdout().write_all(&script))
}

/// `listen`: becomes a program that finds its port bound, also where its address is not yet.
pub fn listen(out: &Out, at: SocketAddr, run: &[OsString]) -> Exit {
    let error = tsugi_host::listen::become_program(at, run);
    let program = run.first().map(|name| name.to_string_lossy().into_owned());
    out.tell(&messages::listen_failed(at, program.unwrap_or_default(), error));
    Exit::Failed
}

/// `commands`: what `docs/commands.txt` holds.
pub fn commands(out: &Out) -> Exit {
    out.lines(help::listing(out.language).lines().map(str::to_owned));
    Exit::Done
}

/// `man`: the page of the whole on standard output, or every page into a folder.
pub fn man(out: &Out, directory: Option<&Path>) -> Exit {
    let tree = help::tree(out.language);
    let done = match directory {
        Some(directory) => std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(tree, directory)),
        None => clap_mangen::Man::new(tree).render(&mut io::stdout()),
    };
    written(out, done)
}

fn written(out: &Out, done: io::Result<()>) -> Exit {
    match done {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            out.tell(&messages::internal_failure("tsugi", error));
            Exit::Failed
        }
    }
}

/// `restore`.
pub fn restore(
    out: &Out,
    (file, data_dir): (&Path, Option<&Path>),
    changing: &Changing,
    speaks: Protocol,
) -> Exit {
    if changing.reason.is_none() && !changing.dry_run {
        out.tell(&messages::refused_reason_missing("tsugi restore"));
        return Exit::Refused;
    }
    let what = Restore {
        file: file.to_path_buf(),
        data_dir: data_dir.unwrap_or(Path::new(DATA_DIR)).to_path_buf(),
        author: author(changing.reason.as_deref()),
        how: if changing.dry_run { AnewHow::DryRun } else { AnewHow::ForReal },
        speaks,
    };
    daemon::made_anew(agent::restore(&what), out)
}

/// `node recover-majority`.
pub fn recover_majority(out: &Out, asked: &RecoverMajority, speaks: Protocol) -> Exit {
    let RecoverMajority { lost, data_dir, gentle } = asked;
    if gentle.reason.as_deref().unwrap_or_default().trim().is_empty() && !gentle.dry_run {
        out.tell(&messages::refused_reason_missing("tsugi node recover-majority"));
        return Exit::Refused;
    }
    let what = Recovery {
        data_dir: data_dir.as_deref().unwrap_or(Path::new(DATA_DIR)).to_path_buf(),
        lost: lost.iter().cloned().collect(),
        author: author(gentle.reason.as_deref()),
        how: if gentle.dry_run { AnewHow::DryRun } else { AnewHow::ForReal },
        speaks,
    };
    daemon::made_anew(agent::recover(&what, |survey| tell_survey(out, survey)), out)
}

fn author(reason: Option<&str>) -> Author {
    Author {
        reason: reason.unwrap_or_default().to_owned(),
        words: change::typed(),
        command: change::random_id(),
        origin: change::origin(),
    }
}

/// What this node keeps, to be compared with what the others that are left keep.
fn tell_survey(out: &Out, survey: &Survey) {
    let voters: Vec<&str> = survey.voters.iter().map(NodeName::as_str).collect();
    let (term, place) = (survey.term, survey.place.0);
    out.say(&phrase::recover_copy(
        &survey.node,
        survey.incarnation,
        term,
        place,
        voters.join(", "),
    ));
    match survey.heard {
        Some(at) => out.say(&phrase::recover_heard(render::second(Utc(at)))),
        None => out.say(&phrase::recover_heard_unknown()),
    }
    out.say(&phrase::recover_lost_after(place));
    for (group, owner, epoch) in &survey.groups {
        match owner {
            Some(owner) => out.say(&phrase::recover_group(group, owner, epoch)),
            None => out.say(&phrase::recover_group_free(group, epoch)),
        }
    }
    match survey.tokens {
        Tokens::Here => {}
        Tokens::Elsewhere => out.tell(&messages::tokens_are_elsewhere(&survey.node)),
    }
}
