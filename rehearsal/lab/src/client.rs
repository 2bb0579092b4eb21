//! The client: a call every 10 ms whatever the earlier ones do, with 500 ms to answer. The sample
//! is called over a connection of its own each time, a service by the client that its users have.
//! It lives in a network namespace of its own and keeps its notes in memory.

mod committer;
mod flight;
mod java;
mod teller;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Trouble;
use crate::badlink::{PortId, Segment, Wire, in_namespace};
use crate::kernel::{self, now};
use committer::Committer;
use flight::{Flight, Step};
use java::JavaCaller;
pub use java::unlike as unlike_in_java;
use teller::Teller;

/// The first client's place on the switch; others follow.
pub const HOST: usize = 200;
/// What the client of the report had as the last part of its address; other clients follow.
const REPORTED: usize = 12;
const EVERY: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_millis(500);
/// After a pause of its own longer than this the client does not catch up: it never bursts.
const OWN_PAUSE: Duration = Duration::from_millis(200);
/// Of how many calls without an answer it is told what they met.
const TOLD: usize = 4;
/// How many unanswered calls are asked again at the same time.
const AGAIN_AT_ONCE: usize = 16;

/// One finished try of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which call.
    pub serial: u64,
    /// When it was started.
    pub from: Duration,
    /// When it was answered or given up.
    pub until: Duration,
    /// What came of it.
    pub end: CallEnd,
    /// Whether it had been tried before.
    pub again: bool,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// A number and the node that gave it.
    Answered {
        /// The number.
        number: u64,
        /// The node that carried it out.
        node: String,
        /// The node that told it, where that is said.
        told_by: Option<String>,
    },
    /// No answer; the word says why.
    Failed(String),
}

/// Where a client puts its finished tries.
type Noted = Arc<Mutex<Vec<Call>>>;

/// What a client says to whom it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Calls of the sample, each on a connection of its own.
    Calls,
    /// Calls of the service of this name.
    Service(&'static str),
    /// Rows that it commits.
    Rows,
}

impl Speaks {
    /// How often.
    #[must_use]
    pub fn every(self) -> Duration {
        match self {
            Self::Calls | Self::Service(_) => EVERY,
            Self::Rows => EVERY * 2,
        }
    }
}

/// The running client.
#[derive(Debug)]
pub struct Client {
    /// What it says.
    pub speaks: Speaks,
    calls: Noted,
    asks: Sender<Ask>,
    namespace: File,
    to: SocketAddr,
    java: Mutex<Option<JavaCaller>>,
}

/// How a service is called: at an even pace, or besides by callers who call again as soon as they
/// are answered, so that a fault finds calls under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// At an even pace.
    Even,
    /// By those too.
    Pressed,
}

enum Ask {
    /// New calls are so from now on.
    Work(Work),
    /// Ask these calls again until each is answered.
    Again(Vec<u64>),
    /// No more of that.
    EnoughAgain,
    /// Say what is wrong with what must have been kept.
    Kept(Sender<Vec<String>>),
}

