//! The frames: what each says and in which direction it goes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::code::Code;
use crate::few;
use crate::file::{FileResult, Mode};
use crate::limits::Limits;
use crate::operation::Asked;
use crate::turn::Turn;
use crate::value::Grid;
use crate::version::Versions;

/// What a frame is; the numbers are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "told at the frames")]
pub enum Kind {
    Welcome,
    Begin,
    Answer,
    Leave,
    Hello,
    Ready,
    Ask,
    Done,
    Failed,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The process that holds the store.
    Engine,
    /// The process that holds user code.
    Worker,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Welcome,
        Self::Begin,
        Self::Answer,
        Self::Leave,
        Self::Hello,
        Self::Ready,
        Self::Ask,
        Self::Done,
        Self::Failed,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Welcome => 1,
            Self::Begin => 2,
            Self::Answer => 3,
            Self::Leave => 4,
            Self::Hello => 65,
            Self::Ready => 66,
            Self::Ask => 67,
            Self::Done => 68,
            Self::Failed => 69,
        }
    }

    /// Who says it.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Welcome | Self::Begin | Self::Answer | Self::Leave => Side::Engine,
            Self::Hello | Self::Ready | Self::Ask | Self::Done | Self::Failed => Side::Worker,
        }
    }

    /// The kind of a number, if there is one.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame<'a> {
    /// What a worker has to know, in answer to its hello.
    Welcome(Welcome<'a>),
    /// Run a program.
    Begin(Begin<'a>),
    /// What came of the operations that were waited for, in their order.
    Answer(Answer<'a>),
    /// Finish what was begun and exit with 0.
    Leave(Leave),
    /// The first word of a worker.
    Hello(Hello<'a>),
    /// The modules are loaded and checked.
    Ready(Ready),
    /// Operations.
    Ask(Ask<'a>),
    /// The program has ended in order.
    Done(Done<'a>),
    /// It has not; the worker waits to be killed.
    Failed(Failed<'a>),
}

impl Frame<'_> {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Welcome(_) => Kind::Welcome,
            Self::Begin(_) => Kind::Begin,
            Self::Answer(_) => Kind::Answer,
            Self::Leave(_) => Kind::Leave,
            Self::Hello(_) => Kind::Hello,
            Self::Ready(_) => Kind::Ready,
            Self::Ask(_) => Kind::Ask,
            Self::Done(_) => Kind::Done,
            Self::Failed(_) => Kind::Failed,
        }
    }

    /// Which turn it is about.
    #[must_use]
    pub const fn turn(&self) -> Turn {
        match self {
            Self::Welcome(_) | Self::Leave(_) | Self::Hello(_) | Self::Ready(_) => Turn::NONE,
            Self::Begin(begin) => begin.turn,
            Self::Answer(answer) => answer.turn,
            Self::Ask(ask) => ask.turn,
            Self::Done(done) => done.turn,
            Self::Failed(failed) => failed.turn,
        }
    }
}

/// What a worker has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome<'a> {
    /// What the engine speaks.
    pub versions: Versions,
    /// How much of everything fits.
    pub limits: Limits,
    /// The group whose services these are.
    pub group: Cow<'a, str>,
    /// The node on which they run.
    pub node: Cow<'a, str>,
    /// What its programs are compiled for: `ascii`, `shift_jis` …
    pub code_page: Cow<'a, str>,
    /// The time zone of the cluster.
    pub time_zone: Cow<'a, str>,
    /// The services of the package.
    #[serde(deserialize_with = "few::list")]
    pub services: Vec<Service<'a>>,
    /// The files that they may open.
    #[serde(deserialize_with = "few::list")]
    pub files: Vec<File<'a>>,
}

/// A service of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service<'a> {
    /// What it is called by in *begin*.
    pub index: u16,
    /// Its name.
    pub name: Cow<'a, str>,
    /// The module that holds it.
    pub module: Cow<'a, str>,
    /// Where it is entered.
    pub entry: Cow<'a, str>,
    /// The length of each parameter in bytes.
    #[serde(deserialize_with = "few::list")]
    pub parameters: Vec<u32>,
    /// The hash of their layout.
    pub layout: Hash,
}

/// A file of COBOL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File<'a> {
    /// What it is opened by.
    pub index: u16,
    /// Its name.
    pub name: Cow<'a, str>,
    /// How its records are found.
    pub organization: Organization,
    /// The shortest record.
    pub shortest: u32,
    /// The longest record.
    pub longest: u32,
    /// Its keys, the primary one first.
    #[serde(deserialize_with = "few::list")]
    pub keys: Vec<Key>,
}

/// ORGANIZATION of a file; the numbers are those of GnuCOBOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the organization of its name")]
pub enum Organization {
    LineSequential,
    Sequential,
    Indexed,
    Relative,
}

impl Organization {
    /// All of them; an organization's number is its place.
    pub const ALL: [Self; 4] =
        [Self::LineSequential, Self::Sequential, Self::Indexed, Self::Relative];
}

/// A key of an indexed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Whether two records may have the same.
    pub duplicates: Duplicates,
    /// SUPPRESS WHEN: a value made of this byte alone is not in the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<u8>,
    /// Where its parts stand in a record, in their order.
    #[serde(deserialize_with = "few::list")]
    pub parts: Vec<Part>,
}

/// Whether two records may have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the clause of its name")]
pub enum Duplicates {
    Refused,
    Allowed,
}

impl Duplicates {
    /// Both; the number is the place.
    pub const ALL: [Self; 2] = [Self::Refused, Self::Allowed];
}

/// A part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where it begins in the record.
    pub offset: u32,
    /// How long it is.
    pub length: u32,
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

