//! Makes a plan: an ordered list of named passes.

use crate::plan::{Plan, Situation};
use crate::record::Draft;

/// What the planner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The plan, with its reasons.
    pub plan: Plan,
    /// The ledger entry that makes it true: the plan and the groups' new ownership, on condition
    /// that nothing it was decided on has changed. None if nothing changes.
    pub draft: Option<Draft>,
}

/// Decides for all groups. The same situation always gives the same plan.
#[must_use]
pub fn plan(situation: &Situation<'_>) -> Planned {
    let _ = situation;
    todo!("the passes")
}
