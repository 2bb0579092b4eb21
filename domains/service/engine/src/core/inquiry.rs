//! Unknown calls, for whoever asks a resolver about them.

use std::sync::Arc;

use tokio::sync::oneshot;
use tsugi_service_rules::call::{self, Arrival, Attempt};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::id::{CallId, Content, Serial};
use tsugi_service_rules::inquiry::IN_VIEW;
use tsugi_service_rules::refusal::Refusal;
use tsugi_store::{Request, Trouble};

use super::Waiter;
use super::hall::Hall;
use super::small::Starts;
use super::way::Way;
use crate::names;
use crate::open::Reads;

/// What a program is told as its keys for partners, beside the id of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The epoch of the group.
    pub(crate) epoch: u64,
    /// Which attempt.
    pub(crate) attempt: u32,
}

/// What is to be told of unknown calls, and whom. Where it cannot be read nobody is told: dropped,
/// that says so.
pub(crate) enum Listing {
    /// Those of a service.
    Unknown(ServiceNumber, oneshot::Sender<Vec<CallId>>),
    /// What one of them asks; none where it is not unknown.
    Request(CallId, oneshot::Sender<Option<Request>>),
}

/// How often a reading that met somebody else's lock is begun again.
const TRIES: usize = 3;

fn tried<T>(mut what: impl FnMut() -> Result<T, Trouble>) -> Option<T> {
    (0..TRIES).find_map(|_| what().ok())
}

impl Listing {
    /// Reads it and tells it. Who has gone meanwhile asks no more.
    pub(crate) fn tell(self, reads: &mut (impl Reads + ?Sized)) {
        match self {
            Self::Unknown(service, tell) => {
                let most = i64::try_from(IN_VIEW).unwrap_or(i64::MAX);
                let all = tried(|| reads.unknown_of(i64::from(service.0), most));
                if let Some(all) = all {
                    drop(tell.send(all.iter().filter_map(names::read).collect()));
                }
            }
            Self::Request(id, tell) => {
                let of = names::stored(id, Serial::FIRST);
                if let Some(request) = tried(|| reads.asked_of(&of)) {
                    drop(tell.send(request));
                }
            }
        }
    }
}

impl Hall {
    /// Some call is unknown now, or is not any more.
    pub(super) fn unknown_have_changed(&self) {
        if let Some(inquirer) = &self.inquirer {
            inquirer.send_replace(());
        }
    }

    /// Tells what is unknown, or has it told.
    pub(super) fn list(&mut self, listing: Listing) {
        match &mut self.way {
            Way::Beside(reads) => listing.tell(&mut **reads),
            Way::Sessions(sent) => sent.listings.push_back(listing),
        }
    }

    /// Has a resolver asked. One that does not only read is none: it would be a call of its own.
    pub(super) fn inquire(&mut self, arrival: Arrival, waiter: Waiter) {
        if self.only_reads(arrival.service) {
            return self.read_call(arrival, waiter);
        }
        self.wait_for(arrival.caller, waiter);
        let refusal = Refusal::NoSuchService { service: arrival.service.0.to_string() };
        self.answer(arrival.caller, call::Answer::Refused(refusal));
    }

    /// What a call has said is kept with its start, where it acts outside the store.
    pub(super) fn keep_said(&mut self, id: CallId, said: Arc<[u8]>) {
        let service = self.table.asks(id).map(|asks| asks.service);
        let ground = service.and_then(|number| self.grounds.get(&number));
        if ground.is_some_and(|ground| ground.effects == Effects::Outside) {
            self.said.insert(id, said);
        }
    }

    /// What is kept with a call that will act outside the store.
    pub(super) fn starts(&self, id: CallId, attempt: Attempt, content: Content) -> Starts {
        let service = self.table.asks(id).map_or(0, |asks| i64::from(asks.service.0));
        let epoch = i64::try_from(self.settings.epoch.counter).unwrap_or(i64::MAX);
        let body = self.said.get(&id).map(|said| said.to_vec()).unwrap_or_default();
        let (interface, attempt) = (i64::from(content.interface.0), i64::from(attempt.number));
        // When is written down as it is written.
        let request = Request { service, interface, epoch, attempt, at: 0, body };
        Starts { content, request }
    }
}
