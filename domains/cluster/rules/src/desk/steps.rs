//! The desk's table: every state with every input.

use tsugi_vocabulary::{Epoch, Moment, NodeName, ResourceName, Span};

use super::{Act, Outcome, State, Why};
use crate::mutant::mutant;
use crate::reason::{Cause, How};
use crate::spec::{GroupSpec, ProcessHow, ResourceKind};

/// What one node is doing with one group.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Where it stands.
    pub state: State,
    acts: u64,
    asks: Vec<Ask>,
}

/// One monitor of a running group.
#[derive(Clone, Debug)]
struct Ask {
    resource: ResourceName,
    every: Span,
    limit: u32,
    failed: u32,
    next: Moment,
    act: Option<u64>,
}

/// What a desk is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// The ledger names this node as owner under this epoch, and nothing is known to be here.
    Ours(Epoch),
    /// The same, but a former agent of this machine may have left it running.
    OursFromBefore(Epoch),
    /// The lease was granted, or renewed.
    Leased(Epoch),
    /// The guardian knows the deadline.
    Armed(Epoch),
    /// The lease ran out by this node's own clock.
    Lapsed,
    /// Stop it for this reason.
    Stop(Why),
    /// What became of an act.
    Done(u64, Outcome),
    /// A supervised program ended, and what the failure policy says to it.
    Died(ResourceName, Cause, Mend),
    /// The failure that is being mended is recorded, or cannot be recorded now.
    Recorded,
    /// The guardian let go of the group under this epoch.
    GuardianReleased(Epoch),
    /// The ledger shows that this epoch is over.
    Over(Epoch),
}

/// What the failure policy says to the failure of a running resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Restart it in place.
    InPlace,
    /// Stop the group and say that it failed.
    GiveAway,
}

/// What a desk wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Do this, under this epoch; answer with `Done` of that number.
    Do(Epoch, u64, Act),
    /// Every resource is up: say so. How long each step took.
    Started(Epoch, Vec<(String, u64)>),
    /// Nothing is left: say so.
    Released(Epoch, Why),
    /// A resource failed and is restarted in place: record it, then say `Recorded`.
    Record(Epoch, Cause),
    /// Something is left that cannot be removed.
    Stuck(Epoch, String),
}

/// What a desk needs to know to take a step.
pub struct Ground<'a> {
    /// The group's configuration.
    pub spec: &'a GroupSpec,
    /// Now.
    pub now: Moment,
    /// This node.
    pub me: &'a NodeName,
    /// Makes the act that starts a resource.
    pub start: &'a dyn Fn(&ResourceName) -> Act,
}

impl Default for Desk {
    fn default() -> Self {
        Self { state: State::Clear, acts: 0, asks: Vec::new() }
    }
}

