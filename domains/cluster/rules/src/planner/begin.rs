//! Pass: nobody owns the group, and it is to run.

use super::ground::{Ground, View};
use super::need::{Former, Need, Place};
use super::observe;
use crate::plan::Resting;
use crate::reason::Cause;
use crate::record::{Answer, Failure};
use crate::spec::Startup;
use crate::start_kind::Ending;

/// The cluster starts it, unless its startup is an operator's; what was interrupted by a failure
/// goes on by itself in either case.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let spec = view.spec?;
    if let Some(asked) = view.asked.filter(|a| a.start.is_some()) {
        return Some(place(view, asked.cause.clone(), None));
    }
    match (spec.startup, view.record.ended) {
        // The cluster stopped it because nobody could call it, and starts it again.
        (Startup::Manual, Ending::Orderly | Ending::Forced)
            if matches!(open_cause(ground, view), Some(Cause::LinksDown { .. })) =>
        {
            open_cause(ground, view).map(|cause| place(view, cause, None))
        }
        (Startup::Manual, Ending::Orderly | Ending::Forced) => Some(Need::Rest(Resting::Manual)),
        (Startup::Auto, Ending::Orderly | Ending::Forced) => {
            Some(place(view, open_cause(ground, view).unwrap_or(Cause::ClusterStart), None))
        }
        (Startup::Auto | Startup::Manual, Ending::Failure | Ending::Unknown) => {
            let home = in_place(view.recent.last()).or_else(|| observe::chosen(ground, view));
            Some(place(view, interrupted(ground, view), home))
        }
    }
}

fn place(view: &View<'_>, cause: Cause, home: Option<tsugi_vocabulary::NodeName>) -> Need {
    let ended = view.record.ended;
    Need::Place(Place { cause, ended, home, failure: None, former: Former::None })
}

/// Why it stands open, as the newest plan has it.
fn open_cause(ground: &Ground<'_>, view: &View<'_>) -> Option<Cause> {
    ground.parent()?.decisions.get(view.name)?.cause.clone()
}

fn interrupted(ground: &Ground<'_>, view: &View<'_>) -> Cause {
    let failed = || view.recent.last().map(|f| f.cause.clone());
    open_cause(ground, view).or_else(failed).unwrap_or(Cause::ClusterStart)
}

fn in_place(last: Option<&Failure>) -> Option<tsugi_vocabulary::NodeName> {
    last.filter(|f| f.answer == Answer::Restarted).map(|f| f.node.clone())
}
