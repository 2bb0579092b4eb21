//! A statement about a file: what libcob has of it is read, asked about, and told the answer.
#![expect(unsafe_code, reason = "structures of libcob")]

mod page;

use std::ffi::{c_int, c_uint};
use std::slice;

use tsugi_files::definition::{
    Access, Definition, Duplicates, Flaw, Key as FileKey, Lengths, Organization, Part,
};
use tsugi_files::front::{Area, Closing, Select, Verb};
use tsugi_files::open::{Mode, Optional};
use tsugi_files::operation::{Answer, Direction, Relation, Wanted};
use tsugi_files::print::{Advancing, Feed};
use tsugi_files::status::Status;

use crate::files::{Afterwards, Declared};
use crate::libcob::{Field, File, Key, feature, kind};
use crate::stage::{self, Stage};

/// READ PREVIOUS.
const PREVIOUS: c_int = 1 << 1;
/// How many lines WRITE … ADVANCING says.
const COUNT: c_int = 0xffff;
/// WRITE … ADVANCING LINES; a number that is too large for its place makes it another.
const LINES: c_int = 0x0001_0000;
/// WRITE … ADVANCING PAGE, and channels, which go to a page as well.
const PAGE: c_int = 0x0002_0000;
/// WRITE AFTER ADVANCING.
const AFTER: c_int = 0x0010_0000;
/// WRITE BEFORE ADVANCING.
const BEFORE: c_int = 0x0020_0000;

/// What libcob takes the statuses of a tens digit for: the places of its exceptions.
const EXCEPTIONS: [c_int; 10] = [0, 30, 35, 38, 37, 39, 33, 29, 29, 34];

/// A file of libcob.
#[derive(Clone, Copy)]
struct Seen<'a> {
    at: *mut File,
    file: &'a File,
}

/// The file that a function was called with.
fn seen<'a>(at: *mut File) -> Seen<'a> {
    // SAFETY: whoever calls gives a file that lives until the function returns, and nothing is
    // written to it but by `told` and `put_place`, which use the pointer after the last look.
    Seen { at, file: unsafe { &*at } }
}

/// The bytes of a field; none where it has no place.
fn bytes<'a>(field: *const Field) -> &'a [u8] {
    // SAFETY: a field of libcob is null or says where its bytes are, which stay there until the
    // function returns.
    unsafe {
        match field.as_ref() {
            Some(field) if !field.data.is_null() => slice::from_raw_parts(field.data, field.size),
            Some(_) | None => &[],
        }
    }
}

/// Where a field begins.
fn place(field: *const Field) -> *const u8 {
    bytes(field).as_ptr()
}

