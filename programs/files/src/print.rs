//! WRITE … ADVANCING: what is written around a record, and how such records are kept.
//!
//! GnuCOBOL writes line feeds, form feeds and carriage returns into the bytes of the file; READ
//! cuts whatever bytes are there. So the rows of a file are what READ would cut:
//!
//! - of lines, a row is a line. One that is not ended yet, that has a carriage return of a print
//!   control, or that is longer than the longest record is *marked*: its bytes, `E` (ended) or `O`
//!   (open), and a space, which no other row ends with.
//! - of records of one length, rows are pieces of this length; the last may be shorter.
//! - of records of several lengths GnuCOBOL reads nothing of use: it takes the control for a
//!   length. There a row is the record as it was written; one with a control is filled with zeros
//!   up to the longest, and behind it stand its length and how much is written before its head,
//!   four bytes each, least significant first, and what is written before and behind it.

pub mod outside;
pub mod page;

/// How far the paper goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// So many lines; 0 is a carriage return.
    Lines(u16),
    /// To the next page: a form feed.
    Page,
    /// Nowhere: GnuCOBOL has taken a number of lines for something else.
    Nothing,
}

/// ADVANCING. The names are COBOL's: AFTER is written when the paper has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advancing {
    /// BEFORE: the record, then the feed.
    Before(Feed),
    /// AFTER: the feed, then the record; the line is ended at CLOSE.
    After(Feed),
    /// Of a file with LINAGE, what [`page`] has counted: line feeds before the record, and behind
    /// it with its own. Nothing is owed to CLOSE.
    Counted {
        /// Before it.
        before: u16,
        /// Behind it.
        behind: u16,
    },
}

/// What CLOSE would write. It is written at once, because nobody tells of a CLOSE, and taken back
/// where the same open writes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Nothing, or another open owes it.
    Nothing,
    /// The last byte, a line feed.
    LineFeed,
}

/// What a record is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What the statement says.
    pub advancing: Advancing,
    /// What this open owes from before.
    pub owed: Owed,
}

/// Whether a line has its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A line feed.
    Ended,
    /// None: what is written next stands in the same line.
    Open,
}

fn line_feeds(count: u16) -> Vec<u8> {
    vec![b'\n'; count.into()]
}

impl Feed {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Lines(0) => b"\r".to_vec(),
            Self::Lines(lines) => line_feeds(lines),
            Self::Page => b"\x0c".to_vec(),
            Self::Nothing => Vec::new(),
        }
    }
}

impl Advancing {
    /// What is written before a record and behind it, with the line feed of a CLOSE.
    #[must_use]
    pub fn around(self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Before(feed) => (Vec::new(), feed.bytes()),
            Self::After(feed) => (feed.bytes(), b"\n".to_vec()),
            Self::Counted { before, behind } => (line_feeds(before), line_feeds(behind)),
        }
    }
}

impl Control {
    /// As four bytes: BEFORE 0 or AFTER 1, and 2 more where a line feed is taken back; lines 0,
    /// page 1, nothing 2; how many lines, least significant byte first. What is counted is as five:
    /// 4, and two bytes each of how many line feeds before and behind.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let (side, feed) = match self.advancing {
            Advancing::Before(feed) => (0, feed),
            Advancing::After(feed) => (1, feed),
            Advancing::Counted { before, behind } => {
                return [&[4], &before.to_le_bytes()[..], &behind.to_le_bytes()].concat();
            }
        };
        let side = match self.owed {
            Owed::Nothing => side,
            Owed::LineFeed => side | 2,
        };
        let (kind, lines) = match feed {
            Feed::Lines(lines) => (0, lines),
            Feed::Page => (1, 0),
            Feed::Nothing => (2, 0),
        };
        let [low, high] = lines.to_le_bytes();
        vec![side, kind, low, high]
    }

    /// What such bytes say, if they say anything.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (side, kind, lines) = match *bytes {
            [side, kind, low, high] => (side, kind, u16::from_le_bytes([low, high])),
            [4, low, high, behind_low, behind_high] => {
                let before = u16::from_le_bytes([low, high]);
                let behind = u16::from_le_bytes([behind_low, behind_high]);
                let advancing = Advancing::Counted { before, behind };
                return Some(Self { advancing, owed: Owed::Nothing });
            }
            _ => return None,
        };
        let feed = match (kind, lines) {
            (0, lines) => Feed::Lines(lines),
            (1, 0) => Feed::Page,
            (2, 0) => Feed::Nothing,
            _ => return None,
        };
        let (advancing, owed) = match side {
            0 => (Advancing::Before(feed), Owed::Nothing),
            1 => (Advancing::After(feed), Owed::Nothing),
            2 => (Advancing::Before(feed), Owed::LineFeed),
            3 => (Advancing::After(feed), Owed::LineFeed),
            _ => return None,
        };
        Some(Self { advancing, owed })
    }
}

