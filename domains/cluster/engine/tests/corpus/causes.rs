//! Every cause of a change and every reason against a node.

use tsugi_cluster_rules::figures::{Compare, Compared};
use tsugi_cluster_rules::mirror::Obstacle;
use tsugi_cluster_rules::reason::{Cause, How, Mishap, Rejected, Way};
use tsugi_cluster_rules::reservation;
use tsugi_cluster_rules::watch::Recovery;
use tsugi_vocabulary::{Epoch, Span};

use crate::{every, group, keeps, node, resource};

/// One of each cause.
pub(crate) fn all() -> Vec<(&'static str, Cause)> {
    let (a, b) = (node("a"), node("b"));
    let how = || How::from("exit 3");
    let server = || resource("server");
    let watched = |recovery| {
        let (node, id) = (node("a"), "TUSINAP".to_owned());
        Cause::WatchedEnded { node, id, how: How::from("exit 3"), recovery }
    };
    let links = vec!["eth0".to_owned(), "eth1".to_owned()];
    let (by, reason) = ("mika".to_owned(), "new disk".to_owned());
    vec![
        ("cluster-start", Cause::ClusterStart),
        ("operator", Cause::Operator { by, reason }),
        ("drain", Cause::Drain { node: a.clone() }),
        ("shutdown", Cause::Shutdown { node: a.clone() }),
        ("failback", Cause::Failback { to: b }),
        ("process-died", Cause::ProcessDied { node: a.clone(), resource: server(), how: how() }),
        (
            "monitor-failed",
            Cause::MonitorFailed { node: a.clone(), resource: server(), monitor: None, how: how() },
        ),
        ("start-failed", Cause::StartFailed { node: a.clone(), resource: server(), how: how() }),
        ("links-down", Cause::LinksDown { node: a.clone(), links }),
        ("node-silent", Cause::NodeSilent { node: a.clone(), silence: Span::millis(560) }),
        ("one-way", Cause::OneWay { node: a.clone(), way: Way::ToIt }),
        ("one-way-from-it", Cause::OneWay { node: a.clone(), way: Way::FromIt }),
        ("power-lost", Cause::PowerLost { node: a.clone() }),
        ("frozen", Cause::Frozen { node: a.clone(), pause: Span::secs(3) }),
        ("was-cut-off", Cause::WasCutOff { node: a.clone() }),
        ("agent-lost", Cause::AgentLost { node: a.clone() }),
        ("lease-ran-out", Cause::LeaseRanOut { node: a }),
        ("together", Cause::Together { with: group("DB") }),
        ("configuration", Cause::Configuration { version: 7 }),
        ("watched-ended", watched(Recovery::TakeOver)),
        ("watched-ended-as-configured", watched(Recovery::AsConfigured)),
        (
            "monitor-failed-by-name",
            Cause::MonitorFailed {
                node: node("a"),
                resource: server(),
                monitor: Some(resource("port")),
                how: how(),
            },
        ),
        (
            "watched-ended-scripts",
            watched(Recovery::Scripts { times: 3, within: Some(Span::secs(7_200)) }),
        ),
    ]
}

fn less_free(its: Option<i64>) -> Rejected {
    let compared = Compared { by: Compare::Memory, its, best: 61 };
    Rejected::LessPreferred { than: node("a"), compared: Some(Box::new(compared)) }
}

/// One of each reason.
pub(crate) fn rejections() -> Vec<(&'static str, Rejected)> {
    let epoch = Epoch { incarnation: 1, counter: 4 };
    vec![
        ("not-listed", Rejected::NotListed),
        ("witness", Rejected::Witness),
        ("silent", Rejected::Silent { silence: Span::millis(600) }),
        ("isolated", Rejected::Isolated),
        ("drained", Rejected::Drained),
        ("other-configuration", Rejected::OtherConfiguration),
        ("failed-there", Rejected::FailedThere { ago: Span::secs(40) }),
        ("no-link", Rejected::NoLink { links: vec!["eth0".to_owned()] }),
        ("apart", Rejected::Apart { from: group("BATCH") }),
        ("together", Rejected::Together { with: group("DB") }),
        ("less-preferred", Rejected::LessPreferred { than: node("a"), compared: None }),
        ("less-free", less_free(Some(12))),
        ("no-figure", less_free(None)),
        ("stays-put", Rejected::StaysPut { on: node("a"), epoch }),
        ("not-yet", Rejected::NotYet { until: tsugi_vocabulary::Wall(1_795_316_400_000) }),
    ]
}

