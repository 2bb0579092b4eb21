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
    /// Bytes of replies that its other end has not taken yet.
    unsent: AtomicU64,
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
        // Between the requests of HTTP/2 comes what is no head, and what nobody has to ask for.
        if self.phase().0 == Phase::Idle && !self.is_framed() {
            self.set(Phase::Head);
        }
    }

    /// Something has gone to the other end.
    pub(crate) fn on_sent(&self) {
        // On HTTP/2 it may be a word about the connection, by which no reply gets on.
        if !self.is_framed() {
            self.on_taken();
        }
    }

    /// The other end takes what it was told.
    fn on_taken(&self) {
        if self.phase().0 == Phase::Idle {
            self.set(Phase::Idle);
        }
    }

    /// Whether its requests come as frames, among others.
    pub(crate) fn is_framed(&self) -> bool {
        self.http_2.load(Ordering::Relaxed)
    }

    /// Room for so many bytes of a reply among those that are not taken yet: one reply may always
    /// be told, more only while they are no more than `most` together.
    pub(crate) fn unsent(self: &Arc<Self>, bytes: usize, most: u64) -> Option<Unsent> {
        let bytes = bytes as u64;
        let more = |held: u64| {
            let all = held.saturating_add(bytes);
            (held == 0 || all <= most).then_some(all)
        };
        let held = self.unsent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        held.is_ok().then(|| Unsent { of: self.clone(), bytes })
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

/// Bytes of a reply that its caller has not taken yet, as long as it lives.
#[derive(Debug)]
pub(crate) struct Unsent {
    of: Arc<Line>,
    bytes: u64,
}

impl Unsent {
    /// So many of them, by themselves.
    pub(crate) fn part(&mut self, bytes: usize) -> Self {
        let bytes = self.bytes.min(bytes as u64);
        self.bytes -= bytes;
        Self { of: self.of.clone(), bytes }
    }

    /// Takes those of another reply of the same connection to these.
    pub(crate) fn join(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.of.unsent.fetch_sub(self.bytes, Ordering::Relaxed);
        self.of.on_taken();
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
            unsent: AtomicU64::new(0),
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
    fn on_http_2_only_what_is_taken_counts_as_reading() {
        let lines = Arc::new(Lines::new(1));
        let place = lines.take().unwrap();
        place.line.speaks_http_2();
        drop(place.line.on_request());
        let long_ago = Phase::Idle as u64;
        place.line.state.store(long_ago, Ordering::Relaxed);
        let mut unsent = place.line.unsent(100, 150).expect("the first");
        std::thread::sleep(Duration::from_millis(2));
        place.line.on_bytes();
        place.line.on_sent();
        assert_eq!(place.line.phase(), (Phase::Idle, 0));
        assert!(place.line.unsent(60, 150).is_none());
        let part = unsent.part(20);
        drop(part);
        assert_eq!(place.line.phase().0, Phase::Idle);
        assert!(place.line.phase().1 > 0, "it was taken just now");
        let other = place.line.unsent(60, 150).expect("there is room");
        drop((unsent, other));
        assert!(place.line.unsent(1_000, 150).is_some(), "one may always be told");
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
