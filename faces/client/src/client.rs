//! A client: counts its calls, and asks each until it is answered or its deadline is there.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::answer::Reply;
use crate::asking::{Asked, Ending, Kind, Known, Way};
use crate::failure::{Failure, NotKnown, Why};
use crate::id::{CallId, ClientName, Key, escaped};
use crate::life::Life;
use crate::retry::SoFar;
use crate::serials::Serials;
use crate::settings::Settings;
use crate::tries::Course;

/// For how long a call that nobody waits for is asked in one go.
const SETTLING: Duration = Duration::from_secs(5);

/// What is asked of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub service: String,
    /// The type of the body.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// What it is kept in order by, where the service asks for that.
    pub order: Option<String>,
}

impl Request {
    /// A request with a body of JSON.
    pub fn json(service: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let content_type = "application/json".to_owned();
        Self { service: service.into(), content_type, body: body.into(), order: None }
    }
}

/// A client of services. It may be cloned, and asked by many at once; its connections live in the
/// runtime in which they were first used.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

struct Inner {
    name: ClientName,
    life: Life,
    serials: Mutex<Serials>,
    /// A serial was closed.
    closed: Notify,
    way: Way,
}

/// One call while it is asked.
struct Held {
    of: Arc<Inner>,
    call: Call,
    known: Known,
    /// Whether its end was told to whoever asked.
    told: bool,
}

/// One call as it is sent.
#[derive(Clone, Debug)]
struct Call {
    id: CallId,
    request: Request,
    lowest: u64,
}

/// The settings name no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no address is given")]
pub struct NoAddress;

impl Client {
    /// A client in one life of it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`NoAddress`].
    pub fn new(name: ClientName, life: Life, settings: Settings) -> Result<Self, NoAddress> {
        let way = Way::of(settings).ok_or(NoAddress)?;
        let serials = Mutex::new(Serials::from(life.first));
        Ok(Self(Arc::new(Inner { name, life, serials, closed: Notify::new(), way })))
    }

    /// Calls a service once, under the next serial. Dropped before its end, the call is asked on
    /// behind until its end is known, so that its serial does not stay open.
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub async fn call(&self, request: &Request, deadline: Instant) -> Result<Reply, Failure> {
        request.written()?;
        let serial = self.0.serial(deadline).await.ok_or(Failure::NoRoom)?;
        let client = self.0.name.clone();
        let id = CallId::Counted { client, incarnation: self.0.life.incarnation, serial };
        let lowest = self.0.lowest_of(&id).unwrap_or(serial);
        let call = Call { id, request: request.clone(), lowest };
        self.held(call, SoFar::NotDone, Course::default()).ask(deadline).await
    }

    /// Calls a service under a key, and says what an earlier asking may have done: only whoever has
    /// made the key up just now knows that it is nothing.
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub async fn call_keyed(
        &self,
        (key, so_far): (Key, SoFar),
        request: &Request,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        request.written()?;
        let call = Call { id: CallId::Keyed(key), request: request.clone(), lowest: 0 };
        self.held(call, so_far, Course::default()).ask(deadline).await
    }

    /// Asks again for a call whose end is not known, under its id, also one of a former life.
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub async fn again(&self, call: NotKnown, deadline: Instant) -> Result<Reply, Failure> {
        call.request.written()?;
        let NotKnown { id, request, lowest, so_far, course, why: _ } = call;
        self.held(Call { id, request, lowest }, so_far, course).ask(deadline).await
    }

    /// Nobody wants the answer of this call any more. It is asked on behind until its end is known,
    /// and holds its serial until then: to say earlier that it is answered would be refused.
    pub fn give_up(&self, call: NotKnown) {
        let NotKnown { id, request, lowest, so_far, course, why: _ } = call;
        drop(self.held(Call { id, request, lowest }, so_far, course));
    }

    /// The reply of a call that was made, where there is one.
    ///
    /// # Errors
    /// [`Failure::Refused`] where it is not known there or not to this identity, and others as for
    /// a call.
    pub async fn fetch(&self, id: &CallId, deadline: Instant) -> Result<Reply, Failure> {
        let path = format!("/call/{}", id.in_path());
        self.ask_of(id, (Method::GET, &path), Kind::Question, deadline).await
    }

    /// The reply of this call need not be kept any more, nor of any before in its life.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn confirm(&self, id: &CallId, deadline: Instant) -> Result<(), Failure> {
        let path = format!("/call/{}/confirm", id.in_path());
        self.ask_of(id, (Method::POST, &path), Kind::Change, deadline).await.map(drop)
    }

    /// The lowest serial of this life that has no answer.
    #[must_use]
    pub fn lowest(&self) -> u64 {
        self.0.counted().lowest()
    }

    async fn ask_of(
        &self,
        id: &CallId,
        (method, path): (Method, &str),
        kind: Kind,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let asked = || Asked {
            method: method.clone(),
            path: path.to_owned(),
            content_type: None,
            heads: Vec::new(),
            body: Bytes::new(),
            kind,
        };
        let mut known = Known { so_far: SoFar::NotDone, course: Course::default() };
        let ending = self.0.way.ask(asked, &mut known, deadline.into()).await;
        let request = Request::json(String::new(), Bytes::new());
        let call = Call { id: id.clone(), request, lowest: 0 };
        ending.told(call, known)
    }

    fn held(&self, call: Call, so_far: SoFar, course: Course) -> Held {
        Held { of: Arc::clone(&self.0), call, known: Known { so_far, course }, told: false }
    }
}

