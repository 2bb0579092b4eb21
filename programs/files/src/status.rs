//! The file statuses that are given, and what each means.

/// What came of an operation: the two characters of FILE STATUS.
///
/// The characters are those of the COBOL standard and, where it leaves them open, of GnuCOBOL
/// 3.1.2. A failure of the store is never a status: the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// `00`: done.
    Done,
    /// `02`: done; another record has the same value of an alternate key.
    Duplicate,
    /// `04`: the record read is shorter than the file's shortest.
    Short,
    /// `05`: an OPTIONAL file was not there; it was made, or is read as empty.
    OptionalMissing,
    /// `07`: done; REEL or UNIT means nothing on a disk.
    NoUnit,
    /// `10`: there is no next (or previous) record.
    AtEnd,
    /// `14`: the record's number does not fit the RELATIVE KEY.
    NumberTooLong,
    /// `21`: keys are to ascend, or the primary key of the record read was changed.
    OutOfOrder,
    /// `22`: a record with this key is there already.
    Exists,
    /// `23`: there is no such record.
    NotFound,
    /// `24`: no such record number can be, or a keyed file has reached its quota.
    Beyond,
    /// `31`: the name is in no file set of the service.
    NoSuchName,
    /// `34`: a sequential file has reached its quota.
    Full,
    /// `35`: the file is not there.
    Missing,
    /// `37`: the file may not be opened so.
    NotPermitted,
    /// `38`: the file was closed WITH LOCK.
    ClosedWithLock,
    /// `39`: the file is there with other attributes.
    OtherAttributes,
    /// `41`: the file is open.
    AlreadyOpen,
    /// `42`: the file is not open.
    NotOpen,
    /// `43`: no READ just before.
    NoReadBefore,
    /// `44`: the record's length is not allowed.
    WrongLength,
    /// `46`: no position to read on from.
    NoPosition,
    /// `47`: not open for reading.
    NotForReading,
    /// `48`: not open for writing.
    NotForWriting,
    /// `49`: not open for changing.
    NotForChanging,
    /// `57`: LINAGE says what is no page.
    NoPage,
    /// `61`: another open of the file excludes this one.
    Excluded,
}

impl Status {
    /// All of them, in the order of their characters.
    pub const ALL: [Self; 27] = [
        Self::Done,
        Self::Duplicate,
        Self::Short,
        Self::OptionalMissing,
        Self::NoUnit,
        Self::AtEnd,
        Self::NumberTooLong,
        Self::OutOfOrder,
        Self::Exists,
        Self::NotFound,
        Self::Beyond,
        Self::NoSuchName,
        Self::Full,
        Self::Missing,
        Self::NotPermitted,
        Self::ClosedWithLock,
        Self::OtherAttributes,
        Self::AlreadyOpen,
        Self::NotOpen,
        Self::NoReadBefore,
        Self::WrongLength,
        Self::NoPosition,
        Self::NotForReading,
        Self::NotForWriting,
        Self::NotForChanging,
        Self::NoPage,
        Self::Excluded,
    ];

    /// The two characters.
    #[must_use]
    pub const fn characters(self) -> &'static str {
        match self {
            Self::Done => "00",
            Self::Duplicate => "02",
            Self::Short => "04",
            Self::OptionalMissing => "05",
            Self::NoUnit => "07",
            Self::AtEnd => "10",
            Self::NumberTooLong => "14",
            Self::OutOfOrder => "21",
            Self::Exists => "22",
            Self::NotFound => "23",
            Self::Beyond => "24",
            Self::NoSuchName => "31",
            Self::Full => "34",
            Self::Missing => "35",
            Self::NotPermitted => "37",
            Self::ClosedWithLock => "38",
            Self::OtherAttributes => "39",
            Self::AlreadyOpen => "41",
            Self::NotOpen => "42",
            Self::NoReadBefore => "43",
            Self::WrongLength => "44",
            Self::NoPosition => "46",
            Self::NotForReading => "47",
            Self::NotForWriting => "48",
            Self::NotForChanging => "49",
            Self::NoPage => "57",
            Self::Excluded => "61",
        }
    }

    /// The one with these characters.
    #[must_use]
    pub fn of(characters: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.characters() == characters)
    }

    /// Whether the operation was done: `0x`.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.characters().starts_with('0')
    }
}
