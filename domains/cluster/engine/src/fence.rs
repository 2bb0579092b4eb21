//! The fence devices of the other nodes: asked now and then whether they answer, asked for the
//! state of a node that misses beats, and told to switch one off. That is believed when the device,
//! asked once more, says off.
//!
//! It never waits: the hands start `tsugi fencing` ([`step`]), and their report says how it ended.

pub mod step;

use std::collections::BTreeMap;

use tsugi_cluster_rules::node::Power;
use tsugi_cluster_rules::record::FenceFault;
use tsugi_cluster_rules::spec::FenceDevice;
use tsugi_host::Host;
use tsugi_host::request::{
    Answer, Ended, Event, HowEnded, Program, ProgramId, Report, Request, RequestId, TimeLimit,
};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{BootId, Moment, NodeName, Span};

use crate::errand::Surroundings;
use step::Action;

/// How soon after a start, or another configuration, a device is asked.
const FIRST: Span = Span::secs(3);
/// How soon it is asked again after a failure.
const AGAIN: Span = Span::secs(60);
/// How soon one is asked again that says off of a node that is heard: what has just lost its power
/// counts as heard for a moment longer.
const LOOK: Span = Span::secs(1);
/// What is kept of the output of [`step`], which is short.
const KEEP: u32 = 2048;
/// The name that the hands know these programs by; no group of a configuration is called so.
const GROUP: &str = "tsugi-fencing";

/// Why a fence device failed, as a message: of `node`'s device, asked from `here`.
#[must_use]
pub fn message(fault: &FenceFault, (node, here): (&NodeName, &NodeName)) -> Message {
    match fault {
        FenceFault::Absent(why) => messages::fence_agent_absent(node, here, why),
        FenceFault::Secret(why) => messages::fence_secret_unusable(node, here, why),
        FenceFault::Failed(why) => messages::fence_device_failed(node, here, why),
        FenceFault::Slow(limit) => messages::fence_agent_slow(node, here, limit.as_millis()),
        FenceFault::Flooded => messages::fence_agent_flooded(node, here),
        FenceFault::Nonsense(why) => messages::fence_agent_nonsense(node, here, why),
        FenceFault::Wrong => messages::fence_device_wrong(node, here),
        FenceFault::Lied => messages::fence_device_lied(node, here),
        FenceFault::Late => messages::fence_too_late(node, here),
    }
}

/// What a device said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    On,
    Off,
    Nothing(FenceFault),
}

impl Said {
    const fn power(&self) -> Power {
        match self {
            Self::On => Power::On,
            Self::Off => Power::Off,
            Self::Nothing(_) => Power::Unknown,
        }
    }
}

/// One device, and when it is asked next.
#[derive(Debug)]
struct Test {
    device: FenceDevice,
    due: Moment,
    /// What it said last; none before it was asked.
    said: Option<Result<(), FenceFault>>,
    looks: Looks,
    /// When it last answered well; kept when the device is configured anew as it was.
    well: Option<Moment>,
}

/// Whether what a device said last is to be looked at once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Plain,
    /// It said off of a node that was heard.
    OffAndHeard,
}

/// What a run of a fence agent is for.
#[derive(Clone, Debug)]
enum Run {
    /// To know whether the device answers; since when.
    Test(NodeName, Moment),
    /// To know whether a node that misses beats has power: one question of the rules.
    State(NodeName, Span),
    /// To switch a node off.
    Off(Shot),
    /// To see that it is off.
    Look(Shot),
}

/// A node that is to be switched off.
#[derive(Clone, Debug)]
struct Shot {
    node: NodeName,
    boot: BootId,
    device: FenceDevice,
}

/// What became of a node that was to be switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// Which.
    pub node: NodeName,
    /// The life of it that the order named.
    pub boot: BootId,
    /// Whether it is off for certain.
    pub outcome: Result<(), FenceFault>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Of a node that was to be switched off.
    Fenced(Fenced),
    /// Of a test: what the device said, and how long that took.
    Tested(NodeName, Power, Span),
    /// Of a question for the state.
    State(NodeName, Power),
}

/// The devices of the other nodes.
#[derive(Debug)]
pub struct Fences {
    around: Surroundings,
    user: (u32, u32),
    tests: BTreeMap<NodeName, Test>,
    asked: BTreeMap<RequestId, Run>,
    running: BTreeMap<ProgramId, Run>,
    /// What was told last of all of them.
    told: Option<BTreeMap<NodeName, FenceFault>>,
}

impl Fences {
    /// None is known yet. What a fence agent runs as is `user`.
    #[must_use]
    pub fn new(around: Surroundings, user: (u32, u32)) -> Self {
        let (tests, asked, running) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { around, user, tests, asked, running, told: None }
    }

