//! The entries of the ledger: configuration, nodes, groups, events, audit.

use tsugi_cluster_engine::config;
use tsugi_cluster_engine::records::{self, AuditLink};
use tsugi_cluster_rules::drill::rehearsal::Came;
use tsugi_cluster_rules::drill::{Back, Depth, Verdict};
use tsugi_cluster_rules::mirror::Copies;
use tsugi_cluster_rules::monitors::{MonitorId, Suspension};
use tsugi_cluster_rules::ocf::Undo;
use tsugi_cluster_rules::reason::{Cause, How, Mishap};
use tsugi_cluster_rules::record::{
    Answer, AppliedConfig, AuditRecord, Draft, DrillTurn, EventRecord, Failure, FenceFault, Gone,
    GroupIntent, GroupRecord, Guard, Happening, HowOff, LeasesBefore, LinkState, MonitorTurn,
    NodeIntent, NodeRecord, Order, Ownership, Pause, Phase, Record, Restored, Stretch, Unconfirmed,
    Write,
};
use tsugi_cluster_rules::spec::{ResourceKind, ResourceSpec, Rhythm};
use tsugi_cluster_rules::start_kind::{Ending, StartKind};
use tsugi_cluster_rules::watch::table::Then;
use tsugi_cluster_rules::watch::{Again, AtEnd, Load, Recovery, WatchId, Watchlist};
use tsugi_ledger::{Command, View};
use tsugi_vocabulary::{BootId, Epoch, Generation, Index, Span, Wall};

use crate::{causes, drills, every, group, keeps, node, resource};

pub(crate) const AT: Wall = Wall(1_800_000_000_000);
const BOOT: BootId = BootId(0xb007 << 100);

const WHOLE: &str = include_str!("../../corpus/v1/config.toml");

pub(crate) fn order() -> Order {
    Order {
        by: "mika".to_owned(),
        reason: "new disk".to_owned(),
        at: AT,
        command: "c-17".to_owned(),
    }
}

#[test]
fn a_configuration_of_version_1_is_kept_with_its_resolved_form() {
    let mut resolved = config::read(WHOLE).expect("the corpus' configuration is accepted");
    // What was applied before a volume had limits of its own keeps those of any resource.
    for resource in resolved.spec.groups.values_mut().flat_map(|group| &mut group.resources) {
        if let ResourceKind::Volume { .. } = resource.kind {
            (resource.start_limit, resource.stop_limit) = (Span::secs(60), Span::secs(10));
        }
    }
    let (back_to, within) = ("[cluster]\n".to_owned(), Span::secs(60));
    let unconfirmed = Unconfirmed { back_to, within, since: None };
    let applied = AppliedConfig {
        version: 3,
        hash: config::hash(WHOLE),
        text: WHOLE.to_owned(),
        spec: resolved.spec,
        unconfirmed: Some(unconfirmed),
    };
    keeps("config", &applied);
    keeps("config-confirmed", &AppliedConfig { unconfirmed: None, ..applied.clone() });
    let moment = applied.unconfirmed.map(|u| Unconfirmed { since: Some(AT), ..u });
    keeps("config-unconfirmed-since", &AppliedConfig { unconfirmed: moment, ..applied });
}

#[test]
fn a_volume_that_drbd_mirrors_is_kept_in_its_resolved_form() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [[group.DB.resource]]\nname = \"disk\"\nkind = \"volume\"\n\
                source = \"/dev/drbd0\"\ndrbd = \"r0\"\nmount = \"/data\"\n";
    let spec = config::read(text).expect("it is right").spec;
    keeps("group-with-a-mirror", &spec.groups[&group("DB")]);
}

#[test]
fn a_volume_that_its_storage_keeps_is_kept_in_its_resolved_form() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [[group.DB.resource]]\nname = \"disk\"\nkind = \"volume\"\n\
                source = \"/dev/mapper/mpatha\"\nreservation = \"scsi\"\nmount = \"/data\"\n";
    let spec = config::read(text).expect("it is right").spec;
    keeps("group-with-a-reservation", &spec.groups[&group("DB")]);
}

