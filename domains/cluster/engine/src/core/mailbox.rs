//! How other threads speak to the core: a queue, and a descriptor that wakes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tsugi_cluster_rules::node::Event;

/// What the core may be told from outside.
#[derive(Debug)]
pub enum Letter {
    /// An event for the rules.
    Event(Box<Event>),
    /// End now, leaving the groups as they are: another agent takes over from here.
    StepAside,
    /// End now: this node was taken out of the cluster.
    Removed,
}

/// The core's end.
pub struct Mailbox {
    letters: Receiver<Letter>,
    bell: Arc<EventFd>,
}

/// The others' end; cheap to clone.
#[derive(Clone)]
pub struct Post {
    letters: Sender<Letter>,
    bell: Arc<EventFd>,
}

/// A mailbox and its post.
///
/// # Errors
/// The system has no descriptor left.
pub fn mailbox() -> io::Result<(Mailbox, Post)> {
    let bell =
        Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
    let (sender, letters) = channel();
    Ok((Mailbox { letters, bell: Arc::clone(&bell) }, Post { letters: sender, bell }))
}

impl Mailbox {
    /// What to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// All letters that have come.
    pub fn take(&self) -> Vec<Letter> {
        // Nothing to read means that nobody rang; a letter is found all the same.
        let _rung = self.bell.read();
        self.letters.try_iter().collect()
    }
}

impl Post {
    /// Sends a letter; one to a core that has ended is dropped.
    pub fn send(&self, letter: Letter) {
        if self.letters.send(letter).is_ok() {
            let _full = self.bell.write(1);
        }
    }

    /// Sends an event.
    pub fn event(&self, event: Event) {
        self.send(Letter::Event(Box::new(event)));
    }
}
