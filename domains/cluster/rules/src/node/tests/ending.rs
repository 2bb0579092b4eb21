//! The end of a life that one of two nodes demands of the other over their disk.

use super::pair::{Ledger, Network, Pair, Reach};
use super::*;
use crate::command::{Before, Command, Issued, decide};
use crate::plan::Situation;
use crate::record::{GroupRecord, Guard, Order as Ordered, Pause};
use crate::refusal::Refusal;
use crate::spec::FenceDevice;

impl Pair {
    /// A person at one of the two has the other fenced, which has no device.
    fn fence(&mut self, at: usize, node: &str) -> Result<(), Refusal> {
        let by = self.nodes[at].as_ref().unwrap();
        let situation = Situation {
            record: by.record(),
            sights: by.sights(self.now),
            by: by.name().clone(),
            at: Wall(self.now.0 / 1_000_000),
            settled: by.settled(self.now),
        };
        let issued = Issued {
            command: Command::NodeFence { node: name(node) },
            words: format!("node fence {node}"),
            person: "ops".to_owned(),
            origin: "desk".to_owned(),
            command_id: format!("{}", self.now.0),
            decided_on: by.record().generation(),
            reason: "it answers nobody".to_owned(),
            at: Wall(self.now.0 / 1_000_000),
            before: Before::New,
        };
        let draft = decide(&situation, &issued)?;
        assert!(self.record.admits(&draft));
        self.record.apply(&draft, Index(self.record.applied.0 + 1));
        for place in 0..2 {
            if self.reach[place] == Reach::Reaches {
                self.tell(place, Event::Applied(Arc::new(self.record.clone())));
            }
        }
        Ok(())
    }

    fn has_device(&mut self, node: &str) {
        let config = Arc::make_mut(self.record.config.as_mut().unwrap());
        config.spec.nodes.get_mut(&name(node)).unwrap().fence = Some(FenceDevice {
            agent: "fence_rack".to_owned(),
            options: [].into(),
            secret: None,
            limit: Span::secs(20),
            every: Span::secs(3600),
        });
        self.applied();
    }

    fn life(&self, place: usize) -> BootId {
        self.nodes[place].as_ref().unwrap().boot
    }

    fn demand(&self, node: &str) -> Option<BootId> {
        Some(self.record.nodes[&name(node)].value.demanded.as_ref()?.boot)
    }
}

#[test]
fn a_life_whose_end_is_demanded_lets_go_at_once_and_the_other_takes_over() {
    for network in [Network::Cut, Network::Up] {
        for leader in ["a", "b"] {
            let mut pair = Pair::running();
            pair.lead(leader);
            pair.network = network;
            pair.pass(Span::secs(3));
            let (first, counter) = (pair.life(0), pair.record.group(&pay()).unwrap().epoch);
            assert_eq!(pair.fence(1, "a"), Ok(()));
            assert_eq!((pair.demand("a"), pair.demanded), (Some(first), [Some(first), None]));
            let ttl = pair.nodes[1].as_ref().unwrap().timing().ttl;
            // Where only the disk is seen, its word that it has let go ends the wait. What it was
            // promised over a network before runs out by itself.
            let (soon, later) = (Span::millis(400), Span::secs(1));
            assert!(soon < ttl && ttl < later);
            pair.pass(if network == Network::Cut { soon } else { later });
            assert_eq!(pair.owner(), Some("b"), "led by {leader}");
            assert!(pair.record.group(&pay()).unwrap().epoch > counter);
            let runs = pair.runs.map(|until| until.is_some());
            assert_eq!(runs, [false, true], "led by {leader}");
            assert_eq!((pair.ended, pair.left_behind), ([1, 0], [None, None]));
            assert_ne!(pair.life(0), first);
            // The next life is meant by nobody, and the demand is withdrawn.
            pair.lead("b");
            pair.pass(Span::secs(5));
            assert_eq!((pair.ended, pair.demand("a")), ([1, 0], None));
            assert_eq!(pair.demanded, [None, None]);
            assert_eq!((pair.owner(), pair.runs[1].is_some()), (Some("b"), true));
        }
    }
}

#[test]
fn nothing_is_started_because_an_end_was_demanded() {
    let mut pair = Pair::running();
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    let claimed = |pair: &Pair| pair.disk[0].as_ref().unwrap().groups[&pay()];
    // Its machine stands still: it reads nothing, and its programs run.
    let stands_still = pair.nodes[0].take();
    let (until, before) = (pair.runs[0], claimed(&pair));
    assert_eq!(pair.fence(1, "a"), Ok(()));
    while pair.runs[0].is_some() {
        // Two that run are found by the stand.
        pair.pass(Span::millis(5));
    }
    assert!(until.unwrap() <= pair.now, "its guardian ended it, at its deadline");
    assert_eq!(claimed(&pair), before);
    pair.pass(Span::secs(1));
    assert_eq!((pair.owner(), pair.runs[1].is_some()), (Some("b"), true));
    // It wakes to the demand, which stands as long as that life may live.
    assert!(pair.demand("a").is_some());
    pair.nodes[0] = stands_still;
    pair.pass(Span::secs(4));
    assert_eq!((pair.ended, pair.demand("a")), ([1, 0], None));
    assert_eq!((pair.owner(), pair.runs[0]), (Some("b"), None));
}

