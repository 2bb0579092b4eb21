//! Decides what becomes of a call; never acts.
//!
//! Words: a *call* is one thing that a client asks of a service, under a *call id* that it keeps
//! for every retry. Its *content* is what it asks. A client tells with each call the *lowest*
//! serial that it has no answer to; all below is confirmed, and the *watermark* stands under it.

pub mod id;
pub mod limits;
pub mod mutant;
pub mod refusal;
