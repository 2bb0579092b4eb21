//! `service block`, `open`, `resolve` and `forget`: what an operator changes in a running daemon.

use tsugi_messages::{self as messages, Message, phrase};
use tsugi_serve::control::{Asked, Closed, Told, Which};
use tsugi_service_rules::id::CallId;
use tsugi_wire::control::report::{Done, No, Refused};

use super::running;
use crate::args::{OfCall, Running};
use crate::ask::{Agents, person};
use crate::exit::Exit;
use crate::out::{Observed, Out};
use crate::run::change::{random_id, show_done};

/// Where the usage of these commands stands.
const HELP: &str = "tsugi service resolve --help";

/// What is said of a call that was changed.
type Word = fn(String) -> Message;
type Changed = Result<Message, Box<Refused>>;

/// Has a service take no new calls.
pub(super) fn block(
    agents: &Agents,
    out: &Out,
    (service, reason): (&str, &str),
    at: &Running,
) -> Exit {
    let by = person();
    let asked = Asked::Block { service: service.into(), by: by.clone(), reason: reason.into() };
    let done = || messages::service_was_blocked(service, by, reason);
    tell(out, of_service(agents, (service, at), &asked).map(|()| done()))
}

/// Has a service take calls again. What keeps it from running keeps it still.
pub(super) fn open(agents: &Agents, out: &Out, service: &str, at: &Running) -> Exit {
    let asked = Asked::Open { service: service.into() };
    let opened = of_service(agents, (service, at), &asked);
    tell(
        out,
        opened.and_then(|()| match closed(agents, service, at)? {
            None => Ok(messages::service_was_opened(service)),
            Some(closed) => {
                Err(running::no(No::Failed, &messages::service_stays_closed(service, closed.why)))
            }
        }),
    )
}

/// Says of a call of unknown outcome that it was carried out, with this reply, or that it was not.
pub(super) fn resolve(
    agents: &Agents,
    out: &Out,
    (call, reply): (&OfCall, Option<&str>),
    at: &Running,
) -> Exit {
    let read = reply.map(|reply| (reply, serde_json::from_str::<serde_json::Value>(reply)));
    let done: Word = match read {
        None => messages::call_was_resolved,
        Some((_, Ok(_))) => messages::call_was_answered,
        Some((reply, Err(_))) => {
            let detail = phrase::usage_value(reply, "JSON").text(out.language);
            out.tell(&messages::usage_wrong(detail, HELP));
            return Exit::Usage;
        }
    };
    let reply = reply.map(str::to_owned);
    of_call(agents, out, (call, at), (|call| Asked::Resolve { call, reply }, done))
}

/// Frees a key.
pub(super) fn forget(agents: &Agents, out: &Out, call: &OfCall, at: &Running) -> Exit {
    let asked = |call| Asked::Forget { call };
    of_call(agents, out, (call, at), (asked, messages::key_was_forgotten))
}

fn of_call(
    agents: &Agents,
    out: &Out,
    (call, at): (&OfCall, &Running),
    (asked, done): (impl FnOnce(Which) -> Asked, Word),
) -> Exit {
    // As its caller says it, it is a call of that caller.
    if CallId::read(&call.id).is_none() && call.identity.is_none() {
        let detail = phrase::usage_missing("--identity <NAME>").text(out.language);
        out.tell(&messages::usage_wrong(detail, HELP));
        return Exit::Usage;
    }
    if !readable(&call.id) {
        let detail = phrase::usage_value(&call.id, "ID").text(out.language);
        out.tell(&messages::usage_wrong(detail, HELP));
        return Exit::Usage;
    }
    let asked = asked(Which { id: call.id.clone(), identity: call.identity.clone() });
    let told = running::find(agents, at).and_then(|path| running::ask(&path, &asked));
    tell(
        out,
        told.and_then(|told| match told {
            Told::Refused { number, word } => Err(refused(out, &call.id, (number, &word))),
            _ => Ok(done(call.id.clone())),
        }),
    )
}

/// Whether it is what a program is told, `key:TEXT` or `NAME:INCARNATION.SERIAL`.
fn readable(id: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().is_ok();
    CallId::read(id).is_some()
        || id.split_once(':').is_some_and(|(kind, rest)| {
            let counted = rest.split_once('.').is_some_and(|(a, b)| number(a) && number(b));
            !rest.is_empty() && (kind == "key" || counted)
        })
}

/// Why a call was left as it is.
fn refused(out: &Out, id: &str, (number, word): (u16, &str)) -> Box<Refused> {
    let (kind, why) = match word {
        "not-found" => (No::NotFound, messages::call_not_there().text(out.language)),
        "busy" => (No::Refused, messages::call_busy().text(out.language)),
        "decided" => (No::Refused, messages::call_decided().text(out.language)),
        "malformed" => (No::Refused, phrase::only_keys_are_forgotten().text(out.language)),
        _ => (No::Refused, phrase::refused_by_word(u64::from(number), word).text(out.language)),
    };
    running::no(kind, &messages::call_was_left(id, why))
}

fn of_service(
    agents: &Agents,
    (service, at): (&str, &Running),
    asked: &Asked,
) -> Result<(), Box<Refused>> {
    let path = running::find(agents, at)?;
    match running::ask(&path, asked)? {
        Told::NoSuchService => {
            let message = messages::service_not_run_here(service, path.display());
            Err(running::no(No::NotFound, &message))
        }
        _ => Ok(()),
    }
}

fn closed(agents: &Agents, service: &str, at: &Running) -> Result<Option<Closed>, Box<Refused>> {
    let status = running::find(agents, at).and_then(|path| running::status(&path))?;
    let of = status.services.into_iter().find(|of| of.name == service);
    Ok(of.and_then(|of| of.closed))
}

/// Tells what was done, or the no.
fn tell(out: &Out, changed: Changed) -> Exit {
    match changed {
        Ok(message) => {
            let done = Done::at_once(&random_id(), running::words(&message));
            show_done(out, &done, &Observed::here());
            Exit::Done
        }
        Err(no) => running::tell(out, &no),
    }
}
