//! The bodies of a beat and of an answer.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;

use tsugi_cluster_engine::datagrams::body::{Body, Form, Known, Read};
use tsugi_cluster_rules::figures::Figures;
use tsugi_cluster_rules::lease::heartbeat::{Ack, Haste, Health, Hearing, Heartbeat, NoPromise};
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::plan::{DeskSight, RunsAs, Stand};
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::LinkState;
use tsugi_vocabulary::{BootId, Epoch, Generation, Index, Moment, Span};

use crate::{every, folder, group, keeps, node, resource};

const EPOCH: Epoch = Epoch { incarnation: 2, counter: 9 };

fn stands() -> Vec<(&'static str, Stand)> {
    vec![
        ("CLEAR", Stand::Clear),
        ("STARTING", Stand::Starting),
        ("RUNNING", Stand::Running),
        ("STOPPING", Stand::Stopping),
        ("FAILED", Stand::Failed(Cause::LeaseRanOut { node: node("a") })),
        ("STUCK", Stand::Stuck),
    ]
}

fn refusals() -> Vec<(&'static str, NoPromise)> {
    let rest = Span::millis(300);
    vec![
        ("JUST", NoPromise::JustStarted { rest }),
        ("PROMISED", NoPromise::Promised { to: node("b"), rest }),
        ("NOTOWNER", NoPromise::NotOwner { epoch: EPOCH }),
        ("PINNED", NoPromise::Pinned { node: node("c") }),
        ("RELEASED", NoPromise::Released),
        ("FENCED", NoPromise::Fenced),
        ("OTHER", NoPromise::OtherMembership),
    ]
}

fn health() -> Health {
    let sight = |(name, stand): (&str, Stand)| {
        (group(name), DeskSight { epoch: EPOCH, stand, runs_as: RunsAs::Applied, failing: None })
    };
    Health {
        hearing: Hearing::Minority,
        config: 0x0123_4567_89ab_cdef,
        machine: BootId(0xabc << 64),
        stood_still: Span::millis(7),
        deaf_lately: None,
        ratio: None,
        settings: 0,
        links: BTreeMap::from([("eth0".to_owned(), LinkState::Down)]),
        groups: stands().into_iter().map(sight).collect(),
        leader: Some((node("b"), 3)),
        figures: Figures::default(),
    }
}

fn beat() -> Heartbeat {
    Heartbeat {
        sender: node("a"),
        boot: BootId(0xb007 << 100),
        sequence: 4711,
        membership: Generation(2),
        applied: Index(99),
        sent: Moment(5_000_000),
        ttl: Span::millis(560),
        asked: vec![(group("PAY"), EPOCH)],
        released: vec![(group("OLD"), Epoch { incarnation: 1, counter: 1 })],
        health: health(),
    }
}

fn ack() -> Ack {
    let refused = refusals().into_iter().map(|(name, no)| (group(name), no)).collect();
    Ack {
        voter: node("b"),
        voter_boot: BootId(0xb008 << 100),
        boot: BootId(0xb007 << 100),
        sequence: 4711,
        ttl: Span::millis(560),
        applied: Index(98),
        membership: Generation(2),
        refused,
    }
}

#[test]
fn a_beat_of_version_1_is_kept_with_every_stand_of_a_group() {
    keeps("heartbeat", &beat());
    let bare =
        Heartbeat { asked: Vec::new(), released: Vec::new(), health: Health::default(), ..beat() };
    keeps("heartbeat-of-a-node-with-nothing", &bare);
    let deaf_lately = Some(Span::millis(640));
    let alone = Heartbeat { health: Health { deaf_lately, ..Health::default() }, ..bare.clone() };
    keeps("heartbeat-of-a-node-that-was-alone", &alone);
    let scores = BTreeMap::from([(group("PAY"), -3)]);
    let figures = Figures { cpu: Some(97), memory: Some(61), load: Some(125), scores };
    let measured = Heartbeat { health: Health { figures, ..Health::default() }, ..bare.clone() };
    keeps("heartbeat-of-a-node-that-measures", &measured);
    let failing = Some(MonitorId::new(resource("server"), Some(resource("port"))));
    let (stand, runs_as) = (Stand::Running, RunsAs::Applied);
    keeps("desk-of-a-failing-monitor", &DeskSight { epoch: EPOCH, stand, runs_as, failing });
    let stretched = Health { ratio: Some(5), ..Health::default() };
    let ttl = Span::millis(2_800);
    keeps("heartbeat-under-a-stretch", &Heartbeat { ttl, health: stretched, ..bare.clone() });
    let settled = Health { settings: 1, ..Health::default() };
    keeps("heartbeat-of-known-settings", &Heartbeat { health: settled, ..bare.clone() });
    let unwell = Stand::Unwell(Cause::LeaseRanOut { node: node("a") });
    keeps("stand-unwell", &unwell);
    let mut stands: Vec<Stand> = stands().into_iter().map(|(_, stand)| stand).collect();
    stands.push(unwell);
    every!(
        stands,
        Stand::Clear,
        Stand::Starting,
        Stand::Running,
        Stand::Unwell(_),
        Stand::Stopping,
        Stand::Failed(_),
        Stand::Stuck,
    );
    let hearing = [beat().health.hearing, bare.health.hearing];
    every!(hearing, Hearing::Majority, Hearing::Minority);
}

#[test]
fn an_answer_of_version_1_is_kept_with_every_refusal() {
    let ack = ack();
    keeps("ack", &ack);
    keeps("ack-that-promises-all", &Ack { refused: Vec::new(), ..ack });
    let reasons: Vec<NoPromise> = refusals().into_iter().map(|(_, no)| no).collect();
    every!(
        reasons,
        NoPromise::JustStarted { .. },
        NoPromise::Promised { .. },
        NoPromise::NotOwner { .. },
        NoPromise::Pinned { .. },
        NoPromise::Released,
        NoPromise::Fenced,
        NoPromise::OtherMembership,
    );
}

/// The same for a body whose numbers stand before the rest.
fn keeps_split<T: Body + Debug>(name: &str, value: &T, (ending, form): (&str, Form)) {
    let path = folder().join(format!("{name}.{ending}"));
    let (_, now, _) = Known::default().write(value.clone(), (form, Haste::Now));
    if !path.exists() && std::env::var_os("TSUGI_WRITE_CORPUS").is_some() {
        fs::write(&path, &now).expect("the file can be written");
    }
    let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let read = Known::default().read(&kept);
    let expected = Read { message: value.clone(), form, haste: Haste::Now, behind: &[] };
    assert_eq!(read, Some(expected), "{name} is read as something else");
    assert_eq!(now, kept, "{name} is written differently");
}

#[test]
fn bodies_with_their_numbers_before_the_rest_are_kept() {
    for form in [("split", Form::Split), ("hasty", Form::Hasty), ("laden", Form::Laden)] {
        keeps_split("heartbeat", &beat(), form);
        keeps_split("ack", &ack(), form);
    }
}
