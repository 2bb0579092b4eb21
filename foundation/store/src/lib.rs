//! The work's record: units of work on SQLite and PostgreSQL, each fenced by its epoch.
//!
//! *Store*: business rows, and the proof that the work was done, in one transaction. *Unit of
//! work*: all that one call does in the store; it commits or is gone. *Sitting*: the units that
//! the one writer of SQLite commits together. *Reply*: what a call was answered, kept with its
//! effects. *Watermark*: at or under it a serial that is not stored has expired. *Tombstone*: that
//! a key was used. *File*: records in the order of their keys ([`file`]).
//!
//! Invariant: a reply and the effects of its unit of work are there together or not at all.
//! Invariant: a call id has one content and is carried out once; the store itself is the judge.
//! Invariant: no unit of work is committed under an epoch lower than one that the store has seen.
//! Invariant: after a failed commit or sync nothing is told any more by that [`Store`].

mod block;
mod claim;
pub mod file;
mod id;
mod migrate;
mod op;
mod package;
#[cfg(feature = "pg")]
mod postgres;
mod reply;
mod request;
mod seen;
mod sqlite;
mod statement;
mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod trouble;

pub use block::Block;
pub use claim::Claim;
pub use id::{Client, Content, Id, IdRefused, Key, Serial};
pub use op::{LARGEST_OUTCOME, Op, Outcome, Row, Value};
pub use package::{Package, Packages, Stands};
#[cfg(feature = "pg")]
pub use postgres::{Asynchronous, Cancel, Failover, Opening, Postgres, PostgresReader};
pub use reply::{Ending, Reply, Stored};
pub use request::Request;
pub use seen::{Kept, LifeSeen, Meant, Seen};
pub use sqlite::{
    Checkpointed, Checkpoints, Faults, Interrupt, Known, Looked, Reader, Readers, Sqlite,
};
#[cfg(any(test, feature = "suite"))]
pub use sqlite::{Moment, Plan};
pub use statement::dollars;
pub use store::{
    Begun, Call, Change, Cursor, Finished, Look, Nested, Portion, Purged, Seat, Store, Work,
};
pub use trouble::{OpenRefused, SqlError, Trouble};
