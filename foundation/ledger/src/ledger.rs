//! The trait that every back end fulfils.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;
use tsugi_vocabulary::{Generation, Index};

use crate::{Applied, Change, Failure, Forgotten, Outcome, View, Voter, VoterId};

/// An answer that comes later. It does not borrow from the ledger, so it may be spawned.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// Who leads the ledger, as far as this copy knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Rises with every election.
    pub term: u64,
    /// The voter that leads, if this copy hears of one.
    pub leader: Option<VoterId>,
    /// Whether this copy leads and a majority of voters has confirmed so lately.
    pub me: bool,
}

/// The cluster's record: small, linearizable, mirrored in memory on every node.
///
/// Every method may be called on any node; what only the leader can do is passed on to it. The
/// futures of the Raft back end are polled within a tokio runtime.
pub trait Ledger: Send + Sync {
    /// Carries out `change` at one place, in one order on all voters.
    fn commit(&self, change: Change) -> Pending<Outcome>;

    /// What this copy has applied; it may be behind. One pointer, never blocks on others.
    fn view(&self) -> Arc<View>;

    /// Told the place of the newest applied change, each time the view moves on.
    fn watch(&self) -> watch::Receiver<Index>;

    /// The changes applied after `after`, in order.
    ///
    /// # Errors
    /// [`Forgotten`] if they are too many or came as a whole: read the view instead.
    fn changes_since(&self, after: Index) -> Result<Vec<Applied>, Forgotten>;

    /// Answers once the view of this copy holds everything that any caller was told was
    /// committed before this call began.
    fn barrier(&self) -> Pending<Index>;

    /// Who leads now. `me` is checked against the clock at the call.
    fn leadership(&self) -> Leadership;

    /// Told each time another voter leads, or none.
    fn leadership_watch(&self) -> watch::Receiver<Leadership>;

    /// Lets values up to format `level` be written. Only when every node can read them.
    fn raise_level(&self, level: u16) -> Pending<Outcome>;

    /// Gives `voter` a copy and then a vote, if the list of voters is still that of the generation
    /// `known`. One change at a time; its number must be new. The caller waits the longest lease
    /// between two changes: with the generation, nobody else's change can come in between.
    fn add_voter(&self, voter: Voter, known: Generation) -> Pending<Index>;

    /// Takes the vote of `id` away, if the list of voters is still that of `known`.
    fn remove_voter(&self, id: VoterId, known: Generation) -> Pending<Index>;

    /// Everything committed before this call, as the bytes of one file.
    fn backup(&self) -> Pending<Vec<u8>>;

    /// Why this copy can no longer be used, once it cannot; the process must then end.
    fn failed(&self) -> watch::Receiver<Option<Failure>>;
}