    /// Has a node switched off; what came of it, if that is known at once. A device that says off
    /// of a running machine is not asked: it would switch off another.
    pub fn shoot(
        &mut self,
        (node, boot): (NodeName, BootId),
        device: FenceDevice,
        host: &mut dyn Host,
    ) -> Option<Fenced> {
        if self.tests.get(&node).is_some_and(|t| t.said == Some(Err(FenceFault::Wrong))) {
            return Some(Fenced { node, boot, outcome: Err(FenceFault::Wrong) });
        }
        match self.begin(Run::Off(Shot { node, boot, device }), host) {
            Some(Came::Fenced(fenced)) => Some(fenced),
            Some(Came::Tested(..) | Came::State(..)) | None => None,
        }
    }

    /// Asks a device for the state of its machine; what came of it, if that is known at once.
    pub fn ask_state(
        &mut self,
        node: NodeName,
        device: &FenceDevice,
        host: &mut dyn Host,
    ) -> Option<Came> {
        let program = self.program(device, (Action::Status, &node));
        self.spawn(Run::State(node, device.limit), program, host)
    }

    fn begin(&mut self, run: Run, host: &mut dyn Host) -> Option<Came> {
        let program = match &run {
            Run::Test(node, _) | Run::State(node, _) => {
                let device = self.tests.get(node).map(|test| test.device.clone())?;
                self.program(&device, (Action::Status, node))
            }
            Run::Off(shot) => self.program(&shot.device, (Action::Off, &shot.node)),
            Run::Look(shot) => self.program(&shot.device, (Action::Status, &shot.node)),
        };
        self.spawn(run, program, host)
    }

    fn spawn(&mut self, run: Run, program: Option<Program>, host: &mut dyn Host) -> Option<Came> {
        let asked = program.and_then(|program| host.ask(&Request::Spawn(program)).ok());
        match asked {
            Some(id) => {
                self.asked.insert(id, run);
                None
            }
            // Without hands the node is ending.
            None => failed(run, FenceFault::Absent(String::new())),
        }
    }

