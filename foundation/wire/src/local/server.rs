//! The agent's end of the control socket.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, chown};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::LocalPeer;
use crate::frame::{self, BODY_LIMIT, Channel, Frame, FrameFailure, Reading, What};
use crate::refusal::Refusal;
use crate::serve::{AbortOnDrop, write_all};
use crate::slots::{Slots, WhenFull};
use crate::version::Protocol;

const SOCKET_MODE: u32 = 0o660;
const NURSERY_MODE: u32 = 0o700;
const CONNECTIONS: usize = 64;
const CONNECTIONS_OF_ONE: usize = 48;
const FRAME_TIME: Duration = Duration::from_secs(10);
const OUTGOING: usize = 16;
const EXHAUSTED_REST: Duration = Duration::from_millis(50);

/// A control socket in its place, not yet answered.
#[derive(Debug)]
pub struct LocalListener {
    socket: UnixListener,
    path: PathBuf,
}

impl LocalListener {
    /// Puts a socket at `path`, in the place of one that a dead agent left. Nobody can connect
    /// to it before its mode and its group are right, whatever the umask is: it is made in a
    /// directory of its own and then moved.
    ///
    /// # Errors
    /// What the system refused.
    pub fn bind(path: &Path, group: Option<u32>) -> io::Result<Self> {
        let nursery = path.with_extension("new");
        let clear = |path: &Path| match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        clear(&nursery)?;
        fs::create_dir(&nursery)?;
        fs::set_permissions(&nursery, fs::Permissions::from_mode(NURSERY_MODE))?;
        let made = nursery.join("s");
        let socket = UnixListener::bind(&made)?;
        if let Some(group) = group {
            chown(&made, None, Some(Gid::from_raw(group)))?;
        }
        fs::set_permissions(&made, fs::Permissions::from_mode(SOCKET_MODE))?;
        fs::rename(&made, path)?;
        clear(&nursery)?;
        Ok(Self { socket, path: path.to_path_buf() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Nobody takes the parts any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the asking program has gone")]
pub struct Gone;

/// Takes the parts of an answer that comes in parts, before its last.
#[derive(Clone, Debug)]
pub struct Items {
    id: u64,
    outgoing: mpsc::Sender<Vec<u8>>,
}

impl Items {
    /// Sends one part, and waits while the asking program does not take them.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn send(&self, part: Vec<u8>) -> Result<(), Gone> {
        self.outgoing.send(encode(What::Item, self.id, part)).await.map_err(|_| Gone)
    }

    /// Ends when the asking program has gone: for a watch that has nothing to send for long.
    pub async fn gone(&self) {
        self.outgoing.closed().await;
    }
}

/// What answers on the control socket. A function
/// `(Arc<LocalPeer>, Vec<u8>, Items) -> impl Future<Vec<u8>>` is one. It is carried to its end
/// also when the asking program goes: a change is not left half way because a terminal closed.
pub trait LocalService: Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        &self,
        peer: Arc<LocalPeer>,
        body: Vec<u8>,
        items: Items,
    ) -> impl Future<Output = Vec<u8>> + Send;
}

impl<F, Answer> LocalService for F
where
    F: Fn(Arc<LocalPeer>, Vec<u8>, Items) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Vec<u8>> + Send,
{
    fn answer(
        &self,
        peer: Arc<LocalPeer>,
        body: Vec<u8>,
        items: Items,
    ) -> impl Future<Output = Vec<u8>> + Send {
        self(peer, body, items)
    }
}

/// An answered control socket. It closes when this is dropped; the file stays, and a program
/// that connects is refused by the system.
#[derive(Debug)]
pub struct LocalServer {
    task: JoinHandle<()>,
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers on the control socket from now on. Must be called inside a tokio runtime.
pub fn serve_local<S: LocalService>(listener: LocalListener, service: S) -> LocalServer {
    LocalServer { task: tokio::spawn(accept(listener.socket, Arc::new(service))) }
}

async fn accept<S: LocalService>(socket: UnixListener, service: Arc<S>) {
    let mut connections = JoinSet::new();
    let slots = Slots::new(CONNECTIONS, CONNECTIONS_OF_ONE, WhenFull::CutOldest);
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(EXHAUSTED_REST).await;
            continue;
        };
        let Ok(cred) = stream.peer_cred() else { continue };
        let (start, started) = tokio::sync::oneshot::channel();
        let service = Arc::clone(&service);
        let abort = connections.spawn(async move {
            let Ok(slot) = started.await else { return };
            let looked = tokio::task::spawn_blocking(move || LocalPeer::look_up(cred)).await;
            if let Ok(peer) = looked {
                connection(stream, Arc::new(peer), service).await;
            }
            drop::<Option<crate::slots::Slot<u32>>>(slot);
        });
        // A task that was cut already does not wait for it.
        drop(start.send(slots.take(cred.uid(), abort)));
    }
}