#[test]
fn what_a_resource_agent_looks_after_is_kept_in_its_resolved_form() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [[group.DB.resource]]\nname = \"db\"\nkind = \"ocf\"\n\
                agent = \"ocf:heartbeat:pgsql\"\nparameters = { pgport = \"5433\" }\n";
    let spec = config::read(text).expect("it is right").spec;
    keeps("group-of-a-resource-agent", &spec.groups[&group("DB")]);
    let told = spec.groups[&group("DB")].resources[0].clone();
    let ResourceKind::Ocf { agent, parameters, monitor, .. } = told.kind else {
        panic!("{:?}", told.kind)
    };
    let monitor = Rhythm { delay: Some(Span::secs(3)), ..monitor };
    let kind = ResourceKind::Ocf { agent, parameters, undo: Undo::Kill, level: 20, monitor };
    keeps("resource-of-an-agent", &ResourceSpec { kind, ..told });
}

#[test]
fn a_unit_is_kept_in_its_resolved_form() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [[group.DB.resource]]\nname = \"db\"\nkind = \"unit\"\n\
                unit = \"postgresql@15-main.service\"\nfailures = 2\n";
    let spec = config::read(text).expect("it is right").spec;
    keeps("group-of-a-unit", &spec.groups[&group("DB")]);
}

#[test]
fn several_monitors_of_a_resource_are_kept_as_a_list_and_one_as_it_always_was() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [group.AP]\nprefer_by = [\"/opt/score\"]\n\
                [[group.AP.resource]]\nname = \"ap\"\nkind = \"process\"\n\
                start = [\"/opt/start\"]\nstop = [\"/opt/stop\"]\n\
                restart = [\"/opt/again\"]\ncleanup = [\"/opt/clean\"]\n\
                [[group.AP.resource.monitor]]\nname = \"port\"\ncheck = { tcp = \"h:80\" }\n\
                [[group.AP.resource.monitor]]\nname = \"page\"\ncheck = [\"/opt/ok\"]\n\
                action = \"notify\"\nnotify = [\"/opt/mail\", \"ap\"]\n";
    let spec = config::read(text).expect("it is right").spec;
    keeps("group-of-several-monitors", &spec.groups[&group("AP")]);
    let order = order();
    let of = |monitor| MonitorId::new(resource("ap"), monitor);
    let suspended = vec![
        Suspension { id: of(None), order: order.clone(), until: None },
        Suspension { id: of(Some(resource("port"))), order, until: Some(AT) },
    ];
    let record = GroupRecord { suspended, ..GroupRecord::new(GroupIntent::Run) };
    keeps("group-with-suspended-monitors", &record);
}

#[test]
fn a_node_of_version_1_is_kept_with_every_intent() {
    let named = [
        ("in-service", NodeIntent::InService),
        ("drained", NodeIntent::Drained(order())),
        ("leaving", NodeIntent::Leaving(BOOT)),
    ];
    for (name, intent) in &named {
        let fenced = (*name == "drained").then_some(BOOT);
        let record = NodeRecord { intent: intent.clone(), fenced, ..NodeRecord::new(2) };
        keeps(&format!("node-{name}"), &record);
    }
    let intents = named.map(|(_, intent)| intent);
    every!(intents, NodeIntent::InService, NodeIntent::Drained(_), NodeIntent::Leaving(_),);
}

