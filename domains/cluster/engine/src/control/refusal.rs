//! A refusal of the rules as the answer that a person reads.

use tsugi_cluster_rules::reason::Rejected;
use tsugi_cluster_rules::record::{NodeIntent, Record};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::start_kind::StartRefused;
use tsugi_cluster_rules::timing::TTL_CAP;
use tsugi_cluster_rules::watch::WatchIdRefused;
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{GroupName, NodeName, Span};
use tsugi_wire::control::report::{No, Refused};
use tsugi_wire::control::{Utc, Words};

use super::view::words::{rejected, told};
use crate::config::nearest;

/// A no that is told by one message.
pub(super) fn no(kind: No, what: &Message) -> Refused {
    Refused { kind, rule: 0, what: told(what), because: Vec::new(), next: what.next() }
}

/// A refusal of the rules, about a command of these words.
pub(super) fn refused(refusal: &Refusal, record: &Record, words: &str) -> Refused {
    let (kind, what, because) = say(refusal, record, words);
    let next = match refusal {
        Refusal::ReasonRequired => Some(format!("{words} --reason \"…\"")),
        _ => what.next(),
    };
    Refused { rule: refusal.number(), because, next, ..no(kind, &what) }
}

fn say(refusal: &Refusal, record: &Record, words: &str) -> (No, Message, Vec<Words>) {
    let plain = |what| (No::Refused, what, Vec::new());
    match refusal {
        Refusal::Repeated { command } => plain(messages::command_done_before(command)),
        Refusal::StaleView { decided_on, newest } => {
            plain(messages::refused_stale_view(words, decided_on.0, newest.0))
        }
        Refusal::NoSuchGroup { group } => (No::NotFound, no_group(record, group), Vec::new()),
        Refusal::NoSuchNode { node } => (No::NotFound, no_node(record, node), Vec::new()),
        Refusal::ReasonRequired => plain(messages::refused_reason_missing(words)),
        Refusal::Paused { group, by } => plain(paused(record, group, by)),
        Refusal::NotPaused { group } => plain(messages::refused_already_so(group)),
        Refusal::AlreadySo { what } => plain(messages::refused_already_so(what)),
        Refusal::CannotTake { group, node, why } => {
            let what = cannot_take(record, group, node, why);
            (No::Refused, what, vec![rejected(node, why)])
        }
        Refusal::NobodyCanTake { group, why } => {
            let because = why.iter().map(|(node, why)| rejected(node, why)).collect();
            (No::Refused, messages::refused_nobody_can_take(group), because)
        }
        Refusal::Start(why) => plain(start(why, words)),
        Refusal::Moving { group } => plain(messages::refused_moving(group)),
        Refusal::LastMajority { node } => plain(messages::refused_last_voter(node)),
        Refusal::StillOwns { node, groups } => plain(still_owns(node, groups)),
        Refusal::NoThirdVote => {
            plain(messages::refused_two_nodes_without_witness(super::CONFIG_FILE))
        }
        Refusal::NodeIsUp { node } => plain(messages::refused_node_is_up(node)),
        Refusal::NotRunning { group } => plain(messages::refused_not_running(group)),
        Refusal::OwnerLost { group, node } => plain(messages::refused_owner_lost(group, node)),
        Refusal::NotAWatchId(why) => plain(not_a_watch_id(why)),
        Refusal::WatchIdTaken { id, group } => plain(messages::refused_watch_id_taken(id, group)),
        Refusal::NoSuchWatch { id } => (No::NotFound, messages::refused_no_such_watch(id), vec![]),
        Refusal::NoSuchMonitor { monitor, known } => {
            let what = messages::refused_no_such_monitor(monitor, listed(known));
            (No::NotFound, what, Vec::new())
        }
        Refusal::NoSuchService { group, service, known } => {
            let (known, file) = (listed(known), super::CONFIG_FILE);
            let what = messages::refused_no_such_service(group, service, known, file);
            (No::NotFound, what, Vec::new())
        }
        Refusal::NotOwner { group, node } => plain(messages::refused_not_owner(group, node)),
        Refusal::EndDemanded { node } => plain(messages::refused_end_demanded(node)),
        Refusal::NoFenceDevice { node } => plain(messages::refused_no_fence_device(node)),
        Refusal::OnlyObserved { group } => plain(messages::refused_only_observed(group)),
        Refusal::Drilling { group, by } => plain(messages::refused_drilling(group, by)),
        Refusal::Busy { group, what } => plain(messages::refused_busy(group, what)),
        Refusal::NoCopy { group, resource } => plain(messages::refused_no_copy(group, resource)),
        Refusal::NotAlone { group, resource: of } => plain(messages::refused_not_alone(group, of)),
        Refusal::InProduction => plain(messages::refused_in_production()),
        Refusal::NoSuchProcess { group, resource } => no_process(group, resource),
        Refusal::NotDrilling { group } => plain(messages::refused_not_drilling(group)),
        Refusal::NoSuchRatio { ratio, most } => {
            plain(messages::refused_ratio(ratio, most, TTL_CAP.as_millis()))
        }
        Refusal::StretchTooLong { asked, most } => plain(stretch_too_long([asked, most])),
        Refusal::OlderNode { node } => plain(messages::refused_older_node(node)),
        Refusal::UnknownVersion { node } => plain(messages::refused_unknown_version(node)),
        Refusal::OlderCopy { group, newest: on } => plain(messages::refused_older_copy(group, on)),
        Refusal::CopiesParted { group } => plain(messages::refused_copies_parted(group)),
        Refusal::LedgerStays => plain(messages::refused_ledger_stays(super::CONFIG_FILE)),
        Refusal::StaleEpoch { group, epoch, newest } => {
            plain(messages::refused_stale_epoch(group, epoch, newest))
        }
    }
}

