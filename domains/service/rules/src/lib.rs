//! Decides what becomes of a call; never acts.
//!
//! Words: a *call* is one thing that a client asks of a service, under a *call id* that it keeps
//! for every retry. Its *content* is what it asks. A client tells with each call the *lowest*
//! serial that it has no answer to; all below is confirmed, and the *watermark* stands under it.
//! What is *pending* is in memory only; what is *final* is in the store, with its effects. A call
//! of a service that acts outside the store is *unknown* once it was interrupted, until somebody
//! *resolves* it. A *sitting* is what the one writer commits together.
//!
//! Entry: [`call::Table::step`] takes one event at a time and answers with orders. The daemon and
//! the simulator drive the same function; nothing here reads a clock, hashes or draws a number.
//!
//! Invariants: a call is run only when the store has nothing under its id and its client has not
//! confirmed it; an answer is told only after it is durable and before the last moment; the same
//! id with another content is refused; what is unknown stays so until it is resolved; everything
//! that is held in memory has a limit.

pub mod abroad;
pub mod call;
pub mod check;
pub mod epoch;
pub mod ground;
pub mod id;
pub mod inquiry;
pub mod limits;
pub mod mutant;
pub mod nested;
pub mod package;
pub mod refusal;
pub mod sitting;
pub mod stored;
pub mod width;
pub mod worker;