    /// The devices of the other nodes as they are configured now: a new or changed one is asked
    /// soon, and what is known of the others stays.
    pub fn configured<'a>(
        &mut self,
        now: Moment,
        devices: impl Iterator<Item = (&'a NodeName, &'a FenceDevice)>,
    ) {
        let mut former = std::mem::take(&mut self.tests);
        let devices = devices.filter(|(node, _)| node.as_str() != self.around.node);
        for (node, device) in devices {
            let same = former.remove(node).filter(|test| test.device == *device);
            let fresh = || Test {
                device: device.clone(),
                due: now + FIRST,
                said: None,
                looks: Looks::Plain,
                well: None,
            };
            self.tests.insert(node.clone(), same.unwrap_or_else(fresh));
        }
    }

    /// When the next one is due.
    #[must_use]
    pub fn next_time(&self) -> Option<Moment> {
        self.tests.values().map(|test| test.due).min()
    }

    /// What is wrong with the devices, as they were asked last.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<NodeName, FenceFault> {
        let fault = |(node, test): (&NodeName, &Test)| {
            let fault = test.said.clone()?.err()?;
            Some((node.clone(), fault))
        };
        self.tests.iter().filter_map(fault).collect()
    }

    /// When each device last answered well from here; none if it never did.
    #[must_use]
    pub fn tested_well(&self) -> BTreeMap<NodeName, Option<Moment>> {
        self.tests.iter().map(|(node, test)| (node.clone(), test.well)).collect()
    }

    /// What is wrong with them, once all were asked and whenever that is another than was told.
    pub fn news(&mut self) -> Option<BTreeMap<NodeName, FenceFault>> {
        let now = self.tests.values().all(|t| t.said.is_some()).then(|| self.faults())?;
        let news = self.told.as_ref() != Some(&now);
        news.then(|| self.told.insert(now).clone())
    }

    /// Asks the devices that are due.
    pub fn on_time(&mut self, now: Moment, host: &mut dyn Host) {
        let due = |(node, test): (&NodeName, &Test)| (test.due <= now).then(|| node.clone());
        let due: Vec<NodeName> = self.tests.iter().filter_map(due).collect();
        for node in due {
            let Some(test) = self.tests.get_mut(&node) else { continue };
            // One that is asked still is ended at its limit and asked again after that.
            test.due = now + test.device.every;
            if !self.is_asked(&node) {
                self.begin(Run::Test(node, now), host);
            }
        }
    }

    fn is_asked(&self, node: &NodeName) -> bool {
        let test = |run: &Run| matches!(run, Run::Test(of, _) if of == node);
        self.asked.values().chain(self.running.values()).any(test)
    }

    fn program(
        &self,
        device: &FenceDevice,
        (action, node): (Action, &NodeName),
    ) -> Option<Program> {
        let mut argv = vec![self.around.tsugi.clone(), step::WORD.to_owned()];
        argv.extend(step::words(device, (action, node.as_str()), self.user));
        let program = self.around.aside((GROUP, node.as_str()), (argv, device.limit), KEEP)?;
        // With a password it reads that, and then gives up the rights of the hands by itself.
        Some(Program { user: device.secret.is_none().then_some(self.user), ..program })
    }

    /// Takes a report of the hands, and says what came of the run that it ends; `heard` says
    /// whether a node is heard now.
    pub fn on_report(
        &mut self,
        now: Moment,
        report: &Report,
        heard: impl Fn(&NodeName) -> bool,
        host: &mut dyn Host,
    ) -> Option<Came> {
        let (run, said) = match report {
            Report::Answer { id, outcome } => {
                let run = self.asked.remove(id)?;
                match outcome {
                    Ok(Answer::Spawned(program)) => {
                        self.running.insert(*program, run);
                        return None;
                    }
                    Ok(_) => return None,
                    Err(failure) => (run, Said::Nothing(FenceFault::Absent(failure.to_string()))),
                }
            }
            Report::Event(Event::Ended(ended)) => {
                let run = self.running.remove(&ended.program.id)?;
                let limit = self.limit(&run);
                (run, said(ended, limit))
            }
            Report::Event(_) => return None,
        };
        match (run, said) {
            (Run::State(node, _), said) => Some(Came::State(node, said.power())),
            (Run::Test(node, began), said) => {
                let power = said.power();
                let outcome = match said {
                    Said::Off if heard(&node) => self.off_and_heard(now, &node),
                    Said::On | Said::Off => Some(Ok(())),
                    Said::Nothing(fault) => Some(Err(fault)),
                };
                if let Some(outcome) = outcome {
                    self.tested(now, &node, outcome);
                }
                Some(Came::Tested(node, power, now.since(began)))
            }
            // Exit code 0 of an order is: done. So it says; the device is asked.
            (Run::Off(shot), Said::On) => self.begin(Run::Look(shot), host),
            (run @ Run::Off(_), Said::Off) => {
                failed(run, FenceFault::Nonsense("exit code 2".to_owned()))
            }
            (Run::Look(Shot { node, boot, .. }), Said::Off) => {
                Some(Came::Fenced(Fenced { node, boot, outcome: Ok(()) }))
            }
            (run @ Run::Look(_), Said::On) => failed(run, FenceFault::Lied),
            (run @ (Run::Off(_) | Run::Look(_)), Said::Nothing(fault)) => failed(run, fault),
        }
    }

    fn limit(&self, run: &Run) -> Span {
        match run {
            Run::Test(node, _) => self.tests.get(node).map_or(Span::ZERO, |test| test.device.limit),
            Run::State(_, limit) => *limit,
            Run::Off(shot) | Run::Look(shot) => shot.device.limit,
        }
    }

    /// A device says off of a node that is heard: it switches another machine, if it says so twice.
    fn off_and_heard(&mut self, now: Moment, node: &NodeName) -> Option<Result<(), FenceFault>> {
        let test = self.tests.get_mut(node)?;
        match std::mem::replace(&mut test.looks, Looks::OffAndHeard) {
            Looks::OffAndHeard => Some(Err(FenceFault::Wrong)),
            Looks::Plain => {
                test.due = test.due.min(now + LOOK);
                None
            }
        }
    }

    fn tested(&mut self, now: Moment, node: &NodeName, outcome: Result<(), FenceFault>) {
        let Some(test) = self.tests.get_mut(node) else { return };
        match &outcome {
            Ok(()) => test.well = Some(now),
            Err(_) => test.due = test.due.min(now + AGAIN),
        }
        if outcome != Err(FenceFault::Wrong) {
            test.looks = Looks::Plain;
        }
        test.said = Some(outcome);
    }
}

/// A run that came to nothing; a test is made again when it is due.
fn failed(run: Run, fault: FenceFault) -> Option<Came> {
    match run {
        Run::Test(..) => None,
        Run::State(node, _) => Some(Came::State(node, Power::Unknown)),
        Run::Off(Shot { node, boot, .. }) | Run::Look(Shot { node, boot, .. }) => {
            Some(Came::Fenced(Fenced { node, boot, outcome: Err(fault) }))
        }
    }
}

/// What the end of one run means.
fn said(ended: &Ended, limit: Span) -> Said {
    if ended.limit == TimeLimit::Exceeded {
        return Said::Nothing(FenceFault::Slow(limit));
    }
    let words = String::from_utf8_lossy(&ended.tail).trim().to_owned();
    Said::Nothing(match ended.how {
        HowEnded::Exited(0) => return Said::On,
        HowEnded::Exited(2) => return Said::Off,
        HowEnded::Exited(1) => FenceFault::Failed(words),
        HowEnded::Exited(step::ABSENT) => FenceFault::Absent(words),
        HowEnded::Exited(step::SECRET) => FenceFault::Secret(words),
        HowEnded::Exited(step::FLOODED) => FenceFault::Flooded,
        HowEnded::Exited(_) => FenceFault::Nonsense(words),
        HowEnded::Signalled(signal) => FenceFault::Nonsense(format!("signal {signal}")),
    })
}

#[cfg(test)]
mod tests;
