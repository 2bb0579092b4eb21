//! Pages over HTTP that only tell: what reads requests of strangers is a process of its own, asks
//! the agent like any command, and is bounded in everything that a stranger sends.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

/// How many may ask at the same time; more wait to be accepted.
const MOST: usize = 64;
/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// The whole of what a request may be made of; there is no body to read.
const LARGEST: usize = 16 * 1024;

/// What is answered.
pub struct Page {
    /// How the request went.
    pub status: StatusCode,
    /// What kind of text it is.
    pub kind: &'static str,
    /// The text.
    pub text: String,
}

/// The page of a path. It may take its time: it is asked for beside the connections.
pub type Pages = dyn Fn(&str) -> Page + Send + Sync;

/// Why nothing is answered.
pub struct NotServed {
    /// Where.
    pub at: SocketAddr,
    /// Why.
    pub why: io::Error,
}

/// Answers at all of these addresses until a signal ends it; `ready` is told each once all of them
/// are listened at.
///
/// # Errors
/// One of them cannot be listened at, or no signal be waited for.
pub fn serve(
    pages: Arc<Pages>,
    at: &[SocketAddr],
    ready: impl Fn(SocketAddr),
) -> Result<(), NotServed> {
    let first = at.first().copied().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let of = |at: SocketAddr| move |why| NotServed { at, why };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(of(first))?.block_on(async {
        let mut all = Vec::new();
        for at in at {
            all.push(TcpListener::bind(at).await.map_err(of(*at))?);
        }
        for listener in &all {
            ready(listener.local_addr().map_err(of(first))?);
        }
        let room = Arc::new(Semaphore::new(MOST));
        for listener in all {
            tokio::spawn(accept(listener, Arc::clone(&room), Arc::clone(&pages)));
        }
        until_told().await.map_err(of(first))
    })
}

async fn until_told() -> io::Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = stop.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener, room: Arc<Semaphore>, pages: Arc<Pages>) {
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // One caller that went away, or no descriptor left: the next may be luckier.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&pages), request));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(LARGEST);
            let talk = server.keep_alive(false).serve_connection(TokioIo::new(stream), service);
            // A caller that breaks off has its own reasons.
            let _broken = tokio::time::timeout(PATIENCE * 2, talk).await;
            drop(place);
        });
    }
}

async fn answer(
    pages: Arc<Pages>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = whole(Page::empty(StatusCode::METHOD_NOT_ALLOWED));
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    let path = request.uri().path().to_owned();
    // The agent is asked over a socket that blocks.
    let answered = tokio::task::spawn_blocking(move || pages(&path)).await;
    Ok(whole(answered.unwrap_or_else(|_| Page::empty(StatusCode::INTERNAL_SERVER_ERROR))))
}

impl Page {
    /// A page that is only a status.
    pub const fn empty(status: StatusCode) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", text: String::new() }
    }
}

fn whole(page: Page) -> Response<Full<Bytes>> {
    let mut whole = Response::new(Full::new(Bytes::from(page.text)));
    *whole.status_mut() = page.status;
    whole.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.kind));
    whole
}
