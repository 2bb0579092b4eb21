//! Which descriptors of the core have something to be read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use tsugi_vocabulary::Span;

/// Whom a descriptor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// One of the networks.
    Network(usize),
    /// Letters of other threads.
    Mailbox,
    /// Reports of the hands.
    Hands,
    /// The links of this machine.
    Links,
    /// Notices of the guardian.
    Guardian,
}

impl Source {
    const fn bit(self) -> u64 {
        match self {
            // More networks than bits share the last one and are looked at together.
            Self::Network(network) => 1 << if network < 59 { network } else { 59 },
            Self::Mailbox => 1 << 60,
            Self::Hands => 1 << 61,
            Self::Links => 1 << 62,
            Self::Guardian => 1 << 63,
        }
    }
}

/// What a wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready(u64);

impl Ready {
    /// Everything: now and then, so that what waits to be sent again, or rang without a sound, is
    /// found as well.
    pub(super) const ALL: Self = Self(u64::MAX);

    /// Whether `source` is to be looked at.
    pub(super) const fn has(self, source: Source) -> bool {
        self.0 & source.bit() != 0
    }
}

/// What the core waits for. Most of its waits end by the time alone: the kernel keeps the
/// descriptors as one, and a wait looks at that one instead of at each of them twice.
#[derive(Debug)]
pub(super) struct Wakes(Epoll);

impl Wakes {
    /// Nothing is waited for yet.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// From now on what can be read from `fd` ends a wait.
    ///
    /// # Errors
    /// The system has no room for it.
    pub(super) fn watch(&self, source: Source, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.0.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, source.bit()))?)
    }

    /// `fd` ends no wait any more. To close it is not enough: a process that is just being started
    /// holds a copy of it until its own program runs.
    pub(super) fn forget(&self, fd: BorrowedFd<'_>) {
        // One that is not waited for is as it should be.
        let _unknown = self.0.delete(fd);
    }

    /// Waits for at most `rest`.
    pub(super) fn wait(&self, rest: Span) -> Ready {
        let mut fds = [PollFd::new(self.0.0.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is an early look.
        let woken = ppoll(&mut fds, Some(TimeSpec::from_duration(rest.to_std())), None);
        if !woken.is_ok_and(|ready| ready > 0) {
            return Ready(0);
        }
        let mut events = [EpollEvent::empty(); 16];
        let found = self.0.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        Ready(events[..found].iter().fold(0, |bits, event| bits | event.data()))
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::{pipe, write};

    use super::*;

    #[test]
    fn what_is_ready_is_looked_at_and_now_and_then_everything_is() {
        let wakes = Wakes::new().unwrap();
        let (network, _kept) = pipe().unwrap();
        let (mailbox, rings) = pipe().unwrap();
        wakes.watch(Source::Network(0), network.as_fd()).unwrap();
        wakes.watch(Source::Mailbox, mailbox.as_fd()).unwrap();
        let all = [Source::Network(0), Source::Mailbox, Source::Hands, Source::Guardian];
        let found = |ready: Ready| -> Vec<Source> {
            all.into_iter().filter(|source| ready.has(*source)).collect()
        };
        assert_eq!(found(wakes.wait(Span::ZERO)), []);
        assert_eq!(found(Ready::ALL), all);
        write(&rings, b"x").unwrap();
        assert_eq!(found(wakes.wait(Span::secs(60))), [Source::Mailbox]);
        wakes.forget(mailbox.as_fd());
        assert_eq!(found(wakes.wait(Span::ZERO)), []);
    }
}
