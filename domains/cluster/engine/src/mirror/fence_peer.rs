//! What DRBD calls when the other side is gone: `tsugi mirroring fence-peer`, with the name of the
//! resource in `DRBD_RESOURCE` (decision 26).
//!
//! DRBD has frozen what is written before it asks, and goes on only with an answer that it knows.
//! The answer is yes once a majority of the ledger has it that this node writes alone. Whoever
//! takes the group over reads that in the same entry, so that of a claim and a takeover only one
//! can be first.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, thread};

use tsugi_cluster_rules::mirror::{Begun, Mirror};
use tsugi_wire::control::{How, MirrorOf, Operation};

use super::say::{self, Said};
use super::step::printed;
use super::{begun, look_at};

/// The word of the command line that calls it.
pub(super) const WORD: &str = "fence-peer";
/// The other side counts as outdated from now on.
const OUTDATED: i32 = 4;
/// No answer of DRBD's: what is frozen stays so, and what is not primary is not made so.
const NO_ANSWER: i32 = 1;
/// How soon the agent is asked again that gave no answer.
const AGAIN: Duration = Duration::from_millis(500);
/// The same after a refusal.
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
pub(super) enum Side {
    /// It is primary, alone, and frozen.
    Frozen,
    /// It is not primary; somebody wants it to be.
    Wanted,
    /// The other side is heard again, DRBD is down, or what it would say of the copy here is not
    /// so: nobody waits for the answer.
    Over,
}

impl Side {
    pub(super) fn of(mirror: Option<&Mirror>) -> Self {
        match mirror {
            None => Self::Over,
            Some(mirror) if mirror.linked() => Self::Over,
            Some(mirror) if mirror.is_primary() => match mirror.is_up_to_date() {
                true => Self::Frozen,
                // It was let go of meanwhile, or has lost its disk.
                false => Self::Over,
            },
            Some(_) => Self::Wanted,
        }
    }

    /// The same of one that its node may be letting go of: from the first step of that on it
    /// claims nothing, though it is primary and alone until the last.
    pub(super) fn unless(begun: Begun, mirror: Option<&Mirror>) -> Self {
        match begun {
            Begun::Yes => Self::Over,
            Begun::No => Self::of(mirror),
        }
    }

    /// Whoever was frozen and is not primary any more has let go: the answer would be another's,
    /// of a copy that is the older by now.
    fn after(self, first: Self) -> Self {
        if self == first { self } else { Self::Over }
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
        (Side::Frozen | Side::Wanted, Said::WouldBe) => Then::AskAgain(Duration::ZERO),
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
    let run_dir = say::run_dir();
    let look = || Side::unless(begun(&run_dir, &name), look_at(Path::new("/"), minor).as_ref());
    let first = look();
    let mut how = asked_first(first);
    loop {
        let side = look().after(first);
        if side == Side::Over {
            return NO_ANSWER;
        }
        let said = say::ask(Operation::MirrorAlone { of: MirrorOf::Resource(name.clone()) }, how);
        how = asked_next(how, said);
        match then(side, said, began.elapsed()) {
            Then::Answer(code) => return code,
            Then::AskAgain(later) => thread::sleep(later),
        }
    }
}

/// Each refusal is written into the audit. Of one that is only wanted the start that fails says
/// so, and it is asked each time somebody tries.
const fn asked_first(side: Side) -> How {
    match side {
        Side::Wanted => How::DryRun,
        Side::Frozen | Side::Over => How::ForReal,
    }
}

/// Once refused, it is only asked whether it still would be, until it would not.
const fn asked_next(before: How, said: Said) -> How {
    match said {
        Said::Refused => How::DryRun,
        Said::WouldBe => How::ForReal,
        Said::Written | Said::Nothing => before,
    }
}

/// The device of a resource; of one with several volumes the first.
fn minor_of(name: &str) -> Option<u64> {
    let minors = printed("drbdadm", &["sh-minor", name]).ok()?;
    minors.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsugi_cluster_rules::mirror::Io;

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
            disk: "UpToDate".to_owned(),
            peer_disk: String::new(),
            out_of_sync: 0,
            io: Io::Flows,
        };
        assert_eq!(Side::of(None), Side::Over);
        let alone = mirror("Primary", "Unknown");
        assert_eq!(Side::unless(Begun::No, Some(&alone)), Side::Frozen);
        assert_eq!(Side::unless(Begun::Yes, Some(&alone)), Side::Over, "it is letting go");
        assert_eq!(Side::of(Some(&mirror("Primary", "Secondary"))), Side::Over);
        assert_eq!(Side::of(Some(&mirror("Primary", "Unknown"))), Side::Frozen);
        assert_eq!(Side::of(Some(&mirror("Secondary", "Unknown"))), Side::Wanted);
        let without = Mirror { disk: "Diskless".to_owned(), ..mirror("Primary", "Unknown") };
        assert_eq!(Side::of(Some(&without)), Side::Over, "it has let go of its disk");
    }

    #[test]
    fn who_has_let_go_while_it_was_asked_for_claims_nothing_any_more() {
        for first in [Side::Frozen, Side::Wanted, Side::Over] {
            for now in [Side::Frozen, Side::Wanted, Side::Over] {
                let side = now.after(first);
                assert_eq!(side, if now == first { first } else { Side::Over });
            }
        }
    }

    #[test]
    fn a_refusal_is_asked_for_in_earnest_once_and_again_only_when_it_would_be_none() {
        // One refusal of what is frozen, however often it is asked.
        let mut how = asked_first(Side::Frozen);
        let mut audited = 0;
        for said in [Said::Refused, Said::Refused, Said::Nothing, Said::Refused] {
            audited += u32::from(how == How::ForReal && said == Said::Refused);
            how = asked_next(how, said);
        }
        assert_eq!((audited, how), (1, How::DryRun));
        assert_eq!(asked_next(how, Said::WouldBe), How::ForReal);
        // What would be written is no answer yet.
        for side in [Side::Frozen, Side::Wanted] {
            assert_eq!(then(side, Said::WouldBe, FOR_A_ROLE), Then::AskAgain(Duration::ZERO));
        }
        assert_eq!(asked_first(Side::Wanted), How::DryRun);
    }
}
