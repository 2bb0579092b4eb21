//! How a desk looks after a running group: its monitors, and what each says.

use std::collections::BTreeSet;

use tsugi_vocabulary::{Moment, Span};

use super::steps::{Desk, Ground, Mend, Wish};
use super::{Act, Mended, Outcome, State, Told, Why};
use crate::monitors::{MonitorId, Notice, OnFailure, Word};
use crate::mutant::mutant;
use crate::reason::{Cause, How, Mishap};
use crate::record::MonitorTurn;
use crate::spec::{Monitor, ResourceKind, ResourceSpec, Rhythm, Takeover};

/// One monitor of a running group.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    id: MonitorId,
    told: Told,
    every: Span,
    limit: u32,
    failed: u32,
    next: Moment,
    act: Option<u64>,
    action: OnFailure,
    method: Method,
    word: Word,
}

/// Whether a monitor has a notify method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    None,
    Notify,
}

impl Desk {
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

    /// How each monitor of a running group stands.
    pub fn words(&self) -> impl Iterator<Item = (&MonitorId, &Word)> {
        let runs = matches!(self.state, State::Running { .. });
        self.asks.iter().filter(move |_| runs).map(|ask| (&ask.id, &ask.word))
    }

    /// The first monitor of a running group that only tells and has failed.
    #[must_use]
    pub fn failing(&self) -> Option<&MonitorId> {
        let runs = matches!(self.state, State::Running { .. });
        self.failing.first().filter(|_| runs)
    }

    /// Runs the monitors that are due. One that is suspended is looked at again at its next turn.
    pub fn ask(&mut self, ground: &Ground<'_>, out: &mut Vec<Wish>) {
        let State::Running { epoch } = self.state else { return };
        for i in 0..self.asks.len() {
            if self.asks[i].act.is_some() || self.asks[i].next > ground.now {
                continue;
            }
            self.asks[i].next = ground.now + self.asks[i].every;
            if ground.suspended.contains(&self.asks[i].id) {
                self.suspend(i);
                continue;
            }
            let act = self.act();
            self.asks[i].act = Some(act);
            let Ask { id, told, .. } = &self.asks[i];
            let (id, told) = (id.clone(), *told);
            out.push(Wish::Do(epoch, act, Act::Ask { id, told }));
        }
    }

    /// What a suspended monitor has said counts no more.
    fn suspend(&mut self, i: usize) {
        let ask = &mut self.asks[i];
        ask.failed = 0;
        ask.word = Word::Suspended;
        self.failing.remove(&ask.id);
    }

    pub(super) fn answered(
        &mut self,
        ground: &Ground<'_>,
        act: u64,
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        let State::Running { epoch } = self.state else { return };
        let Some(i) = self.asks.iter().position(|a| a.act == Some(act)) else { return };
        self.asks[i].act = None;
        if ground.suspended.contains(&self.asks[i].id) {
            return self.suspend(i);
        }
        let how = match outcome {
            Outcome::Fine { .. }
            | Outcome::Forced { .. }
            | Outcome::Adopted(_)
            | Outcome::NoLink { .. } => {
                let ask = &mut self.asks[i];
                (ask.failed, ask.word) = (0, Word::Well);
                let id = ask.id.clone();
                let well = |cause: &mut Cause| is_of(cause, &id);
                self.unwell.take_if(well);
                if self.failing.remove(&id) {
                    out.push(Wish::Tell(epoch, id, MonitorTurn::Well));
                }
                return;
            }
            Outcome::Failed { how } | Outcome::Stuck { left: how } => how,
        };
        let ask = &mut self.asks[i];
        ask.word = if how.mishap == Mishap::TooLate { Word::Unknown } else { Word::Failing };
        if mutant("monitor-timeout-is-fine") {
            return;
        }
        ask.failed = ask.failed.saturating_add(1);
        if ask.failed >= ask.limit {
            self.failed(ground, (i, how), out);
        }
    }

