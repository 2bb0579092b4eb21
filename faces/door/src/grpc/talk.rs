//! A stream of many calls: they run beside each other, and answers go out as they are ready.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::{Body as _, Frame, Incoming};
use prost::Message as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tsugi_service_rules::refusal::{Full, Malformed, Refusal};

use super::words::{CallId, CallReply, CallRequest};
use super::{Asker, BESIDE, PREFIX, good, length, put, status};
use crate::http::{Outcome, Room};
use crate::lines::{Late, Unsent};
use crate::told::Told;

/// Calls of a stream that run at once; while there are as many, no more of it is read.
const AT_ONCE: usize = 256;
/// How much is said at once.
const SAID_MOST: usize = 64 << 10;

/// What a reply has of the memory of a door beside its body, in bytes.
const AROUND: usize = 256;

/// What came of a call, until it is said.
struct Ready {
    reply: CallReply,
    /// Its room; none of a word that takes the place of a reply for which there was no room.
    unsent: Option<Unsent>,
}

/// What is said at once. Its room is given back once its caller has taken all of it.
struct Said {
    bytes: Bytes,
    _unsent: Option<Unsent>,
}

impl AsRef<[u8]> for Said {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Replies that are put together to be said.
#[derive(Default)]
struct Saying {
    bytes: BytesMut,
    unsent: Option<Unsent>,
}

impl Saying {
    fn put(&mut self, ready: Ready) {
        put(&ready.reply, &mut self.bytes);
        match (&mut self.unsent, ready.unsent) {
            (Some(all), Some(more)) => all.join(more),
            (all @ None, more) => *all = more,
            (Some(_), None) => {}
        }
    }

    fn frame(self) -> Frame<Bytes> {
        let said = Said { bytes: self.bytes.freeze(), _unsent: self.unsent };
        Frame::data(Bytes::from_owner(said))
    }
}

/// Why a stream ends.
enum End {
    /// Its caller has said all.
    Said,
    /// What it says is not understood, or too much.
    Told(Told),
}

/// A stream. Dropped, its callers are gone, and their calls run on.
pub(crate) struct Talk {
    asker: Asker,
    incoming: Incoming,
    heard: BytesMut,
    /// Each goes on by itself: what has come of it takes its room although nobody reads, and what
    /// finds none is not kept.
    running: JoinSet<Result<Ready, Late>>,
    /// Of a message that has begun: how much of the door's room it has, and until when it may come.
    coming: Option<(u64, Pin<Box<Sleep>>)>,
    end: Option<End>,
    over: bool,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.came();
    }
}

