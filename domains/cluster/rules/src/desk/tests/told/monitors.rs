//! Several monitors of one resource: what each leads to, and which are left alone.

use std::collections::BTreeSet;

use super::super::tests::{ground, terms};
use super::*;
use crate::monitors::{MonitorId, NotifyMethod, OnFailure, Word};
use crate::reason::How;

fn id(monitor: &str) -> MonitorId {
    MonitorId::new(name("server"), Some(name(monitor)))
}

/// The server's scripts with the monitors `port` and `page`, of which the second only tells; and a
/// method to restart it, if it has one.
fn watched(restart: Option<Vec<String>>) -> GroupSpec {
    let mut spec = spec();
    let one = |text: &str, action| Monitor {
        name: Some(name(text)),
        failures: 2,
        action,
        notify: Some(NotifyMethod { run: vec!["/opt/mail".to_owned()], limit: Span::secs(3) }),
        ..Monitor::new(Check::Run(vec!["/opt/ok".to_owned()]), Span::secs(2))
    };
    for resource in &mut spec.resources {
        if let ResourceKind::Process { monitors, how, .. } = &mut resource.kind {
            *monitors = vec![one("port", OnFailure::Fallover), one("page", OnFailure::Notify)];
            let (start, stop) = (vec!["/opt/start".to_owned()], vec!["/opt/stop".to_owned()]);
            let on_recover = crate::spec::OnRecover::Skip;
            let restart = restart.clone();
            *how = ProcessHow::Scripts { start, stop, running: None, on_recover, restart };
        }
    }
    spec
}

/// A desk, the group that it runs, and what is suspended of it.
struct Scene {
    desk: Desk,
    spec: GroupSpec,
    suspended: BTreeSet<MonitorId>,
    mend: Mend,
    now: Moment,
    /// What the desk wanted beside questions.
    wanted: Vec<String>,
}

impl Scene {
    fn up(restart: Option<Vec<String>>) -> Self {
        let (desk, spec) = (Desk::default(), watched(restart));
        let (suspended, mend) = (BTreeSet::new(), Mend::InPlace);
        let mut scene = Self { desk, spec, suspended, mend, now: Moment(0), wanted: Vec::new() };
        for input in [Input::Ours(EPOCHS[1]), Input::Leased(EPOCHS[1]), Input::Armed(EPOCHS[1])] {
            scene.tell(input);
        }
        assert_eq!(scene.desk.state, State::Running { epoch: EPOCHS[1] });
        scene.wanted.clear();
        scene
    }

    fn with(&mut self, step: impl FnOnce(&mut Desk, &Ground<'_>, &mut Vec<Wish>)) -> Vec<Wish> {
        let me = node("a");
        let (suspended, mend) = (self.suspended.clone(), self.mend);
        let ground =
            Ground { now: self.now, suspended, mend, ..ground((&self.spec, &me), terms()) };
        let mut out = Vec::new();
        step(&mut self.desk, &ground, &mut out);
        out
    }

    /// Takes an input, and does well all that follows but questions.
    fn tell(&mut self, input: Input) {
        let wishes = self.with(|desk, ground, out| desk.step(ground, input, out));
        self.follow(wishes);
    }

    fn follow(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            self.wanted.push(super::table::wish_word(&wish));
            if let Wish::Do(_, act, Act::Start { .. } | Act::Stop { .. }) = wish {
                self.tell(Input::Done(act, fine()));
            }
        }
    }

    /// Asks what is due after a while; what each monitor is asked under.
    fn ask(&mut self) -> Vec<(String, u64)> {
        self.now += Span::secs(2);
        let wishes = self.with(|desk, ground, out| desk.ask(ground, out));
        let asked = |wish| match wish {
            Wish::Do(_, act, Act::Ask { id, .. }) => (id.to_string(), act),
            other => panic!("{other:?} is no question"),
        };
        wishes.into_iter().map(asked).collect()
    }

    /// The next question of each monitor is answered so; one that is not named is left open.
    fn answer(&mut self, answers: &[(&str, Outcome)]) {
        for (monitor, act) in self.ask() {
            if let Some((_, outcome)) = answers.iter().find(|(m, _)| monitor.ends_with(m)) {
                self.tell(Input::Done(act, outcome.clone()));
            }
        }
    }

    fn words(&self) -> Vec<(String, Word)> {
        self.desk.words().map(|(id, word)| (id.to_string(), word.clone())).collect()
    }
}

#[test]
fn ph_14_a_monitor_that_hangs_is_unknown_and_does_not_hide_the_failure_of_another() {
    let mut scene = Scene::up(None);
    scene.mend = Mend::GiveAway;
    let hung = || Outcome::Failed { how: How::of(crate::reason::Mishap::TooLate, "no end") };
    scene.answer(&[("port", fine()), ("page", hung())]);
    let word = |monitor: &str, word| (format!("server/{monitor}"), word);
    assert_eq!(scene.words(), [word("port", Word::Well), word("page", Word::Unknown)]);
    // From here on the one is never answered.
    scene.answer(&[("port", failed())]);
    scene.answer(&[("port", failed())]);
    let State::Released { why: Why::Failure(cause), .. } = &scene.desk.state else {
        panic!("the group is well only if all of them are: {:?}", scene.desk.state)
    };
    let of = Some(name("port"));
    assert!(matches!(cause, Cause::MonitorFailed { monitor, .. } if *monitor == of), "{cause:?}");
}