#[test]
fn who_joined_who_is_gone_and_what_a_restored_ledger_waits_for_is_kept() {
    let certificate = Some("ab".repeat(32));
    let joined = NodeRecord { certificate, ..NodeRecord::new(4) };
    keeps("node-joined", &joined);
    let links_down = ["eth0".to_owned(), "eth1".to_owned()].into();
    keeps("node-links-down", &NodeRecord { links_down, ..NodeRecord::new(1) });
    keeps("gone", &Gone::of(&joined));
    keeps("gone-unasked", &Gone::of(&NodeRecord::new(2)));
    let former = vec![[node("a"), node("b")].into(), [node("c")].into()];
    let restored = Restored { first: 5, former, ..Restored::default() };
    keeps("restored", &restored);
    let lost = [node("b"), node("c")].into();
    keeps("restored-without-the-lost", &Restored { lost, ..restored.clone() });
    for (name, leases) in [("may-run", LeasesBefore::MayRun), ("ran-out", LeasesBefore::RanOut)] {
        keeps(&format!("restored-whose-leases-{name}"), &Restored { leases, ..restored.clone() });
    }
}

#[test]
fn the_stretch_of_time_outs_is_kept_in_force_and_over() {
    let within = Span::secs(7_200);
    let stretch = Stretch { ratio: 5, order: order(), within, over: None };
    keeps("stretch", &stretch);
    keeps("stretch-over", &Stretch { over: Some(Wall(1_760_000_000_000)), ..stretch });
}

fn owned(start: StartKind, phase: Phase, cause: Cause) -> Ownership {
    let (boot, handover) = match phase {
        Phase::Starting => (None, None),
        Phase::Running => (Some(BOOT), Some(node("b"))),
        Phase::Failing => (Some(BOOT), None),
    };
    Ownership::Owned { node: node("a"), boot, start, cause, phase, handover }
}

/// A program whose end has the scripts of its group run again.
fn scripts_again(epoch: Epoch) -> Watchlist {
    let (wait, again) = (Span::secs(5), Again::Scripts);
    let within = Some(Span::secs(7_200));
    let at_end = AtEnd::Restart { times: 3, within, wait, interval: Span::ZERO, again };
    let run = vec!["/opt/ap".to_owned()];
    let load = Load { service: None, run, dir: None, user: None, at_end };
    let mut list = Watchlist::default();
    list.put(epoch, WatchId::new("AP").expect("an id"), load, |_| false);
    list
}

/// A program of every kind of end, one of them suspended and one ending.
fn watchlist(epoch: Epoch) -> Watchlist {
    let (wait, interval) = (Span::secs(5), Span::secs(30));
    let again = Again::Program;
    let restart =
        |within, wait, interval| AtEnd::Restart { times: 3, within, wait, interval, again };
    let ends = [
        ("LOGGED", AtEnd::Log),
        ("AS_CONFIGURED", AtEnd::Recover { how: Recovery::AsConfigured }),
        ("TAKEN_OVER", AtEnd::Recover { how: Recovery::TakeOver }),
        ("AGAIN", restart(None, Span::ZERO, Span::ZERO)),
        ("AGAIN_LATER", restart(Some(Span::secs(7_200)), wait, interval)),
    ];
    let mut list = Watchlist::default();
    for (id, at_end) in ends {
        let run = vec!["/opt/ap".to_owned(), "line1".to_owned()];
        let load = Load {
            service: None,
            run,
            dir: Some("/opt".to_owned()),
            user: Some("ap".to_owned()),
            at_end,
        };
        list.put(epoch, WatchId::new(id).expect("an id"), load, |_| false);
    }
    let mut programs = list.programs.values_mut();
    programs.next().expect("a program").held = Some(order());
    programs.next().expect("another").ending = Some(Span::secs(100));
    list
}

