//! The ledger as its users see it: every question finds the leader from any node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tsugi_vocabulary::{Generation, Index};

use super::links::SendFailure;
use super::node::{Node, RaftLedger};
use super::rpc::{Refusal, Reply, Request};
use crate::{
    Applied, Backup, Change, Command, Failure, Forgotten, Leadership, Ledger, Outcome, Pending,
    View, Voter, VoterId,
};

/// How long to wait before the leader is looked for again, unless it is announced before.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Node {
    /// Has the leader do `request`, wherever it is.
    async fn through_leader(&self, request: Request, until: Instant) -> Result<Reply, Failure> {
        let mut leadership = self.leadership.subscribe();
        loop {
            if let Some(failure) = self.failed.borrow().clone() {
                return Err(failure);
            }
            leadership.mark_unchanged();
            match self.try_leader(&request, until).await? {
                Reply::NotLeader if Instant::now() >= until => return Err(Failure::NoLeader),
                Reply::NotLeader => {
                    // Whether it was announced or not, the next turn looks.
                    drop(tokio::time::timeout(LOOK_AGAIN, leadership.changed()).await);
                }
                reply => return Ok(reply),
            }
        }
    }

    async fn try_leader(&self, request: &Request, until: Instant) -> Result<Reply, Failure> {
        let now = self.links.now();
        let leads = self.leads(now, &self.situation(now));
        if leads.me {
            return Ok(self.lead(request.clone()).await);
        }
        let Some(leader) = leads.leader.and_then(|id| self.voter_named(id)) else {
            return Ok(Reply::NotLeader);
        };
        let limit = until.saturating_duration_since(Instant::now()).max(LOOK_AGAIN);
        match self.links.ask(&leader, request.clone(), limit).await {
            Ok(Reply::Refused(Refusal::Version(theirs))) => {
                Err(Failure::Version { ours: crate::FORMAT, theirs })
            }
            Ok(Reply::Refused(_)) | Err(SendFailure::NotSent) => Ok(Reply::NotLeader),
            Ok(reply) => Ok(reply),
            Err(SendFailure::NoAnswer) => Ok(Reply::Unknown),
        }
    }

    fn voter_named(&self, id: VoterId) -> Option<Voter> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        let member = metrics.membership_config.membership().get_node(&id.0)?;
        Some(Voter { id, node: tsugi_vocabulary::NodeName::new(&member.node).ok()? })
    }

    async fn command(&self, command: Command) -> Result<Outcome, Failure> {
        let until = Instant::now() + self.timing.patience();
        match self.through_leader(Request::Commit(command), until).await? {
            Reply::Outcome(outcome) => Ok(outcome),
            _ => Err(Failure::Unknown),
        }
    }

    /// A read has no effect, so it is asked again until the time is over.
    async fn barrier(&self) -> Result<Index, Failure> {
        let until = Instant::now() + self.timing.patience();
        let index = loop {
            match self.through_leader(Request::Barrier, until).await? {
                Reply::At(index) => break index,
                _ if Instant::now() >= until => return Err(Failure::NoLeader),
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        self.applied(index, until).await
    }

    async fn applied(&self, index: Index, until: Instant) -> Result<Index, Failure> {
        let mut watch = self.published.watch();
        let reached = watch.wait_for(|applied| *applied >= index);
        match tokio::time::timeout_at(until.into(), reached).await {
            Ok(Ok(applied)) => Ok(*applied),
            Ok(Err(_)) => Err(self.fatal()),
            Err(_) => Err(Failure::NoLeader),
        }
    }

    async fn voters(&self, request: Request) -> Result<Index, Failure> {
        // A new voter may need time to catch up.
        let until = Instant::now() + self.timing.patience() + Duration::from_secs(12);
        match self.through_leader(request, until).await? {
            Reply::At(index) => Ok(index),
            Reply::VotersRefused(refused) => Err(Failure::Voters(refused)),
            _ => Err(Failure::Unknown),
        }
    }
}

impl Ledger for RaftLedger {
    fn commit(&self, change: Change) -> Pending<Outcome> {
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            change.check_size()?;
            node.command(Command::Change(change)).await
        })
    }

    fn view(&self) -> Arc<View> {
        self.node.view()
    }

    fn watch(&self) -> watch::Receiver<Index> {
        self.node.published.watch()
    }

    fn changes_since(&self, after: Index) -> Result<Vec<Applied>, Forgotten> {
        self.node.published.since(after)
    }

    fn barrier(&self) -> Pending<Index> {
        let node = Arc::clone(&self.node);
        Box::pin(async move { node.barrier().await })
    }

    fn leadership(&self) -> Leadership {
        let now = self.node.links.now();
        self.node.leads(now, &self.node.situation(now))
    }

    fn leadership_watch(&self) -> watch::Receiver<Leadership> {
        self.node.leadership.subscribe()
    }

    fn raise_level(&self, level: u16) -> Pending<Outcome> {
        let node = Arc::clone(&self.node);
        Box::pin(async move { node.command(Command::RaiseLevel { level }).await })
    }

    fn add_voter(&self, voter: Voter, known: Generation) -> Pending<Index> {
        let node = Arc::clone(&self.node);
        Box::pin(async move { node.voters(Request::Add(voter, Some(known))).await })
    }

    fn remove_voter(&self, id: VoterId, known: Generation) -> Pending<Index> {
        let node = Arc::clone(&self.node);
        Box::pin(async move { node.voters(Request::Remove(id, Some(known))).await })
    }

    fn backup(&self) -> Pending<Vec<u8>> {
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            node.barrier().await?;
            let view = View::clone(&node.view());
            Ok(Backup { cluster: node.cluster, view }.to_bytes())
        })
    }

    fn failed(&self) -> watch::Receiver<Option<Failure>> {
        self.node.failed.subscribe()
    }
}
