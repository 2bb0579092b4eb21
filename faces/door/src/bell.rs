//! Wakes many tasks of a thread by one system call.
//!
//! An engine tells the replies of a commit one after the other, from its own thread, and each would
//! wake this one by a write to a descriptor, whether it sleeps or not. So only the first rings;
//! whoever else is told before the bell was heard is woken with it, from within.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A bell of one thread.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    /// Who is to be woken when it is heard.
    told: Vec<Waker>,
    /// The task that hears it.
    ear: Option<Waker>,
}

/// Wakes a task by a bell.
struct ByBell {
    bell: Arc<Bell>,
    task: Waker,
}

impl Wake for ByBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut rung = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        rung.told.push(self.task.clone());
        let first = rung.told.len() == 1;
        let ear = rung.ear.clone().filter(|_| first);
        drop(rung);
        if let Some(ear) = ear {
            ear.wake();
        }
    }
}

impl Bell {
    /// Hears it, for ever: in a task of the thread whose bell it is.
    pub(crate) async fn hear(self: Arc<Self>) {
        std::future::poll_fn(|cx| {
            let mut rung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !rung.ear.as_ref().is_some_and(|ear| ear.will_wake(cx.waker())) {
                rung.ear = Some(cx.waker().clone());
            }
            let told = std::mem::take(&mut rung.told);
            drop(rung);
            told.into_iter().for_each(Waker::wake);
            Poll::<()>::Pending
        })
        .await;
    }

    /// Waits for what another thread says, woken by the bell.
    pub(crate) async fn waits<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut known: Option<(Waker, Waker)> = None;
        std::future::poll_fn(|cx| {
            let same = known.take().filter(|(task, _)| task.will_wake(cx.waker()));
            let (_, by_bell) = known.insert(same.unwrap_or_else(|| {
                let task = cx.waker().clone();
                let by_bell = ByBell { bell: self.clone(), task: task.clone() };
                (task, Arc::new(by_bell).into())
            }));
            future.as_mut().poll(&mut Context::from_waker(by_bell))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often a task is woken.
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn many_are_told_by_one_ring_and_nobody_is_missed() {
        let counted = || Arc::new(Counted(AtomicUsize::new(0)));
        let many = |counted: &Counted| counted.0.load(Ordering::SeqCst);
        let (bell, ear, tasks) = (Arc::new(Bell::default()), counted(), [counted(), counted()]);
        let ear_waker = ear.clone().into();
        let mut hears = Box::pin(bell.clone().hear());
        let mut hear = || hears.as_mut().poll(&mut Context::from_waker(&ear_waker));
        assert!(hear().is_pending());
        let (tells, told): (Vec<_>, Vec<_>) = (0..2).map(|_| oneshot::channel::<u8>()).unzip();
        let mut waiting: Vec<_> = told.into_iter().map(|one| Box::pin(bell.waits(one))).collect();
        for (one, task) in waiting.iter_mut().zip(&tasks) {
            let waker = task.clone().into();
            assert!(one.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        for tell in tells {
            tell.send(7).expect("it waits");
        }
        assert_eq!((many(&ear), many(&tasks[0]), many(&tasks[1])), (1, 0, 0));
        assert!(hear().is_pending());
        assert_eq!((many(&tasks[0]), many(&tasks[1])), (1, 1));
        for (one, task) in waiting.iter_mut().zip(&tasks) {
            let waker = task.clone().into();
            let told = one.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(told, Poll::Ready(Ok(7)));
        }
    }
}
