//! Services that are closed: by what keeps them from running, or by an operator until he opens them
//! again, whatever ends meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;
use tsugi_service_rules::call::Event;
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::worker::pool;
use tsugi_store::Block;

use super::hall::{Hall, Todo};
use super::small::Small;
use crate::calls::Answer;
use crate::clock;

/// Which services operators have blocked, and what their callers are told.
pub(super) type Blocked = BTreeMap<ServiceNumber, Refusal>;

/// What is being changed here of what is blocked, and how often something was: what the store was
/// read to have before that is not taken for what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocking {
    under_way: u32,
    changes: u64,
}

/// Those that a store keeps.
pub(super) fn kept(all: Vec<(i64, Block)>) -> Blocked {
    let number = |service| u32::try_from(service).ok().map(ServiceNumber);
    all.into_iter().filter_map(|(service, block)| Some((number(service)?, told(&block)))).collect()
}

fn told(block: &Block) -> Refusal {
    Refusal::Blocked { by: block.who.clone(), reason: block.why.clone() }
}

impl Hall {
    /// A service cannot run for this reason, or can again. What an operator has blocked stays so.
    pub(super) fn open(&mut self, service: ServiceNumber, open: Result<(), Refusal>) {
        match open {
            Ok(()) => {
                self.settings.closed.remove(&service);
                self.todo.push_back(Todo::Pool(service, pool::Event::Woken));
            }
            Err(refusal) => drop(self.settings.closed.insert(service, refusal)),
        }
        self.look_what_is_open(service);
    }

    /// An operator blocks a service, or opens it. It is so at once, and he is told when it is kept.
    pub(super) fn block(
        &mut self,
        service: ServiceNumber,
        block: Option<Block>,
        tell: oneshot::Sender<Answer>,
    ) {
        match &block {
            Some(block) => drop(self.blocked.insert(service, told(block))),
            None => drop(self.blocked.remove(&service)),
        }
        self.blocking.under_way += 1;
        self.look_what_is_open(service);
        self.small.push_back(Small::Block(service, block, tell));
    }

    /// It is durable.
    pub(super) fn is_blocked(&mut self, tell: oneshot::Sender<Answer>) {
        self.blocking.under_way = self.blocking.under_way.saturating_sub(1);
        self.blocking.changes += 1;
        // Who has gone meanwhile has it as he wanted.
        drop(tell.send(Answer::Changed));
    }

    /// The store has these, read since so many changes were made here: another member may have
    /// blocked a service, or opened it.
    pub(super) fn blocks_are(&mut self, all: Vec<(i64, Block)>, since: Blocking) {
        if self.blocking.under_way > 0 || self.blocking != since {
            return;
        }
        let now = kept(all);
        let before = std::mem::replace(&mut self.blocked, now.clone());
        let of = |service: &ServiceNumber| before.get(service) != now.get(service);
        let changed: BTreeSet<ServiceNumber> =
            before.keys().chain(now.keys()).copied().filter(of).collect();
        for service in changed {
            self.look_what_is_open(service);
        }
    }

    fn look_what_is_open(&mut self, service: ServiceNumber) {
        let reasons = [&self.settings.closed, &self.blocked, &self.lacking.closed];
        let reason = reasons.into_iter().find_map(|closed| closed.get(&service)).cloned();
        // One whose workers were given up stays closed for that reason.
        let desk = self.desks.get(&service);
        let serves = desk.is_some_and(|desk| desk.pool.posture() == pool::Posture::Serving);
        if let Some(ground) = self.grounds.get_mut(&service).filter(|_| serves) {
            ground.open = reason.map_or(Ok(()), Err);
        }
        self.lacking.at = Some(clock::now());
        self.refuse_readings_of(service);
        self.todo.push_back(Todo::Table(Event::Woken));
    }
}
