//! A false world: clock, wire, ledger, disk, host and fence, with faults from a seed.
//!
//! One thread, one heap of events, no real time: the same seed gives the same trace, to the bit.
//! The nodes in it are the production machine `tsugi_cluster_rules::node::Node`; everything
//! around them is here. What can be seen from outside is told to a [`Witness`].

mod chance;
mod disk;
mod fault;
mod host;
mod ledger;
mod scene;
mod world;

pub use chance::Chance;
pub use fault::{Cast, Fault, FaultKind, draw_faults};
pub use scene::{Devices, LedgerOn, Neighbours, Scene, SceneGroup};
pub use world::{Accepted, Asked, Counts, DISK, Entitled, Promised, Seen, Witness, World};
