//! Three voters, their gates and a small world between them.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{Moment, Span};

use super::gate::{Gate, Hearsay, LogPlace, Order, Role, Sighting, Situation};
use crate::VoterId;

const SILENCE: Span = Span::millis(180);
const A: VoterId = VoterId(1);
const B: VoterId = VoterId(2);
const C: VoterId = VoterId(3);

/// One voter of the false world.
struct Peer {
    gate: Gate,
    up: bool,
    log: LogPlace,
    leads: Option<u64>,
    confirmed: Moment,
    silent_by_order: bool,
}

/// Gates with perfect clocks, instant messages and elections that a majority in reach decides.
struct World {
    now: Moment,
    peers: BTreeMap<VoterId, Peer>,
    cut: BTreeSet<(VoterId, VoterId)>,
    term: u64,
    elections: Vec<(Moment, VoterId)>,
}

impl World {
    fn new() -> Self {
        let now = Moment(1_000_000_000);
        let peer = |id| Peer {
            gate: Gate::new(id, &[A, B, C], SILENCE, now),
            up: true,
            log: LogPlace { term: 1, index: 7 },
            leads: None,
            confirmed: now,
            silent_by_order: false,
        };
        let peers = [A, B, C].map(|id| (id, peer(id))).into();
        Self { now, peers, cut: BTreeSet::new(), term: 0, elections: Vec::new() }
    }

    fn situation(&self, id: VoterId) -> Situation {
        let peer = &self.peers[&id];
        let role = match peer.leads {
            Some(term) => Role::Leader { term, confirmed: peer.confirmed },
            None => Role::Voter,
        };
        Situation { role, voters: vec![A, B, C], lists: vec![vec![A, B, C]], log: peer.log }
    }

    fn passes(&self, from: VoterId, to: VoterId) -> bool {
        self.peers[&from].up && self.peers[&to].up && !self.cut.contains(&(from, to))
    }

    fn see(&mut self, id: VoterId, seen: Sighting) {
        let (now, at) = (self.now, self.situation(id));
        let peer = self.peers.get_mut(&id).unwrap();
        match peer.gate.step(now, seen, &at) {
            None => {}
            Some(Order::StepAside) => peer.silent_by_order = true,
            Some(Order::Resume) => {
                peer.silent_by_order = false;
                peer.confirmed = now;
            }
            Some(Order::Ask { round }) => self.ask(id, round),
            Some(Order::Elect) => self.elect(id),
        }
    }

    fn ask(&mut self, id: VoterId, round: u64) {
        for other in [A, B, C] {
            if other != id && self.passes(id, other) && self.passes(other, id) {
                let at = self.situation(other);
                let says = self.peers[&other].gate.says(self.now, &at);
                self.see(id, Sighting::Answer { round, from: other, says });
            }
        }
    }

    fn elect(&mut self, id: VoterId) {
        self.elections.push((self.now, id));
        let log = self.peers[&id].log;
        let votes = [A, B, C].into_iter().filter(|other| {
            let reached = self.passes(id, *other) && self.passes(*other, id);
            *other == id || (reached && self.peers[other].log <= log)
        });
        let votes: Vec<_> = votes.collect();
        if votes.len() >= 2 {
            self.term += 1;
            for voter in votes {
                self.peers.get_mut(&voter).unwrap().leads = None;
            }
            let peer = self.peers.get_mut(&id).unwrap();
            (peer.leads, peer.confirmed) = (Some(self.term), self.now);
        }
    }

    /// One millisecond; leaders are heard every 20.
    fn tick(&mut self) {
        self.now += Span::millis(1);
        for id in [A, B, C] {
            let peer = &self.peers[&id];
            if !peer.up {
                continue;
            }
            if let (Some(term), false) = (peer.leads, peer.silent_by_order)
                && self.now.0.is_multiple_of(20_000_000)
            {
                self.beat(id, term);
            }
            self.see(id, Sighting::Tick);
        }
    }

