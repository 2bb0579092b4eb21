//! Decides which node runs which group, when and why; never acts.
//!
//! Words: a *record* is what the ledger holds, typed ([`record::Record`]). A *sighting* is what a
//! node sees of another now ([`plan::Sight`]). A *plan* says for each group who is to own it and
//! why nobody else ([`plan::Plan`]). A *lease* is the right to act, in time; an *epoch* is the
//! number that makes a late actor harmless. A *desk* is what one node is doing with one group.
//!
//! Entry: [`node::Node::step`] takes one event at a time and answers with orders. The daemon and
//! the simulator drive the same function; nothing here reads a clock or draws a number.
//!
//! Invariants: a group has one owner an epoch; a node starts nothing of a group without an armed
//! lease on the epoch it starts; an order that must not leave before a record is durable is only
//! given when that record has come back as applied.

pub mod check;
pub mod command;
pub mod desk;
pub mod doctor;
pub mod drill;
pub mod figures;
pub mod lease;
pub mod mirror;
pub mod monitors;
pub mod mutant;
pub mod node;
pub mod ocf;
pub mod parity;
pub mod plan;
pub mod planner;
pub mod reason;
pub mod record;
pub mod refusal;
pub mod reservation;
pub mod restore;
pub mod spec;
pub mod start_kind;
pub mod timetable;
pub mod timing;
pub mod unit;
pub mod volume;
pub mod watch;
pub mod whatif;
