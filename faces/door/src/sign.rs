//! What is open behind a door. It changes while the door stands: a store is handed over and taken
//! away, the door stays.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hyper::header::HeaderValue;
use nix::time::{ClockId, clock_gettime};
use tsugi_service_engine::{Calls, Settings};
use tsugi_service_rules::ground::Effects;
use tsugi_vocabulary::{Epoch, Span};

use crate::lines::Lines;

/// A service that is deployed, as callers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// Its name.
    pub name: String,
    /// What it does, in the words of its package; may be empty.
    pub summary: String,
    /// A JSON Schema of its body.
    pub body: serde_json::Value,
    /// A JSON Schema of its reply.
    pub reply: serde_json::Value,
    /// Where it acts.
    pub effects: Effects,
    /// Whether its calls say by what they are kept in order.
    pub order: Order,
}

/// Whether calls of a service are kept in order by something that they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// They are not.
    None,
    /// By the text of their header `Tsugi-Order`.
    Told,
}

/// Until when replies may be sent.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    /// In nanoseconds of the clock of leases.
    moment: Arc<AtomicU64>,
    /// How long before it answers end.
    guard: Span,
}

impl Last {
    /// At this moment, which may be moved; answers end so long before it.
    pub(crate) fn new(moment: Arc<AtomicU64>, guard: Span) -> Self {
        Self { moment, guard }
    }

    /// Whether it is too late to send.
    pub(crate) fn has_passed(&self) -> bool {
        let last = self.moment.load(Ordering::SeqCst).saturating_sub(self.guard.0);
        last != u64::MAX - self.guard.0 && now() >= last
    }

    /// Whether it is the same engine's.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.moment, &other.moment)
    }
}

/// Now, on the clock that leases are measured by.
fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has this clock");
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec())
}

/// An engine that is open here, as its door needs it.
#[derive(Clone)]
pub struct Open {
    pub(crate) calls: Calls,
    pub(crate) epoch: Epoch,
    pub(crate) epoch_header: HeaderValue,
    pub(crate) last: Last,
    pub(crate) body_most: u64,
    pub(crate) services: Arc<[Deployed]>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Open {
    /// What this engine, which was started by these settings, and these services are.
    #[must_use]
    pub fn new(calls: Calls, settings: &Settings, services: Vec<Deployed>) -> Self {
        Self {
            calls,
            epoch: settings.epoch,
            epoch_header: HeaderValue::from(settings.epoch.counter),
            last: Last::new(settings.last.clone(), settings.calls.guard),
            body_most: settings.calls.body,
            services: services.into(),
        }
    }

    /// Whether calls of a service are kept in order by what they say.
    pub(crate) fn keeps_order(&self, service: &str) -> bool {
        let asks = |of: &Deployed| of.name == service && of.order == Order::Told;
        self.services.iter().any(asks)
    }
}

/// Says what is open behind a door, and is turned by whoever opens and closes there. Its clones
/// are one sign.
#[derive(Clone)]
pub struct Sign {
    open: Arc<RwLock<Option<Arc<Open>>>>,
    lines: Arc<Lines>,
}

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sign").field(&self.now()).finish()
    }
}

impl Sign {
    pub(crate) fn new(lines: Arc<Lines>) -> Self {
        Self { open: Arc::default(), lines }
    }

    /// From now on calls go to this engine. Where another was open, it is closed first.
    pub fn open(&self, open: Open) {
        self.close();
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(open));
    }

    /// From now on calls are refused at once. Connections end when what they wait for is told, so
    /// that their callers look for whoever is open now.
    pub fn close(&self) {
        let was = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if was.is_some() {
            self.lines.end_all();
        }
    }

    pub(crate) fn now(&self) -> Option<Arc<Open>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
