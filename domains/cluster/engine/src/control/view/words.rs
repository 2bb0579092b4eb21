//! Causes and reasons as words of the catalogue.

use std::collections::BTreeMap;

use tsugi_cluster_rules::figures::{Compare, Compared};
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::reason::{Cause, How, Mishap, Rejected, Way};
use tsugi_messages::{Message, Phrase, Recorded, phrase};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::{Utc, Words};

/// What a cause led to: an operator's command is named by what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A start.
    Start,
    /// A move.
    Move,
    /// A stop.
    Stop,
    /// It is not known which.
    Any,
}

/// A phrase in no language.
#[must_use]
pub fn phrased(phrase: &Phrase) -> Words {
    plain(phrase.recorded())
}

/// A message in no language.
#[must_use]
pub fn told(message: &Message) -> Words {
    plain(message.recorded())
}

fn plain(recorded: Recorded) -> Words {
    Words { id: recorded.id, values: recorded.values }
}

/// Names of groups in one line.
#[must_use]
pub fn named(groups: &[GroupName]) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}

/// The first cause of a deed.
#[must_use]
pub fn cause(cause: &Cause, deed: Deed) -> Words {
    phrased(&match cause {
        Cause::ClusterStart => phrase::cause_cluster_start(),
        Cause::Operator { by, reason } => match deed {
            Deed::Start => phrase::cause_operator_start(by),
            Deed::Move => phrase::cause_operator_move(by, reason),
            Deed::Stop => phrase::cause_operator_stop(by, reason),
            Deed::Any => phrase::cause_operator(by, reason),
        },
        Cause::Drain { node } => phrase::cause_drain(node),
        Cause::Shutdown { node } => phrase::cause_shutdown(node),
        Cause::Failback { to } => phrase::cause_preferred_back(to),
        Cause::ProcessDied { node, resource, how } if how.mishap.is_lost_volume() => {
            phrase::cause_volume_lost(node, resource)
        }
        Cause::ProcessDied { node, resource, how } if how.mishap == Mishap::Signal => {
            phrase::cause_process_killed(node, resource, how)
        }
        Cause::ProcessDied { node, resource, how } => {
            phrase::cause_process_ended(node, resource, how)
        }
        Cause::MonitorFailed { node, resource, monitor, how } => {
            let resource = MonitorId::new(resource.clone(), monitor.clone());
            monitor_failed((node, &resource), how)
        }
        Cause::StartFailed { node, resource, how } => {
            phrase::cause_start_failed(node, resource, how)
        }
        Cause::WatchedEnded { node, id, how, .. } => phrase::cause_watched_ended(node, id, how),
        Cause::LinksDown { node, links } => match links.as_slice() {
            [link] => phrase::cause_link_down(node, link),
            links => phrase::cause_links_down(node, links.join(", ")),
        },
        Cause::NodeSilent { node, silence } => phrase::cause_node_silent(node, silence.as_millis()),
        Cause::OneWay { node, way } => match way {
            Way::ToIt => phrase::cause_one_way_deaf(node),
            Way::FromIt => phrase::cause_one_way_mute(node),
        },
        Cause::PowerLost { node } => phrase::cause_power_off(node),
        Cause::Frozen { node, pause } => phrase::cause_freeze(node, pause.as_millis()),
        Cause::WasCutOff { node } => phrase::cause_node_isolated(node),
        Cause::AgentLost { node } => phrase::cause_agent_ended(node),
        Cause::LeaseRanOut { node } => phrase::cause_lease_ran_out(node),
        Cause::Together { with } => phrase::cause_together(with),
        Cause::Configuration { version } => phrase::cause_configuration(version),
    })
}

/// The same of what is so now: a node that is heard again has told what its silence was, and the
/// record keeps only what was known when it was decided.
#[must_use]
pub fn cause_by_now(first: &Cause, deed: Deed, is_heard: impl Fn(&NodeName) -> bool) -> Words {
    match first {
        Cause::NodeSilent { node, silence } if is_heard(node) => {
            phrased(&phrase::cause_node_was_silent(node, silence.as_millis()))
        }
        other => cause(other, deed),
    }
}

