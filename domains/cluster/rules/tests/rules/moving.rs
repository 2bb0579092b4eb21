//! A whole group on its way: what its two desks do, and where the planner sends it.

use tsugi_cluster_rules::desk::{
    Act, Before, Desk, Ended, Ground, Input, Mend, Outcome, Probe, ScriptEvent, State, Terms, Why,
    Wish,
};
use tsugi_cluster_rules::plan::Life;
use tsugi_cluster_rules::spec::{GroupSpec, ResourceKind, Takeover, VolumeCheck, VolumeSource};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_cluster_rules::volume::Retries;
use tsugi_vocabulary::{Epoch, Moment, ResourceName, Span};

use crate::world::{World, cluster, group, group_spec, node};

/// A preferred node, the order of the others, an address, a disk and a program.
fn declared() -> GroupSpec {
    let mut spec = group_spec("prefer n2 n3 n1; links lan1");
    let source = VolumeSource::Block("/dev/vg/pay".to_owned());
    let mut disk = spec.resources[0].clone();
    disk.name = ResourceName::new("disk").unwrap();
    disk.kind = ResourceKind::Volume {
        source,
        mount: "/data/pay".to_owned(),
        check: VolumeCheck::default(),
        retries: Retries::default(),
        drbd: None,
        reservation: None,
    };
    spec.resources.insert(1, disk);
    spec
}

/// Tells a desk these inputs, carries out all it wants, and says in words what that was.
fn walk(desk: &mut Desk, spec: &GroupSpec, inputs: Vec<Input>) -> Vec<String> {
    let (me, mut done) = (node("any"), Vec::new());
    let (kind, event) = (StartKind::Normal, ScriptEvent::Start);
    let terms = Terms {
        kind,
        event,
        reason: "cluster-start",
        probe: Probe::Once,
        before: Before::Orderly,
        promotion: Default::default(),
    };
    let takeover = Takeover::Automatic;
    let ground = Ground {
        spec,
        now: Moment(0),
        me: &me,
        terms,
        takeover,
        ended: Ended::Agent,
        suspended: Default::default(),
        mend: Mend::GiveAway,
    };
    let mut inputs: std::collections::VecDeque<Input> = inputs.into();
    while let Some(input) = inputs.pop_front() {
        let mut wishes = Vec::new();
        desk.step(&ground, input, &mut wishes);
        for wish in wishes {
            let Wish::Do(_, act, what) = wish else { continue };
            done.push(match &what {
                Act::Start { resource, .. } => format!("start {resource}"),
                Act::Stop { resource, .. } => format!("stop {resource}"),
                other => format!("{other:?}"),
            });
            inputs.push_back(Input::Done(act, Outcome::Fine { took: Span::ZERO }));
        }
    }
    done
}

#[test]
fn ph_01_a_group_takes_its_address_disk_and_program_along_in_the_declared_order_of_nodes() {
    let mut spec = cluster("n1 n2 n3 v=witness w=witness", &["PAY: prefer n1"]);
    spec.groups.insert(group("PAY"), declared());
    let mut world = World::new(spec);
    world.run();
    assert_eq!(world.owner("PAY").as_deref(), Some("n2"), "its preferred node");
    for (lost, next) in [("n2", "n3"), ("n3", "n1")] {
        world.life(lost, Life::Silent { silence: Span::millis(600) });
        world.run();
        assert_eq!(world.owner("PAY").as_deref(), Some(next), "the declared order");
    }
    let (old, new) = (Epoch { incarnation: 1, counter: 1 }, Epoch { incarnation: 1, counter: 2 });
    let spec = declared();
    let (mut source, mut target) = (Desk::default(), Desk::default());
    let begin = |epoch| vec![Input::Ours(epoch), Input::Leased(epoch), Input::Armed(epoch)];
    walk(&mut source, &spec, begin(old));
    let why = Why::HandOver(node("n1"));
    let left = walk(&mut source, &spec, vec![Input::Stop(why.clone())]);
    assert_eq!(left, ["stop app", "stop disk", "stop ip"], "all of it leaves");
    assert_eq!(source.state, State::Released { epoch: old, why });
    let came = walk(&mut target, &spec, begin(new));
    assert_eq!(came, ["start ip", "start disk", "start app"], "all of it comes");
    assert_eq!(target.state, State::Running { epoch: new });
}