impl Client {
    /// Starts the client of this number: its namespace, its link, its thread.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn start(
        wire: &Wire,
        number: usize,
        (speaks, to): (Speaks, SocketAddr),
    ) -> Result<Self, Trouble> {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (asks, asked) = channel();
        let (ready, is_ready) = channel();
        let (noted, wire) = (Arc::clone(&calls), wire.clone());
        let name = format!("lab{}", now().as_nanos());
        thread::Builder::new().name("tsl-client".into()).spawn(move || {
            let made = move_in(&wire, number)
                .and_then(|namespace| Ok((Running::new((speaks, to), name, noted)?, namespace)));
            match made {
                Ok((running, namespace)) => {
                    let _listening = ready.send(Ok(namespace));
                    running.run(&asked);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        let namespace =
            is_ready.recv().map_err(|_| Trouble::Failed("the client died".into()))??;
        Ok(Self { speaks, calls, asks, namespace, to, java: Mutex::new(None) })
    }

    /// What is wrong with what must have been kept of everything that was ever answered.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        let (answer, answered) = channel();
        let _gone = self.asks.send(Ask::Kept(answer));
        answered.recv().unwrap_or_else(|_| vec!["the client died".into()])
    }

    /// New calls are so from now on.
    pub fn set_work(&self, work: Work) {
        let _gone = self.asks.send(Ask::Work(work));
    }

    /// The caller in Java calls as well from now on, and has been answered.
    ///
    /// # Errors
    /// No JDK, no service to be called, or nobody answers.
    pub fn start_java(&self) -> Result<(), Trouble> {
        let Speaks::Service(service) = self.speaks else {
            return Err(Trouble::Failed("the Java caller calls a service".into()));
        };
        let (namespace, noted) = (self.namespace(), Arc::clone(&self.calls));
        // What one of an earlier repetition was answered says nothing of this one.
        let begun = now();
        let caller = JavaCaller::start(java::Task { to: self.to, service, namespace, noted })?;
        *self.java() = Some(caller);
        let end = begun + java::LIMIT;
        let of_this = |call: &Call| call.serial >= java::SERIALS && call.from >= begun;
        while !self.calls().iter().any(of_this) {
            if now() >= end {
                return Err(Trouble::Failed("the Java caller is not answered".into()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits, for a bounded time, until the Java caller has found who answers after this fault: a
    /// try of it that is met by silence lasts a second.
    pub fn await_java(&self, of: (&str, Duration)) {
        let end = now() + java::FINDS;
        while self.java().is_some() && now() < end {
            if java::unlike(&self.calls(), of).is_none() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, if it calls, and has it bring the call to its end that it was killed in.
    ///
    /// # Errors
    /// That call has no end.
    pub fn end_java(&self) -> Result<(), Trouble> {
        let caller = self.java().take();
        caller.map_or(Ok(()), JavaCaller::end)
    }

    fn java(&self) -> MutexGuard<'_, Option<JavaCaller>> {
        self.java.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.namespace.as_raw_fd()))
    }

    /// The client's machine takes an address that is not its own.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn also_has(&self, address: IpAddr) -> Result<(), Trouble> {
        self.ip(format!("addr add {address}/32 dev eth0\n"))
    }

    /// And gives it back.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn has_no_longer(&self, address: IpAddr) -> Result<(), Trouble> {
        self.ip(format!("addr del {address}/32 dev eth0\n"))
    }

    fn ip(&self, script: String) -> Result<(), Trouble> {
        let run = move || crate::ip_batch(&script).map_err(io::Error::other);
        Ok(in_namespace(&self.namespace(), run)?)
    }

    /// The finished tries.
    pub fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Every finished try that ended after `since`.
    #[must_use]
    pub fn calls_since(&self, since: Duration) -> Vec<Call> {
        self.calls().iter().filter(|call| call.until >= since).cloned().collect()
    }

    /// Forgets what ended before `before`.
    pub fn forget(&self, before: Duration) {
        self.calls().retain(|call| call.until >= before);
    }

    /// What the last try of some of these calls met, which have no answer.
    #[must_use]
    pub fn told_last(&self, open: &[u64]) -> Option<String> {
        let calls = self.calls();
        let last = |serial: &u64| {
            let mut of_it = calls.iter().filter(|call| call.serial == *serial);
            let tries = of_it.clone().count();
            (
                *serial,
                tries,
                of_it.next_back().map(|call| (call.from, call.until, call.end.clone())),
            )
        };
        let told: Vec<_> = open.iter().take(TOLD).map(last).collect();
        (!told.is_empty()).then(|| format!("{} calls have no answer: {told:?}", open.len()))
    }

    /// The same, and when it began: what was started until then is settled, and all that was
    /// carried out before the last of it is noted as well, where several are carried out at a time.
    #[must_use]
    pub fn settle_all(&self, since: Duration, limit: Duration) -> (Vec<u64>, Duration) {
        let begun = now();
        let open = self.settle(since, limit);
        let _later = self.settle(since, limit);
        (open, begun)
    }

    /// Asks every call again that was started since `since` and never answered, under its own
    /// id. Returns those that had no answer even then.
    #[must_use]
    pub fn settle(&self, since: Duration, limit: Duration) -> Vec<u64> {
        let begun = now();
        let mut asked = BTreeSet::new();
        loop {
            let open = unanswered(&self.calls(), since, begun);
            if open.is_empty() || now() >= begun + limit {
                let _gone = self.asks.send(Ask::EnoughAgain);
                return open.into_keys().collect();
            }
            let failed = open.into_iter().filter(|(_, standing)| *standing == Standing::Failed);
            let new: Vec<u64> =
                failed.map(|(serial, _)| serial).filter(|serial| asked.insert(*serial)).collect();
            if !new.is_empty() && self.asks.send(Ask::Again(new)).is_err() {
                asked.clear();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(caller) = self.java().take() {
            caller.kill();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Started, not ended.
    UnderWay,
    /// Ended without an answer.
    Failed,
}

/// The calls started from `since` to `until` that have no answer.
fn unanswered(calls: &[Call], since: Duration, until: Duration) -> BTreeMap<u64, Standing> {
    let firsts = || calls.iter().filter(|c| !c.again && c.from >= since && c.from <= until);
    let (Some(first), Some(last)) =
        (firsts().map(|c| c.serial).min(), firsts().map(|c| c.serial).max())
    else {
        return BTreeMap::new();
    };
    let mut open: BTreeMap<u64, Standing> =
        (first..=last).map(|serial| (serial, Standing::UnderWay)).collect();
    for call in calls {
        if let Some(standing) = open.get_mut(&call.serial) {
            *standing = Standing::Failed;
        }
    }
    for call in calls {
        if matches!(call.end, CallEnd::Answered { .. }) {
            open.remove(&call.serial);
        }
    }
    open
}

/// Puts the calling thread into a network namespace of its own with one link to the switch.
fn move_in(wire: &Wire, number: usize) -> Result<File, Trouble> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
    let host = HOST + number;
    let id = PortId { host, link: 0 };
    wire.plug(id, Segment::Data, kernel::open_tap("eth0")?)?;
    crate::ip_batch(&format!(
        "link set lo up\nlink set eth0 address 02:77:00:00:00:{host:02x}\nlink set eth0 up\n\
         addr add 10.77.1.{host}/24 dev eth0\naddr add fd77:1::{host}/64 dev eth0 nodad\n\
         addr add 10.0.0.{}/24 dev eth0\n",
        REPORTED + number
    ))?;
    Ok(File::open("/proc/thread-self/ns/net")?)
}

/// What calls.
enum Running {
    Calls(Caller),
    Service(Teller),
    Rows(Committer),
}

impl Running {
    fn new(
        (speaks, to): (Speaks, SocketAddr),
        name: String,
        noted: Noted,
    ) -> Result<Self, Trouble> {
        Ok(match speaks {
            Speaks::Calls => Self::Calls(Caller::new(to, name, noted)?),
            Speaks::Service(program) => Self::Service(Teller::new((to, program), &name, noted)?),
            Speaks::Rows => Self::Rows(Committer::new(to, noted)),
        })
    }

    fn run(self, asked: &Receiver<Ask>) {
        match self {
            Self::Calls(mut caller) => caller.run(asked),
            Self::Rows(mut committer) => committer.run(asked),
            // Whoever asks it hears that it has ended.
            Self::Service(teller) => drop(teller.run(asked)),
        }
    }
}

struct Caller {
    to: SocketAddr,
    name: String,
    noted: Noted,
    epoll: Epoll,
    flights: BTreeMap<u64, Flight>,
    /// Keys of flights in the order in which their time ends.
    order: VecDeque<u64>,
    key: u64,
    serial: u64,
    again: VecDeque<u64>,
    /// Whether a call that failed again is to be asked once more.
    persists: bool,
    out_again: usize,
}

impl Caller {
    fn new(to: SocketAddr, name: String, noted: Noted) -> Result<Self, Trouble> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from)?;
        let (flights, order, again) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Ok(Self {
            to,
            name,
            noted,
            epoll,
            flights,
            order,
            key: 0,
            serial: 0,
            again,
            persists: false,
            out_again: 0,
        })
    }

    fn run(&mut self, asked: &Receiver<Ask>) {
        let mut next = now();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            loop {
                match asked.try_recv() {
                    // The sample is called at an even pace.
                    Ok(Ask::Work(_)) => {}
                    // The numbers themselves tell.
                    Ok(Ask::Kept(answer)) => drop(answer.send(Vec::new())),
                    Ok(Ask::Again(serials)) => {
                        self.again.extend(serials);
                        self.persists = true;
                    }
                    Ok(Ask::EnoughAgain) => {
                        self.again.clear();
                        self.persists = false;
                    }
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            let time = now();
            while time >= next {
                self.serial += 1;
                self.start(self.serial, time, false);
                next += EVERY;
                if time.saturating_sub(next) > OWN_PAUSE {
                    next = time + EVERY;
                }
            }
            while self.out_again < AGAIN_AT_ONCE {
                let Some(serial) = self.again.pop_front() else { break };
                self.start(serial, time, true);
            }
            self.give_up(time);
            let wait = next.saturating_sub(now()).as_micros().div_ceil(1000);
            let wait = EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::ZERO);
            let count = self.epoll.wait(&mut events, wait).unwrap_or(0);
            for event in &events[..count] {
                self.go_on(event.data());
            }
        }
    }

    fn start(&mut self, serial: u64, time: Duration, again: bool) {
        self.key += 1;
        self.out_again += usize::from(again);
        let flight = Flight::begin(self.to, serial, time, again);
        match flight {
            Ok(flight) => {
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, self.key);
                if self.epoll.add(flight.socket(), event).is_ok() {
                    self.order.push_back(self.key);
                    self.flights.insert(self.key, flight);
                }
            }
            Err(error) => self.note(serial, time, again, CallEnd::Failed(error.to_string())),
        }
    }

    fn give_up(&mut self, time: Duration) {
        while let Some(key) = self.order.front().copied() {
            match self.flights.get(&key) {
                Some(flight) if flight.from + LIMIT > time => return,
                Some(_) => self.land(key, CallEnd::Failed("no answer".into())),
                None => {}
            }
            self.order.pop_front();
        }
    }

    fn go_on(&mut self, key: u64) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        match flight.step(&self.name) {
            Step::Waits => {}
            Step::Asked => {
                let mut event = EpollEvent::new(EpollFlags::EPOLLIN, key);
                let _watched = self.epoll.modify(flight.socket().as_fd(), &mut event);
            }
            Step::Ended(end) => self.land(key, end),
        }
    }

    fn land(&mut self, key: u64, end: CallEnd) {
        // Dropping the flight closes its socket, which also leaves the epoll set.
        if let Some(flight) = self.flights.remove(&key) {
            self.note(flight.serial, flight.from, flight.again, end);
        }
    }

    fn note(&mut self, serial: u64, from: Duration, again: bool, end: CallEnd) {
        if again {
            self.out_again -= 1;
            if self.persists && matches!(end, CallEnd::Failed(_)) {
                self.again.push_back(serial);
            }
        }
        let call = Call { serial, from, until: now(), end, again };
        self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(call);
    }
}
