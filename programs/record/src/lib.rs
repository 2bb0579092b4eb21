//! Lays out a COBOL record, reads that layout from source, and turns its bytes into JSON and back.
//!
//! Words: an *item* is what one data description entry describes; laid out it is a *field*
//! ([`field::Field`]). A *layout* is a record's fields with their places ([`field::Layout`]). A
//! *picture* says which characters an item has, its *usage* how they are stored.
//!
//! From a source to a call: [`source::read`] gives the layouts of a program's parameters,
//! [`probe::Probe`] has them proved by the compiler, [`parameters::Parameters`] turns a body into
//! records and records into an answer, and says what a body's content is.
//!
//! Invariants: what is not understood is refused with its line and never guessed; a number is
//! never held as a binary fraction on its way between bytes and text; a length is compared with
//! its limit before memory is taken.

pub mod code_page;
pub mod conversion;
pub mod decimal;
pub mod decode;
pub mod dialect;
pub mod encode;
pub mod entry;
pub mod field;
pub mod json;
pub mod layout;
pub mod module;
mod number;
pub mod parameters;
pub mod picture;
pub mod probe;
pub mod record;
pub mod refused;
pub mod source;
pub mod unfit;

pub use conversion::Conversion;
pub use record::{canonical, canonical_of, from_json, to_json};
