//! The thread that carries frames and hears of addresses: one real-time loop, so that what it
//! writes down has one order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::frame;
use super::switch::{PortId, Segment, Switch};
use crate::address_log::{AddressLog, Change, Watch};
use crate::kernel;

/// Above every process of the hosts: a real switch has its own processor.
const PRIORITY: i32 = 80;
const TIMER: u64 = u64::MAX;
/// Frames taken from one port before the others have their turn.
const TURN: usize = 32;

/// What the wire thread and the director of the rehearsal both touch.
#[derive(Debug)]
pub struct Instruments {
    /// The switch.
    pub switch: Switch,
    /// Who held which address.
    pub addresses: AddressLog,
    taps: BTreeMap<PortId, File>,
    watches: BTreeMap<usize, Watch>,
    ends: BTreeMap<usize, OwnedFd>,
}

/// The running wire.
#[derive(Clone, Debug)]
pub struct Wire {
    shared: Arc<Mutex<Instruments>>,
    epoll: Arc<Epoll>,
}

impl Wire {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn start() -> io::Result<Self> {
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        epoll.add(timer.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let shared = Arc::new(Mutex::new(Instruments {
            switch: Switch::new(),
            addresses: AddressLog::default(),
            taps: BTreeMap::new(),
            watches: BTreeMap::new(),
            ends: BTreeMap::new(),
        }));
        let wire = Self { shared, epoll };
        let running = wire.clone();
        thread::Builder::new().name("tsl-wire".into()).spawn(move || running.run(&timer))?;
        Ok(wire)
    }

    /// The instruments, for a moment.
    pub fn instruments(&self) -> MutexGuard<'_, Instruments> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Plugs a tap in.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn plug(&self, id: PortId, segment: Segment, tap: File) -> io::Result<()> {
        let mut shared = self.instruments();
        shared.switch.plug(id, segment);
        self.epoll.add(&tap, EpollEvent::new(EpollFlags::EPOLLIN, token(id)))?;
        shared.taps.insert(id, tap);
        Ok(())
    }

    /// Sends a frame as if it came from the host at `id`.
    pub fn inject(&self, id: PortId, frame: &[u8]) {
        let mut shared = self.instruments();
        let Instruments { switch, taps, .. } = &mut *shared;
        switch.take(kernel::now(), id, frame, &mut |to, bytes| deliver(taps, to, bytes));
    }

    /// Listens to the changes of addresses in the network namespace at `namespace`.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn watch(&self, host: usize, namespace: &Path) -> io::Result<()> {
        let watch = in_namespace(namespace, Watch::open)?;
        let mut shared = self.instruments();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, watch_token(host));
        self.epoll.add(watch.as_fd(), event)?;
        shared.watches.insert(host, watch);
        Ok(())
    }

    /// Takes the links of `host` out by itself when its first process ends: it reset itself.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn watch_end(&self, host: usize, pid: i32) -> io::Result<()> {
        let end = kernel::watch_end(pid)?;
        let mut shared = self.instruments();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, end_token(host));
        self.epoll.add(end.as_fd(), event)?;
        shared.ends.insert(host, end);
        Ok(())
    }

    /// Takes all links of `host` out and stops listening to it.
    pub fn unplug(&self, host: usize) {
        // The kernel takes its time over the end of a link: the others go on meanwhile.
        let ends = self.instruments().unplug(&self.epoll, host);
        drop(ends);
    }

    /// Lets nothing more from or to `host` pass, at one instant.
    pub fn isolate(&self, host: usize) {
        let mut shared = self.instruments();
        for link in 0..crate::host::LINKS.len() {
            shared.switch.cut(PortId { host, link }, true, true);
        }
    }

    /// Cuts (or restores) both ways of links of `host` at once; then the host sees its cables.
    pub fn cut(&self, host: usize, links: &[usize], cut: bool) {
        let mut shared = self.instruments();
        for link in links {
            shared.switch.cut(PortId { host, link: *link }, cut, cut);
        }
        for link in links {
            if let Some(tap) = shared.taps.get(&PortId { host, link: *link }) {
                // A host without power has no tap that could see it.
                let _gone = kernel::set_carrier(tap, !cut);
            }
        }
    }

    fn run(&self, timer: &TimerFd) {
        if let Err(error) = kernel::set_real_time(PRIORITY) {
            eprintln!("lab: the switch runs without real-time priority: {error}");
        }
        let mut events = [EpollEvent::empty(); 64];
        let mut buffer = vec![0; 65_536];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => {
                    eprintln!("lab: the switch stopped: {error}");
                    return;
                }
            };
            let mut shared = self.instruments();
            let now = kernel::now();
            shared.hear(now, &events[..count]);
            shared.see_ends(&self.epoll, now, &events[..count]);
            for event in &events[..count] {
                if let Some(id) = port_of(event.data()) {
                    shared.carry(now, id, &mut buffer);
                }
            }
            shared.release(kernel::now());
            set(timer, shared.switch.next_due());
        }
    }
}

