//! The body of an answer: whole, whole with gRPC's trailers, or a stream's.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use crate::grpc::Talk;
use crate::lines::{Late, Unsent};

/// How long a piece is, in bytes.
const PIECE: usize = 16 << 10;

/// A piece of a body, until it is sent.
struct Piece {
    bytes: Bytes,
    _unsent: Unsent,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer.
pub(crate) enum Payload {
    /// All of it; none once it was given.
    Whole(Option<Bytes>),
    /// All of it, and what follows it.
    Trailed(Option<Bytes>, Option<HeaderMap>),
    /// A long one in pieces, each counted until it is taken; and what follows it.
    Pieces(Bytes, Unsent, Option<HeaderMap>),
    /// As it comes.
    Stream(Box<Talk>),
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Late;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Late>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Trailed(bytes, trailers) => {
                let next = bytes.take().map(Frame::data);
                let next = next.or_else(|| trailers.take().map(Frame::trailers));
                Poll::Ready(next.map(Ok))
            }
            Self::Pieces(rest, unsent, trailers) => {
                if rest.is_empty() {
                    return Poll::Ready(
                        trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
                    );
                }
                let bytes = rest.split_to(rest.len().min(PIECE));
                let _unsent = unsent.part(bytes.len());
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Piece { bytes, _unsent })))))
            }
            Self::Stream(talk) => talk.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Trailed(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Self::Pieces(rest, _, trailers) => rest.is_empty() && trailers.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Pieces(rest, _, None) => SizeHint::with_exact(rest.len() as u64),
            Self::Trailed(..) | Self::Pieces(..) | Self::Stream(_) => SizeHint::default(),
        }
    }
}
