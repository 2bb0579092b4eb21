//! One connection of a member: requests come in, are answered in tasks of their own, and the
//! answers leave in the order in which they are ready.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt, BufReader, ReadHalf};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::frame::{self, Channel, Frame, FrameFailure, What};
use crate::listener::{Door, Peer, TurnedAway};
use crate::refusal::Refusal;
use crate::version::Protocol;

/// How many requests of one connection are answered at once; then reading pauses.
pub const IN_FLIGHT: usize = 64;

/// How many frames wait to be written before those who write wait.
const OUTGOING: usize = 16;
/// How much is written at once.
const WRITE_AT_ONCE: usize = 256 * 1024;

/// What answers requests. A function `(Arc<Peer>, Channel, Vec<u8>) -> impl Future<Vec<u8>>` is
/// one. When the connection ends, an answer is dropped where it waits: what must not be left
/// half way belongs into one ledger entry, or into a task of its own.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        &self,
        peer: Arc<Peer>,
        channel: Channel,
        body: Vec<u8>,
    ) -> impl Future<Output = Vec<u8>> + Send;
}

impl<F, Answer> Service for F
where
    F: Fn(Arc<Peer>, Channel, Vec<u8>) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Vec<u8>> + Send,
{
    fn answer(
        &self,
        peer: Arc<Peer>,
        channel: Channel,
        body: Vec<u8>,
    ) -> impl Future<Output = Vec<u8>> + Send {
        self(peer, channel, body)
    }
}

fn encode(version: Protocol, what: What, id: u64, body: Vec<u8>) -> Vec<u8> {
    let frame = Frame { version, channel: Channel(0), what, id, body };
    frame.encode().unwrap_or_else(|too_long| {
        let refusal = Refusal::AnswerTooLong { length: too_long.length as u64 };
        Frame { version, channel: Channel(0), what: What::Refusal, id, body: refusal.encode() }
            .encode()
            .expect("a refusal is short")
    })
}

pub(crate) fn greeting(version: Protocol) -> Vec<u8> {
    encode(version, What::Greeting, 0, Vec::new())
}

/// Tells the other end why the connection is closed.
pub(crate) async fn refuse(door: &Door, mut stream: TlsStream<TcpStream>, why: &Refusal) {
    let told = encode(door.version, What::Refusal, 0, why.encode());
    let tell = async {
        stream.write_all(&told).await?;
        stream.shutdown().await
    };
    // Whether it arrives changes nothing: the connection is closed either way.
    drop(tokio::time::timeout(door.limits.frame, tell).await);
}

/// Serves one member until it goes, breaks the form, or does not take its answers.
pub(crate) async fn connection<S: Service>(
    door: &Arc<Door>,
    stream: TlsStream<TcpStream>,
    peer: Peer,
    service: Arc<S>,
) {
    let (from, to) = tokio::io::split(stream);
    let (outgoing, to_write) = mpsc::channel(OUTGOING);
    let peer = Arc::new(peer);
    let mut work = Work {
        door: Arc::clone(door),
        peer: Arc::clone(&peer),
        service,
        outgoing,
        room: Arc::new(Semaphore::new(IN_FLIGHT)),
        answering: JoinSet::new(),
    };
    let mut writing = tokio::spawn(write_all(to, to_write, door.limits.frame));
    let cut_writer = AbortOnDrop(writing.abort_handle());
    let failure = tokio::select! {
        failure = work.read(from) => Some(failure),
        _ = &mut writing => None,
    };
    match failure {
        Some(FrameFailure::Version { ours, theirs }) => {
            let refusal = Refusal::Version { ours, theirs };
            let told = encode(ours, What::Refusal, 0, refusal.encode());
            // The writer sends what it was given and then ends: its queue has no more senders.
            drop(work.outgoing.send(told).await);
            drop(work);
            drop(tokio::time::timeout(door.limits.frame, writing).await);
            let peer = (*peer).clone();
            door.turn_away(peer.addr, TurnedAway::Version { peer, theirs });
        }
        Some(
            failure @ (FrameFailure::Length { .. }
            | FrameFailure::What { .. }
            | FrameFailure::Slow { .. }),
        ) => {
            let peer = (*peer).clone();
            door.turn_away(peer.addr, TurnedAway::Frame { peer, failure });
        }
        Some(FrameFailure::Closed | FrameFailure::Connection(_)) | None => {}
    }
    drop(cut_writer);
}

