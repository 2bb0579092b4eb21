//! The command line's end of the control socket: blocking, one request at a time.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::decode_header;
use crate::frame::{BODY_LIMIT, BodyTooLong, Channel, Frame, FrameFailure, HEADER, What};
use crate::refusal::Refusal;
use crate::version::Protocol;

/// Why there is no answer from the agent of this machine.
#[derive(Debug, thiserror::Error)]
pub enum LocalFailure {
    /// No agent listens there.
    #[error("no agent answers at {path}: {source}")]
    NotRunning {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This user may not ask it.
    #[error("this user may not use {path}")]
    NotAllowed {
        /// What.
        path: PathBuf,
    },
    /// The connection failed, or what came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameFailure),
    /// The agent did not answer in time. It may carry out what was asked.
    #[error("the agent did not answer in time")]
    NotInTime,
    /// The agent did not carry it out.
    #[error("the agent refused: {0}")]
    Refused(Refusal),
    /// The request is above the limit.
    #[error(transparent)]
    TooLong(#[from] BodyTooLong),
    /// What came is not what this program expects.
    #[error("the agent's answer is not understood: {0}")]
    NotUnderstood(serde_json::Error),
}

/// A connection to the agent of this machine.
#[derive(Debug)]
pub struct LocalClient {
    stream: UnixStream,
    next_id: u64,
}

impl LocalClient {
    /// Connects. `limit` is how long each following wait for the agent may take.
    ///
    /// # Errors
    /// No agent listens there, or this user may not ask it.
    pub fn connect(path: &Path, limit: Option<Duration>) -> Result<Self, LocalFailure> {
        let not_running = |source| LocalFailure::NotRunning { path: path.to_path_buf(), source };
        let stream = UnixStream::connect(path).map_err(|error| {
            if error.kind() == io::ErrorKind::PermissionDenied {
                LocalFailure::NotAllowed { path: path.to_path_buf() }
            } else {
                not_running(error)
            }
        })?;
        stream
            .set_read_timeout(limit)
            .and_then(|()| stream.set_write_timeout(limit))
            .map_err(not_running)?;
        Ok(Self { stream, next_id: 1 })
    }

    /// Asks and waits for the answer; parts before it are given to `part`.
    ///
    /// # Errors
    /// A [`LocalFailure`]; the connection is of no use then.
    pub fn ask_bytes(
        &mut self,
        body: Vec<u8>,
        mut part: impl FnMut(Vec<u8>) -> ControlFlow<()>,
    ) -> Result<Option<Vec<u8>>, LocalFailure> {
        let id = self.next_id;
        self.next_id += 1;
        let (version, channel, what) = (Protocol::CURRENT, Channel(0), What::Request);
        let frame = Frame { version, channel, what, id, body };
        self.stream.write_all(&frame.encode()?).map_err(failed)?;
        loop {
            let frame = self.read()?;
            let ours = frame.id == id || frame.id == 0;
            match frame.what {
                What::Answer if ours => return Ok(Some(frame.body)),
                What::Item if ours => {
                    if part(frame.body).is_break() {
                        return Ok(None);
                    }
                }
                What::Refusal if ours => {
                    let refusal = Refusal::decode(&frame.body)
                        .map_err(|malformed| FrameFailure::Connection(io::Error::other(malformed)));
                    return Err(LocalFailure::Refused(refusal?));
                }
                What::Answer | What::Item | What::Refusal => {}
                What::Greeting | What::Request | What::Probe | What::Alive => {}
            }
        }
    }

    /// Asks in JSON and waits for one answer in JSON.
    ///
    /// # Errors
    /// A [`LocalFailure`].
    pub fn ask<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        question: &Q,
    ) -> Result<A, LocalFailure> {
        let body = serde_json::to_vec(question).map_err(LocalFailure::NotUnderstood)?;
        let answer = self.ask_bytes(body, |_| ControlFlow::Continue(()))?;
        let answer = answer.expect("no part ended the waiting");
        serde_json::from_slice(&answer).map_err(LocalFailure::NotUnderstood)
    }

    /// Asks in JSON for an answer in parts, until `part` breaks or the agent sends the last,
    /// which is given to `part` as well.
    ///
    /// # Errors
    /// A [`LocalFailure`].
    pub fn watch<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        question: &Q,
        mut part: impl FnMut(A) -> ControlFlow<()>,
    ) -> Result<(), LocalFailure> {
        let body = serde_json::to_vec(question).map_err(LocalFailure::NotUnderstood)?;
        let mut failed = None;
        let last = self.ask_bytes(body, |bytes| match serde_json::from_slice(&bytes) {
            Ok(read) => part(read),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        if let Some(error) = failed {
            return Err(LocalFailure::NotUnderstood(error));
        }
        if let Some(last) = last {
            let read = serde_json::from_slice(&last).map_err(LocalFailure::NotUnderstood)?;
            let (ControlFlow::Continue(()) | ControlFlow::Break(())) = part(read);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Frame, LocalFailure> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).map_err(failed)?;
        let (mut frame, length) = decode_header(&header, Protocol::CURRENT, BODY_LIMIT)?;
        let taken = (&self.stream).take(length as u64).read_to_end(&mut frame.body);
        if taken.map_err(failed)? < length {
            return Err(FrameFailure::Closed.into());
        }
        Ok(frame)
    }
}

fn failed(error: io::Error) -> LocalFailure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LocalFailure::NotInTime,
        io::ErrorKind::UnexpectedEof => FrameFailure::Closed.into(),
        _ => FrameFailure::Connection(error).into(),
    }
}
