//! What a program says for people to read later: outside of its call's unit of work.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// Something for the log of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A program has logged a line.
    Said {
        /// The id of its call; empty where none has begun.
        call: &'a str,
        /// 0 debug, 1 information, 2 warning, 3 error.
        level: u8,
        /// The line.
        text: &'a str,
    },
    /// A worker has printed this, at most what one may in a call. It may begin and end within a
    /// line, and within a character.
    Printed(&'a [u8]),
    /// The private folder of a worker that has ended could not be removed; the next life of the
    /// engine tries again.
    FolderStays(&'a Path, io::ErrorKind),
}

/// Takes what is logged. It is called by the thread that writes the store and by the one that
/// reads what workers print, so it never waits.
pub type Log = Arc<dyn Fn(Line<'_>) + Send + Sync>;
