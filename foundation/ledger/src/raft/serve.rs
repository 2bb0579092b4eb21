//! Answers what other voters ask, and what only the leader can do.

use std::time::Duration;

use openraft::ChangeMembers;
use openraft::error::{ChangeMembershipError, ClientWriteError, InstallSnapshotError, RaftError};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
use tokio::sync::oneshot;
use tsugi_vocabulary::{Generation, Index};

use super::node::{Node, RaftLedger, place_of};
use super::rpc::{Letter, Refusal, Reply, Request};
use super::scribe::Job;
use super::types::{Member, Types};
use crate::format::{FORMAT, Unreadable};
use crate::gate::{LogPlace, Role, Sighting};
use crate::{Command, Voter, VoterId, VotersRefused};

/// How long a new voter may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(10);

impl RaftLedger {
    /// Answers a message of another voter. The transport has made sure who sent it.
    pub async fn handle(&self, message: Vec<u8>) -> Vec<u8> {
        self.node.answer(&message).await.to_bytes()
    }
}

impl Node {
    async fn answer(&self, message: &[u8]) -> Reply {
        let letter = match Letter::from_bytes(message) {
            Ok(letter) => letter,
            Err(Unreadable::TooNew { .. }) => return Reply::Refused(Refusal::Version(FORMAT)),
            Err(_) => return Reply::Refused(Refusal::Unreadable),
        };
        if letter.to.cluster != self.cluster {
            return Reply::Refused(Refusal::OtherCluster);
        }
        if letter.to.voter != self.voter.id || letter.from == self.voter.id {
            return Reply::Refused(Refusal::OtherVoter);
        }
        let stopped = Reply::Refused(Refusal::Stopped);
        match letter.request {
            Request::Append(append) => self.append(append).await,
            Request::Vote(vote) => {
                self.courted(&vote);
                self.raft.vote(vote).await.map_or(stopped, Reply::Vote)
            }
            Request::Snapshot(piece) => match self.raft.install_snapshot(piece).await {
                Ok(reply) => Reply::Snapshot(reply.vote),
                Err(RaftError::APIError(InstallSnapshotError::SnapshotMismatch(mismatch))) => {
                    Reply::SnapshotMismatch(mismatch)
                }
                Err(RaftError::Fatal(_)) => stopped,
            },
            Request::Hear => {
                let now = self.links.now();
                let situation = self.situation(now);
                Reply::Hear(self.gate(|gate| gate.says(now, &situation)))
            }
            Request::Commit(_) | Request::Barrier | Request::Add(..) | Request::Remove(..) => {
                self.lead(letter.request).await
            }
        }
    }

    fn courted(&self, vote: &VoteRequest<u64>) {
        let now = self.links.now();
        let situation = self.situation(now);
        let theirs = vote.last_log_id.map_or_else(LogPlace::default, place_of);
        if situation.role == Role::Voter && theirs >= situation.log {
            let order = self.gate(|gate| gate.step(now, Sighting::Courted, &situation));
            self.carry_out_quietly(now, order);
        }
    }

    async fn append(&self, append: AppendEntriesRequest<Types>) -> Reply {
        let (leader, committed) = (append.vote.leader_id, append.vote.committed);
        let Ok(reply) = self.raft.append_entries(append).await else {
            return Reply::Refused(Refusal::Stopped);
        };
        match &reply {
            AppendEntriesResponse::HigherVote(_) => {}
            AppendEntriesResponse::Success
            | AppendEntriesResponse::PartialSuccess(_)
            | AppendEntriesResponse::Conflict => {
                if committed {
                    self.heard(VoterId(leader.node_id), leader.term);
                }
            }
        }
        Reply::Append(reply)
    }

    /// Does what only the leader can do, if this voter leads.
    pub(super) async fn lead(&self, request: Request) -> Reply {
        let now = self.links.now();
        if !self.leads(now, &self.situation(now)).me {
            return Reply::NotLeader;
        }
        match request {
            Request::Commit(command) => self.write(command).await,
            Request::Barrier => match self.raft.get_read_log_id().await {
                Ok((read, _)) => Reply::At(Index(read.map_or(0, |id| id.index))),
                Err(_) => Reply::NotLeader,
            },
            Request::Add(voter, known) => self.change_voters(known, self.add(voter)).await,
            Request::Remove(id, known) => self.change_voters(known, self.remove(id)).await,
            Request::Append(_) | Request::Vote(_) | Request::Snapshot(_) | Request::Hear => {
                Reply::Refused(Refusal::Unreadable)
            }
        }
    }