    fn beat(&mut self, id: VoterId, term: u64) {
        let others: Vec<_> = [A, B, C].into_iter().filter(|other| *other != id).collect();
        for other in others {
            if !self.passes(id, other) {
                continue;
            }
            if term < self.peers[&other].leads.unwrap_or(0) {
                if self.passes(other, id) {
                    self.peers.get_mut(&id).unwrap().leads = None;
                }
                continue;
            }
            self.peers.get_mut(&other).unwrap().leads = None;
            self.see(other, Sighting::Heard { leader: id, term });
            if self.passes(other, id) {
                self.peers.get_mut(&id).unwrap().confirmed = self.now;
            }
        }
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            self.tick();
        }
    }

    fn leader(&self) -> Option<VoterId> {
        let leads = |(id, peer): (&VoterId, &Peer)| {
            let role = self.situation(*id).role;
            (peer.up && peer.gate.leads(self.now, role)).then_some(*id)
        };
        let leaders: Vec<_> = self.peers.iter().filter_map(leads).collect();
        assert!(leaders.len() < 2, "two leaders that a majority confirms: {leaders:?}");
        leaders.first().copied()
    }

    fn isolate(&mut self, id: VoterId) {
        for other in [A, B, C] {
            self.cut.insert((id, other));
            self.cut.insert((other, id));
        }
    }

    fn with_leader() -> Self {
        let mut world = Self::new();
        world.run(400);
        assert_eq!(world.leader(), Some(A));
        world.elections.clear();
        world
    }
}

#[test]
fn after_a_start_of_all_voters_the_first_is_elected_once() {
    let mut world = World::new();
    world.run(2_000);
    assert_eq!(world.leader(), Some(A));
    assert_eq!(world.elections.len(), 1);
}

#[test]
fn a_heard_leader_is_never_challenged() {
    let mut world = World::with_leader();
    world.run(5_000);
    assert_eq!(world.elections, vec![]);
}

#[test]
fn a_lost_leader_is_replaced_soon_after_the_silence() {
    let mut world = World::with_leader();
    world.peers.get_mut(&A).unwrap().up = false;
    let lost = world.now;
    world.run(400);
    assert_eq!(world.leader(), Some(B));
    let waited = world.elections[0].0.since(lost);
    assert!(waited <= SILENCE + Span::millis(25), "{waited}");
    assert_eq!(world.elections.len(), 1);
}

#[test]
fn cl_35_a_longer_silence_is_waited_for_once_the_leader_was_heard_under_it() {
    let mut world = World::with_leader();
    let longer = Span(SILENCE.0 * 5);
    for peer in world.peers.values_mut() {
        peer.gate.set_silence(longer);
    }
    world.run(200);
    world.peers.get_mut(&A).unwrap().up = false;
    let lost = world.now;
    world.run(2_000);
    assert_eq!(world.leader(), Some(B));
    let waited = world.elections[0].0.since(lost);
    assert!(waited > SILENCE + SILENCE, "{waited}");
    assert!(waited <= longer + Span(longer.0 / 6), "{waited}");
}

#[test]
fn a_voter_that_was_cut_off_returns_without_an_election() {
    let mut world = World::with_leader();
    world.isolate(C);
    world.run(4_500);
    world.cut.clear();
    world.run(2_000);
    assert_eq!(world.elections, vec![], "neither while it was cut off nor after");
    assert_eq!(world.leader(), Some(A));
}

#[test]
fn a_voter_that_hears_the_leader_no_more_is_held_by_one_that_does() {
    let mut world = World::with_leader();
    world.cut.insert((A, B));
    world.run(3_000);
    assert_eq!(world.elections, vec![]);
}

#[test]
fn a_leader_without_a_majority_steps_aside_and_the_others_elect() {
    let mut world = World::with_leader();
    world.isolate(A);
    world.run(600);
    assert_eq!(world.leader(), Some(B));
    world.cut.clear();
    world.run(600);
    assert_eq!(world.leader(), Some(B), "the old leader does not take it back");
    assert_eq!(world.elections.len(), 1);
}

