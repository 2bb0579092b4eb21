//! The pages: `/metrics`, `/health` of this node, `/health/GROUP` for load balancers.

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

use super::Exporter;

/// How many may ask at the same time; more wait to be accepted.
const MOST: usize = 64;
/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// The whole of what a request may be made of; there is no body to read.
const LARGEST: usize = 16 * 1024;

/// Answers until a signal ends it; `ready` is told the address once there is somebody listening.
pub(super) fn serve(
    exporter: Arc<Exporter>,
    at: SocketAddr,
    ready: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(at).await?;
        ready(listener.local_addr()?);
        let mut stop = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = stop.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            end = accept(&listener, exporter) => end,
        }
    })
}

async fn accept(listener: &TcpListener, exporter: Arc<Exporter>) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(MOST));
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
        let exporter = Arc::clone(&exporter);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&exporter), request));
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
    exporter: Arc<Exporter>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, String::new());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    let path = request.uri().path().to_owned();
    // The agent is asked over a socket that blocks.
    let answered = tokio::task::spawn_blocking(move || at(&exporter, &path)).await;
    Ok(answered.unwrap_or_else(|_| page(StatusCode::INTERNAL_SERVER_ERROR, String::new())))
}

fn at(exporter: &Exporter, path: &str) -> Response<Full<Bytes>> {
    if path == "/metrics" {
        return page(StatusCode::OK, exporter.page());
    }
    let Some(group) = path.strip_prefix("/health") else {
        return page(StatusCode::NOT_FOUND, String::new());
    };
    let Ok(Some(seen)) = exporter.look() else {
        return page(StatusCode::SERVICE_UNAVAILABLE, "no answer from the agent\n".to_owned());
    };
    let well = |well: bool| match well {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    match group.strip_prefix('/') {
        None | Some("") => {
            let votes = &seen.status.votes;
            page(well(votes.heard >= votes.needed), String::new())
        }
        Some(name) => match seen.status.groups.iter().find(|g| g.name == name) {
            None => page(StatusCode::NOT_FOUND, String::new()),
            // Only the owner, and only while it serves: a standby must get no call.
            Some(group) => {
                let here = group.owner.as_deref() == Some(seen.node.as_str());
                page(well(here && group.state == "running"), format!("{}\n", group.state))
            }
        },
    }
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(Bytes::from(text)));
    *page.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    page.headers_mut().insert(CONTENT_TYPE, kind);
    page
}
