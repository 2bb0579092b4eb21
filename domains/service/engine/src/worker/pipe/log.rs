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
    /// A call has logged more, or longer lines, than one may: so many are not told.
    Dropped {
        /// The id of the call.
        call: &'a str,
        /// How many.
        lines: u64,
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

/// What a call has logged.
pub(super) struct Lines {
    log: Log,
    /// How many a call may have.
    most: u64,
    /// The id of the call under way.
    call: String,
    told: u64,
    dropped: u64,
}

impl Lines {
    /// None yet; so many may be told for each call.
    pub(super) fn new(log: Log, most: u16) -> Self {
        Self { log, most: most.into(), call: String::new(), told: 0, dropped: 0 }
    }

    /// A call begins.
    pub(super) fn begin(&mut self, call: &str) {
        self.end();
        call.clone_into(&mut self.call);
    }

    /// A line of the call.
    pub(super) fn line(&mut self, level: u8, text: &str) {
        if self.told >= self.most {
            return self.too_large();
        }
        self.told += 1;
        (self.log)(Line::Said { call: &self.call, level, text });
    }

    /// A line that nobody has read.
    pub(super) const fn too_large(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    /// The call has ended: says what was dropped.
    pub(super) fn end(&mut self) {
        if self.dropped > 0 {
            (self.log)(Line::Dropped { call: &self.call, lines: self.dropped });
        }
        (self.told, self.dropped) = (0, 0);
    }
}

/// Whatever has ended the call.
impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}
