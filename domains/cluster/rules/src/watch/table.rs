//! What one watched program is doing on the node that owns its group: every state, every input.
//!
//! ```text
//! New ──▶ Starting ──▶ Up ──end──▶ Resting ──time──▶ Starting
//!            │          │  ├─────▶ Ended      (written down only)
//!            ▼          │  ├─────▶ Suspended  (held; started again when the watch is resumed)
//!         Refused       │  └─────▶ Failed     (the group has failed)
//!                       └──taken off the list──▶ Ending ──gone──▶ Over
//! ```
//!
//! Invariants: what was taken off the list is never started again and its end is never a failure
//! (CL-13); nothing is started but while the group is being started or runs; of an end under a
//! watch that is suspended nothing follows (CL-15).

use std::collections::VecDeque;

use tsugi_vocabulary::{Moment, Span};

use super::{Again, AtEnd, Recovery, Watched};
use crate::reason::How;

/// Where a watched program stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was put on the list; nothing was done yet.
    New,
    /// It is being started.
    Starting {
        /// For the first time, or again.
        turn: Turn,
    },
    /// It runs.
    Up,
    /// A former agent left it, or was about to start it, and it was not found: it has ended, unless
    /// the list that says so is old.
    Missing,
    /// It ended and is started again at this time.
    Resting {
        /// When.
        until: Moment,
        /// How it ended.
        how: How,
    },
    /// It could not be started the first time: whoever loaded it is told.
    Refused {
        /// Why.
        how: How,
    },
    /// It ended, and nothing follows.
    Ended {
        /// How.
        how: How,
    },
    /// It ended while the watch was suspended.
    Suspended {
        /// How.
        how: How,
    },
    /// It ended, and so the group has failed.
    Failed {
        /// How.
        how: How,
    },
    /// It was taken off the list and is being ended.
    Ending,
    /// It was taken off the list and is gone.
    Over {
        /// Whether it ended by itself.
        end: EndedBy,
    },
}

/// Which start it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The one that was asked for.
    First,
    /// After its end.
    Again,
}

/// Who ended a program that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// It did, when it was asked to.
    Itself,
    /// It was killed.
    Force,
}

/// What a watched program is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Look at what is to be done now.
    Look,
    /// It was started.
    Started,
    /// It was not started.
    NotStarted(How),
    /// It ended.
    Ended(How),
    /// It was ended as ordered.
    Gone(EndedBy),
    /// It could not be ended.
    NotGone,
}

/// What it needs to know to take a step.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Now.
    pub now: Moment,
    /// What the list says of it; none if it is not on it any more.
    pub wanted: Option<&'a Watched>,
    /// Whether its group is being started or runs, under its guard.
    pub service: Service,
    /// Whether the group is left alone (paused).
    pub paused: bool,
    /// Whether the list is the newest that anybody is known to have.
    pub newest: bool,
    /// How often the scripts of its group were run again here because it had ended, as far as
    /// that counts.
    pub scripts_again: u32,
}

/// How far the group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// It is being started, or runs.
    On,
    /// It is on its way up or down: nothing is started, and no end is a failure.
    Off,
}

/// What it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Start it, and answer with `Started` or `NotStarted`.
    Start,
    /// End it within this time, and answer with `Gone` or `NotGone`.
    End(Span),
    /// Write down that it ended.
    Note(How, Then),
    /// Say that the group has failed.
    Fail(How, Recovery),
}

/// What follows from an end, as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Nothing.
    Nothing,
    /// It is started again.
    StartedAgain,
    /// The scripts of its group are run again.
    ScriptsAgain,
    /// Nothing, because the watch is suspended.
    Suspended,
}

/// One watched program.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where it stands.
    pub state: State,
    started: Moment,
    /// When it was started again, as far as that counts.
    restarts: VecDeque<Moment>,
}

/// How long a program that nothing is known of any more may take to end.
const END_LIMIT: Span = Span::secs(10);

impl Watch {
    /// A program in this state, at this moment.
    #[must_use]
    pub const fn new(state: State, now: Moment) -> Self {
        Self { state, started: now, restarts: VecDeque::new() }
    }

    /// When it wants to look again.
    #[must_use]
    pub fn next_look(&self) -> Option<Moment> {
        match self.state {
            State::Resting { until, .. } => Some(until),
            State::New
            | State::Starting { .. }
            | State::Up
            | State::Missing
            | State::Refused { .. }
            | State::Ended { .. }
            | State::Suspended { .. }
            | State::Failed { .. }
            | State::Ending
            | State::Over { .. } => None,
        }
    }

    /// Takes one input.
    pub fn step(&mut self, ground: &Ground<'_>, input: Input) -> Vec<Wish> {
        match (&self.state, input) {
            (_, Input::Look) => self.look(ground),
            (State::Starting { .. }, Input::Started) => {
                self.started = ground.now;
                self.state = State::Up;
                // It may have been taken off the list meanwhile.
                self.look(ground)
            }
            (State::Starting { turn: Turn::First }, Input::NotStarted(how)) => {
                self.state = State::Refused { how };
                self.look(ground)
            }
            (State::Starting { turn: Turn::Again }, Input::NotStarted(how))
            | (State::Starting { .. } | State::Up | State::Missing, Input::Ended(how)) => {
                self.end(ground, how)
            }
            (State::Ending, Input::Gone(end)) => {
                self.state = State::Over { end };
                Vec::new()
            }
            // It is asked to end once more.
            (State::Ending, Input::NotGone) => {
                self.state = State::Up;
                Vec::new()
            }
            // The answer to what is not under way any more, or the end that was wanted.
            (
                State::New
                | State::Starting { .. }
                | State::Up
                | State::Missing
                | State::Resting { .. }
                | State::Refused { .. }
                | State::Ended { .. }
                | State::Suspended { .. }
                | State::Failed { .. }
                | State::Ending
                | State::Over { .. },
                Input::Started
                | Input::NotStarted(_)
                | Input::Ended(_)
                | Input::Gone(_)
                | Input::NotGone,
            ) => Vec::new(),
        }
    }

