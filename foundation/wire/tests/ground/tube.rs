//! A way between a client and a door that can be cut without either end being told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::loopback;

/// Passes bytes between a client and a door until it is told to swallow everything, or to take
/// nothing more. What was swallowed comes with what is passed later, as TCP sends again what a
/// network lost: a stream has no holes.
pub struct Tube {
    pub address: SocketAddr,
    pub swallow: Arc<AtomicBool>,
    pub stop: Arc<AtomicBool>,
}

pub async fn tube(to: SocketAddr) -> Tube {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let swallow = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let mute = Arc::clone(&swallow);
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            if mute.load(Ordering::SeqCst) || stops.load(Ordering::SeqCst) {
                std::mem::forget(near);
                continue;
            }
            let far = TcpStream::connect(to).await.unwrap();
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            tokio::spawn(pass(near_in, far_out, Arc::clone(&mute), Arc::clone(&stops)));
            tokio::spawn(pass(far_in, near_out, Arc::clone(&mute), Arc::clone(&stops)));
        }
    });
    Tube { address, swallow, stop }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    swallow: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
) {
    let mut bytes = [0; 4096];
    let mut held = Vec::new();
    loop {
        let count = from.read(&mut bytes).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        if stop.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        held.extend_from_slice(&bytes[..count]);
        if swallow.load(Ordering::SeqCst) {
            continue;
        }
        if to.write_all(&held).await.is_err() {
            return;
        }
        held.clear();
    }
}