fn groups() -> Vec<(&'static str, GroupRecord)> {
    let new = GroupRecord::new(GroupIntent::Run);
    let epoch = Epoch { incarnation: 1, counter: 4 };
    let gave_up = GroupIntent::GaveUp { cause: causes::all()[5].1.clone(), at: AT };
    let pause = |guard| {
        let (until, pinned) = (Some(Wall(AT.0 + 60_000)), Some(node("a")));
        Some(Pause { order: order(), until, pinned, guard })
    };
    let failure = |answer, n: usize| {
        let (at, node, cause) = (AT, node("a"), causes::all()[n].1.clone());
        Failure { at, node, cause, answer }
    };
    let failures = vec![
        failure(Answer::Restarted, 5),
        failure(Answer::TakenOver, 6),
        failure(Answer::GaveUp, 7),
    ];
    let own = |start, phase, cause| GroupRecord {
        epoch,
        ownership: owned(start, phase, cause),
        ended: Ending::Unknown,
        ..new.clone()
    };
    let silent = causes::all()[9].1.clone();
    vec![
        ("new", new.clone()),
        ("starting", own(StartKind::Normal, Phase::Starting, Cause::ClusterStart)),
        ("running", own(StartKind::Restart, Phase::Running, silent)),
        ("failing", own(StartKind::ForcedNormal, Phase::Failing, Cause::ClusterStart)),
        (
            "stopped",
            GroupRecord {
                epoch,
                intent: GroupIntent::Stop(order()),
                location: Some(node("b")),
                ended: Ending::Forced,
                ..new.clone()
            },
        ),
        (
            "gave-up",
            GroupRecord { intent: gave_up, ended: Ending::Failure, failures, ..new.clone() },
        ),
        ("pinned", GroupRecord { pause: pause(Guard::Disarmed), ..new.clone() }),
        ("rearming", GroupRecord { pause: pause(Guard::Rearming), ..new.clone() }),
        ("watched", GroupRecord { epoch, watched: watchlist(epoch), ..new.clone() }),
        (
            "watched-scripts-again",
            GroupRecord { epoch, watched: scripts_again(epoch), ..new.clone() },
        ),
        ("drilling", GroupRecord { epoch, drills: drills::under_way(epoch), ..new.clone() }),
        ("drilled", GroupRecord { epoch, drills: drills::over(epoch), ..new.clone() }),
        ("rehearsing", GroupRecord { epoch, drills: drills::beside(epoch), ..new.clone() }),
        ("copies-apart", GroupRecord { epoch, copies: copies_apart(epoch), ..new }),
    ]
}

/// The copies of a mirror, of which one is newer, under DRBD's fencing.
fn copies_apart(epoch: Epoch) -> Copies {
    Copies { newest: Some(node("a")), mark: 3, fenced: Some(epoch) }
}

#[test]
fn a_group_of_version_1_is_kept_in_every_standing() {
    for (name, record) in groups() {
        keeps(&format!("group-{name}"), &record);
    }
    let all: Vec<GroupRecord> = groups().into_iter().map(|(_, record)| record).collect();
    let owners: Vec<Ownership> = all.iter().map(|g| g.ownership.clone()).collect();
    every!(
        owners,
        Ownership::Nobody,
        Ownership::Owned { phase: Phase::Starting, .. },
        Ownership::Owned { phase: Phase::Running, .. },
        Ownership::Owned { phase: Phase::Failing, .. },
    );
    let intents: Vec<GroupIntent> = all.iter().map(|g| g.intent.clone()).collect();
    every!(intents, GroupIntent::Run, GroupIntent::Stop(_), GroupIntent::GaveUp { .. });
    let endings: Vec<Ending> = all.iter().map(|g| g.ended).collect();
    every!(endings, Ending::Orderly, Ending::Forced, Ending::Failure, Ending::Unknown);
    let guards: Vec<Guard> = all.iter().filter_map(|g| Some(g.pause.as_ref()?.guard)).collect();
    every!(guards, Guard::Disarmed, Guard::Rearming);
    let answers: Vec<Answer> =
        all.iter().flat_map(|g| g.failures.iter().map(|f| f.answer)).collect();
    every!(answers, Answer::Restarted, Answer::TakenOver, Answer::GaveUp);
}