#[test]
fn a_leader_that_is_heard_and_hears_nobody_steps_aside() {
    let mut world = World::with_leader();
    world.cut.insert((B, A));
    world.cut.insert((C, A));
    world.run(1_000);
    assert_eq!(world.leader(), Some(B));
}

#[test]
fn a_leader_resumes_when_the_links_return_and_nobody_else_leads() {
    let mut world = World::with_leader();
    for id in [A, B, C] {
        world.isolate(id);
    }
    world.run(2_000);
    assert_eq!(world.leader(), None);
    assert_eq!(world.elections, vec![], "nobody reaches a majority");
    world.cut.clear();
    world.run(600);
    assert!(world.leader().is_some());
}

#[test]
fn the_voter_with_the_newest_log_is_elected() {
    let mut world = World::new();
    world.peers.get_mut(&C).unwrap().log.index = 9;
    world.peers.get_mut(&B).unwrap().log.index = 9;
    world.run(1_000);
    assert_eq!(world.leader(), Some(B), "the first has an older log than a majority");
    assert_eq!(world.elections.len(), 1);
}

#[test]
fn one_voter_of_three_never_elects_itself() {
    let mut world = World::new();
    world.peers.get_mut(&A).unwrap().up = false;
    world.peers.get_mut(&B).unwrap().up = false;
    world.run(5_000);
    assert_eq!(world.elections, vec![]);
}

#[test]
fn a_leader_deposed_while_it_stood_aside_may_send_once_it_is_elected_again() {
    let mut world = World::with_leader();
    world.isolate(A);
    world.run(1_000);
    assert!(world.peers[&A].silent_by_order);
    world.cut.clear();
    world.run(300);
    assert!(!world.peers[&A].silent_by_order);
}

#[test]
fn a_voter_that_was_asked_for_its_vote_does_not_stand_against_the_asker() {
    let (now, later) = (Moment(1_000_000_000), Moment(1_200_000_000));
    let mut gate = Gate::new(B, &[A, B, C], SILENCE, now);
    let log = LogPlace::default();
    let lists = vec![vec![A, B, C]];
    let at = Situation { role: Role::Voter, voters: vec![A, B, C], lists, log };
    assert_eq!(gate.step(later, Sighting::Tick, &at), Some(Order::Ask { round: 1 }));
    assert_eq!(gate.step(later, Sighting::Courted, &at), None);
    let says = Hearsay { silent_for: Span::secs(1), leader: None, term: 0, stands: false, log };
    let answer = Sighting::Answer { round: 1, from: C, says };
    assert_eq!(gate.step(later, answer, &at), None);
    let again = later + Span(SILENCE.0 / 2) + Span::millis(30);
    assert_eq!(gate.step(again, Sighting::Tick, &at), Some(Order::Ask { round: 2 }));
}

#[test]
fn two_voters_do_not_stand_at_the_same_time() {
    let (now, later) = (Moment(1_000_000_000), Moment(1_200_000_000));
    let mut gate = Gate::new(B, &[A, B, C], SILENCE, now);
    let log = LogPlace::default();
    let lists = vec![vec![A, B, C]];
    let at = Situation { role: Role::Voter, voters: vec![A, B, C], lists, log };
    let order = gate.step(later, Sighting::Tick, &at);
    assert_eq!(order, Some(Order::Ask { round: 1 }));
    let says = Hearsay { silent_for: Span::secs(1), leader: None, term: 0, stands: true, log };
    let answer = Sighting::Answer { round: 1, from: A, says };
    assert_eq!(gate.step(later, answer, &at), None, "the other stands already");
    let says = Hearsay { stands: false, ..says };
    let late = Sighting::Answer { round: 1, from: C, says };
    assert_eq!(gate.step(later, late, &at), None, "an answer to a question that is over");
}

fn says(index: u64) -> Hearsay {
    let log = LogPlace { term: 1, index };
    Hearsay { silent_for: Span::secs(1), leader: None, term: 1, stands: false, log }
}

