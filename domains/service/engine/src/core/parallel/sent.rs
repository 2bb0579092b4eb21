//! What the hall and the sessions have for each other, and when another call may begin.

use std::collections::{BTreeMap, VecDeque};

use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::width::Width;

use super::super::{Found, Listing};
use super::session::Said;

/// Whether the store is there, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Yes,
    /// Somebody looks whether it is. Nothing begins meanwhile.
    LookedFor,
}

/// What the hall and the sessions have for each other.
pub(in crate::core) struct Sent {
    /// Of sessions and whoever else is at the store.
    pub(in crate::core) said: VecDeque<Said>,
    /// The ids that the store is to be asked about.
    pub(in crate::core) finds: VecDeque<CallId>,
    /// What is to be told of unknown calls.
    pub(in crate::core) listings: VecDeque<Listing>,
    /// Runs that have no session yet.
    pub(super) opening: VecDeque<Run>,
    /// Runs whose row is not claimed yet: each will need a worker.
    begun: BTreeMap<Run, ServiceNumber>,
    /// How many sessions have no unit of work.
    pub(super) free: usize,
    /// How many calls of a service run beside each other, where they meet.
    widths: BTreeMap<ServiceNumber, Width>,
    most: usize,
    there: There,
}

impl Sent {
    pub(super) fn of(sessions: usize) -> Self {
        Self {
            said: VecDeque::new(),
            finds: VecDeque::new(),
            listings: VecDeque::new(),
            opening: VecDeque::new(),
            begun: BTreeMap::new(),
            free: sessions,
            widths: BTreeMap::new(),
            most: sessions,
            there: There::Yes,
        }
    }

    /// Whether a call of a service may begin that has room for so many, beside so many others.
    pub(in crate::core) fn takes(
        &self,
        service: ServiceNumber,
        room: usize,
        beside: usize,
    ) -> bool {
        if self.widths.get(&service).is_some_and(|width| beside >= width.now()) {
            return false;
        }
        let begun = self.begun.values().filter(|of| **of == service).count();
        self.there == There::Yes && self.free > self.opening.len() && room > begun
    }

    /// A run begins.
    pub(in crate::core) fn begins(&mut self, service: ServiceNumber, run: Run) {
        self.begun.insert(run, service);
        self.opening.push_back(run);
    }

    /// A run has its row, or will not have it.
    pub(super) fn has_begun(&mut self, run: Run) {
        self.begun.remove(&run);
        self.opening.retain(|opening| *opening != run);
    }

    /// A run that has something to say and no session needs one.
    pub(super) fn opens(&mut self, run: Run) {
        if !self.opening.contains(&run) {
            self.opening.push_back(run);
        }
    }

    /// A call of a service has met another, while so many of it were under way.
    pub(super) fn met(&mut self, service: ServiceNumber, beside: usize) {
        self.widths.entry(service).or_insert(Width::new(self.most)).met(beside);
    }

    /// A call of a service has come to its end.
    pub(super) fn kept(&mut self, service: ServiceNumber) {
        if let Some(width) = self.widths.get_mut(&service) {
            width.kept();
        }
    }

    /// Nothing begins until somebody has looked; there is work for him unless he is at it.
    pub(super) fn pause(&mut self) -> Found {
        match std::mem::replace(&mut self.there, There::LookedFor) {
            There::Yes => Found::Work,
            There::LookedFor => Found::Nothing,
        }
    }

    /// Whether the store is there, as far as is known.
    pub(super) fn is_there(&self) -> bool {
        self.there == There::Yes
    }

    pub(super) fn resume(&mut self) {
        self.there = There::Yes;
    }
}
