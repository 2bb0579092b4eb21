//! Asks one thing until there is an answer, or its deadline: again under the same id, as the table
//! has it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::Addresses;
use crate::answer::{Problem, Reply, epoch, marks, retry_after, text};
use crate::connection::{Came, Connection, Trouble};
use crate::failure::Why;
use crate::pause::{Pauses, chance};
use crate::retry::{Left, Marks, Met, Next, Place, SoFar, next};
use crate::settings::Settings;
use crate::tries::{Course, WaitedFor};

/// With less time than this left nothing is asked any more.
const TOO_SHORT: Duration = Duration::from_millis(1);

/// The way to a service: its addresses, and the connections that wait for their next call.
pub(crate) struct Way {
    pub(crate) settings: Settings,
    addresses: Addresses,
    language: Option<HeaderValue>,
    idle: Mutex<Vec<(usize, Connection)>>,
    room: Semaphore,
}

/// One thing to ask, written anew for each try.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) heads: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// Whether each try may do something, so that what is known of an earlier one counts.
    pub(crate) kind: Kind,
}

/// What an answer to it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call.
    Call,
    /// A question, which changes nothing.
    Question,
    /// A change that is the same however often it is made; any success will do.
    Change,
}

/// How asking ended.
pub(crate) enum Ending {
    Replied(Reply),
    Ended(Reply),
    Refused(Problem),
    NotKnown(Why),
}

/// What is known while it is asked.
pub(crate) struct Known {
    pub(crate) so_far: SoFar,
    pub(crate) course: Course,
}

/// What one try has brought.
struct Tried {
    met: Met,
    came: Option<Came>,
    problem: Option<Problem>,
    error: Option<String>,
}

impl Way {
    /// None without an address.
    pub(crate) fn of(settings: Settings) -> Option<Self> {
        let addresses = Addresses::of(settings.addresses.clone())?;
        let room = Semaphore::new(settings.at_once.clamp(1, Semaphore::MAX_PERMITS));
        // One that cannot be sent is not asked for.
        let language = settings.language.as_deref().and_then(|l| HeaderValue::try_from(l).ok());
        Some(Self { settings, addresses, language, idle: Mutex::new(Vec::new()), room })
    }

    /// Asks until there is an answer or the deadline is there. `heads` are written anew for each
    /// try; what is known at each moment stands in `known`.
    pub(crate) async fn ask(
        &self,
        asked: impl Fn() -> Asked,
        known: &mut Known,
        deadline: Instant,
    ) -> Ending {
        let begun = Instant::now();
        let took = known.course.took;
        let ending = match timeout_at(deadline, self.room.acquire()).await {
            Ok(_place) => self.ask_now(asked, known, deadline).await,
            Err(_) => Ending::NotKnown(Why::Deadline),
        };
        known.course.took = took + begun.elapsed();
        match ending {
            Ending::Replied(reply) => {
                Ending::Replied(Reply { course: known.course.clone(), ..reply })
            }
            Ending::Ended(reply) => Ending::Ended(Reply { course: known.course.clone(), ..reply }),
            other => other,
        }
    }

    async fn ask_now(
        &self,
        asked: impl Fn() -> Asked,
        known: &mut Known,
        deadline: Instant,
    ) -> Ending {
        let mut failed: u32 = 0;
        loop {
            let began = Instant::now();
            if deadline.saturating_duration_since(began) < TOO_SHORT {
                return Ending::NotKnown(Why::Deadline);
            }
            let place = self.addresses.now();
            let asked = asked();
            let before = known.so_far;
            // Whoever drops this in the middle of a try does not know what became of it.
            known.so_far = SoFar::MayBeDone;
            known.course.tries = known.course.tries.saturating_add(1);
            let tried = self.try_once(place, &asked, deadline).await;
            let (after, so_far) = next(tried.met, before);
            known.so_far = if asked.kind == Kind::Call { so_far } else { SoFar::NotDone };
            let to = match after {
                Next::Replied => return Ending::Replied(reply(tried.came)),
                Next::Ended => return Ending::Ended(reply(tried.came)),
                Next::Refused => return Ending::Refused(tried.problem()),
                Next::NotKnown(left) => {
                    self.note(known, place, tried);
                    return Ending::NotKnown(Why::Answered(left));
                }
                Next::Again(to) => to,
            };
            failed = failed.saturating_add(1);
            let waited = began.elapsed() >= self.settings.silence / 2;
            let pause = self.pause(&tried, (to, failed), waited);
            self.note(known, place, tried);
            if to == Place::Next {
                self.leave(place);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            sleep(pause.min(left / 2)).await;
        }
    }

    /// How long to wait before the next try.
    fn pause(&self, tried: &Tried, (to, failed): (Place, u32), waited: bool) -> Duration {
        let Settings { shortest_pause: shortest, longest_pause: longest, .. } = self.settings;
        let pauses = Pauses { shortest, longest };
        let count = u32::try_from(self.addresses.count()).unwrap_or(u32::MAX);
        match to {
            Place::Anew if failed == 1 => Duration::ZERO,
            // The service itself has waited.
            Place::Same if waited => Duration::ZERO,
            // All addresses are asked once before it is waited.
            Place::Next if !failed.is_multiple_of(count) => Duration::ZERO,
            Place::Next => pauses.after(failed / count, chance()),
            Place::Same | Place::Anew => {
                let asks = tried.came.as_ref().and_then(|came| retry_after(&came.heads));
                let asks = asks.unwrap_or_default().min(longest);
                pauses.after(failed, chance()).max(asks)
            }
        }
    }

    async fn try_once(&self, place: usize, asked: &Asked, deadline: Instant) -> Tried {
        let began = Instant::now();
        let connected = match self.take(place, deadline).await {
            Some(connection) => Ok(connection),
            None => {
                let until = deadline.min(began + self.settings.dial);
                Connection::dial(self.addresses.get(place), &self.settings, until).await
            }
        };
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(trouble) => return Tried::troubled(trouble),
        };
        let began = Instant::now();
        let patience = self.settings.silence.min(deadline.saturating_duration_since(began));
        let until = deadline.min(began + self.settings.silence + self.settings.grace);
        let bearer = connection.bearer().cloned();
        let mut request = asked.write(self.host(place), bearer, patience);
        if let Some(language) = &self.language {
            request.headers_mut().insert(ACCEPT_LANGUAGE, language.clone());
        }
        let answer = connection.ask(request, self.settings.largest_answer);
        match timeout_at(until, answer).await {
            Ok(Ok(came)) => {
                self.held().push((place, connection));
                Tried::answered(came, asked.kind)
            }
            Ok(Err(trouble)) => Tried::troubled(trouble),
            Err(_) => Tried { met: Met::Silence, came: None, problem: None, error: None },
        }
    }

