//! One connection to a node that carries many requests at once, each found again by its id.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncRead;
use tokio::sync::{mpsc, oneshot, watch};

use crate::codec::Malformed;
use crate::dial::{Opened, Target};
use crate::frame::{self, Channel, Frame, FrameFailure, What};
use crate::refusal::Refusal;
use crate::serve::{AbortOnDrop, greeting, write_all};
use crate::version::Protocol;

/// How many frames wait to be written before those who write wait.
const OUTGOING: usize = 16;

/// What came of a request that was sent.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Vec<u8>),
    Refused(Refusal),
    Lost(Arc<FrameFailure>),
}

#[derive(Debug)]
struct Waiting {
    by_id: BTreeMap<u64, oneshot::Sender<Outcome>>,
    ended: Option<Arc<FrameFailure>>,
}

/// Something was sent, and nothing heard since.
#[derive(Clone, Copy, Debug)]
struct Owed {
    since: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// An answer is owed.
    Sent,
    /// A sign of life was asked for.
    Probed,
}

/// A connection, from its opening to its end.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    /// What the other end speaks.
    pub(crate) theirs: Protocol,
    version: Protocol,
    outgoing: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<Waiting>,
    /// Counts the frames heard: the same number later means silence.
    heard: AtomicU64,
    /// What was sent since the last frame was heard.
    owed: Mutex<Option<Owed>>,
    suspect: AtomicBool,
    next_id: AtomicU64,
    /// Told when a link becomes suspect, speaks again, or ends.
    changed: watch::Sender<u64>,
    /// Ends both tasks, and with them the connection, when nobody holds the link any more.
    tasks: OnceLock<AbortOnDrop>,
}

/// A request on its way; the link forgets it when this is dropped.
pub(crate) struct Sent {
    link: Arc<Link>,
    id: u64,
    pub(crate) heard_before: u64,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.link.lock().by_id.remove(&self.id);
    }
}

