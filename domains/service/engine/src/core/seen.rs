//! What the store has, as the rules have it.

use tsugi_service_rules::id::{CallId, Content, Incarnation, InterfaceNumber, Serial, Watermark};
use tsugi_service_rules::stored::{ClientRow, Ending, LifeRow, Reply, Stored};
use tsugi_store::{self as store, Kept, Meant, Seen, Trouble};

use super::hall::Hall;
use super::way::Way;
use crate::fatal::Fatal;
use crate::names;

/// How often a reading that met somebody else's lock is begun again.
const TRIES: usize = 100;

impl Hall {
    /// What is durable under an id, and of its client. None where the process ends.
    pub(super) fn seen(&mut self, id: CallId) -> Option<(Stored, ClientRow)> {
        let of = names::stored(id, Serial::FIRST);
        let mut tries = 0;
        let Way::Beside(reads) = &mut self.way else {
            self.fail(Fatal::Impossible("a session is asked as if it answered at once".to_owned()));
            return None;
        };
        let seen = loop {
            match reads.seen(&of) {
                Err(Trouble::Again) if tries < TRIES => tries += 1,
                Ok(seen) => break seen,
                // Without it nobody can say what may be run.
                Err(trouble) => {
                    self.fail(Fatal::Broken(trouble.to_string()));
                    return None;
                }
            }
        };
        Some(self.taken_in(id, seen))
    }

    /// What a store has said, with a number for the bytes of a reply.
    pub(super) fn taken_in(&mut self, id: CallId, seen: Seen) -> (Stored, ClientRow) {
        let row = row(&seen);
        let stored = match seen.kept {
            Kept::Nothing => Stored::Nothing,
            Kept::Started(meant) => Stored::Started(content(meant)),
            Kept::Unknown(meant) => Stored::Unknown(content(meant)),
            Kept::Tombstone if id.counted().is_some() => Stored::Nothing,
            Kept::Tombstone => Stored::Tombstone,
            Kept::Final(kept) => {
                let (interface, ending) = (kept.reply.interface, read(kept.reply.ending));
                let content = content(Meant { content: kept.content, interface });
                let bytes = self.number(kept.reply);
                Stored::Final(content, Reply { ending, bytes })
            }
        };
        (stored, row)
    }
}

fn row(seen: &Seen) -> ClientRow {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    let life = seen.life.map(|life| LifeRow {
        watermark: Watermark(number(life.watermark)),
        highest: number(life.highest),
    });
    let floor = seen.floor.map(|floor| Incarnation(number(floor)));
    ClientRow { life, floor, clients: seen.clients }
}

fn content(meant: Meant) -> Content {
    let interface = InterfaceNumber(u32::try_from(meant.interface).unwrap_or(u32::MAX));
    Content { interface, digest: meant.content.0 }
}

pub(super) fn read(ending: store::Ending) -> Ending {
    match ending {
        store::Ending::Done => Ending::Done,
        store::Ending::Refused => Ending::Refused,
        store::Ending::Abnormal => Ending::Abnormal,
        store::Ending::TimeLimit => Ending::TimeLimit,
    }
}

/// How a call ended, as the store has it.
pub(super) fn written(ending: Ending) -> store::Ending {
    match ending {
        Ending::Done => store::Ending::Done,
        Ending::Refused => store::Ending::Refused,
        Ending::Abnormal => store::Ending::Abnormal,
        Ending::TimeLimit => store::Ending::TimeLimit,
    }
}
