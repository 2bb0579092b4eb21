//! `drill --level read` and `isolate`: a copy is tried beside the running group, and reported.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tsugi_messages as messages;
use tsugi_vocabulary::Span;
use tsugi_wire::control::drill::{Drills, Rehearsal};
use tsugi_wire::control::report::No;
use tsugi_wire::control::{Answer, How, Operation, Reply, Request};

use super::drill::{change, report, shown};
use super::read::{self, ask, strange};
use crate::args::Drill as Asked;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out};
use crate::render;

/// How often it is asked for.
const LOOK: Duration = Duration::from_millis(100);
/// How much longer than its limit it may take until everything is taken away.
const PATIENCE: Span = Span::secs(90);

/// Orders it, waits until it is over, and reports it. The cluster carries it on: who stops waiting
/// stops nothing.
pub(super) fn rehearse(
    agents: &Agents,
    out: &Out,
    (asked, what): (&Asked, Operation),
    limit: Span,
) -> Exit {
    let change = change(asked, what, How::ForReal);
    let (id, words) = (change.command.clone(), change.words.clone());
    match ask(agents, out, (&Request::Change(change), &words)) {
        Ok((Reply::Done(_), _)) => {}
        Ok(_) => return strange(out, &words),
        Err(exit) => return exit,
    }
    let limit = limit + PATIENCE;
    let end = Instant::now() + limit.to_std();
    let request = Request::Drill { group: asked.group.clone() };
    loop {
        // An agent that does not answer for a moment is asked again while there is time.
        let found = agents.ask(&request).map(|answer| (read::observed(&answer), answer));
        if let Ok((observed, Answer { reply: Reply::No(refused), .. })) = &found
            && refused.kind == No::NotFound
        {
            // Its group is not in the configuration any more.
            return read::no(out, refused, observed);
        }
        if let Ok((observed, Answer { reply: Reply::Drill(drills), .. })) = found
            && let Some(newest) = drills.rehearsal.clone()
            && newest.id == id
            && newest.verdict.is_some()
        {
            return over(agents, out, asked, (&drills, &newest, &observed));
        }
        if Instant::now() >= end {
            let seconds = limit.as_millis() / 1000;
            out.tell(&messages::command_still_running(&words, seconds, &id));
            return Exit::StillRunning;
        }
        sleep(LOOK);
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