    async fn write(&self, command: Command) -> Reply {
        let (tell, told) = oneshot::channel();
        if self.jobs.send(Job { command, tell }).await.is_err() {
            return Reply::NotLeader;
        }
        let outcome = tokio::time::timeout(self.timing.patience(), told).await;
        match outcome {
            Ok(Ok(Some(outcome))) => Reply::Outcome(outcome),
            Ok(Ok(None) | Err(_)) | Err(_) => Reply::Unknown,
        }
    }

    async fn change_voters(
        &self,
        known: Option<Generation>,
        change: impl Future<Output = Result<Index, Reply>>,
    ) -> Reply {
        let Ok(_alone) = self.voters_change.try_lock() else {
            return Reply::VotersRefused(VotersRefused::Busy);
        };
        // The list that is checked must hold every change that was told committed.
        if self.raft.ensure_linearizable().await.is_err() {
            return Reply::NotLeader;
        }
        if let Some(refused) = self.finish_half_a_change().await {
            return refused;
        }
        let now = self.view().voters.generation;
        if known.is_some_and(|known| known != now) {
            return Reply::VotersRefused(VotersRefused::Changed { now });
        }
        change.await.map_or_else(|refused| refused, Reply::At)
    }

    /// A leader that was lost half way through a change left both lists standing together. That
    /// change is finished first; whatever is asked for was decided on an older list.
    pub(super) async fn finish_half_a_change(&self) -> Option<Reply> {
        let last = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow();
            let lists = metrics.membership_config.membership().get_joint_config();
            if lists.len() < 2 { None } else { lists.last().cloned() }
        }?;
        let finished = self.become_voters(ChangeMembers::ReplaceAllVoters(last)).await;
        Some(finished.err().unwrap_or_else(|| {
            let now = self.view().voters.generation;
            Reply::VotersRefused(VotersRefused::Changed { now })
        }))
    }

    async fn add(&self, voter: Voter) -> Result<Index, Reply> {
        self.view().voters.with_added(&voter).map_err(Reply::VotersRefused)?;
        let member = Member { node: voter.node.to_string() };
        let learner = self.raft.add_learner(voter.id.0, member, false).await;
        let begun = learner.map_err(|error| voters_reply(&error))?.log_id;
        let mut metrics = self.raft.data_metrics();
        let caught_up = metrics.wait_for(|metrics| {
            let matched = metrics.replication.as_ref().and_then(|all| all.get(&voter.id.0));
            matched.copied().flatten().is_some_and(|id| id >= begun)
        });
        if !matches!(tokio::time::timeout(CATCH_UP, caught_up).await, Ok(Ok(_))) {
            let gone = ChangeMembers::RemoveNodes([voter.id.0].into());
            // It has no vote either way; the next attempt adds it again.
            drop(self.raft.change_membership(gone, true).await);
            return Err(Reply::VotersRefused(VotersRefused::Behind { id: voter.id }));
        }
        self.become_voters(ChangeMembers::AddVoterIds([voter.id.0].into())).await
    }

    async fn remove(&self, id: VoterId) -> Result<Index, Reply> {
        self.view().voters.with_removed(id).map_err(Reply::VotersRefused)?;
        self.become_voters(ChangeMembers::RemoveVoters([id.0].into())).await
    }

    async fn become_voters(&self, change: ChangeMembers<u64, Member>) -> Result<Index, Reply> {
        let changed = self.raft.change_membership(change, false).await;
        Ok(Index(changed.map_err(|error| voters_reply(&error))?.log_id.index))
    }
}

fn voters_reply(error: &RaftError<u64, ClientWriteError<u64, Member>>) -> Reply {
    match error {
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_),
        )) => Reply::VotersRefused(VotersRefused::Busy),
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::EmptyMembership(_) | ChangeMembershipError::LearnerNotFound(_),
        ))
        | RaftError::APIError(ClientWriteError::ForwardToLeader(_))
        | RaftError::Fatal(_) => Reply::Unknown,
    }
}
