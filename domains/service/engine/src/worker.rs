//! Workers as the engine meets them: somebody bears them, speaks to them and ends them.
//!
//! What becomes of a worker is decided by the rules; who is here does as it is told and tells what
//! it hears. A worker is spoken to by the core alone, and nothing here may wait.

pub mod pipe;
pub mod thread;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tsugi_frames::FileResult;
use tsugi_service_rules::ground::ServiceNumber;
pub use tsugi_service_rules::worker::life::Turn;
use tsugi_service_rules::worker::life::{Class, Difference, Exit};
pub use tsugi_service_rules::worker::pool::Worker;
use tsugi_store::{Op, Outcome, Row, SqlError, Value};

use crate::core::Letter;
use crate::files::{Asking, Files};
use crate::inbox::Inbox;

/// A call as its worker is told it. Its id, its epoch and its attempt are its keys for partners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// What the worker says of it bears this.
    pub turn: Turn,
    /// Of which service.
    pub service: Arc<str>,
    /// All of its id, as text of at most 64 bytes.
    pub id: String,
    /// The id of the call that has called it, as text; empty for a client's.
    pub parent: String,
    /// Its client, as text: what the ids of all its calls begin with.
    pub client: String,
    /// The epoch of the group, as one number that only rises.
    pub epoch: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many milliseconds it may take.
    pub left_ms: u32,
    /// What its program is given.
    pub given: Given,
}

/// What a program is given: the bytes of each of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given(Arc<[Arc<[u8]>]>);

impl Given {
    /// A body, as it is.
    #[must_use]
    pub fn body(body: Arc<[u8]>) -> Self {
        Self(Arc::new([body]))
    }

    /// Its parameters, in the order in which it is called with them.
    #[must_use]
    pub const fn parameters(&self) -> &Arc<[Arc<[u8]>]> {
        &self.0
    }

    /// The first of them: a body that is given as it is. Empty where there is none.
    #[must_use]
    pub fn first(&self) -> &[u8] {
        self.0.first().map(AsRef::as_ref).unwrap_or_default()
    }
}

impl FromIterator<Arc<[u8]>> for Given {
    fn from_iter<T: IntoIterator<Item = Arc<[u8]>>>(parameters: T) -> Self {
        Self(parameters.into_iter().collect())
    }
}

/// Whether the program waits for what comes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It does.
    Yes,
    /// It does not: there is no result, and a failure ends the call.
    No,
}

/// One thing that a program asks for in its call.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// An operation on the store, in the call's unit of work.
    Store(Op, Waits),
    /// An operation on a file, in the call's unit of work.
    File(Asking, Waits),
    /// Another service, in a unit of work within the call's.
    Call(Calling, Waits),
    /// A service that is not called, for this reason.
    NotCalled(NotCalled, Waits),
    /// It cannot be carried out for this reason; the worker is told its code.
    Refused(u16, Waits),
    /// The link answers it by itself; here it only keeps its place.
    Own(Waits),
    /// Its answer is known: another group has given it.
    Known(Answered, Waits),
    /// Its program cannot go on, for this reason: what another group has done is not known.
    Cannot(String),
}

impl Asked {
    /// Whether there may be another file, or one less, when it was carried out.
    pub(crate) fn may_make_files(&self) -> bool {
        match self {
            Self::File(asking, _) => asking.may_make_files(),
            // What another service makes is asked for by its own worker.
            Self::Call(..) | Self::NotCalled(..) => false,
            Self::Store(..) | Self::Refused(..) | Self::Own(_) => false,
            Self::Known(..) | Self::Cannot(_) => false,
        }
    }
}

/// A service that a program calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calling {
    /// Its name; of another group's, with that group's before it: `group/service`.
    pub service: String,
    /// What its program is given, each parameter as that takes it.
    pub records: Vec<Vec<u8>>,
}

impl Calling {
    /// How many bytes of a program it bears.
    pub(crate) fn size(&self) -> usize {
        self.service.len() + self.records.iter().map(Vec::len).sum::<usize>()
    }
}

/// What a program gives back to one that has called it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// Its parameters, as it has left them; a reply as it is.
    pub records: Vec<Vec<u8>>,
    /// RETURN-CODE: of programs that have one.
    pub return_code: i32,
}

impl From<Vec<Vec<u8>>> for Returned {
    fn from(records: Vec<Vec<u8>>) -> Self {
        Self { records, return_code: 0 }
    }
}

/// Why a service that a program calls has not answered; nothing of what it did is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCalled {
    /// The code of the program interface.
    pub code: u16,
    /// In words of programs: the word of a refusal, or how it has ended, and what belongs to it.
    pub text: String,
}

/// Operations that a worker has asked for together. Until they are dropped they count to what is
/// held of it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In their order.
    pub operations: Vec<Asked>,
    weight: Option<Arc<Weight>>,
}

/// Two say the same by their operations.
impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.operations == other.operations
    }
}

/// What nobody weighs: its worker holds itself back.
impl From<Vec<Asked>> for Batch {
    fn from(operations: Vec<Asked>) -> Self {
        Self { operations, weight: None }
    }
}

impl Batch {
    /// They count so many bytes to what is held, until they are dropped.
    fn weigh(&mut self, held: &Arc<AtomicUsize>, bytes: usize) {
        held.fetch_add(bytes, Ordering::Relaxed);
        self.weight = Some(Arc::new(Weight { held: held.clone(), bytes }));
    }
}

