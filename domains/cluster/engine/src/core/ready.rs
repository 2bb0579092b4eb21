//! Which descriptors of the core have something to be read.

use nix::poll::PollFd;

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

/// What a wait found. The descriptors stand in the order of [`Source`], the networks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    bits: u64,
    networks: usize,
}

impl Ready {
    /// What `fds` say; nothing if the time was over.
    pub(super) fn of(fds: &[PollFd<'_>], networks: usize) -> Self {
        let any = |fd: &PollFd<'_>| fd.revents().is_none_or(|events| !events.is_empty());
        let bits = fds.iter().enumerate().filter(|(_, fd)| any(fd));
        let bits = bits.fold(0, |bits, (at, _)| bits | Self::bit(at));
        Self { bits, networks }
    }

    /// Everything: now and then, so that what waits to be sent again, or rang without a sound, is
    /// found as well.
    pub(super) const fn all(networks: usize) -> Self {
        Self { bits: u64::MAX, networks }
    }

    const fn bit(at: usize) -> u64 {
        // More descriptors than bits share the last one and are looked at together.
        1 << if at < 63 { at } else { 63 }
    }

    /// Whether `source` is to be looked at.
    pub(super) const fn has(self, source: Source) -> bool {
        let at = match source {
            Source::Network(network) => network,
            Source::Mailbox => self.networks,
            Source::Hands => self.networks + 1,
            Source::Links => self.networks + 2,
            Source::Guardian => self.networks + 3,
        };
        self.bits & Self::bit(at) != 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::poll::{PollFlags, poll};
    use nix::unistd::{pipe, write};

    use super::*;

    #[test]
    fn what_is_ready_is_looked_at_and_now_and_then_everything_is() {
        let (network, _kept) = pipe().unwrap();
        let (mailbox, rings) = pipe().unwrap();
        let all = [Source::Network(0), Source::Mailbox, Source::Hands, Source::Guardian];
        let look = || {
            let mut fds = [&network, &mailbox].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
            poll(&mut fds, 0u8).unwrap();
            Ready::of(&fds, 1)
        };
        let silence = look();
        assert!(!all.into_iter().any(|source| silence.has(source)));
        let now_and_then = Ready::all(1);
        assert!(all.into_iter().all(|source| now_and_then.has(source)));
        write(&rings, b"x").unwrap();
        let rung = look();
        let found: Vec<Source> = all.into_iter().filter(|source| rung.has(*source)).collect();
        assert_eq!(found, [Source::Mailbox]);
    }
}