impl Desk {
    /// The epoch that something here is, or was just, under.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        match &self.state {
            State::Clear => None,
            State::Adopting { epoch, .. }
            | State::Waiting { epoch }
            | State::Arming { epoch }
            | State::Starting { epoch, .. }
            | State::Running { epoch }
            | State::Stopping { epoch, .. }
            | State::Mending { epoch, .. }
            | State::LettingGo { epoch, .. }
            | State::Released { epoch, .. }
            | State::Stuck { epoch, .. } => Some(*epoch),
        }
    }

    /// The next moment at which a monitor is due.
    #[must_use]
    pub fn next_ask(&self) -> Option<Moment> {
        match self.state {
            State::Running { .. } => {
                self.asks.iter().filter(|a| a.act.is_none()).map(|a| a.next).min()
            }
            _ => None,
        }
    }

    fn act(&mut self) -> u64 {
        self.acts += 1;
        self.acts
    }

    /// Takes one input.
    pub fn step(&mut self, ground: &Ground<'_>, input: Input, out: &mut Vec<Wish>) {
        match input {
            Input::Ours(epoch) => self.ours(epoch),
            Input::OursFromBefore(epoch) => {
                if self.state == State::Clear {
                    let act = self.act();
                    self.state = State::Adopting { epoch, act };
                    out.push(Wish::Do(epoch, act, Act::Adopt));
                }
            }
            Input::Leased(epoch) => {
                if self.state == (State::Waiting { epoch }) {
                    self.state = State::Arming { epoch };
                    if mutant("start-before-armed") {
                        self.start_from(ground, epoch, 0, Vec::new(), out);
                    }
                }
            }
            Input::Armed(epoch) => {
                if self.state == (State::Arming { epoch }) {
                    self.start_from(ground, epoch, 0, Vec::new(), out);
                }
            }
            Input::Lapsed => self.lapse(out),
            Input::Stop(why) => self.stop(ground, why, out),
            Input::Done(act, outcome) => self.done(ground, act, outcome, out),
            Input::Died(resource, cause, mend) => self.died(ground, &resource, cause, mend, out),
            Input::Recorded => {
                if let State::Mending { epoch, from } = self.state {
                    self.start_from(ground, epoch, from, Vec::new(), out);
                }
            }
            Input::GuardianReleased(epoch) => self.guardian_released(epoch, out),
            Input::Over(epoch) => match &self.state {
                State::Released { epoch: mine, .. } | State::Waiting { epoch: mine }
                    if *mine <= epoch =>
                {
                    self.state = State::Clear;
                }
                State::Clear
                | State::Adopting { .. }
                | State::Waiting { .. }
                | State::Arming { .. }
                | State::Starting { .. }
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Mending { .. }
                | State::LettingGo { .. }
                | State::Released { .. }
                | State::Stuck { .. } => {}
            },
        }
    }

    fn ours(&mut self, epoch: Epoch) {
        match &self.state {
            State::Clear => self.state = State::Waiting { epoch },
            State::Released { epoch: old, .. } if *old < epoch => {
                self.state = State::Waiting { epoch };
            }
            State::Waiting { epoch: old } | State::Arming { epoch: old } if *old < epoch => {
                self.state = State::Waiting { epoch };
            }
            State::Adopting { .. }
            | State::Waiting { .. }
            | State::Arming { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Mending { .. }
            | State::LettingGo { .. }
            | State::Released { .. }
            | State::Stuck { .. } => {}
        }
    }

    /// Runs the monitors that are due.
    pub fn ask(&mut self, now: Moment, out: &mut Vec<Wish>) {
        let State::Running { epoch } = self.state else { return };
        for i in 0..self.asks.len() {
            if self.asks[i].act.is_none() && self.asks[i].next <= now {
                let act = self.act();
                self.asks[i].act = Some(act);
                self.asks[i].next = now + self.asks[i].every;
                out.push(Wish::Do(epoch, act, Act::Ask(self.asks[i].resource.clone())));
            }
        }
    }

    fn start_from(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        at: usize,
        steps: Vec<(String, u64)>,
        out: &mut Vec<Wish>,
    ) {
        let order = ground.spec.start_order();
        if let Some(resource) = order.get(at) {
            let act = self.act();
            out.push(Wish::Do(epoch, act, (ground.start)(&resource.name)));
            self.state = State::Starting { epoch, at, act, steps };
        } else {
            self.asks = monitors(ground);
            self.state = State::Running { epoch };
            out.push(Wish::Started(epoch, steps));
        }
    }

    fn stop_from(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        at: usize,
        why: Why,
        out: &mut Vec<Wish>,
    ) {
        let act = self.act();
        let order = ground.spec.start_order();
        match order.get(at) {
            Some(resource) => {
                out.push(Wish::Do(epoch, act, Act::Stop(resource.name.clone())));
                self.state = State::Stopping { epoch, why, at, act };
            }
            None => self.let_go(epoch, why, out),
        }
    }

    fn let_go(&mut self, epoch: Epoch, why: Why, out: &mut Vec<Wish>) {
        let act = self.act();
        out.push(Wish::Do(epoch, act, Act::LetGo));
        self.state = State::LettingGo { epoch, why, act };
    }

    fn release(&mut self, epoch: Epoch, why: Why, out: &mut Vec<Wish>) {
        self.asks.clear();
        out.push(Wish::Released(epoch, why.clone()));
        self.state = State::Released { epoch, why };
    }

    fn lapse(&mut self, out: &mut Vec<Wish>) {
        match &self.state {
            State::Clear | State::Waiting { .. } | State::Released { .. } | State::Stuck { .. } => {
            }
            State::LettingGo { .. } => {}
            State::Arming { epoch } => {
                // Nothing was started: the guardian may fire at nothing, and says so.
                let epoch = *epoch;
                self.let_go(epoch, Why::Lapsed, out);
            }
            State::Adopting { epoch, .. }
            | State::Starting { epoch, .. }
            | State::Running { epoch }
            | State::Stopping { epoch, .. }
            | State::Mending { epoch, .. } => {
                let epoch = *epoch;
                self.let_go(epoch, Why::Lapsed, out);
            }
        }
    }

    fn stop(&mut self, ground: &Ground<'_>, why: Why, out: &mut Vec<Wish>) {
        let last = ground.spec.resources.len().saturating_sub(1);
        match &self.state {
            State::Clear | State::Released { .. } | State::Stuck { .. } => {}
            State::LettingGo { .. } => {}
            State::Waiting { epoch } | State::Arming { epoch } => {
                // Nothing was started, so nothing is left.
                let epoch = *epoch;
                self.release(epoch, why, out);
            }
            State::Adopting { epoch, .. } => {
                let epoch = *epoch;
                self.let_go(epoch, why, out);
            }
            State::Starting { epoch, .. }
            | State::Running { epoch }
            | State::Mending { epoch, .. }
                if why == Why::Superseded =>
            {
                let epoch = *epoch;
                self.let_go(epoch, why, out);
            }
            State::Starting { epoch, at, act, .. } => {
                self.state = after_start(*epoch, (*at, *act), why);
            }
            State::Running { epoch } => {
                let epoch = *epoch;
                if mutant("release-without-stop") {
                    return self.release(epoch, why, out);
                }
                self.stop_from(ground, epoch, last, why, out);
            }
            State::Mending { epoch, from } => {
                let (epoch, from) = (*epoch, *from);
                match from.checked_sub(1) {
                    Some(at) => self.stop_from(ground, epoch, at, why, out),
                    None => self.release(epoch, why, out),
                }
            }
            State::Stopping { epoch, why: Why::Mend(_), at, .. } => {
                let (epoch, at) = (*epoch, *at);
                self.stop_from(ground, epoch, at, why, out);
            }
            State::Stopping { epoch, .. } => {
                if why == Why::Superseded {
                    let epoch = *epoch;
                    self.let_go(epoch, why, out);
                }
            }
        }
    }

    fn died(
        &mut self,
        ground: &Ground<'_>,
        resource: &ResourceName,
        cause: Cause,
        mend: Mend,
        out: &mut Vec<Wish>,
    ) {
        let last = ground.spec.resources.len().saturating_sub(1);
        let place = ground.spec.start_order().iter().position(|r| r.name == *resource);
        match (&self.state, place, mend) {
            (State::Running { epoch }, Some(place), Mend::InPlace) => {
                let epoch = *epoch;
                out.push(Wish::Record(epoch, cause));
                self.stop_from(ground, epoch, last, Why::Mend(place), out);
            }
            (State::Running { epoch }, Some(_), Mend::GiveAway) => {
                let epoch = *epoch;
                self.stop_from(ground, epoch, last, Why::Failure(cause), out);
            }
            (State::Starting { epoch, at, act, .. }, Some(_), Mend::InPlace | Mend::GiveAway) => {
                self.state = after_start(*epoch, (*at, *act), Why::Failure(cause));
            }
            // A program that ends while it is being stopped, or that no desk knows, is no news.
            (
                State::Clear
                | State::Adopting { .. }
                | State::Waiting { .. }
                | State::Arming { .. }
                | State::Starting { .. }
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Mending { .. }
                | State::LettingGo { .. }
                | State::Released { .. }
                | State::Stuck { .. },
                _,
                _,
            ) => {}
        }
    }

    fn guardian_released(&mut self, epoch: Epoch, out: &mut Vec<Wish>) {
        if self.epoch() != Some(epoch) {
            return;
        }
        match &self.state {
            State::Clear | State::Waiting { .. } | State::Released { .. } => {}
            State::LettingGo { why, .. } => {
                let why = why.clone();
                self.release(epoch, why, out);
            }
            State::Adopting { .. }
            | State::Arming { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Mending { .. }
            | State::Stuck { .. } => self.release(epoch, Why::Lapsed, out),
        }
    }

    fn done(&mut self, ground: &Ground<'_>, act: u64, outcome: Outcome, out: &mut Vec<Wish>) {
        match self.state.clone() {
            State::Starting { epoch, at, act: mine, steps } if mine == act => {
                self.started_one(ground, (epoch, at, steps), outcome, out);
            }
            State::Stopping { epoch, why, at, act: mine } if mine == act => {
                self.stopped_one(ground, (epoch, at, why), outcome, out);
            }
            State::LettingGo { epoch, why, act: mine } if mine == act => match outcome {
                Outcome::Fine { .. } | Outcome::Adopted(_) => self.release(epoch, why, out),
                Outcome::Failed { how: left } | Outcome::Stuck { left } => {
                    let left = left.words;
                    out.push(Wish::Stuck(epoch, left.clone()));
                    self.state = State::Stuck { epoch, left };
                }
                Outcome::NoLink { link: left, .. } => {
                    out.push(Wish::Stuck(epoch, left.clone()));
                    self.state = State::Stuck { epoch, left };
                }
            },
            State::Adopting { epoch, act: mine } if mine == act => {
                self.adopted(ground, epoch, outcome, out);
            }
            State::Running { epoch } => self.answered(ground, epoch, act, outcome, out),
            // The answer to an act that the desk has turned away from.
            State::Clear
            | State::Adopting { .. }
            | State::Waiting { .. }
            | State::Arming { .. }
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Mending { .. }
            | State::LettingGo { .. }
            | State::Released { .. }
            | State::Stuck { .. } => {}
        }
    }

    fn started_one(
        &mut self,
        ground: &Ground<'_>,
        (epoch, at, mut steps): (Epoch, usize, Vec<(String, u64)>),
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        let name = ground.spec.start_order().get(at).map(|r| r.name.clone());
        let Some(resource) = name else { return };
        let how = match outcome {
            Outcome::Fine { took } => {
                steps.push((resource.to_string(), took.as_millis()));
                return self.start_from(ground, epoch, at + 1, steps, out);
            }
            Outcome::Failed { how } | Outcome::Stuck { left: how } => how,
            Outcome::NoLink { link, .. } => format!("no carrier on {link}").into(),
            Outcome::Adopted(_) => "answer to another question".into(),
        };
        let cause = Cause::StartFailed { node: ground.me.clone(), resource, how };
        self.stop_from(ground, epoch, at, Why::Failure(cause), out);
    }

    fn stopped_one(
        &mut self,
        ground: &Ground<'_>,
        (epoch, at, why): (Epoch, usize, Why),
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        match outcome {
            Outcome::Fine { .. } | Outcome::Adopted(_) => {}
            Outcome::Failed { .. } if mutant("failed-stop-believed") => {}
            // A stop that did not finish becomes a release of everything at once: verified by
            // the host, or the machine ends.
            Outcome::Failed { how } | Outcome::Stuck { left: how } => {
                return self.let_go(epoch, unmended(ground, why, how), out);
            }
            Outcome::NoLink { link, .. } => {
                return self.let_go(epoch, unmended(ground, why, link.into()), out);
            }
        }
        match (&why, at) {
            (Why::Mend(from), at) if *from == at => {
                self.state = State::Mending { epoch, from: at };
            }
            (_, 0) => self.release(epoch, why, out),
            (_, at) => self.stop_from(ground, epoch, at - 1, why, out),
        }
    }

    fn adopted(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        let found = match outcome {
            Outcome::Adopted(found) => found,
            Outcome::Fine { .. }
            | Outcome::Failed { .. }
            | Outcome::Stuck { .. }
            | Outcome::NoLink { .. } => Vec::new(),
        };
        let whole = ground.spec.resources.iter().all(|r| found.contains(&r.name));
        if whole || mutant("adopted-unseen") {
            self.asks = monitors(ground);
            // What a former agent knew of its health is gone: ask at once.
            for ask in &mut self.asks {
                ask.next = ground.now;
            }
            self.state = State::Running { epoch };
        } else {
            let why = Why::Failure(Cause::AgentLost { node: ground.me.clone() });
            self.let_go(epoch, why, out);
        }
    }

    fn answered(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        act: u64,
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        let Some(ask) = self.asks.iter_mut().find(|a| a.act == Some(act)) else { return };
        ask.act = None;
        let how = match outcome {
            Outcome::Fine { .. } | Outcome::Adopted(_) | Outcome::NoLink { .. } => {
                ask.failed = 0;
                return;
            }
            Outcome::Failed { how } | Outcome::Stuck { left: how } => how,
        };
        if mutant("monitor-timeout-is-fine") {
            return;
        }
        ask.failed += 1;
        if ask.failed < ask.limit {
            return;
        }
        ask.failed = 0;
        let resource = ask.resource.clone();
        let cause = Cause::MonitorFailed { node: ground.me.clone(), resource, how };
        let last = ground.spec.resources.len().saturating_sub(1);
        self.stop_from(ground, epoch, last, Why::Failure(cause), out);
    }
}

/// A start that is under way is waited for before its stop is ordered: one that ends after its
/// stop would leave something up in a group that was released.
fn after_start(epoch: Epoch, (at, act): (usize, u64), why: Why) -> State {
    State::Stopping { epoch, why, at: at + 1, act }
}

/// A restart in place that could not stop what it was to start again has failed for good: the
/// deciding node hears of it as of any failure.
fn unmended(ground: &Ground<'_>, why: Why, how: How) -> Why {
    let Why::Mend(place) = why else { return why };
    let order = ground.spec.start_order();
    let Some(resource) = order.get(place).map(|r| r.name.clone()) else { return why };
    Why::Failure(Cause::ProcessDied { node: ground.me.clone(), resource, how })
}

fn monitors(ground: &Ground<'_>) -> Vec<Ask> {
    let monitored = |r: &crate::spec::ResourceSpec| match &r.kind {
        ResourceKind::Process { monitor: Some(m), how, .. } => {
            let (ProcessHow::Program { .. } | ProcessHow::Scripts { .. }) = how;
            Some(Ask {
                resource: r.name.clone(),
                every: m.every,
                limit: m.failures.max(1),
                failed: 0,
                next: ground.now + m.every,
                act: None,
            })
        }
        ResourceKind::Process { monitor: None, .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Volume { .. } => None,
    };
    ground.spec.resources.iter().filter_map(monitored).collect()
}
