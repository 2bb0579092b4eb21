//! LINAGE: pages of lines, counted as GnuCOBOL 3.1.2 counts them.
//!
//! A page is what FD says: lines above its body, the body, lines below. Nothing but line feeds is
//! written for it, so a file of pages is a file of lines like another. What is counted is the
//! open's in its program: LINAGE-COUNTER is an item of that program, and the rest lies beside it.
//! What comes of a statement is decided here; nothing of it counts before the lines are written.

use super::Advancing;
use crate::status::Status;

/// LINAGE as its items are at a moment; `None` where FD does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// LINAGE: lines of the body; at least 1.
    pub lines: i32,
    /// FOOTING: from 1 to `lines`.
    pub footing: Option<i32>,
    /// LINES AT TOP; at least 0.
    pub top: Option<i32>,
    /// LINES AT BOTTOM; at least 0.
    pub bottom: Option<i32>,
}

/// The page that is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Lines of the body.
    pub lines: i32,
    /// The first line of the footing; 0: there is none.
    pub footing: i32,
    /// Lines above the body.
    pub top: i32,
    /// Lines below the body.
    pub bottom: i32,
}

/// What stands before the next record of an open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// The lines above the first page.
    Top,
    /// Nothing.
    #[default]
    Nothing,
    /// Nothing is written: OPEN has found no page. CLOSE ends that.
    NoPage,
}

/// Where an open stands on its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The page.
    pub page: Page,
    /// LINAGE-COUNTER: the line from 1; 0: LINAGE said what is no page.
    pub counter: i32,
    /// What stands before the next record.
    pub before: Before,
}

/// How far WRITE goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// So many lines.
    Lines(u16),
    /// To the next page.
    Page,
    /// Nowhere: GnuCOBOL has taken a number of lines for something else.
    Nowhere,
}

/// A WRITE of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The record, then the way.
    Before(Going),
    /// The way, then the record.
    After(Going),
    /// The record alone.
    Plain,
}

/// Whether the footing or the end of a page was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfPage {
    /// It was: what AT END-OF-PAGE asks for.
    Met,
    /// It was not.
    Ahead,
}

/// Whether the record itself is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is.
    Written,
    /// Only lines without anything are: the way before it has ended at what is no page.
    Left,
}

/// What a WRITE comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The line feeds to be written.
    pub around: Advancing,
    /// Whether between them stands the record, or nothing.
    pub record: Record,
    /// What the program is told once they are.
    pub status: Status,
    /// Whether the page has ended.
    pub end: EndOfPage,
    /// Where the open stands then.
    pub place: Place,
}

/// The way of a WRITE.
struct Way {
    feeds: i64,
    status: Status,
    end: EndOfPage,
}

/// Whether LINAGE says a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Page,
    None,
}

impl Said {
    /// Takes it for the next page, as far as GnuCOBOL looks: it stops at the first that is none.
    fn take(self, page: &mut Page) -> Is {
        page.lines = self.lines;
        if page.lines < 1 {
            return Is::None;
        }
        page.footing = self.footing.unwrap_or_default();
        if self.footing.is_some() && !(1..=page.lines).contains(&page.footing) {
            return Is::None;
        }
        page.top = self.top.unwrap_or_default();
        if page.top < 0 {
            return Is::None;
        }
        page.bottom = self.bottom.unwrap_or_default();
        if page.bottom < 0 { Is::None } else { Is::Page }
    }
}

impl Place {
    /// OPEN, of a file that is there: done, or 57. After 57 the file is open, as in GnuCOBOL, but
    /// has no page; what OPEN OUTPUT did to its records is done.
    pub fn open(&mut self, said: Said) -> Status {
        match said.take(&mut self.page) {
            Is::Page => {
                (self.counter, self.before) = (1, Before::Top);
                Status::Done
            }
            Is::None => {
                (self.counter, self.before) = (0, Before::NoPage);
                Status::NoPage
            }
        }
    }

    /// What a WRITE comes to, with LINAGE as it is now.
    ///
    /// One that would write more than 65,535 line feeds before its record or behind it writes
    /// nothing and is told 34: its rows are written in one go.
    #[must_use]
    pub fn write(self, write: Write, said: Said) -> Plan {
        let mut place = self;
        let top = match self.before {
            Before::Top => i64::from(self.page.top),
            Before::Nothing => 0,
            Before::NoPage => return self.nothing(Status::NoPage),
        };
        place.before = Before::Nothing;
        let none = Way { feeds: 0, status: Status::Done, end: EndOfPage::Ahead };
        let (before, way) = match write {
            Write::After(going) => {
                let way = place.go(going, said);
                (top + way.feeds, way)
            }
            Write::Before(_) | Write::Plain => (top, none),
        };
        if way.status != Status::Done {
            return self.planned((0, before), Record::Left, (way, place));
        }
        // Each record has a line feed of its own.
        let (behind, way) = match write {
            Write::Before(going) => {
                let way = place.go(going, said);
                (way.feeds + 1, way)
            }
            Write::After(_) | Write::Plain => (1, way),
        };
        self.planned((before, behind), Record::Written, (way, place))
    }

    fn planned(self, feeds: (i64, i64), record: Record, (way, place): (Way, Self)) -> Plan {
        let (Ok(before), Ok(behind)) = (u16::try_from(feeds.0), u16::try_from(feeds.1)) else {
            return self.nothing(Status::Full);
        };
        let around = Advancing::Counted { before, behind };
        Plan { around, record, status: way.status, end: way.end, place }
    }

    const fn nothing(self, status: Status) -> Plan {
        let around = Advancing::Counted { before: 0, behind: 0 };
        Plan { around, record: Record::Left, status, end: EndOfPage::Ahead, place: self }
    }

    fn go(&mut self, going: Going, said: Said) -> Way {
        let done = Way { feeds: 0, status: Status::Done, end: EndOfPage::Ahead };
        let from = self.counter;
        match going {
            Going::Nowhere => done,
            Going::Lines(_) | Going::Page if from == 0 => Way { status: Status::NoPage, ..done },
            Going::Page => self.turn(from, EndOfPage::Ahead, said),
            Going::Lines(lines) => {
                let to = from.saturating_add(lines.into());
                if to > self.page.lines {
                    return self.turn(from, EndOfPage::Met, said);
                }
                self.counter = to;
                let footing = self.page.footing != 0 && to >= self.page.footing;
                let end = if footing { EndOfPage::Met } else { EndOfPage::Ahead };
                // The last record has ended its line itself.
                Way { feeds: i64::from(lines.saturating_sub(1)), end, ..done }
            }
        }
    }

    /// The rest of this page and the lines above the next, which begins as LINAGE is now.
    fn turn(&mut self, from: i32, end: EndOfPage, said: Said) -> Way {
        let rest = i64::from(self.page.lines).saturating_sub(from.into()).max(0);
        let feeds = rest + i64::from(self.page.bottom.max(0));
        match said.take(&mut self.page) {
            Is::Page => {
                self.counter = 1;
                Way { feeds: feeds + i64::from(self.page.top), status: Status::Done, end }
            }
            Is::None => {
                self.counter = 0;
                Way { feeds, status: Status::NoPage, end }
            }
        }
    }
}
