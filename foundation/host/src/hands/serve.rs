//! The hands at work: requests in, answers and events out, children reaped.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::Flock;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

use super::family::{Family, Member};
use super::programs::Programs;
use super::slow::{Slow, taken_back};
use super::words::Words;
use super::{HandsConfig, SOCKET};
use crate::fence::able::Capability;
use crate::fence::{self, Fence};
use crate::guardian::environment;
use crate::guardian::release::{LOOK_AGAIN, Means};
use crate::guardian::table::hands::Fed;
use crate::guardian::table::{Slot, State, held};
use crate::netlink::Netlink;
use crate::request::{
    Answer, Event, Failure, HowEnded, Listing, Powers, Program, Release, Report, Request,
    RequestId, Right, Target,
};
use crate::socket::{Connection, MESSAGE_LONGEST, Outbox, Peer, Received};
use crate::watchdog::Watchdog;
use crate::{cgroup, clock, codec, sys};

const VISITORS_MOST: usize = 8;
/// Requests of one visitor taken in one round.
const ROUND_MOST: usize = 256;
/// Reports that wait for a visitor who does not read; then it is turned out.
const OUTBOX_MOST: usize = 4096;
/// Events that wait for somebody to watch.
const UNSEEN_MOST: usize = 1024;
const TRY_AGAIN_MS: i32 = 5;

/// Those who do the work.
pub struct Staff {
    /// The guardian and the agent.
    pub family: Family,
    /// What the service manager is told, where there is one.
    pub words: Option<Words>,
    /// The programs of the groups.
    pub programs: Programs,
    /// The requests that take time.
    pub slow: Slow,
    /// The ways to release a group.
    pub means: Means,
}

struct Visitor {
    connection: Connection,
    interest: Interest,
    outbox: Outbox,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interest {
    Answers,
    Events,
}

impl Visitor {
    fn post(&mut self, report: &Report) {
        if self.outbox.post(&self.connection, report).is_err() {
            // It does not read: it is turned out when it is heard next.
            self.connection.hang_up();
        }
    }
}

/// Who asked for a program, by which request.
type Patient = (u64, RequestId, Program);

/// How much of what a visitor had to say was heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    All,
    Part,
}

enum Phase {
    Working,
    /// The agent hands everything over, until then at most.
    Stopping {
        until: Moment,
    },
    Ending {
        code: i32,
    },
}

/// All that the main thread has.
pub struct Desk {
    config: HandsConfig,
    staff: Staff,
    signals: SignalFd,
    listener: OwnedFd,
    visitors: BTreeMap<u64, Visitor>,
    visits: u64,
    unseen: VecDeque<Event>,
    /// Programs that are to be started when the kill of their group is over.
    patient: Vec<Patient>,
    phase: Phase,
    buffer: Box<[u8]>,
    _locks: Vec<Flock<File>>,
}

impl Desk {
    /// Ready to work.
    #[must_use]
    pub fn new(
        config: HandsConfig,
        staff: Staff,
        signals: SignalFd,
        listener: OwnedFd,
        locks: Vec<Flock<File>>,
    ) -> Self {
        Self {
            config,
            staff,
            signals,
            listener,
            visitors: BTreeMap::new(),
            visits: 0,
            unseen: VecDeque::new(),
            patient: Vec::new(),
            phase: Phase::Working,
            buffer: vec![0; MESSAGE_LONGEST].into_boxed_slice(),
            _locks: locks,
        }
    }

    /// Works until told to stop; the exit code of the process.
    pub fn work(&mut self) -> i32 {
        loop {
            let now = clock::now();
            self.staff.programs.keep_time(now);
            for member in self.staff.family.start_due(now) {
                if member == Member::Guardian {
                    self.tell(Event::GuardianReady);
                }
            }
            if let Phase::Stopping { until } = self.phase
                && (until <= now || self.staff.family.agent().is_none())
            {
                self.phase = Phase::Ending { code: 0 };
            }
            if let Phase::Ending { code } = self.phase {
                self.end();
                return code;
            }
            self.wait();
            self.take_signals();
            self.staff.words.iter().for_each(Words::pass_on);
            self.reap();
            self.accept();
            self.hear_visitors();
            self.pass_on_finished();
            self.flush();
        }
    }