impl Request {
    /// Whether it can be sent at all.
    fn written(&self) -> Result<(), Failure> {
        let kind = HeaderValue::try_from(&self.content_type).is_ok();
        let order = self.order.as_ref().is_none_or(|order| HeaderValue::try_from(order).is_ok());
        match kind && order && !self.service.is_empty() {
            true => Ok(()),
            false => Err(Failure::NotWritten),
        }
    }
}

impl Inner {
    fn counted(&self) -> MutexGuard<'_, Serials> {
        // It is whole between any two statements.
        self.serials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next serial; none if none is free before the deadline.
    async fn serial(&self, deadline: Instant) -> Option<u64> {
        loop {
            let mut closed = std::pin::pin!(self.closed.notified());
            // Before it is looked, so that what is closed in between is heard.
            closed.as_mut().enable();
            if let Some(serial) = self.counted().give() {
                return Some(serial);
            }
            timeout_at(deadline.into(), closed).await.ok()?;
        }
    }

    /// The lowest serial without an answer, where this is a call of this life.
    fn lowest_of(&self, id: &CallId) -> Option<u64> {
        match id {
            CallId::Counted { client, incarnation, serial }
                if *client == self.name && *incarnation == self.life.incarnation =>
            {
                Some(self.counted().lowest().min(*serial))
            }
            CallId::Counted { .. } | CallId::Keyed(_) => None,
        }
    }

    /// There is nothing more to wait for.
    fn close(&self, id: &CallId) {
        let CallId::Counted { client, incarnation, serial } = id else { return };
        let own = *client == self.name && *incarnation == self.life.incarnation;
        if own && self.counted().close(*serial) {
            self.closed.notify_waiters();
        }
    }

    async fn ask(&self, call: &Call, known: &mut Known, deadline: Instant) -> Ending {
        let ending = self.way.ask(|| self.written(call), known, deadline.into()).await;
        if ending.is_over() {
            self.close(&call.id);
        }
        ending
    }

    fn written(&self, call: &Call) -> Asked {
        let heads = match &call.id {
            CallId::Keyed(key) => vec![("idempotency-key", key.as_str().to_owned())],
            CallId::Counted { client, incarnation, serial } => {
                let lowest = self.lowest_of(&call.id).unwrap_or(call.lowest).clamp(1, *serial);
                vec![
                    ("tsugi-client", client.as_str().to_owned()),
                    ("tsugi-call", format!("{incarnation}.{serial}")),
                    ("tsugi-lowest", lowest.to_string()),
                ]
            }
        };
        let order = call.request.order.clone().map(|order| ("tsugi-order", order));
        let written = |(name, value): (&'static str, String)| {
            let value = HeaderValue::try_from(value).expect("what is not plain was refused");
            (HeaderName::from_static(name), value)
        };
        let kind = HeaderValue::try_from(&call.request.content_type);
        Asked {
            method: Method::POST,
            path: format!("/call/{}", escaped(&call.request.service)),
            content_type: Some(kind.expect("what is not plain was refused")),
            heads: heads.into_iter().chain(order).map(written).collect(),
            body: call.request.body.clone(),
            kind: Kind::Call,
        }
    }
}

impl Held {
    async fn ask(mut self, deadline: Instant) -> Result<Reply, Failure> {
        let of = Arc::clone(&self.of);
        let ending = of.ask(&self.call, &mut self.known, deadline).await;
        self.told = true;
        let course = self.known.course.clone();
        ending.told(self.call.clone(), Known { so_far: self.known.so_far, course })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.told || !matches!(self.call.id, CallId::Counted { .. }) {
            return;
        }
        let here = tokio::runtime::Handle::try_current();
        match (self.known.so_far, here) {
            (SoFar::NotDone, _) => self.of.close(&self.call.id),
            (SoFar::MayBeDone, Ok(runtime)) => {
                let of = Arc::downgrade(&self.of);
                drop(runtime.spawn(settle(of, self.call.clone())));
            }
            // Nothing can be asked any more: its serial stays open as long as this life.
            (SoFar::MayBeDone, Err(_)) => {}
        }
    }
}

/// Asks until the end of a call is known that nobody waits for, as long as its client is there.
async fn settle(of: Weak<Inner>, call: Call) {
    let mut known = Known { so_far: SoFar::MayBeDone, course: Course::default() };
    loop {
        let pause = {
            let Some(of) = of.upgrade() else { return };
            let ending = of.ask(&call, &mut known, Instant::now() + SETTLING).await;
            if ending.is_over() {
                return;
            }
            of.way.settings.longest_pause
        };
        tokio::time::sleep(pause).await;
    }
}

impl Ending {
    fn told(self, call: Call, known: Known) -> Result<Reply, Failure> {
        match self {
            Self::Replied(reply) => Ok(reply),
            Self::Ended(reply) => Err(Failure::Ended(Box::new(reply))),
            Self::Refused(problem) => {
                Err(Failure::Refused(Box::new(problem), Box::new(known.course)))
            }
            Self::NotKnown(why) => Err(Failure::NotKnown(Box::new(not_known(call, known, why)))),
        }
    }
}

fn not_known(call: Call, known: Known, why: Why) -> NotKnown {
    let Call { id, request, lowest } = call;
    let Known { so_far, course } = known;
    NotKnown { id, request, lowest, so_far, why, course }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("name", &self.name).field("life", &self.life).finish()
    }
}
