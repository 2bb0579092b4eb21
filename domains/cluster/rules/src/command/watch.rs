//! Commands about watched programs: load, kill, suspend the watch, take it up again.

use tsugi_vocabulary::{Epoch, GroupName, Span};

use super::effect::{Effect, going};
use crate::record::{GroupIntent, GroupRecord};
use crate::refusal::Refusal;
use crate::spec::GroupSpec;
use crate::watch::{Load, WatchId, Watched};

/// A run of a group: scripts know the one that started them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The group.
    pub group: GroupName,
    /// Its epoch; none is whichever it has now.
    pub epoch: Option<Epoch>,
}

/// Puts a program on the list of the group that this node runs; its end is watched from then on.
pub(super) fn load(effect: &mut Effect<'_>, (run, id): (&Run, &str), load: &Load) {
    let id = known_good(effect, id);
    if let Some((id, group)) = id.as_ref().and_then(|id| Some((id, found(effect, id)?.0))) {
        effect.refuse(Refusal::WatchIdTaken { id: id.clone(), group });
    }
    refuse_stale(effect, run);
    for (group, entry) in effect.groups(&run.group) {
        let me = effect.situation.by.clone();
        let Some(owner) = entry.owner().filter(|_| entry.intent == GroupIntent::Run) else {
            effect.refuse(Refusal::NotRunning { group });
            continue;
        };
        if *owner != me {
            effect.refuse(Refusal::NotOwner { group: group.clone(), node: me });
        }
        if let Some(pause) = &entry.pause {
            let by = pause.order.by.clone();
            effect.refuse(Refusal::Paused { group: group.clone(), by });
        }
        if going(&entry).is_some() {
            effect.refuse(Refusal::Moving { group: group.clone() });
        }
        let Some(id) = id.clone() else { continue };
        let spec = effect.spec().and_then(|spec| spec.groups.get(&group));
        let load = match named(load, (&group, spec)) {
            Ok(load) => load,
            Err(refused) => {
                effect.refuse(refused);
                continue;
            }
        };
        let taken =
            |name: &str| spec.is_some_and(|s| s.resources.iter().any(|r| r.name.as_str() == name));
        let mut next = entry;
        next.watched.put(next.epoch, id, load, taken);
        effect.write_group(&group, next, None);
    }
}

/// What is run: of a service, what the configuration of its group says of it.
fn named(load: &Load, (group, spec): (&GroupName, Option<&GroupSpec>)) -> Result<Load, Refusal> {
    let Some(name) = &load.service else { return Ok(load.clone()) };
    match spec.and_then(|spec| spec.service(name)) {
        Some((name, run)) => {
            Ok(Load { run: run.clone(), service: Some(name.clone()), ..load.clone() })
        }
        None => {
            let known = spec.into_iter().flat_map(|spec| spec.services.keys().cloned());
            let (group, known) = (group.clone(), known.collect());
            Err(Refusal::NoSuchService { group, service: name.clone(), known })
        }
    }
}

/// Ends the watch over a program, and then the program: the same entry takes it off the list, so
/// that its end is nobody's failure (CL-13).
pub(super) fn kill(effect: &mut Effect<'_>, (run, id): (Option<&Run>, &str), within: Span) {
    let kill = |watched: &mut Watched| watched.ending = Some(within);
    change(effect, (run, id), kill);
}

/// Suspends the watch over a program: of its end nothing follows (CL-15).
pub(super) fn hold(effect: &mut Effect<'_>, (run, id): (Option<&Run>, &str)) {
    effect.needs_reason();
    let held = found_by(effect, id).is_some_and(|(_, _, watched)| watched.held.is_some());
    if held {
        effect.refuse(Refusal::AlreadySo { what: id.to_owned() });
    }
    let order = effect.order();
    change(effect, (run, id), |watched| watched.held = Some(order));
}

/// Takes the watch up again; what has ended meanwhile is started again.
pub(super) fn watch(effect: &mut Effect<'_>, (run, id): (Option<&Run>, &str)) {
    let watched = found_by(effect, id).is_some_and(|(_, _, watched)| watched.held.is_none());
    if watched {
        effect.refuse(Refusal::AlreadySo { what: id.to_owned() });
    }
    change(effect, (run, id), |watched| watched.held = None);
}

/// Changes what the list says of an id, whichever group it is of: ids are unique in the cluster.
fn change(
    effect: &mut Effect<'_>,
    (run, id): (Option<&Run>, &str),
    how: impl FnOnce(&mut Watched),
) {
    let Some((id, group, _)) = found_by(effect, id) else {
        effect.refuse(Refusal::NoSuchWatch { id: id.to_owned() });
        return;
    };
    if let Some(run) = run.filter(|run| run.group == group) {
        refuse_stale(effect, run);
    }
    let Some(mut next) = effect.situation.record.group(&group).cloned() else { return };
    if let Some(watched) = next.watched.programs.get_mut(&id) {
        how(watched);
        effect.write_group(&group, next, None);
    }
}

fn known_good(effect: &mut Effect<'_>, id: &str) -> Option<WatchId> {
    match WatchId::new(id) {
        Ok(id) => Some(id),
        Err(why) => {
            effect.refuse(Refusal::NotAWatchId(why));
            None
        }
    }
}

/// The program that is watched under an id now, and its group.
fn found<'a>(effect: &Effect<'a>, id: &WatchId) -> Option<(GroupName, &'a Watched)> {
    let of = |entry: &'a GroupRecord| {
        let owned = entry.owner().is_some();
        entry.watched.get(entry.epoch, id).filter(|_| owned)
    };
    let mut groups = effect.situation.record.groups.iter();
    groups.find_map(|(group, entry)| Some((group.clone(), of(&entry.value)?)))
}

fn found_by<'a>(effect: &Effect<'a>, id: &str) -> Option<(WatchId, GroupName, &'a Watched)> {
    let id = WatchId::new(id).ok()?;
    let (group, watched) = found(effect, &id)?;
    Some((id, group, watched))
}

fn refuse_stale(effect: &mut Effect<'_>, run: &Run) {
    let newest = effect.situation.record.group(&run.group).map(|entry| entry.epoch);
    if let (Some(epoch), Some(newest)) = (run.epoch, newest)
        && epoch != newest
    {
        effect.refuse(Refusal::StaleEpoch { group: run.group.clone(), epoch, newest });
    }
}
