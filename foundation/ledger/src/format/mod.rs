//! The bytes of everything the ledger writes or sends. Nothing of them belongs to a library.
//!
//! Each record begins with its format version. Numbers are little-endian; texts and bytes carry
//! their length before them, checked against what is there before anything is allocated.

mod bytes;
mod command;
mod refused;
mod seal;
mod sum;
mod view;

pub use bytes::Unreadable;
pub(crate) use bytes::{Reader, Writer};
pub(crate) use command::{read_command, read_outcome, write_command, write_outcome};
pub(crate) use refused::{read_voters_refused, write_voters_refused};
pub(crate) use seal::{seal, unseal};
pub(crate) use sum::crc32c;
pub(crate) use view::{read_view, write_view};

/// The format of every record that this build writes.
pub const FORMAT: u8 = 1;