/// A voter that has asked, and at what time.
fn asking(voters: &[VoterId], lists: &[&[VoterId]]) -> (Gate, Situation, Moment) {
    let (now, log) = (Moment(1_000_000_000), LogPlace { term: 1, index: 7 });
    let lists = lists.iter().map(|list| list.to_vec()).collect();
    let at = Situation { role: Role::Voter, voters: voters.to_vec(), lists, log };
    let mut gate = Gate::new(B, voters, SILENCE, now);
    let asked = gate.wake_at(Role::Voter);
    assert_eq!(gate.step(asked, Sighting::Tick, &at), Some(Order::Ask { round: 1 }));
    (gate, at, asked)
}

#[test]
fn while_the_voters_change_a_majority_of_each_list_is_asked_for() {
    const D: VoterId = VoterId(4);
    let answer = |from| Sighting::Answer { round: 1, from, says: says(7) };
    let (mut gate, at, now) = asking(&[A, B, C, D], &[&[A, B], &[A, B, C, D]]);
    assert_eq!(gate.step(now, answer(C), &at), None);
    assert_eq!(gate.step(now, answer(D), &at), None, "of the former list there is only this one");
    assert_eq!(gate.step(now, answer(A), &at), Some(Order::Elect));
    let (mut gate, at, now) = asking(&[A, B, C, D], &[&[A, B, C], &[B, C, D]]);
    assert_eq!(gate.step(now, answer(A), &at), None, "of the next list there is only this one");
    assert_eq!(gate.step(now, answer(D), &at), Some(Order::Elect), "B with A, and B with D");
}

#[test]
fn an_election_that_voters_were_too_slow_for_gets_twice_the_time_the_next_time() {
    let answer = |round| Sighting::Answer { round, from: C, says: says(7) };
    let half = Span(SILENCE.0 / 2);
    let (mut gate, at, asked) = asking(&[A, B, C], &[&[A, B, C]]);
    assert_eq!(gate.wake_at(Role::Voter), asked + half);
    assert_eq!(gate.step(asked + half, Sighting::Tick, &at), None, "nobody answered in time");
    let again = gate.wake_at(Role::Voter);
    assert_eq!(gate.step(again, Sighting::Tick, &at), Some(Order::Ask { round: 2 }));
    assert_eq!(gate.step(again, answer(1), &at), None, "too late");
    assert_eq!(gate.wake_at(Role::Voter), again + half + half);
    assert_eq!(gate.step(again, answer(2), &at), Some(Order::Elect));
    let over = gate.wake_at(Role::Voter);
    assert_eq!(over, again + half + half, "and to be elected too");
    assert_eq!(gate.step(over, Sighting::Tick, &at), None);
    let third = gate.wake_at(Role::Voter);
    assert_eq!(gate.step(third, Sighting::Tick, &at), Some(Order::Ask { round: 3 }));
    assert_eq!(gate.wake_at(Role::Voter), third + Span(half.0 * 4));
    gate.step(third, Sighting::Heard { leader: C, term: 2 }, &at);
    let quiet = gate.wake_at(Role::Voter);
    assert_eq!(gate.step(quiet, Sighting::Tick, &at), Some(Order::Ask { round: 4 }));
    assert_eq!(gate.wake_at(Role::Voter), quiet + half, "a leader was heard: as ever");
}

#[test]
fn voters_that_are_not_there_make_no_election_slow() {
    let half = Span(SILENCE.0 / 2);
    let (mut gate, at, mut asked) = asking(&[A, B, C], &[&[A, B, C]]);
    for _ in 0..5 {
        assert_eq!(gate.wake_at(Role::Voter), asked + half);
        gate.step(asked + half, Sighting::Tick, &at);
        asked = gate.wake_at(Role::Voter);
        assert!(matches!(gate.step(asked, Sighting::Tick, &at), Some(Order::Ask { .. })));
    }
}
