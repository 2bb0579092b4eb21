//! `call`: calls a service once, and says what it waited for and how that ended.

mod body;
mod shown;

use std::path::Path;
use std::time::{Duration, Instant};

use tsugi_client::{
    Address, CallId, Client, ClientName, Failure, Identity, Key, Left, Life, NotKnown, Reply,
    Request, Settings, SoFar, Tls, TlsFailure, Why, blocking,
};
use tsugi_messages::{self as messages, Phrase, phrase};

use super::change::{random_id, time};
use super::service;
use crate::args::Call;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;

/// How long a service may take to hear that its reply has arrived.
const CONFIRM: Duration = Duration::from_secs(1);
/// Where the usage of it stands.
const HELP: &str = "tsugi call --help";

/// The id of this call.
struct Named {
    key: Key,
    /// Whether nobody but this command can ask for it again.
    made_up: bool,
}

/// Calls, prints the reply, and ends as the call did.
pub fn call(agents: &Agents, out: &Out, asked: &Call) -> Exit {
    let prepared = match prepare(agents, out, asked) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let (client, request, named, deadline) = prepared;
    let client = match blocking::Client::of(client) {
        Ok(client) => client,
        Err(error) => {
            out.tell(&messages::internal_failure("call", error));
            return Exit::Failed;
        }
    };
    // An id that was given may have been asked before, and carried out.
    let so_far = if named.made_up { SoFar::NotDone } else { SoFar::MayBeDone };
    let result = client.call_keyed((named.key.clone(), so_far), &request, deadline);
    let id = named.key.as_str();
    shown::show(out, (&asked.service, id), &result);
    let exit = tell(out, &asked.service, id, &result);
    if result.is_ok() && named.made_up {
        let soon = deadline.min(Instant::now() + CONFIRM);
        // What is not confirmed is only kept longer.
        let _kept = client.confirm(&CallId::Keyed(named.key), soon);
    }
    exit
}

type Prepared = (Client, Request, Named, Instant);

/// Everything that can be wrong before anything is sent.
fn prepare(agents: &Agents, out: &Out, asked: &Call) -> Result<Prepared, Exit> {
    let deadline = time(out, "--deadline", Some(&asked.deadline))?.unwrap_or_default();
    let deadline = Instant::now() + deadline.to_std();
    let body = body::of(asked).map_err(|detail| usage(out, &detail))?;
    let wrong = |value: &str, option: &str| usage(out, &phrase::usage_value(value, option));
    let read = |text: &String| Address::read(text).map_err(|_| wrong(text, "--at"));
    let mut addresses = asked.at.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let key = asked.id.clone().unwrap_or_else(random_id);
    let key = Key::new(key.clone()).map_err(|_| wrong(&key, "--id"))?;
    let named = Named { key, made_up: asked.id.is_none() };
    if addresses.is_empty() {
        addresses.push(here(agents, out)?);
    }
    let settings = Settings {
        tls: tls(out, asked)?,
        identity: asked.token_file.clone().map_or(Identity::Unnamed, Identity::TokenFile),
        language: Some(out.language.code().to_owned()),
        ..Settings::of(addresses)
    };
    if let Some(file) = &asked.token_file {
        readable(out, file)?;
    }
    let name = ClientName::new("tsugi").expect("it is a name");
    // No serial is given out: the call has a key.
    let life = Life::given(1, 1).expect("it is in range");
    let client = Client::new(name, life, settings);
    let client = client.map_err(|_| usage(out, &phrase::usage_value("", "--at")))?;
    let order = asked.order.clone();
    let request = Request { order, ..Request::json(asked.service.as_str(), body) };
    Ok((client, request, named, deadline))
}

/// Where the one daemon of this machine is called.
fn here(agents: &Agents, out: &Out) -> Result<Address, Exit> {
    let listens = service::listens_here(agents, out)?;
    let unusable = |_| usage(out, &phrase::usage_value(listens, "--at"));
    Address::read(&listens.to_string()).map_err(unusable)
}

fn usage(out: &Out, detail: &Phrase) -> Exit {
    out.tell(&messages::usage_wrong(detail.text(out.language), HELP));
    Exit::Usage
}

fn readable(out: &Out, file: &Path) -> Result<(), Exit> {
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(error) => {
            out.tell(&messages::caller_file_unusable(file.display(), error));
            Err(Exit::Usage)
        }
    }
}

fn tls(out: &Out, asked: &Call) -> Result<Option<Tls>, Exit> {
    let Some(ca) = &asked.ca else { return Ok(None) };
    let own = asked.cert.as_deref().zip(asked.key.as_deref());
    let tls = Tls::of(ca, own, asked.server_name.as_deref());
    tls.map(Some).map_err(|failure| match failure {
        TlsFailure::Name(name) => usage(out, &phrase::usage_value(name, "--server-name")),
        TlsFailure::File(file, detail) => {
            out.tell(&messages::caller_file_unusable(file.display(), detail));
            Exit::Usage
        }
        TlsFailure::Refused(detail) => {
            out.tell(&messages::caller_file_unusable(ca.display(), detail));
            Exit::Usage
        }
    })
}

/// Says how it ended where there is more to say than its reply.
fn tell(out: &Out, service: &str, id: &str, result: &Result<Reply, Failure>) -> Exit {
    match result {
        Ok(reply) => {
            if let Some(waited_for) = reply.course.waited_for.as_ref() {
                let took = u64::try_from(reply.course.took.as_millis()).unwrap_or(u64::MAX);
                let met = shown::met(waited_for).text(out.language);
                out.say(&phrase::call_took(reply.course.tries, took, met));
            }
            if shown::refused_itself(reply) {
                out.tell(&messages::call_was_refused(service, shown::ended(reply)));
                return Exit::Refused;
            }
            Exit::Done
        }
        Err(Failure::Ended(reply)) => {
            out.tell(&messages::call_ended_abnormally(service, shown::ended(reply)));
            Exit::Failed
        }
        Err(Failure::Refused(problem, _)) => {
            out.tell(&messages::call_was_refused(service, shown::words(problem)));
            match problem.status {
                401 | 403 => Exit::NotPermitted,
                404 => Exit::NotFound,
                _ => Exit::Refused,
            }
        }
        Err(Failure::NotKnown(not_known)) => not_known_told(out, service, id, not_known),
        Err(Failure::NotWritten) => usage(out, &phrase::usage_value(service, "SERVICE, --order")),
        // A call under a key has no serial to wait for.
        Err(Failure::NoRoom) => Exit::Failed,
    }
}

fn not_known_told(out: &Out, service: &str, id: &str, not_known: &NotKnown) -> Exit {
    if not_known.why == Why::Answered(Left::Nothing) {
        out.tell(&messages::call_answer_is_gone(service, id));
        return Exit::NotFound;
    }
    let met = not_known.course.waited_for.as_ref().map(shown::met);
    let detail = met.unwrap_or_else(phrase::met_nothing).text(out.language);
    match not_known.so_far {
        SoFar::NotDone => {
            out.tell(&messages::call_met_nobody(service, detail));
            Exit::NoMajority
        }
        SoFar::MayBeDone => {
            out.tell(&messages::call_is_not_known(service, detail, id));
            Exit::StillRunning
        }
    }
}
