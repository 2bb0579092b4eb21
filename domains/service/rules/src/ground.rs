//! What a decision stands on beside the calls themselves: the time, the services, the store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Moment, Span};

use crate::refusal::Refusal;

/// The store's own number of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceNumber(pub u32);

/// Where a service acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effects {
    /// In the store only: a call that was interrupted left nothing and is run again.
    #[default]
    Store,
    /// Nowhere: it only reads the store. Its calls are in no table, nothing of them is kept, and a
    /// retry reads again.
    None,
    /// Outside of it too: that a call begins is durable before its program runs, and one that was
    /// interrupted is unknown.
    Outside,
}

/// A service as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it acts.
    pub effects: Effects,
    /// Whether it takes calls, and if not, why: blocked, not deployed, without workers.
    pub open: Result<(), Refusal>,
    /// How long a call that comes now is expected to wait for its turn.
    pub wait: Span,
}

/// What a decision stands on.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The time.
    pub now: Moment,
    /// Until when this engine may answer.
    pub last: Moment,
    /// The services, by number.
    pub services: &'a BTreeMap<ServiceNumber, Service>,
    /// Whether the store takes what is written, and if not, why.
    pub store: &'a Result<(), Refusal>,
}

impl Ground<'_> {
    /// The service of this number.
    ///
    /// # Errors
    /// [`Refusal::NoSuchService`].
    pub fn service(&self, number: ServiceNumber) -> Result<&Service, Refusal> {
        let none = || Refusal::NoSuchService { service: number.0.to_string() };
        self.services.get(&number).ok_or_else(none)
    }

    /// The service of this number, if it and the store take calls.
    ///
    /// # Errors
    /// What speaks against it, the refusal of the lowest number first: the store stands between
    /// what keeps a service from running at all and its workers.
    pub fn open(&self, number: ServiceNumber) -> Result<&Service, Refusal> {
        let service = self.service(number)?;
        let against = [service.open.as_ref().err(), self.store.as_ref().err()];
        let first = against.into_iter().flatten().min_by_key(|refusal| refusal.number());
        first.map_or(Ok(service), |refusal| Err(refusal.clone()))
    }
}
