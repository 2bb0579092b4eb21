//! Rounds between nodes that talk through memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use tsugi_cluster_rules::parity::{Could, Wrong, could};

use super::*;
use crate::control::Later;
use crate::control::view::scenes::{node, record, standing};

/// Who else there is: another node's rounds, or nobody.
struct Line(Mutex<Option<Arc<Rounds>>>);

impl Others for Line {
    fn ask(&self, _node: &NodeName, body: Vec<u8>) -> Later<Result<Vec<u8>, String>> {
        let other = self.0.lock().unwrap().clone();
        Box::pin(async move {
            match other {
                Some(other) => Ok(other.answer(&body).await),
                None => Err("no route".to_owned()),
            }
        })
    }
}

fn place() -> Place {
    let folder = std::env::temp_dir();
    Place {
        authority: "ab12".to_owned(),
        version: "0.1.0 x86_64".to_owned(),
        data: folder.clone(),
        runs: folder,
        machine: Machine::here,
    }
}

/// The rounds of a node with these others, and how it is brought up to date.
fn rounds(me: &str, other: Option<Arc<Rounds>>) -> (Arc<Rounds>, watch::Sender<Arc<Standing>>) {
    let picture = Standing { me: node(me), ..standing(record()) };
    let (sender, receiver) = watch::channel(Arc::new(picture));
    let line = Arc::new(Line(Mutex::new(other)));
    (Arc::new(Rounds::new(receiver, line, place())), sender)
}

fn verdict(outcome: &Outcome, name: &str) -> Verdict {
    let found = outcome.verdicts.iter().find(|verdict| verdict.node == node(name));
    found.expect("one for each node").clone()
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_not_known_to_be_able_to_take_anything() {
    let (alone, _standing) = rounds("node2", None);
    assert!(alone.last().is_none(), "nobody has asked yet");
    let outcome = alone.round().await.expect("there is a configuration");
    let other = verdict(&outcome, "node1");
    assert_eq!(could(&other.gaps), Could::Unknown);
    assert_eq!(other.gaps[0].what, Wrong::NotAsked("no route".to_owned()));
    assert_eq!(alone.last().expect("it is kept").verdicts, outcome.verdicts);
}

#[tokio::test]
async fn the_same_node_twice_differs_in_nothing_from_itself() {
    let (far, _far_standing) = rounds("node1", None);
    let (near, _standing) = rounds("node2", Some(far));
    let outcome = near.round().await.expect("there is a configuration");
    for name in ["node1", "node2"] {
        let differ = |what: &Wrong| matches!(what, Wrong::Differs { .. } | Wrong::Apart(_));
        let gaps = verdict(&outcome, name).gaps;
        assert!(!gaps.iter().any(|gap| differ(&gap.what)), "{name}: {gaps:?}");
    }
    let against = verdict(&outcome, "node2").against;
    assert_eq!(against, Some(node("node1")), "it runs the group or comes first");
}

#[tokio::test]
async fn a_node_that_has_another_configuration_is_not_compared() {
    let (far, far_standing) = rounds("node1", None);
    far_standing.send_modify(|standing| {
        let mut next = Standing::clone(standing);
        let mut record = (*next.record).clone();
        let mut config = (**record.config.as_ref().expect("it is applied")).clone();
        config.hash = "another".to_owned();
        record.config = Some(Arc::new(config));
        next.record = Arc::new(record);
        *standing = Arc::new(next);
    });
    let (near, _standing) = rounds("node2", Some(far));
    let outcome = near.round().await.expect("there is a configuration");
    assert_eq!(verdict(&outcome, "node1").gaps[0].what, Wrong::OtherConfig);
}

/// How often a machine was asked for its room that never says how much there is.
static ASKED_FOR_ROOM: AtomicUsize = AtomicUsize::new(0);

/// A machine with a file system that answers nothing any more.
fn hung() -> Machine {
    let free = |_: &std::path::Path| {
        ASKED_FOR_ROOM.fetch_add(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    };
    Machine { free, ..Machine::here() }
}

#[tokio::test]
async fn a_file_system_that_never_answers_costs_one_thread_and_is_never_well() {
    let (far, _far_standing) = rounds("node1", None);
    let (near, _standing) = rounds("node2", Some(far));
    let near = Arc::into_inner(near).expect("nobody else has it");
    let near = Arc::new(Rounds { looks: Looks::new(hung).impatient(), ..near });
    for _ in 0..3 {
        let outcome = near.round().await.expect("it ends without an answer");
        let own = verdict(&outcome, "node2");
        assert_eq!(own.gaps[0].what, Wrong::NotAsked(BUSY.to_owned()));
        assert_eq!(could(&own.gaps), Could::Unknown);
        let said = crate::records::decode::<Say>(&near.answer(&encode(&Ask::Look)).await);
        assert_eq!(said.expect("it says something"), Say::Busy);
    }
    assert!(near.last().is_some(), "what came of it is kept");
    assert_eq!(ASKED_FOR_ROOM.load(Ordering::SeqCst), 1, "nobody else looks meanwhile");
}

#[tokio::test]
async fn who_asks_while_another_looks_is_told_what_was_seen_a_moment_ago() {
    let (near, _standing) = rounds("node2", None);
    let config = near.standing.borrow().record.config.clone().expect("it is applied");
    let own = || own(&near.standing.borrow(), &config, near.place.clone());
    let seen = near.looks.look(&config, own()).await.expect("it is seen");
    let _looking = near.looks.begun();
    assert_eq!(near.looks.look(&config, own()).await, Some(seen));
}

#[test]
fn nodes_of_a_cluster_do_not_look_at_the_same_moment() {
    let all: BTreeSet<Duration> = (1..=8).map(|n| spread(&node(&format!("node{n}")))).collect();
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|apart| *apart < SPREAD), "{all:?}");
}