/// Why `node` was not chosen.
#[must_use]
pub fn rejected(node: &NodeName, why: &Rejected) -> Words {
    phrased(&match why {
        Rejected::NotListed => phrase::rejected_not_listed(node),
        Rejected::Witness => phrase::rejected_witness(node),
        Rejected::Silent { .. } => phrase::rejected_not_up(node),
        Rejected::Isolated => phrase::rejected_isolated(node),
        Rejected::Drained => phrase::rejected_drained(node),
        Rejected::OtherConfiguration => phrase::rejected_config_differs(node),
        Rejected::FailedThere { ago } => {
            phrase::rejected_failed_there(node, ago.as_millis() / 1000)
        }
        Rejected::NoLink { .. } => phrase::rejected_no_link(node),
        Rejected::Apart { from } => phrase::rejected_apart(node, from),
        Rejected::Together { with } => phrase::rejected_together(node, with),
        Rejected::LessPreferred { compared: None, .. } => phrase::rejected_less_preferred(node),
        Rejected::LessPreferred { than, compared: Some(compared) } => {
            less_by_figure(node, than, compared)
        }
        Rejected::StaysPut { on, .. } => phrase::rejected_stays_put(node, on),
        Rejected::NotYet { until } => phrase::rejected_not_yet(node, Utc(*until)),
    })
}

/// By which figure `node` was passed over.
fn less_by_figure(node: &NodeName, than: &NodeName, compared: &Compared) -> Phrase {
    let best = figure(compared.by, compared.best);
    let Some(its) = compared.its.map(|its| figure(compared.by, its)) else {
        return phrase::rejected_no_figure(node, than, best);
    };
    match compared.by {
        Compare::Cpu => phrase::rejected_less_cpu(node, its, than, best),
        Compare::Memory => phrase::rejected_less_memory(node, its, than, best),
        Compare::Load => phrase::rejected_more_load(node, its, than, best),
        Compare::Script => phrase::rejected_lower_score(node, its, than, best),
    }
}

/// By which figure `node` was chosen, if any other was passed over for its figure.
#[must_use]
pub fn chosen_by_figure(
    node: &NodeName,
    rejected: &BTreeMap<NodeName, Rejected>,
) -> Option<Phrase> {
    let compared = rejected.values().find_map(|why| match why {
        Rejected::LessPreferred { than, compared } if than == node => compared.as_deref(),
        _ => None,
    })?;
    let best = figure(compared.by, compared.best);
    Some(match compared.by {
        Compare::Cpu => phrase::chosen_most_cpu(node, best),
        Compare::Memory => phrase::chosen_most_memory(node, best),
        Compare::Load => phrase::chosen_least_load(node, best),
        Compare::Script => phrase::chosen_best_score(node, best),
    })
}

/// A figure as people read it: shares in percent, the load as a number.
fn figure(by: Compare, value: i64) -> String {
    match by {
        Compare::Cpu | Compare::Memory => format!("{value} %"),
        Compare::Load => {
            let hundredths = value.unsigned_abs();
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        }
        Compare::Script => value.to_string(),
    }
}

/// How a monitor failed.
fn monitor_failed((node, resource): (&NodeName, &MonitorId), how: &How) -> Phrase {
    match how.mishap {
        Mishap::TooLate => phrase::cause_monitor_silent(node, resource, how),
        Mishap::TakenAsFailed { .. } => phrase::cause_ocf_cannot_run(node, resource, how),
        Mishap::Nonsense { .. } => phrase::cause_ocf_nonsense(node, resource, how),
        Mishap::Plain
        | Mishap::Signal
        | Mishap::Flooded
        | Mishap::StillThere
        | Mishap::Mirror { .. }
        | Mishap::Reservation { .. }
        | Mishap::AddressInUse { .. } => phrase::cause_monitor_failed(node, resource, how),
    }
}
