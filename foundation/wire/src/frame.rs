//! Frames: a bounded length, a version, a channel, what it is, an id, and a body.
//!
//! ```text
//! 0  length of the rest   4  version   5  channel   6  what   7  id   15  body
//! ```
//!
//! Length and version stay at their place in every version, so that a version that is not
//! understood can be refused by its number. A length is compared with the limit before anything
//! is allocated, and memory grows only with what has arrived.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::version::{Protocol, Standing};

/// The largest body.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// The bytes of a frame before its body.
pub const HEADER: usize = 15;

/// What follows the length, without the body.
const AFTER_LENGTH: usize = HEADER - 4;
/// How much is allocated on the word of a length alone.
const FIRST_ALLOCATION: usize = 16 * 1024;

/// What a request is about; the engine gives out the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(pub u8);

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The first frame in each direction: tells the version, and that the door is open.
    Greeting,
    /// Something is asked.
    Request,
    /// The answer to the request of the same id.
    Answer,
    /// The request of the same id was not carried out; id 0 means the whole connection.
    Refusal,
    /// Asks for a sign of life.
    Probe,
    /// The sign of life.
    Alive,
    /// One of several parts of an answer, before the last.
    Item,
}

impl What {
    const fn number(self) -> u8 {
        match self {
            Self::Greeting => 0,
            Self::Request => 1,
            Self::Answer => 2,
            Self::Refusal => 3,
            Self::Probe => 4,
            Self::Alive => 5,
            Self::Item => 6,
        }
    }

    fn of(number: u8) -> Option<Self> {
        use What::{Alive, Answer, Greeting, Item, Probe, Refusal, Request};
        [Greeting, Request, Answer, Refusal, Probe, Alive, Item]
            .into_iter()
            .find(|what| what.number() == number)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What its writer speaks.
    pub version: Protocol,
    /// What it is about.
    pub channel: Channel,
    /// What it is.
    pub what: What,
    /// Which request it belongs to.
    pub id: u64,
    /// The body.
    pub body: Vec<u8>,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameFailure {
    /// The connection ended, between frames.
    #[error("the connection was closed")]
    Closed,
    /// The connection failed, or ended inside a frame.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    /// A length is not possible.
    #[error("a frame of {length} bytes is announced; at most {limit} are taken")]
    Length {
        /// What was announced.
        length: u32,
        /// What is taken.
        limit: usize,
    },
    /// The peer's version is too far from ours.
    #[error("the peer speaks {theirs}, this node {ours}: too far apart")]
    Version {
        /// What this node speaks.
        ours: Protocol,
        /// What the peer speaks.
        theirs: Protocol,
    },
    /// Nothing known has this number.
    #[error("frames of kind {number} are not known here")]
    What {
        /// Which.
        number: u8,
    },
    /// A frame that was begun did not end in time.
    #[error("a frame that was begun did not end within {limit:?}")]
    Slow {
        /// How long was waited.
        limit: Duration,
    },
}

/// The body is above [`BODY_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a body of {length} bytes is above the limit of {BODY_LIMIT}")]
pub struct BodyTooLong {
    /// How long it is.
    pub length: usize,
}

impl Frame {
    /// The bytes of the frame.
    ///
    /// # Errors
    /// [`BodyTooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, BodyTooLong> {
        self.head(self.body.len()).map(|mut bytes| {
            bytes.extend_from_slice(&self.body);
            bytes
        })
    }

    /// The bytes of the frame with `body` in the place of its own: spares a copy.
    pub(crate) fn encode_with(&self, body: &[u8]) -> Result<Vec<u8>, BodyTooLong> {
        self.head(body.len()).map(|mut bytes| {
            bytes.extend_from_slice(body);
            bytes
        })
    }

    /// The bytes before a body of `length`, with room for it.
    fn head(&self, length: usize) -> Result<Vec<u8>, BodyTooLong> {
        let too_long = BodyTooLong { length };
        if length > BODY_LIMIT {
            return Err(too_long);
        }
        let announced = u32::try_from(AFTER_LENGTH + length).map_err(|_| too_long)?;
        let mut bytes = Vec::with_capacity(HEADER + length);
        bytes.extend_from_slice(&announced.to_be_bytes());
        bytes.extend_from_slice(&[self.version.0, self.channel.0, self.what.number()]);
        bytes.extend_from_slice(&self.id.to_be_bytes());
        Ok(bytes)
    }
}

/// Reads the fixed part: everything but the body, whose length comes with it.
pub(crate) fn decode_header(
    bytes: &[u8; HEADER],
    ours: Protocol,
    limit: usize,
) -> Result<(Frame, usize), FrameFailure> {
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let announced = usize::try_from(length).unwrap_or(usize::MAX);
    if announced < AFTER_LENGTH || announced - AFTER_LENGTH > limit {
        return Err(FrameFailure::Length { length, limit });
    }
    let version = Protocol(bytes[4]);
    match ours.standing(version) {
        Standing::Understood { .. } => {}
        Standing::TooNew | Standing::TooOld => {
            return Err(FrameFailure::Version { ours, theirs: version });
        }
    }
    let what = What::of(bytes[6]).ok_or(FrameFailure::What { number: bytes[6] })?;
    let id = u64::from_be_bytes(bytes[7..15].try_into().expect("eight of fifteen bytes"));
    let frame = Frame { version, channel: Channel(bytes[5]), what, id, body: Vec::new() };
    Ok((frame, announced - AFTER_LENGTH))
}

/// How frames are read: what we speak, how large they may be, how long one may take.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What this end speaks.
    pub ours: Protocol,
    /// The largest body.
    pub limit: usize,
    /// How long a frame may take from its first byte to its last.
    pub time: Duration,
}

