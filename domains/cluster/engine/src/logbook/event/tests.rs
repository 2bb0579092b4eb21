//! Which line an event of the ledger is, on which node.

use tsugi_cluster_rules::record::{AppliedConfig, Failure, GroupIntent};
use tsugi_vocabulary::{Epoch, Span, Wall};

use super::*;
use crate::control::view::scenes::{group, node, record, standing, with_pay};

const EPOCH: Epoch = Epoch { incarnation: 1, counter: 4 };

fn event(what: Happening) -> EventRecord {
    let (by, group) = (node("node1"), Some(group("PAY")));
    EventRecord { at: Wall(1), by, group, epoch: Some(EPOCH), what }
}

fn resource() -> ResourceName {
    ResourceName::new("server").unwrap()
}

fn line(what: Happening) -> String {
    let message = message(&event(what), &record(), Language::En);
    message.expect("it is worth a line").line(Language::En)
}

fn up() -> Happening {
    Happening::Started { steps: Vec::new(), took: Span::millis(40) }
}

#[test]
fn a_stop_that_lies_one_that_hangs_and_one_that_leaves_something_have_their_own_messages() {
    assert!(line(Happening::StopLied { left: 2 }).starts_with("TSUG10220-W"));
    let flooded = line(Happening::Flooded { resource: resource() });
    assert!(flooded.starts_with("TSUG10253-W") && flooded.contains("server"), "{flooded}");
    let failed = |how| line(Happening::StopFailed { resource: resource(), how });
    let hung = failed(How::of(Mishap::TooLate, "no end within its limit"));
    assert!(hung.starts_with("TSUG10222-W") && hung.contains("server"), "{hung}");
    let left = failed(How::of(Mishap::StillThere, "the address is still there"));
    assert!(left.starts_with("TSUG10221-E") && left.contains("still there"), "{left}");
    let unreleased = line(Happening::Unreleased { left: "share: no end".to_owned() });
    assert!(unreleased.starts_with("TSUG10315-E"), "{unreleased}");
    assert!(unreleased.contains("share: no end"), "{unreleased}");
    let said_no = failed("exit 3: no licence".into());
    assert!(said_no.starts_with("TSUG10223-W") && said_no.contains("no licence"), "{said_no}");
}

#[test]
fn an_event_that_is_damaged_is_a_line_that_names_its_entry() {
    let why = "missing field `node`".to_owned();
    let damaged = line(Happening::Damaged { key: "event/7".to_owned(), why });
    assert!(damaged.starts_with("TSUG90104-E"), "{damaged}");
    assert!(damaged.contains("event/7") && damaged.contains("`node`"), "{damaged}");
}

#[test]
fn a_start_that_was_undone_the_guardian_and_a_new_agent_have_their_own_messages() {
    let undone = line(Happening::StartUndone { resource: resource(), up: 2 });
    assert!(undone.starts_with("TSUG10224-W") && undone.contains("the 2 resources"), "{undone}");
    let node1 = || node("node1");
    assert!(line(Happening::GuardianLost { node: node1() }).starts_with("TSUG10301-W"));
    let acted = line(Happening::GuardianActed { node: node1() });
    assert!(acted.starts_with("TSUG10302-W") && acted.contains("1.4"), "{acted}");
    let groups = vec![group("PAY"), group("WEB")];
    let replaced = line(Happening::Readopted { node: node1(), groups });
    assert!(replaced.starts_with("TSUG10021-I") && replaced.contains("PAY, WEB"), "{replaced}");
}

#[test]
fn scripts_that_were_told_of_a_return_have_a_line_and_another_when_they_failed() {
    let told = line(Happening::Recovered { failed: None });
    assert!(told.starts_with("TSUG10231-I") && told.contains("node1"), "{told}");
    let failed = line(Happening::Recovered { failed: Some("exit 4: no room".into()) });
    assert!(failed.starts_with("TSUG10232-W") && failed.contains("no room"), "{failed}");
}

#[test]
fn what_kind_of_failure_it_was_is_never_read_from_its_words() {
    let started = |how| {
        let (node, resource) = (node("node1"), resource());
        let cause = Cause::StartFailed { node, resource, how };
        line(Happening::Failed { cause, answer: Answer::TakenOver })
    };
    let asked = |how| {
        let (node, resource) = (node("node1"), resource());
        let cause = Cause::MonitorFailed { node, resource, monitor: None, how };
        line(Happening::Failed { cause, answer: Answer::TakenOver })
    };
    let said = "the address is in use by nobody: no end within its limit, flooded its output";
    assert!(started(said.into()).starts_with("TSUG10206-E"), "a program may say anything");
    assert!(asked(said.into()).starts_with("TSUG10211-W"), "and so may a monitor");
    let holder = "02:00:00:00:00:af".to_owned();
    let in_use = started(How::of(Mishap::AddressInUse { holder }, "-"));
    assert!(in_use.starts_with("TSUG10214-E") && in_use.contains("00:af"), "{in_use}");
    assert!(started(How::of(Mishap::TooLate, "-")).starts_with("TSUG10207-E"));
    assert!(asked(How::of(Mishap::TooLate, "-")).starts_with("TSUG10212-W"));
    assert!(asked(How::of(Mishap::Flooded, "-")).starts_with("TSUG10213-W"));
    let unable = asked(How::of(Mishap::TakenAsFailed { code: 5 }, "exit 5: no psql"));
    assert!(unable.starts_with("TSUG10250-W") && unable.contains("no psql"), "{unable}");
    let nonsense = asked(How::of(Mishap::Nonsense { code: 77 }, "exit 77"));
    assert!(nonsense.starts_with("TSUG10251-W") && nonsense.contains("exit 77"), "{nonsense}");
}

