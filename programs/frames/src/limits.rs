//! How much of everything fits: told by the engine in its welcome, held by both ends.

use serde::{Deserialize, Serialize};

/// The largest record that a package may ask for, in bytes.
pub const RECORD_MAX: u32 = 32 * 1024 * 1024;
/// What a frame holds beside its largest record, in bytes.
const BESIDE_A_RECORD: u32 = 7 * 1024 * 1024;
/// The most values, and things in lists, in one frame: a null of one byte takes 32 bytes of memory
/// once it is read.
pub const VALUES: u32 = 256 * 1024;
/// The most services, files, keys of a file or modules that are listed in one frame.
pub const LISTED: u16 = 4096;
/// The longest name of a service, file, queue, timer, group or node, in bytes.
pub const NAME: u32 = 32;
/// The longest id of a call or name of a client, in bytes.
pub const ID: u32 = 64;
/// The most keys of a file, as in GnuCOBOL.
pub const KEYS: u16 = 255;
/// The most parts of a key, as in GnuCOBOL.
pub const PARTS: u16 = 8;
/// The longest key of a file or of a queue, in bytes.
pub const KEY: u32 = 4096;
/// The longest text for people, in bytes: what a failure says, an abort, a line of the log.
pub const TEXT: u32 = 4096;
/// The most records that one read of a file brings.
pub const RECORDS: u16 = 64;
/// The highest level of a line of the log.
pub const LEVEL: u8 = 3;
/// The longest SQLSTATE.
pub const SQLSTATE: u32 = 5;
/// The longest id of a message.
pub const MESSAGE: u32 = 12;

/// What a program may ask for at once, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A frame without its head; a line without its end.
    pub frame: u32,
    /// A record: a parameter, a reply, a body, a record of a file.
    pub record: u32,
    /// Operations in a frame.
    pub operations: u16,
    /// Calls in a *begin*. One in this version; the format has room for many.
    pub calls: u16,
    /// The text of a statement.
    pub sql_text: u32,
    /// Parameters of a statement or of a call.
    pub parameters: u16,
    /// Rows of an answer, before the rest has to be asked for.
    pub rows: u32,
    /// Bytes of the rows of an answer, before the rest has to be asked for.
    pub answer: u32,
    /// A line of the log.
    pub log_line: u32,
    /// Lines of the log in one call.
    pub log_lines: u16,
    /// Calls inside of calls.
    pub depth: u16,
}

impl Limits {
    /// Where a package asks for nothing else.
    pub const DEFAULT: Self = Self {
        frame: 8 * 1024 * 1024,
        record: 1024 * 1024,
        operations: 4096,
        calls: 1,
        sql_text: 64 * 1024,
        parameters: 256,
        rows: 10_000,
        answer: 4 * 1024 * 1024,
        log_line: TEXT,
        log_lines: 200,
        depth: 8,
    };

    /// Limits of a package whose largest record has `bytes`; none above [`RECORD_MAX`].
    #[must_use]
    pub const fn with_record(bytes: u32) -> Option<Self> {
        if bytes > RECORD_MAX {
            return None;
        }
        let record = if bytes < Self::DEFAULT.record { Self::DEFAULT.record } else { bytes };
        Some(Self { frame: record + BESIDE_A_RECORD, record, ..Self::DEFAULT })
    }

    /// Whether this build can hold them: none is above what a package may ask for.
    #[must_use]
    pub fn hold(&self) -> bool {
        let most =
            Self { frame: RECORD_MAX + BESIDE_A_RECORD, record: RECORD_MAX, ..Self::DEFAULT };
        let pairs = [
            (self.frame, most.frame),
            (self.record, most.record),
            (self.operations.into(), most.operations.into()),
            (self.calls.into(), most.calls.into()),
            (self.sql_text, most.sql_text),
            (self.parameters.into(), most.parameters.into()),
            (self.rows, most.rows),
            (self.answer, most.answer),
            (self.log_line, most.log_line),
            (self.log_lines.into(), most.log_lines.into()),
            (self.depth.into(), most.depth.into()),
        ];
        self.frame > self.record && pairs.into_iter().all(|(here, most)| 0 < here && here <= most)
    }
}
