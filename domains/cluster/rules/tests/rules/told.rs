//! Plans and records in the words of the stories.

use tsugi_cluster_rules::figures::Compared;
use tsugi_cluster_rules::plan::{Chosen, Decision, Plan, Resting, Step, Waiting};
use tsugi_cluster_rules::reason::{Cause, Rejected};
use tsugi_cluster_rules::record::{GroupRecord, Ownership, Phase, Record};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_vocabulary::GroupName;

pub fn plan(plan: &Plan) -> Vec<String> {
    let mut lines = vec![format!("plan {} by {}", plan.generation, plan.by)];
    lines.extend(decisions(plan).into_iter().map(|l| format!("  {l}")));
    if !plan.steps.is_empty() {
        let steps: Vec<String> = plan.steps.iter().map(step).collect();
        lines.push(format!("  steps: {}", steps.join("; ")));
    }
    lines
}

pub fn decisions(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for (group, decision) in &plan.decisions {
        let because = decision.cause.as_ref().map(|c| format!(", because {}", cause(c)));
        let because = because.unwrap_or_default();
        lines.push(format!("{group} {}{because}", chosen(&decision.chosen)));
        if !decision.rejected.is_empty() {
            let not = decision.rejected.iter().map(|(n, r)| format!("{n} {}", rejected(r)));
            lines.push(format!("  not {}", not.collect::<Vec<_>>().join("; ")));
        }
    }
    lines
}

pub fn is_minority(decision: &Decision) -> bool {
    matches!(&decision.chosen, Chosen::Wait { on: Waiting::NoMajority { .. } })
}

fn step(step: &Step) -> String {
    match step {
        Step::Stop { group, node } => format!("stop {group} on {node}"),
        Step::Give { group, node, epoch } => format!("give {group} to {node} {epoch}"),
        Step::Start { group, node } => format!("start {group} on {node}"),
    }
}

fn chosen(chosen: &Chosen) -> String {
    match chosen {
        Chosen::Stay { node } => format!("stays on {node}"),
        Chosen::Give { node, epoch } => format!("goes to {node} {epoch}"),
        Chosen::HandOver { from, to } => format!("is handed over by {from} to {to}"),
        Chosen::Stop { from } => format!("is stopped by {from}"),
        Chosen::Rest { because } => format!("rests, {}", resting(*because)),
        Chosen::NoPlace => "finds no place".to_owned(),
        Chosen::Wait { on } => format!("waits, {}", waiting(on)),
    }
}

fn resting(because: Resting) -> &'static str {
    match because {
        Resting::Ordered => "ordered",
        Resting::Manual => "nobody has started it",
        Resting::GaveUp => "given up",
        Resting::Removed => "no longer configured",
        Resting::Paused => "paused",
    }
}

fn waiting(on: &Waiting) -> String {
    match on {
        Waiting::Pinned { node } => format!("pinned to {node}"),
        Waiting::Fence { node } => format!("no confirmed fence of {node}"),
        Waiting::Settling => "not every node was heard yet".to_owned(),
        Waiting::NoMajority { heard, needed } => format!("{heard} of the {needed} voters needed"),
        Waiting::Group { group } => format!("{group} is not up yet"),
        Waiting::Observed { to } => format!("only observed, else to {to}"),
        Waiting::Stuck { node } => format!("something is left on {node}"),
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::ClusterStart => "the cluster starts".to_owned(),
        Cause::Operator { by, reason } => format!("{by} says so ({reason})"),
        Cause::Drain { node } => format!("{node} is drained"),
        Cause::Shutdown { node } => format!("{node} shuts down"),
        Cause::Failback { to } => format!("{to} is better"),
        Cause::ProcessDied { node, resource, how } => format!("{resource} died on {node}: {how}"),
        Cause::MonitorFailed { node, resource, .. } => format!("{resource} is unwell on {node}"),
        Cause::StartFailed { node, resource, .. } => format!("{resource} did not start on {node}"),
        Cause::WatchedEnded { node, id, .. } => format!("{id} ended on {node}"),
        Cause::LinksDown { node, links } => format!("{node} has no {}", links.join(" nor ")),
        Cause::NodeSilent { node, .. } => format!("{node} is silent"),
        Cause::OneWay { node, .. } => format!("{node} hears no majority"),
        Cause::PowerLost { node } => format!("{node} lost power"),
        Cause::Frozen { node, .. } => format!("{node} stood still"),
        Cause::WasCutOff { node } => format!("{node} was cut off"),
        Cause::AgentLost { node } => format!("the agent of {node} ended"),
        Cause::LeaseRanOut { node } => format!("the lease of {node} ran out"),
        Cause::Together { with } => format!("{with} goes there"),
        Cause::Configuration { version } => format!("configuration {version} says so"),
    }
}

fn rejected(rejected: &Rejected) -> String {
    match rejected {
        Rejected::NotListed => "not listed".to_owned(),
        Rejected::Witness => "only votes".to_owned(),
        Rejected::Silent { .. } => "silent".to_owned(),
        Rejected::Isolated => "hears no majority".to_owned(),
        Rejected::Drained => "out of service".to_owned(),
        Rejected::OtherConfiguration => "other configuration".to_owned(),
        Rejected::FailedThere { ago } => format!("failed there {} s ago", ago.as_millis() / 1000),
        Rejected::NoLink { links } => format!("no {}", links.join(" nor ")),
        Rejected::Apart { from } => format!("apart from {from}"),
        Rejected::Together { with } => format!("together with {with}"),
        Rejected::LessPreferred { than, compared: None } => format!("{than} before it"),
        Rejected::LessPreferred { than, compared: Some(compared) } => {
            let Compared { by, its, best } = **compared;
            let its = its.map_or_else(|| "nothing told".to_owned(), |its| its.to_string());
            format!("{than} has more {by:?}, {best} against {its}").to_lowercase()
        }
        Rejected::StaysPut { on, .. } => format!("stays on {on}"),
        Rejected::NotYet { until } => format!("better, not before {}", until.0),
    }
}

pub fn refusal(refusal: &Refusal) -> String {
    let why = match refusal {
        Refusal::CannotTake { node, why, .. } => format!(": {node} {}", rejected(why)),
        Refusal::NobodyCanTake { why, .. } => {
            let all = why.iter().map(|(n, r)| format!("{n} {}", rejected(r)));
            format!(": {}", all.collect::<Vec<_>>().join("; "))
        }
        Refusal::StaleView { decided_on, newest } => format!(": {decided_on}, newest {newest}"),
        Refusal::StillOwns { groups, .. } => format!(": {groups:?}"),
        Refusal::Start(why) => format!(": {why:?}"),
        _ => String::new(),
    };
    format!("refused {} {}{why}", refusal.number(), refusal.word())
}

/// Where everything is, in one line.
pub fn now(record: &Record) -> String {
    let one =
        |(name, known): (&GroupName, &tsugi_cluster_rules::record::Versioned<GroupRecord>)| {
            let where_ = match &known.value.ownership {
                Ownership::Nobody => "down".to_owned(),
                Ownership::Owned { node, phase, .. } => {
                    let phase = match phase {
                        Phase::Starting => ", starting",
                        Phase::Running => "",
                        Phase::Failing => ", failing",
                    };
                    format!("on {node}{phase}")
                }
            };
            format!("{name} {where_}")
        };
    let all: Vec<String> = record.groups.iter().map(one).collect();
    format!("now: {}", all.join("; "))
}
