//! A switch of taps that can be as bad as a real one: loss, delay, jitter, copies, one-way cuts.
//!
//! What happens to the n-th frame of a port is a function of the seed, the port and n alone, so a
//! seed repeats a bad network. The switch also writes down who answered for which address.

mod claim;
mod faults;
mod frame;
mod switch;
mod wire;

pub use claim::{Claim, ClaimKind};
pub use faults::{Draw, Faults};
pub use switch::{PortId, Segment};
pub use wire::{Wire, in_namespace};
