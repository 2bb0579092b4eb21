//! The keeper against hands that only write down what they are to start.

use std::sync::Arc;

use super::*;
use crate::errand::stand_in::{FakeHands, around};
use crate::mirror::whole;
use tsugi_cluster_rules::mirror::FROZEN_FOR;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{
    AppliedConfig, GroupIntent, GroupRecord, Ownership, Phase, Versioned,
};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_host::request::{Purpose, Running, TimeLimit};
use tsugi_vocabulary::{Epoch, Index, ResourceName};

/// PAY has two volumes, of which the fake kernel shows one alone and one whole.
const FILE: &str = r#"
[cluster]
name = "c"
[node.a]
address = "127.0.0.1"
[node.b]
address = "127.0.0.2"
[witness]
address = "127.0.0.3"
[group.PAY]
prefer = ["a", "b"]
fence = "mirror"
[[group.PAY.resource]]
name = "one"
kind = "volume"
source = "/dev/alone"
drbd = "r0"
mount = "/srv/one"
[[group.PAY.resource]]
name = "two"
kind = "volume"
source = "/dev/whole"
drbd = "r1"
mount = "/srv/two"
"#;

fn primary(connection: &str, peer: (&str, &str)) -> Mirror {
    Mirror {
        connection: connection.to_owned(),
        peer_role: peer.0.to_owned(),
        peer_disk: peer.1.to_owned(),
        ..whole()
    }
}

/// One is parted from its other side, one is whole.
fn half(device: &Path) -> Option<Mirror> {
    let alone = device == Path::new("/dev/alone");
    Some(if alone { primary("WFConnection", ("Unknown", "DUnknown")) } else { whole() })
}

