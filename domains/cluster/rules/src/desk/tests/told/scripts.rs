//! What the scripts of a run are told, from its start to its end.

use super::*;

/// What each act that a desk wants tells its scripts, by act and resource; all of it is done as
/// `outcome` says, until the desk wants nothing more.
fn told(
    desk: &mut Desk,
    inputs: Vec<Input>,
    outcome: impl Fn(&str) -> Outcome,
) -> BTreeMap<String, Told> {
    let (spec, me, mut all) = (spec(), node("a"), BTreeMap::new());
    let (kind, event) = (StartKind::Normal, ScriptEvent::Failover);
    let terms = Terms {
        kind,
        event,
        reason: "node-silent",
        probe: Probe::Once,
        before: Before::Unclean,
        promotion: Default::default(),
    };
    let ground = Ground { now: Moment(0), ..super::super::tests::ground((&spec, &me), terms) };
    let mut inputs: std::collections::VecDeque<Input> = inputs.into();
    while let Some(input) = inputs.pop_front() {
        let mut wishes = Vec::new();
        desk.step(&ground, input, &mut wishes);
        desk.ask(&Ground { now: Moment(u64::MAX / 2), ..ground.clone() }, &mut wishes);
        for wish in wishes {
            let (name, number) = match wish {
                Wish::Do(_, number, Act::Start { resource, told, .. }) => {
                    (keep(&mut all, "start", &resource, told), number)
                }
                Wish::Do(_, number, Act::Stop { resource, told }) => {
                    (keep(&mut all, "stop", &resource, told), number)
                }
                Wish::Do(_, number, Act::Ask { id, told }) => {
                    keep(&mut all, "ask", &id.resource, told);
                    // It is never answered: it would be asked again for ever.
                    let _unanswered = number;
                    continue;
                }
                _ => continue,
            };
            inputs.push_back(Input::Done(number, outcome(&name)));
        }
    }
    all
}

fn keep(
    all: &mut BTreeMap<String, Told>,
    what: &str,
    resource: &ResourceName,
    told: Told,
) -> String {
    let name = format!("{what} {resource}");
    all.insert(name.clone(), told);
    name
}

fn begin() -> Vec<Input> {
    vec![Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1]), Input::Armed(EPOCHS[1])]
}

fn well(_: &str) -> Outcome {
    fine()
}

#[test]
fn cl_03_a_stop_script_is_told_the_event_of_the_start_and_why_it_stops() {
    let (resource, how) = (name("server"), "no".into());
    let failed = Cause::MonitorFailed { node: node("a"), resource, monitor: None, how };
    let cases = [
        (Why::Ordered, "stop"),
        (Why::HandOver(node("b")), "move"),
        (Why::Failure(failed), "monitor-failed"),
    ];
    for (why, word) in cases {
        let mut desk = Desk::default();
        let up = told(&mut desk, begin(), well);
        let down = told(&mut desk, vec![Input::Stop(why)], well);
        for start in ["start disk", "start server", "ask server"] {
            assert_eq!(up[start].event, ScriptEvent::Failover, "{start}");
            assert_eq!(up[start].reason, "node-silent", "{start}");
        }
        for stop in ["stop server", "stop disk"] {
            assert_eq!(down[stop].event, ScriptEvent::Failover, "the event it was started with");
            assert_eq!(down[stop].kind, StartKind::Normal);
            assert_eq!(down[stop].reason, word);
        }
    }
}

#[test]
fn cl_03_what_restarts_in_place_is_told_an_ordinary_start_and_the_rest_of_its_group_is_not() {
    let mut desk = Desk::default();
    told(&mut desk, begin(), well);
    let how = "signal 9".into();
    let cause = Cause::ProcessDied { node: node("a"), resource: name("server"), how };
    let died = Input::Died(name("server"), cause, Mend::InPlace);
    let mended = told(&mut desk, vec![died], well);
    assert_eq!(mended["stop server"].reason, "restart");
    assert_eq!(mended["stop server"].event, ScriptEvent::Failover, "so it was started");
    let again = told(&mut desk, vec![Input::Recorded], well);
    let server = again["start server"];
    assert_eq!((server.event, server.reason), (ScriptEvent::Start, "process-died"));
    assert_eq!(server.kind, StartKind::Restart, "it carries on what it did before");
    let down = told(&mut desk, vec![Input::Stop(Why::Ordered)], well);
    assert_eq!(down["stop server"].event, ScriptEvent::Start);
    assert_eq!(down["stop disk"].event, ScriptEvent::Failover, "it was not restarted");
    let next = told(&mut desk, vec![Input::Over(EPOCHS[1]), Input::Ours(EPOCHS[2])], well);
    assert!(next.is_empty());
    let next = vec![Input::Leased(EPOCHS[2]), Input::Armed(EPOCHS[2])];
    assert_eq!(told(&mut desk, next, well)["start server"].event, ScriptEvent::Failover);
}

#[test]
fn cl_05_scripts_are_told_of_a_volume_that_did_not_come_up_until_the_next_run() {
    let mut desk = Desk::default();
    let up = told(&mut desk, begin(), well);
    assert!(up.values().all(|told| told.disk == Disk::Success), "{up:?}");
    let down = told(&mut desk, vec![Input::Stop(Why::Ordered)], well);
    assert!(down.values().all(|told| told.disk == Disk::Success), "{down:?}");

    let fails = |what: &'static str| move |act: &str| if act == what { failed() } else { fine() };
    let mut desk = Desk::default();
    let all = told(&mut desk, begin(), fails("start cache"));
    assert_eq!(all["start disk"].disk, Disk::Success, "it was started before that");
    for stop in ["stop cache", "stop vip", "stop disk"] {
        assert_eq!(all[stop].disk, Disk::Failure, "{stop}");
    }
    let mut desk = Desk::default();
    let all = told(&mut desk, begin(), fails("start server"));
    assert_eq!(all["stop server"].disk, Disk::Success, "a program is no volume");
    assert_eq!(all["stop server"].reason, "start-failed");

    let mut desk = Desk::default();
    told(&mut desk, begin(), fails("start cache"));
    let next = [EPOCHS[2]].into_iter();
    let next = next.flat_map(|e| [Input::Ours(e), Input::Leased(e), Input::Armed(e)]).collect();
    let all = told(&mut desk, next, well);
    assert_eq!(all["start server"].disk, Disk::Success, "the next run begins anew");
}