fn happenings() -> Vec<(&'static str, Happening)> {
    let steps = vec![("disk".to_owned(), 12), ("server".to_owned(), 340)];
    let cause = causes::all()[5].1.clone();
    let (a, eth0, eth1) = (node("a"), "eth0".to_owned(), "eth1".to_owned());
    let address = "10.0.0.9".parse().expect("an address");
    let how = How::of(Mishap::TooLate, "no end within its limit");
    let watched =
        |then| Happening::WatchedEnded { id: "TUSINAP".to_owned(), how: How::from("exit 3"), then };
    let fenced = |how| Happening::Fenced { node: node("a"), took: Span::millis(1_250), how };
    let id = MonitorId::new(resource("server"), Some(resource("port")));
    let monitor = |turn| Happening::Monitor { id: id.clone(), turn };
    let returned = |last_seen, cause| Happening::Returned { node: node("a"), cause, last_seen };
    let link = |state| Happening::Link { node: node("a"), link: "eth0".to_owned(), state };
    vec![
        ("started", Happening::Started { steps: steps.clone(), took: Span::millis(352) }),
        ("stopped", Happening::Stopped { steps, ending: Ending::Orderly }),
        ("failed", Happening::Failed { cause: cause.clone(), answer: Answer::Restarted }),
        ("observed", Happening::Observed { cause: cause.clone(), to: node("b") }),
        ("lost", Happening::Lost { node: a.clone(), cause: cause.clone() }),
        ("returned", returned(None, cause.clone())),
        ("returned-since", returned(Some(Index(71)), cause)),
        ("clock-stepped", Happening::ClockStepped { node: a.clone(), by_ms: -1500 }),
        ("link-down", link(LinkState::Down)),
        ("link-up", link(LinkState::Up)),
        ("address-moved", Happening::AddressMoved { address, from: eth0, link: eth1 }),
        ("stop-failed", Happening::StopFailed { resource: resource("server"), how }),
        ("stop-lied", Happening::StopLied { left: 2 }),
        ("unreleased", Happening::Unreleased { left: "no end within its limit".to_owned() }),
        (
            "volume-again",
            Happening::VolumeAgain {
                resource: resource("disk"),
                how: How::of(Mishap::StillThere, "processes are still there: [31]"),
                after: Span::secs(5),
            },
        ),
        ("flooded", Happening::Flooded { resource: resource("server") }),
        ("start-undone", Happening::StartUndone { resource: resource("server"), up: 2 }),
        ("watched-ended", watched(Then::Nothing)),
        ("watched-started-again", watched(Then::StartedAgain)),
        ("watched-scripts-again", watched(Then::ScriptsAgain)),
        ("watched-suspended", watched(Then::Suspended)),
        ("monitor-failed", monitor(MonitorTurn::Failed { how: How::from("exit 3") })),
        ("monitor-well", monitor(MonitorTurn::Well)),
        ("monitor-not-notified", monitor(MonitorTurn::NotNotified { how: How::from("exit 3") })),
        ("recovered", Happening::Recovered { failed: None }),
        ("recover-failed", Happening::Recovered { failed: Some(How::from("exit 3")) }),
        ("fence-ordered", Happening::FenceOrdered { node: a.clone(), by: node("b") }),
        ("fenced", fenced(HowOff::Switched)),
        ("found-off", fenced(HowOff::Found)),
        ("fence-failed", Happening::FenceFailed { node: a.clone(), fault: FenceFault::Lied }),
        ("guardian-lost", Happening::GuardianLost { node: a.clone() }),
        ("guardian-acted", Happening::GuardianActed { node: a.clone() }),
        ("drill-began", drills::turn(DrillTurn::Began { from: a.clone(), to: node("b") })),
        ("drill-arrived", drills::turn(drills::arrived())),
        ("drill-turned-back", drills::turn(DrillTurn::TurnedBack { because: Back::StopLine })),
        ("drill-ended", drills::turn(DrillTurn::Ended { verdict: Verdict::BeyondLine })),
        ("drill-rehearses", drills::turn(rehearses())),
        ("drill-rehearsed", drills::turn(rehearsed())),
        ("readopted", Happening::Readopted { node: a, groups: vec![group("PAY")] }),
        ("damaged", damaged()),
        ("unknown", Happening::Unknown),
    ]
}

fn damaged() -> Happening {
    Happening::Damaged { key: "event/7".to_owned(), why: "missing field `node`".to_owned() }
}

