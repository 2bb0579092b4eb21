//! What a node says on the disk: that it is there, what it asks the leader, what it answers, and
//! whose end it demands. Nothing of it decides what takes effect: it may be torn, old or lost.

use tsugi_vocabulary::{BootId, Index};

use super::layout::Whose;
use super::vow::{Term, context};
use crate::format::{
    Reader, Unreadable, Writer, read_outcome, read_voters_refused, seal, unseal, write_outcome,
    write_voters_refused,
};
use crate::{Outcome, VotersRefused};

/// A question that stands in the asker's petition box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Petition {
    /// Rises with every petition of one life.
    pub(crate) number: u64,
    /// The leader it is for: nobody who leads under another term carries it out.
    pub(crate) term: Term,
    /// Its bytes in the petition box.
    pub(crate) length: u64,
    /// Their checksum.
    pub(crate) sum: u32,
}

/// What came of a petition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A command was carried out.
    Outcome(Outcome),
    /// The voters changed at this place.
    Voters(Index),
    /// The voters stay as they are.
    Refused(VotersRefused),
    /// It has more bytes than fit beside what there is.
    TooLarge(u64),
}

/// Whose petition an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) life: BootId,
    pub(crate) number: u64,
    pub(crate) answer: Answer,
}

/// What the node of one seat says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) life: BootId,
    /// Rises each time it is written: who leads shows with it that it is there.
    pub(crate) beat: u64,
    /// The term it leads under, if it does.
    pub(crate) leads: Option<Term>,
    /// Up to where it knows that everything took effect.
    pub(crate) committed: Index,
    pub(crate) petition: Option<Petition>,
    /// By seat: the last answer to each.
    pub(crate) replies: Vec<Option<Reply>>,
    /// By seat: the life that must end. A life that reads its own number here ends at once.
    pub(crate) pills: Vec<Option<BootId>>,
}

impl Word {
    pub(crate) fn new(life: BootId, seats: usize) -> Self {
        Self { life, replies: vec![None; seats], pills: vec![None; seats], ..Self::default() }
    }

    pub(crate) fn to_bytes(&self, whose: Whose, seat: usize) -> Vec<u8> {
        let mut to = Writer::new();
        to.u128(self.life.0).u64(self.beat);
        to.u64(self.leads.unwrap_or_default().0).index(self.committed);
        match self.petition {
            None => {
                to.u8(0);
            }
            Some(petition) => {
                to.u8(1)
                    .u64(petition.number)
                    .u64(petition.term.0)
                    .u64(petition.length)
                    .u32(petition.sum);
            }
        }
        to.count(self.replies.len());
        for (reply, pill) in self.replies.iter().zip(&self.pills) {
            match reply {
                None => {
                    to.u8(0);
                }
                Some(reply) => {
                    to.u8(1).u128(reply.life.0).u64(reply.number);
                    write_answer(&mut to, &reply.answer);
                }
            }
            match pill {
                None => to.u8(0),
                Some(life) => to.u8(1).u128(life.0),
            };
        }
        seal(&context(b"word", whose, seat), &to.done())
    }

    pub(crate) fn from_bytes(bytes: &[u8], whose: Whose, seat: usize) -> Result<Self, Unreadable> {
        let mut from = Reader::new(unseal(&context(b"word", whose, seat), bytes)?);
        let mut word = Self { life: BootId(from.u128()?), beat: from.u64()?, ..Self::default() };
        word.leads = Some(Term(from.u64()?)).filter(|term| *term != Term(0));
        word.committed = from.index()?;
        if from.flag("petition")? {
            let (number, term) = (from.u64()?, Term(from.u64()?));
            let (length, sum) = (from.u64()?, from.u32()?);
            word.petition = Some(Petition { number, term, length, sum });
        }
        for _ in 0..from.count()? {
            let mut reply = None;
            if from.flag("reply")? {
                let (life, number) = (BootId(from.u128()?), from.u64()?);
                reply = Some(Reply { life, number, answer: read_answer(&mut from)? });
            }
            word.replies.push(reply);
            let pill = if from.flag("pill")? { Some(BootId(from.u128()?)) } else { None };
            word.pills.push(pill);
        }
        from.end()?;
        Ok(word)
    }
}

fn write_answer(to: &mut Writer, answer: &Answer) {
    match answer {
        Answer::Outcome(outcome) => write_outcome(to.u8(1), outcome),
        Answer::Voters(index) => {
            to.u8(2).index(*index);
        }
        Answer::Refused(refused) => write_voters_refused(to.u8(3), refused),
        Answer::TooLarge(limit) => {
            to.u8(4).u64(*limit);
        }
    }
}

fn read_answer(from: &mut Reader<'_>) -> Result<Answer, Unreadable> {
    Ok(match from.u8()? {
        1 => Answer::Outcome(read_outcome(from)?),
        2 => Answer::Voters(from.index()?),
        3 => Answer::Refused(read_voters_refused(from)?),
        4 => Answer::TooLarge(from.u64()?),
        found => return Err(Unreadable::Form { what: "answer", found }),
    })
}
