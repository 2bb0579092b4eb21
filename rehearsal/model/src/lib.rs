//! The lease protocol as a model: every order of beats, answers, losses, copies, delays, restarts,
//! releases, fences and pins within small bounds, around the functions that ship.
//!
//! [`Model`] is a [`Scene`] (which faults, how many beats, how long) with one rule taken away, or
//! none. A state holds a production `Holder` and `Voter` for each node. What the model adds is
//! what surrounds them: clocks that run at different rates, a wire, a ledger whose entries each
//! node applies when it likes, and a guardian that ends a run at its deadline by the node's own
//! clock. A paused node is one that takes no step for a while; every order of steps is explored.
//!
//! Invariants: two nodes never run the group at once; a run never begins after one of a newer
//! epoch has; a promise does not outlive its holder's deadline by more than a TTL and a delay.
//!
//! [`walk_disk`] does the same for the ledger on a shared disk: read by read and write by write.

mod acts;
mod check;
mod disk;
mod ground;
mod scenes;
mod state;

pub use check::{Found, Report, Whole, report, walk};
pub use disk::{DISK_TAKEN_AWAY, DiskFound, DiskScene, disk_scenes, walk_disk};
pub use scenes::{Scene, TAKEN_AWAY, TakenAway, scenes};
pub use state::{Model, State};
