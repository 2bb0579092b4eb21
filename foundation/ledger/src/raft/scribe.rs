//! Writes commands into the log of the leader: while one entry is under way, those that come are
//! gathered into the next, so that many changes at once cost few syncs.

use std::sync::Arc;

use openraft::error::{ClientWriteError, RaftError};
use tokio::sync::{mpsc, oneshot};

use super::types::{Batch, Raft};
use crate::{Command, Outcome};

/// How many commands one entry carries at most.
const MOST: usize = 256;
/// How many bytes one entry carries before it takes no further command.
const HEAVY: usize = 1 << 20;

/// A command, and who waits for its outcome. No outcome: whether it took effect is unknown.
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) tell: oneshot::Sender<Option<Outcome>>,
}

/// Runs until the last job was taken and nobody can send one any more.
pub(super) async fn write(raft: Raft, mut queue: mpsc::Receiver<Job>) {
    let raft = Arc::new(raft);
    while let Some(first) = queue.recv().await {
        let mut heavy = first.command.size();
        let mut jobs = vec![first];
        while jobs.len() < MOST && heavy < HEAVY {
            let Ok(next) = queue.try_recv() else { break };
            heavy += next.command.size();
            jobs.push(next);
        }
        // Who has stopped waiting was told that the outcome is unknown: this makes it *never*.
        jobs.retain(|job| !job.tell.is_closed());
        if !jobs.is_empty() {
            one_entry(&raft, jobs).await;
        }
    }
}

async fn one_entry(raft: &Raft, jobs: Vec<Job>) {
    let (commands, tell): (Vec<_>, Vec<_>) =
        jobs.into_iter().map(|job| (job.command, job.tell)).unzip();
    let outcomes = match raft.client_write(Batch(commands)).await {
        Ok(response) => response.data.0.into_iter().map(Some).collect(),
        // A leader that was deposed meanwhile cannot say whether another one keeps the entry.
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))
        | Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(_)))
        | Err(RaftError::Fatal(_)) => vec![None; tell.len()],
    };
    for (tell, outcome) in tell.into_iter().zip(outcomes) {
        // Who asked may have stopped waiting.
        drop(tell.send(outcome));
    }
}