/// A row of a line sequential file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its bytes, without the line feed.
    pub bytes: Vec<u8>,
    /// Whether there is one.
    pub end: End,
    /// Whether its carriage returns are print controls.
    marked: bool,
}

impl Line {
    /// An ended line, or one that is begun.
    #[must_use]
    pub const fn new(bytes: Vec<u8>, end: End) -> Self {
        Self { bytes, end, marked: true }
    }

    /// What a row says; `None` where it is none.
    #[must_use]
    pub fn of(mut row: Vec<u8>) -> Option<Self> {
        if row.last() != Some(&b' ') {
            return Some(Self { bytes: row, end: End::Ended, marked: false });
        }
        row.pop();
        let end = match row.pop()? {
            b'E' => End::Ended,
            b'O' => End::Open,
            _ => return None,
        };
        Some(Self::new(row, end))
    }

    /// The row of it, in a file whose longest record is `max` bytes.
    #[must_use]
    pub fn row(mut self, max: u32) -> Vec<u8> {
        let plain = self.end == End::Ended
            && self.bytes.len() <= max as usize
            && self.bytes.last() != Some(&b' ')
            && !self.bytes.contains(&b'\r');
        if !plain {
            self.bytes.push(match self.end {
                End::Ended => b'E',
                End::Open => b'O',
            });
            self.bytes.push(b' ');
        }
        self.bytes
    }

    /// Whether it was printed, so that it is no plain line of data.
    #[must_use]
    pub const fn is_marked(&self) -> bool {
        self.marked
    }

    /// What READ gives of it, before it is cut to the area: `None` where nothing but carriage
    /// returns stands behind the last line feed of the file.
    #[must_use]
    pub fn read(mut self) -> Option<Vec<u8>> {
        if self.marked {
            self.bytes.retain(|byte| *byte != b'\r');
        }
        match self.end {
            End::Open if self.bytes.is_empty() => None,
            End::Open | End::Ended => Some(self.bytes),
        }
    }
}

/// A row of a sequential file of records of several lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The record.
    pub record: Vec<u8>,
    /// What is written before its head.
    pub before: Vec<u8>,
    /// What is written behind it.
    pub behind: Vec<u8>,
}

impl Printed {
    /// What a row says, in a file whose longest record is `max` bytes; `None` where it is none.
    #[must_use]
    pub fn of(mut row: Vec<u8>, max: u32) -> Option<Self> {
        if row.len() <= max as usize {
            return Some(Self { record: row, before: Vec::new(), behind: Vec::new() });
        }
        let (length, rest) = row.get(max as usize..)?.split_first_chunk()?;
        let (lead, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let (before, behind) = rest.split_at_checked(u32::from_le_bytes(*lead) as usize)?;
        let (before, behind) = (before.to_vec(), behind.to_vec());
        if length > max {
            return None;
        }
        row.truncate(length as usize);
        Some(Self { record: row, before, behind })
    }

    /// The row of it.
    #[must_use]
    pub fn row(self, max: u32) -> Vec<u8> {
        let Self { mut record, before, behind } = self;
        if before.is_empty() && behind.is_empty() {
            return record;
        }
        let four = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let length = four(record.len());
        record.resize(max as usize, 0);
        record.extend(length);
        record.extend(four(before.len()));
        record.extend(before);
        record.extend(behind);
        record
    }
}