/// Run a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin<'a> {
    /// Which turn begins.
    pub turn: Turn,
    /// The calls of this turn: one in this version.
    #[serde(deserialize_with = "few::list")]
    pub calls: Vec<Call<'a>>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call<'a> {
    /// Which service, by its index in *welcome*.
    pub service: u16,
    /// Its id.
    pub id: Cow<'a, str>,
    /// The id of the call that asked for it; empty where none did.
    #[serde(default)]
    pub parent: Cow<'a, str>,
    /// Who called.
    pub client: Cow<'a, str>,
    /// The epoch of the group, as one number that only rises.
    pub epoch: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many milliseconds are left.
    pub left_ms: u32,
    /// The version of the list of files it may rely on.
    #[serde(default)]
    pub catalogue: u32,
    /// The parameters.
    #[serde(deserialize_with = "few::list")]
    pub parameters: Vec<Bytes<'a>>,
}

/// What came of operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer<'a> {
    /// Which turn.
    pub turn: Turn,
    /// One result each, in order.
    #[serde(deserialize_with = "few::list")]
    pub results: Vec<Outcome<'a>>,
}

/// What came of one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<'a> {
    /// A statement was run.
    Rows(Rows<'a>),
    /// A service answered.
    Reply(Reply<'a>),
    /// A file did.
    File(FileResult<'a>),
    /// It was not done.
    Trouble(Trouble<'a>),
}

/// What a statement brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows<'a> {
    /// How many rows it changed.
    #[serde(default)]
    pub changed: u64,
    /// Whether further rows can be asked for.
    #[serde(default)]
    pub rest: Rest,
    /// The rows.
    #[serde(default)]
    pub rows: Grid<'a>,
}

/// Whether there are rows that did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// These are all.
    #[default]
    None,
    /// *more* brings the next.
    More,
}

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble<'a> {
    /// Never [`Code::Done`].
    pub code: Code,
    /// The SQLSTATE, or nothing.
    #[serde(default)]
    pub sqlstate: Cow<'a, str>,
    /// The id of the message that explains it, or nothing.
    #[serde(default)]
    pub message: Cow<'a, str>,
    /// Values that belong to it.
    #[serde(default)]
    pub text: Cow<'a, str>,
}

/// Finish and leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {}

/// The first word of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// What it speaks.
    pub versions: Versions,
    /// Its process.
    pub pid: u32,
    /// What it runs.
    pub runs: Runs,
    /// Which libcob, or nothing.
    #[serde(default)]
    pub libcob: Cow<'a, str>,
    /// What it can do beyond this version, a bit each: [`CAN_AHEAD`].
    #[serde(default)]
    pub can: u64,
    /// The hashes of its modules.
    #[serde(default, deserialize_with = "few::list")]
    pub modules: Vec<Hash>,
}

/// A worker that says so takes calls that are begun while it has another, also in place of an
/// answer that it waits for: it keeps them until the one under way is over.
pub const CAN_AHEAD: u64 = 1;

/// What a worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    /// Modules of GnuCOBOL.
    Cobol,
    /// A shared library.
    Library,
    /// A command: a program of its own.
    #[serde(rename = "command")]
    Program,
}

impl Runs {
    /// All of them; the number is the place.
    pub const ALL: [Self; 3] = [Self::Cobol, Self::Library, Self::Program];
}

/// The modules are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {}

/// Operations; the worker waits if one of them is waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask<'a> {
    /// Which turn.
    pub turn: Turn,
    /// What is asked, carried out in order.
    #[serde(deserialize_with = "few::list")]
    pub operations: Vec<Asked<'a>>,
}

/// The program has ended in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done<'a> {
    /// Which turn.
    pub turn: Turn,
    /// Operations that were not yet sent; nobody waits for them.
    #[serde(default, deserialize_with = "few::list")]
    pub operations: Vec<Asked<'a>>,
    /// One reply for each call of the turn, in order.
    #[serde(deserialize_with = "few::list")]
    pub replies: Vec<Reply<'a>>,
    /// The files that stay open in this worker.
    #[serde(default, deserialize_with = "few::list")]
    pub open: Vec<Open>,
}

/// What a program gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply<'a> {
    /// RETURN-CODE.
    #[serde(default)]
    pub return_code: i32,
    /// The out parameters.
    #[serde(deserialize_with = "few::list")]
    pub parameters: Vec<Bytes<'a>>,
}

/// A file that stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The slot that goes on meaning this open.
    pub slot: u16,
    /// The index of the file.
    pub file: u16,
    /// How it was opened.
    pub mode: Mode,
}

/// The program has not ended in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed<'a> {
    /// Which turn; none before the first.
    #[serde(default)]
    pub turn: Turn,
    /// What kind of failure.
    pub class: Class,
    /// The exit code, or the signal.
    #[serde(default)]
    pub code: i32,
    /// What is known of it: file, line, the symbol that is missing.
    #[serde(default)]
    pub text: Cow<'a, str>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The program asked for the call to be undone.
    Abort,
    /// STOP RUN.
    StopRun,
    /// libcob found an error.
    RunTimeError,
    /// It wrote past a parameter.
    Overrun,
    /// A panic of Rust.
    Panic,
    /// A signal.
    Signal,
    /// A module could not be loaded.
    Start,
    /// The names of libcob did not lead to the worker.
    Interposition,
    /// It asked for what would not be undone with the call; the text says for what.
    Forbidden,
}

impl Class {
    /// All of them; a class' number is its place and 1.
    pub const ALL: [Self; 9] = [
        Self::Abort,
        Self::StopRun,
        Self::RunTimeError,
        Self::Overrun,
        Self::Panic,
        Self::Signal,
        Self::Start,
        Self::Interposition,
        Self::Forbidden,
    ];
}
