//! What the store has under an id, and what may become of it without a call.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::Span;

use crate::id::{CallId, Content, Incarnation, Life, Serial, Watermark};
use crate::mutant::mutant;
use crate::refusal::Expired;

/// How a call ended for good: every retry of it is told the same bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its program carried it out.
    Done,
    /// Its program refused it; nothing of it was kept. Final, because the caller was told no.
    Refused,
    /// Its program ended abnormally; nothing of it was kept in the store.
    Abnormal,
    /// Its program took longer than it may; nothing of it was kept in the store.
    TimeLimit,
}

impl Ending {
    /// Its HTTP status. A refusal by the program is an answer like any other: its envelope says
    /// that it is one. An end that is none of its program's is 500, whatever it was: what stands
    /// between a caller and the service would take a 504 for its own, and ask again.
    #[must_use]
    pub const fn http(self) -> u16 {
        match self {
            Self::Done | Self::Refused => 200,
            Self::Abnormal | Self::TimeLimit => 500,
        }
    }
}

/// An answer that is kept: what it says, and where the engine finds its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reply {
    /// How the call ended.
    pub ending: Ending,
    /// The engine's own number for the bytes; two replies of one number are the same bytes.
    pub bytes: u64,
}

/// What the store has under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// That a program was about to act outside the store for this content. Some run of the
    /// engine may be at it, or may have been when it ended.
    Started(Content),
    /// That it was interrupted and acts outside the store.
    Unknown(Content),
    /// Its answer.
    Final(Content, Reply),
    /// Only that it was carried out.
    Tombstone,
}

/// What the store has of a client, read together with the call it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRow {
    /// Of this life of the client; none if the store knows nothing of it.
    pub life: Option<LifeRow>,
    /// The highest life of the client that is over for good.
    pub floor: Option<Incarnation>,
    /// How many lives of clients the store has.
    pub clients: u64,
}

/// What the store has of one life of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifeRow {
    /// How far it has all its answers.
    pub watermark: Watermark,
    /// The highest serial that was ever stored; 0 for none.
    pub highest: u64,
}

impl ClientRow {
    /// Why a call of which nothing is stored is over, if it is.
    #[must_use]
    pub fn expired(&self, id: CallId) -> Option<Expired> {
        let (life, serial) = id.counted()?;
        if mutant("expired-runs-again") {
            return None;
        }
        let under = |floor: &Incarnation| life.incarnation <= *floor;
        if let Some(floor) = self.floor.filter(under).filter(|_| !mutant("floor-forgotten")) {
            return Some(Expired::Floor(floor));
        }
        let mark = self.life.map(|row| row.watermark)?;
        mark.is_over(serial).then_some(Expired::Watermark(mark))
    }
}

/// What becomes of a row when an engine opens its store, in the transaction that claims the
/// epoch. No run of it is left that could still be at what was started.
#[must_use]
pub fn at_open(stored: Stored) -> Stored {
    match stored {
        Stored::Started(_) if mutant("started-runs-again") => Stored::Nothing,
        Stored::Started(content) => Stored::Unknown(content),
        Stored::Nothing | Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => stored,
    }
}

/// What becomes of a row in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aged {
    /// It stays.
    Stays,
    /// It is deleted, and in the same transaction the client's watermark rises to it.
    Deleted {
        /// The watermark that is written.
        watermark: Watermark,
    },
    /// Only that it was carried out is kept.
    Tombstone,
}

/// What becomes of a row of this age. All rows of the client below are deleted with it: whoever
/// asks goes through the rows of a client from the lowest serial on, and ends at the first that
/// stays.
#[must_use]
pub fn aged(id: CallId, stored: Stored, age: Span, retention: Span) -> Aged {
    match stored {
        Stored::Final(..) if age < retention => Aged::Stays,
        Stored::Final(..) => over(id),
        // What is not decided is kept until somebody decides; a tombstone until it is forgotten.
        Stored::Nothing | Stored::Started(_) | Stored::Unknown(_) | Stored::Tombstone => {
            Aged::Stays
        }
    }
}

/// The floor that is written, and in the same transaction the record of the life deleted, when a
/// life of a client is over for good: nothing of it is stored, and it was not heard for as long as
/// answers are kept. None while it is not over.
#[must_use]
pub fn floor(life: Life, stored: usize, silent: Span, retention: Span) -> Option<Incarnation> {
    (stored == 0 && silent >= retention).then_some(life.incarnation)
}

/// What a kept answer becomes once it need not be kept.
#[must_use]
pub fn over(id: CallId) -> Aged {
    match id.counted() {
        Some((_, serial)) => Aged::Deleted { watermark: up_to(serial) },
        None => Aged::Tombstone,
    }
}

/// The watermark that stands at this serial.
fn up_to(serial: Serial) -> Watermark {
    let below = mutant("purged-without-watermark");
    Watermark(serial.get() - u64::from(below))
}
