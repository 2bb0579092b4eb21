//! gRPC: one call at a time, or many on a stream, by HTTP/2 on the same port.

mod talk;
mod words;

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use prost::Message as _;
use tsugi_messages::Language;
use tsugi_service_engine::{Answer, Identity};
use tsugi_service_rules::refusal::{Malformed, Refusal};

use self::words::{CallId, CallReply, CallRequest, Came, Confirmed};
use crate::asked;
use crate::http::{self, COPIED_MOST, Guest, Outcome, Read, final_end};
use crate::lines::Late;
use crate::payload::Payload;
use crate::told::{self, Told};

pub(crate) use talk::Talk;
pub(crate) use words::Id;

const KIND: HeaderValue = HeaderValue::from_static("application/grpc");
const ENCODING: &str = "grpc-encoding";
const TIMEOUT: &str = "grpc-timeout";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const TEXT: HeaderName = HeaderName::from_static("grpc-message");
const MESSAGE: HeaderName = HeaderName::from_static("tsugi-message");
const RETRY: HeaderName = HeaderName::from_static("tsugi-retry");

/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// What a request may have beside its body, in bytes: names and numbers.
const BESIDE: u64 = 4 << 10;

/// Whether a request is gRPC's.
pub(crate) fn is_grpc(head: &Parts) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    head.version == hyper::Version::HTTP_2
        && kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// Who asks on a stream or for one call, and how.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) guest: Arc<Guest>,
    who: Identity,
    language: Language,
    deadline: Option<Duration>,
}

impl Asker {
    fn new(guest: &Arc<Guest>, head: &Parts, language: Language) -> Result<Self, Told> {
        if head.method != Method::POST {
            return Err(Told::OtherMethod("POST"));
        }
        let plain = |value: &HeaderValue| value.as_bytes() == b"identity";
        if !head.headers.get(ENCODING).is_none_or(plain) {
            return Err(Told::Header(ENCODING, "identity"));
        }
        let who = guest.who(&head.headers)?;
        let deadline = head.headers.get(TIMEOUT).and_then(|value| value.to_str().ok());
        let deadline = deadline.and_then(span);
        Ok(Self { guest: guest.clone(), who, language, deadline })
    }

    /// The head of a call, as HTTP has it.
    fn read(&self, asked: &CallRequest) -> Result<Read, Told> {
        let limits = &self.guest.shared.limits;
        let (id, lowest) = match asked.id.as_ref().and_then(|id| id.id.as_ref()) {
            None => return Err(Told::WithoutId),
            Some(id) => (asked::id_of_word(id, &self.who)?, asked::lowest_of(id, asked.lowest)?),
        };
        let patience = asked.patience.map(Duration::from_millis).or(self.deadline);
        let patience = patience.unwrap_or(limits.patience).min(limits.patience_most);
        let order = asked.order.as_deref().map(asked::order_of).transpose()?;
        Ok(Read { id, lowest, patience, order, open: self.guest.open()? })
    }

    /// Carries out a call. The inner error is told its caller.
    async fn call(&self, asked: CallRequest) -> Result<Result<Outcome, Told>, Late> {
        let read = match self.read(&asked) {
            Ok(read) => read,
            Err(told) => return Ok(Err(told)),
        };
        let (size, most) = (asked.body.len() as u64, read.open.body_most);
        if size > most {
            return Ok(Err(Told::Refused(Refusal::TooLarge { size, most })));
        }
        self.guest.ask(read, asked.service, asked.body.into()).await.map(told_apart)
    }

    /// What came of a call, as a message.
    fn reply(&self, id: Option<CallId>, outcome: Result<Outcome, Told>) -> CallReply {
        let came = match outcome {
            Ok(Outcome::Reply(open, reply)) => Came::Reply(words::Reply {
                status: u32::from(http::status(&reply).as_u16()),
                content_type: reply.content_type.clone(),
                body: reply.body.clone(),
                node: self.guest.shared.node.clone(),
                epoch: open.epoch.counter,
                r#final: final_end(reply.ending).unwrap_or_default().to_owned(),
            }),
            Ok(Outcome::Changed | Outcome::Page(_)) => Came::Reply(words::Reply::default()),
            Ok(Outcome::Told(told)) | Err(told) => {
                let line = told.line(&self.guest.shared.node, self.language);
                Came::Problem(words::Problem {
                    word: line.word.to_owned(),
                    status: u32::from(line.status.as_u16()),
                    detail: line.detail(self.language),
                    message: line.message.id().to_owned(),
                    retry: line.again.word().to_owned(),
                    retry_after: line.again.after().unwrap_or_default().into(),
                })
            }
        };
        CallReply { id, outcome: Some(came) }
    }

    /// One message in, one out.
    async fn unary(&self, rpc: Rpc, body: Incoming) -> Result<Result<Bytes, Told>, Late> {
        let body = match self.guest.open() {
            Ok(open) => self.guest.body(body, open.body_most + BESIDE + PREFIX as u64).await,
            Err(told) => {
                self.guest.unread(body).await;
                Err(told)
            }
        };
        let body = match body {
            Ok(body) => body,
            Err(told) => return Ok(Err(told)),
        };
        let Some(message) = only(&body) else {
            return Ok(Err(Told::Refused(Refusal::Malformed(Malformed::Body))));
        };
        match rpc {
            Rpc::Call => self.one_call(message).await,
            Rpc::Fetch | Rpc::Confirm => self.one_question(rpc, message).await,
        }
    }

