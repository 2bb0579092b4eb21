//! The guardian at work: orders in, deadlines watched, groups released.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::parent_id;
use std::ptr;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd;
use tsugi_vocabulary::{Moment, Span, timer};

use super::child;
use super::given;
use super::kill_timer::KillTimer;
use super::message::{Arm, Notice, Order, Release};
use super::orders::{self, Answers};
use super::release::{Ending, LOOK_AGAIN, Means};
use super::sheet::Sheet;
use super::table::{Slot, State, Table, held};
use crate::cgroup::Tree;
use crate::fence::{self, Fence, Reset};
use crate::netlink::Netlink;
use crate::socket::{Connection, Outbox, Received, file};
use crate::watchdog::{FEED_EVERY, Watchdog};
use crate::{clock, codec, filter, rights, sys};

/// Above the agent's lease thread and above the hands.
const PRIORITY: i32 = 20;
const ORDER_LONGEST: usize = 8 * 1024;
const CONNECTIONS_MOST: usize = 4;
/// So many notices may wait for an agent that does not read.
const NOTICES_MOST: usize = 2048;
const TRY_AGAIN_MS: i32 = 5;
/// The order in which descriptors are waited on, behind the timer; the connections follow.
const HANDS: usize = 1;
const LISTENER: usize = 2;
const FEED_EVERY_MS: i32 = (FEED_EVERY.0 / 1_000_000) as i32;

struct Watch {
    table: Table,
    /// Behind this place the table was free when it was last given an order to arm.
    used: usize,
    means: Means,
    /// What is being released.
    endings: Vec<Ending>,
    fence: Fence,
    watchdog: Option<Watchdog>,
    hands_pid: u32,
    hands: OwnedFd,
    listener: OwnedFd,
    connections: Vec<Agent>,
    wake: timerfd::TimerFd,
    kill: KillTimer,
    buffer: Box<[u8]>,
}

struct Agent {
    connection: Connection,
    outbox: Outbox,
    /// Where it writes how deadlines move on, if it does so over this connection.
    sheet: Option<Sheet>,
}

/// Runs until the hands are gone; the exit code of the process.
pub fn run() -> i32 {
    match Watch::start() {
        Ok(mut watch) => watch.work(),
        // The hands see the end and try again.
        Err(_) => 1,
    }
}

