//! The body of an answer: whole, whole with gRPC's trailers, or a stream's.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use crate::grpc::Talk;
use crate::lines::Late;

/// The body of an answer.
pub(crate) enum Payload {
    /// All of it; none once it was given.
    Whole(Option<Bytes>),
    /// All of it, and what follows it.
    Trailed(Option<Bytes>, Option<HeaderMap>),
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
            Self::Stream(talk) => talk.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Trailed(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Trailed(..) | Self::Stream(_) => SizeHint::default(),
        }
    }
}