    /// A monitor has said no so often that it counts.
    fn failed(&mut self, ground: &Ground<'_>, (i, how): (usize, How), out: &mut Vec<Wish>) {
        let State::Running { epoch } = self.state else { return };
        let Ask { id, told, failed, action, method, .. } = self.asks[i].clone();
        self.asks[i].failed = 0;
        if method == Method::Notify {
            let notice = Notice { id: id.clone(), how: how.words.clone(), times: failed, action };
            let act = self.act();
            out.push(Wish::Do(epoch, act, Act::Notify { notice, told }));
        }
        if action == OnFailure::Notify {
            if self.failing.insert(id.clone()) {
                out.push(Wish::Tell(epoch, id, MonitorTurn::Failed { how }));
            }
            return;
        }
        let (node, resource, monitor) = (ground.me.clone(), id.resource.clone(), id.monitor);
        let cause = Cause::MonitorFailed { node, resource, monitor, how };
        if ground.takeover == Takeover::Observe {
            self.unwell.get_or_insert(cause);
            return;
        }
        let order = ground.spec.start_order();
        let place = order.iter().position(|r| r.name == id.resource);
        let method = place.filter(|place| order[*place].restart().is_some());
        match (method, ground.mend) {
            (Some(place), Mend::InPlace) => {
                self.mending = Some(self.again(BTreeSet::from([place]), cause.word()));
                out.push(Wish::Record(epoch, cause));
                self.state = State::Mending { epoch, place, by: Mended::ByMethod };
            }
            (None, _) | (Some(_), Mend::GiveAway | Mend::Leave | Mend::LetGo) => {
                self.stop_all(ground, (epoch, Why::Failure(cause)), out);
            }
        }
    }

    /// Asks every monitor at once.
    pub(super) fn ask_at_once(&mut self, now: Moment) {
        for ask in &mut self.asks {
            ask.next = now;
        }
    }

    /// The monitors of a group that is up, each due after its time.
    pub(super) fn monitors(&self, ground: &Ground<'_>) -> Vec<Ask> {
        let order = ground.spec.start_order();
        let mut asks = Vec::new();
        for resource in &ground.spec.resources {
            let place = order.iter().position(|o| o.name == resource.name).unwrap_or(0);
            let told = self.told(ground, place);
            for (id, rhythm, monitor) in of_resource(resource) {
                let Rhythm { every, failures, delay, .. } = rhythm;
                let notify = monitor.and_then(|m| m.notify.as_ref());
                asks.push(Ask {
                    id,
                    told,
                    every,
                    limit: failures.max(1),
                    failed: 0,
                    next: ground.now + delay.unwrap_or(every),
                    act: None,
                    action: monitor.map(|m| m.action).unwrap_or_default(),
                    method: notify.map_or(Method::None, |_| Method::Notify),
                    word: Word::Awaited,
                });
            }
        }
        asks
    }
}

/// The monitors of a resource, when each is asked, and what is configured of it.
fn of_resource(resource: &ResourceSpec) -> Vec<(MonitorId, Rhythm, Option<&Monitor>)> {
    let id = |name| MonitorId::new(resource.name.clone(), name);
    match &resource.kind {
        ResourceKind::Process { monitors, .. } => {
            monitors.iter().map(|m| (id(m.name.clone()), m.rhythm(), Some(m))).collect()
        }
        ResourceKind::Ocf { monitor, .. } | ResourceKind::Unit { monitor, .. } => {
            vec![(id(None), *monitor, None)]
        }
        ResourceKind::Address { .. } | ResourceKind::Volume { .. } => Vec::new(),
    }
}

/// Whether a failure is that of this monitor.
fn is_of(cause: &Cause, id: &MonitorId) -> bool {
    match cause {
        Cause::MonitorFailed { resource, monitor, .. } => {
            *resource == id.resource && *monitor == id.monitor
        }
        _ => false,
    }
}
