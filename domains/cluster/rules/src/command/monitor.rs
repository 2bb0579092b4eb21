//! Commands about single monitors: suspend one, take it up again.

use tsugi_vocabulary::{GroupName, Wall};

use super::effect::Effect;
use crate::monitors::{MonitorId, Suspension};
use crate::refusal::Refusal;
use crate::spec::GroupSpec;

/// Does not have it asked until then; the group is looked after by its other monitors.
pub(super) fn suspend(
    effect: &mut Effect<'_>,
    (name, id): (&GroupName, &MonitorId),
    until: Option<Wall>,
) {
    let at = effect.issued.at;
    let lasts = |s: &Suspension| match (s.until, until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(has), Some(wants)) => has >= wants,
    };
    let groups = effect.groups(name);
    let stands =
        |g: &crate::record::GroupRecord| g.suspended_at(at).any(|s| s.id == *id && lasts(s));
    if !groups.is_empty() && groups.iter().all(|(_, g)| stands(g)) {
        return effect.refuse(Refusal::AlreadySo { what: format!("{name}/{id}") });
    }
    for (group, entry) in groups {
        effect.needs_reason();
        if !know(effect, &group, id) {
            continue;
        }
        let order = effect.order();
        let mut next = entry;
        next.suspended.retain(|s| s.id != *id && !s.is_over(at));
        next.suspended.push(Suspension { id: id.clone(), order, until });
        effect.write_group(&group, next, None);
    }
}

/// Has it asked again.
pub(super) fn resume(effect: &mut Effect<'_>, name: &GroupName, id: &MonitorId) {
    let at = effect.issued.at;
    let groups = effect.groups(name);
    let stands = |g: &crate::record::GroupRecord| g.suspended_at(at).any(|s| s.id == *id);
    if !groups.is_empty() && !groups.iter().any(|(_, g)| stands(g)) {
        if groups.iter().all(|(group, _)| know(effect, group, id)) {
            effect.refuse(Refusal::AlreadySo { what: format!("{name}/{id}") });
        }
        return;
    }
    for (group, entry) in groups {
        let mut next = entry;
        next.suspended.retain(|s| s.id != *id && !s.is_over(at));
        effect.write_group(&group, next, None);
    }
}

fn know(effect: &mut Effect<'_>, group: &GroupName, id: &MonitorId) -> bool {
    let spec = effect.spec().and_then(|spec| spec.groups.get(group));
    let known: Vec<MonitorId> = spec.into_iter().flat_map(GroupSpec::monitors).collect();
    let is_one = known.contains(id);
    if !is_one {
        let known = known.iter().map(|known| format!("{group}/{known}")).collect();
        effect.refuse(Refusal::NoSuchMonitor { monitor: format!("{group}/{id}"), known });
    }
    is_one
}
