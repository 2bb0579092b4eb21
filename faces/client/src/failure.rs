//! How a call can fail, and what is known of it then.

use crate::answer::{Problem, Reply};
use crate::client::Request;
use crate::id::CallId;
use crate::retry::{Left, SoFar};
use crate::tries::Course;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was refused, and nothing of it was carried out by any try.
    #[error("refused: {} {} {}", .0.status, .0.id, .0.title)]
    Refused(Box<Problem>, Box<Course>),
    /// Its program ended abnormally and nothing that it did stayed; kept like a reply, which this
    /// is.
    #[error("its program ended abnormally")]
    Ended(Box<Reply>),
    /// Nobody knows yet what became of it.
    #[error("not known: ask again as {}", .0.id)]
    NotKnown(Box<NotKnown>),
    /// Until its deadline as many calls of this client had no answer as may; it was not begun and
    /// has no id.
    #[error("until its deadline no serial was free")]
    NoRoom,
    /// What it says cannot be written as a request: the name of the service, or the key of order.
    #[error("the request cannot be written")]
    NotWritten,
}

/// A call whose end is not known. It may be asked again, and holds its serial until it was: see
/// [`Client::again`](crate::Client::again) and [`Client::give_up`](crate::Client::give_up).
#[derive(Clone, Debug)]
pub struct NotKnown {
    /// Its id: ask again under this.
    pub id: CallId,
    /// What it asks for.
    pub request: Request,
    /// The lowest serial without an answer as it began; 0 under a key.
    pub lowest: u64,
    /// Whether it may have been carried out.
    pub so_far: SoFar,
    /// Why asking ended.
    pub why: Why,
    /// What it took.
    pub course: Course,
}

/// Why asking ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its deadline.
    Deadline,
    /// The last answer, which is in the course; what is left.
    Answered(Left),
}
