//! A service as an engine is given it.

use std::sync::Arc;

use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::id::{Content, InterfaceNumber};
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_service_rules::worker::pool;

use crate::names;
use crate::worker::{Gave, Given, Nursery, Returned, Said};

/// What callers of a service say and are told, and what its program is given for it and gives back.
///
/// Bodies are read by their callers' own tasks; a reply is made by the core, before it is stored:
/// a retry is told its bytes, whatever the interface is by then.
pub trait Interface: Send + Sync {
    /// What a body says by the interface of now, and what the program is given for it.
    ///
    /// # Errors
    /// It does not fit the interface.
    fn read(&self, service: &str, body: &Arc<[u8]>) -> Result<Read, Refusal>;

    /// What a body says by a former interface.
    ///
    /// # Errors
    /// It does not fit that, or nothing is known of it any more.
    fn former(
        &self,
        service: &str,
        body: &[u8],
        interface: InterfaceNumber,
    ) -> Result<Content, Refusal>;

    /// What its program is given for these records of another program, which calls it as its own
    /// language does: a record for each parameter.
    ///
    /// # Errors
    /// It takes others.
    fn called(&self, records: Vec<Vec<u8>>) -> Result<Given, Refusal> {
        match records.len() {
            1 => Ok(records.into_iter().map(Arc::from).collect()),
            more => {
                let why = format!("{more} parameters, not one");
                Err(Refusal::DoesNotFit { field: String::new(), why })
            }
        }
    }

    /// What another program that has called it is told of what the program gave back: a record for
    /// each parameter again.
    ///
    /// # Errors
    /// It is no answer by this interface; the nested call has ended abnormally.
    fn returned(&self, returned: Returned) -> Result<Returned, NoReply> {
        Ok(returned)
    }

    /// What the caller is told of what the program gave back.
    ///
    /// # Errors
    /// It is no answer by this interface; the call ends abnormally.
    fn reply(&self, gave: Gave) -> Result<Said, NoReply>;
}

/// A body that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What it says, whatever its bytes.
    pub content: Content,
    /// What the program is given.
    pub given: Given,
    /// Bytes that are held for it until it has ended, at least those of the body.
    pub size: u64,
}

/// What a program gave back and is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it gave back is no answer: {field}: {why}")]
pub struct NoReply {
    /// Which field; empty for the whole.
    pub field: String,
    /// Why.
    pub why: String,
}

/// A body is given and answered as it is, and two say the same where they have the same bytes.
/// There is one interface, for ever.
#[derive(Clone, Copy, Debug)]
pub struct SameBytes;

impl Interface for SameBytes {
    fn read(&self, service: &str, body: &Arc<[u8]>) -> Result<Read, Refusal> {
        let content = names::content(service, InterfaceNumber(1), body);
        Ok(Read { content, given: Given::body(body.clone()), size: body.len() as u64 })
    }

    fn former(&self, service: &str, body: &[u8], of: InterfaceNumber) -> Result<Content, Refusal> {
        match of {
            InterfaceNumber(1) => Ok(names::content(service, of, body)),
            _ => Err(Refusal::Busy(Busy::NotComparable)),
        }
    }

    fn reply(&self, gave: Gave) -> Result<Said, NoReply> {
        match gave {
            Gave::Body(said) => Ok(said),
            Gave::Parameters(all) => Err(NoReply {
                field: String::new(),
                why: format!("{} parameters, and nothing says what they are", all.records.len()),
            }),
        }
    }
}

/// A service.
pub struct Service {
    /// The store's number of it.
    pub number: ServiceNumber,
    /// Its name.
    pub name: Arc<str>,
    /// Whether it acts in the store only, and what its workers are to be like.
    pub workers: pool::Settings,
    /// What its callers say and are told.
    pub interface: Arc<dyn Interface>,
    /// Who bears its workers.
    pub nursery: Box<dyn Nursery>,
}

impl Service {
    /// Where it acts.
    #[must_use]
    pub const fn effects(&self) -> Effects {
        self.workers.effects
    }
}