fn both(_: &Path) -> Option<Mirror> {
    Some(whole())
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn record(owner: &str, newest: Option<&str>) -> Record {
    let ownership = Ownership::Owned {
        node: node(owner),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase: Phase::Running,
        handover: None,
    };
    let copies = Copies { newest: newest.map(node), mark: 6, fenced: None };
    let entry = GroupRecord { ownership, copies, ..GroupRecord::new(GroupIntent::Run) };
    let config = crate::config::read(FILE).unwrap();
    let value = Arc::new(entry);
    let applied = AppliedConfig {
        version: 1,
        hash: String::new(),
        text: FILE.to_owned(),
        spec: config.spec,
        unconfirmed: None,
    };
    let mut record = Record { config: Some(Arc::new(applied)), ..Record::default() };
    let group = GroupName::new("PAY").unwrap();
    record.groups.insert(group, Versioned { version: Index(3), value });
    record
}

struct Scene {
    keeper: Keeper,
    hands: FakeHands,
    now: Moment,
}

impl Scene {
    fn new(look: fn(&Path) -> Option<Mirror>) -> Self {
        Self::seeing(look, |_, _| Begun::No)
    }

    fn seeing(look: fn(&Path) -> Option<Mirror>, begun: fn(&Path, &str) -> Begun) -> Self {
        let eyes = Eyes { look, begun, starts: |_, _| 3 };
        let keeper = Keeper::seeing(around("a", "/"), eyes);
        Self { keeper, hands: FakeHands::default(), now: Moment(0) }
    }

    /// What is started within a second, after the word that calls for all of it.
    fn second(&mut self, record: &Record) -> Vec<Vec<String>> {
        let before = self.hands.0.len();
        self.now += EVERY;
        self.keeper.on_time(self.now, (record, &node("a")), &mut self.hands);
        self.hands.0[before..].iter().map(|program| program.argv[2..].to_vec()).collect()
    }

    fn begins(&mut self) -> ProgramId {
        let number = self.hands.0.len() as u64;
        let id = ProgramId { pid: 31, started: number };
        let outcome = Ok(Answer::Spawned(id));
        self.keeper.on_report(&Report::Answer { id: RequestId(number), outcome });
        id
    }

    fn ends(&mut self) {
        self.ends_with(0, "");
    }

    fn ends_with(&mut self, code: i32, said: &str) {
        let id = self.begins();
        let program = Running {
            id,
            group: GroupName::new(GROUP).unwrap(),
            epoch: Epoch::NONE,
            name: ResourceName::new("PAY").unwrap(),
            purpose: Purpose::Monitor,
        };
        let (how, limit) = (HowEnded::Exited(code), TimeLimit::Kept);
        let ended = Ended { program, how, limit, tail: said.as_bytes().to_vec(), dropped: 0 };
        self.keeper.on_report(&Report::Event(Event::Ended(ended)));
    }
}

#[test]
fn the_ledger_is_told_who_writes_alone_by_one_process_at_a_time() {
    let mut scene = Scene::new(half);
    let unknown = record("a", None);
    assert_eq!(scene.second(&unknown), [["say", "PAY", "alone"]]);
    assert_eq!(scene.hands.0[0].user, Some((0, 0)));
    for _ in 0..9 {
        assert!(scene.second(&unknown).is_empty(), "it runs still");
    }
    scene.ends();
    assert_eq!(scene.second(&unknown), [["say", "PAY", "alone"]], "nobody has written it down");
}

#[test]
fn one_whose_end_nobody_tells_holds_up_the_next_for_a_while_only() {
    for answered in [false, true] {
        let mut scene = Scene::new(half);
        let unknown = record("a", None);
        assert_eq!(scene.second(&unknown), [["say", "PAY", "alone"]]);
        if answered {
            scene.begins();
        }
        let began = scene.now;
        while scene.now + EVERY < began + GONE_AFTER {
            assert!(scene.second(&unknown).is_empty(), "it may run still");
        }
        assert_eq!(scene.second(&unknown), [["say", "PAY", "alone"]], "{answered}");
    }
}

#[test]
fn an_owner_that_the_ledger_names_is_not_left_frozen_by_a_handler_that_ended() {
    let frozen = |_: &Path| {
        let alone = primary("WFConnection", ("Unknown", "DUnknown"));
        Some(Mirror { io: Io::Frozen, ..alone })
    };
    let mut scene = Scene::new(frozen);
    let named = record("a", Some("a"));
    let began = scene.now + EVERY;
    while scene.now < began + FROZEN_FOR {
        assert!(scene.second(&named).is_empty(), "the handler may answer yet");
    }
    let deed = &scene.second(&named)[0];
    assert_eq!(deed[..2], ["resume".to_owned(), "r0".to_owned()]);
    // The time runs anew after another was named.
    let mut scene = Scene::new(frozen);
    for newest in ["a", "b", "a"] {
        for _ in 0..10 {
            assert!(scene.second(&record("a", Some(newest))).is_empty(), "{newest}");
        }
    }
}

#[test]
fn what_was_begun_and_not_ended_is_ended_also_where_drbd_has_nothing_up() {
    let gone: fn(&Path) -> Option<Mirror> = |_| None;
    let begun = |_: &Path, name: &str| if name == "r1" { Begun::Yes } else { Begun::No };
    let elsewhere = record("b", None);
    let deed = Scene::seeing(gone, begun).second(&elsewhere);
    assert_eq!(deed[0][..2], ["give-up".to_owned(), "r1".to_owned()]);
    assert!(Scene::seeing(gone, begun).second(&record("a", None)).is_empty(), "its start does so");
    assert!(Scene::new(gone).second(&elsewhere).is_empty());
}

#[test]
fn an_owner_that_writes_over_the_link_names_the_only_other_node() {
    let over = |_: &Path| {
        let whole = primary("Connected", ("Secondary", "UpToDate"));
        Some(Mirror { disk: "Diskless".to_owned(), ..whole })
    };
    assert_eq!(Scene::new(over).second(&record("a", None)), [["say", "PAY", "there", "b", "6"]]);
}

#[test]
fn copies_are_alike_again_once_those_of_all_volumes_are() {
    let apart = record("a", Some("a"));
    assert!(Scene::new(half).second(&apart).is_empty());
    assert_eq!(Scene::new(both).second(&apart), [["say", "PAY", "alike", "6"]]);
    assert!(Scene::new(both).second(&record("a", None)).is_empty());
}

#[test]
fn what_is_primary_although_its_group_is_anothers_is_made_secondary() {
    let elsewhere = record("b", None);
    let began = Scene::new(both).second(&elsewhere);
    assert_eq!(began[0][..2], ["give-up".to_owned(), "r0".to_owned()]);
}

fn nobodys() -> Record {
    let mut record = record("b", None);
    let group = GroupName::new("PAY").unwrap();
    let entry = GroupRecord::new(GroupIntent::Run);
    record.groups.insert(group, Versioned { version: Index(3), value: Arc::new(entry) });
    record
}

/// The words that give r1 up, after the one that calls for it.
fn given_up(words: &[Vec<String>]) -> &[String] {
    let [deed] = words else { panic!("{words:?}") };
    assert_eq!(deed[..2], ["give-up".to_owned(), "r1".to_owned()]);
    &deed[3..]
}

#[test]
fn a_give_up_is_told_whether_a_mount_counts_and_after_how_many_starts_it_was_decided() {
    let begun = |_: &Path, name: &str| if name == "r1" { Begun::Yes } else { Begun::No };
    let mut elsewhere = Scene::seeing(|_| None, begun);
    assert_eq!(given_up(&elsewhere.second(&record("b", None))), ["given-up", "20000", "3"]);
    // A person may have mounted it.
    let mut rests = Scene::seeing(|_| None, begun);
    assert_eq!(given_up(&rests.second(&nobodys())), ["left", "20000", "3"]);
}

#[test]
fn what_is_in_use_is_told_tried_again_and_forgotten_once_it_is_given_up_or_wanted_here() {
    let begun = |_: &Path, name: &str| if name == "r1" { Begun::Yes } else { Begun::No };
    let tried = || {
        let mut scene = Scene::seeing(|_| None, begun);
        given_up(&scene.second(&nobodys()));
        scene.ends_with(76, "r1: Connected Primary/Secondary UpToDate/UpToDate\n");
        let of = (GroupName::new("PAY").unwrap(), "r1".to_owned());
        let said = "r1: Connected Primary/Secondary UpToDate/UpToDate".to_owned();
        assert_eq!(*scene.keeper.in_use(), BTreeMap::from([(of, said)]));
        scene
    };
    let mut scene = tried();
    let again = |scene: &mut Scene| (0..4).any(|_| !scene.second(&nobodys()).is_empty());
    assert!(again(&mut scene));
    assert_eq!(scene.keeper.in_use().len(), 1, "nothing is known of the next try yet");
    scene.ends();
    assert!(scene.keeper.in_use().is_empty());
    let mut scene = tried();
    scene.second(&record("a", None));
    assert!(scene.keeper.in_use().is_empty(), "its start makes it primary");
}
