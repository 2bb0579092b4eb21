//! A file with LINAGE: where libcob keeps what of it, and what a WRITE comes to there.
//!
//! LINAGE-COUNTER is an item of the program, the page lies beside the file in the program's memory,
//! as under libcob: both are the worker's, and gone with it when a call is not committed.
#![expect(unsafe_code, reason = "structures of libcob")]

use std::ffi::{c_int, c_uint};

use tsugi_files::front::{Area, Verb};
use tsugi_files::print::page::{Before, EndOfPage, Going, Page, Place, Record, Said, Write};
use tsugi_files::status::Status;

use super::{AFTER, BEFORE, COUNT, LINES, PAGE, Seen};
use crate::host::Host;
use crate::libcob::{Field, Linage, feature};
use crate::stage::Stage;

/// That of the end of a page: no failure, so the status is 00.
const END_OF_PAGE: c_int = 31;

impl Seen<'_> {
    fn linage(&self) -> Option<*mut Linage> {
        let has = self.file.features & feature::LINAGE != 0 && !self.file.linage.is_null();
        has.then_some(self.file.linage)
    }
}

impl Stage {
    /// Where an open stands on its page; `None`: its file has no LINAGE.
    pub(super) fn place(&self, seen: &Seen<'_>) -> Option<Place> {
        // SAFETY: a file with LINAGE has it there until its program is cancelled.
        let linage = unsafe { &*seen.linage()? };
        let page = Page {
            lines: linage.page_lines,
            footing: linage.page_footing,
            top: linage.page_top,
            bottom: linage.page_bottom,
        };
        let before = match seen.file.needs_top {
            0 => Before::Nothing,
            1 => Before::Top,
            _ => Before::NoPage,
        };
        let counter = self.number(linage.counter).unwrap_or_default();
        Some(Place { page, counter, before })
    }

    /// LINAGE as its items are now.
    fn linage_said(&self, seen: &Seen<'_>) -> Option<Said> {
        // SAFETY: as above.
        let linage = unsafe { &*seen.linage()? };
        Some(Said {
            lines: self.number(linage.lines).unwrap_or_default(),
            footing: self.number(linage.footing),
            top: self.number(linage.top),
            bottom: self.number(linage.bottom),
        })
    }

    fn number(&self, field: *mut Field) -> Option<i32> {
        (!field.is_null()).then(|| i32::try_from(self.number_in(field)).unwrap_or_default())
    }

    /// The page of a file that was opened; `None`: it has no LINAGE.
    pub(super) fn page_opened(&self, seen: &Seen<'_>) -> Option<Status> {
        let (mut place, said) = (self.place(seen)?, self.linage_said(seen)?);
        let status = place.open(said);
        self.put_place(seen, place);
        Some(status)
    }

    fn put_place(&self, seen: &Seen<'_>, place: Place) {
        let Some(linage) = seen.linage() else { return };
        // SAFETY: libcob's own structures, which nobody else holds; libcob itself uses them only
        // where it has opened the file.
        let counter = unsafe {
            let linage = &mut *linage;
            (linage.page_lines, linage.page_footing) = (place.page.lines, place.page.footing);
            (linage.page_top, linage.page_bottom) = (place.page.top, place.page.bottom);
            (*seen.at).needs_top = match place.before {
                Before::Nothing => 0,
                Before::Top => 1,
                Before::NoPage => 2,
            };
            linage.counter
        };
        if !counter.is_null() {
            self.set_number(counter, u64::try_from(place.counter).unwrap_or_default());
        }
    }

    /// WRITE. Nothing is counted before the lines are written.
    pub(super) fn counted(
        &mut self,
        host: &mut dyn Host,
        seen: &Seen<'_>,
        (area, place, options): (Area<'_>, Place, c_int),
        (field, asked): (*mut Field, c_uint),
    ) {
        let Some(said) = self.linage_said(seen) else { return };
        let plan = place.write(write(options), said);
        let nothing;
        let area = match plan.record {
            Record::Written => area,
            Record::Left => {
                nothing = vec![b' '; area.bytes.len()];
                Area { bytes: &nothing, ..area }
            }
        };
        let answer = self.files.verb(host, seen.address(), Verb::Print(area, plan.around));
        if answer.status != Status::Done {
            self.told(seen.at, field, answer.status);
            return;
        }
        self.put_place(seen, plan.place);
        self.told(seen.at, field, plan.status);
        let met = plan.status == Status::Done && plan.end == EndOfPage::Met;
        if met && asked != 0 {
            // SAFETY: the place is one of libcob's exceptions.
            unsafe { (self.libcob.set_exception)(END_OF_PAGE) };
        }
    }
}

/// What WRITE says, bit by bit as libcob looks at it.
fn write(options: c_int) -> Write {
    let going = if options & PAGE != 0 {
        Going::Page
    } else if options & LINES != 0 {
        Going::Lines(u16::try_from(options & COUNT).unwrap_or(u16::MAX))
    } else {
        Going::Nowhere
    };
    if options & AFTER != 0 {
        Write::After(going)
    } else if options & BEFORE != 0 {
        Write::Before(going)
    } else {
        Write::Plain
    }
}