    /// A connection to this place that waits for its next call.
    async fn take(&self, place: usize, until: Instant) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut idle = self.held();
                let at = idle.iter().rposition(|(to, _)| *to == place)?;
                idle.swap_remove(at).1
            };
            if connection.is_there(until).await {
                return Some(connection);
            }
        }
    }

    /// Nothing is to be expected at this place: its connections go, and the next is asked.
    fn leave(&self, place: usize) {
        self.held().retain(|(to, _)| *to != place);
        self.addresses.leave(place);
    }

    fn host(&self, place: usize) -> HeaderValue {
        let text = self.addresses.get(place).to_string();
        HeaderValue::try_from(text).expect("an address is plain ASCII")
    }

    fn note(&self, known: &mut Known, place: usize, tried: Tried) {
        known.course.waited_for = Some(WaitedFor {
            at: self.addresses.get(place).clone(),
            met: tried.met,
            problem: tried.problem,
            error: tried.error,
        });
    }

    fn held(&self) -> MutexGuard<'_, Vec<(usize, Connection)>> {
        // What is held is whole between any two statements.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn write(
        &self,
        host: HeaderValue,
        bearer: Option<HeaderValue>,
        patience: Duration,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().expect("all but plain characters are escaped");
        let heads = request.headers_mut();
        heads.insert(HOST, host);
        heads.extend(self.heads.iter().cloned());
        if let Some(kind) = &self.content_type {
            heads.insert(CONTENT_TYPE, kind.clone());
        }
        if let Some(bearer) = bearer {
            heads.insert(AUTHORIZATION, bearer);
        }
        if self.kind == Kind::Call {
            let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1);
            heads.insert("tsugi-patience", HeaderValue::from(millis));
        }
        request
    }
}

impl Tried {
    fn troubled((met, error): Trouble) -> Self {
        Self { met, came: None, problem: None, error: Some(error) }
    }

    fn answered(came: Came, kind: Kind) -> Self {
        let (marks, problem) = marks(&came.heads, &came.body);
        if kind != Kind::Change && ends(came.status, marks) && epoch(&came.heads).is_none() {
            // A page of something else at this address: nothing here has answered the call.
            return Self { met: Met::NotUnderstood, came: Some(came), problem, error: None };
        }
        let any = kind == Kind::Change && (200..300).contains(&came.status) && came.status != 202;
        let (status, marks) = if any { (200, Marks::Plain) } else { (came.status, marks) };
        Self { met: Met::Answer { status, marks }, came: Some(came), problem, error: None }
    }

    fn problem(self) -> Problem {
        let status = self.came.as_ref().map_or(0, |came| came.status);
        let problem = self.problem.unwrap_or_default();
        Problem { status, ..problem }
    }
}

/// Whether an answer like this ends a call. Only a store gives one, and says under which epoch.
const fn ends(status: u16, marks: Marks) -> bool {
    status == 200 || matches!(marks, Marks::Final)
}

fn reply(came: Option<Came>) -> Reply {
    let came = came.expect("what has replied has come");
    Reply {
        content_type: text(&came.heads, "content-type"),
        ending: text(&came.heads, "tsugi-final"),
        node: text(&came.heads, "tsugi-node"),
        epoch: epoch(&came.heads),
        body: came.body,
        course: Course::default(),
    }
}

impl Ending {
    /// Whether there is or will be no answer to wait for any more.
    pub(crate) const fn is_over(&self) -> bool {
        !matches!(self, Self::NotKnown(Why::Deadline | Why::Answered(Left::AskLater)))
    }
}
