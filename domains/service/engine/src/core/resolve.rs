//! Calls of which nobody knows whether they were carried out, as an operator decides about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_service_rules::call::{Caller, Event, Resolution};
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::stored::{self, Stored};

use super::Waiter;
use super::hall::{Hall, Todo};
use crate::calls::Resolved;

/// The replies that operators have given, by who waits to hear that one is kept: of which call, and
/// its number. One that is refused is held no longer than until that is told.
pub(super) type Resolving = BTreeMap<Caller, (CallId, u64)>;

impl Hall {
    /// An operator says what an unknown call counts as.
    pub(super) fn resolve(&mut self, id: CallId, caller: Caller, said: Resolved, waiter: Waiter) {
        let said = match said {
            Resolved::NotCarriedOut => Resolution::NotCarriedOut,
            Resolved::Answered(reply) => {
                let ending = super::seen::read(reply.ending);
                let bytes = self.number(*reply);
                self.resolving.insert(caller, (id, bytes));
                Resolution::Answered(stored::Reply { ending, bytes })
            }
        };
        self.wait_for(caller, waiter);
        self.todo.push_back(Todo::Table(Event::Resolved(id, caller, said)));
    }

    /// A reply is of the interface that its call was read by: retries are compared by that.
    pub(super) fn is_of_its_calls_interface(&mut self, event: &Event) {
        let Event::Found(id, Stored::Unknown(of), _) = event else { return };
        for (_, bytes) in self.resolving.values().filter(|(resolved, _)| resolved == id) {
            if let Some(reply) = self.replies.get_mut(bytes) {
                Arc::make_mut(reply).interface = i64::from(of.interface.0);
            }
        }
    }

    /// Whoever decided is told: what he gave is kept by now, or never will be.
    pub(super) fn has_resolved(&mut self, caller: Caller) {
        if let Some((_, bytes)) = self.resolving.remove(&caller) {
            self.replies.remove(&bytes);
        }
    }
}
