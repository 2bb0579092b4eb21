//! One connection to one address, and one try over it.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::retry::Met;
use crate::settings::{Identity, Settings};

/// How often the kernel asks a silent peer whether it is there. A machine that has taken an address
/// over answers the first of these with a reset.
const PROBE: Duration = Duration::from_secs(1);
/// How often it asks before it gives up.
const PROBES: u32 = 3;

/// One connection, kept alive.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Whether it has carried an answer already.
    used: bool,
    /// Who asks over it.
    bearer: Option<HeaderValue>,
}

/// What came back over a connection.
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) heads: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a try met that was no answer, and the error of this machine.
pub(crate) type Trouble = (Met, String);

impl Connection {
    /// Connects, until `until` at the latest.
    pub(crate) async fn dial(
        address: &Address,
        settings: &Settings,
        until: Instant,
    ) -> Result<Self, Trouble> {
        let dialled = timeout_at(until, Self::dial_now(address, settings)).await;
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let sender = dialled.unwrap_or_else(|_| Err(late()));
        let both = sender.and_then(|sender| Ok((sender, bearer(&settings.identity)?)));
        let (sender, bearer) = both.map_err(|error| (Met::NoConnection, error.to_string()))?;
        Ok(Self { sender, used: false, bearer })
    }

    async fn dial_now(
        address: &Address,
        settings: &Settings,
    ) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((address.host(), address.port())).await?;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        let probes = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE);
        socket.set_tcp_keepalive(&probes.with_retries(PROBES))?;
        // What was sent and is not received does not wait for minutes.
        socket.set_tcp_user_timeout(Some(PROBE * PROBES))?;
        match &settings.tls {
            None => shake(TokioIo::new(stream)).await,
            Some(tls) => {
                let name = tls.server(address.host());
                let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
                shake(TokioIo::new(tls.connector().connect(name, stream).await?)).await
            }
        }
    }

    /// Whether another call may go over it; waits until the last answer is out of the way.
    pub(crate) async fn is_there(&mut self, until: Instant) -> bool {
        !self.sender.is_closed()
            && matches!(timeout_at(until, self.sender.ready()).await, Ok(Ok(())))
    }

    /// What it says of who asks.
    pub(crate) const fn bearer(&self) -> Option<&HeaderValue> {
        self.bearer.as_ref()
    }

    /// Sends a request and reads the answer to it. A connection that brought no whole answer is
    /// not used again.
    pub(crate) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Came, Trouble> {
        let ended = if self.used { Met::Stale } else { Met::CutOff };
        let answer = self.sender.send_request(request).await.map_err(|e| trouble(&e, ended))?;
        let came = whole(answer, most).await?;
        self.used = true;
        Ok(came)
    }
}

/// The header that says who asks. Nothing is sent without it where there is to be one.
fn bearer(identity: &Identity) -> io::Result<Option<HeaderValue>> {
    let token = match identity {
        Identity::Unnamed => return Ok(None),
        Identity::Token(token) => token.clone(),
        Identity::TokenFile(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", file.display()))
            })?;
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
    };
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(io::Error::other)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

async fn whole(answer: Response<Incoming>, most: usize) -> Result<Came, Trouble> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, most).collect().await.map_err(|error| {
        match error.downcast_ref::<hyper::Error>() {
            Some(error) => trouble(error, Met::CutOff),
            None if error.is::<LengthLimitError>() => (Met::TooLong, error.to_string()),
            None => (Met::CutOff, error.to_string()),
        }
    })?;
    Ok(Came { status: head.status.as_u16(), heads: head.headers, body: body.to_bytes() })
}

/// What an error of the connection means.
fn trouble(error: &hyper::Error, ended: Met) -> Trouble {
    let met = if error.is_parse() { Met::NotUnderstood } else { ended };
    let inner = std::error::Error::source(error);
    (met, inner.map_or_else(|| error.to_string(), ToString::to_string))
}

async fn shake<I>(io: I) -> io::Result<SendRequest<Full<Bytes>>>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
    // It ends with its sender; its error is the error of the try that is under way.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
