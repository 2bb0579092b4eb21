//! When a voter may call an election, and when a leader must step aside. Pure: no clock, no
//! network, no chance.
//!
//! A voter that has not heard the leader for a third of the lease asks the others. The gate opens
//! when a majority answers (itself among them), none of them hears a leader, and a majority has
//! a log no newer than its own: so a voter that was cut off disturbs nobody on its return, and
//! after a full power cut somebody is elected. Voters ask one after the other by number, so two
//! of them rarely stand at once; when they do, the higher number wins the vote.
//!
//! A leader that no majority has answered for that long steps aside: it sends nothing, so that
//! the others can elect, and returns only after a majority has answered that it hears no other.
//!
//! While the voters change from one list to the next, a majority is one of each list.
//!
//! An election that comes to nothing is given up after half the silence, so that the next one can
//! try. Where voters answer, but slower than that, each such election would be undone by the one
//! who stands: it gives the next one twice the time, and the usual time again once it hears a
//! leader.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{Moment, Span};

use crate::VoterId;

/// How new a log is: the newer, the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// The term of its last entry.
    pub term: u64,
    /// The place of its last entry.
    pub index: u64,
}

/// What a voter answers to *do you hear a leader?*
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearsay {
    /// How long ago it last heard a leader.
    pub silent_for: Span,
    /// The leader it heard last, if it heard one since its start.
    pub leader: Option<VoterId>,
    /// The term of that leader.
    pub term: u64,
    /// Whether it stands for election itself.
    pub stands: bool,
    /// How new its log is.
    pub log: LogPlace,
}

/// What the voter is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its vote does not count.
    Outside,
    /// It has a vote and does not lead.
    Voter,
    /// It leads this term; a majority last confirmed it at this moment.
    Leader {
        /// The term.
        term: u64,
        /// The send time of the majority-th newest confirmed message.
        confirmed: Moment,
    },
}

/// What the gate looks at besides its own memory.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What this voter is.
    pub role: Role,
    /// All voters, in order.
    pub voters: Vec<VoterId>,
    /// The lists that stand: one, or two while the voters change.
    pub lists: Vec<Vec<VoterId>>,
    /// How new its own log is.
    pub log: LogPlace,
}

