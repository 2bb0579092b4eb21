//! What passes between nodes, and between a node and its command line: proved, bounded, counted.
//!
//! - [`identity`]: who a node is; [`join`]: how another one comes in.
//! - [`listener`], [`client`]: requests and answers over mutual TLS 1.3.
//! - [`ways`]: which network a request takes.
//! - [`datagram`]: heartbeats, each with a MAC over all of it; [`lanes`]: which of them wait.
//! - [`control`]: what the command line asks of the agent of its machine.
//! - [`codec`]: numbers, bytes and texts in a body.
//!
//! *Invariant:* no length that arrives is believed before it was compared with a limit, and
//! nothing of a peer is read before it was proved who it is.

pub mod boot;
pub mod client;
pub mod codec;
pub mod control;
pub mod datagram;
pub mod dial;
pub mod files;
pub mod frame;
pub mod heard;
pub mod identity;
pub mod join;
pub mod lanes;
mod link;
pub mod listener;
pub mod refusal;
pub mod secret;
pub mod sequences;
pub mod serve;
mod slots;
mod sockets;
pub mod tls;
pub mod version;
pub mod ways;

#[cfg(test)]
mod corpus_tests;
