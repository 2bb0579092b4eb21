//! What is written beside the calls, while no sitting is open: what is confirmed, forgotten,
//! resolved, started, unknown. What waits is one commit.

use std::sync::Arc;

use tokio::sync::oneshot;
use tsugi_service_rules::call::{Attempt, Caller, Change, Event, Interruption, Resolution};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Content, Serial};
use tsugi_service_rules::sitting::Left;
use tsugi_store::{self as store, Id, Store, Trouble};
use tsugi_vocabulary::Span;

use super::hall::Todo;
use super::{Core, left};
use crate::calls::Answer;
use crate::clock;
use crate::fatal::Fatal;
use crate::names;

/// How long is waited before what the store did not take is written again.
pub(super) const PAUSE: Span = Span::millis(100);

/// Something small that is written.
pub(crate) enum Small {
    /// A call will act outside the store.
    Start(CallId, Attempt, Box<Starts>),
    /// A call that acts outside the store was interrupted.
    Unknown(CallId),
    /// What is kept is changed.
    Change(CallId, Caller, Change),
    /// A service is blocked, or not any more; who is told.
    Block(ServiceNumber, Option<store::Block>, oneshot::Sender<Answer>),
}

/// What is written with a call that will act outside the store.
pub(crate) struct Starts {
    pub(crate) content: Content,
    pub(crate) request: store::Request,
}

/// Writes one small thing. Whether there was what is written about.
pub(super) fn write(
    store: &mut dyn Store,
    small: &Small,
    lowest: Serial,
    bytes: Option<&store::Reply>,
) -> Result<bool, Trouble> {
    let at = clock::wall_ms();
    match small {
        Small::Start(id, _, starts) => {
            let of = names::stored(*id, lowest);
            let call = store::Call { id: of, content: store::Content(starts.content.digest) };
            store.start(&call, &store::Request { at, ..starts.request.clone() })
        }
        Small::Unknown(id) => store.interrupted(&names::stored(*id, Serial::FIRST)),
        Small::Block(service, block, _) => store.block(i64::from(service.0), block.as_ref()),
        Small::Change(id, _, change) => {
            let of = names::stored(*id, Serial::FIRST);
            match (change, &of) {
                (Change::Forget, Id::Key(key)) => store.forget(key),
                // Only a key is forgotten.
                (Change::Forget, Id::Serial(_)) => Ok(false),
                (Change::Confirm, _) => store.confirm(&of, at),
                (Change::Resolve(Resolution::NotCarriedOut), _) => store.resolve(&of, None),
                (Change::Resolve(Resolution::Answered(_)), _) => store.resolve(&of, bytes),
            }
        }
    }
}

impl Core {
    /// Writes all that waits, as one commit, and tells what is durable.
    pub(super) fn write_small(&mut self) -> Result<(), Fatal> {
        let all: Vec<Small> = self.hall.small.drain(..).collect();
        let mut kept = Vec::with_capacity(all.len());
        for small in &all {
            match self.write_one(small) {
                Ok(written) => kept.push(written),
                Err(trouble) => return self.not_written(all, trouble),
            }
        }
        let committed = self.store.commit();
        self.hall.look_at_log();
        if let Err(trouble) = committed {
            return self.not_written(all, trouble);
        }
        for (small, written) in all.into_iter().zip(kept) {
            self.hall.on_written(small, written);
        }
        self.hall.settle()
    }

    /// Nothing of it is kept. What has not begun is told so, the rest is written a little later.
    fn not_written(&mut self, all: Vec<Small>, trouble: Trouble) -> Result<(), Fatal> {
        let why = trouble.to_string();
        let left = left(trouble)?;
        self.abandon()?;
        for small in all {
            match (small, left) {
                (Small::Start(id, attempt, _), _) => {
                    self.hall.start_over(id);
                    let why = match left {
                        Left::Full => Interruption::StoreFull(why.clone()),
                        Left::Savepoint | Left::Nothing => Interruption::SittingGone,
                    };
                    self.hall.todo.push_back(Todo::Table(Event::Interrupted(id, attempt, why)));
                }
                // A disk that is full may be so for long: whoever waits for it is told.
                (Small::Change(id, caller, _), Left::Full) => {
                    let why = why.clone();
                    self.hall.todo.push_back(Todo::Table(Event::NotKept(id, caller, why)));
                }
                (later, _) => self.hall.small.push_back(later),
            }
        }
        self.hall.small_after = clock::now() + PAUSE;
        self.hall.settle()
    }

    /// Whether there was what is written about.
    fn write_one(&mut self, small: &Small) -> Result<bool, Trouble> {
        let (lowest, bytes) = self.hall.beside(small);
        write(&mut *self.store, small, lowest, bytes.as_deref())
    }
}

impl super::hall::Hall {
    /// What is written with something small: the lowest serial of its call, the bytes of a reply.
    pub(super) fn beside(&self, small: &Small) -> (Serial, Option<Arc<store::Reply>>) {
        match small {
            Small::Start(id, ..) => {
                (self.table.asks(*id).map_or(Serial::FIRST, |asks| asks.lowest), None)
            }
            Small::Change(_, _, Change::Resolve(Resolution::Answered(reply))) => {
                (Serial::FIRST, self.replies.get(&reply.bytes).cloned())
            }
            Small::Change(..) | Small::Unknown(_) | Small::Block(..) => (Serial::FIRST, None),
        }
    }

    /// It is durable, or there was nothing that it could be written about.
    pub(super) fn on_written(&mut self, small: Small, written: bool) {
        match small {
            Small::Start(id, attempt, _) => {
                self.start_over(id);
                if written {
                    self.todo.push_back(Todo::Table(Event::StartKept(id)));
                } else if let Some((stored, row)) = self.seen(id) {
                    let taken = Event::Taken(id, attempt, stored, row);
                    self.todo.push_back(Todo::Table(taken));
                }
            }
            Small::Unknown(id) => {
                self.todo.push_back(Todo::Table(Event::UnknownKept(id)));
                self.unknown_have_changed();
            }
            Small::Change(id, caller, change) => {
                self.todo.push_back(Todo::Table(Event::Kept(id, caller, change)));
                if let Change::Resolve(_) = change {
                    self.unknown_have_changed();
                }
                if let Change::Resolve(Resolution::Answered(reply)) = change {
                    self.replies.remove(&reply.bytes);
                }
            }
            Small::Block(_, _, tell) => self.is_blocked(tell),
        }
    }

    /// What waits to be written of a call is not written any more.
    pub(super) fn leave_unwritten(&mut self, id: CallId) {
        let replies = &mut self.replies;
        self.small.retain(|small| match small {
            Small::Start(of, ..) | Small::Unknown(of) => *of != id,
            Small::Block(..) => true,
            Small::Change(of, _, change) => {
                if let (Change::Resolve(Resolution::Answered(reply)), true) = (change, *of == id) {
                    replies.remove(&reply.bytes);
                }
                *of != id
            }
        });
        self.start_over(id);
    }

    /// That a call will act outside is not being made durable any more.
    pub(super) fn start_over(&mut self, id: CallId) {
        let service = self.table.asks(id).map(|asks| asks.service);
        match service.and_then(|number| self.desks.get_mut(&number)) {
            Some(desk) => desk.starting = false,
            // It has left the table meanwhile: whoever is starting says so again.
            None => self.desks.values_mut().for_each(|desk| desk.starting = false),
        }
    }
}
