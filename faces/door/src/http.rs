//! HTTP and JSON: a request in, a reply or a problem out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use tsugi_service_engine::{Answer, Asked, Identity};
use tsugi_service_rules::id::{CallId, OrderKey, Serial};
use tsugi_service_rules::refusal::{Full, Malformed, Refusal};
use tsugi_store::{Ending, Reply};

use crate::asked;
use crate::bell::Bell;
use crate::grpc;
use crate::lines::{Answering, Late, Line, Unsent};
use crate::openapi;
use crate::payload::Payload;
use crate::settings::Shared;
use crate::sign::Open;
use crate::told::{self, Told};
use crate::who::Proved;

const NODE: HeaderName = HeaderName::from_static("tsugi-node");
const EPOCH: HeaderName = HeaderName::from_static("tsugi-epoch");
const FINAL: HeaderName = HeaderName::from_static("tsugi-final");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How long after its caller's patience an engine is waited for that says nothing: it says so
/// itself where it can, and cannot while its disk hangs.
const BEYOND_PATIENCE: Duration = Duration::from_millis(500);

/// The longest body that is read although nobody will use it.
const UNREAD_MOST: u64 = 64 << 10;

/// The longest body that is copied into its answer: for more, the stored one is shared.
pub(crate) const COPIED_MOST: usize = 4096;

/// What a connection brings to each of its requests.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) shared: Arc<Shared>,
    pub(crate) line: Arc<Line>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) proved: Proved,
}

/// The stored reply as bytes of an answer.
struct Kept(Arc<Reply>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
    }
}

/// What a page was asked for.
enum Page {
    Call(String),
    Fetch(String),
    Confirm(String),
    Ready,
    OpenApi,
}

/// What the head of a call says.
pub(crate) struct Read {
    pub(crate) id: CallId,
    pub(crate) lowest: Serial,
    pub(crate) patience: Duration,
    pub(crate) order: Option<OrderKey>,
    pub(crate) open: Arc<Open>,
}

/// What becomes of a request.
pub(crate) enum Outcome {
    Reply(Arc<Open>, Arc<Reply>),
    /// What was asked to be changed is changed.
    Changed,
    Page(Bytes),
    Told(Told),
}

impl From<Told> for Outcome {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

impl Guest {
    /// Answers a request, or has its connection cut.
    pub(crate) async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Payload>, Late> {
        let answering = self.line.on_request();
        let (head, body) = request.into_parts();
        let language = head.headers.get(header::ACCEPT_LANGUAGE);
        let language = told::language(language.and_then(|value| value.to_str().ok()));
        if head.version == Version::HTTP_2 {
            self.line.speaks_http_2();
        }
        if grpc::is_grpc(&head) {
            let response = grpc::serve(&self, &head, body, language).await;
            drop::<Answering>(answering);
            return response;
        }
        let outcome = match self.carry_out(&head, body).await {
            Ok(outcome) => outcome?,
            Err(told) => Outcome::Told(told),
        };
        drop::<Answering>(answering);
        let shared = &self.shared;
        let response = match outcome {
            Outcome::Reply(open, reply) => self.replied(&open, &reply),
            Outcome::Changed => Ok(empty(StatusCode::NO_CONTENT)),
            Outcome::Page(page) => Ok(whole(StatusCode::OK, JSON, page)),
            Outcome::Told(told) => Err(told),
        };
        let mut response = response.unwrap_or_else(|told| {
            let line = told.line(&shared.node, language);
            let problem = whole(line.status, PROBLEM, line.problem(language).into());
            headed(problem, &line)
        });
        if self.line.lingers() && head.version < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Ok(response)
    }

    /// The outer error is what its caller did wrong, the inner one cuts the connection.
    async fn carry_out(&self, head: &Parts, body: Incoming) -> Result<Result<Outcome, Late>, Told> {
        let (page, who) = match self.read(head) {
            Ok(read) => read,
            Err(told) => {
                self.unread(body).await;
                return Err(told);
            }
        };
        match page {
            Page::Call(service) => {
                let read = self.read_call(&who, &head.headers);
                self.call(service, read, body).await
            }
            Page::Fetch(id) => {
                let id = asked::id_of_text(&id, &who)?;
                let open = self.open()?;
                Ok(self.answered(&open, self.in_time(open.calls.fetch(id)).await))
            }
            Page::Confirm(id) => {
                let id = asked::id_of_text(&id, &who)?;
                let open = self.open()?;
                Ok(self.answered(&open, self.in_time(open.calls.confirm(id)).await))
            }
            Page::OpenApi => {
                let open = self.shared.sign.now();
                let services = open.as_ref().map_or(&[][..], |open| &open.services);
                Ok(Ok(Outcome::Page(openapi::document(services).into())))
            }
            Page::Ready => Ok(Ok(self.ready())),
        }
    }

    /// What is asked for, and by whom.
    fn read(&self, head: &Parts) -> Result<(Page, Identity), Told> {
        let page = page(&head.method, head.uri.path())?;
        if matches!(page, Page::Ready) {
            return Ok((page, Identity(String::new())));
        }
        Ok((page, self.who(&head.headers)?))
    }

