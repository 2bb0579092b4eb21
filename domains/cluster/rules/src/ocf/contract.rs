//! What an agent is asked to show that it keeps the contract: a row of calls, and what each of
//! them has to answer. It begins with something that does not run and ends with it.

use super::{Action, Code, Meaning, meaning};

/// One call of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Describe the agent.
    Describe,
    /// Whether the parameters make sense here.
    Validate,
    /// It does not run yet.
    Before,
    /// Bring it up.
    Start,
    /// It runs.
    Up,
    /// Bring up what is up.
    StartAgain,
    /// It still runs.
    UpStill,
    /// Take it down.
    Stop,
    /// It does not run.
    Down,
    /// Take down what is down.
    StopAgain,
    /// It still does not run.
    DownStill,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It had to be killed at its limit.
    TooLate,
}

/// What the row has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This call.
    Call(Part),
    /// Nothing: it ran before the first start, and whoever uses it is not to be disturbed.
    RunsAlready,
    /// Nothing: it cannot be tried with these parameters on this machine.
    CannotBeTried,
    /// Nothing: all of it was tried.
    Over,
}

impl Part {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Describe,
        Self::Validate,
        Self::Before,
        Self::Start,
        Self::Up,
        Self::StartAgain,
        Self::UpStill,
        Self::Stop,
        Self::Down,
        Self::StopAgain,
        Self::DownStill,
    ];

    /// Its number in the row, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|part| *part == self).unwrap_or(0) + 1
    }

    /// The action that is called.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Describe => Action::MetaData,
            Self::Validate => Action::ValidateAll,
            Self::Start | Self::StartAgain => Action::Start,
            Self::Stop | Self::StopAgain => Action::Stop,
            Self::Before | Self::Up | Self::UpStill | Self::Down | Self::DownStill => {
                Action::Monitor
            }
        }
    }

    /// The exit codes that keep the contract. An agent need not have a `validate-all`.
    #[must_use]
    pub const fn expected(self) -> &'static [i32] {
        match self {
            Self::Validate => &[0, 3],
            Self::Before | Self::Down | Self::DownStill => &[7],
            Self::Describe
            | Self::Start
            | Self::Up
            | Self::StartAgain
            | Self::UpStill
            | Self::Stop
            | Self::StopAgain => &[0],
        }
    }

    /// Whether this answer keeps the contract.
    #[must_use]
    pub fn kept_by(self, end: End) -> Kept {
        match end {
            End::Exit(code) if self.expected().contains(&code) => Kept::Yes,
            End::Exit(_) | End::Signal(_) | End::TooLate => Kept::No,
        }
    }

    /// What follows this call when it has ended so. Once a start was tried the row goes on to its
    /// end: the agent is not left with something up.
    #[must_use]
    pub fn next(self, end: End) -> Next {
        match (self, self.kept_by(end)) {
            (Self::Describe, _) => Next::Call(Self::Validate),
            (Self::Validate, Kept::Yes) => Next::Call(Self::Before),
            (Self::Before, Kept::Yes) => Next::Call(Self::Start),
            (Self::Before, Kept::No) if runs(end) => Next::RunsAlready,
            (Self::Validate | Self::Before, Kept::No) => Next::CannotBeTried,
            (Self::Start, Kept::Yes) => Next::Call(Self::Up),
            (Self::Start, Kept::No) => Next::Call(Self::Stop),
            (Self::Up, _) => Next::Call(Self::StartAgain),
            (Self::StartAgain, _) => Next::Call(Self::UpStill),
            (Self::UpStill, _) => Next::Call(Self::Stop),
            (Self::Stop, _) => Next::Call(Self::Down),
            (Self::Down, _) => Next::Call(Self::StopAgain),
            (Self::StopAgain, _) => Next::Call(Self::DownStill),
            (Self::DownStill, _) => Next::Over,
        }
    }
}

/// Whether an answer keeps the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Whether a monitor that ended so says that it runs.
fn runs(end: End) -> bool {
    match end {
        End::Exit(code) => meaning(Action::Monitor, Code::of(code)) == Meaning::Well,
        End::Signal(_) | End::TooLate => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the calls that follow when each answers what `answers` says.
    fn row(answers: impl Fn(Part) -> End) -> (Vec<usize>, Next) {
        let (mut part, mut made) = (Part::Describe, Vec::new());
        loop {
            made.push(part.number());
            match part.next(answers(part)) {
                Next::Call(next) => part = next,
                end => return (made, end),
            }
        }
    }

    fn good(part: Part) -> End {
        End::Exit(part.expected()[0])
    }

    #[test]
    fn an_agent_that_keeps_the_contract_is_called_eleven_times() {
        assert_eq!(row(good), ((1..=11).collect(), Next::Over));
    }

    #[test]
    fn what_runs_before_the_first_start_is_not_touched() {
        for code in [0, 8, 190] {
            let answers = |part| if part == Part::Before { End::Exit(code) } else { good(part) };
            assert_eq!(row(answers), (vec![1, 2, 3], Next::RunsAlready));
        }
        let doubtful = |part| if part == Part::Before { End::Exit(1) } else { good(part) };
        assert_eq!(row(doubtful), (vec![1, 2, 3], Next::CannotBeTried));
        let unfit = |part| if part == Part::Validate { End::Exit(6) } else { good(part) };
        assert_eq!(row(unfit), (vec![1, 2], Next::CannotBeTried));
    }

    #[test]
    fn whatever_a_start_answers_the_row_ends_with_a_stop() {
        for end in [End::Exit(1), End::Signal(9), End::TooLate] {
            let answers = |part| if part == Part::Start { end } else { good(part) };
            assert_eq!(row(answers), (vec![1, 2, 3, 4, 8, 9, 10, 11], Next::Over));
        }
        let nonsense = |part: Part| if part.number() > 4 { End::Exit(77) } else { good(part) };
        assert_eq!(row(nonsense), ((1..=11).collect(), Next::Over));
    }

    #[test]
    fn a_good_stop_is_zero_and_never_seven() {
        assert_eq!(Part::StopAgain.kept_by(End::Exit(7)), Kept::No);
        assert_eq!(Part::Validate.kept_by(End::Exit(3)), Kept::Yes, "an agent need not have it");
    }
}
