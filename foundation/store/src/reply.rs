//! What a call was answered, as it is kept. What becomes of it is decided by rules that know no
//! store, and have their own types for it (`domains/service/rules/src/stored.rs`).

use crate::{Content, Kept, Meant, Trouble};

/// How a call ended. The number is what the column says, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Ending {
    /// Its program came to its end.
    Done = 2,
    /// Its program refused it.
    Refused = 3,
    /// Its program died.
    Abnormal = 4,
    /// Its program took too long.
    TimeLimit = 5,
}

/// Of rows whose reply is no longer kept: confirmed, or too old.
pub(crate) const TOMBSTONE: i64 = 9;

/// Of rows of calls that act outside the store: about to be carried out.
pub(crate) const STARTED: i64 = 1;

/// Of rows of calls that act outside the store: interrupted, so that nobody knows.
pub(crate) const UNKNOWN: i64 = 6;

/// The longest body that stands in the reply's own row; a longer one makes the rows beside it slow.
pub(crate) const SHORT: usize = 512;

/// The content type that is not written down beside a short body.
pub(crate) const JSON: &str = "application/json";

/// Whether a row of this kind has a reply that can be taken away: neither a call that is under way
/// nor a tombstone.
pub(crate) fn is_over(kind: i64) -> bool {
    !matches!(kind, STARTED | UNKNOWN | TOMBSTONE)
}

/// What a call is answered, and every retry of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How it ended.
    pub ending: Ending,
    /// The number of the service.
    pub service: i64,
    /// The generation of its interface.
    pub interface: i64,
    /// Which run of the program this was, from 1.
    pub attempt: i64,
    /// When, in milliseconds of Unix time.
    pub at: i64,
    /// The status of the answer, as HTTP counts.
    pub status: i64,
    /// What the body is.
    pub content_type: String,
    /// The bytes that the caller gets.
    pub body: Vec<u8>,
}

/// A reply that is durable, and the content that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What its call asked.
    pub content: Content,
    /// What it was answered.
    pub reply: Reply,
}

/// A row of a reply as it was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: i64,
    /// Nothing else stands in a tombstone.
    pub(crate) rest: Option<Rest>,
}

/// What stands in a row beside its kind.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) service: i64,
    pub(crate) interface: i64,
    pub(crate) content: Vec<u8>,
    pub(crate) attempt: i64,
    pub(crate) at: i64,
    pub(crate) status: i64,
    pub(crate) short: Option<Vec<u8>>,
    pub(crate) long: Option<(String, Vec<u8>)>,
}

fn unreadable(what: &str) -> Trouble {
    Trouble::Broken(format!("a reply: {what}"))
}

impl Ending {
    fn read(kind: i64) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Abnormal, Self::TimeLimit]
            .into_iter()
            .find(|ending| *ending as i64 == kind)
    }
}

impl Reply {
    /// Whether the body stands in the reply's own row.
    pub(crate) fn is_short(&self) -> bool {
        self.body.len() <= SHORT && self.content_type == JSON
    }
}

impl Found {
    /// What is kept, also where it is no reply.
    pub(crate) fn kept(self) -> Result<Kept, Trouble> {
        if !matches!(self.kind, STARTED | UNKNOWN) {
            return Ok(self.read()?.map_or(Kept::Tombstone, Kept::Final));
        }
        let rest = self.rest.ok_or_else(|| unreadable("it is empty"))?;
        let content = rest.content.try_into().map_err(|_| unreadable("its content's length"))?;
        let meant = Meant { content: Content(content), interface: rest.interface };
        Ok(if self.kind == STARTED { Kept::Started(meant) } else { Kept::Unknown(meant) })
    }

    /// The reply, or nothing where there is none: not yet, or not any more.
    pub(crate) fn read(self) -> Result<Option<Stored>, Trouble> {
        if matches!(self.kind, TOMBSTONE | STARTED | UNKNOWN) {
            return Ok(None);
        }
        let Some(ending) = Ending::read(self.kind) else {
            return Err(unreadable(&format!("kind {} is unknown here", self.kind)));
        };
        let rest = self.rest.ok_or_else(|| unreadable("it is empty"))?;
        let content = rest.content.try_into().map_err(|_| unreadable("its content's length"))?;
        let (content_type, body) = match (rest.short, rest.long) {
            (Some(body), None) => (JSON.to_owned(), body),
            (None, Some(long)) => long,
            (None, None) | (Some(_), Some(_)) => return Err(unreadable("it needs one body")),
        };
        let reply = Reply {
            ending,
            service: rest.service,
            interface: rest.interface,
            attempt: rest.attempt,
            at: rest.at,
            status: rest.status,
            content_type,
            body,
        };
        Ok(Some(Stored { content: Content(content), reply }))
    }
}
