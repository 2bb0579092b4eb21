//! Start kind: what a start inherits from the run before it.
//!
//! One complete table for every domain: how the last run ended × why it starts × the operator's
//! option. Sources: TP1/EE `-F`/`-R`, CLUSTERPRO `ARMS_EVENT`, COBOL region cold/warm start.

use serde::{Deserialize, Serialize};

/// How the last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// An operator's stop that finished: everything closed.
    Orderly,
    /// An operator's stop that had to be forced.
    Forced,
    /// It failed.
    Failure,
    /// Nobody saw the end.
    Unknown,
}

/// Why it starts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// An operator's start or move.
    Operator,
    /// Another node takes over.
    Takeover,
    /// The same node restarts it after a failure.
    SameNodeRestart,
    /// The cluster starts.
    ClusterStart,
}

/// What the operator asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartOption {
    /// Nothing: the table decides.
    #[default]
    None,
    /// Inherit nothing (`-F`).
    Fresh,
    /// Inherit what there is (`-R`).
    Inherit,
}

/// How a group starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// Nothing to inherit.
    Normal,
    /// Carries the work of the last run on.
    Restart,
    /// Inherits nothing although there is something: an operator's choice.
    ForcedNormal,
}

/// Why a start was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartRefused {
    /// `fresh` and `inherit` are an operator's choice; nobody else may ask for them.
    OptionWithoutOperator,
    /// `inherit` after an orderly stop: there is nothing to inherit.
    NothingToInherit,
}

/// How a group starts: the complete table.
///
/// Only an orderly stop followed by an operator's start inherits nothing. The cluster's start is
/// no operator's start: what a shutdown interrupted is carried on.
///
/// # Errors
/// [`StartRefused`] says which rule refuses.
pub const fn decide(
    ending: Ending,
    occasion: Occasion,
    option: StartOption,
) -> Result<StartKind, StartRefused> {
    use Occasion::{ClusterStart, Operator, SameNodeRestart, Takeover};
    match (occasion, option, ending) {
        (Operator, StartOption::None | StartOption::Fresh, Ending::Orderly) => {
            Ok(StartKind::Normal)
        }
        (Operator, StartOption::Fresh, Ending::Forced | Ending::Failure | Ending::Unknown) => {
            Ok(StartKind::ForcedNormal)
        }
        (Operator, StartOption::Inherit, Ending::Orderly) => Err(StartRefused::NothingToInherit),
        (
            Operator,
            StartOption::None | StartOption::Inherit,
            Ending::Forced | Ending::Failure | Ending::Unknown,
        )
        | (
            Takeover | SameNodeRestart | ClusterStart,
            StartOption::None,
            Ending::Orderly | Ending::Forced | Ending::Failure | Ending::Unknown,
        ) => Ok(StartKind::Restart),
        (
            Takeover | SameNodeRestart | ClusterStart,
            StartOption::Fresh | StartOption::Inherit,
            Ending::Orderly | Ending::Forced | Ending::Failure | Ending::Unknown,
        ) => Err(StartRefused::OptionWithoutOperator),
    }
}

/// How a group starts that has never run: an orderly end stands before the first beginning, and
/// whoever starts it, there is nothing to inherit.
///
/// # Errors
/// `inherit` is refused: there is nothing to inherit.
pub const fn first(option: StartOption) -> Result<StartKind, StartRefused> {
    decide(Ending::Orderly, Occasion::Operator, option)
}
