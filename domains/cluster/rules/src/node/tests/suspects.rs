//! A node that misses beats: its device is asked for the state, and what is made of the answer.

use super::*;
use crate::node::Power;
use crate::record::{FenceFault, FenceOrder, Happening, HowOff};
use crate::spec::FenceDevice;

/// The boot of b.
const SUSPECT: BootId = BootId(b'b' as u128);

fn device(plug: &str) -> FenceDevice {
    FenceDevice {
        agent: "fence_rack".to_owned(),
        options: [("plug".to_owned(), plug.to_owned())].into(),
        secret: None,
        limit: Span::secs(20),
        every: Span::secs(3600),
    }
}

/// The group is b's, which has a device, and a decides.
struct Watched {
    bench: Bench,
    sequence: u64,
}

impl Watched {
    fn bare() -> Self {
        let mut record = record();
        let group = Write::Group(pay(), Arc::new(owned(1, "b")));
        record.apply(&Draft::default().write(group), Index(2));
        let mut bench = Bench::new(record);
        bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
        let mut watched = Self { bench, sequence: 0 };
        watched.configure(Some(device("3")));
        watched.hear(&["b", "c"], Span::millis(400));
        watched.forget();
        watched
    }

    /// The same, and the newest test of the device has said on.
    fn new() -> Self {
        let mut watched = Self::bare();
        watched.test(Power::On, Span::millis(20));
        watched
    }

    fn configure(&mut self, fence: Option<FenceDevice>) {
        let mut config = (**self.bench.record.config.as_ref().unwrap()).clone();
        config.spec.nodes.get_mut(&name("b")).unwrap().fence = fence;
        self.bench.record.config = Some(Arc::new(config));
        self.touch();
    }

    /// An entry that changes nothing, so that the record is taken anew.
    fn touch(&mut self) {
        let own = (*self.bench.record.nodes[&name("a")].value).clone();
        self.write("a", own);
    }

    fn write(&mut self, node: &str, value: NodeRecord) {
        let draft = Draft::default().write(Write::Node(name(node), Arc::new(value)));
        let index = Index(self.bench.record.applied.0 + 1);
        self.bench.record.apply(&draft, index);
        self.bench.tell(Event::Applied(Arc::new(self.bench.record.clone())));
    }

    fn known(&self, node: &str) -> NodeRecord {
        (*self.bench.record.nodes[&name(node)].value).clone()
    }

    /// For so long these are heard.
    fn hear(&mut self, who: &[&str], time: Span) {
        let end = self.bench.now + time;
        while self.bench.now < end {
            for sender in who {
                self.beat(sender);
            }
            self.bench.pass(Span::millis(10));
        }
    }

    fn beat(&mut self, sender: &str) {
        self.sequence += 1;
        let beat = beat_of(sender, self.sequence, &self.bench.record);
        self.bench.tell(Event::Heard { via: via(0), beat: beat.into() });
    }

    fn test(&mut self, says: Power, took: Span) {
        self.bench.tell(Event::DeviceTested { node: name("b"), says, took });
    }

    fn says(&mut self, says: Power) {
        self.bench.tell(Event::DeviceSaid { node: name("b"), says });
    }

    /// b falls silent, and is not called so yet.
    fn misses_beats(&mut self) {
        self.hear(&["c"], Span::millis(260));
    }

    fn forget(&mut self) {
        self.bench.done.clear();
        self.bench.taken.clear();
    }

    fn asked(&self) -> usize {
        self.bench.done.iter().filter(|done| *done == "ask b").count()
    }

    fn owner(&self) -> Option<&str> {
        self.bench.group().owner().map(NodeName::as_str)
    }

    fn is_off(&self) -> bool {
        self.known("b").fenced == Some(SUSPECT)
    }
}

/// What the ledger was told of it.
fn found(watched: &Watched) -> Option<Span> {
    let writes = watched.bench.taken.iter().flat_map(|draft| &draft.writes);
    writes.into_iter().find_map(|write| match write {
        Write::Event(event) => match &event.what {
            Happening::Fenced { took, how: HowOff::Found, .. } => Some(*took),
            _ => None,
        },
        _ => None,
    })
}

