//! What a copy of the ledger shows to its readers: the newest view, and what changed lately.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tsugi_vocabulary::Index;

use crate::{Forgotten, Key, View};

/// How many applied changes are remembered for readers that fell behind.
const REMEMBERED: usize = 1024;

/// One applied change: where, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place.
    pub index: Index,
    /// The entries it wrote or took away, in order, each once.
    pub keys: Vec<Key>,
}

#[derive(Debug)]
struct Shown {
    view: Arc<View>,
    recent: VecDeque<Applied>,
    // Every change after this place is in `recent`.
    complete_after: Index,
}

/// The newest view of one copy, and its recent changes.
#[derive(Debug)]
pub(crate) struct Published {
    shown: Mutex<Shown>,
    applied: watch::Sender<Index>,
}

impl Published {
    pub(crate) fn new(view: View) -> Self {
        let applied = watch::Sender::new(view.applied);
        let complete_after = view.applied;
        let shown = Shown { view: Arc::new(view), recent: VecDeque::new(), complete_after };
        Self { shown: Mutex::new(shown), applied }
    }

    fn with<T>(&self, read: impl FnOnce(&mut Shown) -> T) -> T {
        // A reader that panicked has changed nothing, so the content is still whole.
        read(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.with(|shown| Arc::clone(&shown.view))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Index> {
        self.applied.subscribe()
    }

    /// The place of the newest applied change.
    pub(crate) fn applied(&self) -> Index {
        *self.applied.borrow()
    }

    pub(crate) fn since(&self, after: Index) -> Result<Vec<Applied>, Forgotten> {
        self.with(|shown| {
            if after < shown.complete_after {
                return Err(Forgotten { oldest: shown.complete_after });
            }
            let first = shown.recent.partition_point(|applied| applied.index <= after);
            Ok(shown.recent.range(first..).cloned().collect())
        })
    }

    /// Shows `view`, reached from the view before by `changes`.
    pub(crate) fn advance(&self, view: View, changes: Vec<Applied>) {
        let index = view.applied;
        self.with(|shown| {
            shown.view = Arc::new(view);
            shown.recent.extend(changes);
            while shown.recent.len() > REMEMBERED {
                if let Some(oldest) = shown.recent.pop_front() {
                    shown.complete_after = oldest.index;
                }
            }
        });
        self.applied.send_replace(index);
    }

    /// Shows `view`, which is not reached by single changes: readers read it whole.
    pub(crate) fn replace(&self, view: View) {
        let index = view.applied;
        self.with(|shown| {
            shown.view = Arc::new(view);
            shown.recent.clear();
            shown.complete_after = index;
        });
        self.applied.send_replace(index);
    }
}