    fn wait(&mut self) {
        let bell = self.staff.slow.bell();
        let mut polled: Vec<BorrowedFd<'_>> =
            vec![self.signals.as_fd(), self.listener.as_fd(), bell.as_fd()];
        polled.extend(self.staff.words.iter().map(|words| words.own.as_fd()));
        polled.extend(self.visitors.values().map(|visitor| visitor.connection.as_fd()));
        drop(sys::wait_readable(&polled, self.patience()));
        // What rang is looked at in every round anyway.
        bell.read().ok();
    }

    /// How long nothing has to be done, in milliseconds; −1 is for ever.
    fn patience(&self) -> i32 {
        let stop = match self.phase {
            Phase::Stopping { until } => Some(until),
            Phase::Working | Phase::Ending { .. } => None,
        };
        let next = [self.staff.programs.next_limit(), self.staff.family.next_due(), stop];
        let rest = next.into_iter().flatten().min().map(|next| {
            let rest: Span = next.since(clock::now());
            i32::try_from(rest.0.div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        let unsent = self.visitors.values().any(|visitor| !visitor.outbox.is_empty());
        rest.into_iter().chain(unsent.then_some(TRY_AGAIN_MS)).min().unwrap_or(-1)
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            // Children are reaped in every round.
            if let Ok(Signal::SIGTERM | Signal::SIGINT) = Signal::try_from(number) {
                self.begin_stop();
            }
        }
    }

    fn begin_stop(&mut self) {
        match self.phase {
            Phase::Working => {
                let until = clock::now() + self.config.stop_limit;
                self.phase = Phase::Stopping { until };
                self.staff.family.ask_agent_to_stop();
                self.tell(Event::Stopping);
            }
            // Asked twice: at once.
            Phase::Stopping { .. } => self.phase = Phase::Ending { code: 0 },
            Phase::Ending { .. } => {}
        }
    }

    fn reap(&mut self) {
        loop {
            let (pid, how) = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, HowEnded::Exited(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, HowEnded::Signalled(signal as i32))
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(_) => continue,
            };
            let pid = pid.as_raw().cast_unsigned();
            match self.staff.family.ended(pid) {
                Some(Member::Guardian) => self.stand_in_for_guardian(pid),
                Some(Member::Agent) => self.agent_ended(how),
                None => {
                    if let Some(ended) = self.staff.programs.ended(pid, how) {
                        self.tell(Event::Ended(ended));
                    }
                }
            }
        }
    }

    /// The guardian is dead: what it guarded has nobody who would end it, so it ends now.
    fn stand_in_for_guardian(&mut self, lost: u32) {
        self.staff.means.lost = Some(lost);
        let released = self.release_armed();
        // Its number may be another's from now on.
        self.staff.means.lost = None;
        self.tell(Event::GuardianLost { released });
    }

    fn release_armed(&mut self) -> Vec<(GroupName, Epoch, Release)> {
        let held: Vec<&Slot> = held(self.staff.means.table.slots()).collect();
        let mut released = Vec::new();
        for mut ending in self.staff.means.begin(&held, clock::now()) {
            let release = loop {
                if let Some(release) = self.staff.means.go_on(&mut ending, clock::now()) {
                    break release;
                }
                std::thread::sleep(LOOK_AGAIN.to_std());
            };
            if release == Release::Incomplete {
                self.fence("a group could not be released after the loss of the guardian");
            }
            for slot in ending.slots {
                slot.set_state(State::Released);
                released.extend(slot.read().map(|arm| (arm.group, slot.epoch(), release)));
            }
        }
        released
    }

    fn agent_ended(&mut self, how: HowEnded) {
        self.staff.words.iter().for_each(Words::hush);
        match (&self.phase, how) {
            (Phase::Stopping { .. }, _) => {
                self.staff.family.let_agent_go();
                self.phase = Phase::Ending { code: 0 };
            }
            (Phase::Working, HowEnded::Exited(code))
                if code == 0 || self.config.final_codes.contains(&code) =>
            {
                self.staff.family.let_agent_go();
                self.phase = Phase::Ending { code };
            }
            (Phase::Working | Phase::Ending { .. }, _) => {}
        }
    }

    fn accept(&mut self) {
        while let Ok(Some((connection, peer))) = Connection::accept(&self.listener) {
            if self.admits(peer) && self.visitors.len() < VISITORS_MOST {
                self.visits += 1;
                let visitor = Visitor {
                    connection,
                    interest: Interest::Answers,
                    outbox: Outbox::new(OUTBOX_MOST),
                };
                self.visitors.insert(self.visits, visitor);
            }
        }
    }

    /// Only the agent itself: not a program of the same user, nor another process of root.
    fn admits(&self, peer: Peer) -> bool {
        match (&self.config.agent, self.staff.family.agent()) {
            (Some(_), Some(agent)) => agent.cast_signed() == peer.pid,
            (Some(_), None) => false,
            (None, _) => [0, nix::unistd::geteuid().as_raw()].contains(&peer.uid),
        }
    }

    /// Hears each visitor to its end before the next: what an agent that died had still asked for
    /// comes before what its successor asks.
    fn hear_visitors(&mut self) {
        let tokens: Vec<u64> = self.visitors.keys().copied().collect();
        for token in tokens {
            if self.hear(token) == Heard::Part {
                return;
            }
        }
    }

    fn hear(&mut self, token: u64) -> Heard {
        for _ in 0..ROUND_MOST {
            let Some(visitor) = self.visitors.get(&token) else { return Heard::All };
            let length = match visitor.connection.receive(&mut self.buffer) {
                Ok(Received::Message(length)) => length,
                Ok(Received::Nothing) => return Heard::All,
                Ok(Received::End) | Err(_) => {
                    self.visitors.remove(&token);
                    return Heard::All;
                }
            };
            match codec::read::<(RequestId, Request)>(&self.buffer[..length]) {
                Ok((id, request)) => self.take(token, id, request),
                // Nobody who speaks another language has a place here.
                Err(_) => drop(self.visitors.remove(&token)),
            }
        }
        Heard::Part
    }

    fn take(&mut self, token: u64, id: RequestId, request: Request) {
        let outcome = match request {
            Request::Spawn(program) if self.waits(&program) => {
                return self.patient.push((token, id, program));
            }
            Request::Spawn(program) => self.staff.programs.spawn(&program).map(Answer::Spawned),
            Request::Signal { target, signal } => {
                self.signal(&target, signal).map(|()| Answer::Done)
            }
            Request::List => self.list().map(Answer::Listing),
            Request::Reset { reason } => {
                self.fence(&reason);
                Ok(Answer::Done)
            }
            Request::Watch => {
                self.answer(token, id, Ok(Answer::Done));
                return self.begin_watch(token);
            }
            slow @ (Request::AddAddress { .. }
            | Request::RemoveAddress { .. }
            | Request::Probe { .. }
            | Request::Announce { .. }
            | Request::Mount { .. }
            | Request::Unmount { .. }
            | Request::KillGroup { .. }) => {
                self.take_back(&slow);
                match self.staff.slow.begin(token, id, slow) {
                    Ok(()) => return,
                    Err(failure) => Err(failure),
                }
            }
        };
        self.answer(token, id, outcome);
    }

    /// Whether a program has to wait: its group is still being killed, by the order of a former
    /// agent or for a former epoch. A stop or a monitor waits for nothing.
    fn waits(&self, program: &Program) -> bool {
        let leased = matches!(program.right, Right::Lease { .. });
        leased && !self.staff.slow.unsettled().spares_group(program.right.group())
    }

    /// What waits to be started in a group that is to be killed is not started any more.
    fn take_back(&mut self, request: &Request) {
        let Request::KillGroup { group } = request else { return };
        let of_group = |(_, _, program): &Patient| program.right.group() == group;
        let patient = std::mem::take(&mut self.patient);
        let (back, stay): (Vec<Patient>, _) = patient.into_iter().partition(of_group);
        self.patient = stay;
        for (token, id, _) in back {
            self.answer(token, id, Err(taken_back()));
        }
    }

    /// Starts what waited and waits no more, in the order in which it was asked for.
    fn start_patient(&mut self) {
        for (token, id, program) in std::mem::take(&mut self.patient) {
            if self.waits(&program) {
                self.patient.push((token, id, program));
            } else {
                let outcome = self.staff.programs.spawn(&program).map(Answer::Spawned);
                self.answer(token, id, outcome);
            }
        }
    }

    fn signal(&self, target: &Target, signal: i32) -> Result<(), Failure> {
        match target {
            Target::Program(id) => self.staff.programs.signal(*id, signal),
            Target::Group(group) => {
                for pid in self.staff.means.processes(group.as_str()) {
                    // One that ended meanwhile needs no signal.
                    drop(sys::kill(pid.cast_signed(), signal));
                }
                Ok(())
            }
        }
    }

    fn list(&self) -> Result<Listing, Failure> {
        let failed = |error: std::io::Error| Failure::system("netlink", &error);
        let mut netlink = Netlink::open().map_err(failed)?;
        let links = netlink.links().map_err(failed)?;
        let name = |index| links.iter().find(|link| link.index == index).map(|l| l.name.clone());
        let held = netlink.addresses().map_err(failed)?;
        // What is coming up or going down is neither: it is not told as being here.
        let unsettled = self.staff.slow.unsettled();
        let groups = self.staff.programs.groups().into_iter();
        let processes = groups.filter(|group| unsettled.spares_group(group)).map(|group| {
            let pids = self.staff.means.processes(group.as_str());
            (group, pids)
        });
        let mounts = self.staff.slow.mounts();
        let addresses = held.iter().filter(|h| unsettled.spares_address(h.address));
        let programs = self.staff.programs.running();
        Ok(Listing {
            outputs: self.staff.programs.outputs(),
            programs: programs.into_iter().filter(|p| unsettled.spares_group(&p.group)).collect(),
            processes: processes.filter(|(_, pids)| !pids.is_empty()).collect(),
            mounts: mounts.into_iter().filter(|dir| unsettled.spares_dir(dir)).collect(),
            addresses: addresses.filter_map(|h| Some((name(h.link)?, h.address))).collect(),
            powers: self.powers(),
        })
    }

    fn powers(&self) -> Powers {
        let powers = self.staff.slow.powers();
        let fence = match (self.staff.means.table.watchdog(), &self.config.fence) {
            (Fed::Never, _) => powers.fence,
            (Fed::Taken, _) => Capability::Watchdog,
            (Fed::Refused, Fence::Machine) => Capability::BrokenWatchdog,
            (Fed::Refused, Fence::Processes) => Capability::None,
        };
        Powers { fence, ..powers }
    }

    fn begin_watch(&mut self, token: u64) {
        if let Some(visitor) = self.visitors.get_mut(&token) {
            visitor.interest = Interest::Events;
        }
        for event in std::mem::take(&mut self.unseen) {
            self.tell(event);
        }
    }

    fn pass_on_finished(&mut self) {
        for finished in self.staff.slow.finished() {
            if let Some(group) = finished.emptied {
                self.staff.programs.tidy(&group);
            }
            self.answer(finished.visitor, finished.id, finished.outcome);
        }
        self.start_patient();
    }

    fn answer(&mut self, token: u64, id: RequestId, outcome: Result<Answer, Failure>) {
        if let Some(visitor) = self.visitors.get_mut(&token) {
            visitor.post(&Report::Answer { id, outcome });
        }
    }

    fn tell(&mut self, event: Event) {
        let watching = |visitor: &&mut Visitor| visitor.interest == Interest::Events;
        let mut watchers = self.visitors.values_mut().filter(watching).peekable();
        if watchers.peek().is_none() {
            self.unseen.push_back(event);
            if self.unseen.len() > UNSEEN_MOST {
                self.unseen.pop_front();
            }
            return;
        }
        let report = Report::Event(event);
        for visitor in watchers {
            visitor.post(&report);
        }
    }

    fn flush(&mut self) {
        self.visitors.retain(|_, visitor| visitor.outbox.flush(&visitor.connection).is_ok());
    }

    fn fence(&self, reason: &str) {
        // One that the guardian has open stays with it.
        if let Some(path) = &self.config.watchdog {
            Watchdog::at(path.clone()).starve();
        }
        if self.config.fence == Fence::Machine {
            fence::reset_machine(reason);
        }
        // Programs and agent end with this thread; the guardian releases what is armed.
        drop(sys::kill(std::process::id().cast_signed(), libc::SIGKILL));
    }

    /// Leaves nothing behind.
    fn end(&mut self) {
        self.flush();
        self.release_armed();
        for group in self.staff.programs.groups() {
            drop(self.staff.means.kill_all(group.as_str(), clock::now() + Span::secs(1)));
        }
        self.staff.family.kill();
        if let Some(tree) = &self.staff.means.tree {
            cgroup::remove(tree.path());
        }
        for socket in [SOCKET, environment::SOCKET] {
            drop(std::fs::remove_file(self.config.run_dir.join(socket)));
        }
    }
}
