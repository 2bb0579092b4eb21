//! Reading beside units of work, for services that only read: a session of its own, which writes
//! nothing and keeps nothing.

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
}

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
    /// store as it was then.
    ///
    /// # Errors
    /// [`Trouble::Refused`]: it writes, means nothing or was interrupted. All else: it could not
    /// be read, and what is read next is of another moment.
    pub fn view(&mut self, op: &Op) -> Result<Outcome, Trouble> {
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                let opened = Postgres::halted_by(&self.server, &self.claim, self.cancel.clone());
                none.insert(opened.map_err(|refused| Trouble::Away(refused.to_string()))?)
            }
        };
        if self.view == View::Closed {
            session.owned(Isolation::Reading)?;
            self.view = View::Open;
        }
        let read = session.read_only(op);
        if let Err(Trouble::Refused(_)) | Ok(_) = &read {
            return read;
        }
        self.view = View::Closed;
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
