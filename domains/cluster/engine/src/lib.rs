//! Carries out what the rules of the cluster decide: the agent of a node.
//!
//! [`standing`] is what the agent knows now, for faces to read. The core thread drives
//! `tsugi_cluster_rules::node::Node`; everything else here turns its orders into effects and the
//! world into its events.

pub mod config;
pub mod standing;
