//! The way to the other voters: the transport others build, and what is known of who answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError};
use openraft::error::{RemoteError as Remote, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use tsugi_vocabulary::{Moment, NodeName, Span};

use super::file::Owner;
use super::pulse::{Progress, Pulse};
use super::rpc::{Letter, Refusal, Reply, Request};
use super::timing::Timing;
use super::types::{Member, Types};
use crate::{Voter, VoterId};

/// No message between voters is longer: the entries of one message, the last of them full.
pub const LARGEST_MESSAGE: usize = 8 << 20;

/// Why a message has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// It never left this node.
    #[error("the voter cannot be reached")]
    NotSent,
    /// It left, and no answer came. It may have been taken.
    #[error("the voter did not answer")]
    NoAnswer,
}

/// The answer of another voter.
pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, SendFailure>> + Send>>;

/// The transport between voters. It authenticates both ends and delivers a message at most once.
pub trait Peers: Send + Sync + 'static {
    /// Sends `message` to `to` and answers with what its [`super::RaftLedger::handle`] gave.
    fn send(&self, to: &Voter, message: Vec<u8>) -> Answer;
}

/// What this voter knows of its links.
pub(crate) struct Links {
    pub(crate) me: Owner,
    peers: Arc<dyn Peers>,
    started: Instant,
    timing: Timing,
    pulse: Mutex<Pulse>,
    resumed: Mutex<Moment>,
    aside: AtomicBool,
}

impl Links {
    pub(crate) fn new(me: Owner, peers: Arc<dyn Peers>, timing: Timing) -> Self {
        Self {
            me,
            peers,
            started: Instant::now(),
            timing,
            pulse: Mutex::default(),
            resumed: Mutex::new(Moment(0)),
            aside: AtomicBool::new(false),
        }
    }

    /// Now, by a clock that only this process compares. It starts late enough for spans to be
    /// taken away from it.
    pub(crate) fn now(&self) -> Moment {
        Moment(0) + Span::secs(3_600) + Span::from(self.started.elapsed())
    }

