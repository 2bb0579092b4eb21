//! Callers by HTTP/2 who do not read what they are told.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tsugi_door::Door;

use crate::support::Stand;

/// How much a stream may be sent before its caller reads: less than the long reply.
const WINDOW: u32 = 1 << 10;

type Sender = SendRequest<Full<Bytes>>;

/// A connection whose caller says often that he is there, and reads nothing by himself.
async fn caller(door: &Door) -> Sender {
    let tcp = TcpStream::connect(door.address()).await.expect("it is let in");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let builder = builder.timer(TokioTimer::new()).initial_stream_window_size(WINDOW);
    let builder = builder.keep_alive_interval(Duration::from_millis(20));
    let shaken = builder.keep_alive_while_idle(true).handshake(TokioIo::new(tcp)).await;
    let (sender, connection) = shaken.expect("it is HTTP/2");
    tokio::spawn(async move { drop(connection.await) });
    sender
}

/// Asks for the long reply, and has its head.
async fn long(sender: &mut Sender) -> Response<Incoming> {
    let request = Request::post("http://a/call/counter")
        .header("content-type", "application/json")
        .header("idempotency-key", "a")
        .body(Full::new(Bytes::from_static(b"\"long\"")));
    let answer = sender.send_request(request.expect("it is written")).await;
    answer.expect("it is answered")
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await };
    runtime.expect("it starts").block_on(limited).expect("it comes to its end");
}

#[test]
fn who_says_that_he_is_there_and_does_not_read_is_cut() {
    let mut stand = Stand::new();
    let idle = Duration::from_millis(300);
    let (_engine, door) = stand.door_with(|settings| settings.limits.idle = idle);
    run(async {
        let mut sender = caller(&door).await;
        let unread = long(&mut sender).await;
        while door.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(unread.into_body().collect().await.is_err(), "it was cut");
    });
    assert_eq!(stand.runs(), 1);
}

#[test]
fn what_nobody_takes_is_not_told_again_and_again() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| settings.limits.unsent = 250_000);
    run(async {
        let mut sender = caller(&door).await;
        let first = long(&mut sender).await;
        let second = long(&mut sender).await;
        assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
        let third = long(&mut sender).await;
        assert_eq!(third.status().as_u16(), 202, "it is kept, and there is no room for it");
        let one = first.into_body().collect().await.expect("it comes").to_bytes();
        let other = second.into_body().collect().await.expect("it comes").to_bytes();
        assert!(one.len() > 100_000 && one == other);
        let again = long(&mut sender).await;
        let again = again.into_body().collect().await.expect("it comes").to_bytes();
        assert_eq!(again, one);
    });
    assert_eq!(stand.runs(), 1);
}
