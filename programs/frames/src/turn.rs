//! Which call a frame is about, and that only the one under way is spoken of.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::frame::{Frame, Kind};
use crate::wrong::Wrong;

/// How many calls may be begun in a worker beside the one under way.
pub const AHEAD: usize = 8;

/// One call (or, later, many data) given to one worker: a number that only rises, from 1. 0
/// stands in frames that are about no call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Turn(pub u64);

impl Turn {
    /// About no call.
    pub const NONE: Self = Self(0);
}

/// The turns that were begun in a worker and have not ended; either end keeps one of the talk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    begun: VecDeque<Turn>,
    highest: Turn,
}

impl Turns {
    /// The turn under way; none is [`Turn::NONE`].
    #[must_use]
    pub fn under_way(&self) -> Turn {
        self.begun.front().copied().unwrap_or(Turn::NONE)
    }

    /// How many have begun and not ended.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.begun.len()
    }

    /// Takes note of a frame that was sent or received.
    ///
    /// # Errors
    /// It is about another turn than the one under way, or begins one that does not rise, or one
    /// too many.
    pub fn take(&mut self, frame: &Frame<'_>) -> Result<(), Wrong> {
        let (said, under_way) = (frame.turn(), self.under_way());
        match frame.kind() {
            Kind::Begin => self.begin(said),
            Kind::Answer | Kind::Ask if said == under_way && said != Turn::NONE => Ok(()),
            Kind::Done if said == under_way && said != Turn::NONE => {
                self.begun.pop_front();
                Ok(())
            }
            // A worker that cannot start says so before its first turn.
            Kind::Failed if said == under_way => {
                self.begun.pop_front();
                Ok(())
            }
            Kind::Welcome | Kind::Leave | Kind::Hello | Kind::Ready if said == Turn::NONE => Ok(()),
            Kind::Answer | Kind::Ask | Kind::Done | Kind::Failed => {
                Err(Wrong::Turn { expected: under_way, said })
            }
            Kind::Welcome | Kind::Leave | Kind::Hello | Kind::Ready => {
                Err(Wrong::Turn { expected: Turn::NONE, said })
            }
        }
    }

    fn begin(&mut self, said: Turn) -> Result<(), Wrong> {
        if said <= self.highest {
            return Err(Wrong::Turn { expected: Turn(self.highest.0.saturating_add(1)), said });
        }
        if self.begun.len() > AHEAD {
            return Err(Wrong::Ahead);
        }
        self.highest = said;
        self.begun.push_back(said);
        Ok(())
    }
}