/// Waits for the next frame, however long it takes to begin.
///
/// # Errors
/// A [`FrameFailure`]; the connection is of no use then.
pub async fn read<R: AsyncRead + Unpin>(
    from: &mut R,
    reading: Reading,
) -> Result<Frame, FrameFailure> {
    let mut header = [0; HEADER];
    if from.read(&mut header[..1]).await? == 0 {
        return Err(FrameFailure::Closed);
    }
    let rest = read_begun(from, header, reading);
    match tokio::time::timeout(reading.time, rest).await {
        Ok(frame) => frame,
        Err(_) => Err(FrameFailure::Slow { limit: reading.time }),
    }
}

async fn read_begun<R: AsyncRead + Unpin>(
    from: &mut R,
    mut header: [u8; HEADER],
    reading: Reading,
) -> Result<Frame, FrameFailure> {
    from.read_exact(&mut header[1..]).await?;
    let (mut frame, length) = decode_header(&header, reading.ours, reading.limit)?;
    frame.body.reserve_exact(length.min(FIRST_ALLOCATION));
    let mut body = from.take(length as u64);
    while frame.body.len() < length {
        if body.read_buf(&mut frame.body).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    const READING: Reading =
        Reading { ours: Protocol(3), limit: 1000, time: Duration::from_secs(5) };

    fn frame(version: u8, body: &[u8]) -> Frame {
        Frame {
            version: Protocol(version),
            channel: Channel(9),
            what: What::Request,
            id: 77,
            body: body.to_vec(),
        }
    }

    fn read_all(bytes: &[u8]) -> Result<Frame, FrameFailure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { read(&mut &bytes[..], READING).await })
    }

    #[test]
    fn a_frame_is_read_back_as_it_was_written() {
        let whole = frame(3, b"what is asked");
        assert_eq!(read_all(&whole.encode().unwrap()).unwrap(), whole);
        let empty = frame(2, b"");
        assert_eq!(read_all(&empty.encode().unwrap()).unwrap(), empty);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_on_its_four_bytes_and_a_version() {
        let mut bytes = frame(3, b"").encode().unwrap();
        bytes[..4].copy_from_slice(&(1u32 << 30).to_be_bytes());
        let refused = read_all(&bytes);
        assert!(matches!(refused, Err(FrameFailure::Length { length: 0x4000_0000, limit: 1000 })));
        bytes[..4].copy_from_slice(&10u32.to_be_bytes());
        assert!(matches!(read_all(&bytes), Err(FrameFailure::Length { length: 10, .. })));
    }

    #[test]
    fn versions_n_and_n_plus_1_are_read_and_n_plus_2_is_refused_by_number() {
        for understood in [2, 3, 4] {
            assert!(read_all(&frame(understood, b"x").encode().unwrap()).is_ok());
        }
        for further in [1, 5] {
            match read_all(&frame(further, b"x").encode().unwrap()) {
                Err(FrameFailure::Version { ours: Protocol(3), theirs }) => {
                    assert_eq!(theirs, Protocol(further));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_length_that_is_allowed_costs_only_what_arrives() {
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        let reading = Reading { limit: BODY_LIMIT, ..READING };
        let mut announced = frame(3, b"").encode().unwrap();
        let length = u32::try_from(AFTER_LENGTH + BODY_LIMIT).unwrap();
        announced[..4].copy_from_slice(&length.to_be_bytes());
        announced.push(b'x');
        let before = resident();
        let mut begun = Vec::new();
        for _ in 0..16 {
            let (mut far, mut near) = tokio::io::duplex(64);
            far.write_all(&announced).await.unwrap();
            let mut one = Box::pin(async move { read(&mut near, reading).await });
            // All that has come is read, and the rest is waited for.
            assert!(is_pending(&mut one).await);
            begun.push((far, one));
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < BODY_LIMIT, "{grown} bytes for 16 frames of which one byte came");
    }

    async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }

    #[test]
    fn an_end_between_frames_and_one_inside_are_told_apart() {
        assert!(matches!(read_all(b""), Err(FrameFailure::Closed)));
        let bytes = frame(3, b"body").encode().unwrap();
        for length in 1..bytes.len() {
            let cut = read_all(&bytes[..length]);
            assert!(matches!(cut, Err(FrameFailure::Connection(_))), "{length}: {cut:?}");
        }
    }

    #[test]
    fn a_body_above_the_limit_is_not_written() {
        let length = BODY_LIMIT + 1;
        assert_eq!(frame(3, &vec![0; length]).encode(), Err(BodyTooLong { length }));
    }

    proptest! {
        #[test]
        fn random_bytes_are_a_frame_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            if let Ok(frame) = read_all(&bytes) {
                let written = frame.encode().unwrap();
                prop_assert_eq!(&written[..], &bytes[..written.len()]);
            }
        }
    }
}