fn rehearses() -> DrillTurn {
    DrillTurn::Rehearses { depth: Depth::Isolate, node: node("b") }
}

fn rehearsed() -> DrillTurn {
    DrillTurn::Rehearsed { depth: Depth::Read, node: node("b"), came: Came::Failed }
}

#[test]
fn an_event_of_version_1_is_kept_whatever_happened() {
    for (name, what) in happenings() {
        let epoch = Some(Epoch { incarnation: 1, counter: 4 });
        let event = EventRecord { at: AT, by: node("a"), group: Some(group("PAY")), epoch, what };
        keeps(&format!("event-{name}"), &event);
    }
    let all: Vec<Happening> = happenings().into_iter().map(|(_, what)| what).collect();
    every!(
        all,
        Happening::Started { .. },
        Happening::Stopped { .. },
        Happening::Failed { .. },
        Happening::Observed { .. },
        Happening::Lost { .. },
        Happening::Returned { last_seen: None, .. },
        Happening::Returned { last_seen: Some(_), .. },
        Happening::ClockStepped { .. },
        Happening::Link { state: LinkState::Up, .. },
        Happening::Link { state: LinkState::Down, .. },
        Happening::AddressMoved { .. },
        Happening::StopFailed { .. },
        Happening::StopLied { .. },
        Happening::Unreleased { .. },
        Happening::VolumeAgain { .. },
        Happening::Flooded { .. },
        Happening::StartUndone { .. },
        Happening::Monitor { turn: MonitorTurn::Failed { .. }, .. },
        Happening::Monitor { turn: MonitorTurn::Well, .. },
        Happening::Monitor { turn: MonitorTurn::NotNotified { .. }, .. },
        Happening::WatchedEnded { then: Then::Nothing, .. },
        Happening::WatchedEnded { then: Then::StartedAgain, .. },
        Happening::WatchedEnded { then: Then::ScriptsAgain, .. },
        Happening::WatchedEnded { then: Then::Suspended, .. },
        Happening::Recovered { failed: None },
        Happening::Recovered { failed: Some(_) },
        Happening::FenceOrdered { .. },
        Happening::Fenced { how: HowOff::Switched, .. },
        Happening::Fenced { how: HowOff::Found, .. },
        Happening::FenceFailed { .. },
        Happening::GuardianLost { .. },
        Happening::GuardianActed { .. },
        Happening::Damaged { .. },
        Happening::Unknown,
        Happening::Drill { turn: DrillTurn::Began { .. }, .. },
        Happening::Drill { turn: DrillTurn::Arrived { .. }, .. },
        Happening::Drill { turn: DrillTurn::TurnedBack { .. }, .. },
        Happening::Drill { turn: DrillTurn::Ended { .. }, .. },
        Happening::Drill { turn: DrillTurn::Rehearses { .. }, .. },
        Happening::Drill { turn: DrillTurn::Rehearsed { .. }, .. },
        Happening::Readopted { .. },
    );
}

#[test]
fn an_audit_link_of_version_1_is_kept_and_its_hash_still_follows() {
    let entry = AuditRecord {
        at: AT,
        command: "c-17".to_owned(),
        person: "mika".to_owned(),
        origin: "a pts/3".to_owned(),
        words: "group stop PAY".to_owned(),
        reason: "new disk".to_owned(),
        decided_on: Generation(12),
        outcome: "accepted".to_owned(),
    };
    let mut view = View::founded(1);
    for n in 1..=2 {
        let draft = Draft::default().write(Write::Audit(entry.clone()));
        let change = records::change(&draft, &view, &Record::default()).expect("no conditions");
        let (outcome, _) = view.apply(Index(n), &Command::Change(change));
        assert_eq!(outcome.committed(), Some(Index(n)));
    }
    let links: Vec<AuditLink> = records::audit(&view).expect("it can be read");
    keeps("audit-first", &links[0]);
    keeps("audit-second", &links[1]);
    assert_eq!(records::audit_break(&links), None);
}