impl Link {
    /// Starts the tasks of an open connection; they end with the connection, or when nobody
    /// holds the link any more.
    pub(crate) fn start(opened: Opened, target: &Target, changed: watch::Sender<u64>) -> Arc<Self> {
        let (from, to) = tokio::io::split(opened.stream);
        let (outgoing, to_write) = mpsc::channel(OUTGOING);
        let link = Arc::new(Self {
            address: opened.address,
            theirs: opened.theirs,
            version: target.version,
            outgoing,
            waiting: Mutex::new(Waiting { by_id: BTreeMap::new(), ended: None }),
            heard: AtomicU64::new(0),
            owed: Mutex::new(None),
            suspect: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            changed,
            tasks: OnceLock::new(),
        });
        let writing = tokio::spawn(write_all(to, to_write, target.times.frame));
        drop(link.outgoing.try_send(greeting(target.version)));
        let weak = Arc::downgrade(&link);
        let closed = link.outgoing.clone();
        let target = target.clone();
        let reading = tokio::spawn(async move {
            let cut_writer = AbortOnDrop(writing.abort_handle());
            let failure = tokio::select! {
                failure = read_all(from, &target, &weak) => failure,
                () = closed.closed() => FrameFailure::Closed,
            };
            drop(cut_writer);
            if let Some(link) = weak.upgrade() {
                link.end(failure);
            }
        });
        // Set once, here.
        drop(link.tasks.set(AbortOnDrop(reading.abort_handle())));
        link
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under this lock can panic half way, so a poisoned map is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, failure: FrameFailure) {
        let failure = Arc::new(failure);
        let mut waiting = self.lock();
        let lost = std::mem::take(&mut waiting.by_id);
        waiting.ended = Some(Arc::clone(&failure));
        drop(waiting);
        for (_, asker) in lost {
            // Who has given up asking needs no answer.
            drop(asker.send(Outcome::Lost(Arc::clone(&failure))));
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Whether a new request may be sent here.
    pub(crate) fn is_good(&self) -> bool {
        !self.suspect.load(Ordering::Acquire) && self.is_open()
    }

    /// Whether the connection has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().ended.is_none()
    }

    /// How many frames were heard.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Nothing was heard for too long: requests go elsewhere until something is.
    pub(crate) fn suspect(&self) {
        if !self.suspect.swap(true, Ordering::AcqRel) {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// To be called before each request: whether anything was heard since those before it. One
    /// that is given up early does not wait long enough to find out itself.
    pub(crate) fn look_back(&self, silence: Duration) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *owed {
            None => *owed = Some(Owed { since: now, stage: Stage::Sent }),
            Some(Owed { since, .. }) if now - since < silence => {}
            Some(Owed { stage: Stage::Sent, .. }) => {
                *owed = Some(Owed { since: now, stage: Stage::Probed });
                self.probe();
            }
            Some(Owed { stage: Stage::Probed, .. }) => self.suspect(),
        }
    }

    fn hear(&self, frame: Frame) -> Result<(), FrameFailure> {
        self.heard.fetch_add(1, Ordering::AcqRel);
        *self.owed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.suspect.swap(false, Ordering::AcqRel) {
            self.changed.send_modify(|count| *count += 1);
        }
        let outcome = match frame.what {
            What::Answer => Outcome::Answered(frame.body),
            What::Refusal => {
                let refusal = Refusal::decode(&frame.body).map_err(not_a_frame)?;
                if let (0, Refusal::Version { ours, theirs }) = (frame.id, &refusal) {
                    // Seen from this end the two are the other way round.
                    return Err(FrameFailure::Version { ours: *theirs, theirs: *ours });
                }
                if frame.id == 0 {
                    return Err(FrameFailure::Closed);
                }
                Outcome::Refused(refusal)
            }
            What::Greeting | What::Alive | What::Probe | What::Request | What::Item => {
                return Ok(());
            }
        };
        let asker = self.lock().by_id.remove(&frame.id);
        if let Some(asker) = asker {
            drop(asker.send(outcome));
        }
        Ok(())
    }

    /// Sends a request. It may wait while the connection takes nothing; when the waiting is
    /// given up, nothing was sent.
    ///
    /// # Errors
    /// The connection has ended; nothing was sent.
    pub(crate) async fn send(
        self: &Arc<Self>,
        channel: Channel,
        body: &[u8],
    ) -> Result<Sent, Arc<FrameFailure>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (tell, outcome) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if let Some(failure) = &waiting.ended {
                return Err(Arc::clone(failure));
            }
            waiting.by_id.insert(id, tell);
        }
        let sent = Sent { link: Arc::clone(self), id, heard_before: self.heard(), outcome };
        let (version, what) = (self.version, What::Request);
        let frame = Frame { version, channel, what, id, body: Vec::new() };
        let bytes =
            frame.encode_with(body).expect("the length was checked before a link was chosen");
        match self.outgoing.send(bytes).await {
            Ok(()) => Ok(sent),
            Err(_) => Err(Arc::new(FrameFailure::Closed)),
        }
    }

    /// Asks for a sign of life; not when so much waits to be written that it would not leave.
    pub(crate) fn probe(&self) {
        let probe = Frame {
            version: self.version,
            channel: Channel(0),
            what: What::Probe,
            id: 0,
            body: Vec::new(),
        };
        if let Ok(bytes) = probe.encode() {
            drop(self.outgoing.try_send(bytes));
        }
    }
}

fn not_a_frame(malformed: Malformed) -> FrameFailure {
    FrameFailure::Connection(std::io::Error::new(std::io::ErrorKind::InvalidData, malformed))
}

async fn read_all<R: AsyncRead + Unpin>(
    mut from: R,
    target: &Target,
    link: &std::sync::Weak<Link>,
) -> FrameFailure {
    loop {
        let frame = match frame::read(&mut from, target.reading()).await {
            Ok(frame) => frame,
            Err(failure) => return failure,
        };
        let Some(link) = link.upgrade() else { return FrameFailure::Closed };
        if let Err(failure) = link.hear(frame) {
            return failure;
        }
    }
}
