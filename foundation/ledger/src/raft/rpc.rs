//! What voters say to each other, and its bytes.
//!
//! Every message begins with the version of the protocol; a request then names the cluster, the
//! sender and the receiver, so that nothing meant for another life of an address is taken.

use openraft::SnapshotSegmentId;
use openraft::error::SnapshotMismatch;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, VoteRequest, VoteResponse,
};
use tsugi_vocabulary::{Generation, Index, Span};

use super::file::Owner;
use super::records::{
    read_entry, read_log_id_option, read_meta, read_vote, write_entry, write_log_id_option,
    write_meta, write_vote,
};
use super::types::{Types, Vote};
use crate::format::{
    FORMAT, Reader, Unreadable, Writer, read_command, read_outcome, read_voters_refused,
    write_command, write_outcome, write_voters_refused,
};
use crate::gate::{Hearsay, LogPlace};
use crate::{ClusterId, Command, Outcome, Voter, VoterId, VotersRefused};

/// What one voter asks of another.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Raft: entries, or a sign of life.
    Append(AppendEntriesRequest<Types>),
    /// Raft: a vote.
    Vote(VoteRequest<u64>),
    /// Raft: a piece of a snapshot.
    Snapshot(InstallSnapshotRequest<Types>),
    /// Whether the receiver hears a leader.
    Hear,
    /// To the leader: carry this out.
    Commit(Command),
    /// To the leader: up to where must a reader have applied?
    Barrier,
    /// To the leader: a new voter, if the list is still that of this generation.
    Add(Voter, Option<Generation>),
    /// To the leader: one voter less, if the list is still that of this generation.
    Remove(VoterId, Option<Generation>),
}

/// What it is answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Append(AppendEntriesResponse<u64>),
    Vote(VoteResponse<u64>),
    Snapshot(Vote),
    SnapshotMismatch(SnapshotMismatch),
    Hear(Hearsay),
    Outcome(Outcome),
    At(Index),
    VotersRefused(VotersRefused),
    /// The receiver does not lead; nothing took effect.
    NotLeader,
    /// The receiver cannot say whether it took effect.
    Unknown,
    Refused(Refusal),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The receiver speaks this version.
    Version(u8),
    Unreadable,
    OtherCluster,
    OtherVoter,
    Stopped,
}

/// A request with its address.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: VoterId,
    pub(crate) to: Owner,
    pub(crate) request: Request,
}

impl Letter {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        to.u8(FORMAT).u128(self.to.cluster.0).voter(self.from).voter(self.to.voter);
        self.request.write(&mut to);
        to.done()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader::new(bytes);
        from.format()?;
        let cluster = ClusterId(from.u128()?);
        let sender = from.voter()?;
        let to = Owner { cluster, voter: from.voter()? };
        let request = Request::read(&mut from)?;
        from.end()?;
        Ok(Self { from: sender, to, request })
    }
}

impl Request {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Append(append) => {
                write_vote(to.u8(1), &append.vote);
                write_log_id_option(to, append.prev_log_id.as_ref());
                write_log_id_option(to, append.leader_commit.as_ref());
                to.count(append.entries.len());
                append.entries.iter().for_each(|entry| write_entry(to, entry));
            }
            Self::Vote(vote) => {
                write_vote(to.u8(2), &vote.vote);
                write_log_id_option(to, vote.last_log_id.as_ref());
            }
            Self::Snapshot(piece) => {
                write_vote(to.u8(3), &piece.vote);
                write_meta(to, &piece.meta);
                to.u64(piece.offset).bytes(&piece.data).u8(u8::from(piece.done));
            }
            Self::Hear => {
                to.u8(4);
            }
            Self::Commit(command) => write_command(to.u8(5), command),
            Self::Barrier => {
                to.u8(6);
            }
            Self::Add(voter, None) => {
                to.u8(7).voter(voter.id).text(voter.node.as_str());
            }
            Self::Remove(id, None) => {
                to.u8(8).voter(*id);
            }
            Self::Add(voter, Some(known)) => {
                to.u8(9).voter(voter.id).text(voter.node.as_str()).u64(known.0);
            }
            Self::Remove(id, Some(known)) => {
                to.u8(10).voter(*id).u64(known.0);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(match from.u8()? {
            1 => Self::Append(read_append(from)?),
            2 => Self::Vote(VoteRequest::new(read_vote(from)?, read_log_id_option(from)?)),
            3 => Self::Snapshot(InstallSnapshotRequest {
                vote: read_vote(from)?,
                meta: read_meta(from)?,
                offset: from.u64()?,
                data: from.bytes()?.to_vec(),
                done: from.flag("piece")?,
            }),
            4 => Self::Hear,
            5 => Self::Commit(read_command(from)?),
            6 => Self::Barrier,
            7 => Self::Add(read_voter(from)?, None),
            8 => Self::Remove(from.voter()?, None),
            9 => Self::Add(read_voter(from)?, Some(Generation(from.u64()?))),
            10 => Self::Remove(from.voter()?, Some(Generation(from.u64()?))),
            found => return Err(Unreadable::Form { what: "request", found }),
        })
    }
}

fn read_voter(from: &mut Reader<'_>) -> Result<Voter, Unreadable> {
    Ok(Voter { id: from.voter()?, node: from.node()? })
}