fn off_twice_is_a_proof() {
    let mut watched = Watched::new();
    watched.hear(&["c"], Span::millis(220));
    assert_eq!(watched.asked(), 0, "two beats may be lost");
    watched.hear(&["c"], Span::millis(40));
    assert_eq!(watched.asked(), 1);
    watched.says(Power::Off);
    assert_eq!((watched.asked(), watched.is_off()), (2, false), "it is asked once more");
    watched.says(Power::Off);
    assert!(watched.is_off(), "{:?}", watched.bench.taken);
    let timing = watched.bench.node.timing();
    let took = found(&watched).expect("an event says so");
    assert!(took >= timing.suspect_after() && took < timing.silent_after(), "{took:?}");
    assert_eq!(watched.owner(), Some("a"), "nobody waits until it is called silent");
    let Ownership::Owned { cause, .. } = &watched.bench.group().ownership else { panic!() };
    let Cause::NodeSilent { node, silence } = cause else { panic!("{cause:?}") };
    assert!(*node == name("b") && *silence >= timing.suspect_after(), "{silence:?}");
}

#[test]
fn a_device_that_says_off_twice_of_a_node_that_misses_beats_ends_the_wait_for_it() {
    off_twice_is_a_proof();
}

#[test]
fn on_no_answer_and_off_once_change_nothing_and_it_is_asked_once_for_each_silence() {
    for answers in [
        &[Power::On][..],
        &[Power::Unknown],
        &[Power::Off, Power::On],
        &[Power::Off, Power::Unknown],
    ] {
        let mut watched = Watched::new();
        watched.misses_beats();
        for says in answers {
            watched.says(*says);
        }
        // Whatever comes after that was not asked for.
        watched.says(Power::Off);
        watched.says(Power::Off);
        watched.hear(&["c"], Span::millis(150));
        assert_eq!((watched.asked(), watched.is_off()), (answers.len(), false), "{answers:?}");
        assert_eq!(watched.owner(), Some("b"));
        watched.hear(&["b", "c"], Span::millis(100));
        watched.misses_beats();
        assert_eq!(watched.asked(), answers.len() + 1, "that is another silence");
    }
}

fn only_a_device_that_said_on_of_it() {
    let all = [
        (Power::On, Power::Off, "stuck, or plugged to what is off"),
        (Power::On, Power::Unknown, "absent"),
    ];
    for (before, newest, why) in all {
        let mut watched = Watched::bare();
        watched.test(before, Span::millis(20));
        watched.test(newest, Span::millis(20));
        watched.misses_beats();
        assert_eq!(watched.asked(), 0, "{why}");
    }
    let mut watched = Watched::bare();
    watched.misses_beats();
    assert_eq!(watched.asked(), 0, "never tested");
    let mut watched = Watched::bare();
    watched.misses_beats();
    watched.test(Power::On, Span::millis(20));
    watched.hear(&["b", "c"], Span::millis(100));
    watched.misses_beats();
    assert_eq!(watched.asked(), 0, "it was not heard when the device said on");
}

#[test]
fn only_a_device_whose_newest_test_said_on_of_a_node_that_was_heard_is_asked() {
    only_a_device_that_said_on_of_it();
}

#[test]
fn a_device_that_is_slow_or_configured_otherwise_since_or_that_another_node_caught_is_not_asked() {
    let mut watched = Watched::bare();
    let quick = watched.bench.node.timing().quick_state();
    watched.test(Power::On, quick + Span::millis(1));
    watched.misses_beats();
    assert_eq!(watched.asked(), 0, "it must be idle when it is to switch off");
    let mut watched = Watched::new();
    watched.configure(Some(device("4")));
    watched.misses_beats();
    assert_eq!(watched.asked(), 0, "that is another device");
    let mut watched = Watched::new();
    watched.configure(None);
    watched.misses_beats();
    assert_eq!(watched.asked(), 0);
    let caught = BTreeMap::from([(name("b"), device("3"))]);
    let unable = BTreeMap::from([(name("b"), FenceFault::Wrong)]);
    let plain = || NodeRecord::new(3);
    let by_another = NodeRecord { caught: caught.clone(), ..plain() };
    for entry in [by_another, NodeRecord { unable, ..plain() }] {
        let mut watched = Watched::new();
        watched.write("c", entry);
        watched.misses_beats();
        assert_eq!(watched.asked(), 0);
    }
    let mut mended = Watched::bare();
    mended.configure(Some(device("4")));
    mended.test(Power::On, Span::millis(20));
    mended.write("c", NodeRecord { caught, ..plain() });
    mended.misses_beats();
    assert_eq!(mended.asked(), 1, "it was caught as it was configured before");
}

