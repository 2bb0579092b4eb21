//! A bounded number of places for connections; whoever has too many loses the oldest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

/// What happens when all places are taken, none of them by too many of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The oldest makes room: what is there has proved nothing yet.
    CutOldest,
    /// The new one is turned away: what is there has proved who it is.
    TurnAway,
}

#[derive(Debug)]
struct Places<K> {
    next: u64,
    taken: BTreeMap<u64, (K, AbortHandle)>,
}

/// Places, at most `total`, at most `each` for one key.
#[derive(Debug)]
pub(crate) struct Slots<K> {
    total: usize,
    each: usize,
    when_full: WhenFull,
    places: Mutex<Places<K>>,
}

/// A taken place; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot<K> {
    slots: Arc<Slots<K>>,
    number: u64,
}

impl<K> Drop for Slot<K> {
    fn drop(&mut self) {
        self.slots.lock().taken.remove(&self.number);
    }
}

impl<K> Slots<K> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Places<K>> {
        // Nothing under this lock can panic half way, so a poisoned map is still whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: PartialEq> Slots<K> {
    pub(crate) fn new(total: usize, each: usize, when_full: WhenFull) -> Arc<Self> {
        let places = Mutex::new(Places { next: 0, taken: BTreeMap::new() });
        Arc::new(Self { total, each, when_full, places })
    }

    /// Takes a place for the task of `abort`; `None` when it is turned away.
    pub(crate) fn take(self: &Arc<Self>, key: K, abort: AbortHandle) -> Option<Slot<K>> {
        let mut places = self.lock();
        let same: Vec<u64> =
            places.taken.iter().filter(|(_, (of, _))| *of == key).map(|(n, _)| *n).collect();
        let victim = if same.len() >= self.each {
            same.first().copied()
        } else if places.taken.len() >= self.total {
            match self.when_full {
                WhenFull::CutOldest => places.taken.keys().next().copied(),
                WhenFull::TurnAway => return None,
            }
        } else {
            None
        };
        if let Some((_, cut)) = victim.and_then(|number| places.taken.remove(&number)) {
            cut.abort();
        }
        let number = places.next;
        places.next += 1;
        places.taken.insert(number, (key, abort));
        drop(places);
        Some(Slot { slots: Arc::clone(self), number })
    }

    /// Cuts every connection whose key is `key`; says how many.
    pub(crate) fn cut(&self, key: &K) -> usize {
        let places = self.lock();
        let cut = places.taken.values().filter(|(of, _)| of == key);
        cut.map(|(_, abort)| abort.abort()).count()
    }

    pub(crate) fn taken(&self) -> usize {
        self.lock().taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn endless() -> (AbortHandle, tokio::task::JoinHandle<()>) {
        let task = tokio::spawn(std::future::pending::<()>());
        (task.abort_handle(), task)
    }

    #[tokio::test]
    async fn whoever_has_too_many_loses_the_oldest() {
        let slots = Slots::new(10, 2, WhenFull::TurnAway);
        let (mut kept, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (abort, task) = endless().await;
            kept.push(slots.take("a", abort).unwrap());
            tasks.push(task);
        }
        assert_eq!(slots.taken(), 2);
        assert!(tasks.remove(0).await.unwrap_err().is_cancelled());
        assert!(tasks.iter().all(|task| !task.is_finished()));
        drop(kept);
        assert_eq!(slots.taken(), 0);
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_oldest_or_the_newest_goes() {
        for (when_full, stays) in [(WhenFull::CutOldest, true), (WhenFull::TurnAway, false)] {
            let slots = Slots::new(2, 2, when_full);
            let mut kept = Vec::new();
            for key in 0..3 {
                let (abort, _task) = endless().await;
                kept.push(slots.take(key, abort));
            }
            assert_eq!(kept[2].is_some(), stays);
            assert_eq!(slots.taken(), 2);
        }
    }
}
