//! What must hold whatever has happened: a second pair of eyes. It knows promises and limits, and
//! nothing of how the table keeps them.

use std::collections::BTreeSet;

use crate::call::{Answer, Caller, Event, Order, Table};
use crate::id::CallId;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A call is in the queue and not waiting, or waits and is not in the queue.
    Queue(CallId),
    /// A call is not in the line of its order key.
    Line(CallId),
    /// A call is pending and the store is asked about it for another arrival.
    SoughtWhilePending(CallId),
    /// A call has more callers than may wait.
    Joined(CallId),
    /// A count is not what is there.
    Count {
        /// Of what.
        of: &'static str,
        /// What is counted.
        counted: usize,
        /// What there is.
        there: usize,
    },
    /// More is held than may be.
    Beyond {
        /// Of what.
        of: &'static str,
        /// What there is.
        there: usize,
        /// What may be.
        most: usize,
    },
    /// An answer is told, and nothing has said that it is durable.
    ToldUnkept(CallId),
    /// A program is to run, and no worker had room.
    RunUnasked(CallId),
    /// An answer is to be kept, and no program has ended.
    KeptUnended(CallId),
    /// A caller is answered twice at once.
    ToldTwice(Caller),
}

/// Everything that is wrong with a table; empty if nothing is. It looks at all that is pending.
#[must_use]
pub fn check(table: &Table) -> Vec<Fault> {
    table.faults()
}

/// Every order that cannot follow from an event; empty if all can. It looks at the orders alone,
/// so that an engine can ask it at every step.
#[must_use]
pub fn follows(event: &Event, orders: &[Order]) -> Vec<Fault> {
    let mut told = BTreeSet::new();
    orders.iter().filter_map(|order| unfounded(event, order, &mut told)).collect()
}

fn unfounded(event: &Event, order: &Order, told: &mut BTreeSet<Caller>) -> Option<Fault> {
    match order {
        Order::Answer(caller, ..) if !told.insert(*caller) => Some(Fault::ToldTwice(*caller)),
        Order::Answer(_, id, Answer::Reply(_)) => {
            (!is_durable(event, *id)).then_some(Fault::ToldUnkept(*id))
        }
        Order::Run(id, ..) => {
            let asked = matches!(event, Event::Room(_));
            let kept = matches!(event, Event::StartKept(of) if of == id);
            (!asked && !kept).then_some(Fault::RunUnasked(*id))
        }
        Order::Keep { id, .. } => {
            let ended = matches!(event, Event::Ended(of, ..) if of == id);
            (!ended).then_some(Fault::KeptUnended(*id))
        }
        // It is told later, and again once only.
        Order::Decode(caller, ..) => (!told.insert(*caller)).then_some(Fault::ToldTwice(*caller)),
        Order::Answer(..)
        | Order::Find(_)
        | Order::Start { .. }
        | Order::GiveUp(..)
        | Order::RollBack(..)
        | Order::Kill(..)
        | Order::KeepUnknown(_)
        | Order::Clear(_)
        | Order::Change(..)
        | Order::LeaveUnwritten(_)
        | Order::Drained
        | Order::End => None,
    }
}

/// Whether an event says that the store has an answer to this call.
fn is_durable(event: &Event, id: CallId) -> bool {
    match event {
        Event::Found(of, ..) | Event::Taken(of, ..) | Event::Cleared(of, _) => *of == id,
        Event::Committed(ids) => ids.contains(&id),
        Event::Arrived(_)
        | Event::Asked(..)
        | Event::Confirmed(..)
        | Event::Forgotten(..)
        | Event::Resolved(..)
        | Event::NotAsked(..)
        | Event::Room(_)
        | Event::StartKept(_)
        | Event::Ended(..)
        | Event::Interrupted(..)
        | Event::InDoubt(_)
        | Event::UnknownKept(_)
        | Event::Kept(..)
        | Event::NotKept(..)
        | Event::Purged(..)
        | Event::CallerGone(..)
        | Event::MoveBegan(_)
        | Event::Closed
        | Event::Woken => false,
    }
}
