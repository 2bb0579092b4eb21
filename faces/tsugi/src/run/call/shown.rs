//! What is printed of a call: its reply, and as JSON also what it took.

use serde::Serialize;
use serde_json::Value;
use tsugi_client::{Failure, Met, Problem, Reply, SoFar, WaitedFor};
use tsugi_messages::{Phrase, phrase};

use crate::out::{Form, Observed, Out, Schema};

/// A call and how it ended, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    service: &'a str,
    id: &'a str,
    outcome: &'static str,
    may_be_done: bool,
    reply: Value,
    content_type: Option<&'a str>,
    node: Option<&'a str>,
    epoch: Option<u64>,
    tries: u32,
    took_ms: u64,
    waited_for: Option<Waited>,
    problem: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Waited {
    at: String,
    met: &'static str,
    status: Option<u16>,
    detail: Option<String>,
}

#[derive(Serialize)]
struct Details<'a> {
    id: &'a str,
    title: &'a str,
    detail: &'a str,
    status: u16,
    retry: &'a str,
}

/// Prints the reply; for programs, everything.
pub(super) fn show(out: &Out, (service, id): (&str, &str), result: &Result<Reply, Failure>) {
    match (out.form, result) {
        (Form::Json, _) => json(out, (service, id), result),
        (Form::Text, Ok(reply)) => {
            let text = String::from_utf8_lossy(&reply.body);
            out.lines(text.lines().map(str::to_owned));
        }
        (Form::Text, Err(_)) => {}
    }
}

fn json(out: &Out, (service, id): (&str, &str), result: &Result<Reply, Failure>) {
    let (outcome, may_be_done, reply, problem, course) = match result {
        Ok(reply) if refused_itself(reply) => ("refused", false, Some(reply), None, &reply.course),
        Ok(reply) => ("replied", true, Some(reply), None, &reply.course),
        Err(Failure::Ended(reply)) => ("ended", false, Some(&**reply), None, &reply.course),
        Err(Failure::Refused(problem, course)) => {
            ("refused", false, None, Some(&**problem), &**course)
        }
        Err(Failure::NotKnown(not_known)) => {
            let last = not_known.course.waited_for.as_ref().and_then(|w| w.problem.as_ref());
            let may = not_known.so_far == SoFar::MayBeDone;
            ("not-known", may, None, last, &not_known.course)
        }
        Err(Failure::NoRoom | Failure::NotWritten) => return,
    };
    let shown = Shown {
        service,
        id,
        outcome,
        may_be_done,
        reply: reply.map_or(Value::Null, content),
        content_type: reply.and_then(|reply| reply.content_type.as_deref()),
        node: reply.and_then(|reply| reply.node.as_deref()),
        epoch: reply.and_then(|reply| reply.epoch),
        tries: course.tries,
        took_ms: u64::try_from(course.took.as_millis()).unwrap_or(u64::MAX),
        waited_for: course.waited_for.as_ref().map(waited),
        problem: problem.map(details),
    };
    let mut observed = Observed::here();
    if let Some(node) = shown.node {
        node.clone_into(&mut observed.by);
    }
    out.json(Schema::first("tsugi.call"), &observed, &shown);
}

/// Whether its program has refused the call.
pub(super) fn refused_itself(reply: &Reply) -> bool {
    reply.ending.is_some()
}

/// The body as JSON where it is, else as text.
fn content(reply: &Reply) -> Value {
    let text = || String::from_utf8_lossy(&reply.body).into_owned();
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| Value::String(text()))
}

fn waited(waited_for: &WaitedFor) -> Waited {
    let (met, status) = match waited_for.met {
        Met::NoConnection => ("no-connection", None),
        Met::Stale | Met::CutOff => ("connection-ended", None),
        Met::Silence => ("silence", None),
        Met::NotUnderstood => ("not-understood", None),
        Met::TooLong => ("too-long", None),
        Met::Answer { status, .. } => ("answer", Some(status)),
    };
    Waited { at: waited_for.at.to_string(), met, status, detail: waited_for.error.clone() }
}

fn details(problem: &Problem) -> Details<'_> {
    let Problem { kind: _, title, status, detail, id, retry } = problem;
    Details { id, title, detail, status: *status, retry }
}

/// What was waited for, in words.
pub(super) fn met(waited_for: &WaitedFor) -> Phrase {
    let at = &waited_for.at;
    match (waited_for.met, &waited_for.problem) {
        (_, Some(problem)) => phrase::met_problem(at, &problem.id, inner(problem)),
        (Met::NoConnection, None) => {
            let error = waited_for.error.as_deref().unwrap_or("-");
            phrase::met_no_connection(at, error)
        }
        (Met::Stale | Met::CutOff, None) => phrase::met_connection_ended(at),
        (Met::Silence, None) => phrase::met_silence(at),
        (Met::NotUnderstood, None) => phrase::met_not_understood(at),
        (Met::TooLong, None) => phrase::met_answer_too_long(at),
        (Met::Answer { status, .. }, None) => phrase::met_status(at, status),
    }
}

/// The id of the message that came, and what it says.
pub(super) fn words(problem: &Problem) -> String {
    let parts = [problem.id.as_str(), inner(problem)].map(str::trim);
    let words: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if words.is_empty() { problem.status.to_string() } else { words.join(" ") }
}

fn inner(problem: &Problem) -> &str {
    if problem.detail.is_empty() { &problem.title } else { &problem.detail }
}

/// What is kept of an end that is none in order.
pub(super) fn ended(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).trim().to_owned()
}
