//! Watched programs: what a group's scripts have had started under an id, beside its resources,
//! and what the end of each means.
//!
//! The list belongs to the ownership under whose epoch it was made: the guardian ends the programs
//! with the group, and whoever takes the group over begins with an empty list, which its scripts
//! fill again. What is on it is decided by commands ([`crate::command`]) and stands in the record
//! of the group; what one program is doing on the node that owns the group is [`table::Watch`].

pub mod table;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, ResourceName, Span};

use crate::record::Order;

/// The id of a watched program, the same whatever the case of its letters; unique in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WatchId(String);

/// The longest id.
pub const LONGEST_ID: usize = 255;
/// What the ids begin with that are not given to anybody.
pub const RESERVED: &str = "NEC_";
/// What the names begin with under which watched programs run.
const SLOT: &str = "watch-";

/// Why a text is not a watch id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum WatchIdRefused {
    /// It is empty.
    Empty,
    /// It is longer than [`LONGEST_ID`] characters.
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// It holds something else than letters, digits and underscores.
    Character {
        /// The first such character.
        found: char,
    },
    /// It begins with [`RESERVED`].
    Reserved,
}

impl fmt::Display for WatchIdRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a watch id may not be empty"),
            Self::TooLong { length } => {
                write!(f, "a watch id has at most {LONGEST_ID} characters, this one has {length}")
            }
            Self::Character { found } => {
                write!(f, "a watch id is made of letters, digits and _, not {found:?}")
            }
            Self::Reserved => write!(f, "watch ids that begin with {RESERVED} are reserved"),
        }
    }
}

impl WatchId {
    /// Takes `text` as an id, or says why it is none (CL-12).
    ///
    /// # Errors
    /// The first rule of [`WatchIdRefused`] that the text breaks.
    pub fn new(text: &str) -> Result<Self, WatchIdRefused> {
        if text.is_empty() {
            return Err(WatchIdRefused::Empty);
        }
        let length = text.chars().count();
        if length > LONGEST_ID {
            return Err(WatchIdRefused::TooLong { length });
        }
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || *c == '_');
        if let Some(found) = text.chars().find(odd) {
            return Err(WatchIdRefused::Character { found });
        }
        let folded = text.to_ascii_uppercase();
        if folded.starts_with(RESERVED) {
            return Err(WatchIdRefused::Reserved);
        }
        Ok(Self(folded))
    }

    /// The id, in capitals.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WatchId {
    type Error = WatchIdRefused;
    fn try_from(text: String) -> Result<Self, WatchIdRefused> {
        Self::new(&text)
    }
}

impl From<WatchId> for String {
    fn from(id: WatchId) -> Self {
        id.0
    }
}

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The watched programs of one ownership of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchlist {
    /// The epoch that the list was made under; under another it is void.
    pub epoch: Epoch,
    /// The number of the last program that was put on it.
    pub last: u64,
    /// The programs.
    pub programs: BTreeMap<WatchId, Watched>,
}

/// One program of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The name it runs under, beside the group's resources.
    pub slot: ResourceName,
    /// What is run.
    pub load: Load,
    /// Who suspended the watch over it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Order>,
    /// It is to end, within this time; the id is free again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Span>,
}

/// What is run under a watch id, and what its end means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// The service of its group that it is (`/S`): what is run is then what the configuration says
    /// of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Where it starts; none is the root directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// The user it runs as; none is the user that the node gives to programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What its end means.
    pub at_end: AtEnd,
}

/// What the end of a watched program means that nobody ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum AtEnd {
    /// It is written down (neither `/M` nor `/R`).
    Log,
    /// The group has failed (`/M`).
    Recover {
        /// What is done about it.
        how: Recovery,
    },
    /// It is started again (`/R n`), and when that is used up the group has failed.
    Restart {
        /// How often.
        times: u32,
        /// The period in which so many count (`/H h`); none counts all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Span>,
        /// How long after its end it is started again (`/WAIT t`).
        #[serde(default, skip_serializing_if = "is_zero")]
        wait: Span,
        /// How long after its last start it is started again at the earliest (`/INT t`).
        #[serde(default, skip_serializing_if = "is_zero")]
        interval: Span,
        /// What is run again (`/SCR`).
        #[serde(default, skip_serializing_if = "Again::is_program")]
        again: Again,
    },
}

/// What is run again when a watched program has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// The program.
    #[default]
    Program,
    /// The scripts of its group, from the beginning and on the same node: what they load again is
    /// on a list of its own, as after any start.
    Scripts,
}

impl Again {
    fn is_program(&self) -> bool {
        *self == Self::Program
    }
}

fn is_zero(span: &Span) -> bool {
    *span == Span::ZERO
}

/// What is done about the failure of a watched program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recovery {
    /// What the group's configuration says: a takeover, unless it says otherwise.
    #[default]
    AsConfigured,
    /// Another node takes the group over (`/M /FOV`).
    TakeOver,
    /// The group is started again on the same node, so that its scripts run again; when that is
    /// used up, another node takes it over (`/R n /SCR`).
    Scripts {
        /// How often.
        times: u32,
        /// The period in which so many count; none counts all since the last takeover.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Span>,
    },
}

impl Watchlist {
    /// Whether nothing was ever put on it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// The program of an id under this epoch, unless it is ending.
    #[must_use]
    pub fn get(&self, epoch: Epoch, id: &WatchId) -> Option<&Watched> {
        let of_epoch = self.epoch == epoch;
        self.programs.get(id).filter(|watched| of_epoch && watched.ending.is_none())
    }

    /// Puts a program on the list of `epoch`, under a name that no resource has.
    pub fn put(&mut self, epoch: Epoch, id: WatchId, load: Load, taken: impl Fn(&str) -> bool) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
        let slot = loop {
            self.last += 1;
            let name = format!("{SLOT}{}", self.last);
            if !taken(&name) {
                break ResourceName::new(&name).expect("a prefix and at most 20 digits are a name");
            }
        };
        self.programs.insert(id, Watched { slot, load, held: None, ending: None });
    }

    /// Whether the list has got as far as to have given out this name, so that a program of this
    /// name that is not on it was taken off. A record that lags behind does not know newer ones.
    #[must_use]
    pub fn gave_out(&self, epoch: Epoch, slot: &ResourceName) -> bool {
        let number = slot.as_str().strip_prefix(SLOT).and_then(|n| n.parse::<u64>().ok());
        self.epoch == epoch && number.is_some_and(|n| n <= self.last)
    }
}

#[cfg(test)]
mod tests;
