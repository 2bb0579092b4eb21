//! What should be mended before anything fails, and which settings are proven.

use tsugi_cluster_rules::doctor::{
    Finding, LimitOf, Proof, SelfFence, Setting, Vitals, findings, settings,
};
use tsugi_cluster_rules::mirror::Mirror;
use tsugi_cluster_rules::record::{EventRecord, Versioned};
use tsugi_messages::{self as messages, Message, phrase};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::{Utc, Words, report};

use super::status::need;
use super::words::phrased;
use crate::advice::Shorter;
use crate::fence;
use crate::mirror::Mirrored;
use crate::standing::Standing;

/// What is found from a picture and what happened, as far as it is kept.
#[must_use]
pub fn doctor(standing: &Standing, events: &[Versioned<EventRecord>]) -> report::Doctor {
    let overran = standing.slow_stops.iter();
    let vitals = Vitals {
        at: standing.at,
        me: &standing.me,
        record: &standing.record,
        events: events.iter().map(|event| &*event.value).collect(),
        fence_tests: standing.fence_tests.clone(),
        fence_faults: standing.fence_faults.clone(),
        self_fence: match standing.can_fence_itself() {
            true => SelfFence::Able,
            false => SelfFence::Unable,
        },
        certificate_until: standing.certificate_until,
        overran: overran.map(|(group, stop)| (group.clone(), (stop.took, stop.budget))).collect(),
        clock_ppm: standing.clock_ppm,
    };
    let found = findings(&vitals).into_iter().map(|finding| {
        let (message, about) = told(&finding, &standing.me);
        need(&message, about, shown_at_least(standing, &finding))
    });
    // Somebody wants it so; who looks for what is weak has to hear of it first.
    let stretched = super::stretch::told(&standing.record).map(|what| {
        let about = standing.record.spec().map_or_else(String::new, |spec| spec.name.clone());
        need(&what, about, None)
    });
    report::Doctor {
        findings: stretched.into_iter().chain(found).collect(),
        settings: settings(&vitals).into_iter().map(shown).collect(),
    }
}

/// The volumes of a group that this node has, which the next one has to wait for after a loss of
/// power: the group, and where each is mounted.
#[must_use]
pub fn slow_to_mount(standing: &Standing, volumes: Vec<(GroupName, String)>) -> Vec<report::Need> {
    let one = |(group, mount): (GroupName, String)| {
        need(&messages::volume_waits_to_mount(&group, &standing.me, mount), group.to_string(), None)
    };
    volumes.into_iter().map(one).collect()
}

/// The limits that are shorter than what the agents of their resources advise.
#[must_use]
pub fn limits_below_advice(shorter: Vec<Shorter>) -> Vec<report::Need> {
    let one = |Shorter { group, resource, setting, limit, advised }: Shorter| {
        let (limit, advised) = (limit.as_millis(), advised.as_millis());
        let told = messages::doctor_below_advice(resource, &group, setting, limit, advised);
        need(&told, group.to_string(), None)
    };
    shorter.into_iter().map(one).collect()
}

/// The mirrors of which one side is all that there is, or is behind.
pub fn mirrors_not_whole(standing: &Standing, mirrored: Vec<Mirrored>) -> Vec<report::Need> {
    let one = |Mirrored { group, name, mirror }: Mirrored| {
        let stands = match &mirror {
            Some(mirror) if mirror.is_whole() => return None,
            Some(m) => {
                let Mirror { connection, role, peer_role, disk, peer_disk, out_of_sync, io: _ } = m;
                let kib = out_of_sync / 1024;
                format!("{name}: {connection} {role}/{peer_role} {disk}/{peer_disk} oos:{kib}K")
            }
            None => format!("{name}: Unconfigured"),
        };
        let told = messages::mirror_not_whole(&group, &standing.me, stands);
        Some(need(&told, group.to_string(), None))
    };
    mirrored.into_iter().filter_map(one).collect()
}

/// What a drill has shown without moving a group to where a drill of that is due.
pub(super) fn shown_at_least(standing: &Standing, finding: &Finding) -> Option<Words> {
    let Finding::DrillDue { group, node, .. } = finding else { return None };
    let shown = standing.record.group(group)?.drills.rehearsed_on(node)?;
    Some(phrased(&phrase::doctor_shown(shown.depth.word(), Utc(shown.at))))
}

pub(super) fn told(finding: &Finding, me: &NodeName) -> (Message, String) {
    match finding {
        Finding::BudgetTooShort { group, took, budget } => {
            let (took, budget) = (took.as_millis(), budget.as_millis());
            (messages::doctor_budget_too_short(group, me, took, budget), group.to_string())
        }
        Finding::LimitTooShort { group, resource, limit_of, took, limit } => {
            let (took, limit) = (took.as_millis(), limit.as_millis());
            let message = match limit_of {
                LimitOf::Start => messages::doctor_start_limit(resource, group, took, limit),
                LimitOf::Stop => messages::doctor_stop_limit(resource, group, took, limit),
            };
            (message, group.to_string())
        }
        Finding::NoDevice { group, node } => {
            (messages::doctor_no_device(group, node), group.to_string())
        }
        Finding::FenceFails { node, fault } => {
            (fence::message(fault, (node, me)), node.to_string())
        }
        Finding::FenceUntested { node } => {
            (messages::doctor_fence_untested(node, me), node.to_string())
        }
        Finding::FenceTestOld { node, at } => {
            (messages::doctor_fence_test_old(node, me, Utc(*at)), node.to_string())
        }
        Finding::ClockRate { ppm, most } => {
            (messages::doctor_clock_rate(me, ppm.to_string(), most), me.to_string())
        }
        Finding::CertificateEnds { days, until } => {
            (messages::doctor_certificate_ends(me, days, Utc(*until)), me.to_string())
        }
        Finding::CertificateEnded { until } => {
            (messages::certificate_ended(me, Utc(*until)), me.to_string())
        }
        Finding::NoSelfFence => (messages::doctor_no_self_fence(me), me.to_string()),
        Finding::NeverRan { group, node } => {
            (messages::doctor_never_ran(group, node), group.to_string())
        }
        Finding::DrillDue { group, node, at: None } => {
            (messages::doctor_never_drilled(group, node), group.to_string())
        }
        Finding::DrillDue { group, node, at: Some(at) } => {
            (messages::doctor_drilled_long_ago(group, node, Utc(*at)), group.to_string())
        }
        Finding::RanLongAgo { group, node, at } => {
            (messages::doctor_ran_long_ago(group, node, Utc(*at)), group.to_string())
        }
    }
}

fn shown(setting: Setting) -> report::Setting {
    let (proven, because) = match setting.proof {
        Proof::Seen(at) => (true, phrase::proof_seen(Utc(at))),
        Proof::ByRules => (true, phrase::proof_by_rules()),
        Proof::Accepted => (false, phrase::proof_accepted()),
        Proof::Unseen => (false, phrase::proof_unseen()),
    };
    report::Setting {
        about: setting.about,
        setting: setting.words,
        proven,
        because: phrased(&because),
    }
}

#[cfg(test)]
mod tests;
