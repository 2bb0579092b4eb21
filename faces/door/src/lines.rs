//! Connections, as their door keeps them: who waits for whom since when, and how they are ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::sign::Last;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// For the rest of a handshake, or of the head of a request.
    Head = 0,
    /// For the next request.
    Idle = 1,
    /// For nothing of its other end: a request is being answered.
    Busy = 2,
    /// That the other end has read what it was told last.
    Leaving = 3,
}

/// How long connections may be in a phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
    pub(crate) leaving: Duration,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Line {
    began: Instant,
    /// The phase in the two lowest bits, and since which millisecond of the door's life.
    state: AtomicU64,
    /// Requests that are being answered: more than one on a connection of HTTP/2.
    answering: AtomicU32,
    ending: AtomicBool,
    waker: OnceLock<Waker>,
    task: OnceLock<AbortHandle>,
    last: OnceLock<Last>,
    lingers: AtomicBool,
    http_2: AtomicBool,
    has_asked: AtomicBool,
}

impl Line {
    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    fn set(&self, phase: Phase) {
        self.state.store((self.millis() << 2) | phase as u64, Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> (Phase, u64) {
        let state = self.state.load(Ordering::Relaxed);
        let phase = match state & 3 {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Leaving,
        };
        (phase, state >> 2)
    }

    /// Something of the other end has come.
    pub(crate) fn on_bytes(&self) {
        if self.phase().0 == Phase::Idle {
            // What comes between the requests of HTTP/2 is seldom a head.
            let framed = self.http_2.load(Ordering::Relaxed);
            self.set(if framed { Phase::Idle } else { Phase::Head });
        }
    }

    /// The other end reads what it was told.
    pub(crate) fn on_sent(&self) {
        if self.phase().0 == Phase::Idle {
            self.set(Phase::Idle);
        }
    }

    /// It ends for the door: the other end may read what was said last, and no more.
    pub(crate) fn on_leaving(&self) {
        if self.phase().0 != Phase::Leaving {
            self.set(Phase::Leaving);
        }
    }

    /// A request's head is whole.
    pub(crate) fn on_request(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        self.set(Phase::Busy);
        Answering(self.clone())
    }

    /// The one who runs it, so that it can be ended.
    pub(crate) fn run_by(&self, task: AbortHandle) {
        // There is one task.
        self.task.set(task).ok();
    }

    /// Whether it is to end when nothing is being answered any more; else `waker` is woken when
    /// that changes.
    pub(crate) fn is_ending(&self, waker: &Waker) -> bool {
        self.waker.get_or_init(|| waker.clone());
        self.ending.load(Ordering::SeqCst)
    }

    /// Asks it to end in order.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// What is said from now on is said by this engine's leave. No connection goes on from one
    /// engine to the next.
    pub(crate) fn bind(&self, last: &Last) -> Result<(), Late> {
        let bound = self.last.get_or_init(|| last.clone());
        if bound.is(last) && !bound.has_passed() { Ok(()) } else { Err(Late) }
    }

    /// Whether what is to be said may be said no more.
    pub(crate) fn is_late(&self) -> bool {
        self.last.get().is_some_and(Last::has_passed)
    }

    /// Whether a head of it was whole.
    fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Its requests come as frames, among others.
    pub(crate) fn speaks_http_2(&self) {
        self.http_2.store(true, Ordering::Relaxed);
    }

    /// The other end sends something that nobody will read: what it is told must reach it first.
    pub(crate) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }
}

/// The last moment has passed: the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("last moment")]
pub(crate) struct Late;

/// That a request is being answered, as long as it lives.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Line>);

impl Drop for Answering {
    fn drop(&mut self) {
        if self.0.answering.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.set(Phase::Idle);
        }
    }
}

/// All connections of a door.
#[derive(Debug)]
pub(crate) struct Lines {
    began: Instant,
    most: usize,
    all: Mutex<All>,
    /// Rings when the last one has ended.
    none: Notify,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    lines: BTreeMap<u64, Arc<Line>>,
}

impl All {
    /// Cuts the one that has been idle for longest; whether there was one.
    fn cut_idlest(&mut self) -> bool {
        self.cut_oldest(|line| line.phase().0 == Phase::Idle)
    }

    /// Cuts, of these, the one that has waited for longest; whether there was one.
    fn cut_oldest(&mut self, of: impl Fn(&Line) -> bool) -> bool {
        let those = self.lines.iter().filter(|(_, line)| of(line));
        let Some((number, line)) = those.min_by_key(|(_, line)| line.phase().1) else {
            return false;
        };
        if let Some(task) = line.task.get() {
            task.abort();
        }
        let number = *number;
        self.lines.remove(&number);
        true
    }
}

