//! A door that stands: threads that accept and answer, until it is closed.

use std::io;
use std::net::{SocketAddr, TcpListener as Bound};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::bell::Bell;
use crate::http::Guest;
use crate::lines::{Lines, Place, Spans};
use crate::settings::{Loopback, Settings, Shared, Transport};
use crate::sign::Sign;
use crate::stream::Stream;
use crate::tls;
use crate::who::{Proved, Tokens};

/// How long accepting rests when the process has no descriptor left.
const REST: Duration = Duration::from_millis(50);
/// How often connections are looked at, at most.
const LOOK_LEAST: Duration = Duration::from_millis(20);
/// How often connections are looked at, at least.
const LOOK_MOST: Duration = Duration::from_secs(1);

/// What a stream of HTTP/2 may send before it is read, in bytes.
const STREAM_WINDOW: u32 = 64 << 10;
/// What a connection of HTTP/2 may send before it is read, in bytes.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Why a door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRefused {
    /// Plain HTTP was asked for where others reach it.
    #[error("{0}: TLS")]
    PlainOutside(SocketAddr),
    /// The system has something against it.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// A door that stands. Dropped, it is closed at once, and waited for.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    shared: Arc<Shared>,
    lines: Arc<Lines>,
    closing: watch::Sender<Option<Instant>>,
    threads: Vec<JoinHandle<()>>,
}

/// What each thread of a door has.
#[derive(Clone)]
struct Post {
    shared: Arc<Shared>,
    lines: Arc<Lines>,
    bell: Arc<Bell>,
    transport: Transport,
    loopback: Loopback,
    closing: watch::Receiver<Option<Instant>>,
    http: auto::Builder<TokioExecutor>,
}

impl Door {
    /// Opens a door at a listener that is bound. Its sign says that nothing is open behind it.
    ///
    /// # Errors
    /// [`OpenRefused`].
    pub fn open(listener: Bound, settings: &Settings) -> Result<Self, OpenRefused> {
        let address = listener.local_addr()?;
        if !settings.allow(address) {
            return Err(OpenRefused::PlainOutside(address));
        }
        listener.set_nonblocking(true)?;
        let lines = Arc::new(Lines::new(settings.limits.connections));
        let shared = Arc::new(Shared::new(settings, Sign::new(lines.clone())));
        let (closing, is_closing) = watch::channel(None);
        let post = Post {
            shared: shared.clone(),
            lines: lines.clone(),
            bell: Arc::default(),
            transport: settings.transport.clone(),
            loopback: settings.loopback,
            closing: is_closing,
            http: http(settings),
        };
        let mut door = Self { address, shared, lines, closing, threads: Vec::new() };
        for number in 0..settings.threads.max(1) {
            let (listener, post) = (listener.try_clone()?, post.of_own_thread());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("door-{number}"));
            let listener = {
                let _within = runtime.enter();
                TcpListener::from_std(listener)?
            };
            let work = move || runtime.block_on(post.stand(listener));
            door.threads.push(thread.spawn(work)?);
        }
        Ok(door)
    }

    /// Where it stands.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its sign, to say what is open behind it.
    #[must_use]
    pub fn sign(&self) -> Sign {
        self.shared.sign.clone()
    }

    /// From now on these tokens are known, and no others.
    pub fn know(&self, tokens: Tokens) {
        self.shared.know(tokens);
    }

    /// How many connections it has.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lines.count()
    }

    /// Closes it: nobody comes in any more, what is being answered has so long, then all is cut.
    /// Returns when that is done.
    pub fn close(mut self, grace: Duration) {
        self.shut(grace);
    }

    fn shut(&mut self, grace: Duration) {
        self.closing.send_replace(Some(Instant::now() + grace));
        for thread in self.threads.drain(..) {
            // One that has panicked has no connections any more.
            drop(thread.join());
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut(Duration::ZERO);
    }
}

fn http(settings: &Settings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let head = settings.limits.head_bytes.max(8 << 10);
    // Slow heads are cut by the door, without a timer for each.
    builder.http1().header_read_timeout(None).max_buf_size(head).half_close(false);
    let list = u32::try_from(head).unwrap_or(u32::MAX);
    let streams = settings.limits.streams;
    builder
        .http2()
        .max_header_list_size(list)
        .max_concurrent_streams(streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

impl Post {
    /// With a bell that no other thread hears.
    fn of_own_thread(&self) -> Self {
        Self { bell: Arc::default(), ..self.clone() }
    }

    async fn stand(self, listener: TcpListener) {
        let watching = tokio::spawn(self.clone().watch());
        let hearing = tokio::spawn(self.bell.clone().hear());
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.accept(&listener) => {}
            _ = closing.wait_for(Option::is_some) => {}
        }
        drop(listener);
        let until = *closing.borrow();
        self.lines.end_all();
        let grace = until.map_or(Duration::ZERO, |until| until.duration_since(Instant::now()));
        if tokio::time::timeout(grace, self.lines.gone()).await.is_err() {
            self.lines.cut_all();
        }
        watching.abort();
        hearing.abort();
    }

    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((tcp, from)) => self.let_in(tcp, from),
                // What of one connection went wrong is over.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.lines.make_room();
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn let_in(&self, tcp: TcpStream, from: SocketAddr) {
        // It is late by a packet where that is refused, and no more.
        drop(tcp.set_nodelay(true));
        let Some(place) = self.lines.take() else { return };
        let line = place.line.clone();
        let post = self.clone();
        let task = tokio::spawn(async move { post.receive(tcp, from, place).await });
        line.run_by(task.abort_handle());
    }

    async fn receive(self, tcp: TcpStream, from: SocketAddr, place: Place) {
        let stream = Stream::new(tcp, place.line.clone());
        if let Transport::Tls(config) = &self.transport {
            if let Some((stream, proved)) = tls::proved(config, stream).await {
                self.carry(stream, proved, &place).await;
            }
            return;
        }
        let proved = match self.loopback {
            Loopback::Known if from.ip().to_canonical().is_loopback() => Proved::Loopback,
            Loopback::Known | Loopback::Unknown => Proved::Nothing,
        };
        self.carry(stream, proved, &place).await;
    }

    /// Answers the requests of a connection until it ends.
    async fn carry<S>(&self, stream: S, proved: Proved, place: &Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let line = place.line.clone();
        let (shared, bell) = (self.shared.clone(), self.bell.clone());
        let guest = Arc::new(Guest { shared, line: line.clone(), bell, proved });
        let service = service_fn(|request| guest.clone().serve(request));
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let mut told = false;
        // How it ends is its own affair: whoever was not answered asks again.
        drop(
            std::future::poll_fn(|cx| {
                if !told && line.is_ending(cx.waker()) {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                connection.as_mut().poll(cx)
            })
            .await,
        );
    }

    /// Cuts what waits for too long.
    async fn watch(self) {
        let limits = &self.shared.limits;
        let spans = Spans { head: limits.head, idle: limits.idle, leaving: limits.leaving };
        let shortest = limits.head.min(limits.idle).min(limits.leaving) / 4;
        let mut ticks = tokio::time::interval(shortest.clamp(LOOK_LEAST, LOOK_MOST));
        loop {
            ticks.tick().await;
            self.lines.cut_slow(spans);
        }
    }
}
