//! What DRBD calls when the other side is gone: `tsugi mirroring fence-peer`, with the name of the
//! resource in `DRBD_RESOURCE` (decision 26).
//!
//! DRBD has frozen what is written before it asks, and goes on only with an answer that it knows.
//! The answer is yes once a majority of the ledger has it that this node writes alone. Whoever
//! takes the group over reads that in the same entry, so that of a claim and a takeover only one
//! can be first.

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use tsugi_cluster_rules::mirror::Mirror;
use tsugi_wire::control::{MirrorOf, Operation};

use super::say::{self, Said};
use super::step::printed;

/// The word of the command line that calls it.
pub(super) const WORD: &str = "fence-peer";
/// The other side counts as outdated from now on.
const OUTDATED: i32 = 4;
/// No answer of DRBD's: what is frozen stays so, and what is not primary is not made so.
const NO_ANSWER: i32 = 1;
/// How soon the agent is asked again that gave no answer.
const AGAIN: Duration = Duration::from_millis(500);
/// The same after a refusal: each is written into the audit.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(5);
/// How long one that is not primary yet asks: somebody waits for the role.
const FOR_A_ROLE: Duration = Duration::from_secs(5);

/// What follows of one look and one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Answer(i32),
    AskAgain(Duration),
}

/// What this side is while it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// It is primary, alone, and frozen.
    Frozen,
    /// It is not primary; somebody wants it to be.
    Wanted,
    /// The other side is heard again, or DRBD is down: nobody waits for the answer.
    Over,
}

impl Side {
    fn of(mirror: Option<&Mirror>) -> Self {
        match mirror {
            None => Self::Over,
            Some(mirror) if mirror.peer_role != "Unknown" => Self::Over,
            Some(mirror) if mirror.role == "Primary" => Self::Frozen,
            Some(_) => Self::Wanted,
        }
    }
}

/// Of one that is frozen a refusal is no end: the group may come back to this node.
fn then(side: Side, said: Said, asked_for: Duration) -> Then {
    match (side, said) {
        (Side::Over, _) => Then::Answer(NO_ANSWER),
        (Side::Frozen | Side::Wanted, Said::Written) => Then::Answer(OUTDATED),
        (Side::Wanted, Said::Refused) => Then::Answer(NO_ANSWER),
        (Side::Wanted, Said::Nothing) if asked_for >= FOR_A_ROLE => Then::Answer(NO_ANSWER),
        (Side::Frozen, Said::Refused) => Then::AskAgain(AFTER_A_REFUSAL),
        (Side::Frozen | Side::Wanted, Said::Nothing) => Then::AskAgain(AGAIN),
    }
}

/// Answers DRBD, by the exit code.
pub(super) fn answer() -> i32 {
    let Ok(name) = env::var("DRBD_RESOURCE") else { return NO_ANSWER };
    let began = Instant::now();
    let minor = loop {
        match minor_of(&name) {
            Some(minor) => break minor,
            None if began.elapsed() >= FOR_A_ROLE => return NO_ANSWER,
            None => thread::sleep(AGAIN),
        }
    };
    loop {
        let side = Side::of(look(minor).as_ref());
        if side == Side::Over {
            return NO_ANSWER;
        }
        let said = say::ask(Operation::MirrorAlone { of: MirrorOf::Resource(name.clone()) });
        match then(side, said, began.elapsed()) {
            Then::Answer(code) => return code,
            Then::AskAgain(later) => thread::sleep(later),
        }
    }
}

/// The device of a resource; of one with several volumes the first.
fn minor_of(name: &str) -> Option<u64> {
    let minors = printed("drbdadm", &["sh-minor", name]).ok()?;
    minors.split_whitespace().next()?.parse().ok()
}

fn look(minor: u64) -> Option<Mirror> {
    super::read(&fs::read_to_string("/proc/drbd").ok()?, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_ledger_has_is_an_answer_and_what_is_frozen_stays_so_without_one() {
        let (soon, late) = (Duration::ZERO, FOR_A_ROLE);
        for asked_for in [soon, late] {
            for side in [Side::Frozen, Side::Wanted] {
                assert_eq!(then(side, Said::Written, asked_for), Then::Answer(OUTDATED));
            }
            // The group is another's by now, or nobody answers: it waits, however long.
            for said in [Said::Refused, Said::Nothing] {
                let then = then(Side::Frozen, said, asked_for);
                assert!(matches!(then, Then::AskAgain(_)), "{then:?}");
            }
            assert_eq!(then(Side::Wanted, Said::Refused, asked_for), Then::Answer(NO_ANSWER));
            // Heard again before it was answered: DRBD has gone on by itself.
            assert_eq!(then(Side::Over, Said::Written, asked_for), Then::Answer(NO_ANSWER));
        }
        assert_eq!(then(Side::Wanted, Said::Nothing, soon), Then::AskAgain(AGAIN));
        assert_eq!(then(Side::Wanted, Said::Nothing, late), Then::Answer(NO_ANSWER));
    }

    #[test]
    fn a_side_that_hears_the_other_waits_for_nothing() {
        let mirror = |role: &str, peer_role: &str| Mirror {
            connection: String::new(),
            role: role.to_owned(),
            peer_role: peer_role.to_owned(),
            disk: String::new(),
            peer_disk: String::new(),
            out_of_sync: 0,
        };
        assert_eq!(Side::of(None), Side::Over);
        assert_eq!(Side::of(Some(&mirror("Primary", "Secondary"))), Side::Over);
        assert_eq!(Side::of(Some(&mirror("Primary", "Unknown"))), Side::Frozen);
        assert_eq!(Side::of(Some(&mirror("Secondary", "Unknown"))), Side::Wanted);
    }
}
