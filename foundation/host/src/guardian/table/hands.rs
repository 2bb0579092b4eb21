//! What the hands alone write into the table and ask of it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{Ordering, fence};

use tsugi_vocabulary::{Epoch, GroupName, Moment};

use super::{ProgramWords, Slot, State, Table, name_bytes, number_of};
use crate::process::ProgramId;

impl Table {
    /// Whether `group` is guarded under exactly `epoch` and its deadline lies ahead of `now`.
    pub fn lease_runs(&self, group: &str, epoch: Epoch, now: Moment) -> bool {
        let armed = |slot: &Slot| (slot.state(), slot.epoch()) == (State::Armed, epoch);
        self.slot_of(group).is_some_and(|slot| armed(slot) && slot.deadline() > now)
    }

    /// Makes a call on what is mounted at `dir`, or is to be. A release that begins meanwhile waits
    /// for its end; whether one had begun before is to be asked within it. None where so many calls
    /// are under way that this one could not be told, and is not made.
    pub fn calling<T>(&self, dir: &Path, call: impl FnOnce() -> T) -> Option<T> {
        let number = number_of(dir);
        let free = |slot: &&Slot| {
            slot.call.compare_exchange(0, number, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let told = self.slots().iter().find(free)?;
        fence(Ordering::SeqCst);
        let outcome = call();
        told.call.store(0, Ordering::Release);
        Some(outcome)
    }

    /// The place whose group has `address`, as far as it still matters.
    pub fn slot_with(&self, address: IpAddr) -> Option<&'static Slot> {
        let known = self.slots().iter().filter(|slot| slot.state() != State::Free);
        let has = |slot: &&Slot| slot.read().is_some_and(|arm| arm.addresses.contains(&address));
        let mut having = known.filter(has);
        // Guarded is what counts if the address has moved from one group to another.
        let first = having.next();
        let armed = having.find(|slot| slot.state() == State::Armed);
        armed.or(first)
    }

    /// Who the processes of this node are.
    pub fn set_family(&self, agent: Option<u32>, agent_user: u32) {
        self.shared.agent.store(agent.map_or(0, u64::from), Ordering::Relaxed);
        self.shared.agent_user.store(u64::from(agent_user), Ordering::Relaxed);
    }

    /// How the watchdog took its food when it was last fed.
    pub fn watchdog(&self) -> Fed {
        match self.shared.watchdog.load(Ordering::Relaxed) {
            0 => Fed::Never,
            1 => Fed::Taken,
            _ => Fed::Refused,
        }
    }

    /// Notes a program of a group; one too many is known by its cgroup or mark only.
    pub fn enter(&self, id: ProgramId, group: &GroupName) {
        let free = |program: &&ProgramWords| program.pid.load(Ordering::Relaxed) == 0;
        if let Some(place) = self.shared.programs.iter().find(free) {
            place.group.store(&name_bytes(group.as_str()));
            place.started.store(id.started, Ordering::Relaxed);
            place.pid.store(u64::from(id.pid), Ordering::Release);
        }
    }

    /// Forgets a program that has ended.
    pub fn leave(&self, id: ProgramId) {
        for place in &self.shared.programs {
            if place.pid.load(Ordering::Relaxed) == u64::from(id.pid) {
                place.pid.store(0, Ordering::Release);
            }
        }
    }
}

/// How the watchdog took its food.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// There is none, or the guardian has not begun.
    Never,
    /// It works.
    Taken,
    /// It could not be used.
    Refused,
}
