//! What a connection reads and writes by: it sees what comes, and sends nothing that is late.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::lines::Line;

/// How much of what nobody reads is taken in before a connection is closed, in bytes: who sends
/// more is cut, and may not hear why.
const DRAINED_MOST: usize = 4 << 20;

/// A connection's bytes, under TLS where there is TLS.
pub(crate) struct Stream {
    tcp: TcpStream,
    line: Arc<Line>,
    /// How much was drained; none while it is not closing.
    drained: Option<usize>,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, line: Arc<Line>) -> Self {
        Self { tcp, line, drained: None }
    }

    /// Closed with something unread, a socket is reset, and what was said last is lost with it.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scrap = [0; 4096];
        loop {
            let mut read = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut read))?;
            let many = self.drained.unwrap_or(0) + read.filled().len();
            if read.filled().is_empty() || many > DRAINED_MOST {
                return Poll::Ready(Ok(()));
            }
            self.drained = Some(many);
        }
    }

    fn may_send(&self) -> io::Result<()> {
        if self.line.is_late() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, crate::lines::Late));
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.line.on_bytes();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.may_send()?;
        let sent = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf))?;
        self.line.on_sent();
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.may_send()?;
        let sent = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs))?;
        self.line.on_sent();
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.on_leaving();
        if self.drained.is_none() {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            self.drained = Some(0);
        }
        if self.line.lingers() { self.drain(cx) } else { Poll::Ready(Ok(())) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tsugi_vocabulary::Span;

    use super::*;
    use crate::lines::Lines;
    use crate::sign::Last;

    #[tokio::test]
    async fn what_was_taken_in_time_and_could_not_be_sent_by_then_is_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let mut caller = TcpStream::connect(address).await.expect("it is let in");
        let (tcp, _) = listener.accept().await.expect("it has come");
        let place = Arc::new(Lines::new(1)).take().expect("it is the first");
        let mut stream = Stream::new(tcp, place.line.clone());
        stream.write_all(b"a").await.expect("no engine has said anything");
        let moment = Arc::new(AtomicU64::new(u64::MAX));
        let last = Last::new(moment.clone(), Span::millis(2));
        place.line.bind(&last).expect("it is in time");
        stream.write_all(b"b").await.expect("it is in time");
        moment.store(1, Ordering::SeqCst);
        stream.write_all(b"c").await.expect_err("it is late");
        place.line.bind(&last).expect_err("it is late");
        moment.store(u64::MAX, Ordering::SeqCst);
        let other = Last::new(Arc::new(AtomicU64::new(u64::MAX)), Span::millis(2));
        place.line.bind(&other).expect_err("it is another engine's");
        drop(stream);
        let mut heard = String::new();
        caller.read_to_string(&mut heard).await.expect("it ends");
        assert_eq!(heard, "ab");
    }
}
