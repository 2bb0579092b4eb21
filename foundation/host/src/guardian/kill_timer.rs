//! The kernel's own timer over the guardian: it kills even a stopped one.

use std::io;

use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use tsugi_vocabulary::Span;

/// The timer.
#[derive(Debug)]
pub struct KillTimer {
    timer: Timer,
}

impl KillTimer {
    /// A timer that does not run yet.
    ///
    /// # Errors
    /// The call failed.
    pub fn new() -> io::Result<Self> {
        let kill = SigevNotify::SigevSignal { signal: Signal::SIGKILL, si_value: 0 };
        Ok(Self { timer: Timer::new(ClockId::CLOCK_BOOTTIME, SigEvent::new(kill))? })
    }

    /// This process is killed after `span`, unless it sets the timer anew before.
    ///
    /// # Errors
    /// The call failed.
    pub fn arm(&mut self, span: Span) -> io::Result<()> {
        self.set(TimeSpec::from(span.to_std()))
    }

    /// This process is not killed.
    ///
    /// # Errors
    /// The call failed.
    pub fn disarm(&mut self) -> io::Result<()> {
        self.set(TimeSpec::new(0, 0))
    }

    fn set(&mut self, after: TimeSpec) -> io::Result<()> {
        Ok(self.timer.set(Expiration::OneShot(after), TimerSetTimeFlags::empty())?)
    }
}