    /// The instant of `moment`, for sleeping.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.started + moment.since(Moment(0) + Span::secs(3_600)).to_std()
    }

    pub(crate) fn step_aside(&self) {
        self.aside.store(true, Ordering::SeqCst);
    }

    pub(crate) fn resume(&self, now: Moment) {
        *self.resumed.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.aside.store(false, Ordering::SeqCst);
    }

    fn pulse<T>(&self, with: impl FnOnce(&mut Pulse) -> T) -> T {
        // Nothing under this lock can panic half way, so a poisoned pulse is still whole.
        with(&mut self.pulse.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The send time of the majority-th newest message that voters answered as followers.
    pub(crate) fn confirmed(&self, voters: &[VoterId], now: Moment) -> Moment {
        let of = |pulse: &Pulse, id: VoterId| {
            if id == self.me.voter { now } else { pulse.confirmed(id) }
        };
        let mut times: Vec<Moment> =
            self.pulse(|pulse| voters.iter().map(|id| of(pulse, *id)).collect());
        times.sort_unstable_by(|a, b| b.cmp(a));
        let newest = times.get(voters.len() / 2).copied().unwrap_or_default();
        newest.max(*self.resumed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A datagram sent at `sent` was answered by a voter that follows this one.
    pub(crate) fn heard(&self, id: VoterId, sent: Moment, progress: Progress) {
        let now = self.now();
        self.pulse(|pulse| pulse.heard(id, sent, (now, progress)));
    }

    /// When the leader's next sign over the connections is due; never while it stands aside.
    pub(crate) fn sign_due(&self, voters: &[VoterId]) -> Option<Moment> {
        if self.aside.load(Ordering::SeqCst) {
            return None;
        }
        let others = voters.iter().copied().filter(|id| *id != self.me.voter);
        self.pulse(|pulse| pulse.due(others, self.timing))
    }

    /// The sign is given now.
    pub(crate) fn sign_given(&self, now: Moment) {
        self.pulse(|pulse| pulse.given(now));
    }

    /// Asks another voter, and waits for at most `limit`.
    pub(crate) async fn ask(
        &self,
        to: &Voter,
        request: Request,
        limit: Duration,
    ) -> Result<Reply, SendFailure> {
        let owner = Owner { cluster: self.me.cluster, voter: to.id };
        let letter = Letter { from: self.me.voter, to: owner, request };
        let sent = self.peers.send(to, letter.to_bytes());
        // Its own task: Raft drops its calls at will, and half a message must not be left behind.
        let answer = tokio::spawn(tokio::time::timeout(limit, sent)).await;
        let bytes = match answer {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) | Err(_) => return Err(SendFailure::NoAnswer),
        };
        // Whatever cannot be read says nothing about what the other side did.
        Reply::from_bytes(&bytes).map_err(|_| SendFailure::NoAnswer)
    }
}

/// Makes the link to each voter for the Raft library.
#[derive(Clone)]
pub(crate) struct Factory(pub(crate) Arc<Links>);

/// The link to one voter.
pub(crate) struct Link {
    links: Arc<Links>,
    to: Option<Voter>,
    id: u64,
}

impl RaftNetworkFactory<Types> for Factory {
    type Network = Link;

    async fn new_client(&mut self, id: u64, member: &Member) -> Link {
        let voter = NodeName::new(&member.node).map(|node| Voter { id: VoterId(id), node });
        Link { links: Arc::clone(&self.0), to: voter.ok(), id }
    }
}

type Rpc<E> = RPCError<u64, Member, RaftError<u64, E>>;

impl Link {
    async fn ask<E: std::error::Error>(
        &self,
        request: Request,
        limit: Duration,
    ) -> Result<Reply, Rpc<E>> {
        let unreachable = |failure: &SendFailure| RPCError::Unreachable(Unreachable::new(failure));
        let to = self.to.as_ref().ok_or_else(|| unreachable(&SendFailure::NotSent))?;
        let reply = self.links.ask(to, request, limit).await;
        match reply.map_err(|failure| unreachable(&failure))? {
            Reply::Refused(Refusal::Stopped) => Err(RPCError::RemoteError(RemoteError::new(
                self.id,
                RaftError::Fatal(openraft::error::Fatal::Stopped),
            ))),
            Reply::Refused(_) => Err(unreachable(&SendFailure::NotSent)),
            reply => Ok(reply),
        }
    }
}

impl Link {
    /// No answer in time: it is tried again at once.
    fn late<E: std::error::Error>(&self, timeout: Duration) -> Rpc<E> {
        let (id, target) = (self.links.me.voter.0, self.id);
        RPCError::Timeout(Timeout { action: RPCTypes::AppendEntries, id, target, timeout })
    }
}

fn odd<E: std::error::Error>(reply: &Reply) -> Rpc<E> {
    let what = std::io::Error::other(format!("an answer to another question: {reply:?}"));
    RPCError::Network(NetworkError::new(&what))
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Rpc<openraft::error::Infallible>> {
        if self.links.aside.load(Ordering::SeqCst) {
            return Err(RPCError::Unreachable(Unreachable::new(&SendFailure::NotSent)));
        }
        let (sent, to) = (self.links.now(), VoterId(self.id));
        self.links.pulse(|pulse| pulse.asked(to, sent));
        let limit = self.links.timing.beat().to_std().min(option.hard_ttl());
        let asked = self.ask(Request::Append(rpc), limit);
        let answer = match tokio::time::timeout(limit, asked).await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.late(limit)),
        };
        match answer {
            Reply::Append(reply) => {
                match reply {
                    AppendEntriesResponse::Success
                    | AppendEntriesResponse::PartialSuccess(_)
                    | AppendEntriesResponse::Conflict => {
                        self.links.pulse(|pulse| pulse.answered(to, sent));
                    }
                    AppendEntriesResponse::HigherVote(_) => {}
                }
                Ok(reply)
            }
            other => Err(odd(&other)),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Rpc<InstallSnapshotError>> {
        let sent = self.links.now();
        match self.ask(Request::Snapshot(rpc), option.hard_ttl()).await? {
            Reply::Snapshot(vote) => {
                self.links.pulse(|pulse| pulse.answered(VoterId(self.id), sent));
                Ok(InstallSnapshotResponse { vote })
            }
            Reply::SnapshotMismatch(mismatch) => {
                let error = InstallSnapshotError::SnapshotMismatch(mismatch);
                Err(RPCError::RemoteError(Remote::new(self.id, RaftError::APIError(error))))
            }
            other => Err(odd(&other)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, Rpc<openraft::error::Infallible>> {
        let sent = self.links.now();
        match self.ask(Request::Vote(rpc), option.hard_ttl()).await? {
            Reply::Vote(reply) => {
                if reply.vote_granted {
                    self.links.pulse(|pulse| pulse.answered(VoterId(self.id), sent));
                }
                Ok(reply)
            }
            other => Err(odd(&other)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(self.links.timing.beat().to_std()))
    }
}
