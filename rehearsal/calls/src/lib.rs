//! Plays calls in a false world: stores, engines, workers and clients, with faults from a seed.
//!
//! What decides is the production's: the table of calls, the writer's sittings, ownership. Around
//! it everything is false. A store is on a volume, where a power loss leaves any prefix of what is
//! not synced and a sync fails once and is silent then; or on a server, where sessions go on
//! without their engine and a commit's answer may not come back. Engines are killed, stand still
//! and wake late, are moved with a grace or by force. Programs refuse, end abnormally, hang, and
//! speak after they were given up. Clients retry, send thrice, come minutes late, confirm early or
//! never, and come back in lives that are over. An engine dies at whichever step of a call a seed
//! names ([`step`]): after each there is a series that has seen it.
//!
//! Entry: [`run::series`]. What must hold is in `promises`, which knows nothing of the rules.

mod client;
pub mod coverage;
mod engine;
pub mod fault;
pub mod mutants;
mod promises;
mod queue;
mod rows;
pub mod run;
pub mod step;
mod store;
mod world;

pub use promises::Violation;
pub use world::Counts;
