//! Ends a statement that does not end by itself: the core waits for it and cannot.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tsugi_vocabulary::{Moment, Span};

use crate::clock;

/// Ends what the store runs just now; where it runs nothing, nothing happens.
pub type Halt = Box<dyn Fn() + Send>;

/// How long until a statement that still runs is ended again.
const AGAIN: Span = Span::millis(10);
/// How long the watch is awake after a statement: the next that begins in it need not wake it.
const AWAKE: Span = Span::millis(10);

/// What is watched.
#[derive(Debug, Default)]
struct Watched {
    /// Until when the statement may take that runs just now.
    until: Option<Moment>,
    /// No statement may take longer than until then: the group moves.
    last: Option<Moment>,
    /// When the watch looks again; none while it sleeps.
    looks: Option<Moment>,
    /// Whether a statement has begun since it looked last.
    begun: Begun,
    ended: Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begun {
    #[default]
    No,
    Yes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ended {
    #[default]
    No,
    Yes,
}

/// Watches over the statements of one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<(Mutex<Watched>, Condvar)>);

impl Watch {
    /// A watch that ends statements so, in a thread of its own.
    pub(crate) fn start(halt: Halt) -> std::io::Result<Self> {
        let watch = Self::default();
        let own = watch.clone();
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || own.run(&halt))?;
        Ok(watch)
    }

    /// A statement begins that may take until then.
    pub(crate) fn begins(&self, until: Moment) {
        let (watched, moved) = &*self.0;
        let mut watched = watched.lock().expect("nobody dies with the lock");
        let until = watched.last.map_or(until, |last| until.min(last));
        (watched.until, watched.begun) = (Some(until), Begun::Yes);
        // One that looks earlier sees it then.
        if watched.looks.is_none_or(|looks| looks > until) {
            moved.notify_one();
        }
    }

    /// Neither the statement that runs nor any after it takes longer than until then.
    pub(crate) fn caps(&self, last: Moment) {
        let (watched, moved) = &*self.0;
        let mut watched = watched.lock().expect("nobody dies with the lock");
        watched.last = Some(last);
        watched.until = watched.until.map(|until| until.min(last));
        moved.notify_one();
    }

    /// It has ended.
    pub(crate) fn ends(&self) {
        self.0.0.lock().expect("nobody dies with the lock").until = None;
    }

    /// Nothing is watched any more.
    pub(crate) fn close(&self) {
        let (watched, moved) = &*self.0;
        watched.lock().expect("nobody dies with the lock").ended = Ended::Yes;
        moved.notify_one();
    }

    fn run(&self, halt: &Halt) {
        let (watched, moved) = &*self.0;
        let mut watched = watched.lock().expect("nobody dies with the lock");
        while watched.ended == Ended::No {
            let now = clock::now();
            let begun = std::mem::take(&mut watched.begun);
            let looks = match watched.until {
                Some(until) if until <= now => {
                    halt();
                    Some(now + AGAIN)
                }
                None if begun == Begun::Yes => Some(now + AWAKE),
                until => until,
            };
            watched.looks = looks;
            watched = match looks {
                None => moved.wait(watched).expect("nobody dies with the lock"),
                Some(at) => {
                    let rest = Duration::from_nanos(at.since(now).0);
                    let waited = moved.wait_timeout(watched, rest);
                    waited.expect("nobody dies with the lock").0
                }
            };
        }
    }
}