    /// Who asks.
    pub(crate) fn who(&self, headers: &HeaderMap) -> Result<Identity, Told> {
        let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        self.proved.caller(authorization, &self.shared.tokens())
    }

    fn read_call(&self, who: &Identity, headers: &HeaderMap) -> Result<Read, Told> {
        let limits = &self.shared.limits;
        let (id, lowest) = asked::id(headers, who)?;
        let patience = asked::patience(headers, limits.patience, limits.patience_most)?;
        let order = asked::order(headers)?;
        is_json(headers)?;
        Ok(Read { id, lowest, patience, order, open: self.open()? })
    }

    pub(crate) fn open(&self) -> Result<Arc<Open>, Told> {
        self.shared.sign.now().ok_or(Told::Refused(Refusal::NotOpenHere))
    }

    fn ready(&self) -> Outcome {
        match self.shared.sign.now() {
            Some(open) if !open.last.has_passed() => {
                let page = serde_json::json!({
                    "ready": true,
                    "node": self.shared.node,
                    "epoch": open.epoch.counter,
                });
                Outcome::Page(page.to_string().into())
            }
            Some(_) | None => Told::Refused(Refusal::NotOpenHere).into(),
        }
    }

    async fn call(
        &self,
        service: String,
        read: Result<Read, Told>,
        body: Incoming,
    ) -> Result<Result<Outcome, Late>, Told> {
        let read = match read {
            Ok(read) => read,
            Err(told) => {
                self.unread(body).await;
                return Err(told);
            }
        };
        let body = self.body(body, read.open.body_most).await?;
        Ok(self.ask(read, service, body).await)
    }

    /// Asks the engine, as long as the caller waits.
    pub(crate) async fn ask(
        &self,
        read: Read,
        service: String,
        body: Arc<[u8]>,
    ) -> Result<Outcome, Late> {
        let Read { id, lowest, patience, order, open } = read;
        let order = order.filter(|_| open.keeps_order(&service));
        let asked = Asked { id, lowest, service, order, body, patience: Some(patience) };
        let answer = self.bell.waits(open.calls.call(asked));
        let answer = tokio::time::timeout(patience + BEYOND_PATIENCE, answer);
        self.answered(&open, answer.await.unwrap_or(Answer::Pending))
    }

    /// What an engine says of a call that was made, as long as a caller waits who does not say.
    pub(crate) async fn in_time(&self, answer: impl Future<Output = Answer>) -> Answer {
        let most = self.shared.limits.patience + BEYOND_PATIENCE;
        let answer = tokio::time::timeout(most, self.bell.waits(answer)).await;
        answer.unwrap_or(Answer::Pending)
    }

    /// A reply as it is kept; pending while its connection has too many that nobody has taken.
    fn replied(&self, open: &Open, reply: &Arc<Reply>) -> Result<Response<Payload>, Told> {
        let body = if reply.body.len() <= COPIED_MOST {
            Bytes::copy_from_slice(&reply.body)
        } else {
            Bytes::from_owner(Kept(reply.clone()))
        };
        let payload = match self.line.is_framed() && body.len() > COPIED_MOST {
            true => {
                let unsent = self.unsent(body.len())?;
                Payload::Pieces(body, unsent, None)
            }
            false => Payload::Whole(Some(body)),
        };
        Ok(replied(open, reply, &self.shared, payload))
    }

    /// Room on its connection for a long reply. The call may have been carried out by now: to
    /// refuse it would say that it was not.
    pub(crate) fn unsent(&self, bytes: usize) -> Result<Unsent, Told> {
        self.line.unsent(bytes, self.shared.limits.unsent).ok_or(Told::Pending)
    }

    /// A body that nobody will use: a short one is read all the same, so that the connection goes
    /// on; after a long one it ends.
    pub(crate) async fn unread(&self, mut body: Incoming) {
        let short = body.size_hint().exact().is_some_and(|size| size <= UNREAD_MOST);
        let all = async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
        if !short || tokio::time::timeout(self.shared.limits.body, all).await.is_err() {
            self.line.linger();
        }
    }

    /// All of a body, of so many bytes at most. Room for it is taken before it is read.
    pub(crate) async fn body(&self, body: Incoming, most: u64) -> Result<Arc<[u8]>, Told> {
        let refuse = |told: Told| {
            self.line.linger();
            Err(told)
        };
        let told = body.size_hint().exact();
        if let Some(size) = told.filter(|size| *size > most) {
            return refuse(Told::Refused(Refusal::TooLarge { size, most }));
        }
        let Some(_room) = self.shared.room.take(told.unwrap_or(most)) else {
            return refuse(Told::Refused(Refusal::Full(Full::Bytes)));
        };
        let span = self.shared.limits.body;
        match tokio::time::timeout(span, collected(body, most)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(told)) => refuse(told),
            Err(_) => {
                let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                refuse(Told::SlowBody(millis))
            }
        }
    }

