//! The front of an engine: what a door calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tsugi_service_rules::call::{Arrival, Caller, Event};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, OrderKey, Serial};
use tsugi_service_rules::inquiry;
use tsugi_service_rules::refusal::Refusal;
use tsugi_store::{Block, Reply, Request};
use tsugi_vocabulary::Span;

use crate::clock;
use crate::core::{Body, Keys, Letter, Listing, Waiter};
use crate::figures::Figures;
use crate::inbox::Inbox;
use crate::inquirer::{Inquiries, Inquiry};
use crate::service::{Interface, Read};

/// A call, as its door has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which, of whom ([`crate::names`]).
    pub id: CallId,
    /// The lowest serial that its client has no answer to; not looked at under a key.
    pub lowest: Serial,
    /// Of which service.
    pub service: String,
    /// What it is kept in order by, where its service asks for that.
    pub order: Option<OrderKey>,
    /// Its body.
    pub body: Arc<[u8]>,
    /// How long its caller waits.
    pub patience: Option<Duration>,
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The reply, durable; the same bytes for every retry.
    Reply(Arc<Reply>),
    /// It is pending; the same id asks again.
    Pending,
    /// What was asked to be changed is changed, durably.
    Changed,
    /// No. Nothing was carried out by this attempt.
    Refused(Refusal),
}

/// What an unknown call counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Carried out or refused, with this reply.
    Answered(Box<Reply>),
    /// Not carried out: the next arrival runs it.
    NotCarriedOut,
}

/// A service as the front knows it.
pub(crate) type Known = (ServiceNumber, Arc<str>, Arc<dyn Interface>);

/// What doors call. It may be cloned, and outlives its engine: then nothing is open here.
#[derive(Clone)]
pub struct Calls {
    pub(crate) inbox: Arc<Inbox<Letter>>,
    pub(crate) services: Arc<BTreeMap<String, Known>>,
    pub(crate) callers: Arc<AtomicU64>,
    /// Of services that name a resolver.
    pub(crate) inquiries: Arc<Mutex<Inquiries>>,
}

/// Tells the core that a caller is gone, unless it was answered.
struct Patience<'a> {
    inbox: &'a Inbox<Letter>,
    of: Option<(CallId, Caller)>,
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if let Some((id, caller)) = self.of.take() {
            drop(self.inbox.put(Letter::Gone(id, caller)));
        }
    }
}