fn encode(what: What, id: u64, body: Vec<u8>) -> Vec<u8> {
    let frame = Frame { version: Protocol::CURRENT, channel: Channel(0), what, id, body };
    frame.encode().unwrap_or_else(|too_long| {
        let refusal = Refusal::AnswerTooLong { length: too_long.length as u64 };
        let (what, body) = (What::Refusal, refusal.encode());
        Frame { version: Protocol::CURRENT, channel: Channel(0), what, id, body }
            .encode()
            .expect("a refusal is short")
    })
}

async fn connection<S: LocalService>(stream: UnixStream, peer: Arc<LocalPeer>, service: Arc<S>) {
    let (from, to) = stream.into_split();
    let (outgoing, to_write) = mpsc::channel(OUTGOING);
    let writing = tokio::spawn(write_all::<OwnedWriteHalf>(to, to_write, FRAME_TIME));
    let cut_writer = AbortOnDrop(writing.abort_handle());
    let failure = read(from, &peer, &service, &outgoing).await;
    if let FrameFailure::Version { ours, theirs } = failure {
        let told = Refusal::Version { ours, theirs }.encode();
        drop(outgoing.send(encode(What::Refusal, 0, told)).await);
        drop(outgoing);
        drop(tokio::time::timeout(FRAME_TIME, writing).await);
    }
    drop(cut_writer);
}

async fn read<S: LocalService>(
    mut from: OwnedReadHalf,
    peer: &Arc<LocalPeer>,
    service: &Arc<S>,
    outgoing: &mpsc::Sender<Vec<u8>>,
) -> FrameFailure {
    let reading = Reading { ours: Protocol::CURRENT, limit: BODY_LIMIT, time: FRAME_TIME };
    loop {
        let frame = match frame::read(&mut from, reading).await {
            Ok(frame) => frame,
            Err(failure) => return failure,
        };
        match frame.what {
            What::Request => {}
            What::Greeting | What::Alive | What::Probe => continue,
            What::Answer | What::Refusal | What::Item => continue,
        }
        let (peer, service) = (Arc::clone(peer), Arc::clone(service));
        let (id, body) = (frame.id, frame.body);
        let items = Items { id, outgoing: outgoing.clone() };
        // A task of its own: it outlives the connection.
        let answering = tokio::spawn(async move { service.answer(peer, body, items).await });
        let mut end = [0; 1];
        let answer = tokio::select! {
            answered = answering => match answered {
                Ok(answer) => encode(What::Answer, id, answer),
                Err(_) => encode(What::Refusal, id, Refusal::BrokeOff.encode()),
            },
            // One request at a time: whatever comes before the answer ends the connection.
            _ = tokio::io::AsyncReadExt::read(&mut from, &mut end) => return FrameFailure::Closed,
        };
        if outgoing.send(answer).await.is_err() {
            return FrameFailure::Closed;
        }
    }
}