    async fn one_call(&self, message: &[u8]) -> Result<Result<Bytes, Told>, Late> {
        let Ok(asked) = CallRequest::decode(message) else {
            return Ok(Err(Told::Refused(Refusal::Malformed(Malformed::Body))));
        };
        let id = asked.id.clone();
        let outcome = self.call(asked).await?;
        Ok(outcome.map(|good| framed(&self.reply(id, Ok(good)))))
    }

    async fn one_question(&self, rpc: Rpc, message: &[u8]) -> Result<Result<Bytes, Told>, Late> {
        let asked = || {
            let malformed = Told::Refused(Refusal::Malformed(Malformed::Id));
            let id = CallId::decode(message).map_err(|_| malformed.clone())?;
            let named = asked::id_of_word(id.id.as_ref().ok_or(malformed)?, &self.who)?;
            Ok::<_, Told>((id, named, self.guest.open()?))
        };
        let (id, named, open) = match asked() {
            Ok(asked) => asked,
            Err(told) => return Ok(Err(told)),
        };
        let answer = match rpc {
            Rpc::Confirm => self.guest.in_time(open.calls.confirm(named)).await,
            Rpc::Call | Rpc::Fetch => self.guest.in_time(open.calls.fetch(named)).await,
        };
        let changed = matches!(answer, Answer::Changed);
        let outcome = told_apart(self.guest.answered(&open, answer)?);
        Ok(outcome.map(|good| match changed {
            true => framed(&Confirmed {}),
            false => framed(&self.reply(Some(id), Ok(good))),
        }))
    }
}

/// A call that is told something else than a reply.
fn told_apart(outcome: Outcome) -> Result<Outcome, Told> {
    match outcome {
        Outcome::Told(told) => Err(told),
        good => Ok(good),
    }
}

/// What takes one message and gives one.
#[derive(Clone, Copy)]
enum Rpc {
    Call,
    Fetch,
    Confirm,
}

/// Answers a request of gRPC.
pub(crate) async fn serve(
    guest: &Arc<Guest>,
    head: &Parts,
    body: Incoming,
    language: Language,
) -> Result<Response<Payload>, Late> {
    let asker = match Asker::new(guest, head, language) {
        Ok(asker) => asker,
        Err(told) => return Ok(refused(guest, &told, language)),
    };
    let rpc = match head.uri.path() {
        "/tsugi.Calls/Stream" => return Ok(answer(Payload::Stream(Talk::new(asker, body).into()))),
        "/tsugi.Calls/Call" => Rpc::Call,
        "/tsugi.Calls/Fetch" => Rpc::Fetch,
        "/tsugi.Calls/Confirm" => Rpc::Confirm,
        _ => return Ok(refused(guest, &Told::NoPage, language)),
    };
    let payload = |message: Bytes| match message.len() {
        ..=COPIED_MOST => Ok(Payload::Trailed(Some(message), Some(good()))),
        long => Ok(Payload::Pieces(message, guest.unsent(long)?, Some(good()))),
    };
    Ok(match asker.unary(rpc, body).await?.and_then(payload) {
        Ok(payload) => answer(payload),
        Err(told) => refused(guest, &told, language),
    })
}

fn answer(payload: Payload) -> Response<Payload> {
    let mut response = Response::new(payload);
    response.headers_mut().insert(header::CONTENT_TYPE, KIND);
    response
}

fn good() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    trailers
}

/// What is told instead of a message, as a status of gRPC.
fn status(line: &told::Line, language: Language) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(line.grpc));
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            trailers.insert(name, value);
        }
    };
    put(TEXT, &escaped(&line.detail(language)));
    put(MESSAGE, line.message.id());
    put(RETRY, line.again.word());
    if let Some(seconds) = line.again.after() {
        trailers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    trailers
}

fn refused(guest: &Guest, told: &Told, language: Language) -> Response<Payload> {
    let mut response = answer(Payload::Whole(None));
    let line = told.line(&guest.shared.node, language);
    response.headers_mut().extend(status(&line, language));
    response
}

/// A text as `grpc-message` has it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'%';
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The deadline of a caller: digits and a unit.
fn span(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let many = asked::number(digits).filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(many * 3_600)),
        "M" => Some(Duration::from_secs(many * 60)),
        "S" => Some(Duration::from_secs(many)),
        "m" => Some(Duration::from_millis(many)),
        "u" => Some(Duration::from_micros(many)),
        "n" => Some(Duration::from_nanos(many)),
        _ => None,
    }
}

/// The one message of a body.
fn only(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let length = length(prefix)?;
    (length == message.len() as u64).then_some(message)
}

/// The length of a message by its prefix; none of one that is compressed.
fn length(prefix: &[u8]) -> Option<u64> {
    match *prefix {
        [0, a, b, c, d] => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
        _ => None,
    }
}

fn put(message: &impl prost::Message, to: &mut BytesMut) {
    let length = message.encoded_len();
    to.reserve(PREFIX + length);
    to.put_u8(0);
    to.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(to).expect("there is room");
}

fn framed(message: &impl prost::Message) -> Bytes {
    let mut bytes = BytesMut::new();
    put(message, &mut bytes);
    bytes.freeze()
}
