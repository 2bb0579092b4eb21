//! Carries out what the rules of the cluster decide: the agent of a node.
//!
//! [`agent`] puts it together. The core thread ([`core`]) drives
//! `tsugi_cluster_rules::node::Node`; everything else here turns its orders into effects
//! ([`errand`], [`datagrams`], [`records`]) and the world into its events. [`standing`] is what
//! the agent knows now, for faces to read; [`control`] is how they ask and order.

pub mod advice;
pub mod agent;
mod aside;
pub mod config;
pub mod contract;
pub mod control;
pub mod core;
pub mod datagrams;
pub mod errand;
pub mod fence;
pub mod figures;
pub mod logbook;
pub mod mirror;
pub mod monitor;
mod mounts;
pub mod parity;
pub mod records;
pub mod rehearsal;
pub mod reservation;
pub mod standing;
pub mod test_plan;
pub mod unit;