/// How much memory a row of values takes, in bytes, about.
pub(crate) fn held(row: &[Value]) -> usize {
    let more = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 0,
    };
    size_of::<Row>() + size_of_val(row) + row.iter().map(more).sum::<usize>()
}

/// Counts to what is held of a worker for as long as it is there.
#[derive(Debug)]
struct Weight {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What came of an operation that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// It was carried out.
    Done(Outcome),
    /// What came of an operation on a file; also what a program is told as a failure.
    File(FileResult<'static>),
    /// The store refused it; the unit of work stands without it.
    Refused(SqlError),
    /// What a service that was called gives back.
    Reply(Returned),
    /// It was not called, or has failed.
    NotCalled(NotCalled),
    /// It was not carried out, by this code of the program interface.
    Code(u16),
    /// The link knows it.
    Own,
}

/// What a program gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gave {
    /// A body, of which it is known what it is.
    Body(Said),
    /// Its parameters, as it has left them.
    Parameters(Returned),
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What the body is.
    pub content_type: String,
    /// The bytes that the caller gets.
    pub body: Vec<u8>,
}

/// What is heard of a worker. After its end nothing is, but that it was swept.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It has spoken, and is as its engine but for this.
    Hello(Option<Difference>),
    /// Its program is loaded.
    Ready,
    /// It asks for operations of this call; answered in their order, where they are waited for.
    Asked(Turn, Batch),
    /// This call has ended in order, after these operations, for which nobody waits.
    Done(Turn, Batch, Gave),
    /// This call has failed, with what is known of it; before it is ready, that it cannot start.
    Failed(Turn, Class, String),
    /// It has said what nobody says.
    Wrong(String),
    /// Its stream has ended.
    Closed,
    /// Its process has ended, with what it wrote last.
    Ended(Exit, String),
    /// It has written more than it may.
    Flood,
    /// It takes more memory than it may.
    Memory,
    /// Nothing of it and of what it started is left.
    Swept,
}

/// A way to one worker. Nothing here waits: what there is no room for is kept and sent later.
pub trait Link: Send {
    /// Tells it to begin a call.
    fn begin(&mut self, begin: &Begin);
    /// Whether a call of so many bytes may be begun ahead: its worker takes such calls, and there
    /// is room for it beside the answer that it waits for.
    fn takes_ahead(&self, bytes: u64) -> bool {
        let _ = bytes;
        false
    }
    /// Tells it to begin a call once the one under way is over; that goes with the next answer.
    fn begin_ahead(&mut self, begin: &Begin) {
        self.begin(begin);
    }
    /// Tells it what came of the operations of its call.
    fn answer(&mut self, turn: Turn, answers: Vec<Answered>);
    /// Tells it to end what it has and to leave.
    fn leave(&mut self);
    /// Kills it, whole. Its end is heard.
    fn kill(&mut self);
    /// Makes sure that nothing of it is left, now that it has ended. It is heard when that is so.
    fn sweep(&mut self);
    /// Adds what to wait for, where it is spoken to over descriptors.
    fn descriptors<'a>(&'a self, all: &mut Vec<(BorrowedFd<'a>, Wants)>);
    /// Takes what has come over the descriptor, and sends what was kept.
    fn hear(&mut self, heard: &mut Vec<Heard>);

    /// Whether it is worth asking for its words before a wait says that there are some: it has a
    /// call, or something is kept for it or of it.
    fn may_speak(&self) -> bool {
        false
    }

    /// Whether it has a call, so that it may speak at any moment.
    fn has_call(&self) -> bool {
        false
    }

    /// The longest record that it can be told, in bytes.
    fn record_most(&self) -> usize {
        usize::MAX
    }

    /// Whether something that it has said is not heard yet. What cannot be heard has none.
    fn unheard(&self) -> Unheard {
        Unheard::Nothing
    }

    /// Whether it can be told an answer. While it does not read what it was told, nothing that it
    /// asks for is carried out.
    fn takes_answers(&self) -> bool {
        true
    }
}

/// What a worker has said and its engine has not heard, which no descriptor tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// Nothing, or a descriptor tells.
    Nothing,
    /// Something that can be heard now.
    Ready,
    /// Perhaps something: it is not listened to while so much of it is held.
    Held,
}

/// What is waited for at a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// What the worker says.
    Words,
    /// Room for what it is told.
    Room,
}

/// Who bears the workers of one service.
pub trait Nursery: Send {
    /// The files that its programs may open. Workers name one by its index.
    fn files(&self) -> Files {
        Files::default()
    }

    /// Starts one. What it says comes over the link, or by its ear.
    ///
    /// # Errors
    /// It could not be started; counts as a birth that failed.
    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String>;
}

/// Where a worker without a descriptor of its own is heard, and what other threads hear of one.
#[derive(Clone)]
pub struct Ear {
    pub(crate) inbox: Arc<Inbox<Letter>>,
    pub(crate) service: ServiceNumber,
    pub(crate) worker: Worker,
}

impl Ear {
    /// Lets the engine hear something of the worker.
    pub fn hear(&self, heard: Heard) {
        // An engine that has ended hears nothing, and needs nothing.
        drop(self.inbox.put(Letter::Heard(self.service, self.worker, heard)));
    }

    /// Which worker it is of.
    #[must_use]
    pub const fn worker(&self) -> Worker {
        self.worker
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ear({}, {})", self.service.0, self.worker.0)
    }
}
