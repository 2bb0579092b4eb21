//! `drill --level read` and `isolate`: a copy is tried beside the running group, and reported.

use tsugi_vocabulary::Span;
use tsugi_wire::control::drill::{Drills, Rehearsal};
use tsugi_wire::control::{How, Operation, Reply, Request};

use super::drill::{PATIENCE, awaited, change, group_of, order, report, shown, still_running};
use crate::args::Drill as Asked;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out};
use crate::render;

/// Orders it, waits until it is over, and reports it. The cluster carries it on: who stops waiting
/// stops nothing.
pub(super) fn rehearse(
    agents: &Agents,
    out: &Out,
    (asked, what): (&Asked, Operation),
    limit: Span,
) -> Exit {
    let (id, words) = match order(agents, out, change(asked, what, How::ForReal)) {
        Ok(ordered) => ordered,
        Err(exit) => return exit,
    };
    let limit = limit + PATIENCE;
    let request = Request::Drill { group: group_of(asked) };
    let ended = awaited(agents, out, (&request, limit), |reply, observed| {
        let Reply::Drill(drills) = reply else { return None };
        let newest = drills.rehearsal.clone().filter(|newest| newest.id == id)?;
        newest.verdict.is_some().then_some((drills, newest, observed))
    });
    match ended {
        Ok(Some((drills, newest, observed))) => {
            over(agents, out, asked, (&drills, &newest, &observed))
        }
        Ok(None) => still_running(out, (&id, &words), limit),
        Err(exit) => exit,
    }
}

/// Reports one that is over, and ends as it ended.
pub(super) fn over(
    agents: &Agents,
    out: &Out,
    asked: &Asked,
    (drills, newest, observed): (&Drills, &Rehearsal, &Observed),
) -> Exit {
    let page = render::rehearsal_page(out.language, drills, newest);
    let lines = || render::rehearsal(out, drills, newest);
    let of = (agents, out, asked);
    let unwritten = report(of, (drills, newest.began, observed), (&page, &lines));
    match (newest.verdict.as_deref(), unwritten) {
        (Some("proven"), false) => Exit::Done,
        (Some("proven"), true) => Exit::PartFailed,
        (Some(_) | None, _) => Exit::Failed,
    }
}

/// The one beside the running group, where it is newer than the one that moved it.
pub(super) fn newer(drills: &Drills) -> Option<&Rehearsal> {
    let moved = drills.newest.as_ref().map(|drill| drill.began.0);
    drills.rehearsal.as_ref().filter(|newest| moved.is_none_or(|moved| moved < newest.began.0))
}

/// Shows one that is under way.
pub(super) fn goes_on(
    out: &Out,
    (drills, newest, observed): (&Drills, &Rehearsal, &Observed),
) -> Exit {
    out.show(super::drill::SCHEMA, observed, &shown(drills, None), || {
        render::rehearsal(out, drills, newest)
    });
    Exit::StillRunning
}
