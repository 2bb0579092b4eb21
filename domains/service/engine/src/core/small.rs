//! What is written beside the calls, while no sitting is open: what is confirmed, forgotten,
//! started, unknown. What waits is one commit.

use tsugi_service_rules::call::{Caller, Change, Event};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_store::{Id, Trouble};

use super::{Core, left};
use crate::clock;
use crate::core::hall::Todo;
use crate::fatal::Fatal;
use crate::names;

/// Something small that is written.
pub(super) enum Small {
    /// What is kept is changed.
    Change(CallId, Caller, Change),
}

impl Core {
    /// Writes all that waits, as one commit, and tells what is durable.
    pub(super) fn write_small(&mut self) -> Result<(), Fatal> {
        let mut events = Vec::new();
        for small in std::mem::take(&mut self.hall.small) {
            match self.write_one(small) {
                Ok(event) => events.push(event),
                Err(trouble) => {
                    left(trouble)?;
                    return Err(Fatal::Broken("what is kept could not be changed".to_owned()));
                }
            }
        }
        if let Err(trouble) = self.store.commit() {
            left(trouble)?;
            return Err(Fatal::Broken("what is kept could not be changed".to_owned()));
        }
        self.hall.todo.extend(events.into_iter().map(Todo::Table));
        self.hall.settle()
    }

    fn write_one(&mut self, small: Small) -> Result<Event, Trouble> {
        match small {
            Small::Change(id, caller, change) => {
                let of = names::stored(id, Serial::FIRST);
                match (change, &of) {
                    (Change::Forget, Id::Key(key)) => {
                        self.store.forget(key)?;
                    }
                    (Change::Confirm, _) => {
                        self.store.confirm(&of, clock::wall_ms())?;
                    }
                    (Change::Forget | Change::Resolve(_), _) => {}
                }
                Ok(Event::Kept(id, caller, change))
            }
        }
    }
}
