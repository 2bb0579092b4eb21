//! How the core stands.

use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::worker::life::State;

use super::hall::Hall;
use super::pools::Desk;
use crate::figures::{Figures, OfService};

impl Hall {
    pub(super) fn figures(&self) -> Figures {
        let services = self.desks.iter().filter_map(|(number, desk)| self.of(*number, desk));
        let (pending, held) = (self.table.pending(), self.replies.len());
        let services = services.collect();
        let (awake, failover) = (self.awake.looked(), self.failover);
        Figures { pending, held, services, awake, failover }
    }

    fn of(&self, number: ServiceNumber, desk: &Desk) -> Option<OfService> {
        let ground = self.grounds.get(&number)?;
        let pending = self.table.pending_of(number);
        let mut of = OfService {
            number,
            name: desk.name.clone(),
            effects: ground.effects,
            open: ground.open.clone(),
            pending,
            ready: 0,
            busy: 0,
            starting: 0,
            ending: 0,
        };
        for (_, state) in desk.pool.workers() {
            match state {
                State::Starting { .. } => of.starting += 1,
                State::Ready => of.ready += 1,
                State::Busy(_) => of.busy += 1,
                State::Leaving { .. } | State::Killed { .. } | State::Gone { .. } => of.ending += 1,
            }
        }
        Some(of)
    }
}
