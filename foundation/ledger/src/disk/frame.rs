//! Entries as they stand behind a snapshot, some at a time, and how they move the view on.

use tsugi_vocabulary::{Generation, Index};

use super::layout::Whose;
use super::store::BLOCK;
use super::vow::{Term, context};
use super::word::Answer;
use crate::format::{
    Reader, Unreadable, Writer, crc32c, read_command, seal, unseal, write_command,
};
use crate::{Applied, Command, View, Voter, VoterId, VotersRefused};

/// One thing that the nodes agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A change of what the ledger holds.
    Command(Command),
    /// A voter more, if the list is still that of this generation.
    Add(Voter, Generation),
    /// A voter less, likewise.
    Remove(VoterId, Generation),
}

/// Entries written at once: they stand together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) term: Term,
    pub(crate) generation: u64,
    /// The place of its first entry.
    pub(crate) first: Index,
    pub(crate) entries: Vec<Entry>,
}

impl Entry {
    pub(crate) fn write(&self, to: &mut Writer) {
        match self {
            Self::Command(command) => write_command(to.u8(1), command),
            Self::Add(voter, known) => {
                to.u8(2).voter(voter.id).text(voter.node.as_str()).u64(known.0);
            }
            Self::Remove(id, known) => {
                to.u8(3).voter(*id).u64(known.0);
            }
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(match from.u8()? {
            1 => Self::Command(read_command(from)?),
            2 => {
                let voter = Voter { id: from.voter()?, node: from.node()? };
                Self::Add(voter, Generation(from.u64()?))
            }
            3 => Self::Remove(from.voter()?, Generation(from.u64()?)),
            found => return Err(Unreadable::Form { what: "entry", found }),
        })
    }

    /// A petition with this entry.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        self.write(&mut to);
        seal(b"petition", &to.done())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader::new(unseal(b"petition", bytes)?);
        let entry = Self::read(&mut from)?;
        from.end()?;
        Ok(entry)
    }

    /// Carries it out at the place `at`: the same on every node.
    pub(crate) fn apply(&self, view: &mut View, at: Index) -> (Answer, Applied) {
        let (answer, keys) = match self {
            Self::Command(command) => {
                let (outcome, keys) = view.apply(at, command);
                (Answer::Outcome(outcome), keys)
            }
            Self::Add(..) | Self::Remove(..) => {
                view.applied = at;
                let changed = self.revote(view, at);
                let answer = match changed {
                    Ok(()) => Answer::Voters(at),
                    Err(refused) => Answer::Refused(refused),
                };
                (answer, Vec::new())
            }
        };
        (answer, Applied { index: at, keys })
    }

    fn revote(&self, view: &mut View, at: Index) -> Result<(), VotersRefused> {
        let now = view.voters.generation;
        let list = match self {
            Self::Command(_) => return Ok(()),
            Self::Add(_, known) | Self::Remove(_, known) if *known != now => {
                return Err(VotersRefused::Changed { now });
            }
            Self::Add(voter, _) => view.voters.with_added(voter)?,
            Self::Remove(id, _) => view.voters.with_removed(*id)?,
        };
        view.voters.become_list(at, list);
        Ok(())
    }
}

impl Frame {
    /// The bytes as they stand in the region of `seat`, in whole blocks.
    pub(crate) fn to_blocks(&self, whose: Whose, seat: usize) -> Vec<u8> {
        let mut to = Writer::new();
        to.u64(self.term.0).u64(self.generation).index(self.first).count(self.entries.len());
        for entry in &self.entries {
            entry.write(&mut to);
        }
        blocks(&seal(&context(b"frame", whose, seat), &to.done()))
    }

    fn from_record(record: &[u8], whose: Whose, seat: usize) -> Result<Self, Unreadable> {
        let mut from = Reader::new(unseal(&context(b"frame", whose, seat), record)?);
        let (term, generation, first) = (Term(from.u64()?), from.u64()?, from.index()?);
        let mut entries = Vec::new();
        for _ in 0..from.count()? {
            entries.push(Entry::read(&mut from)?);
        }
        from.end()?;
        Ok(Self { term, generation, first, entries })
    }

    /// The frame that `bytes` begin with; they may go on after it.
    pub(crate) fn from_blocks(bytes: &[u8], whose: Whose, seat: usize) -> Result<Self, Unreadable> {
        Self::from_record(record(bytes)?, whose, seat)
    }
}

/// `record` in whole blocks: its length, the checksum of that, itself, zeros.
pub(crate) fn blocks(record: &[u8]) -> Vec<u8> {
    let mut to = Writer::new();
    to.count(record.len());
    let sum = crc32c(to.so_far());
    to.u32(sum).raw(record);
    let mut bytes = to.done();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// How many bytes in whole blocks the record takes whose first block is `head`.
pub(crate) fn length_of(head: &[u8]) -> Result<usize, Unreadable> {
    let mut from = Reader::new(head);
    let length = from.u32()?;
    if from.u32()? != crc32c(&length.to_le_bytes()) {
        return Err(Unreadable::Sum);
    }
    Ok((length as usize + 8).next_multiple_of(BLOCK))
}

/// The record that [`blocks`] put into `bytes`.
pub(crate) fn record(bytes: &[u8]) -> Result<&[u8], Unreadable> {
    let mut from = Reader::new(bytes);
    let length = from.u32()?;
    if from.u32()? != crc32c(&length.to_le_bytes()) {
        return Err(Unreadable::Sum);
    }
    from.raw(length as usize)
}