/// Ends a task when it is dropped.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Work<S> {
    door: Arc<Door>,
    peer: Arc<Peer>,
    service: Arc<S>,
    outgoing: mpsc::Sender<Vec<u8>>,
    room: Arc<Semaphore>,
    answering: JoinSet<()>,
}

impl<S: Service> Work<S> {
    /// Reads until the connection is of no use.
    async fn read(&mut self, from: ReadHalf<TlsStream<TcpStream>>) -> FrameFailure {
        let mut from = BufReader::new(from);
        if self.outgoing.send(greeting(self.door.version)).await.is_err() {
            return FrameFailure::Closed;
        }
        loop {
            let frame = match frame::read(&mut from, self.door.reading()).await {
                Ok(frame) => frame,
                Err(failure) => return failure,
            };
            match frame.what {
                What::Request => self.begin(frame).await,
                What::Probe => {
                    let alive = encode(self.door.version, What::Alive, frame.id, Vec::new());
                    if self.outgoing.send(alive).await.is_err() {
                        return FrameFailure::Closed;
                    }
                }
                What::Greeting | What::Alive => {}
                // A member asks here; it is not asked.
                What::Answer | What::Refusal | What::Item => {}
            }
        }
    }

    async fn begin(&mut self, frame: Frame) {
        while self.answering.try_join_next().is_some() {}
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let (peer, service) = (Arc::clone(&self.peer), Arc::clone(&self.service));
        let (outgoing, version) = (self.outgoing.clone(), self.door.version);
        self.answering.spawn(async move {
            let told = BreakOff { outgoing: &outgoing, id: frame.id, version, done: false };
            let answer = service.answer(peer, frame.channel, frame.body).await;
            let told = told.done();
            // Nobody waits for it any more when the writer is gone.
            drop(told.send(encode(version, What::Answer, frame.id, answer)).await);
            drop(room);
        });
    }
}

/// Tells the asking end when an answering function panics instead of letting it wait.
struct BreakOff<'a> {
    outgoing: &'a mpsc::Sender<Vec<u8>>,
    id: u64,
    version: Protocol,
    done: bool,
}

impl<'a> BreakOff<'a> {
    fn done(mut self) -> &'a mpsc::Sender<Vec<u8>> {
        self.done = true;
        self.outgoing
    }
}

impl Drop for BreakOff<'_> {
    fn drop(&mut self) {
        if !self.done {
            let body = Refusal::BrokeOff.encode();
            // A full queue means that the other end does not read; it will see the end itself.
            drop(self.outgoing.try_send(encode(self.version, What::Refusal, self.id, body)));
        }
    }
}

/// Writes what is given until there are no more senders; several frames at once when they wait.
pub(crate) async fn write_all<W: AsyncWrite + Unpin>(
    mut to: W,
    mut frames: mpsc::Receiver<Vec<u8>>,
    limit: Duration,
) {
    while let Some(mut bytes) = frames.recv().await {
        while bytes.len() < WRITE_AT_ONCE {
            match frames.try_recv() {
                Ok(more) => bytes.extend_from_slice(&more),
                Err(_) => break,
            }
        }
        let writing = async {
            to.write_all(&bytes).await?;
            to.flush().await
        };
        if !matches!(tokio::time::timeout(limit, writing).await, Ok(Ok(()))) {
            return;
        }
    }
    drop(tokio::time::timeout(limit, to.shutdown()).await);
}