    fn look(&mut self, ground: &Ground<'_>) -> Vec<Wish> {
        let wanted = ground.wanted.filter(|watched| watched.ending.is_none());
        let off = ground.service == Service::Off;
        let left_alone = ground.paused || wanted.is_some_and(|watched| watched.held.is_some());
        match (&self.state, wanted) {
            (State::Up, None) => {
                let within = ground.wanted.and_then(|watched| watched.ending);
                self.state = State::Ending;
                vec![Wish::End(within.unwrap_or(END_LIMIT))]
            }
            // One that is being started is ended as soon as it is there.
            (State::Starting { .. } | State::Ending | State::Over { .. }, None) => Vec::new(),
            (
                State::New
                | State::Missing
                | State::Resting { .. }
                | State::Refused { .. }
                | State::Ended { .. }
                | State::Suspended { .. }
                | State::Failed { .. },
                None,
            ) => {
                self.state = State::Over { end: EndedBy::Itself };
                Vec::new()
            }
            (State::New, Some(_)) if !off && !ground.paused => self.start(Turn::First),
            (State::Missing, Some(_)) if !off && ground.newest => {
                self.end(ground, How::from("it ended while no agent looked"))
            }
            (State::Resting { how, .. }, Some(_)) if off => {
                self.state = State::Ended { how: how.clone() };
                Vec::new()
            }
            (State::Resting { how, .. }, Some(_)) if left_alone => {
                self.state = State::Suspended { how: how.clone() };
                Vec::new()
            }
            (State::Resting { until, how }, Some(watched)) if *until <= ground.now => {
                match &watched.load.at_end {
                    AtEnd::Restart { times, within, again: Again::Scripts, .. } => {
                        let recovery = Recovery::Scripts { times: *times, within: *within };
                        self.fail(how.clone(), recovery)
                    }
                    AtEnd::Restart { again: Again::Program, .. }
                    | AtEnd::Log
                    | AtEnd::Recover { .. } => self.start(Turn::Again),
                }
            }
            // Whoever takes the watch up again wants it to run: this start counts as none.
            (State::Suspended { .. }, Some(_)) if !off && !left_alone => self.start(Turn::Again),
            (
                State::New
                | State::Starting { .. }
                | State::Up
                | State::Missing
                | State::Resting { .. }
                | State::Refused { .. }
                | State::Ended { .. }
                | State::Suspended { .. }
                | State::Failed { .. }
                | State::Ending
                | State::Over { .. },
                Some(_),
            ) => Vec::new(),
        }
    }

    fn start(&mut self, turn: Turn) -> Vec<Wish> {
        self.state = State::Starting { turn };
        vec![Wish::Start]
    }

    /// It ended, or could not be started again.
    fn end(&mut self, ground: &Ground<'_>, how: How) -> Vec<Wish> {
        let listed = ground.wanted.filter(|watched| watched.ending.is_none());
        let Some(watched) = listed else {
            self.state = State::Over { end: EndedBy::Itself };
            return Vec::new();
        };
        if ground.service == Service::Off {
            self.state = State::Ended { how };
            return Vec::new();
        }
        if ground.paused || watched.held.is_some() {
            self.state = State::Suspended { how: how.clone() };
            return vec![Wish::Note(how, Then::Suspended)];
        }
        match &watched.load.at_end {
            AtEnd::Log => {
                self.state = State::Ended { how: how.clone() };
                vec![Wish::Note(how, Then::Nothing)]
            }
            AtEnd::Recover { how: recovery } => self.fail(how, *recovery),
            AtEnd::Restart { times, within, wait, interval, again } => {
                let counts = |at: &Moment| within.is_none_or(|w| ground.now.since(*at) < w);
                self.restarts.retain(counts);
                let here = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
                let (so_far, then) = match again {
                    Again::Program => (here, Then::StartedAgain),
                    // Each run has its own list: what counts stands in the record.
                    Again::Scripts => (ground.scripts_again, Then::ScriptsAgain),
                };
                if so_far >= *times {
                    return self.fail(how, Recovery::TakeOver);
                }
                self.restarts.push_back(ground.now);
                let until = (ground.now + *wait).max(self.started + *interval);
                self.state = State::Resting { until, how: how.clone() };
                let mut wishes = vec![Wish::Note(how, then)];
                wishes.extend(self.look(ground));
                wishes
            }
        }
    }

    fn fail(&mut self, how: How, recovery: Recovery) -> Vec<Wish> {
        self.state = State::Failed { how: how.clone() };
        vec![Wish::Fail(how, recovery)]
    }
}

#[cfg(test)]
mod tests;