fn one_that_was_caught_is_never_believed() {
    let mut watched = Watched::new();
    watched.misses_beats();
    watched.says(Power::Off);
    watched.beat("b");
    watched.says(Power::Off);
    watched.hear(&["b", "c"], Span::millis(700));
    assert!(!watched.is_off(), "what is heard has power");
    assert_eq!(watched.known("a").caught.get(&name("b")), Some(&device("3")), "for good");
    watched.forget();
    watched.test(Power::On, Span::millis(20));
    watched.misses_beats();
    assert_eq!(watched.asked(), 0);
}

#[test]
fn a_device_that_said_off_of_a_node_that_is_heard_again_is_never_asked_again() {
    one_that_was_caught_is_never_believed();
    for fault in [FenceFault::Wrong, FenceFault::Lied] {
        let mut watched = Watched::new();
        let (by, by_boot) = (name("a"), BOOT);
        let at = Wall(1);
        let order = FenceOrder { boot: SUSPECT, by, by_boot, at, order: None, failed: None };
        let known = watched.known("b");
        watched.hear(&["c"], Span::secs(1));
        watched.write("b", NodeRecord { fencing: Some(order), ..known });
        let outcome = Err(fault);
        watched.bench.tell(Event::Fenced { node: name("b"), boot: SUSPECT, outcome });
        assert!(watched.known("a").caught.contains_key(&name("b")));
    }
    let mut watched = Watched::new();
    let unable = BTreeMap::from([(name("b"), FenceFault::Wrong)]);
    watched.bench.tell(Event::DevicesAsked(unable));
    watched.bench.tell(Event::DevicesAsked(BTreeMap::new()));
    assert!(watched.known("a").caught.contains_key(&name("b")), "although it answers well since");
    assert!(watched.known("a").unable.is_empty());
}

#[test]
fn while_leases_run_for_long_no_device_is_asked() {
    let mut watched = Watched::new();
    let (by, reason) = ("mika".to_owned(), "storage move".to_owned());
    let order = crate::record::Order { by, reason, at: Wall(1), command: "c-1".to_owned() };
    let within = Span::secs(600);
    let stretch = crate::record::Stretch { ratio: 3, order, within, over: None };
    let draft = Draft::default().write(Write::Stretch(Arc::new(stretch)));
    let index = Index(watched.bench.record.applied.0 + 1);
    watched.bench.record.apply(&draft, index);
    watched.touch();
    watched.misses_beats();
    assert_eq!(watched.asked(), 0, "a wrong word would count for as long as the lease");
}

#[test]
fn what_a_device_said_is_told_once_and_a_later_fence_stands() {
    let mut watched = Watched::new();
    watched.misses_beats();
    watched.says(Power::Off);
    watched.says(Power::Off);
    assert!(watched.is_off());
    let later = Some(BootId(99));
    let known = watched.known("b");
    watched.write("b", NodeRecord { fenced: later, ..known });
    watched.hear(&["c"], Span::millis(200));
    assert_eq!(watched.known("b").fenced, later);
}

#[test]
fn a_beat_that_was_sent_before_the_power_was_lost_catches_no_device() {
    let mut watched = Watched::new();
    watched.misses_beats();
    watched.says(Power::Off);
    watched.beat("b");
    watched.hear(&["c"], Span::secs(1));
    assert!(watched.known("a").caught.is_empty());
}

#[test]
fn what_was_said_before_the_node_was_heard_again_is_no_proof() {
    let mut watched = Watched::new();
    watched.misses_beats();
    watched.says(Power::Off);
    watched.bench.ledger = Ledger::Silent;
    watched.says(Power::Off);
    watched.beat("b");
    watched.bench.ledger = Ledger::Answers;
    watched.hear(&["b", "c"], Span::millis(100));
    assert!(!watched.is_off());
    // Nor is it one while this node has stood still itself: the beats wait to be taken.
    let mut watched = Watched::new();
    watched.misses_beats();
    watched.says(Power::Off);
    watched.bench.now += Span::secs(2);
    watched.bench.tell(Event::Tick);
    watched.beat("b");
    watched.says(Power::Off);
    assert!(!watched.is_off());
}