impl Situation {
    /// Whether these are a majority of each list.
    fn is_majority(&self, of: &BTreeSet<VoterId>) -> bool {
        let agreed = |list: &[VoterId]| list.iter().filter(|id| of.contains(id)).count();
        !self.lists.is_empty() && self.lists.iter().all(|list| agreed(list) > list.len() / 2)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Time passed.
    Tick,
    /// A message of the leader of this term came.
    Heard {
        /// Who says that it leads.
        leader: VoterId,
        /// Its term.
        term: u64,
    },
    /// This voter is asked for its vote by one whose log is no older than its own.
    Courted,
    /// A voter answered.
    Answer {
        /// The question it answers.
        round: u64,
        /// Who answers.
        from: VoterId,
        /// What it says.
        says: Hearsay,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask every other voter whether it hears a leader.
    Ask {
        /// The number of the question, to be given back with the answers.
        round: u64,
    },
    /// Stand for election.
    Elect,
    /// Send nothing as a leader any more.
    StepAside,
    /// Send as a leader again, now or once elected.
    Resume,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Hears the leader, leads, or waits before it asks.
    Quiet { ask_at: Moment },
    /// Has asked and waits for answers.
    Asking { since: Moment, answers: BTreeMap<VoterId, Hearsay> },
    /// Stands for election.
    Standing { since: Moment },
    /// Leads, and no majority answers: asks now and then whether it may go on.
    Aside { asked: Moment, answers: BTreeMap<VoterId, Hearsay> },
}

/// The gate of one voter.
#[derive(Clone, Debug)]
pub struct Gate {
    me: VoterId,
    silence: Span,
    heard: Moment,
    leader: Option<VoterId>,
    term: u64,
    round: u64,
    /// How many elections in a row the voters were too slow for.
    slow: u32,
    /// The last question that was given up because too few had answered.
    given_up: Option<u64>,
    phase: Phase,
}

/// An election is given at most so many times twice the time of the one before.
const SLOWEST: u32 = 4;

impl Gate {
    /// The gate of the voter `me` among `voters` that starts at `now`; `silence` without the
    /// leader opens it.
    #[must_use]
    pub fn new(me: VoterId, voters: &[VoterId], silence: Span, now: Moment) -> Self {
        let phase = Phase::Quiet { ask_at: now + silence };
        let mut gate = Self {
            me,
            silence,
            heard: now,
            leader: None,
            term: 0,
            round: 0,
            slow: 0,
            given_up: None,
            phase,
        };
        gate.phase = Phase::Quiet { ask_at: now + silence + gate.stagger(voters) };
        gate
    }

    /// From now on so long a silence opens the gate. What was put off before by another one stays
    /// until the leader is heard again.
    pub fn set_silence(&mut self, silence: Span) {
        self.silence = silence;
    }

    /// What this voter answers to another's question.
    #[must_use]
    pub fn says(&self, now: Moment, situation: &Situation) -> Hearsay {
        let (silent_for, leader, term) = match situation.role {
            Role::Leader { term, confirmed } => (now.since(confirmed), Some(self.me), term),
            Role::Outside | Role::Voter => (now.since(self.heard), self.leader, self.term),
        };
        let stands = matches!(self.phase, Phase::Standing { .. });
        Hearsay { silent_for, leader, term, stands, log: situation.log }
    }

    /// The leader, if this voter heard it within the silence that opens the gate.
    #[must_use]
    pub fn hears(&self, now: Moment) -> Option<VoterId> {
        self.leader.filter(|_| now.since(self.heard) < self.silence)
    }

    /// Whether this voter leads and a majority has confirmed so lately enough.
    #[must_use]
    pub fn leads(&self, now: Moment, role: Role) -> bool {
        match role {
            Role::Leader { confirmed, .. } => {
                now.since(confirmed) < self.silence && !matches!(self.phase, Phase::Aside { .. })
            }
            Role::Outside | Role::Voter => false,
        }
    }

    /// When [`Sighting::Tick`] has something to do, at the latest.
    #[must_use]
    pub fn wake_at(&self, role: Role) -> Moment {
        let pause = self.pause();
        match (&self.phase, role) {
            (Phase::Aside { asked, .. }, _) => *asked + pause,
            (_, Role::Leader { confirmed, .. }) => confirmed + self.silence,
            (Phase::Quiet { ask_at }, Role::Voter | Role::Outside) => *ask_at,
            (Phase::Asking { since, .. } | Phase::Standing { since }, _) => *since + self.window(),
        }
    }

    /// When what [`Gate::hears`] or [`Gate::leads`] says runs out, unless something is heard.
    #[must_use]
    pub fn runs_out(&self, role: Role) -> Moment {
        match role {
            Role::Leader { confirmed, .. } => confirmed + self.silence,
            Role::Outside | Role::Voter => self.heard + self.silence,
        }
    }

    fn pause(&self) -> Span {
        Span(self.silence.0 / 2)
    }

    /// How long a question or an election of this voter may take.
    fn window(&self) -> Span {
        Span(self.pause().0 << self.slow)
    }

    fn was_slow(&mut self) {
        self.slow = (self.slow + 1).min(SLOWEST);
    }

    /// How long this voter holds back behind those that ask before it.
    fn stagger(&self, voters: &[VoterId]) -> Span {
        let before = voters.iter().filter(|id| **id < self.me);
        let before = before.filter(|id| Some(**id) != self.leader).count() as u64;
        Span(self.silence.0 / 12 * before.min(4))
    }

    /// Takes a sighting and says what is to be done.
    pub fn step(&mut self, now: Moment, seen: Sighting, situation: &Situation) -> Option<Order> {
        match situation.role {
            Role::Leader { confirmed, .. } => self.leading(now, seen, situation, confirmed),
            Role::Outside => {
                self.note(now, seen);
                let aside = matches!(self.phase, Phase::Aside { .. });
                self.phase = Phase::Quiet { ask_at: now + self.silence };
                aside.then_some(Order::Resume)
            }
            Role::Voter => self.following(now, seen, situation),
        }
    }

    /// Notes what is heard; true if it is the leader.
    fn note(&mut self, now: Moment, seen: Sighting) -> bool {
        match seen {
            Sighting::Heard { leader, term } if term >= self.term => {
                (self.heard, self.leader, self.term) = (now, Some(leader), term);
                self.slow = 0;
                true
            }
            Sighting::Heard { .. }
            | Sighting::Tick
            | Sighting::Courted
            | Sighting::Answer { .. } => false,
        }
    }

    fn following(&mut self, now: Moment, seen: Sighting, at: &Situation) -> Option<Order> {
        if matches!(self.phase, Phase::Aside { .. }) {
            // It was deposed while it stood aside; when it is elected again it may send.
            self.note(now, seen);
            self.phase = Phase::Quiet { ask_at: now + self.silence + self.stagger(&at.voters) };
            return Some(Order::Resume);
        }
        if self.note(now, seen) {
            self.phase = Phase::Quiet { ask_at: now + self.silence + self.stagger(&at.voters) };
            return None;
        }
        let window = self.window();
        match (&mut self.phase, seen) {
            // Somebody stands already: standing as well would only undo its election.
            (_, Sighting::Courted) => {
                self.phase = Phase::Quiet { ask_at: now + self.pause() + self.stagger(&at.voters) };
                None
            }
            (Phase::Quiet { ask_at }, Sighting::Tick) if now >= *ask_at => self.ask(now, at),
            (Phase::Asking { since, .. }, Sighting::Tick) if now.since(*since) >= window => {
                self.given_up = Some(self.round);
                self.phase = Phase::Quiet { ask_at: now + self.stagger(&at.voters) };
                None
            }
            (Phase::Standing { since }, Sighting::Tick) if now.since(*since) >= window => {
                self.was_slow();
                self.phase = Phase::Quiet { ask_at: now + self.stagger(&at.voters) };
                None
            }
            (Phase::Asking { answers, .. }, Sighting::Answer { round, from, says })
                if round == self.round =>
            {
                answers.insert(from, says);
                self.weigh(now, at)
            }
            // It is there, and was too slow for that question.
            (_, Sighting::Answer { round, .. }) if self.given_up == Some(round) => {
                self.given_up = None;
                self.was_slow();
                None
            }
            (
                Phase::Quiet { .. }
                | Phase::Asking { .. }
                | Phase::Standing { .. }
                | Phase::Aside { .. },
                Sighting::Tick | Sighting::Answer { .. } | Sighting::Heard { .. },
            ) => None,
        }
    }

    fn ask(&mut self, now: Moment, at: &Situation) -> Option<Order> {
        if at.voters == [self.me] {
            self.phase = Phase::Standing { since: now };
            return Some(Order::Elect);
        }
        self.round += 1;
        self.phase = Phase::Asking { since: now, answers: BTreeMap::new() };
        Some(Order::Ask { round: self.round })
    }

    fn weigh(&mut self, now: Moment, at: &Situation) -> Option<Order> {
        let Phase::Asking { answers, .. } = &self.phase else { return None };
        let counted = answers.iter().filter(|(id, _)| at.voters.contains(id));
        let mut silent = BTreeSet::from([self.me]);
        let mut not_newer = silent.clone();
        for (id, says) in counted {
            if says.silent_for < self.silence && says.leader.is_some() {
                // It may just have heard a little later than this voter did: ask again then.
                let wait = self.silence - says.silent_for + self.stagger(&at.voters);
                self.phase = Phase::Quiet { ask_at: now + wait.max(Span(self.silence.0 / 12)) };
                return None;
            }
            if says.stands {
                self.phase = Phase::Quiet { ask_at: now + self.pause() + self.stagger(&at.voters) };
                return None;
            }
            silent.insert(*id);
            if says.log <= at.log {
                not_newer.insert(*id);
            }
        }
        if !at.is_majority(&silent) || !at.is_majority(&not_newer) {
            return None;
        }
        self.phase = Phase::Standing { since: now };
        Some(Order::Elect)
    }

    fn leading(
        &mut self,
        now: Moment,
        seen: Sighting,
        at: &Situation,
        confirmed: Moment,
    ) -> Option<Order> {
        let fresh = now.since(confirmed) < self.silence;
        let Phase::Aside { asked, answers } = &mut self.phase else {
            if fresh || at.voters == [self.me] {
                (self.heard, self.leader, self.slow) = (now, Some(self.me), 0);
                self.phase = Phase::Quiet { ask_at: now + self.silence };
                return None;
            }
            // The first question goes out with the next tick.
            self.phase =
                Phase::Aside { asked: now.saturating_sub(self.silence), answers: BTreeMap::new() };
            return Some(Order::StepAside);
        };
        match seen {
            Sighting::Tick if now.since(*asked) >= Span(self.silence.0 / 2) => {
                (*asked, *answers) = (now, BTreeMap::new());
                self.round += 1;
                Some(Order::Ask { round: self.round })
            }
            Sighting::Answer { round, from, says } if round == self.round => {
                answers.insert(from, says);
                self.may_resume(now, at)
            }
            Sighting::Tick
            | Sighting::Answer { .. }
            | Sighting::Heard { .. }
            | Sighting::Courted => None,
        }
    }

    fn may_resume(&mut self, now: Moment, at: &Situation) -> Option<Order> {
        let Phase::Aside { answers, .. } = &self.phase else { return None };
        let counted = || answers.iter().filter(|(id, _)| at.voters.contains(id));
        let hears_other = |says: &Hearsay| {
            says.silent_for < self.silence && says.leader.is_some_and(|id| id != self.me)
        };
        if counted().any(|(_, says)| hears_other(says) || says.stands) {
            return None;
        }
        let answered = counted().map(|(id, _)| *id).chain([self.me]).collect();
        if !at.is_majority(&answered) {
            return None;
        }
        self.phase = Phase::Quiet { ask_at: now + self.silence };
        Some(Order::Resume)
    }
}
