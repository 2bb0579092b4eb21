//! The monitors of a resource: which they are, what the failure of one leads to, and which of them
//! are suspended (PH-14). A group is well only if all of its monitors say so.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tsugi_vocabulary::{ResourceName, Span, Wall};

use crate::record::{GroupRecord, Order};
use crate::spec::Monitor;

/// One monitor of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MonitorId {
    /// Of which resource.
    pub resource: ResourceName,
    /// Its name; the only monitor of a resource may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<ResourceName>,
}

impl MonitorId {
    /// A monitor by its parts.
    #[must_use]
    pub const fn new(resource: ResourceName, monitor: Option<ResourceName>) -> Self {
        Self { resource, monitor }
    }
}

/// `server/port`, or `server` for the only monitor of a resource.
impl fmt::Display for MonitorId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.monitor {
            None => write!(to, "{}", self.resource),
            Some(monitor) => write!(to, "{}/{monitor}", self.resource),
        }
    }
}

/// What the failure of a monitor leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The resource has failed: restarts, then a takeover, as the group's policy says.
    #[default]
    Fallover,
    /// It is told, and the group is left as it is.
    Notify,
}

impl OnFailure {
    /// Whether the failure is the resource's.
    #[must_use]
    pub const fn is_fallover(&self) -> bool {
        matches!(self, Self::Fallover)
    }
}

/// What is run at every failure of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyMethod {
    /// Absolute path and arguments.
    pub run: Vec<String>,
    /// How long one run may take; then it is killed.
    pub limit: Span,
}

/// What a notify method is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of which monitor.
    pub id: MonitorId,
    /// What it said: `exit 3: no licence`.
    pub how: String,
    /// How many runs in a row had said so.
    pub times: u32,
    /// What follows.
    pub action: OnFailure,
}

/// How a monitor stands on the node that runs its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It was not asked yet.
    Awaited,
    /// It said yes.
    Well,
    /// It said no.
    Failing,
    /// It did not answer within its limit: what it looks after may be anything, and is not well.
    Unknown,
    /// It is suspended.
    Suspended,
}

/// A monitor that is not asked for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Which.
    #[serde(flatten)]
    pub id: MonitorId,
    /// Who suspended it, when and why.
    pub order: Order,
    /// When it ends by itself; none until resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
}

impl Suspension {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self, now: Wall) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl GroupRecord {
    /// The suspensions that stand now.
    pub fn suspended_at(&self, now: Wall) -> impl Iterator<Item = &Suspension> {
        self.suspended.iter().filter(move |suspension| !suspension.is_over(now))
    }
}

/// One monitor is written as it always was, several as a list: versions before them read the one.
pub(crate) mod one_or_many {
    use super::{Deserialize, Deserializer, Monitor, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Many(Vec<Monitor>),
        One(Box<Monitor>),
    }

    pub(crate) fn serialize<S: Serializer>(all: &[Monitor], to: S) -> Result<S::Ok, S::Error> {
        match all {
            [] => to.serialize_none(),
            [one] => one.serialize(to),
            many => many.serialize(to),
        }
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<Monitor>, D::Error> {
        Ok(match Option::<Read>::deserialize(from)? {
            None => Vec::new(),
            Some(Read::One(one)) => vec![*one],
            Some(Read::Many(many)) => many,
        })
    }
}
