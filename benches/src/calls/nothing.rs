//! A server that answers every request with nothing, and does nothing for it: the limit of HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves in a thread of its own as long as this process lives.
pub fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
            tell.send(listener.local_addr().expect("it is bound")).expect("it is waited for");
            loop {
                let (stream, _) = listener.accept().await.expect("a descriptor is free");
                stream.set_nodelay(true).expect("a socket takes this option");
                let nothing = service_fn(|_: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                });
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), nothing);
                // It ends when its caller has gone.
                tokio::spawn(async move { drop(served.await) });
            }
        });
    });
    told.recv().expect("it listens")
}