impl Seen<'_> {
    /// What is neither the store's nor refused: keyboard and display, and the work files of SORT.
    fn is_beside(&self) -> bool {
        self.file.features & feature::STANDARD != 0 || self.organization().is_none()
    }

    fn organization(&self) -> Option<Organization> {
        match self.file.organization {
            0 => Some(Organization::Sequential),
            1 => Some(Organization::LineSequential),
            2 => Some(Organization::Relative),
            3 => Some(Organization::Indexed),
            _ => None,
        }
    }

    fn is(&self, organization: Organization) -> bool {
        self.organization() == Some(organization)
    }

    fn address(&self) -> usize {
        self.at as usize
    }

    /// The name in ASSIGN: without quotes, and without what fills the field behind it.
    fn name(&self) -> String {
        let text = String::from_utf8_lossy(bytes(self.file.assign)).into_owned();
        text.trim_end_matches([' ', '\0']).trim_matches(['"', '\'']).to_owned()
    }

    fn access(&self) -> Access {
        match self.file.access {
            2 => Access::Dynamic,
            3 => Access::Random,
            _ => Access::Sequential,
        }
    }

    fn lengths(&self) -> Lengths {
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Lengths { min: length(self.file.shortest), max: length(self.file.longest) }
    }

    fn keys(&self) -> &[Key] {
        if self.file.keys.is_null() {
            return &[];
        }
        // SAFETY: a file has as many keys as it says; a relative one has its RELATIVE KEY there.
        unsafe { slice::from_raw_parts(self.file.keys, self.file.key_count) }
    }

    /// RELATIVE KEY, where there is one.
    fn relative_key(&self) -> Option<*mut Field> {
        if !self.is(Organization::Relative) || self.file.keys.is_null() {
            return None;
        }
        // SAFETY: the one key of a relative file is its first, whatever it says of how many.
        let field = unsafe { (*self.file.keys).field };
        (!field.is_null()).then_some(field)
    }

    /// The greatest number that RELATIVE KEY holds, if it is one that a record can have.
    fn largest(&self) -> Option<u64> {
        // SAFETY: the field is not null, and one that was compiled has attributes.
        let attributes = unsafe { (*self.relative_key()?).attributes.as_ref()? };
        let whole = attributes.kind == kind::NATIVE || attributes.flags & kind::REAL_BINARY != 0;
        let digits = u32::from(attributes.digits);
        (!whole && digits < 10).then(|| 10_u64.pow(digits) - 1)
    }

    fn definition(&self) -> Result<Definition, Flaw> {
        let organization = self.organization().ok_or(Flaw::Bytes)?;
        let keys = match organization {
            Organization::Indexed => self.keys().iter().map(|key| self.key(key)).collect(),
            Organization::LineSequential | Organization::Sequential | Organization::Relative => {
                Vec::new()
            }
        };
        Definition::new(organization, self.lengths(), keys)
    }

    fn key(&self, key: &Key) -> FileKey {
        let length = |field: *const Field| u32::try_from(bytes(field).len()).unwrap_or_default();
        let base = place(self.file.record) as usize;
        let part = |field: &*mut Field| {
            let offset = (place(*field) as usize).saturating_sub(base);
            Part { offset: u32::try_from(offset).unwrap_or(u32::MAX), length: length(*field) }
        };
        let count = usize::try_from(key.count).unwrap_or_default();
        let parts = match key.parts.get(..count) {
            Some(parts) if count > 1 => parts.iter().map(part).collect(),
            Some(_) | None => vec![Part { offset: key.offset, length: length(key.field) }],
        };
        let suppressed = u8::try_from(key.suppressed).ok().filter(|_| key.suppress != 0);
        let duplicates = match key.duplicates {
            0 => Duplicates::Refused,
            _ => Duplicates::Allowed,
        };
        FileKey { parts, duplicates, suppressed }
    }

    fn declared(&self) -> Declared {
        let organization = self.organization().unwrap_or(Organization::Sequential);
        let select = Select {
            organization,
            access: self.access(),
            lengths: self.lengths(),
            largest: self.largest(),
        };
        let optional = if self.file.optional == 0 { Optional::No } else { Optional::Yes };
        Declared { name: self.name(), select, definition: self.definition(), optional }
    }

    /// The key that a field names, and how many leading bytes of its value the field has.
    fn named(&self, field: *mut Field) -> Option<(usize, usize)> {
        let length = bytes(field).len();
        let same = |other: *mut Field| {
            !other.is_null() && place(other) == place(field) && bytes(other).len() == length
        };
        let leading = |other: *mut Field| {
            !other.is_null() && place(other) == place(field) && bytes(other).len() >= length
        };
        let split = |key: &Key| key.count > 1;
        let find = |is: &dyn Fn(&Key) -> bool| self.keys().iter().position(is);
        // A split key is named by a field of its own.
        let whole = find(&|key| key.field == field || same(key.field));
        if let Some(number) = whole {
            let value = self.key(&self.keys()[number]);
            return Some((number, value.length()));
        }
        find(&|key| !split(key) && leading(key.field))
            .or_else(|| find(&|key| split(key) && leading(key.parts[0])))
            .map(|number| (number, length))
    }

    /// The record area as it is now, with the bytes of its keys.
    fn area<'a>(&self) -> &'a [u8] {
        let data = place(self.file.record);
        if data.is_null() || bytes(self.file.record).is_empty() && self.file.longest == 0 {
            return &[];
        }
        // SAFETY: the area is as long as the longest record, whatever was read into it last.
        unsafe { slice::from_raw_parts(data, self.file.longest) }
    }
}

/// Where a function of libcob itself is to be used: with what is neither store's nor refused.
macro_rules! beside {
    ($stage:ident $seen:ident $function:ident($($given:expr),*)) => {
        if $seen.is_beside() {
            // SAFETY: libcob is given what it gave.
            unsafe { ($stage.libcob.$function)($seen.at, $($given),*) };
            return;
        }
    };
}

impl Stage {
    fn number_in(&self, field: *mut Field) -> i64 {
        // SAFETY: a field of the program, which is not null.
        i64::from(unsafe { (self.libcob.get_int)(field) })
    }

    fn positive(&self, field: *mut Field) -> u64 {
        u64::try_from(self.number_in(field)).unwrap_or_default()
    }

    fn set_number(&self, field: *mut Field, number: u64) {
        let number = c_int::try_from(number).unwrap_or(c_int::MAX);
        // SAFETY: a field of the program, which is not null.
        unsafe { (self.libcob.set_int)(field, number) };
    }

