//! The message catalogue in Japanese and English, one typed function a message.
//!
//! Every text a person reads is data in `catalogue/`: messages with a number (`TSUG10101-I`), what
//! the system did and what the operator does, in one file an area; and phrases without a number
//! (headings, labels, the talk of a command) in `phrases.toml`. The functions of this crate are
//! made from that data when it is built, so a caller cannot leave out a variable or a language.
//!
//! **Invariant:** a number is never reused, not even after its entry is gone.

mod columns;
mod entry;
mod language;
mod message;

pub use columns::{Column, Table, cut, pad, width, wrap};
pub use entry::{Both, Entry, PhraseEntry, Severity, Variable, VariableKind, all, lookup, phrases};
pub use language::{Language, UnknownLanguage};
pub use message::{Message, Phrase, Recorded};

mod generated {
    //! One function a message.
    use std::fmt::Display;

    use crate::entry::ENTRIES;
    use crate::message::Message;

    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}
pub use generated::*;

pub mod phrase {
    //! One function a phrase: user-visible words that are no message.
    use std::fmt::Display;

    use crate::entry::PHRASES;
    use crate::message::Phrase;

    include!(concat!(env!("OUT_DIR"), "/phrases.rs"));
}
