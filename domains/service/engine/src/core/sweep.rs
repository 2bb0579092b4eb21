//! The rows of files that were made anew or taken away: swept in portions, beside the calls.

use tsugi_store::{Trouble, file};
use tsugi_vocabulary::{Moment, Span};

use super::hall::Hall;
use super::{Core, left};
use crate::clock;
use crate::fatal::Fatal;

/// How many rows of each table a portion has: what one commit of calls has, about.
const ROWS: i64 = 256;
/// How long is waited between two portions: the writer is the calls'.
const PAUSE: Span = Span::millis(20);
/// How long is waited after a store took nothing.
const LATER: Span = Span::secs(1);

impl Core {
    /// Takes a portion of what is over away, as one commit.
    pub(super) fn sweep(&mut self) -> Result<(), Fatal> {
        self.hall.sweep_at = match self.swept() {
            Ok(file::Was::There) => Some(clock::now() + PAUSE),
            Ok(file::Was::Missing) => None,
            Err(trouble) => {
                left(trouble)?;
                self.abandon()?;
                Some(clock::now() + LATER)
            }
        };
        Ok(())
    }

    fn swept(&mut self) -> Result<file::Was, Trouble> {
        let mut unit = self.store.aside()?;
        let was = file::Files::of(&mut *unit).sweep(ROWS)?;
        match was {
            file::Was::There => {
                unit.keep()?;
                self.store.commit()?;
                self.hall.look_at_log();
            }
            file::Was::Missing => {
                drop(unit);
                self.store.abandon()?;
            }
        }
        Ok(was)
    }
}

impl Hall {
    /// Whether a portion may be taken away now.
    pub(super) fn may_sweep(&self) -> bool {
        self.sweep_at.is_some_and(|at: Moment| at <= clock::now())
    }
}
