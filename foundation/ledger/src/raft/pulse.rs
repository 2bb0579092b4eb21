//! When the leader shows over the ledger's own connections that it is there. Pure: no clock, no
//! network.
//!
//! Where datagrams say all the time who leads and who follows, saying it again over a connection
//! is work for nothing: entries and what is committed are sent when there is something to send.
//! A sign over the connections is due when a voter was not heard to follow lately, when one stays
//! behind what the leader has applied, and now and then in any case, so that a connection that
//! died in silence is found before a change needs it.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Moment, Span};

use super::timing::Timing;
use crate::VoterId;

/// How far apart signs are that nothing asks for: each wakes every voter.
const NOW_AND_THEN: Span = Span::secs(5);

/// What is known of one follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Follower {
    /// When the newest message was sent that it answered as a follower.
    answered: Moment,
    /// Since when a message over its connection waits for an answer.
    waiting: Option<Moment>,
    /// Since when it says that it is behind the leader.
    behind: Option<Moment>,
}

/// How a follower stands to what the leader has applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has applied as much.
    Level,
    /// It has not yet.
    Behind,
}

/// What the leader knows of its followers, and when it last gave a sign to all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    followers: BTreeMap<VoterId, Follower>,
    last: Moment,
}

impl Pulse {
    /// A message leaves over the connection to `id`.
    pub(crate) fn asked(&mut self, id: VoterId, sent: Moment) {
        self.followers.entry(id).or_default().waiting.get_or_insert(sent);
    }

    /// The message sent at `sent` was answered by `id` as a follower does.
    pub(crate) fn answered(&mut self, id: VoterId, sent: Moment) {
        let follower = self.followers.entry(id).or_default();
        follower.waiting = None;
        follower.answered = follower.answered.max(sent);
    }

    /// A datagram sent at `sent` was answered by `id`, which follows this leader.
    pub(crate) fn heard(&mut self, id: VoterId, sent: Moment, (now, progress): (Moment, Progress)) {
        let follower = self.followers.entry(id).or_default();
        // A connection on which nothing comes back carries no entries either: as long as one
        // waits, datagrams do not stand in for it, and such a leader steps aside in time.
        let counts = follower.waiting.map_or(sent, |waiting| sent.min(waiting));
        follower.answered = follower.answered.max(counts);
        follower.behind = match progress {
            Progress::Level => None,
            Progress::Behind => follower.behind.or(Some(now)),
        };
    }

    /// The send time of the newest message that `id` answered as a follower.
    pub(crate) fn confirmed(&self, id: VoterId) -> Moment {
        self.followers.get(&id).map_or_else(Moment::default, |follower| follower.answered)
    }

    /// When the next sign to `others` is due; never without any.
    pub(crate) fn due(
        &self,
        others: impl Iterator<Item = VoterId>,
        timing: Timing,
    ) -> Option<Moment> {
        let of = |id: VoterId| {
            let follower = self.followers.get(&id).copied().unwrap_or_default();
            // Answers come one beat late, and a beat is up to two fifths of this.
            let silent = follower.answered + Span(timing.silence().0 / 6 * 5);
            follower.behind.map_or(silent, |since| silent.min(since + timing.beat()))
        };
        let first = others.map(of).min()?;
        let now_and_then = self.last + NOW_AND_THEN;
        Some(first.min(now_and_then).max(self.last + timing.beat()))
    }

    /// The sign is given at `now`.
    pub(crate) fn given(&mut self, now: Moment) {
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timing = Timing::DEFAULT;
    const OTHERS: [VoterId; 2] = [VoterId(2), VoterId(3)];

    fn at(ms: u64) -> Moment {
        Moment(0) + Span::millis(10_000 + ms)
    }

    fn pulse() -> Pulse {
        let mut pulse = Pulse::default();
        pulse.given(at(0));
        for id in OTHERS {
            pulse.answered(id, at(0));
        }
        pulse
    }

    fn due(pulse: &Pulse) -> Moment {
        pulse.due(OTHERS.into_iter(), T).unwrap()
    }

    #[test]
    fn followers_heard_by_datagrams_need_a_sign_only_now_and_then() {
        let mut pulse = pulse();
        for ms in (0..500).step_by(75) {
            assert!(due(&pulse) > at(ms), "at {ms} ms");
            for id in OTHERS {
                pulse.heard(id, at(ms), (at(ms + 1), Progress::Level));
            }
        }
        for id in OTHERS {
            pulse.heard(id, at(9_000), (at(9_001), Progress::Level));
        }
        assert_eq!(due(&pulse), at(0) + NOW_AND_THEN);
    }

    #[test]
    fn one_voter_that_is_not_heard_brings_the_signs_back() {
        let mut pulse = pulse();
        pulse.heard(OTHERS[0], at(200), (at(201), Progress::Level));
        assert_eq!(due(&pulse), at(0) + Span(T.silence().0 / 6 * 5));
        pulse.given(at(156));
        assert_eq!(due(&pulse), at(156) + T.beat(), "and no more often than every beat");
    }

    #[test]
    fn a_follower_that_stays_behind_gets_a_sign_and_one_that_catches_up_does_not() {
        let mut pulse = pulse();
        for id in OTHERS {
            pulse.heard(id, at(200), (at(201), Progress::Behind));
        }
        pulse.heard(OTHERS[0], at(210), (at(211), Progress::Level));
        pulse.heard(OTHERS[1], at(260), (at(261), Progress::Behind));
        assert_eq!(due(&pulse), at(201) + T.beat());
        pulse.heard(OTHERS[1], at(262), (at(263), Progress::Level));
        assert!(due(&pulse) > at(201) + T.beat());
    }

    #[test]
    fn datagrams_do_not_stand_in_for_a_connection_on_which_nothing_comes_back() {
        let mut pulse = pulse();
        pulse.asked(OTHERS[0], at(50));
        pulse.asked(OTHERS[0], at(120));
        pulse.heard(OTHERS[0], at(300), (at(301), Progress::Level));
        assert_eq!(pulse.confirmed(OTHERS[0]), at(50));
        pulse.answered(OTHERS[0], at(120));
        pulse.heard(OTHERS[0], at(310), (at(311), Progress::Level));
        assert_eq!(pulse.confirmed(OTHERS[0]), at(310));
    }

    #[test]
    fn a_leader_alone_gives_no_signs() {
        assert_eq!(Pulse::default().due(std::iter::empty(), T), None);
    }
}