/// The place of a connection among all; it is given back by its end.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) line: Arc<Line>,
    number: u64,
    of: Arc<Lines>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.of.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.lines.remove(&self.number);
        if all.lines.is_empty() {
            self.of.none.notify_waiters();
        }
    }
}

impl Lines {
    pub(crate) fn new(most: usize) -> Self {
        Self { began: Instant::now(), most, all: Mutex::default(), none: Notify::new() }
    }

    /// A place for a new connection. Where all are taken, the one that has been idle for longest
    /// is cut for it; where none is idle, there is no place.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.lines.len() >= self.most && !all.cut_idlest() {
            return None;
        }
        let line = Line {
            began: self.began,
            state: AtomicU64::new(0),
            answering: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            waker: OnceLock::new(),
            task: OnceLock::new(),
            last: OnceLock::new(),
            lingers: AtomicBool::new(false),
            http_2: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
        };
        line.set(Phase::Head);
        let line = Arc::new(line);
        let number = all.next;
        all.next += 1;
        all.lines.insert(number, line.clone());
        Some(Place { line, number, of: self.clone() })
    }

    /// The process has no room for another: the one that has been idle for longest is cut; where
    /// none is idle, the one that has waited for its first head for longest.
    pub(crate) fn make_room(&self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.cut_idlest() {
            all.cut_oldest(|line| line.phase().0 == Phase::Head && !line.has_asked());
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).lines.len()
    }

    fn each(&self) -> Vec<Arc<Line>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.lines.values().cloned().collect()
    }

    /// Asks all to end in order.
    pub(crate) fn end_all(&self) {
        self.each().iter().for_each(|line| line.end());
    }

    /// Cuts all.
    pub(crate) fn cut_all(&self) {
        self.each().iter().filter_map(|line| line.task.get()).for_each(AbortHandle::abort);
    }

    /// Cuts those that have waited for too long.
    pub(crate) fn cut_slow(&self, spans: Spans) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        for line in self.each() {
            let (phase, since) = line.phase();
            let most = match phase {
                Phase::Head => spans.head,
                Phase::Idle => spans.idle,
                Phase::Leaving => spans.leaving,
                Phase::Busy => continue,
            };
            if u128::from(now.saturating_sub(since)) >= most.as_millis()
                && let Some(task) = line.task.get()
            {
                task.abort();
            }
        }
    }

    /// Waits until there are none.
    pub(crate) async fn gone(&self) {
        loop {
            let none = self.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_idle_for_longest_gives_way_and_nobody_who_waits_for_an_answer() {
        let lines = Arc::new(Lines::new(2));
        let (first, second) = (lines.take().unwrap(), lines.take().unwrap());
        assert!(lines.take().is_none(), "both are at their heads");
        let answering = first.line.on_request();
        drop(second.line.on_request());
        assert_eq!(second.line.phase().0, Phase::Idle);
        let third = lines.take().unwrap();
        assert_eq!(lines.count(), 2);
        assert!(lines.take().is_none(), "one is being answered, the other has just come");
        drop((answering, second));
        assert_eq!(lines.count(), 2, "the place that was given up was counted once");
        drop((first, third));
        assert_eq!(lines.count(), 0);
    }

    #[test]
    fn where_no_descriptor_is_left_who_has_asked_nothing_for_longest_gives_way() {
        let lines = Arc::new(Lines::new(4));
        let (asked, silent) = (lines.take().unwrap(), lines.take().unwrap());
        let idle = lines.take().unwrap();
        // One is at its second head, one at its first, one idle.
        drop(asked.line.on_request());
        asked.line.on_bytes();
        drop(idle.line.on_request());
        let is_there = |place: &Place| lines.all.lock().unwrap().lines.contains_key(&place.number);
        lines.make_room();
        assert_eq!([&asked, &silent, &idle].map(is_there), [true, true, false]);
        lines.make_room();
        assert_eq!([&asked, &silent, &idle].map(is_there), [true, false, false]);
        lines.make_room();
        assert!(is_there(&asked), "it has asked before, and asks again");
    }

    #[test]
    fn a_line_is_idle_when_its_last_request_is_answered() {
        let lines = Arc::new(Lines::new(1));
        let place = lines.take().unwrap();
        let (one, two) = (place.line.on_request(), place.line.on_request());
        drop(one);
        assert_eq!(place.line.phase().0, Phase::Busy);
        place.line.on_bytes();
        assert_eq!(place.line.phase().0, Phase::Busy);
        drop(two);
        place.line.on_bytes();
        assert_eq!(place.line.phase().0, Phase::Head);
    }
}
