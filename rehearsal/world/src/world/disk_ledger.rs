//! The ledger on a disk that two nodes share, as they meet it: who leads it, and what becomes of
//! what they put to it.

use tsugi_cluster_rules::node::{Event, Fate};
use tsugi_cluster_rules::record::Draft;

use super::{Asked, Ev, World};
use crate::disk::Answer;

/// How often the real ledger on a disk looks there, at the longest.
const BEAT_US: u64 = 50_000;
/// How long an agent waits for what it has put to its ledger.
const PATIENCE_NS: u64 = 150_000_000;
/// A petition that nobody answered is withdrawn after this long.
const PETITION_NS: u64 = 5_000_000_000;
/// How soon what waits for a disk looks again.
const AGAIN_US: u64 = 5_000;

/// What a node has put to a ledger that is on a disk.
#[derive(Clone, Debug)]
pub(crate) struct Petition {
    pub by: Asked,
    pub boot: u64,
    pub number: u64,
    pub draft: Box<Draft>,
    /// When its asker stops waiting.
    until: u64,
    /// The term that it is for, once it is on the disk.
    term: Option<u64>,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    NotYet,
    Unknown,
}

impl World<'_> {
    /// A leader that does not use the disk is replaced after its silence, the seats one after the
    /// other; who led in a former life does not wait for itself.
    pub(crate) fn elect_on_disk(&mut self) {
        if let Some(leader) = self.truth.leader {
            let seat = &self.disk.seats[leader];
            let fails = seat.reads() == Answer::Done && seat.writes() == Answer::Fails;
            if fails && self.reads_disk(leader) {
                self.fail_disk(leader);
            }
            if self.uses_disk(leader) {
                self.leader_lost_at = None;
                return;
            }
            if self.actors[leader].node.is_none() {
                self.truth.leader = None;
            }
        }
        let since = *self.leader_lost_at.get_or_insert(self.now);
        let silent = self.now - since;
        let silence = self.disk_silence();
        let wait = |n: usize| match self.truth.last {
            Some(last) if last == n => 2 * BEAT_US * 1_000,
            Some(_) => silence,
            None => silence + 4 * BEAT_US * 1_000 * n as u64,
        };
        // Who is on no list is no leader that anybody could name.
        let listed = |n: usize| self.truth.head.voters.contains_key(&self.actors[n].name);
        let may = |n: &usize| listed(*n) && self.uses_disk(*n) && silent >= wait(*n);
        if let Some(leader) = (0..self.actors.len()).find(may) {
            self.lead(leader);
        }
    }

    /// After how long without a sign the leader is replaced: the part of a lease that
    /// `tsugi_ledger::disk::Pace` names.
    fn disk_silence(&self) -> u64 {
        self.truth.head.timing().ttl.0 / 2
    }

    /// Who leads, as a node knows that looks now: what it reads, or has read of late.
    pub(crate) fn look_for_leader(&mut self, n: usize) {
        let leader = self.truth.leader.filter(|leader| self.uses_disk(*leader));
        if self.reads_disk(n) && leader.is_some() {
            self.actors[n].sign_at = self.now;
            return self.tell_of(n, leader);
        }
        let known = self.actors[n].node.as_ref().and_then(|node| node.leader().1.cloned());
        let itself = known.as_ref() == Some(&self.actors[n].name);
        // Who waits for a disk that hangs says nothing new; who led reads first that it does not.
        let hangs = self.disk.seats[n].reads() == Answer::Waits;
        let fresh = self.now - self.actors[n].sign_at < self.disk_silence();
        if known.is_some() && !itself && !hangs && !fresh {
            self.tell_of(n, None);
        }
    }

    fn tell_of(&mut self, n: usize, leader: Option<usize>) {
        let Some(node) = &self.actors[n].node else { return };
        let leader = leader.map(|leader| self.actors[leader].name.clone());
        let term = if leader.is_some() { self.truth.term } else { node.leader().0 };
        if node.leader() != (term, leader.as_ref()) {
            self.step(n, Event::Leader { term, leader });
        }
    }

    pub(crate) fn petition(&mut self, by: Asked, (boot, number): (u64, u64), draft: Box<Draft>) {
        let until = self.now + PATIENCE_NS;
        let (term, told) = (None, Told::NotYet);
        self.on_petition(Petition { by, boot, number, draft, until, term, told });
    }

    pub(crate) fn on_petition(&mut self, mut asked: Petition) {
        let late = self.now >= asked.until;
        if late && asked.told == Told::NotYet {
            asked.told = Told::Unknown;
            self.answer_petition(&asked, Fate::Unknown, 0);
        }
        match asked.term {
            // Who has stopped waiting was told that nothing took effect, and nothing will.
            None if late => {}
            None => self.post_petition(asked),
            Some(term) => self.carry_out_petition(term, asked),
        }
    }

    fn again(&mut self, asked: Petition) {
        self.after_us(AGAIN_US, Ev::Petition(Box::new(asked)));
    }

    fn post_petition(&mut self, mut asked: Petition) {
        let from = asked.by.node;
        let leads = self.truth.leader == Some(from);
        let seat = &self.disk.seats[from];
        let fails = seat.writes() == Answer::Fails && (leads || seat.reads() == Answer::Done);
        if fails && self.actors[from].node.is_some() && !self.actors[from].frozen {
            self.fail_disk(from);
        }
        let posted = self.uses_disk(from) && self.is_fed(from) && self.truth.leader.is_some();
        let us = match (posted, leads) {
            (false, _) => return self.again(asked),
            (true, true) => self.chance.between(50, 1_500),
            (true, false) => self.chance.between(500, BEAT_US),
        };
        asked.term = Some(self.truth.term);
        self.after_us(us, Ev::Petition(Box::new(asked)));
    }

    fn carry_out_petition(&mut self, term: u64, asked: Petition) {
        let leader = self.truth.leader.filter(|_| self.truth.term == term);
        let Some(leader) = leader else {
            if asked.told == Told::NotYet {
                self.answer_petition(&asked, Fate::Unknown, 100);
            }
            return;
        };
        if !self.uses_disk(leader) {
            let withdrawn = self.now > asked.until + PETITION_NS;
            return if withdrawn {
                self.meet("state petition withdrawn")
            } else {
                self.again(asked)
            };
        }
        let fate = self.commit(asked.by, &asked.draft);
        if asked.told == Told::Unknown {
            return self.meet("state petition late");
        }
        // Now and then the answer is lost although the entry is there.
        if self.chance.happens(10) {
            let us = (asked.until - self.now) / 1_000;
            return self.answer_petition(&asked, Fate::Unknown, us);
        }
        let beat = if leader == asked.by.node { 0 } else { self.chance.below(BEAT_US) };
        let us = beat + self.chance.between(100, 1_500) + self.chance.below(self.disk.slow_us + 1);
        self.answer_petition(&asked, fate, us);
    }

    fn answer_petition(&mut self, asked: &Petition, fate: Fate, us: u64) {
        let Petition { by: Asked { node: n, .. }, boot, number, .. } = *asked;
        self.after_us(us, Ev::Fate { n, boot, number, fate });
    }
}
