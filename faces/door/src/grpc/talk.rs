//! A stream of many calls: they run beside each other, and answers go out as they are ready.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, Stream as _};
use hyper::HeaderMap;
use hyper::body::{Body as _, Frame, Incoming};
use prost::Message as _;
use tokio::time::{Instant, Sleep};
use tsugi_service_rules::refusal::{Full, Malformed, Refusal};

use super::words::{CallReply, CallRequest};
use super::{Asker, BESIDE, PREFIX, good, length, put, status};
use crate::http::Room;
use crate::lines::Late;
use crate::told::Told;

/// Calls of a stream that run at once; while there are as many, no more of it is read.
const AT_ONCE: usize = 256;
/// How much is said at once.
const SAID_MOST: usize = 64 << 10;

type Running = Pin<Box<dyn Future<Output = Result<CallReply, Late>> + Send>>;

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
    running: FuturesUnordered<Running>,
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
            running: FuturesUnordered::new(),
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
        let mut said = BytesMut::new();
        loop {
            let idle = match self.answers(cx, &mut said) {
                Ok(idle) => idle,
                Err(late) => return Poll::Ready(Some(Err(late))),
            };
            if !said.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(said.freeze()))));
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
    fn answers(&mut self, cx: &mut Context<'_>, said: &mut BytesMut) -> Result<bool, Late> {
        while said.len() < SAID_MOST {
            match Pin::new(&mut self.running).poll_next(cx) {
                Poll::Ready(Some(reply)) => put(&reply?, said),
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
        self.running.push(Box::pin(async move {
            let id = asked.id.clone();
            let outcome = asker.call(asked).await?;
            drop(answering);
            Ok(asker.reply(id, outcome))
        }));
    }
}
