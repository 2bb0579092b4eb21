//! The fence devices of the other nodes: asked now and then whether they answer.
//!
//! It never waits: the hands start `tsugi fencing` ([`step`]), and their report says how it ended.

pub mod step;

use std::collections::BTreeMap;

use tsugi_cluster_rules::spec::FenceDevice;
use tsugi_host::Host;
use tsugi_host::request::{
    Answer, Ended, Event, HowEnded, Limits, Output, Program, ProgramId, Purpose, Report, Request,
    RequestId, Right, TimeLimit,
};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{Epoch, GroupName, Moment, NodeName, ResourceName, Span};

use crate::errand::Surroundings;
use step::Action;

/// How soon after a start, or another configuration, a device is asked.
const FIRST: Span = Span::secs(3);
/// How soon it is asked again after a failure.
const AGAIN: Span = Span::secs(60);
/// What is kept of the output of [`step`], which is short.
const KEEP: u32 = 2048;
/// The name that the hands know these programs by; no group of a configuration is called so.
const GROUP: &str = "tsugi-fencing";

/// Why a device cannot be counted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its agent cannot be started.
    Absent(String),
    /// The file of its password cannot be used.
    Secret(String),
    /// It failed what was asked of it.
    Failed(String),
    /// Its agent did not end in this time.
    Slow(Span),
    /// Its agent printed far too much.
    Flooded,
    /// Its agent ended in a way that means nothing.
    Nonsense(String),
    /// It says off of a machine that is heard.
    Wrong,
}

impl Fault {
    /// As a message: of `node`'s device, asked from `here`.
    #[must_use]
    pub fn message(&self, node: &NodeName, here: &NodeName) -> Message {
        match self {
            Self::Absent(why) => messages::fence_agent_absent(node, here, why),
            Self::Secret(why) => messages::fence_secret_unusable(node, here, why),
            Self::Failed(why) => messages::fence_device_failed(node, here, why),
            Self::Slow(limit) => messages::fence_agent_slow(node, here, limit.as_millis()),
            Self::Flooded => messages::fence_agent_flooded(node, here),
            Self::Nonsense(why) => messages::fence_agent_nonsense(node, here, why),
            Self::Wrong => messages::fence_device_wrong(node, here),
        }
    }
}

/// What a device said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    On,
    Off,
    Nothing(Fault),
}

/// One device, and when it is asked next.
#[derive(Debug)]
struct Test {
    device: FenceDevice,
    due: Moment,
    fault: Option<Fault>,
}

/// The devices of the other nodes.
#[derive(Debug)]
pub struct Fences {
    around: Surroundings,
    user: (u32, u32),
    tests: BTreeMap<NodeName, Test>,
    asked: BTreeMap<RequestId, NodeName>,
    running: BTreeMap<ProgramId, NodeName>,
}

impl Fences {
    /// None is known yet. What a fence agent runs as is `user`.
    #[must_use]
    pub fn new(around: Surroundings, user: (u32, u32)) -> Self {
        let (tests, asked, running) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { around, user, tests, asked, running }
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
            let fresh = || Test { device: device.clone(), due: now + FIRST, fault: None };
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
    pub fn faults(&self) -> BTreeMap<NodeName, Fault> {
        let fault = |(node, test): (&NodeName, &Test)| Some((node.clone(), test.fault.clone()?));
        self.tests.iter().filter_map(fault).collect()
    }

    /// Asks the devices that are due.
    pub fn on_time(&mut self, now: Moment, host: &mut dyn Host) {
        let due = |(node, test): (&NodeName, &Test)| (test.due <= now).then(|| node.clone());
        let due: Vec<NodeName> = self.tests.iter().filter_map(due).collect();
        for node in due {
            let Some(test) = self.tests.get_mut(&node) else { continue };
            // One that is asked still is ended at its limit and asked again after that.
            test.due = now + test.device.every;
            let device = test.device.clone();
            if self.is_asked(&node) {
                continue;
            }
            if let Some(program) = self.program(&device, (Action::Status, &node))
                && let Ok(id) = host.ask(&Request::Spawn(program))
            {
                self.asked.insert(id, node);
            }
        }
    }

    fn is_asked(&self, node: &NodeName) -> bool {
        self.asked.values().chain(self.running.values()).any(|asked| asked == node)
    }

    fn program(
        &self,
        device: &FenceDevice,
        (action, node): (Action, &NodeName),
    ) -> Option<Program> {
        let mut argv = vec![self.around.tsugi.clone(), step::WORD.to_owned()];
        argv.extend(step::words(device, (action, node.as_str()), self.user));
        let env = [("PATH", self.around.path.as_str()), ("LANG", "C.UTF-8")];
        Some(Program {
            right: Right::Free { group: GroupName::new(GROUP).ok()?, epoch: Epoch::NONE },
            name: ResourceName::new(node.as_str()).ok()?,
            purpose: Purpose::Monitor,
            argv,
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            dir: None,
            // It reads the password, and then gives up the rights of the hands by itself.
            user: device.secret.is_none().then_some(self.user),
            limits: Limits::default(),
            output: Output::Tail { keep: KEEP },
            time_limit: Some(device.limit),
        })
    }

    /// Takes a report of the hands; `heard` says whether a node is heard now.
    pub fn on_report(&mut self, now: Moment, report: &Report, heard: impl Fn(&NodeName) -> bool) {
        match report {
            Report::Answer { id, outcome } => {
                let Some(node) = self.asked.remove(id) else { return };
                match outcome {
                    Ok(Answer::Spawned(program)) => {
                        self.running.insert(*program, node);
                    }
                    Ok(_) => {}
                    Err(failure) => {
                        let fault = Fault::Absent(failure.to_string());
                        self.tested(now, &node, Some(fault));
                    }
                }
            }
            Report::Event(Event::Ended(ended)) => {
                let Some(node) = self.running.remove(&ended.program.id) else { return };
                let limit = self.tests.get(&node).map_or(Span::ZERO, |test| test.device.limit);
                let fault = match said(ended, limit) {
                    Said::Off if heard(&node) => Some(Fault::Wrong),
                    Said::On | Said::Off => None,
                    Said::Nothing(fault) => Some(fault),
                };
                self.tested(now, &node, fault);
            }
            Report::Event(_) => {}
        }
    }

    fn tested(&mut self, now: Moment, node: &NodeName, fault: Option<Fault>) {
        let Some(test) = self.tests.get_mut(node) else { return };
        if fault.is_some() {
            test.due = test.due.min(now + AGAIN);
        }
        test.fault = fault;
    }
}

/// What the end of one run means.
fn said(ended: &Ended, limit: Span) -> Said {
    if ended.limit == TimeLimit::Exceeded {
        return Said::Nothing(Fault::Slow(limit));
    }
    let words = String::from_utf8_lossy(&ended.tail).trim().to_owned();
    Said::Nothing(match ended.how {
        HowEnded::Exited(0) => return Said::On,
        HowEnded::Exited(2) => return Said::Off,
        HowEnded::Exited(1) => Fault::Failed(words),
        HowEnded::Exited(step::ABSENT) => Fault::Absent(words),
        HowEnded::Exited(step::SECRET) => Fault::Secret(words),
        HowEnded::Exited(step::FLOODED) => Fault::Flooded,
        HowEnded::Exited(_) => Fault::Nonsense(words),
        HowEnded::Signalled(signal) => Fault::Nonsense(format!("signal {signal}")),
    })
}

#[cfg(test)]
mod tests;
