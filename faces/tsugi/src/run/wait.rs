//! `--wait`: stays until a change has led to what it is to lead to, or cannot any more.

use std::time::{Duration, Instant};

use serde::Serialize;
use tsugi_messages::{self as messages, Phrase, phrase};
use tsugi_vocabulary::Span;
use tsugi_wire::control::report::{Done, Goal, Group, Status, Wants};
use tsugi_wire::control::{Reply, Request};

use super::{change, read};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema};

/// How often the status is asked for.
const LOOK: Duration = Duration::from_millis(50);

/// A change that was carried out, and its words.
pub(super) struct Waited<'a> {
    pub done: Done,
    pub words: &'a str,
}

/// How far a group has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Came {
    /// It stands as it is to stand.
    Reached,
    /// It is on its way.
    UnderWay,
    /// It stands otherwise, and nothing will change that by itself.
    Failed,
    /// It waits for a person.
    NeedsPerson,
}

/// Waits at most `limit`, and says for each group what came of it.
pub(super) fn until_done(agents: &Agents, out: &Out, waited: &Waited<'_>, limit: Span) -> Exit {
    let end = Instant::now() + limit.to_std();
    if out.form == Form::Text {
        change::show_done(out, &waited.done, &Observed::here());
    }
    let (status, observed) = loop {
        // An agent that does not answer for a moment is asked again while there is time.
        let found = agents.ask(&Request::Status).ok().and_then(|answer| {
            let observed = read::observed(&answer);
            match answer.reply {
                Reply::Status(status) => Some((status, observed)),
                _ => None,
            }
        });
        let over = Instant::now() >= end;
        match found {
            Some((status, observed)) if over || is_settled(&waited.done, &status) => {
                break (Some(status), observed);
            }
            None if over => break (None, Observed::here()),
            Some(_) | None => std::thread::sleep(LOOK),
        }
    };
    let came: Vec<(&Goal, Came)> = goals(&waited.done, status.as_ref()).collect();
    match out.form {
        Form::Json => show_json(out, &waited.done, &came, &observed),
        Form::Text => out.lines(came.iter().filter_map(|(goal, came)| {
            let group =
                status.as_ref().and_then(|s| s.groups.iter().find(|g| g.name == goal.group));
            (*came == Came::Reached).then(|| reached(goal, group).text(out.language))
        })),
    }
    ending(out, waited, &came, limit)
}

fn is_settled(done: &Done, status: &Status) -> bool {
    goals(done, Some(status)).all(|(_, came)| came != Came::UnderWay)
}

fn goals<'a>(done: &'a Done, status: Option<&'a Status>) -> impl Iterator<Item = (&'a Goal, Came)> {
    done.goals
        .iter()
        .map(move |goal| (goal, status.map_or(Came::UnderWay, |s| came(goal, done, s))))
}

/// How far one group has come by a status; one from before the change says nothing.
fn came(goal: &Goal, done: &Done, status: &Status) -> Came {
    if done.generation.is_some_and(|generation| status.generation < generation) {
        return Came::UnderWay;
    }
    let group = status.groups.iter().find(|g| g.name == goal.group);
    let Some(group) = group else {
        return if goal.wants == Wants::Stopped { Came::Reached } else { Came::Failed };
    };
    let needs = status.needs.iter().any(|need| need.about == goal.group);
    match &goal.wants {
        Wants::Watched if group.paused => Came::UnderWay,
        Wants::Watched => Came::Reached,
        Wants::Running { node } => running(group, node.as_deref(), needs),
        Wants::Away { node } if group.owner.as_ref() == Some(node) => match group.state.as_str() {
            "running" => Came::Failed,
            _ => Came::UnderWay,
        },
        Wants::Away { .. } => match group.state.as_str() {
            "starting" | "moving" | "stopping" | "failed" => Came::UnderWay,
            "down" | "waiting" => Came::Failed,
            _ => Came::Reached,
        },
        Wants::Stopped => match group.state.as_str() {
            "stopped" | "given-up" => Came::Reached,
            "running" | "starting" => Came::Failed,
            "waiting" if needs => Came::NeedsPerson,
            _ => Came::UnderWay,
        },
    }
}

fn running(group: &Group, node: Option<&str>, needs: bool) -> Came {
    let there = node.is_none_or(|node| group.owner.as_deref() == Some(node));
    match group.state.as_str() {
        "running" if there => Came::Reached,
        "running" | "given-up" | "stopped" | "down" => Came::Failed,
        "waiting" if needs => Came::NeedsPerson,
        _ => Came::UnderWay,
    }
}

fn reached(goal: &Goal, group: Option<&Group>) -> Phrase {
    let name = &goal.group;
    let owner = group.and_then(|g| g.owner.clone());
    match (&goal.wants, owner) {
        (Wants::Watched, _) => phrase::waited_watched(name),
        (Wants::Running { .. } | Wants::Away { .. }, Some(node)) => {
            phrase::waited_running(name, node)
        }
        (Wants::Running { .. } | Wants::Away { .. } | Wants::Stopped, _) => {
            phrase::waited_stopped(name)
        }
    }
}

/// A change with what came of it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    done: &'a Done,
    came: Vec<ShownGoal<'a>>,
}

#[derive(Serialize)]
struct ShownGoal<'a> {
    group: &'a str,
    came: Came,
}

fn show_json(out: &Out, done: &Done, came: &[(&Goal, Came)], observed: &Observed) {
    let mut shown = Shown { done, came: Vec::new() };
    for (goal, came) in came {
        shown.came.push(ShownGoal { group: &goal.group, came: *came });
    }
    out.json(Schema::first("tsugi.done"), observed, &shown);
}

/// Says what did not come, and ends as that ends.
fn ending(out: &Out, waited: &Waited<'_>, came: &[(&Goal, Came)], limit: Span) -> Exit {
    let of = |wanted: Came| -> Vec<&str> {
        let is = came.iter().filter(|(_, came)| *came == wanted);
        is.map(|(goal, _)| goal.group.as_str()).collect()
    };
    let (words, id) = (waited.words, &waited.done.command);
    let failed = of(Came::Failed);
    if !failed.is_empty() {
        out.tell(&messages::waited_in_vain(failed.len(), came.len(), failed.join(", ")));
        let all = failed.len() == came.len();
        return if all { Exit::Failed } else { Exit::PartFailed };
    }
    let person = of(Came::NeedsPerson);
    if !person.is_empty() {
        out.tell(&messages::waits_for_a_person(words, person.join(", "), id));
        return Exit::WaitsForApproval;
    }
    if came.iter().any(|(_, came)| *came == Came::UnderWay) {
        out.tell(&messages::command_still_running(words, limit.as_millis() / 1000, id));
        return Exit::StillRunning;
    }
    change::waits(out, &waited.done)
}
