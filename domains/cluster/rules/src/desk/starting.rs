//! How a desk brings its group up: each resource as soon as all are up that it comes after.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{Epoch, ResourceName};

use super::steps::{Desk, Ground, Wish, told};
use super::{Act, Disk, Down, Outcome, State, Why};
use crate::reason::Cause;
use crate::spec::{ResourceKind, ResourceSpec};

impl Desk {
    /// Begins to start what is not `up`.
    pub(super) fn start(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        up: BTreeSet<usize>,
        out: &mut Vec<Wish>,
    ) {
        self.down = Down::orderly();
        self.disk = Disk::Success;
        self.state = State::Starting {
            epoch,
            since: ground.now,
            acts: BTreeMap::new(),
            up,
            steps: BTreeMap::new(),
        };
        self.start_more(ground, out);
    }

    /// Restarts what stands at `place` by its method; all else is up.
    pub(super) fn restart(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        place: usize,
        out: &mut Vec<Wish>,
    ) {
        let order = ground.spec.start_order();
        let Some(resource) = order.get(place).map(|r| r.name.clone()) else { return };
        self.down = Down::orderly();
        let act = self.act();
        self.state = State::Starting {
            epoch,
            since: ground.now,
            acts: BTreeMap::from([(act, place)]),
            up: (0..order.len()).filter(|other| *other != place).collect(),
            steps: BTreeMap::new(),
        };
        let told = told(ground, (self.mended.as_ref(), self.disk), place);
        out.push(Wish::Do(epoch, act, Act::Restart { resource, told }));
    }

    /// Starts everything that nothing stands before any more.
    fn start_more(&mut self, ground: &Ground<'_>, out: &mut Vec<Wish>) {
        let order = ground.spec.start_order();
        let State::Starting { epoch, since, acts, up, steps } = &mut self.state else { return };
        let (epoch, since) = (*epoch, *since);
        let under_way: BTreeSet<usize> = acts.values().copied().collect();
        let mut next = ready(&order, up);
        if next.is_empty() && under_way.is_empty() {
            // Resources that wait for each other: a configuration that is refused, started in
            // its order all the same.
            next.extend((0..order.len()).find(|place| !up.contains(place)));
        }
        for place in next.into_iter().filter(|place| !under_way.contains(place)) {
            self.acts += 1;
            acts.insert(self.acts, place);
            let told = told(ground, (self.mended.as_ref(), self.disk), place);
            let (resource, probe) = (order[place].name.clone(), ground.terms.probe);
            out.push(Wish::Do(epoch, self.acts, Act::Start { resource, told, probe }));
        }
        if acts.is_empty() {
            let name = |place: &usize| order.get(*place).map(|r| r.name.to_string());
            let told = steps.iter().filter_map(|(place, ms)| Some((name(place)?, *ms))).collect();
            let took = ground.now.since(since);
            self.state = State::Running { epoch };
            self.unwell = None;
            self.failing.clear();
            self.asks = self.monitors(ground);
            out.push(Wish::Started(epoch, told, took));
        }
    }

    /// One of the starts under way has ended.
    pub(super) fn started_one(
        &mut self,
        ground: &Ground<'_>,
        act: u64,
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        let State::Starting { epoch, acts, up, steps, .. } = &mut self.state else { return };
        let Some(place) = acts.remove(&act) else { return };
        let how = match outcome {
            Outcome::Fine { took } | Outcome::Forced { took } => {
                up.insert(place);
                steps.insert(place, took.as_millis());
                return self.start_more(ground, out);
            }
            Outcome::Failed { how } | Outcome::Stuck { left: how } => how,
            Outcome::NoLink { link, .. } => format!("no carrier on {link}").into(),
            Outcome::Adopted(_) => "answer to another question".into(),
        };
        let order = ground.spec.start_order();
        let Some(failed) = order.get(place) else { return };
        if matches!(failed.kind, ResourceKind::Volume { .. }) {
            self.disk = Disk::Failure;
        }
        let resource = failed.name.clone();
        let epoch = *epoch;
        let waits = acts.keys().copied().collect();
        let mut left: BTreeSet<usize> = up.iter().chain(acts.values()).copied().collect();
        left.insert(place);
        let cause = Cause::StartFailed { node: ground.me.clone(), resource, how };
        self.stop_after(ground, (epoch, Why::Failure(cause)), (waits, left), out);
    }
}

/// The places that are not up and come only after what is.
fn ready(order: &[&ResourceSpec], up: &BTreeSet<usize>) -> Vec<usize> {
    let is_up = |name: &ResourceName| {
        order.iter().position(|r| r.name == *name).is_none_or(|place| up.contains(&place))
    };
    let may = |place: &usize| order[*place].after.iter().all(is_up);
    (0..order.len()).filter(|place| !up.contains(place)).filter(may).collect()
}
