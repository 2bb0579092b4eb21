//! A way to the server that loses things.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const SOCKET: &str = ".s.PGSQL.5432";

/// What becomes of a message to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It gets there, and so does its answer.
    Carried,
    /// It is lost, with the connection.
    Lost,
    /// It gets there, and its answer is lost, with the connection.
    Unanswered,
    /// It gets there, and the process that has it is killed at once.
    Killed,
    /// It gets there and is carried out, and the process that has done it is killed before its
    /// answer is told.
    KilledBehind,
}

pub type Judge = dyn Fn(&[u8]) -> Fate + Send + Sync;

/// A folder with a socket that leads to the server; each message is judged.
pub fn way(server: &Path, judge: Arc<Judge>) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
    let server: PathBuf = server.join(SOCKET);
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(to) = UnixStream::connect(&server) else { continue };
            let (back, out) = (to.try_clone().unwrap(), client.try_clone().unwrap());
            let (here, judge) = (Arc::new(Here::default()), judge.clone());
            let known = here.clone();
            std::thread::spawn(move || answered(back, out, &known));
            std::thread::spawn(move || carried(client, to, &*judge, &here));
        }
    });
    folder
}

/// What both directions of one connection know.
#[derive(Default)]
struct Here {
    /// The process that answers.
    process: AtomicI32,
    /// Whether the next answer is lost: the server has done by then what it was asked for, and
    /// nobody can end it before.
    loses: AtomicBool,
    /// Whether the process that gives it is killed then.
    kills: AtomicBool,
}

/// Carries answers; the first ones tell which process gives them.
fn answered(mut server: UnixStream, mut client: UnixStream, here: &Here) {
    let process = &here.process;
    let mut bytes = [0; 65536];
    while let Ok(length @ 1..) = server.read(&mut bytes) {
        let key = bytes[..length].windows(9).find(|part| part.starts_with(b"K\0\0\0\x0c"));
        if let (0, Some(key)) = (process.load(Ordering::SeqCst), key) {
            let pid = i32::from_be_bytes([key[5], key[6], key[7], key[8]]);
            process.store(pid, Ordering::SeqCst);
        }
        if here.kills.load(Ordering::SeqCst) {
            kill(Pid::from_raw(process.load(Ordering::SeqCst)), Signal::SIGKILL)
                .expect("it is the server's");
        }
        if here.loses.load(Ordering::SeqCst) || client.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    drop(client.shutdown(Shutdown::Both));
    drop(server.shutdown(Shutdown::Both));
}

fn carried(mut client: UnixStream, mut server: UnixStream, judge: &Judge, here: &Here) {
    let mut bytes = [0; 65536];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        let fate = judge(&bytes[..length]);
        if let Fate::Unanswered | Fate::KilledBehind = fate {
            here.kills.store(fate == Fate::KilledBehind, Ordering::SeqCst);
            here.loses.store(true, Ordering::SeqCst);
            drop(server.write_all(&bytes[..length]));
            return;
        }
        if fate != Fate::Carried {
            drop(client.shutdown(Shutdown::Both));
        }
        if fate != Fate::Lost {
            drop(server.write_all(&bytes[..length]));
        }
        if fate == Fate::Killed {
            let process = Pid::from_raw(here.process.load(Ordering::SeqCst));
            kill(process, Signal::SIGKILL).expect("it is the server's");
        }
        if fate != Fate::Carried {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}
