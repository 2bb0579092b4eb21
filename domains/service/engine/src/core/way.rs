//! How the core reaches its store.

use tsugi_service_rules::ground::ServiceNumber;

use super::parallel::Sent;
use crate::open::Reads;

/// How the store is asked, and what a run of a call begins with.
pub(super) enum Way {
    /// Beside its one writer, by the thread that writes: at once. A run begins with its program.
    Beside(Box<dyn Reads>),
    /// By sessions in threads of their own, which answer by letters. A run begins with its row.
    Sessions(Sent),
}

impl Way {
    /// Whether a call of a service may begin that has room for so many, beside so many others.
    pub(super) fn takes(
        &self,
        service: ServiceNumber,
        room: usize,
        beside: impl FnOnce() -> usize,
    ) -> bool {
        match self {
            Self::Beside(_) => true,
            Self::Sessions(sent) => sent.takes(service, room, beside()),
        }
    }
}
