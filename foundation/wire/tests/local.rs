//! The control socket: who asks is told by the kernel, and nobody else can ask.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ground;

use std::ops::ControlFlow;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ground::{LONG, resident, until};
use tsugi_wire::frame::{Channel, Frame, FrameFailure, What};
use tsugi_wire::local::{
    Items, LocalClient, LocalFailure, LocalListener, LocalPeer, LocalServer, serve_local,
};
use tsugi_wire::refusal::Refusal;
use tsugi_wire::version::Protocol;

async fn answer(peer: Arc<LocalPeer>, body: Vec<u8>, items: Items) -> Vec<u8> {
    match serde_json::from_slice(&body).unwrap() {
        serde_json::Value::Number(count) => {
            for number in 0..count.as_u64().unwrap() {
                items.send(number.to_string().into_bytes()).await.unwrap();
            }
            count.to_string().into_bytes()
        }
        serde_json::Value::String(text) => serde_json::to_vec(&(text, peer.uid, peer.pid)).unwrap(),
        other => panic!("{other}"),
    }
}

fn open() -> (tempfile::TempDir, PathBuf, LocalServer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let server = serve_local(LocalListener::bind(&path, None).unwrap(), answer);
    (dir, path, server)
}

async fn with_client<T: Send + 'static>(
    path: &Path,
    ask: impl FnOnce(LocalClient) -> T + Send + 'static,
) -> T {
    let path = path.to_path_buf();
    let asking = move || ask(LocalClient::connect(&path, Some(LONG)).unwrap());
    tokio::task::spawn_blocking(asking).await.unwrap()
}

#[tokio::test]
async fn a_question_is_answered_and_the_kernel_says_who_asked() {
    let (_dir, path, _server) = open();
    with_client(&path, |mut client| {
        for text in ["status", "why"] {
            let (echoed, uid, pid): (String, u32, Option<i32>) = client.ask(&text).unwrap();
            assert_eq!(echoed, text);
            assert_eq!(uid, nix::unistd::geteuid().as_raw());
            assert_eq!(pid, Some(std::process::id().cast_signed()));
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_parts_is_taken_until_its_end_or_until_enough() {
    let (_dir, path, _server) = open();
    with_client(&path, |mut client| {
        let mut taken = Vec::new();
        client
            .watch(&5, |number: u64| {
                taken.push(number);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
        let enough = |number: u64| {
            if number == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        client.watch(&1000, enough).unwrap();
    })
    .await;
}

#[tokio::test]
async fn sec11_the_socket_has_mode_0660_with_any_umask_and_replaces_a_dead_one() {
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    for _ in 0..2 {
        let listener = LocalListener::bind(&path, Some(nix::unistd::getegid().as_raw())).unwrap();
        let found = std::fs::metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o7777, 0o660);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside");
        drop(listener);
    }
    nix::sys::stat::umask(before);
    let refused = LocalClient::connect(&path, None).unwrap_err();
    assert!(matches!(refused, LocalFailure::NotRunning { .. }), "{refused:?}");
    let refused = LocalClient::connect(&dir.path().join("none"), None).unwrap_err();
    assert!(matches!(refused, LocalFailure::NotRunning { .. }), "{refused:?}");
}

#[tokio::test]
async fn what_was_begun_is_carried_to_its_end_when_the_terminal_closes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let (begun, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (begins, ends) = (Arc::clone(&begun), Arc::clone(&ended));
    let listener = LocalListener::bind(&path, None).unwrap();
    let _server = serve_local(listener, move |_: Arc<LocalPeer>, _: Vec<u8>, items: Items| {
        let (begins, ends) = (Arc::clone(&begins), Arc::clone(&ends));
        async move {
            begins.fetch_add(1, Ordering::SeqCst);
            items.gone().await;
            ends.fetch_add(1, Ordering::SeqCst);
            Vec::new()
        }
    });
    let mut asking = tokio::net::UnixStream::connect(&path).await.unwrap();
    let frame = request(Protocol::CURRENT, b"1");
    tokio::io::AsyncWriteExt::write_all(&mut asking, &frame).await.unwrap();
    until("the request arrived", || begun.load(Ordering::SeqCst) == 1).await;
    drop(asking);
    until("it was carried to its end", || ended.load(Ordering::SeqCst) == 1).await;
}

fn request(version: Protocol, body: &[u8]) -> Vec<u8> {
    let (channel, what, body) = (Channel(0), What::Request, body.to_vec());
    Frame { version, channel, what, id: 1, body }.encode().unwrap()
}

async fn answer_to(path: &Path, said: &[u8]) -> Vec<u8> {
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, said).await.unwrap();
    let mut heard = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard);
    // An end that the system calls a reset is an end as well.
    drop(tokio::time::timeout(LONG, reading).await.expect("the door closes"));
    heard
}

#[tokio::test]
async fn a_command_line_that_is_too_new_is_told_so() {
    let (_dir, path, _server) = open();
    let theirs = Protocol(Protocol::CURRENT.0 + 2);
    let heard = answer_to(&path, &request(theirs, b"1")).await;
    let refusal = Refusal::decode(&heard[15..]).unwrap();
    assert_eq!(refusal, Refusal::Version { ours: Protocol::CURRENT, theirs });
}

#[tokio::test]
async fn a_gibibyte_announced_on_the_socket_costs_nothing() {
    let (_dir, path, _server) = open();
    let mut said = request(Protocol::CURRENT, b"1");
    said[..4].copy_from_slice(&(1u32 << 30).to_be_bytes());
    assert!(answer_to(&path, &said).await.is_empty());
    let before = resident();
    for _ in 0..100 {
        assert!(answer_to(&path, &said).await.is_empty());
    }
    assert!(resident().saturating_sub(before) < 1 << 20);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let listener = LocalListener::bind(&path, None).unwrap();
    let _server = serve_local(listener, |_: Arc<LocalPeer>, _: Vec<u8>, _: Items| {
        std::future::pending::<Vec<u8>>()
    });
    let asking = move || {
        let limit = Some(std::time::Duration::from_millis(30));
        LocalClient::connect(&path, limit).unwrap().ask::<_, ()>(&1)
    };
    let failed = tokio::task::spawn_blocking(asking).await.unwrap();
    assert!(matches!(failed, Err(LocalFailure::NotInTime)), "{failed:?}");
}

#[tokio::test]
async fn an_agent_that_breaks_off_is_told_apart_from_one_that_closed() {
    let (_dir, path, server) = open();
    let failed = with_client(&path, |mut client| client.ask::<_, ()>(&true)).await;
    assert!(matches!(failed, Err(LocalFailure::Refused(Refusal::BrokeOff))), "{failed:?}");
    let closed = with_client(&path, move |mut client| {
        drop(server);
        client.ask::<_, ()>(&"x")
    })
    .await;
    match closed {
        Err(LocalFailure::Frame(FrameFailure::Closed | FrameFailure::Connection(_))) => {}
        other => panic!("{other:?}"),
    }
}