impl Calls {
    /// Asks for a call to be carried out, once, and waits for its reply. Dropped, its caller is
    /// gone and the call runs on: its reply is for the retry.
    pub async fn call(&self, asked: Asked) -> Answer {
        if let Err(refusal) = asked.id.admitted() {
            return Answer::Refused(refusal);
        }
        let Some((service, name, interface)) = self.services.get(&asked.service) else {
            return Answer::Refused(Refusal::NoSuchService { service: asked.service });
        };
        let Read { content, given, size } = match interface.read(name, &asked.body) {
            Ok(read) => read,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let caller = self.caller();
        let deadline = asked.patience.map(|patience| {
            let nanos = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
            clock::now() + Span(nanos)
        });
        let arrival = Arrival {
            id: asked.id,
            content,
            service: *service,
            order: asked.order,
            lowest: asked.lowest,
            size,
            caller,
            deadline,
        };
        let body = Body { arrival, said: asked.body, given, keys: None };
        self.ask(Event::Arrived(arrival), asked.id, caller, Some(body)).await
    }

    /// The reply of a call, where there is one.
    pub async fn fetch(&self, id: CallId) -> Answer {
        let caller = self.caller();
        self.ask(Event::Asked(id, caller), id, caller, None).await
    }

    /// Its client has the reply of this call, and of all its calls of lower serials.
    pub async fn confirm(&self, id: CallId) -> Answer {
        let caller = self.caller();
        self.ask(Event::Confirmed(id, caller), id, caller, None).await
    }

    /// An operator wants a key to be free again.
    pub async fn forget(&self, id: CallId) -> Answer {
        let caller = self.caller();
        self.ask(Event::Forgotten(id, caller), id, caller, None).await
    }

    /// An operator, or a program that resolves calls, says what an unknown call counts as.
    pub async fn resolve(&self, id: CallId, said: Resolved) -> Answer {
        let caller = self.caller();
        let letter = |waiter| Letter::Resolve(id, caller, said, waiter);
        self.send(letter, id, caller, None).await
    }

    /// The unknown calls of a service that names a resolver, as far as they are looked at, and what
    /// that has said of them; none where it names none.
    #[must_use]
    pub fn inquiries(&self, service: ServiceNumber) -> Vec<Inquiry> {
        let all = self.inquiries.lock().expect("nobody dies with the lock");
        all.get(&service).cloned().unwrap_or_default()
    }

    /// Tells somebody whenever the unknown calls have changed, for as long as the engine is there.
    pub(crate) fn tells(&self, tells: watch::Sender<()>) {
        drop(self.inbox.put(Letter::Inquirer(tells)));
    }

    /// The unknown calls of a service; none where the store could not be asked.
    pub(crate) async fn unknown(&self, service: ServiceNumber) -> Option<Vec<CallId>> {
        let (tell, told) = oneshot::channel();
        self.inbox.put(Letter::List(Listing::Unknown(service, tell))).ok()?;
        told.await.ok()
    }

    /// What an unknown call asks, unless it is decided; none where the store could not be asked.
    pub(crate) async fn request(&self, id: CallId) -> Option<Option<Request>> {
        let (tell, told) = oneshot::channel();
        self.inbox.put(Letter::List(Listing::Request(id, tell))).ok()?;
        told.await.ok()
    }

    /// Asks a resolver about an unknown call, with that call's body and keys.
    pub(crate) async fn inquire(&self, id: CallId, resolver: &str, of: &Request) -> Answer {
        let Some((service, name, interface)) = self.services.get(resolver) else {
            return Answer::Refused(Refusal::NoSuchService { service: resolver.to_owned() });
        };
        let said: Arc<[u8]> = of.body.as_slice().into();
        let Read { content, given, size } = match interface.read(name, &said) {
            Ok(read) => read,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let (caller, deadline) = (self.caller(), Some(clock::now() + inquiry::LONGEST));
        let (service, order, lowest) = (*service, None, Serial::FIRST);
        let arrival = Arrival { id, content, service, order, lowest, size, caller, deadline };
        let epoch = u64::try_from(of.epoch).unwrap_or(0);
        let keys = Keys { epoch, attempt: u32::try_from(of.attempt).unwrap_or(0) };
        let body = Body { arrival, said, given, keys: Some(keys) };
        self.send(|waiter| Letter::Inquire(arrival, waiter), id, caller, Some(body)).await
    }

    /// How things stand; none where nothing is open here any more.
    pub async fn figures(&self) -> Option<Figures> {
        let (tell, told) = oneshot::channel();
        self.inbox.put(Letter::Figures(tell)).ok()?;
        told.await.ok()
    }

    /// An operator blocks a service: it takes no calls until he opens it again, by any engine of
    /// its store. Or he opens it; what else closes it stays. It is told once that is durable; from
    /// an engine that is handing its store over, not at all.
    pub async fn block(&self, service: ServiceNumber, block: Option<Block>) -> Answer {
        let (tell, told) = oneshot::channel();
        if self.inbox.put(Letter::Block(service, block, tell)).is_err() {
            return Answer::Refused(Refusal::NotOpenHere);
        }
        told.await.unwrap_or(Answer::Refused(Refusal::NotOpenHere))
    }

    /// A service cannot run for this reason, or can again. What an operator has blocked stays so,
    /// as does one whose workers were given up.
    pub fn set_open(&self, service: ServiceNumber, open: Result<(), Refusal>) {
        drop(self.inbox.put(Letter::Open(service, open)));
    }

    fn caller(&self) -> Caller {
        Caller(self.callers.fetch_add(1, Ordering::Relaxed))
    }

    async fn ask(&self, event: Event, id: CallId, caller: Caller, body: Option<Body>) -> Answer {
        self.send(|waiter| Letter::Ask(caller, event, waiter), id, caller, body).await
    }

    async fn send(
        &self,
        letter: impl FnOnce(Waiter) -> Letter,
        id: CallId,
        caller: Caller,
        body: Option<Body>,
    ) -> Answer {
        if let Err(refusal) = id.admitted() {
            return Answer::Refused(refusal);
        }
        let (tell, told) = oneshot::channel();
        let waiter = Waiter { id, body, tell };
        let mut patience = Patience { inbox: &self.inbox, of: Some((id, caller)) };
        if self.inbox.put(letter(waiter)).is_err() {
            patience.of = None;
            return Answer::Refused(Refusal::NotOpenHere);
        }
        // An engine that has handed its store over drops whoever still waits.
        let answer = told.await.unwrap_or(Answer::Refused(Refusal::NotOpenHere));
        patience.of = None;
        answer
    }
}
