//! The desk's table told as text, and what must hold for every line of it.

mod monitors;
mod scripts;
mod table;
mod walks;

use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, Moment, NodeName, ResourceName, Span};

use super::*;
use crate::spec::{
    Check, Failback, FailurePolicy, FencePolicy, GroupSpec, Mode, Monitor, ProcessHow, Rehearsing,
    ResourceKind, ResourceSpec, Startup, Takeover, VolumeCheck, VolumeSource,
};
use crate::start_kind::StartKind;
use crate::volume::Retries;

/// The epoch before, that of the desk, and the one after.
const EPOCHS: [Epoch; 3] = [epoch(1), epoch(2), epoch(3)];

const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn name(text: &str) -> ResourceName {
    ResourceName::new(text).unwrap()
}

fn died() -> Cause {
    Cause::ProcessDied { node: node("a"), resource: name("server"), how: "exit 3".into() }
}

/// A disk, an address and a cache on it, and a server on all; written down in another order.
fn spec() -> GroupSpec {
    let one = |text: &str, kind, after: &[&str]| ResourceSpec {
        name: name(text),
        kind,
        after: after.iter().map(|a| name(a)).collect(),
        start_limit: Span::secs(3),
        stop_limit: Span::secs(2),
    };
    let run = vec!["/opt/server".to_owned()];
    let every = Span::secs(2);
    let check = Check::Run(vec!["/opt/ok".to_owned()]);
    let delay = Some(Span::secs(1));
    let monitor = Monitor { failures: 2, delay, ..Monitor::new(check, every) };
    let server = ResourceKind::Process {
        how: ProcessHow::Program { run, ready: None },
        environment: [].into(),
        user: None,
        monitors: vec![monitor],
        cleanup: None,
    };
    let cache = ResourceKind::Volume {
        check: VolumeCheck::default(),
        retries: Retries::default(),
        drbd: None,
        reservation: None,
        source: VolumeSource::Directory,
        mount: "/data/pay/cache".to_owned(),
    };
    let source = VolumeSource::Block("/dev/vg/pay".to_owned());
    let disk = ResourceKind::Volume {
        source,
        mount: "/data/pay".to_owned(),
        check: VolumeCheck::default(),
        retries: Retries::default(),
        drbd: None,
        reservation: None,
    };
    let address = "10.0.0.9".parse().unwrap();
    let vip = ResourceKind::Address { address, prefix: 24, links: vec!["eth0".to_owned()] };
    GroupSpec {
        services: [].into(),
        mode: Mode::Single,
        prefer: vec![node("a"), node("b")],
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: [].into(),
        together: [].into(),
        after: [].into(),
        stop_budget: None,
        drill_every: None,
        prefer_by: Default::default(),
        rehearsing: Rehearsing::default(),
        entitled: None,
        takeover: Takeover::default(),
        fence: FencePolicy::Confirmed,
        resources: vec![
            one("server", server, &["disk", "vip", "cache"]),
            one("disk", disk, &[]),
            one("vip", vip, &["disk"]),
            one("cache", cache, &["disk"]),
        ],
    }
}

/// Takes one input at a moment.
fn step_at(desk: &mut Desk, now: Moment, input: Input) -> Vec<Wish> {
    let (spec, me) = (spec(), node("a"));
    let (kind, event) = (StartKind::Normal, ScriptEvent::Start);
    let terms = Terms {
        kind,
        event,
        reason: "cluster-start",
        probe: Probe::Once,
        before: Before::Orderly,
        promotion: Default::default(),
    };
    let ground = Ground { now, ..super::tests::ground((&spec, &me), terms) };
    let mut out = Vec::new();
    desk.step(&ground, input, &mut out);
    out
}

/// Runs the monitors that are due at a moment.
fn ask_at(desk: &mut Desk, now: Moment, out: &mut Vec<Wish>) {
    let (spec, me) = (spec(), node("a"));
    let ground = Ground { now, ..super::tests::ground((&spec, &me), super::tests::terms()) };
    desk.ask(&ground, out);
}

fn step(desk: &mut Desk, input: Input) -> Vec<Wish> {
    step_at(desk, Moment(0), input)
}

fn fine() -> Outcome {
    Outcome::Fine { took: Span::millis(5) }
}

fn failed() -> Outcome {
    Outcome::Failed { how: "no".into() }
}
