//! Letters to the core, and how it waits for them and for its workers together.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::{TimeSpec, TimeValLike as _};
use tsugi_vocabulary::{Moment, Span};
use tsugi_worker::Awake;

use crate::clock;
use crate::worker::Wants;

/// No wait is longer, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// What is known of descriptors since they were heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// One of them is ready.
    Ready,
    /// None of them was.
    Quiet,
    /// Nobody has looked.
    No,
}

/// Letters of one kind, to one reader.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    letters: Mutex<Option<Vec<T>>>,
    bell: EventFd,
    /// Whether the reader waits, or is about to: who finds it so rings.
    waits: AtomicBool,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let bell = bell.expect("a descriptor is left when an engine starts");
        Self { letters: Mutex::new(Some(Vec::new())), bell, waits: AtomicBool::new(false) }
    }

    /// Puts a letter in; gives it back where nobody reads any more.
    pub(crate) fn put(&self, letter: T) -> Result<(), T> {
        {
            let mut letters = self.letters.lock().expect("no reader dies with the lock");
            match &mut *letters {
                Some(letters) => letters.push(letter),
                None => return Err(letter),
            }
        }
        if self.waits.swap(false, Ordering::SeqCst) {
            // A counter that is full rings as well.
            self.bell.write(1).ok();
        }
        Ok(())
    }

    /// Takes what has come.
    pub(crate) fn take(&self) -> Vec<T> {
        let mut letters = self.letters.lock().expect("no writer dies with the lock");
        letters.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes no more letters; gives what is left.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut letters = self.letters.lock().expect("no writer dies with the lock");
        letters.take().unwrap_or_default()
    }

    /// Waits until a letter is there, a descriptor is ready or the moment has come; a while awake,
    /// where that is said.
    pub(crate) fn wait(
        &self,
        fds: &[(BorrowedFd<'_>, Wants)],
        until: Option<Moment>,
        awake: Option<&mut Awake>,
    ) -> Polled {
        let mut all = vec![PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
        all.extend(fds.iter().map(|(fd, wants)| {
            let flags = match wants {
                Wants::Words => PollFlags::POLLIN,
                Wants::Room => PollFlags::POLLOUT,
            };
            PollFd::new(*fd, flags)
        }));
        // Nobody rings meanwhile.
        let found = awake.and_then(|awake| awake.wait(|| self.look(&mut all[1..], until)));
        if let Some(polled) = found {
            return polled;
        }
        self.waits.store(true, Ordering::SeqCst);
        let some = |letters: &Option<Vec<T>>| letters.as_ref().is_none_or(|all| !all.is_empty());
        if some(&self.letters.lock().expect("no writer dies with the lock")) {
            self.waits.store(false, Ordering::SeqCst);
            return Polled::No;
        }
        let rest = until.map_or(Span(LONGEST), |until| until.since(clock::now()));
        let rest = i64::try_from(rest.0.min(LONGEST)).unwrap_or(0);
        // One that was interrupted looks again, as one does whose time has come.
        let polled = ppoll(&mut all, Some(TimeSpec::nanoseconds(rest)), None);
        self.waits.store(false, Ordering::SeqCst);
        let mut ready = all.iter().map(|fd| fd.any().unwrap_or(true));
        // Rung after this look, it ends the next wait.
        if ready.next() == Some(true) {
            self.bell.read().ok();
        }
        match polled {
            Ok(_) if ready.any(|ready| ready) => Polled::Ready,
            Ok(_) => Polled::Quiet,
            Err(_) => Polled::No,
        }
    }

    /// What there is without a wait.
    fn look(&self, fds: &mut [PollFd<'_>], until: Option<Moment>) -> Option<Polled> {
        // Where somebody has the lock just now, the next look finds what is put in.
        let letters = self.letters.try_lock();
        if letters.is_ok_and(|letters| letters.as_ref().is_none_or(|all| !all.is_empty())) {
            return Some(Polled::No);
        }
        if poll(fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
            return Some(Polled::Ready);
        }
        until.is_some_and(|until| until <= clock::now()).then_some(Polled::Quiet)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_letter_ends_the_wait_and_none_is_lost() {
        let inbox = Arc::new(Inbox::new());
        let sender = inbox.clone();
        let sends = std::thread::spawn(move || {
            for n in 0..20_000_u32 {
                sender.put(n).expect("it is open");
            }
        });
        let begun = Instant::now();
        let mut read = Vec::new();
        while read.len() < 20_000 {
            inbox.wait(&[], None, None);
            read.extend(inbox.take());
            assert!(begun.elapsed() < Duration::from_secs(50), "a bell was lost");
        }
        sends.join().expect("it ends");
        assert_eq!(read, (0..20_000).collect::<Vec<_>>());
        assert!(inbox.close().is_empty());
        assert_eq!(inbox.put(1), Err(1), "nobody reads");
    }

    #[test]
    fn a_wait_ends_at_its_moment() {
        let inbox = Inbox::<()>::new();
        let begun = clock::now();
        inbox.wait(&[], Some(begun + Span::millis(3)), None);
        assert!(clock::now() >= begun + Span::millis(3));
    }
    #[test]
    fn who_waits_awake_sees_letters_words_and_the_end_of_who_would_say_them() {
        let mut awake = Awake::on(2);
        let inbox = Inbox::new();
        let (from, to) = nix::unistd::pipe().expect("there are descriptors");
        let fds = [(from.as_fd(), Wants::Words)];
        inbox.put(1).expect("it is open");
        assert_eq!(inbox.wait(&fds, None, Some(&mut awake)), Polled::No);
        assert_eq!(inbox.take(), [1]);
        let past = clock::now();
        assert_eq!(inbox.wait(&fds, Some(past), Some(&mut awake)), Polled::Quiet);
        nix::unistd::write(&to, b"word").expect("there is room");
        assert_eq!(inbox.wait(&fds, None, Some(&mut awake)), Polled::Ready);
        nix::unistd::read(&from, &mut [0; 4]).expect("it was written");
        drop(to);
        assert_eq!(inbox.wait(&fds, None, Some(&mut awake)), Polled::Ready, "it is gone");
        assert_eq!(awake.looked(), 4);
    }
}
