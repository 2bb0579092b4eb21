//! A package: programs, their interface, data to load, and a manifest with the hash of each, in
//! one file; written, examined, and laid on the shelf of a group's volume.
//!
//! Words: a *part* is one file of a package. An *id* is the hash of a package's manifest, which has
//! the hashes of all its parts: two packages with one id are the same. A *shelf* is the folder of a
//! volume in which packages lie, each as a folder that is named by its id.
//!
//! Invariants: nothing of a package is unpacked before all of it was examined; a length is compared
//! with its limit before memory or disk is taken; on a shelf a package has its final name only when
//! all of it is durable, and a death after any step leaves all of it or nothing.

pub mod archive;
pub mod assembly;
pub mod deploy;
pub mod deployed;
pub mod digest;
pub mod fit;
pub mod import;
pub mod interface;
pub mod limits;
pub mod manifest;
pub mod module;
pub mod refused;
pub mod shelf;
pub mod tables;

pub use digest::Digest;
pub use manifest::Manifest;
pub use refused::{Failed, Refused, Trouble};
