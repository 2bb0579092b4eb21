//! When devices are asked, and what their answers mean, against hands that start nothing.

use tsugi_host::request::{Purpose, Running};
use tsugi_vocabulary::{Epoch, GroupName, ResourceName};

use super::*;
use crate::errand::stand_in::{FakeHands, around};

struct Scene {
    fences: Fences,
    hands: FakeHands,
    now: Moment,
    /// Whether b is heard.
    heard: bool,
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn device() -> FenceDevice {
    FenceDevice {
        agent: "fence_site".to_owned(),
        options: [("plug".to_owned(), "3".to_owned())].into(),
        secret: None,
        limit: Span::secs(20),
        every: Span::secs(3600),
    }
}

impl Scene {
    fn new() -> Self {
        let around = around("a", "/");
        let mut fences = Fences::new(around, (77, 78));
        let now = Moment(1_000_000_000);
        let (a, b) = (node("a"), node("b"));
        fences.configured(now, [(&a, &device()), (&b, &device())].into_iter());
        Self { fences, hands: FakeHands::default(), now, heard: true }
    }

    fn pass(&mut self, time: Span) {
        self.now += time;
        self.fences.on_time(self.now, &mut self.hands);
    }

    fn report(&mut self, report: &Report) -> Option<Came> {
        let b_is_heard = self.heard;
        let heard = |name: &NodeName| name.as_str() == "b" && b_is_heard;
        self.fences.on_report(self.now, report, heard, &mut self.hands)
    }

    /// The program that was asked for last is started, and ends.
    fn ends(&mut self, how: HowEnded, limit: TimeLimit) -> Option<FenceFault> {
        let came = self.ended(how, limit);
        assert!(matches!(came, Some(Came::Tested(..))), "a test is no shot: {came:?}");
        self.fences.faults().get(&node("b")).cloned()
    }

    fn ended(&mut self, how: HowEnded, limit: TimeLimit) -> Option<Came> {
        let number = self.hands.0.len() as u64;
        let id = ProgramId { pid: u32::try_from(number).unwrap(), started: 7 };
        let outcome = Ok(Answer::Spawned(id));
        self.report(&Report::Answer { id: RequestId(number), outcome });
        let program = Running {
            id,
            group: GroupName::new(GROUP).unwrap(),
            epoch: Epoch::NONE,
            name: ResourceName::new("b").unwrap(),
            purpose: Purpose::Monitor,
        };
        let ended = Ended { program, how, limit, tail: b"its words\n".to_vec(), dropped: 0 };
        self.report(&Report::Event(Event::Ended(ended)))
    }

    fn exits(&mut self, code: i32) -> Option<Result<(), FenceFault>> {
        self.fenced(HowEnded::Exited(code), TimeLimit::Kept).map(|fenced| fenced.outcome)
    }

