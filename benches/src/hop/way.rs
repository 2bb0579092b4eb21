//! The ways between the writer and its worker.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::WORKER;
use super::ring::{self, Ring};

/// What bytes go over.
#[derive(Clone, Copy)]
pub enum Over {
    /// A pair of sockets.
    Sockets,
    /// A pipe each way.
    Pipes,
    /// A ring each way in memory that both have, and a futex where one sleeps.
    Memory,
}

/// One end of a way.
pub trait Way: Send {
    /// Says all of `bytes`.
    fn send(&mut self, bytes: &[u8]);
    /// Waits for something to be said; how much it is. 0 is the end.
    fn receive(&mut self, room: &mut [u8]) -> usize;
}

/// A worker at the other end of a way.
pub fn start(over: Over) -> (Box<dyn Way>, Child) {
    match over {
        Over::Sockets => {
            let (here, there) = UnixStream::pair().expect("the system has sockets left");
            let again = there.try_clone().expect("the system has descriptors left");
            let child = spawn(there.into(), again.into());
            let again = here.try_clone().expect("the system has descriptors left");
            (Box::new(Writer::of(here.into(), again.into())), child)
        }
        Over::Pipes => {
            let (here, to_here) = io::pipe().expect("the system has descriptors left");
            let (there, to_there) = io::pipe().expect("the system has descriptors left");
            let child = spawn(there.into(), to_here.into());
            (Box::new(Writer::of(here.into(), to_there.into())), child)
        }
        Over::Memory => {
            let memory = ring::memory();
            let again = memory.try_clone().expect("the system has descriptors left");
            let child = spawn(memory, File::open("/dev/null").expect("it is there").into());
            (Box::new(Ring::of(&again, ring::Side::Writer)), child)
        }
    }
}

/// The way of this process, which is a worker, back to its writer.
pub fn back() -> Box<dyn Way> {
    let read = io::stdin().as_fd().try_clone_to_owned().expect("it was started with one");
    let write = io::stdout().as_fd().try_clone_to_owned().expect("it was started with one");
    let read = File::from(read);
    // Memory has a length; sockets and pipes have none.
    if read.metadata().is_ok_and(|data| data.is_file()) {
        return Box::new(Ring::of(&read.into(), ring::Side::Worker));
    }
    Box::new(Plain { read, write: write.into() })
}

fn spawn(stdin: OwnedFd, stdout: OwnedFd) -> Child {
    let own = std::env::current_exe().expect("a program has a path");
    let mut command = Command::new(own);
    command.arg(WORKER).stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
    command.spawn().expect("this program can be run once more")
}

/// The writer's end of descriptors: it asks without waiting first, and where nothing has come it
/// waits for its worker and for a bell, as a writer has to that is also called from elsewhere.
struct Writer {
    read: File,
    write: File,
    bell: EventFd,
}

impl Writer {
    fn of(read: OwnedFd, write: OwnedFd) -> Self {
        for fd in [&read, &write] {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a descriptor takes this flag");
        }
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let bell = bell.expect("the system has descriptors left");
        Self { read: read.into(), write: write.into(), bell }
    }
}

impl Way for Writer {
    fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.write.write(bytes) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut room = [PollFd::new(self.write.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut room, PollTimeout::NONE).expect("the worker reads");
                }
                Err(error) => panic!("the worker is gone: {error}"),
            }
        }
    }

    fn receive(&mut self, room: &mut [u8]) -> usize {
        loop {
            match self.read.read(room) {
                Ok(length) => return length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("the worker is gone: {error}"),
            }
            let mut both = [
                PollFd::new(self.read.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.bell.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut both, PollTimeout::from(10_000_u16)) {
                Ok(0) => panic!("the worker has said nothing for ten seconds"),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => panic!("poll: {error}"),
            }
        }
    }
}

/// A worker's end of descriptors: it waits in the call.
struct Plain {
    read: File,
    write: File,
}

impl Way for Plain {
    fn send(&mut self, bytes: &[u8]) {
        self.write.write_all(bytes).expect("the writer reads");
    }

    fn receive(&mut self, room: &mut [u8]) -> usize {
        self.read.read(room).unwrap_or(0)
    }
}