#[test]
fn ph_14_a_monitor_that_only_tells_leaves_the_group_and_notifies_at_each_failure() {
    let mut scene = Scene::up(None);
    let both = |outcome| [("port", fine()), ("page", outcome)];
    scene.answer(&both(failed()));
    assert_eq!(scene.wanted, [""; 0], "one in a row does not count yet");
    for _ in 0..3 {
        scene.answer(&both(failed()));
    }
    let notify = "notify of server/page";
    assert_eq!(scene.wanted, [notify, "tell of server/page", notify], "it is told once");
    assert_eq!(scene.desk.state, State::Running { epoch: EPOCHS[1] });
    assert_eq!(scene.desk.failing(), Some(&id("page")));
    scene.wanted.clear();
    scene.answer(&both(fine()));
    assert_eq!(scene.wanted, ["tell of server/page"], "and once that it is well again");
    assert_eq!(scene.desk.failing(), None);
}

#[test]
fn ph_14_a_failure_runs_its_notify_method_and_says_what_follows() {
    let mut scene = Scene::up(None);
    scene.mend = Mend::GiveAway;
    scene.answer(&[("port", failed())]);
    let (_, act) = scene.ask().into_iter().find(|(m, _)| m.ends_with("port")).expect("it is due");
    let wishes = scene.with(|desk, ground, out| desk.step(ground, Input::Done(act, failed()), out));
    let Wish::Do(_, _, Act::Notify { notice, .. }) = &wishes[0] else { panic!("{wishes:?}") };
    assert_eq!((&notice.id, &*notice.how, notice.times), (&id("port"), "no", 2));
    assert_eq!(notice.action, OnFailure::Fallover);
}

#[test]
fn ph_14_a_restart_method_runs_in_place_of_a_stop_and_a_start_once_the_failure_is_recorded() {
    let mut scene = Scene::up(Some(vec!["/opt/again".to_owned()]));
    for _ in 0..2 {
        scene.answer(&[("port", failed())]);
    }
    assert_eq!(scene.wanted, ["notify of server/port", "record the failure"]);
    scene.wanted.clear();
    let wishes = scene.with(|desk, ground, out| desk.step(ground, Input::Recorded, out));
    let Wish::Do(_, act, Act::Restart { told, .. }) = &wishes[0] else { panic!("{wishes:?}") };
    assert_eq!((told.reason, told.before), ("monitor-failed", crate::desk::Before::Unclean));
    assert_eq!(wishes.len(), 1, "what it stands on is left as it is");
    let act = *act;
    scene.tell(Input::Done(act, fine()));
    assert_eq!(scene.wanted, ["say it is up"]);
    assert_eq!(scene.desk.state, State::Running { epoch: EPOCHS[1] });
}

#[test]
fn ph_14_a_restart_method_that_fails_is_a_start_that_failed_and_all_of_it_is_stopped() {
    let mut scene = Scene::up(Some(vec!["/opt/again".to_owned()]));
    for _ in 0..2 {
        scene.answer(&[("port", failed())]);
    }
    let wishes = scene.with(|desk, ground, out| desk.step(ground, Input::Recorded, out));
    let Wish::Do(_, act, _) = &wishes[0] else { panic!("{wishes:?}") };
    let act = *act;
    scene.wanted.clear();
    scene.tell(Input::Done(act, failed()));
    let stops = ["stop server", "stop cache", "stop vip", "stop disk"];
    assert_eq!(scene.wanted[..4], stops);
    let State::Released { why: Why::Failure(cause), .. } = &scene.desk.state else {
        panic!("{:?}", scene.desk.state)
    };
    assert!(matches!(cause, Cause::StartFailed { .. }), "{cause:?}");
}

#[test]
fn ph_14_what_stops_a_group_that_waits_for_its_restart_method_stops_all_of_it() {
    let mut scene = Scene::up(Some(vec!["/opt/again".to_owned()]));
    for _ in 0..2 {
        scene.answer(&[("port", failed())]);
    }
    scene.wanted.clear();
    scene.tell(Input::Stop(Why::Ordered));
    let stops = ["stop server", "stop cache", "stop vip", "stop disk"];
    assert_eq!(scene.wanted[..4], stops, "nothing of it was down");
}

#[test]
fn ph_14_without_restarts_left_a_restart_method_is_not_run() {
    let mut scene = Scene::up(Some(vec!["/opt/again".to_owned()]));
    scene.mend = Mend::GiveAway;
    for _ in 0..2 {
        scene.answer(&[("port", failed())]);
    }
    assert!(matches!(scene.desk.state, State::Released { why: Why::Failure(_), .. }));
}

#[test]
fn ph_14_a_suspended_monitor_is_not_asked_and_what_it_says_late_does_not_count() {
    let mut scene = Scene::up(None);
    scene.answer(&[("port", failed()), ("page", fine())]);
    let asked = scene.ask();
    scene.suspended.insert(id("port"));
    for (_, act) in asked {
        scene.tell(Input::Done(act, failed()));
    }
    assert_eq!(scene.desk.state, State::Running { epoch: EPOCHS[1] }, "it would have counted");
    assert_eq!(scene.words()[0].1, Word::Suspended);
    let asked: Vec<String> = scene.ask().into_iter().map(|(m, _)| m).collect();
    assert_eq!(asked, ["server/page"], "the other goes on");
    let later = scene.desk.next_ask().expect("it is looked at again");
    assert!(later > scene.now, "and nobody is kept awake for it");
    scene.suspended.clear();
    assert_eq!(scene.ask().len(), 1, "once it is over it is asked again");
}