    /// The record named in a statement.
    fn written<'a>(&self, seen: &Seen<'_>, record: *mut Field) -> Area<'a> {
        let depending = seen.file.depending;
        let depending = (!depending.is_null()).then(|| self.number_in(depending));
        let number = seen.relative_key().map(|key| self.positive(key)).unwrap_or_default();
        Area { bytes: bytes(record), depending, number }
    }

    /// Puts a status where the program and libcob look for it.
    fn told(&self, at: *mut File, field: *mut Field, status: Status) {
        let characters = status.characters().as_bytes();
        // SAFETY: every file has two bytes of status of its own, and the program's field has two.
        unsafe {
            (*at).status.copy_from(characters.as_ptr(), 2);
            if let Some(field) = field.as_ref() {
                field.data.copy_from(characters.as_ptr(), 2);
            }
        }
        let tens = characters.first().map_or(0, |tens| usize::from(tens - b'0'));
        // SAFETY: libcob is set up, so it has its global; the place is one of its exceptions.
        unsafe {
            let global = (self.libcob.global)();
            (*global).error_file = at;
            if status == Status::Done {
                (*global).exception = 0;
            } else {
                (self.libcob.set_exception)(EXCEPTIONS[tens]);
            }
        }
    }

    /// Puts what was read where the program looks for it, then the status.
    fn answered(&self, seen: Seen<'_>, field: *mut Field, answer: &Answer) {
        if let Some(record) = &answer.record {
            let length = record.len().min(seen.file.longest);
            // SAFETY: the area is as long as the longest record.
            unsafe {
                let data = (*seen.file.record).data;
                data.copy_from(record.as_ptr(), length);
                if seen.is(Organization::LineSequential) {
                    data.add(length).write_bytes(b' ', seen.file.longest - length);
                }
                (*seen.file.record).size = length;
            }
            let read = matches!(answer.status, Status::Done | Status::Duplicate);
            if read && !seen.file.depending.is_null() {
                self.set_number(seen.file.depending, length as u64);
            }
        }
        if let (Some(number), Some(key)) = (answer.number, seen.relative_key()) {
            self.set_number(key, number);
        }
        self.told(seen.at, field, answer.status);
    }
}

/// OPEN.
pub fn open(at: *mut File, mode: c_int, sharing: c_int, status: *mut Field) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen open(mode, sharing, status));
        let opened = match mode {
            2 => Mode::Output,
            3 => Mode::InputOutput,
            4 => Mode::Extend,
            _ => Mode::Input,
        };
        let was_open = stage.files.definition(seen.address()).is_some();
        let came = stage.files.open(host, seen.address(), seen.declared(), opened);
        // What is not there has no pages.
        let came = match came {
            Status::OptionalMissing if opened == Mode::Input => came,
            came if came.is_done() => stage.page_opened(&seen).unwrap_or(came),
            came => came,
        };
        let mode = u8::try_from(mode).unwrap_or_default();
        // SAFETY: libcob's own file; it looks at these where a USE procedure is for a mode.
        unsafe {
            if !was_open {
                (*at).last_open = mode;
            }
            if came.is_done() || came == Status::NoPage {
                (*at).open = mode;
            }
        }
        stage.told(at, status, came);
    });
}

/// CLOSE; `option` also as libcob has it.
pub fn close(
    at: *mut File,
    status: *mut Field,
    (option, closing): (c_int, Closing),
    afterwards: Afterwards,
) {
    stage::on((), |stage, _| {
        let seen = seen(at);
        let cancelled = c_int::from(afterwards == Afterwards::Forgotten);
        beside!(stage seen close(status, option, cancelled));
        let came = stage.files.close(seen.address(), closing, afterwards);
        let stays = stage.files.is_open(seen.address());
        // SAFETY: libcob's own file.
        unsafe {
            (*at).open = match (stays, closing) {
                (true, _) => (*at).open,
                (false, Closing::Lock) => 5,
                (false, Closing::Plain | Closing::NoRewind | Closing::Unit) => 0,
            };
        }
        stage.told(at, status, came);
    });
}