/// Nobody says the demand on the disk any more, and the ledger has given its groups away.
#[test]
fn a_life_whose_end_was_demanded_by_one_that_is_lost_ends_by_the_ledgers_word() {
    let mut pair = Pair::running();
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    assert_eq!(pair.fence(1, "a"), Ok(()));
    pair.queue.clear();
    pair.cut_power(1);
    pair.lead("a");
    pair.pass(Span::secs(2));
    assert_eq!(pair.ended, [1, 0]);
    pair.lead("a");
    pair.pass(Span::secs(8));
    assert_eq!((pair.ended, pair.demand("a")), ([1, 0], None), "the next life is meant by nobody");
    assert_eq!((pair.owner(), pair.runs[0].is_some()), (Some("a"), true));
}

#[test]
fn nobody_demands_an_end_for_one_that_gets_no_entry_of_the_ledger() {
    let mut pair = Pair::running();
    pair.ledger[0] = Ledger::StandsStill;
    // Restarted in place, without the ledger; what comes then is the other's.
    pair.dies(0);
    pair.dies(0);
    pair.pass(Span::secs(5));
    let sights = pair.nodes[1].as_ref().unwrap().sights(pair.now);
    assert!(!sights[&name("a")].entries.reach_it(), "it has read nothing for long");
    assert_eq!(pair.fence(1, "b"), Err(Refusal::LastMajority { node: name("b") }));
}

/// The one that is left and the disk are two of three.
#[test]
fn one_of_two_is_switched_off_by_its_device_where_it_has_one() {
    for network in [Network::Up, Network::Cut] {
        let mut pair = Pair::running();
        pair.has_device("a");
        pair.network = network;
        pair.pass(Span::secs(3));
        assert_eq!(pair.fence(1, "a"), Ok(()));
        assert_eq!((&pair.shot[..], pair.demand("a")), (&[name("a")][..], None));
        pair.lead("b");
        pair.pass(Span::secs(2));
        assert_eq!((pair.owner(), pair.runs[1].is_some()), (Some("b"), true));
    }
}

#[test]
fn a_device_switches_off_nobody_whom_no_other_could_replace() {
    let mut pair = Pair::running();
    pair.has_device("b");
    pair.ledger[0] = Ledger::StandsStill;
    pair.dies(0);
    pair.dies(0);
    pair.pass(Span::secs(5));
    assert_eq!(pair.fence(1, "b"), Err(Refusal::LastMajority { node: name("b") }));
}

#[test]
fn a_demand_of_a_former_life_does_nothing_to_the_next() {
    let mut pair = Pair::running();
    let former = BootId(12_345);
    pair.demanded[0] = Some(former);
    pair.pass(Span::secs(2));
    assert_eq!((pair.ended, pair.owner()), ([0, 0], Some("a")));
    assert!(pair.runs[0].is_some());
}

#[test]
fn of_two_that_demand_each_others_end_the_ledger_takes_the_first() {
    let mut pair = Pair::running();
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    assert_eq!(pair.fence(0, "b"), Ok(()));
    let refused = Refusal::EndDemanded { node: name("b") };
    assert_eq!(pair.fence(1, "a"), Err(refused));
    assert_eq!(pair.fence(0, "b"), Err(Refusal::AlreadySo { what: "b".to_owned() }));
    pair.pass(Span::secs(4));
    assert_eq!((pair.ended, pair.demanded), ([0, 1], [None, None]));
    assert_eq!((pair.owner(), pair.runs[0].is_some()), (Some("a"), true), "it never stopped");
    assert_eq!(pair.fence(1, "a"), Ok(()), "that one is over");
}

#[test]
fn a_paused_group_outlives_the_demanded_end_of_its_nodes_life() {
    let mut pair = Pair::running();
    let order = Ordered {
        by: "ops".to_owned(),
        reason: "by hand".to_owned(),
        at: Wall(0),
        command: "1".to_owned(),
    };
    let pinned = Some(name("a"));
    let pause = Some(Pause { pinned, until: None, guard: Guard::Disarmed, order });
    let group = GroupRecord { pause, ..pair.record.group(&pay()).unwrap().clone() };
    let draft = Draft::default().write(Write::Group(pay(), Arc::new(group)));
    pair.record.apply(&draft, Index(pair.record.applied.0 + 1));
    pair.applied();
    // Its guardian guards it no more.
    pair.runs[0] = Some(Moment(u64::MAX));
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    assert_eq!(pair.fence(1, "a"), Ok(()));
    pair.pass(Span::secs(4));
    assert_eq!((pair.ended, pair.owner()), ([1, 0], Some("a")));
    assert_eq!(pair.left_behind[0], Some(Moment(u64::MAX)), "nobody stopped it");
}
