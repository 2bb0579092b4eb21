//! The way to services of other groups, as an engine asks for it. Whoever starts an engine gives it
//! one: an engine knows no addresses and speaks with nobody itself.

use std::fmt;
use std::time::Duration;

use tsugi_service_rules::id::CallId;

/// A call of a service of another group, made by a program that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOut {
    /// Of which group.
    pub group: String,
    /// Which service.
    pub service: String,
    /// Its id: the same whenever its caller runs.
    pub id: CallId,
    /// Its body, as the door of that group takes it.
    pub body: Vec<u8>,
    /// How long its caller can wait.
    pub patience: Duration,
}

/// What became of such a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameBack {
    /// Its reply: the same whenever it is asked for.
    Reply(Vec<u8>),
    /// It was refused, in these words: by this asking nothing was carried out.
    Refused(String),
    /// It has ended, and not in order; nothing that it did there is kept.
    Ended(String),
    /// Nobody can say what became of it, for this reason.
    NotKnown(String),
}

/// Whom what came back is told, once.
pub type TellCaller = Box<dyn FnOnce(CameBack) + Send>;

/// The way to services of other groups. It waits for nobody where it is called.
pub trait OtherGroups: fmt::Debug + Send + Sync {
    /// Whether a group is known.
    fn knows(&self, group: &str) -> bool;

    /// Has a service called, under the id that is said, and tells what became of it.
    fn call(&self, call: CallOut, tell: TellCaller);

    /// The reply of a call need not be kept any more: whoever has called is durable. This word may
    /// be lost.
    fn confirm(&self, group: &str, id: CallId);
}