/// START.
pub fn start(
    at: *mut File,
    relation: c_int,
    key: *mut Field,
    length: *mut Field,
    status: *mut Field,
) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen start(relation, key, length, status));
        let relation = match relation {
            2 => Relation::Less,
            3 => Relation::AtMost,
            4 => Relation::Greater,
            5 => Relation::AtLeast,
            7 => Relation::First,
            8 => Relation::Last,
            _ => Relation::Equal,
        };
        let said = (!length.is_null()).then(|| stage.number_in(length));
        let value;
        let wanted = if seen.is(Organization::Indexed) {
            let (number, leading) = seen.named(key).unwrap_or_default();
            value = stage.files.value(seen.address(), number, seen.area());
            Wanted::Key { number, value: value.get(..leading).unwrap_or(&value) }
        } else {
            let field = if key.is_null() { seen.relative_key() } else { Some(key) };
            Wanted::Number(field.map(|field| stage.positive(field)).unwrap_or_default())
        };
        let verb = Verb::Start(relation, wanted, said);
        let answer = stage.files.verb(host, seen.address(), verb);
        stage.answered(seen, status, &answer);
    });
}

/// READ by key.
pub fn read(at: *mut File, key: *mut Field, status: *mut Field, options: c_int) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen read(key, status, options));
        let value;
        let verb = match seen.organization() {
            Some(Organization::Indexed) => {
                let (number, _) = seen.named(key).unwrap_or_default();
                value = stage.files.value(seen.address(), number, seen.area());
                Verb::Read(Wanted::Key { number, value: &value })
            }
            Some(Organization::Relative) => Verb::Read(Wanted::Number(stage.positive(key))),
            Some(Organization::Sequential | Organization::LineSequential) | None => {
                Verb::Step(Direction::Next)
            }
        };
        let answer = stage.files.verb(host, seen.address(), verb);
        stage.answered(seen, status, &answer);
    });
}

/// READ NEXT and READ PREVIOUS.
pub fn read_next(at: *mut File, status: *mut Field, options: c_int) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen read_next(status, options));
        let previous = options & PREVIOUS != 0;
        let direction = if previous { Direction::Previous } else { Direction::Next };
        let answer = stage.files.verb(host, seen.address(), Verb::Step(direction));
        stage.answered(seen, status, &answer);
    });
}

/// WRITE.
pub fn write(
    at: *mut File,
    record: *mut Field,
    options: c_int,
    status: *mut Field,
    end_of_page: c_uint,
) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen write(record, options, status, end_of_page));
        let area = stage.written(&seen, record);
        if let Some(place) = stage.place(&seen) {
            stage.counted(host, &seen, (area, place, options), (status, end_of_page));
            return;
        }
        let verb = match advancing(options) {
            Some(advancing) => Verb::Print(area, advancing),
            None => Verb::Write(area),
        };
        let answer = stage.files.verb(host, seen.address(), verb);
        stage.answered(seen, status, &answer);
    });
}

/// What WRITE says of lines and pages, bit by bit as libcob looks at it.
fn advancing(options: c_int) -> Option<Advancing> {
    let feed = if options & LINES != 0 {
        Feed::Lines(u16::try_from(options & COUNT).unwrap_or(u16::MAX))
    } else if options & PAGE != 0 {
        Feed::Page
    } else {
        Feed::Nothing
    };
    if options & AFTER != 0 {
        Some(Advancing::After(feed))
    } else if options & BEFORE != 0 {
        Some(Advancing::Before(feed))
    } else {
        None
    }
}

/// REWRITE.
pub fn rewrite(at: *mut File, record: *mut Field, options: c_int, status: *mut Field) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen rewrite(record, options, status));
        let area = stage.written(&seen, record);
        let answer = stage.files.verb(host, seen.address(), Verb::Rewrite(area));
        stage.answered(seen, status, &answer);
    });
}

/// DELETE.
pub fn delete(at: *mut File, status: *mut Field) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen delete(status));
        let value;
        let wanted = if seen.is(Organization::Indexed) {
            value = stage.files.value(seen.address(), 0, seen.area());
            Wanted::Key { number: 0, value: &value }
        } else {
            let number = seen.relative_key().map(|key| stage.positive(key));
            Wanted::Number(number.unwrap_or_default())
        };
        let answer = stage.files.verb(host, seen.address(), Verb::Delete(wanted));
        stage.answered(seen, status, &answer);
    });
}

/// DELETE FILE.
pub fn delete_file(at: *mut File, status: *mut Field) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen delete_file(status));
        let came = stage.files.delete_file(host, seen.address(), &seen.name());
        stage.told(at, status, came);
    });
}

/// UNLOCK.
pub fn unlock(at: *mut File, status: *mut Field) {
    stage::on((), |stage, host| {
        let seen = seen(at);
        beside!(stage seen unlock(status));
        let answer = stage.files.verb(host, seen.address(), Verb::Unlock);
        stage.answered(seen, status, &answer);
    });
}