    /// What an engine has answered, unless it is too late to tell it.
    pub(crate) fn answered(&self, open: &Arc<Open>, answer: Answer) -> Result<Outcome, Late> {
        self.line.bind(&open.last)?;
        Ok(match answer {
            Answer::Reply(reply) => Outcome::Reply(open.clone(), reply),
            Answer::Changed => Outcome::Changed,
            Answer::Pending => Outcome::Told(Told::Pending),
            Answer::Refused(refusal) => Outcome::Told(Told::Refused(refusal)),
        })
    }
}

/// Which page a request is for.
fn page(method: &Method, path: &str) -> Result<Page, Told> {
    let mut parts = path.split('/').skip(1);
    let parts = (parts.next().unwrap_or_default(), parts.next(), parts.next(), parts.next());
    let text = |part: &str| asked::unescaped(part).filter(|text| !text.is_empty());
    let found = match parts {
        ("call", Some(name), None, None) if *method == Method::POST => {
            return text(name).map(Page::Call).ok_or(Told::NoPage);
        }
        ("call", Some(id), None, None) if *method == Method::GET => {
            return text(id).map(Page::Fetch).ok_or(Told::NoPage);
        }
        ("call", Some(_), None, None) => Err("POST, GET"),
        ("call", Some(id), Some("confirm"), None) if *method == Method::POST => {
            return text(id).map(Page::Confirm).ok_or(Told::NoPage);
        }
        ("call", Some(_), Some("confirm"), None) => Err("POST"),
        ("ready", None, ..) if *method == Method::GET => Ok(Page::Ready),
        ("openapi.json", None, ..) if *method == Method::GET => Ok(Page::OpenApi),
        ("ready" | "openapi.json", None, ..) => Err("GET"),
        _ => return Err(Told::NoPage),
    };
    found.map_err(Told::OtherMethod)
}

/// The body of a call is JSON, and nothing else besides.
fn is_json(headers: &HeaderMap) -> Result<(), Told> {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().filter(|_| kinds.next().is_none());
    let kind = kind.and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Told::NotJson) }
}

async fn collected(mut body: Incoming, most: u64) -> Result<Arc<[u8]>, Told> {
    let unreadable = |_| Told::Refused(Refusal::Malformed(Malformed::Body));
    let mut whole = Vec::new();
    let mut first: Option<Bytes> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        let size = (whole.len() + first.as_ref().map_or(0, Bytes::len) + data.len()) as u64;
        if size > most {
            return Err(Told::Refused(Refusal::TooLarge { size, most }));
        }
        match first.take() {
            None if whole.is_empty() && body.is_end_stream() => return Ok(data[..].into()),
            None if whole.is_empty() => first = Some(data),
            None => whole.extend_from_slice(&data),
            Some(before) => {
                whole.reserve(before.len() + data.len());
                whole.extend_from_slice(&before);
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(first.map_or_else(|| whole.into(), |only| only[..].into()))
}

/// Bytes of bodies that may be read at once.
#[derive(Debug)]
pub(crate) struct Room(AtomicU64);

/// Some of that room, as long as it lives.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a Room, u64);

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    fn take(&self, bytes: u64) -> Option<Taken<'_>> {
        self.take_away(bytes).then_some(Taken(self, bytes))
    }

    /// Whether there was as much room; it is taken now.
    pub(crate) fn take_away(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// It is free again.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.give_back(self.1);
    }
}

fn empty(status: StatusCode) -> Response<Payload> {
    let mut response = Response::new(Payload::Whole(None));
    *response.status_mut() = status;
    response
}

fn whole(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Payload> {
    let mut response = Response::new(Payload::Whole(Some(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn headed(mut response: Response<Payload>, line: &told::Line) -> Response<Payload> {
    let headers = response.headers_mut();
    if let Some(seconds) = line.again.after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if line.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if line.status == StatusCode::METHOD_NOT_ALLOWED
        && let Some(methods) = line.message.value("expected")
        && let Ok(methods) = HeaderValue::from_str(methods)
    {
        headers.insert(header::ALLOW, methods);
    }
    response
}

/// A reply with its heads.
fn replied(open: &Open, reply: &Reply, shared: &Shared, body: Payload) -> Response<Payload> {
    let kind = match reply.content_type.as_str() {
        "application/json" => JSON,
        // A program's own word may be none that a header can have.
        other => HeaderValue::from_str(other)
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status(reply);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let headers = response.headers_mut();
    headers.insert(NODE, shared.node_header.clone());
    headers.insert(EPOCH, open.epoch_header.clone());
    if let Some(end) = final_end(reply.ending) {
        headers.insert(FINAL, HeaderValue::from_static(end));
    }
    response
}

/// The status of a reply, as the rules had it when it was kept.
pub(crate) fn status(reply: &Reply) -> StatusCode {
    let kept = u16::try_from(reply.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    kept.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The word of an end that is none of the program's own good ones.
pub(crate) const fn final_end(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Done => None,
        Ending::Refused => Some("refused"),
        Ending::Abnormal => Some("abnormal-end"),
        Ending::TimeLimit => Some("time-limit"),
    }
}
