//! A service as an engine is given it.

use std::sync::Arc;

use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::id::{Content, InterfaceNumber};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::worker::pool;

use crate::names;
use crate::worker::Nursery;

/// What a body says, whatever its bytes.
pub trait Equality: Send + Sync {
    /// The content of a body by the interface of now, or by a former one.
    ///
    /// # Errors
    /// It does not fit the interface, or nothing is known any more of a former one.
    fn content(
        &self,
        service: &str,
        body: &[u8],
        former: Option<InterfaceNumber>,
    ) -> Result<Content, Refusal>;
}

/// Two bodies say the same where they have the same bytes. There is one interface, for ever.
#[derive(Clone, Copy, Debug)]
pub struct SameBytes;

impl Equality for SameBytes {
    fn content(
        &self,
        service: &str,
        body: &[u8],
        _: Option<InterfaceNumber>,
    ) -> Result<Content, Refusal> {
        Ok(names::content(service, InterfaceNumber(1), body))
    }
}

/// A service.
pub struct Service {
    /// The store's number of it.
    pub number: ServiceNumber,
    /// Its name.
    pub name: Arc<str>,
    /// Whether it acts in the store only, and what its workers are to be like.
    pub workers: pool::Settings,
    /// When two bodies say the same.
    pub equality: Arc<dyn Equality>,
    /// Who bears its workers.
    pub nursery: Box<dyn Nursery>,
}

impl Service {
    /// Where it acts.
    #[must_use]
    pub const fn effects(&self) -> Effects {
        self.workers.effects
    }
}
