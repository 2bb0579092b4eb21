//! What a desk does where a run of the false world once showed that it did not.

use std::collections::BTreeSet;

use tsugi_vocabulary::{Epoch, Moment, NodeName, ResourceName, Span};

use super::steps::{Desk, Ground, Input, Mend, Wish};
use super::{Act, Before, Ended, Outcome, Probe, ScriptEvent, Terms, Why};
use crate::reason::Cause;
use crate::spec::{
    Failback, FailurePolicy, FencePolicy, GroupSpec, Mode, Rehearsing, ResourceKind, ResourceSpec,
    Startup, Takeover, VolumeCheck, VolumeSource,
};
use crate::start_kind::StartKind;
use crate::volume::Retries;

fn group() -> GroupSpec {
    let name = ResourceName::new("volume").expect("a plain word");
    let source = VolumeSource::Block("image".to_owned());
    GroupSpec {
        services: [].into(),
        mode: Mode::Single,
        prefer: Vec::new(),
        startup: Startup::Auto,
        failback: Failback::Never,
        failure: FailurePolicy { restarts: 1, within: Span::secs(60), ..FailurePolicy::default() },
        apart: BTreeSet::new(),
        together: BTreeSet::new(),
        after: BTreeSet::new(),
        stop_budget: None,
        drill_every: None,
        prefer_by: Default::default(),
        rehearsing: Rehearsing::default(),
        entitled: None,
        takeover: Takeover::default(),
        fence: FencePolicy::SelfFence,
        resources: vec![ResourceSpec {
            name,
            kind: ResourceKind::Volume {
                source,
                mount: "/data".to_owned(),
                check: VolumeCheck::default(),
                retries: Retries::default(),
                drbd: None,
                reservation: None,
            },
            after: BTreeSet::new(),
            start_limit: Span::secs(1),
            stop_limit: Span::secs(1),
        }],
    }
}

pub(super) fn terms() -> Terms {
    let (kind, event) = (StartKind::Restart, ScriptEvent::Start);
    Terms {
        kind,
        event,
        reason: "operator",
        probe: Probe::Once,
        before: Before::Unclean,
        promotion: Default::default(),
    }
}

/// Where a desk of an automatic group stands at the first moment.
pub(super) fn ground<'a>((spec, me): (&'a GroupSpec, &'a NodeName), terms: Terms) -> Ground<'a> {
    let (takeover, ended) = (Takeover::Automatic, Ended::Agent);
    let (suspended, mend) = (BTreeSet::new(), Mend::GiveAway);
    Ground { spec, now: Moment(1), me, terms, takeover, ended, suspended, mend }
}

#[test]
fn a_restart_in_place_whose_stop_fails_is_a_failure_and_says_so() {
    let (spec, me) = (group(), NodeName::new("n1").expect("a plain word"));
    let ground = ground((&spec, &me), terms());
    let epoch = Epoch { incarnation: 1, counter: 1 };
    let (mut desk, mut wishes) = (Desk::default(), Vec::new());
    let fine = || Outcome::Fine { took: Span::ZERO };
    let volume = spec.resources[0].name.clone();
    let cause = Cause::AgentLost { node: me.clone() };
    for input in [
        Input::Ours(epoch),
        Input::Leased(epoch),
        Input::Armed(epoch),
        Input::Done(1, fine()),
        Input::Died(volume, cause, Mend::InPlace),
        Input::Done(2, Outcome::Failed { how: "busy".into() }),
        Input::Done(3, fine()),
    ] {
        desk.step(&ground, input, &mut wishes);
    }
    let failed = |w: &Wish| matches!(w, Wish::Released(e, Why::Failure(_)) if *e == epoch);
    assert!(wishes.iter().any(failed), "{:?} after {wishes:?}", desk.state);
}

#[test]
fn a_stop_waits_for_the_start_that_is_under_way() {
    let (spec, me) = (group(), NodeName::new("n1").expect("a plain word"));
    let ground = ground((&spec, &me), terms());
    let epoch = Epoch { incarnation: 1, counter: 1 };
    let (mut desk, mut wishes) = (Desk::default(), Vec::new());
    let stops = |wishes: &[Wish]| {
        wishes.iter().filter(|w| matches!(w, Wish::Do(_, _, Act::Stop { .. }))).count()
    };
    for input in
        [Input::Ours(epoch), Input::Leased(epoch), Input::Armed(epoch), Input::Stop(Why::Ordered)]
    {
        desk.step(&ground, input, &mut wishes);
    }
    assert_eq!(stops(&wishes), 0, "the start has not ended yet");
    desk.step(&ground, Input::Done(1, Outcome::Fine { took: Span::ZERO }), &mut wishes);
    assert_eq!(stops(&wishes), 1);
    desk.step(&ground, Input::Done(2, Outcome::Fine { took: Span::ZERO }), &mut wishes);
    assert!(matches!(wishes.last(), Some(Wish::Released(_, Why::Ordered))));
}

#[test]
fn scripts_are_told_of_a_failover_only_when_something_failed_elsewhere() {
    let n = |name: &str| NodeName::new(name).unwrap();
    let of = |cause: Cause| ScriptEvent::of(&cause, &n("a"));
    let silent = |name| Cause::NodeSilent { node: n(name), silence: Span::millis(600) };
    let operator = Cause::Operator { by: "taro".to_owned(), reason: "move".to_owned() };
    for (cause, event) in [
        (Cause::ClusterStart, ScriptEvent::Start),
        (operator, ScriptEvent::Start),
        (Cause::Drain { node: n("b") }, ScriptEvent::Start),
        (Cause::Failback { to: n("a") }, ScriptEvent::Start),
        (silent("b"), ScriptEvent::Failover),
        (Cause::PowerLost { node: n("b") }, ScriptEvent::Failover),
        (Cause::AgentLost { node: n("b") }, ScriptEvent::Failover),
        // Restarted where it failed.
        (Cause::AgentLost { node: n("a") }, ScriptEvent::Start),
        (Cause::PowerLost { node: n("a") }, ScriptEvent::Start),
        (Cause::LeaseRanOut { node: n("a") }, ScriptEvent::Start),
    ] {
        assert_eq!(of(cause.clone()), event, "{cause:?}");
    }
}
