//! What runs a program stands on: a worker, which asks its engine by frames.

use tsugi_files::definition::Definition;
use tsugi_files::open::Opening;
use tsugi_files::operation::{Answer, Operation};
use tsugi_files::spoken::Request;
use tsugi_files::status::Status;
use tsugi_frames::{Bytes, Reply, Trouble, Value};

/// A file that the service may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its index, by which it is opened.
    pub index: u16,
    /// What the store has, or will have once it is made.
    pub definition: Definition,
}

/// What call this is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The same in every attempt.
    pub id: String,
    /// The call that made this one; empty for a client's.
    pub parent: String,
    /// Who called.
    pub client: String,
    /// What was called.
    pub service: String,
    /// Whose service it is.
    pub group: String,
    /// Where it runs.
    pub node: String,
    /// Of the group: it only rises.
    pub epoch: u64,
    /// From 1.
    pub attempt: u32,
}

/// What a program asks for while it answers a call. Each function returns when there is an answer;
/// a host that gets none, because its engine is gone, ends the process instead.
pub trait Host {
    /// The file with this name, if a file set of the service has one.
    fn file(&mut self, name: &str) -> Option<Listed>;

    /// OPEN: from now on the slot means this open.
    fn open(&mut self, slot: u16, request: &Request) -> Opening;

    /// DELETE FILE, by the index of the file.
    fn remove(&mut self, file: u16) -> Status;

    /// An operation on the records of an open file.
    fn operate(&mut self, slot: u16, operation: &Operation<'_>) -> Answer;

    /// Runs a statement: how many rows it changed. Its rows are asked for by [`row`](Self::row).
    ///
    /// # Errors
    /// The statement alone is undone.
    fn sql(&mut self, text: &str, parameters: &[Value<'_>]) -> Result<u64, Trouble<'static>>;

    /// The next row of the last statement, which has so many columns.
    ///
    /// # Errors
    /// What the store says; no further row is one too. With another number of columns the row is
    /// still the next one.
    fn row(&mut self, columns: usize) -> Result<Vec<Value<'static>>, Trouble<'static>>;

    /// Calls another service in the same unit of work.
    ///
    /// # Errors
    /// What it did is undone.
    fn call(
        &mut self,
        service: &str,
        body: Vec<Bytes<'_>>,
    ) -> Result<Reply<'static>, Trouble<'static>>;

    /// A line of the log: 0 debug, 1 information, 2 warning, 3 error.
    fn log(&mut self, level: u8, text: &str);

    /// Marks the call as to be undone, whatever its program returns.
    fn abort(&mut self, why: &str);

    /// What call this is.
    fn info(&mut self) -> Info;

    /// Milliseconds until the deadline.
    fn left_ms(&mut self) -> u64;
}
