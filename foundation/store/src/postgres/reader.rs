//! Reading beside units of work, for services that only read: a session of its own, which writes
//! nothing and keeps nothing.

use super::unit::halted;
use super::{Cancel, Isolation, Postgres};
use crate::{Claim, Op, Outcome, Trouble};

/// Reads of one moment, one after the other. It belongs to one thread, which waits for the server;
/// its session is opened when it is asked first.
pub struct PostgresReader {
    server: String,
    claim: Claim,
    cancel: Cancel,
    session: Option<Postgres>,
    view: View,
}

/// Whether what is read is of one moment with what was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Closed,
    Open,
    /// It was open, and went with the session of a statement that was to be ended.
    Gone,
}

/// Why nothing more is read for a call then.
const GONE: &str = "what it has read until now was of a session that is ended";

impl PostgresReader {
    /// One of the run that has claimed a store on a server.
    #[must_use]
    pub fn new(server: &str, claim: &Claim) -> Self {
        let (server, claim) = (server.to_owned(), claim.clone());
        Self { server, claim, cancel: Cancel::default(), session: None, view: View::Closed }
    }

    /// What ends a statement that does not end by itself, from another thread.
    #[must_use]
    pub fn interrupt(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Runs an operation that reads. All from the first to [`PostgresReader::release`] see the
    /// store as it was then; once one was interrupted, nothing more is read until then.
    ///
    /// # Errors
    /// [`Trouble::Refused`]: it writes, means nothing or was interrupted. All else: it could not
    /// be read, and what is read next is of another moment.
    pub fn view(&mut self, op: &Op) -> Result<Outcome, Trouble> {
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                let opened = Postgres::another(&self.server, &self.claim);
                none.insert(opened.map_err(|refused| Trouble::Away(refused.to_string()))?)
            }
        };
        match self.view {
            View::Closed => session.owned(Isolation::Reading)?,
            View::Open => {}
            View::Gone => return Err(Trouble::Refused(halted(GONE.to_owned()))),
        }
        let read = session.read_only(op, &self.cancel);
        self.view = match &read {
            Ok(_) | Err(Trouble::Refused(_)) if session.is_in_unit() => View::Open,
            Ok(_) | Err(Trouble::Refused(_)) => View::Gone,
            Err(_) => View::Closed,
        };
        read
    }

    /// Ends what [`PostgresReader::view`] has begun.
    pub fn release(&mut self) {
        if let (View::Open, Some(session)) = (self.view, &mut self.session) {
            session.roll_back();
        }
        self.view = View::Closed;
    }
}
