//! A ledger in the memory of one process, for tests and rehearsals. Several handles share it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tsugi_vocabulary::{Generation, Index, NodeName};

use crate::published::Published;
use crate::{
    Applied, Backup, Change, ClusterId, Command, Failure, Floor, Forgotten, Leadership, Ledger,
    Outcome, Pending, View, Voter, VoterId, VotersRefused,
};

/// A ledger in memory. A clone is another handle of the same ledger.
#[derive(Clone, Debug)]
pub struct Memory {
    me: VoterId,
    cluster: ClusterId,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<View>,
    published: Published,
    leadership: watch::Sender<Leadership>,
    failed: watch::Sender<Option<Failure>>,
}

impl Memory {
    /// A new ledger kept by one voter.
    #[must_use]
    pub fn founded(cluster: ClusterId, voter: &Voter) -> Self {
        let mut view = View::founded(1);
        view.applied = Index(1);
        view.voters.become_list(Index(1), [(voter.id, voter.node.clone())].into());
        Self::with(cluster, view)
    }

    /// A ledger restored from a backup, kept by `node` alone.
    #[must_use]
    pub fn restored(backup: &Backup, floor: Floor, node: NodeName) -> Self {
        Self::with(backup.cluster, backup.restored(floor, node))
    }

    fn with(cluster: ClusterId, view: View) -> Self {
        let me = view.voters.list.keys().next().copied().unwrap_or_default();
        let leadership = Leadership { term: 1, leader: Some(me), me: true };
        let shared = Shared {
            state: Mutex::new(view.clone()),
            published: Published::new(view),
            leadership: watch::Sender::new(leadership),
            failed: watch::Sender::new(None),
        };
        Self { me, cluster, shared: Arc::new(shared) }
    }

    /// Another handle of the same ledger, as the voter `me` would hold it.
    #[must_use]
    pub fn handle(&self, me: VoterId) -> Self {
        Self { me, ..self.clone() }
    }

    /// Carries out `change` at once.
    ///
    /// # Errors
    /// [`Failure::TooLarge`].
    pub fn commit_now(&self, change: Change) -> Result<Outcome, Failure> {
        change.check_size()?;
        Ok(self.apply(&Command::Change(change)))
    }

    fn state<T>(&self, with: impl FnOnce(&mut View) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn apply(&self, command: &Command) -> Outcome {
        self.state(|view| {
            let index = Index(view.applied.0 + 1);
            let (outcome, keys) = view.apply(index, command);
            self.shared.published.advance(view.clone(), vec![Applied { index, keys }]);
            outcome
        })
    }

    fn revote(
        &self,
        known: Generation,
        change: impl FnOnce(&mut View) -> Result<(), VotersRefused>,
    ) -> Result<Index, Failure> {
        self.state(|view| {
            let index = Index(view.applied.0 + 1);
            let now = view.voters.generation;
            if now != known {
                return Err(Failure::Voters(VotersRefused::Changed { now }));
            }
            change(view).map_err(Failure::Voters)?;
            view.applied = index;
            let applied = Applied { index, keys: Vec::new() };
            self.shared.published.advance(view.clone(), vec![applied]);
            Ok(index)
        })
    }
}

fn ready<T: Send + 'static>(answer: Result<T, Failure>) -> Pending<T> {
    Box::pin(std::future::ready(answer))
}

impl Ledger for Memory {
    fn commit(&self, change: Change) -> Pending<Outcome> {
        ready(self.commit_now(change))
    }

    fn view(&self) -> Arc<View> {
        self.shared.published.view()
    }

    fn watch(&self) -> watch::Receiver<Index> {
        self.shared.published.watch()
    }

    fn changes_since(&self, after: Index) -> Result<Vec<Applied>, Forgotten> {
        self.shared.published.since(after)
    }

    fn barrier(&self) -> Pending<Index> {
        ready(Ok(self.view().applied))
    }

    fn leadership(&self) -> Leadership {
        let known = *self.shared.leadership.borrow();
        Leadership { me: known.leader == Some(self.me), ..known }
    }

    fn leadership_watch(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.subscribe()
    }

    fn raise_level(&self, level: u16) -> Pending<Outcome> {
        ready(Ok(self.apply(&Command::RaiseLevel { level })))
    }

    fn add_voter(&self, voter: Voter, known: Generation) -> Pending<Index> {
        ready(self.revote(known, |view| {
            let at = Index(view.applied.0 + 1);
            let list = view.voters.with_added(&voter)?;
            view.voters.become_list(at, list);
            Ok(())
        }))
    }

    fn remove_voter(&self, id: VoterId, known: Generation) -> Pending<Index> {
        ready(self.revote(known, |view| {
            let at = Index(view.applied.0 + 1);
            let list = view.voters.with_removed(id)?;
            view.voters.become_list(at, list);
            Ok(())
        }))
    }

    fn backup(&self) -> Pending<Vec<u8>> {
        let backup = Backup { cluster: self.cluster, view: View::clone(&self.view()) };
        ready(Ok(backup.to_bytes()))
    }

    fn failed(&self) -> watch::Receiver<Option<Failure>> {
        self.shared.failed.subscribe()
    }
}
