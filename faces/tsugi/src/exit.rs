//! The exit codes, the same for every command.

use std::process::ExitCode;

use tsugi_messages::{Phrase, phrase};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command was not understood.
    Usage = 2,
    /// A rule refused it; nothing was changed.
    Refused = 3,
    /// There is no such thing.
    NotFound = 4,
    /// It timed out and may still be carried out.
    StillRunning = 5,
    /// A part of many failed.
    PartFailed = 6,
    /// No majority, or nobody to ask.
    NoMajority = 7,
    /// This person may not.
    NotPermitted = 8,
    /// It waits for approval.
    WaitsForApproval = 9,
    /// A difference was found.
    Difference = 10,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::NotFound,
        Self::StillRunning,
        Self::PartFailed,
        Self::NoMajority,
        Self::NotPermitted,
        Self::WaitsForApproval,
        Self::Difference,
    ];

    /// What it means.
    pub fn words(self) -> Phrase {
        match self {
            Self::Done => phrase::exit_done(),
            Self::Failed => phrase::exit_failed(),
            Self::Usage => phrase::exit_usage(),
            Self::Refused => phrase::exit_refused(),
            Self::NotFound => phrase::exit_not_found(),
            Self::StillRunning => phrase::exit_still_running(),
            Self::PartFailed => phrase::exit_part_failed(),
            Self::NoMajority => phrase::exit_no_majority(),
            Self::NotPermitted => phrase::exit_not_permitted(),
            Self::WaitsForApproval => phrase::exit_waits_for_approval(),
            Self::Difference => phrase::exit_difference(),
        }
    }

    /// Its number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
