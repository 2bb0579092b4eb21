//! Watched programs at the control socket: requests as commands of the rules, and the list.

use tsugi_cluster_rules::command::{Command, Run};
use tsugi_cluster_rules::record::{GroupRecord, Order, Record};
use tsugi_cluster_rules::watch::table::{EndedBy, State};
use tsugi_cluster_rules::watch::{Again, AtEnd, Load, Recovery, WatchId, Watched};
use tsugi_vocabulary::{GroupName, Span};
use tsugi_wire::control::watched as wire;
use tsugi_wire::control::{Operation, Utc};

use super::change::{Tried, group};
use crate::standing::Standing;

/// The command of the rules, for what is about watched programs.
pub(super) fn command(what: &Operation, record: &Record) -> Tried<Option<Command>> {
    let one = |run: &wire::Run| -> Tried<Run> {
        Ok(Run { group: group(record, &run.group)?, epoch: run.epoch })
    };
    let maybe = |run: &Option<wire::Run>| run.as_ref().map(one).transpose();
    Ok(match what {
        Operation::Load { run, id, load } => {
            let (run, load) = (one(run)?, Box::new(to_rules(load)));
            Some(Command::ProcLoad { run, id: id.clone(), load })
        }
        Operation::Kill { run, id, within } => {
            Some(Command::ProcKill { run: maybe(run)?, id: id.clone(), within: *within })
        }
        Operation::Hold { run, id } => Some(Command::ProcHold { run: maybe(run)?, id: id.clone() }),
        Operation::Watch { run, id } => {
            Some(Command::ProcWatch { run: maybe(run)?, id: id.clone() })
        }
        _ => None,
    })
}

/// Every program on the list of a group that somebody owns, with how it stands here.
pub(super) fn programs(standing: &Standing) -> wire::Programs {
    let mut programs = Vec::new();
    for (group, entry) in &standing.record.groups {
        let (Some(owner), list) = (entry.value.owner(), &entry.value.watched) else { continue };
        if list.epoch != entry.value.epoch {
            continue;
        }
        let one = |(id, watched): (&WatchId, &Watched)| {
            let (state, detail) = stands(standing, (group, &entry.value), watched);
            wire::Program {
                id: id.to_string(),
                group: group.to_string(),
                node: owner.to_string(),
                slot: watched.slot.to_string(),
                load: from_rules(&watched.load),
                state,
                detail,
                held: watched.held.as_ref().map(held),
            }
        };
        programs.extend(list.programs.iter().map(one));
    }
    programs.sort_by(|a: &wire::Program, b| a.id.cmp(&b.id));
    wire::Programs { programs }
}

fn held(order: &Order) -> wire::Held {
    wire::Held { by: order.by.clone(), reason: order.reason.clone(), at: Utc(order.at) }
}

/// How it stands; only the owner knows.
fn stands(
    standing: &Standing,
    (group, entry): (&GroupName, &GroupRecord),
    watched: &Watched,
) -> (wire::State, Option<String>) {
    if entry.owner() != Some(&standing.me) {
        return (wire::State::Elsewhere, None);
    }
    let told = |how: &tsugi_cluster_rules::reason::How| Some(how.to_string());
    match standing.watches.get(&(group.clone(), watched.slot.clone())) {
        // It was never here, or it is gone with the agent that ended it.
        None if watched.ending.is_some() => (wire::State::Gone, None),
        None | Some(State::New | State::Missing | State::Starting { .. }) => {
            (wire::State::Starting, None)
        }
        Some(State::Up) => (wire::State::Up, None),
        Some(State::Resting { how, .. }) => (wire::State::Resting, told(how)),
        Some(State::Refused { how }) => (wire::State::Refused, told(how)),
        Some(State::Ended { how } | State::Suspended { how }) => (wire::State::Ended, told(how)),
        Some(State::Failed { how }) => (wire::State::Failed, told(how)),
        Some(State::Ending) => (wire::State::Ending, None),
        Some(State::Over { end: EndedBy::Itself }) => (wire::State::Gone, None),
        Some(State::Over { end: EndedBy::Force }) => (wire::State::Killed, None),
    }
}

fn to_rules(load: &wire::Load) -> Load {
    let at_end = match load.at_end.clone() {
        wire::AtEnd::Log => AtEnd::Log,
        wire::AtEnd::Fail => AtEnd::Recover { how: Recovery::AsConfigured },
        wire::AtEnd::TakeOver => AtEnd::Recover { how: Recovery::TakeOver },
        wire::AtEnd::Restart { times, within, wait, interval, again } => {
            let again = match again {
                wire::Again::Program => Again::Program,
                wire::Again::Scripts => Again::Scripts,
            };
            AtEnd::Restart { times, within, wait, interval, again }
        }
    };
    let wire::Load { run, service, dir, user, .. } = load.clone();
    Load { run, service, dir, user, at_end }
}

fn from_rules(load: &Load) -> wire::Load {
    let at_end = match load.at_end.clone() {
        AtEnd::Log => wire::AtEnd::Log,
        AtEnd::Recover { how: Recovery::AsConfigured } => wire::AtEnd::Fail,
        AtEnd::Recover { how: Recovery::TakeOver } => wire::AtEnd::TakeOver,
        // Nobody loads with it: it is what comes of a restart.
        AtEnd::Recover { how: Recovery::Scripts { times, within } } => wire::AtEnd::Restart {
            times,
            within,
            wait: Span::ZERO,
            interval: Span::ZERO,
            again: wire::Again::Scripts,
        },
        AtEnd::Restart { times, within, wait, interval, again } => {
            let again = match again {
                Again::Program => wire::Again::Program,
                Again::Scripts => wire::Again::Scripts,
            };
            wire::AtEnd::Restart { times, within, wait, interval, again }
        }
    };
    let Load { run, service, dir, user, .. } = load.clone();
    wire::Load { run, service, dir, user, at_end }
}

#[cfg(test)]
mod tests;