fn still_owns(node: &NodeName, groups: &[GroupName]) -> Message {
    let groups: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    messages::refused_node_has_groups(node, groups.join(", "))
}

fn no_process(group: &GroupName, resource: &str) -> (No, Message, Vec<Words>) {
    (No::NotFound, messages::refused_no_such_process(group, resource), Vec::new())
}

/// All that there are, in one line.
fn listed(known: &[String]) -> String {
    if known.is_empty() { "-".to_owned() } else { known.join(", ") }
}

fn start(why: &StartRefused, words: &str) -> Message {
    match why {
        StartRefused::NothingToInherit => messages::refused_nothing_to_inherit(words),
        StartRefused::OptionWithoutOperator => messages::refused_option_without_operator(words),
    }
}

fn stretch_too_long(spans: [&Span; 2]) -> Message {
    let [asked, most] = spans.map(|span| span.as_millis().div_ceil(1_000));
    messages::refused_stretch_too_long(asked, most)
}

fn not_a_watch_id(why: &WatchIdRefused) -> Message {
    match why {
        WatchIdRefused::Empty => messages::refused_watch_id_empty(),
        WatchIdRefused::TooLong { length } => messages::refused_watch_id_too_long(*length),
        WatchIdRefused::Character { found } => {
            messages::refused_watch_id_character(found.escape_debug())
        }
        WatchIdRefused::Reserved => messages::refused_watch_id_reserved(),
    }
}

/// There is no such group, and which was probably meant.
pub(super) fn no_group(record: &Record, group: &str) -> Message {
    let names: Vec<&str> =
        record.spec().map_or_else(Vec::new, |s| s.groups.keys().map(GroupName::as_str).collect());
    messages::refused_unknown_group(group, meant(group, &names))
}

/// There is no such node, and which was probably meant.
pub(super) fn no_node(record: &Record, node: &str) -> Message {
    let names: Vec<&str> =
        record.spec().map_or_else(Vec::new, |s| s.nodes.keys().map(NodeName::as_str).collect());
    messages::refused_unknown_node(node, meant(node, &names))
}

fn meant(given: &str, names: &[&str]) -> String {
    nearest(given, names.iter().copied()).map_or_else(|| names.join(", "), str::to_owned)
}

fn paused(record: &Record, group: &GroupName, by: &str) -> Message {
    let pause = record.group(group).and_then(|g| g.pause.as_ref());
    let reason = pause.map_or("", |p| p.order.reason.as_str());
    let until = pause.and_then(|p| p.until).map_or_else(|| "-".to_owned(), |w| Utc(w).to_string());
    messages::refused_group_paused(group, by, reason, until)
}

fn cannot_take(record: &Record, group: &GroupName, node: &NodeName, why: &Rejected) -> Message {
    match why {
        Rejected::NotListed => messages::refused_not_listed(group, node),
        Rejected::Silent { .. } => messages::refused_node_not_up(group, node),
        Rejected::Isolated => messages::refused_node_isolated(group, node),
        Rejected::Drained => {
            let by = match record.nodes.get(node).map(|n| &n.value.intent) {
                Some(NodeIntent::Drained(order)) => order.by.clone(),
                Some(NodeIntent::InService | NodeIntent::Leaving(_)) | None => "-".to_owned(),
            };
            messages::refused_node_drained(group, node, by)
        }
        Rejected::Apart { from } => messages::refused_apart(group, from, node),
        Rejected::Together { with } => messages::refused_together(group, with, node),
        Rejected::Witness
        | Rejected::OtherConfiguration
        | Rejected::FailedThere { .. }
        | Rejected::NoLink { .. }
        | Rejected::LessPreferred { .. }
        | Rejected::StaysPut { .. }
        | Rejected::NotYet { .. } => messages::refused_cannot_take(group, node),
    }
}