#[test]
fn every_cause_of_version_1_is_kept() {
    for (name, cause) in all() {
        keeps(&format!("cause-{name}"), &cause);
    }
    let causes: Vec<Cause> = all().into_iter().map(|(_, cause)| cause).collect();
    every!(
        causes,
        Cause::ClusterStart,
        Cause::Operator { .. },
        Cause::Drain { .. },
        Cause::Shutdown { .. },
        Cause::Failback { .. },
        Cause::ProcessDied { .. },
        Cause::MonitorFailed { .. },
        Cause::StartFailed { .. },
        Cause::WatchedEnded { recovery: Recovery::TakeOver, .. },
        Cause::WatchedEnded { recovery: Recovery::AsConfigured, .. },
        Cause::WatchedEnded { recovery: Recovery::Scripts { .. }, .. },
        Cause::LinksDown { .. },
        Cause::NodeSilent { .. },
        Cause::OneWay { .. },
        Cause::PowerLost { .. },
        Cause::Frozen { .. },
        Cause::WasCutOff { .. },
        Cause::AgentLost { .. },
        Cause::LeaseRanOut { .. },
        Cause::Together { .. },
        Cause::Configuration { .. },
    );
}

#[test]
fn scripts_are_told_a_cause_by_the_name_it_has_in_the_record() {
    for (_, cause) in all() {
        let written = serde_json::to_value(&cause).unwrap();
        assert_eq!(written["cause"], cause.word());
    }
}

#[test]
fn what_kind_of_thing_went_wrong_is_kept_beside_its_words() {
    let holder = "02:00:00:00:00:07".to_owned();
    let kinds = [
        ("signal", Mishap::Signal),
        ("too-late", Mishap::TooLate),
        ("flooded", Mishap::Flooded),
        ("address-in-use", Mishap::AddressInUse { holder }),
        ("still-there", Mishap::StillThere),
        ("taken-as-failed", Mishap::TakenAsFailed { code: 5 }),
        ("nonsense", Mishap::Nonsense { code: 77 }),
        ("mirror", Mishap::Mirror { obstacle: Obstacle::StandsAlone }),
        ("reservation", Mishap::Reservation { obstacle: reservation::Obstacle::Foreign }),
    ];
    for (name, mishap) in kinds {
        let how = How::of(mishap, "words for people");
        let cause = Cause::StartFailed { node: node("a"), resource: resource("server"), how };
        keeps(&format!("cause-start-failed-{name}"), &cause);
    }
    let obstacles = vec![
        Obstacle::NotUpToDate,
        Obstacle::StandsAlone,
        Obstacle::PeerUnknown,
        Obstacle::PeerIsPrimary,
        Obstacle::NotUp,
        Obstacle::Refused,
        Obstacle::HeldOpen,
        Obstacle::Older,
        Obstacle::NotFenced,
    ];
    keeps("mirror-obstacles", &obstacles);
    assert_eq!(Obstacle::from("of-a-later-version".to_owned()), Obstacle::Refused);
    let obstacles = vec![
        reservation::Obstacle::Foreign,
        reservation::Obstacle::Newer,
        reservation::Obstacle::Lost,
        reservation::Obstacle::Unable,
        reservation::Obstacle::NotWhole,
        reservation::Obstacle::InUse,
        reservation::Obstacle::Failed,
    ];
    keeps("reservation-obstacles", &obstacles);
    let of_later = reservation::Obstacle::from("of-a-later-version".to_owned());
    assert_eq!(of_later, reservation::Obstacle::Failed);
    let later = br#"{"how":"melted","mishap":{"is":"melted","at":1}}"#;
    let read: How =
        tsugi_cluster_engine::records::decode(&[&b"\x01"[..], &later[..]].concat()).unwrap();
    assert_eq!(read, How::from("melted"), "a kind that came later is known by its words");
}

#[test]
fn every_reason_against_a_node_of_version_1_is_kept() {
    for (name, rejected) in rejections() {
        keeps(&format!("rejected-{name}"), &rejected);
    }
    let reasons: Vec<Rejected> = rejections().into_iter().map(|(_, reason)| reason).collect();
    every!(
        reasons,
        Rejected::NotListed,
        Rejected::Witness,
        Rejected::Silent { .. },
        Rejected::Isolated,
        Rejected::Drained,
        Rejected::OtherConfiguration,
        Rejected::FailedThere { .. },
        Rejected::NoLink { .. },
        Rejected::Apart { .. },
        Rejected::Together { .. },
        Rejected::LessPreferred { .. },
        Rejected::StaysPut { .. },
        Rejected::NotYet { .. },
    );
}