impl Talk {
    pub(super) fn new(asker: Asker, incoming: Incoming) -> Self {
        Self {
            asker,
            incoming,
            heard: BytesMut::new(),
            running: JoinSet::new(),
            coming: None,
            end: None,
            over: false,
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Late>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let mut said = Saying::default();
        loop {
            let idle = match self.answers(cx, &mut said) {
                Ok(idle) => idle,
                Err(late) => return Poll::Ready(Some(Err(late))),
            };
            if !said.bytes.is_empty() {
                return Poll::Ready(Some(Ok(said.frame())));
            }
            if let Some(trailers) = self.trailers(idle) {
                self.over = true;
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            let full = self.running.len() >= AT_ONCE;
            if self.end.is_some() || full || self.hear(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// What is said at its end, where that has come.
    fn trailers(&self, idle: bool) -> Option<HeaderMap> {
        match self.end.as_ref()? {
            End::Told(told) => {
                let line = told.line(&self.asker.guest.shared.node, self.asker.language);
                Some(status(&line, self.asker.language))
            }
            End::Said => idle.then(good),
        }
    }

    /// Says what is ready; whether nothing runs any more.
    fn answers(&mut self, cx: &mut Context<'_>, said: &mut Saying) -> Result<bool, Late> {
        while said.bytes.len() < SAID_MOST {
            match self.running.poll_join_next(cx) {
                Poll::Ready(Some(Ok(ready))) => said.put(ready?),
                Poll::Ready(Some(Err(ended))) => std::panic::resume_unwind(ended.into_panic()),
                Poll::Ready(None) => return Ok(true),
                Poll::Pending => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Takes in what is there: a message, or more of one.
    fn hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.message() {
            Ok(Some(asked)) => {
                self.begin(asked);
                return Poll::Ready(());
            }
            Ok(None) => {}
            Err(told) => return self.ends(End::Told(told)),
        }
        if let Some((_, slow)) = &mut self.coming
            && slow.as_mut().poll(cx).is_ready()
        {
            let span = self.asker.guest.shared.limits.body;
            let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            return self.ends(End::Told(Told::SlowBody(millis)));
        }
        match std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.heard.extend_from_slice(&data);
                }
                Poll::Ready(())
            }
            None if self.heard.is_empty() => self.ends(End::Said),
            None | Some(Err(_)) => {
                self.ends(End::Told(Told::Refused(Refusal::Malformed(Malformed::Body))))
            }
        }
    }

    fn ends(&mut self, end: End) -> Poll<()> {
        self.end = Some(end);
        Poll::Ready(())
    }

    fn room(&self) -> &Room {
        &self.asker.guest.shared.room
    }

    /// A message has come, or will not.
    fn came(&mut self) {
        if let Some((bytes, _)) = self.coming.take() {
            self.room().give_back(bytes);
        }
    }

    /// The next message, where all of it is there.
    fn message(&mut self) -> Result<Option<CallRequest>, Told> {
        let malformed = || Told::Refused(Refusal::Malformed(Malformed::Body));
        let Some(prefix) = self.heard.get(..PREFIX) else { return Ok(None) };
        let size = length(prefix).ok_or_else(malformed)?;
        let open = self.asker.guest.open();
        let most = open.as_ref().map_or(0, |open| open.body_most) + BESIDE;
        if size > most {
            // Where nothing is open, it is no matter of its size.
            let too_large = |_| Told::Refused(Refusal::TooLarge { size, most });
            return Err(open.map_or_else(|told| told, too_large));
        }
        let whole = PREFIX + usize::try_from(size).unwrap_or(usize::MAX);
        if self.heard.len() < whole {
            if self.coming.is_none() {
                if !self.room().take_away(size) {
                    return Err(Told::Refused(Refusal::Full(Full::Bytes)));
                }
                let until = Instant::now() + self.asker.guest.shared.limits.body;
                self.coming = Some((size, Box::pin(tokio::time::sleep_until(until))));
            }
            return Ok(None);
        }
        self.came();
        let mut message = self.heard.split_to(whole);
        message.advance(PREFIX);
        CallRequest::decode(message).map(Some).map_err(|_| malformed())
    }

    fn begin(&mut self, asked: CallRequest) {
        let asker = self.asker.clone();
        let answering = asker.guest.line.on_request();
        self.running.spawn(async move {
            let id = asked.id.clone();
            let outcome = asker.call(asked).await?;
            drop(answering);
            Ok(ready(&asker, id, outcome))
        });
    }
}

/// What came of a call, with its room; *pending* where there is none, as for any other caller who
/// does not take what he is told.
fn ready(asker: &Asker, id: Option<CallId>, outcome: Result<Outcome, Told>) -> Ready {
    let long = match &outcome {
        Ok(Outcome::Reply(_, reply)) => reply.body.len(),
        Ok(Outcome::Changed | Outcome::Page(_) | Outcome::Told(_)) | Err(_) => 0,
    };
    match asker.guest.unsent(AROUND + long) {
        Ok(unsent) => Ready { reply: asker.reply(id, outcome), unsent: Some(unsent) },
        Err(pending) => Ready { reply: asker.reply(id, Err(pending)), unsent: None },
    }
}