impl Instruments {
    fn hear(&mut self, now: Duration, events: &[EpollEvent]) {
        if events.iter().any(|event| host_of(event.data()).is_some()) {
            self.hear_all(now);
        }
    }

    /// Changes of addresses that came in one turn cannot be told apart in time: what went is
    /// written down before what came.
    fn hear_all(&mut self, now: Duration) {
        let mut changes = self.changes();
        if changes.iter().any(|(_, change)| change.held) {
            // What had to go before that may be of a host that was asked too early.
            changes.extend(self.changes());
        }
        changes.sort_by_key(|(_, change)| change.held);
        for (host, change) in changes {
            self.addresses.note(now, host, change);
        }
    }

    fn changes(&mut self) -> Vec<(usize, Change)> {
        let of_one = |(host, watch): (&usize, &mut Watch)| {
            let host = *host;
            watch.changes().into_iter().map(move |change| (host, change))
        };
        self.watches.iter_mut().flat_map(of_one).collect()
    }

    fn see_ends(&mut self, epoll: &Epoll, now: Duration, events: &[EpollEvent]) {
        for host in events.iter().filter_map(|event| ended_of(event.data())) {
            // A token may be of a host that was unplugged and has power again.
            if self.ends.contains_key(&host) {
                self.addresses.end(now, host);
                let ends = self.unplug(epoll, host);
                // Not in this thread, which carries the frames of the other hosts.
                thread::spawn(move || drop(ends));
            }
        }
    }

    /// Takes the links of `host` out at once. A tap goes when what is given back is dropped.
    #[must_use]
    fn unplug(&mut self, epoll: &Epoll, host: usize) -> Vec<File> {
        let ports: Vec<PortId> = self.taps.keys().filter(|id| id.host == host).copied().collect();
        for id in &ports {
            self.switch.unplug(*id);
        }
        self.watches.remove(&host);
        self.ends.remove(&host);
        let taps: Vec<File> = ports.iter().filter_map(|id| self.taps.remove(id)).collect();
        for tap in &taps {
            // A tap that is in the table is in the set.
            epoll.delete(tap).expect("it was added when it was plugged in");
        }
        taps
    }

    fn carry(&mut self, now: Duration, id: PortId, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Some(tap) = self.taps.get(&id) else { return };
            let Ok(length) = (&*tap).read(buffer) else { return };
            if frame::claim(&buffer[..length]).is_some() {
                // Its host had the address before it said so, and the word of its kernel may have
                // come since the turn began.
                self.hear_all(now);
            }
            let taps = &self.taps;
            self.switch.take(now, id, &buffer[..length], &mut |to, bytes| deliver(taps, to, bytes));
        }
    }

    fn release(&mut self, now: Duration) {
        let taps = &self.taps;
        self.switch.release(now, &mut |to, bytes| deliver(taps, to, bytes));
    }
}

fn deliver(taps: &BTreeMap<PortId, File>, to: PortId, bytes: &[u8]) {
    if let Some(mut tap) = taps.get(&to) {
        // An interface that is down takes nothing, as a cable that ends nowhere.
        let _dropped = tap.write(bytes);
    }
}

fn set(timer: &TimerFd, due: Option<Duration>) {
    let done = match due {
        Some(due) => timer.set(
            Expiration::OneShot(TimeSpec::from_duration(due)),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME,
        ),
        None => timer.unset(),
    };
    done.expect("a timer of our own can be set");
}

/// Runs `work` in a thread that is in the network namespace at `namespace`.
///
/// # Errors
/// What the kernel or `work` refused.
pub fn in_namespace<T: Send + 'static>(
    namespace: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let namespace = File::open(namespace)?;
    let entered = thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        work()
    });
    entered.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace died")))
}

fn token(id: PortId) -> u64 {
    (id.host as u64) << 16 | (id.link as u64) << 8 | 1
}

fn watch_token(host: usize) -> u64 {
    (host as u64) << 16 | 2
}

fn end_token(host: usize) -> u64 {
    (host as u64) << 16 | 3
}

fn ended_of(token: u64) -> Option<usize> {
    (token != TIMER && token & 0xff == 3).then_some((token >> 16) as usize)
}

fn port_of(token: u64) -> Option<PortId> {
    let (host, link) = ((token >> 16) as usize, (token >> 8 & 0xff) as usize);
    (token != TIMER && token & 0xff == 1).then_some(PortId { host, link })
}

fn host_of(token: u64) -> Option<usize> {
    (token != TIMER && token & 0xff == 2).then_some((token >> 16) as usize)
}