impl Watch {
    fn start() -> io::Result<Self> {
        let given = given::read()?;
        let table = Table::map(&File::from(given.table))?;
        let hands = sys::pidfd_open(given.hands_pid)?;
        if parent_id() != given.hands_pid {
            return Err(io::ErrorKind::NotFound.into());
        }
        // The hands end the guardian when nothing is left to guard; nobody else does.
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE] {
            sys::ignore_signal(signal)?;
        }
        let flags = timerfd::TimerFlags::TFD_CLOEXEC | timerfd::TimerFlags::TFD_NONBLOCK;
        let mut watch = Self {
            table,
            used: table.used(),
            means: Means {
                tree: given.cgroup.map(Tree::at),
                netlink: Netlink::open().ok(),
                table,
                node_mark: given.mark,
                beside: child::begin,
                reset: Reset::of(&given.fence),
                lost: None,
            },
            endings: Vec::new(),
            fence: given.fence,
            watchdog: given.watchdog.map(Watchdog::at),
            hands_pid: given.hands_pid,
            hands,
            listener: given.listener,
            connections: Vec::new(),
            wake: timerfd::TimerFd::new(timerfd::ClockId::CLOCK_BOOTTIME, flags)?,
            kill: KillTimer::new()?,
            buffer: vec![0; ORDER_LONGEST].into_boxed_slice(),
        };
        watch.rehearse();
        if let Some(watchdog) = &mut watch.watchdog {
            // One that a former guardian left awake sleeps again: the hands have released what
            // that one guarded.
            table.set_watchdog(&watchdog.try_out());
        }
        if nix::unistd::geteuid().is_root() {
            // Without these it works, a little later under load.
            // Every page that is touched from now on; the program is large and only a small part
            // of it runs here.
            let touched = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
            let all = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | touched;
            mlockall(all).ok();
        }
        drop(sys::real_time(PRIORITY, 0));
        rights::keep_only(rights::OF_GUARDIAN)?;
        filter::for_guardian()?;
        // Where it could have no child, every release would end the machine.
        child::rehearse()?;
        Ok(watch)
    }

    /// Walks once through everything that a release needs, so that its pages are in memory.
    fn rehearse(&mut self) {
        let nothing = self.means.kill_all("-", clock::now());
        debug_assert!(nothing.is_empty(), "no group is called so");
        drop(self.table.slots()[0].read());
        drop(crate::volume::shut_down(std::path::Path::new("/nonexistent")));
        if let Some(netlink) = &mut self.means.netlink {
            drop(netlink.addresses());
        }
        drop(self.means.begin(&[], clock::now()));
    }

    fn work(&mut self) -> i32 {
        loop {
            if self.set_timers().is_err() {
                return 1;
            }
            let Ok(ready) = self.wait() else { return 1 };
            // What waits to be sent again makes nothing ready: after silence all is looked at.
            let has = |at: usize| ready.is_empty() || ready.contains(&at);
            if has(HANDS) && self.hands_are_gone() {
                return self.outlive_hands();
            }
            if has(LISTENER) {
                self.accept();
            }
            // Before anything is released, and before what was ordered after it. What was written
            // before `now` is seen, so nothing is released that was extended in time.
            let now = clock::now();
            for sheet in self.connections.iter().filter_map(|agent| agent.sheet.as_ref()) {
                orders::follow(&self.table, sheet, now);
            }
            if ready.iter().any(|at| *at > LISTENER) || ready.is_empty() {
                self.take_orders();
            }
            let due: Vec<&Slot> = self.armed().filter(|slot| slot.deadline() <= now).collect();
            self.begin_releasing(&due, now);
            self.go_on_releasing();
            self.mind_watchdog();
        }
    }

    /// Food only for a node whose leases all run; sleep only for one that guards nothing.
    fn mind_watchdog(&mut self) {
        let earliest = self.earliest();
        let Some(watchdog) = &mut self.watchdog else { return };
        let now = clock::now();
        match earliest {
            Some(deadline) if deadline > now => self.table.set_watchdog(&watchdog.feed(now)),
            // What is due is released in the next round, or is being released.
            Some(_) => {}
            None => drop(watchdog.sleep()),
        }
    }

    /// What is guarded. The places that were never used are pages that need not be touched.
    fn armed(&self) -> impl Iterator<Item = &'static Slot> + use<> {
        held(&self.table.slots()[..self.used]).filter(|slot| slot.state() == State::Armed)
    }

    /// The first deadline of what is guarded; it has passed of what is being released.
    fn earliest(&self) -> Option<Moment> {
        held(&self.table.slots()[..self.used]).map(Slot::deadline).min()
    }

    fn set_timers(&mut self) -> io::Result<()> {
        let now = clock::now();
        let rest = self.armed().map(|slot| slot.deadline().since(now)).min();
        // A guardian that hangs in a release is killed by the kernel and the hands do the rest.
        let killed = self.endings.iter().map(|ending| ending.end.since(now) + timer::KILLED_AFTER);
        let Some(killed) = rest.map(timer::killed_after).into_iter().chain(killed).min() else {
            self.wake.unset()?;
            return self.kill.disarm();
        };
        let look = (!self.endings.is_empty()).then_some(LOOK_AGAIN);
        let look = rest.map(timer::look_after).into_iter().chain(look).min().unwrap_or(LOOK_AGAIN);
        let once = timerfd::Expiration::OneShot(TimeSpec::from(look.to_std()));
        self.wake.set(once, timerfd::TimerSetTimeFlags::empty())?;
        self.kill.arm(killed)
    }

    /// Which descriptors can be read: the timer, the hands, the listener, then the connections.
    fn wait(&self) -> io::Result<Vec<usize>> {
        let mut all: Vec<BorrowedFd<'_>> =
            vec![self.wake.as_fd(), self.hands.as_fd(), self.listener.as_fd()];
        all.extend(self.connections.iter().map(|agent| agent.connection.as_fd()));
        let unsent = self.connections.iter().any(|agent| !agent.outbox.is_empty());
        let hungry = self.watchdog.as_ref().is_some_and(Watchdog::is_awake);
        let patience = match (unsent, hungry) {
            (true, _) => TRY_AGAIN_MS,
            (false, true) => FEED_EVERY_MS,
            (false, false) => -1,
        };
        // The timer is not read: it is set anew before the next wait, and that makes it quiet. What
        // is due is asked of the clock.
        sys::wait_readable(&all, patience)
    }

    fn hands_are_gone(&self) -> bool {
        let seen = sys::wait_readable(&[&self.hands], 0);
        seen.is_ok_and(|ready| !ready.is_empty())
    }

    fn accept(&mut self) {
        while let Ok(Some((connection, peer))) = Connection::accept(&self.listener) {
            let own = nix::unistd::geteuid().as_raw();
            let known = [0, own, self.table.agent_user()].contains(&peer.uid);
            let agent = self.table.agent().is_none_or(|pid| pid.cast_signed() == peer.pid);
            if known && agent {
                if self.connections.len() == CONNECTIONS_MOST {
                    // An agent would go on to write into a sheet that nobody reads.
                    let at = self.connections.iter().position(|agent| agent.sheet.is_none());
                    self.connections.remove(at.unwrap_or(0));
                }
                let outbox = Outbox::new(NOTICES_MOST);
                self.connections.push(Agent { connection, outbox, sheet: None });
            }
        }
    }

    fn take_orders(&mut self) {
        let mut connections = std::mem::take(&mut self.connections);
        connections.retain_mut(|agent| {
            agent.outbox.flush(&agent.connection).is_ok() && self.listen_to(agent)
        });
        self.connections = connections;
    }

    /// Whether the connection is to be kept.
    fn listen_to(&mut self, agent: &mut Agent) -> bool {
        loop {
            let (length, brought) = match file::receive(&agent.connection, &mut self.buffer) {
                Ok((Received::Message(length), brought)) => (length, brought),
                Ok((Received::Nothing, _)) => return true,
                Ok((Received::End, _)) | Err(_) => return false,
            };
            let Ok(order) = codec::read::<Order>(&self.buffer[..length]) else { return false };
            let Answers(notices) = orders::carry_out(&self.table, &order, clock::now());
            match order {
                Order::Arm(_) => self.used = self.table.used(),
                Order::Sheet => {
                    let sheet = brought.and_then(|file| Sheet::given(&File::from(file)).ok());
                    agent.sheet = sheet;
                    if agent.sheet.is_none() {
                        return false;
                    }
                }
                Order::Extend(_) | Order::Disarm { .. } | Order::Recall => {}
            }
            // Whoever is answered may count on the timers.
            let timed = notices.is_empty() || self.set_timers().is_ok();
            for notice in notices {
                if !timed || agent.outbox.post(&agent.connection, &notice).is_err() {
                    return false;
                }
            }
        }
    }

    fn begin_releasing(&mut self, due: &[&'static Slot], now: Moment) {
        if due.is_empty() {
            return;
        }
        // A guardian that hangs in here is killed by the kernel and the hands do the rest.
        let allowed = due.iter().filter_map(|slot| slot.read()).map(|arm| arm.allowed).max();
        drop(self.kill.arm(allowed.unwrap_or(Span::ZERO) + timer::KILLED_AFTER));
        self.endings.extend(self.means.begin(due, now));
    }

    fn go_on_releasing(&mut self) {
        let mut endings = std::mem::take(&mut self.endings);
        endings.retain_mut(|ending| match self.means.go_on(ending, clock::now()) {
            Some(release) => {
                self.conclude(ending, release);
                false
            }
            None => true,
        });
        self.endings = endings;
    }

    fn conclude(&mut self, Ending { slots, began, .. }: &Ending, release: Release) {
        let arms: Vec<Option<Arm>> = slots.iter().map(|slot| slot.read()).collect();
        if release == Release::Incomplete {
            let groups: Vec<&str> = arms.iter().flatten().map(|arm| arm.group.as_str()).collect();
            self.fence(&format!("{groups:?} could not be released"));
        }
        let took = clock::now().since(*began);
        for (slot, arm) in slots.iter().zip(arms) {
            let (epoch, late) = (slot.epoch(), began.since(slot.deadline()));
            slot.set_state(State::Released);
            if let Some(Arm { group, .. }) = arm {
                self.tell_all(&Notice::Released { group, epoch, release, late, took });
            }
        }
    }

    fn tell_all(&mut self, notice: &Notice) {
        // An agent that does not take it connects again and recalls.
        self.connections.retain_mut(|agent| {
            agent.sheet.is_some() || agent.outbox.post(&agent.connection, notice).is_ok()
        });
    }

    fn outlive_hands(&mut self) -> i32 {
        // One whose thread still waited in a call would not have been seen as gone.
        self.table.end_calls();
        // Also what the hands had begun to release.
        let own =
            |slot: &Slot| self.endings.iter().any(|e| e.slots.iter().any(|s| ptr::eq(*s, slot)));
        let left: Vec<&Slot> = held(self.table.slots()).filter(|slot| !own(slot)).collect();
        self.begin_releasing(&left, clock::now());
        while !self.endings.is_empty() && self.set_timers().is_ok() {
            self.go_on_releasing();
            std::thread::sleep(LOOK_AGAIN.to_std());
        }
        // Programs without a lease ended with the hands; what they started did not.
        if let Some(tree) = &self.means.tree {
            drop(tree.kill_all());
        }
        if let Some(watchdog) = &mut self.watchdog {
            drop(watchdog.sleep());
        }
        0
    }

    fn fence(&mut self, reason: &str) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.starve();
        }
        if self.fence == Fence::Machine {
            fence::reset_machine(reason);
        }
        // Still here: the programs end with the hands.
        drop(sys::kill(self.hands_pid.cast_signed(), libc::SIGKILL));
        if let Some(agent) = self.table.agent() {
            drop(sys::kill(agent.cast_signed(), libc::SIGKILL));
        }
        if let Some(tree) = &self.means.tree {
            drop(tree.kill_all());
        }
    }
}