fn read_append(from: &mut Reader<'_>) -> Result<AppendEntriesRequest<Types>, Unreadable> {
    let vote = read_vote(from)?;
    let (prev_log_id, leader_commit) = (read_log_id_option(from)?, read_log_id_option(from)?);
    let mut entries = Vec::new();
    for _ in 0..from.count()? {
        entries.push(read_entry(from)?);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

impl Reply {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        to.u8(FORMAT);
        match self {
            Self::Append(append) => write_append_reply(&mut to, append),
            Self::Vote(vote) => {
                write_vote(to.u8(2), &vote.vote);
                to.u8(u8::from(vote.vote_granted));
                write_log_id_option(&mut to, vote.last_log_id.as_ref());
            }
            Self::Snapshot(vote) => write_vote(to.u8(3), vote),
            Self::Hear(says) => write_hearsay(to.u8(4), says),
            Self::Outcome(outcome) => write_outcome(to.u8(5), outcome),
            Self::At(index) => {
                to.u8(6).index(*index);
            }
            Self::VotersRefused(refused) => write_voters_refused(to.u8(7), refused),
            Self::SnapshotMismatch(mismatch) => {
                to.u8(8).text(&mismatch.expect.id).u64(mismatch.expect.offset);
                to.text(&mismatch.got.id).u64(mismatch.got.offset);
            }
            Self::NotLeader => {
                to.u8(9);
            }
            Self::Unknown => {
                to.u8(10);
            }
            Self::Refused(refusal) => write_refusal(to.u8(11), *refusal),
        }
        to.done()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader::new(bytes);
        from.format()?;
        let reply = match from.u8()? {
            1 => Self::Append(read_append_reply(&mut from)?),
            2 => {
                let (vote, granted) = (read_vote(&mut from)?, from.flag("vote")?);
                Self::Vote(VoteResponse::new(vote, read_log_id_option(&mut from)?, granted))
            }
            3 => Self::Snapshot(read_vote(&mut from)?),
            4 => Self::Hear(read_hearsay(&mut from)?),
            5 => Self::Outcome(read_outcome(&mut from)?),
            6 => Self::At(from.index()?),
            7 => Self::VotersRefused(read_voters_refused(&mut from)?),
            8 => Self::SnapshotMismatch(SnapshotMismatch {
                expect: read_segment(&mut from)?,
                got: read_segment(&mut from)?,
            }),
            9 => Self::NotLeader,
            10 => Self::Unknown,
            11 => Self::Refused(read_refusal(&mut from)?),
            found => return Err(Unreadable::Form { what: "reply", found }),
        };
        from.end()?;
        Ok(reply)
    }
}

fn read_segment(from: &mut Reader<'_>) -> Result<SnapshotSegmentId, Unreadable> {
    Ok(SnapshotSegmentId { id: from.text("snapshot")?.to_owned(), offset: from.u64()? })
}

fn write_append_reply(to: &mut Writer, reply: &AppendEntriesResponse<u64>) {
    to.u8(1);
    match reply {
        AppendEntriesResponse::Success => {
            to.u8(1);
        }
        AppendEntriesResponse::PartialSuccess(id) => write_log_id_option(to.u8(2), id.as_ref()),
        AppendEntriesResponse::Conflict => {
            to.u8(3);
        }
        AppendEntriesResponse::HigherVote(vote) => write_vote(to.u8(4), vote),
    }
}

fn read_append_reply(from: &mut Reader<'_>) -> Result<AppendEntriesResponse<u64>, Unreadable> {
    Ok(match from.u8()? {
        1 => AppendEntriesResponse::Success,
        2 => AppendEntriesResponse::PartialSuccess(read_log_id_option(from)?),
        3 => AppendEntriesResponse::Conflict,
        4 => AppendEntriesResponse::HigherVote(read_vote(from)?),
        found => return Err(Unreadable::Form { what: "append reply", found }),
    })
}

fn write_hearsay(to: &mut Writer, says: &Hearsay) {
    to.u64(says.silent_for.0).u64(says.term).u8(u8::from(says.stands));
    to.u64(says.log.term).u64(says.log.index);
    match says.leader {
        Some(leader) => to.u8(1).voter(leader),
        None => to.u8(0),
    };
}

fn read_hearsay(from: &mut Reader<'_>) -> Result<Hearsay, Unreadable> {
    let (silent_for, term, stands) = (Span(from.u64()?), from.u64()?, from.flag("standing")?);
    let log = LogPlace { term: from.u64()?, index: from.u64()? };
    let leader = if from.flag("leader")? { Some(from.voter()?) } else { None };
    Ok(Hearsay { silent_for, leader, term, stands, log })
}

fn write_refusal(to: &mut Writer, refusal: Refusal) {
    match refusal {
        Refusal::Version(ours) => to.u8(1).u8(ours),
        Refusal::Unreadable => to.u8(2),
        Refusal::OtherCluster => to.u8(3),
        Refusal::OtherVoter => to.u8(4),
        Refusal::Stopped => to.u8(5),
    };
}

fn read_refusal(from: &mut Reader<'_>) -> Result<Refusal, Unreadable> {
    Ok(match from.u8()? {
        1 => Refusal::Version(from.u8()?),
        2 => Refusal::Unreadable,
        3 => Refusal::OtherCluster,
        4 => Refusal::OtherVoter,
        5 => Refusal::Stopped,
        found => return Err(Unreadable::Form { what: "refusal", found }),
    })
}