#[test]
fn a_device_that_answered_long_ago_is_not_one_that_answers() {
    use tsugi_cluster_rules::spec::FenceDevice;
    let mut picture = Standing { me: node("node2"), ..standing(record()) };
    let mut record = (*picture.record).clone();
    let mut config = (**record.config.as_ref().expect("it is applied")).clone();
    config.spec.nodes.get_mut(&node("node1")).expect("it is one").fence = Some(FenceDevice {
        agent: "fence_site".to_owned(),
        options: BTreeMap::new(),
        secret: None,
        limit: Span::secs(4),
        every: Span::secs(60),
    });
    record.config = Some(Arc::new(config));
    picture.record = Arc::new(record);
    let mut seen = |at: Option<u64>| {
        let at = at.map(|ago| Wall(picture.at.0 - ago));
        picture.fence_tests.insert(node("node1"), at);
        let spec = picture.record.spec().expect("it is applied").clone();
        devices(&picture, &spec)[&node("node1")].clone()
    };
    assert_eq!(seen(Some(120_000)), Device::Well);
    assert_eq!(seen(Some(120_001)), Device::Untested);
    assert_eq!(seen(None), Device::Untested);
}

/// The configuration of the scenes with this program in its group.
fn with_program(path: &str) -> Arc<AppliedConfig> {
    let program = format!(
        "[[group.PAY.resource]]\nname = \"server\"\nkind = \"process\"\nrun = [\"{path}\"]\n"
    );
    let text = format!("{}{program}", crate::control::view::scenes::FILE);
    Arc::new(proposed(&text).expect("it is right"))
}

#[tokio::test]
async fn ph_16_nodes_look_for_what_a_configuration_would_need_before_it_is_applied() {
    let (far, _far_standing) = rounds("node1", None);
    let (near, _standing) = rounds("node2", Some(far));
    let outcome = near.round_for(&with_program("/nonexistent/server")).await;
    for name in ["node1", "node2"] {
        let gaps = verdict(&outcome, name).gaps;
        let missing = gaps.iter().find(|gap| gap.item == "program:/nonexistent/server");
        assert_eq!(missing.expect("it is named").what, Wrong::Missing, "{name}");
    }
    assert!(near.last().is_none(), "what is not applied is not what is found");
    let there = near.round_for(&with_program("/bin/sh")).await;
    let named = |gap: &tsugi_cluster_rules::parity::Gap| gap.item.starts_with("program:");
    assert!(!there.verdicts.iter().any(|v| v.gaps.iter().any(named)), "{:?}", there.verdicts);
}

#[tokio::test]
async fn ph_16_a_node_that_cannot_read_the_new_configuration_is_never_taken_as_well() {
    let (near, _standing) = rounds("node2", None);
    let ask = Ask::LookFor { text: "[from_a_later_version]\n".to_owned() };
    let said = crate::records::decode::<Say>(&near.answer(&encode(&ask)).await);
    assert_eq!(said.expect("it says something"), Say::NotRead);
}

#[tokio::test]
async fn ph_16_a_node_looks_soon_after_its_start_and_then_far_more_often_than_daily() {
    let (longest_first, longest_rest) = (FIRST + SPREAD / 10, EVERY + SPREAD);
    assert!(longest_first <= Duration::from_secs(180) && longest_rest < Duration::from_secs(7_200));
    let (near, _standing) = rounds("node2", None);
    let soon = Duration::from_millis(1);
    let keeper = Arc::clone(&near);
    let kept = tokio::spawn(async move { keeper.keep_at(soon, soon).await });
    let another = async |than: Option<&Arc<Outcome>>| loop {
        let new = |last: &Arc<Outcome>| than.is_none_or(|than| !Arc::ptr_eq(last, than));
        if let Some(last) = near.last().filter(new) {
            return last;
        }
        tokio::time::sleep(soon).await;
    };
    let first = another(None).await;
    another(Some(&first)).await;
    kept.abort();
}