#[test]
fn the_log_and_the_status_count_the_same_failures_of_a_group_that_was_given_up() {
    let node1 = node("node1");
    let cause = Cause::ProcessDied { node: node1.clone(), resource: resource(), how: "-".into() };
    for counted in [1, 2, 5] {
        let known = with_pay(|pay| {
            let failed =
                |answer| Failure { at: Wall(1), node: node1.clone(), cause: cause.clone(), answer };
            pay.failures = vec![failed(Answer::Restarted); counted - 1];
            pay.failures.push(failed(Answer::GaveUp));
            pay.intent = GroupIntent::GaveUp { cause: cause.clone(), at: Wall(1) };
            pay.ownership = Ownership::Nobody;
        });
        let what = Happening::Failed { cause: cause.clone(), answer: Answer::GaveUp };
        let status = crate::control::view::status(&standing(known.clone()));
        let need = status.needs.iter().find(|need| need.what.id == "TSUG10120-E").unwrap();
        let told = crate::logbook::words(&need.what, Language::En);
        let words = format!("after {counted} failures");
        let logged = message(&event(what), &known, Language::En).unwrap().line(Language::En);
        assert!(logged.starts_with("TSUG10109-E") && logged.contains(&words), "{logged}");
        assert!(told.contains(&words), "{told}");
    }
}

#[test]
fn what_only_a_reset_undoes_is_said_where_it_has_started() {
    let mut known = record();
    let said = |record: &Record, me: &str| {
        beyond_reach(&event(up()), (&node(me), record)).map(|m| m.line(Language::En))
    };
    assert_eq!(said(&known, "node1"), None);
    let text = "[cluster]\nname = \"c\"\n[node.node1]\naddress = \"127.0.0.1\"\n\
                [[group.PAY.resource]]\nname = \"fs\"\nkind = \"ocf\"\n\
                agent = \"ocf:heartbeat:Filesystem\"\n";
    let spec = crate::config::read(text).expect("it is right").spec;
    let applied = known.config.as_deref().expect("it has one").clone();
    known.config = Some(std::sync::Arc::new(AppliedConfig { spec, ..applied }));
    let line = said(&known, "node1").expect("it is worth a line");
    assert!(line.starts_with("TSUG10252-W") && line.contains("fs of group PAY"), "{line}");
    assert_eq!(said(&known, "node2"), None, "and nowhere else");
}

#[test]
fn a_unit_that_systemd_also_starts_by_itself_is_told_where_its_group_has_started() {
    let mut known = record();
    let text = "[cluster]\nname = \"c\"\n[node.node1]\naddress = \"127.0.0.1\"\n\
                [[group.PAY.resource]]\nname = \"db\"\nkind = \"unit\"\n\
                unit = \"pay.service\"\n";
    let spec = crate::config::read(text).expect("it is right").spec;
    let applied = known.config.as_deref().expect("it has one").clone();
    let said = |record: &Record, me: &str, links: &[&str]| {
        let links = |unit: &UnitName| links.iter().map(|link| format!("{link}/{unit}")).collect();
        started_unasked(&event(up()), (&node(me), record), links).map(|m| m.line(Language::En))
    };
    assert_eq!(said(&known, "node1", &["/etc"]), None, "it has no unit");
    known.config = Some(std::sync::Arc::new(AppliedConfig { spec, ..applied }));
    let line = said(&known, "node1", &["/etc"]).expect("it is worth a line");
    assert!(line.starts_with("TSUG10272-W") && line.contains("(/etc/pay.service)"), "{line}");
    assert_eq!(said(&known, "node1", &[]), None);
    assert_eq!(said(&known, "node2", &["/etc"]), None, "and nowhere else");
}

#[test]
fn a_volume_that_the_next_node_has_to_wait_for_is_told_where_its_group_has_started() {
    let said = |me: &str, mounts: &[&str]| {
        let mounts = mounts.iter().map(|mount| (*mount).to_owned()).collect();
        let told = slow_to_mount(&event(up()), (&node(me), &record()), |_| mounts);
        told.map(|m| m.line(Language::En))
    };
    let line = said("node1", &["/data/pay"]).expect("it is worth a line");
    assert!(line.starts_with("TSUG10254-W") && line.contains("/data/pay of group PAY"), "{line}");
    assert_eq!(said("node1", &[]), None);
    assert_eq!(said("node2", &["/data/pay"]), None, "and nowhere else");
}

#[test]
fn cl_43_start_stop_and_takeover_are_lines_on_every_node_and_cut_work_where_it_is_carried_on() {
    let silent = Cause::NodeSilent { node: node("node2"), silence: Span::millis(600) };
    let taken_over = with_pay(|pay| {
        pay.ended = Ending::Unknown;
        let Ownership::Owned { cause, start, .. } = &mut pay.ownership else { unreachable!() };
        (*cause, *start) = (silent, StartKind::Restart);
    });
    let ended = Happening::Stopped { steps: Vec::new(), ending: Ending::Orderly };
    // The ledger's events are the same everywhere: what is told does not ask who reads it.
    assert!(line(up()).starts_with("TSUG10201-I"), "a start");
    assert!(line(ended).starts_with("TSUG10202-I"), "a stop");
    let takeover = message(&event(up()), &taken_over, Language::En).unwrap();
    assert_eq!(takeover.id(), "TSUG10101-I", "a takeover");
    let cut = |me: &str, record: &Record| {
        interruption(&event(up()), (&node(me), record), Language::En).map(|m| m.id())
    };
    assert_eq!(cut("node1", &taken_over), Some("TSUG10111-W"), "on the node that takes over");
    assert_eq!(cut("node2", &taken_over), None, "and on no other");
    assert_eq!(cut("node1", &record()), None, "an orderly start interrupts nothing");
}
