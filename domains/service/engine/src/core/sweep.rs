//! The rows of files that were made anew or taken away: swept in portions, beside the calls.

use tsugi_store::{Store, Trouble, file};
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
        let swept = swept(&mut *self.store);
        self.hall.look_at_log();
        let was = match swept {
            Ok(was) => Some(was),
            Err(trouble) => {
                left(trouble)?;
                self.abandon()?;
                None
            }
        };
        self.hall.sweep_at = next(clock::now(), was);
        Ok(())
    }
}

/// Takes a portion away. Whether there was one.
pub(super) fn swept(store: &mut (impl Store + ?Sized)) -> Result<file::Was, Trouble> {
    let mut unit = store.aside()?;
    let was = file::Files::of(&mut *unit).sweep(ROWS)?;
    match was {
        file::Was::There => {
            unit.keep()?;
            store.commit()?;
        }
        file::Was::Missing => {
            drop(unit);
            store.abandon()?;
        }
    }
    Ok(was)
}

/// When the next portion is due, after this one; none was taken where the store took nothing.
pub(super) fn next(now: Moment, was: Option<file::Was>) -> Option<Moment> {
    match was {
        Some(file::Was::There) => Some(now + PAUSE),
        Some(file::Was::Missing) => None,
        None => Some(now + LATER),
    }
}

impl Hall {
    /// Whether a portion may be taken away now.
    pub(super) fn may_sweep(&self) -> bool {
        self.sweep_at.is_some_and(|at: Moment| at <= clock::now())
    }
}