#[test]
fn whoever_decides_asks_and_one_more_and_nobody_who_is_cut_off() {
    let asks = |leader: &str, there: &[&str], unable: &[&str]| {
        let mut watched = Watched::new();
        // A fourth one, before all others by its name.
        watched.write("Z", NodeRecord::new(9));
        for node in unable {
            let unable = BTreeMap::from([(name("b"), FenceFault::Flooded)]);
            watched.write(node, NodeRecord { unable, ..watched.known(node) });
        }
        let mut config = (**watched.bench.record.config.as_ref().unwrap()).clone();
        let z = config.spec.nodes[&name("c")].clone();
        config.spec.nodes.insert(name("Z"), z);
        watched.bench.record.config = Some(Arc::new(config));
        watched.touch();
        watched.hear(&["Z", "b", "c"], Span::millis(100));
        let leader = Some(name(leader));
        watched.bench.tell(Event::Leader { term: 3, leader });
        watched.forget();
        watched.hear(there, Span::millis(260));
        watched.asked() == 1
    };
    assert!(asks("a", &["Z", "c"], &[]), "who decides");
    assert!(!asks("c", &["Z", "c"], &[]), "c and Z are enough");
    assert!(asks("c", &["Z", "c"], &["Z"]), "Z could not ask lately");
    assert!(asks("b", &["Z", "c"], &[]), "who led is lost: the first two ask");
    assert!(!asks("a", &["c"], &[]), "two of four are no majority: it is cut off itself");
}

#[test]
fn nobody_is_asked_of_a_node_on_which_nothing_hangs_or_that_is_being_switched_off() {
    let idle = |group: GroupRecord| {
        let mut watched = Watched::new();
        watched.bench.write(group);
        watched.forget();
        watched.misses_beats();
        watched.asked() == 0
    };
    assert!(idle(owned(2, "a")), "it owns nothing");
    let mut of_another_life = owned(2, "b");
    if let Ownership::Owned { boot, .. } = &mut of_another_life.ownership {
        *boot = Some(BootId(4711));
    }
    assert!(idle(of_another_life), "that life of it was never heard here");
    let mut watched = Watched::new();
    let (by, by_boot, at) = (name("c"), BootId(b'c'.into()), Wall(1));
    let order = FenceOrder { boot: SUSPECT, by, by_boot, at, order: None, failed: None };
    watched.write("b", NodeRecord { fencing: Some(order), ..watched.known("b") });
    watched.misses_beats();
    assert_eq!(watched.asked(), 0, "whoever carries that out says what came of it");
    let mut watched = Watched::new();
    watched.bench.ledger = Ledger::Silent;
    watched.write("b", NodeRecord { fenced: Some(SUSPECT), ..watched.known("b") });
    watched.misses_beats();
    assert_eq!(watched.owner(), Some("b"), "its group has nowhere to go yet");
    assert_eq!(watched.asked(), 0, "somebody has vouched for that");
}

#[test]
fn when_the_leader_is_lost_the_answer_waits_for_the_next_one() {
    let mut watched = Watched::new();
    watched.bench.tell(Event::Leader { term: 3, leader: Some(name("b")) });
    watched.misses_beats();
    watched.says(Power::Off);
    watched.says(Power::Off);
    assert!(!watched.is_off() && watched.bench.taken.is_empty(), "there is nobody to be told");
    watched.bench.tell(Event::Leader { term: 4, leader: Some(name("a")) });
    assert!(watched.is_off());
    assert_eq!(watched.owner(), Some("a"));
}

#[cfg(feature = "mutants")]
#[test]
fn each_rule_about_a_state_that_is_taken_away_is_noticed() {
    let all: [(&str, fn()); 3] = [
        ("state-believed-once", off_twice_is_a_proof),
        ("state-believed-untested", only_a_device_that_said_on_of_it),
        ("state-of-a-liar-believed", one_that_was_caught_is_never_believed),
    ];
    for (planted, test) in all {
        crate::mutant::plant(planted);
        let found = std::panic::catch_unwind(test).is_err();
        crate::mutant::plant("");
        assert!(found, "{planted}");
    }
}