    fn fenced(&mut self, how: HowEnded, limit: TimeLimit) -> Option<Fenced> {
        match self.ended(how, limit) {
            Some(Came::Fenced(fenced)) => Some(fenced),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    /// What the fence agent was asked to do last.
    fn action(&self) -> Option<&str> {
        self.hands.0.last()?.argv.last().map(String::as_str)
    }

    fn shoot(&mut self) -> Option<Fenced> {
        self.fences.shoot((node("b"), BootId(9)), device(), &mut self.hands)
    }
}

#[test]
fn the_devices_of_the_others_are_asked_soon_and_then_every_so_often() {
    let mut scene = Scene::new();
    scene.pass(Span::secs(1));
    assert!(scene.hands.0.is_empty());
    scene.pass(FIRST);
    let [program] = scene.hands.0.as_slice() else { panic!("one device is another node's") };
    let argv: Vec<&str> = program.argv.iter().map(String::as_str).collect();
    let own = ["/usr/bin/tsugi", "fencing", "fence_site", "-", "77", "78"];
    assert_eq!(argv[..6], own);
    assert_eq!(argv[6..], ["plug=3", "nodename=b", "action=status"]);
    assert_eq!((program.time_limit, program.user), (Some(Span::secs(20)), Some((77, 78))));
    assert_eq!(scene.fences.tested_well()[&node("b")], None);
    assert_eq!(scene.ends(HowEnded::Exited(0), TimeLimit::Kept), None);
    assert!(scene.fences.tested_well()[&node("b")].is_some(), "and when is known");
    scene.pass(Span::secs(3500));
    assert_eq!(scene.hands.0.len(), 1);
    scene.pass(Span::secs(100));
    assert_eq!(scene.hands.0.len(), 2);
}

#[test]
fn one_with_a_password_begins_as_root_to_read_it() {
    let mut scene = Scene::new();
    let secret = FenceDevice { secret: Some("/etc/tsugi/pki/bmc".to_owned()), ..device() };
    scene.fences.configured(scene.now, [(&node("b"), &secret)].into_iter());
    scene.pass(FIRST);
    let program = &scene.hands.0[0];
    assert_eq!((program.user, program.argv[3].as_str()), (None, "/etc/tsugi/pki/bmc"));
}

#[test]
fn cl_29_each_way_a_device_can_fail_is_told_apart_and_asked_again_soon() {
    let words = || "its words".to_owned();
    for (code, fault) in [
        (1, FenceFault::Failed(words())),
        (step::ABSENT, FenceFault::Absent(words())),
        (step::SECRET, FenceFault::Secret(words())),
        (step::FLOODED, FenceFault::Flooded),
        (step::NONSENSE, FenceFault::Nonsense(words())),
        // The node is heard: what is switched by this device is another machine.
        (2, FenceFault::Wrong),
    ] {
        let mut scene = Scene::new();
        scene.pass(FIRST);
        if fault == FenceFault::Wrong {
            assert_eq!(scene.ends(HowEnded::Exited(code), TimeLimit::Kept), None, "looks again");
            scene.pass(LOOK);
        }
        let asked = scene.hands.0.len();
        assert_eq!(scene.ends(HowEnded::Exited(code), TimeLimit::Kept), Some(fault));
        scene.pass(AGAIN);
        assert_eq!(scene.hands.0.len(), asked + 1);
        assert_eq!(scene.ends(HowEnded::Exited(0), TimeLimit::Kept), None, "it answers again");
    }
    let mut scene = Scene::new();
    scene.pass(FIRST);
    let slow = scene.ends(HowEnded::Signalled(9), TimeLimit::Exceeded);
    assert_eq!(slow, Some(FenceFault::Slow(Span::secs(20))), "a timeout is a failure");
}

#[test]
fn a_device_of_another_configuration_is_asked_anew_and_one_that_is_gone_is_forgotten() {
    let mut scene = Scene::new();
    scene.pass(FIRST);
    scene.ends(HowEnded::Exited(1), TimeLimit::Kept);
    scene.fences.configured(scene.now, [(&node("b"), &device())].into_iter());
    assert_eq!(scene.fences.faults().len(), 1, "what did not change is known still");
    assert_eq!(scene.fences.tested_well()[&node("b")], None, "it never answered well");
    let other = FenceDevice { agent: "fence_other".to_owned(), ..device() };
    scene.fences.configured(scene.now, [(&node("b"), &other)].into_iter());
    assert!(scene.fences.faults().is_empty());
    scene.pass(FIRST);
    assert_eq!(scene.hands.0.len(), 2);
    scene.fences.configured(scene.now, std::iter::empty());
    assert_eq!(scene.fences.next_time(), None);
}

#[test]
fn off_is_believed_when_the_agent_says_so_and_the_device_then_says_off() {
    let mut scene = Scene::new();
    assert_eq!(scene.shoot(), None);
    assert_eq!(scene.action(), Some("action=off"));
    assert_eq!(scene.exits(0), None, "the word of the agent alone");
    assert_eq!(scene.action(), Some("action=status"));
    let fenced = scene.fenced(HowEnded::Exited(2), TimeLimit::Kept);
    let off = Fenced { node: node("b"), boot: BootId(9), outcome: Ok(()) };
    assert_eq!(fenced, Some(off));
}

#[test]
fn whatever_else_a_fence_agent_answers_confirms_nothing() {
    let words = || "its words".to_owned();
    for (code, fault) in [
        (1, FenceFault::Failed(words())),
        (2, FenceFault::Nonsense("exit code 2".to_owned())),
        (step::ABSENT, FenceFault::Absent(words())),
        (step::SECRET, FenceFault::Secret(words())),
        (step::FLOODED, FenceFault::Flooded),
        (step::NONSENSE, FenceFault::Nonsense(words())),
    ] {
        let mut scene = Scene::new();
        scene.shoot();
        assert_eq!(scene.exits(code), Some(Err(fault)), "off: {code}");
    }
    for (code, fault) in [(0, FenceFault::Lied), (1, FenceFault::Failed(words()))] {
        let mut scene = Scene::new();
        scene.shoot();
        scene.exits(0);
        assert_eq!(scene.exits(code), Some(Err(fault)), "status after off: {code}");
    }
    let mut scene = Scene::new();
    scene.shoot();
    let slow = scene.fenced(HowEnded::Signalled(9), TimeLimit::Exceeded).unwrap();
    assert_eq!(slow.outcome, Err(FenceFault::Slow(Span::secs(20))), "a timeout is a failure");
}

#[test]
fn a_device_that_says_off_of_what_has_just_lost_its_power_can_be_counted_on() {
    let mut scene = Scene::new();
    scene.pass(FIRST);
    assert_eq!(scene.ends(HowEnded::Exited(2), TimeLimit::Kept), None, "it is heard a while yet");
    assert_eq!(scene.shoot(), None);
    assert_eq!(scene.action(), Some("action=off"));
    let mut scene = Scene::new();
    scene.pass(FIRST);
    scene.ends(HowEnded::Exited(2), TimeLimit::Kept);
    scene.heard = false;
    scene.pass(LOOK);
    assert_eq!(scene.hands.0.len(), 2, "soon again");
    assert_eq!(scene.ends(HowEnded::Exited(2), TimeLimit::Kept), None, "it was off, and is silent");
    scene.heard = true;
    scene.pass(device().every);
    assert_eq!(scene.ends(HowEnded::Exited(2), TimeLimit::Kept), None, "that was another time");
}

#[test]
fn a_device_that_says_off_of_a_running_machine_is_not_asked_to_switch_off() {
    let mut scene = Scene::new();
    for wait in [FIRST, LOOK] {
        scene.pass(wait);
        scene.ends(HowEnded::Exited(2), TimeLimit::Kept);
    }
    let asked = scene.hands.0.len();
    let refused = scene.shoot().unwrap();
    assert_eq!((refused.outcome, scene.hands.0.len()), (Err(FenceFault::Wrong), asked));
}

#[test]
fn what_the_devices_say_is_told_once_all_were_asked_and_whenever_it_changes() {
    let mut scene = Scene::new();
    let (b, c) = (node("b"), node("c"));
    scene.fences.configured(scene.now, [(&b, &device()), (&c, &device())].into_iter());
    scene.pass(FIRST);
    let end = |scene: &mut Scene, number: u32, code| {
        let id = ProgramId { pid: number, started: 7 };
        let outcome = Ok(Answer::Spawned(id));
        scene.report(&Report::Answer { id: RequestId(u64::from(number)), outcome });
        let (group, name) = (GroupName::new(GROUP).unwrap(), ResourceName::new("x").unwrap());
        let (epoch, purpose) = (Epoch::NONE, Purpose::Monitor);
        let program = Running { id, group, epoch, name, purpose };
        let (how, limit) = (HowEnded::Exited(code), TimeLimit::Kept);
        let ended = Ended { program, how, limit, tail: Vec::new(), dropped: 0 };
        scene.report(&Report::Event(Event::Ended(ended)));
        scene.fences.news()
    };
    assert_eq!(end(&mut scene, 1, 0), None, "the other was not asked yet");
    let failed = BTreeMap::from([(c, FenceFault::Failed(String::new()))]);
    assert_eq!(end(&mut scene, 2, 1), Some(failed));
    scene.pass(AGAIN);
    assert_eq!(end(&mut scene, 3, 1), None, "that was told");
    scene.pass(AGAIN);
    assert_eq!(end(&mut scene, 4, 0), Some(BTreeMap::new()), "it answers again");
}

#[test]
fn what_a_test_said_and_how_long_it_took_is_told_whatever_is_made_of_it() {
    for (code, says) in [(0, Power::On), (2, Power::Off), (1, Power::Unknown)] {
        for heard in [true, false] {
            let mut scene = Scene::new();
            scene.heard = heard;
            scene.pass(FIRST);
            scene.now += Span::millis(17);
            let came = scene.ended(HowEnded::Exited(code), TimeLimit::Kept);
            assert_eq!(came, Some(Came::Tested(node("b"), says, Span::millis(17))));
        }
    }
}

#[test]
fn a_state_that_is_asked_for_is_told_as_it_was_said_and_counts_as_no_test() {
    let ask = |scene: &mut Scene| scene.fences.ask_state(node("b"), &device(), &mut scene.hands);
    for (code, says) in [(0, Power::On), (2, Power::Off), (1, Power::Unknown)] {
        let mut scene = Scene::new();
        assert_eq!(ask(&mut scene), None);
        assert_eq!(scene.action(), Some("action=status"), "nothing else is ever asked for");
        let came = scene.ended(HowEnded::Exited(code), TimeLimit::Kept);
        assert_eq!(came, Some(Came::State(node("b"), says)));
        assert_eq!((scene.fences.news(), scene.hands.0.len()), (None, 1));
    }
    let mut scene = Scene::new();
    ask(&mut scene);
    let late = scene.ended(HowEnded::Signalled(9), TimeLimit::Exceeded);
    assert_eq!(late, Some(Came::State(node("b"), Power::Unknown)));
}
