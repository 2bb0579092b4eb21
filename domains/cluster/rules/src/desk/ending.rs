//! How a desk takes its group down: in reverse order, or all of it at once.

use std::collections::BTreeSet;

use tsugi_vocabulary::Epoch;

use super::steps::{Desk, Ground, Wish};
use super::{Act, Before, Beside, Mended, Outcome, State, Told, Why};
use crate::mutant::mutant;
use crate::reason::{Cause, How};
use crate::start_kind::Ending;

impl Desk {
    /// Stops every place, the last one first.
    pub(super) fn stop_all(
        &mut self,
        ground: &Ground<'_>,
        about: (Epoch, Why),
        out: &mut Vec<Wish>,
    ) {
        let left = (0..ground.spec.resources.len()).collect();
        self.stop_after(ground, about, (BTreeSet::new(), left), out);
    }

    /// Stops the places in `left` once `acts` have ended. A start that is under way is waited for:
    /// one that ends after its stop would leave something up in a group that was released. A
    /// hand-over does not come here: it cuts the start short and lets go of everything.
    pub(super) fn stop_after(
        &mut self,
        ground: &Ground<'_>,
        (epoch, why): (Epoch, Why),
        (acts, left): (BTreeSet<u64>, BTreeSet<usize>),
        out: &mut Vec<Wish>,
    ) {
        self.state = State::Stopping { epoch, why, acts, left };
        self.stop_next(ground, out);
    }

    fn stop_next(&mut self, ground: &Ground<'_>, out: &mut Vec<Wish>) {
        let State::Stopping { epoch, why, acts, left } = &mut self.state else { return };
        if !acts.is_empty() {
            return;
        }
        let epoch = *epoch;
        let Some(place) = left.pop_last() else {
            let why = why.clone();
            return match why {
                Why::Mend(place) => {
                    self.state = State::Mending { epoch, place, by: Mended::Anew };
                }
                Why::Ordered
                | Why::HandOver(_)
                | Why::Failure(_)
                | Why::Lapsed
                | Why::Superseded => self.release(epoch, why, out),
            };
        };
        let order = ground.spec.start_order();
        match order.get(place) {
            Some(resource) => {
                self.acts += 1;
                acts.insert(self.acts);
                self.stopping = Some((self.acts, resource.name.to_string()));
                let reason = why.word();
                // Of what a start is told, a stop is told by how the run that it ends has ended.
                let before = match why {
                    Why::Failure(_) => Before::Unclean,
                    Why::Ordered
                    | Why::HandOver(_)
                    | Why::Mend(_)
                    | Why::Lapsed
                    | Why::Superseded => Before::Orderly,
                };
                let told = Told { reason, before, ..self.told(ground, place) };
                let resource = resource.name.clone();
                out.push(Wish::Do(epoch, self.acts, Act::Stop { resource, told }));
            }
            // It is not in the configuration that the group was taken on with.
            None => {
                let why = why.clone();
                self.let_go((epoch, why), Beside::Nothing, out);
            }
        }
    }

    /// What was waited for before the next stop has ended.
    pub(super) fn stopped_one(
        &mut self,
        ground: &Ground<'_>,
        act: u64,
        outcome: Outcome,
        out: &mut Vec<Wish>,
    ) {
        let State::Stopping { epoch, why, acts, .. } = &mut self.state else { return };
        if !acts.remove(&act) {
            return;
        }
        let stopped = self.stopping.take_if(|(stopping, _)| *stopping == act);
        if let (Outcome::Fine { took } | Outcome::Forced { took }, Some((_, resource))) =
            (&outcome, stopped)
        {
            self.down.steps.push((resource, took.as_millis()));
        }
        match outcome {
            Outcome::Fine { .. } | Outcome::Adopted(_) => {}
            Outcome::Forced { .. } => self.down.ending = Ending::Forced,
            Outcome::Failed { .. } if mutant("failed-stop-believed") => {}
            // What did not finish becomes a release of everything at once: verified by the host,
            // or the machine ends.
            Outcome::Failed { how } | Outcome::Stuck { left: how } => {
                let about = (*epoch, unmended(ground, why.clone(), how));
                let beside = Beside::acts(std::mem::take(acts));
                return self.let_go(about, beside, out);
            }
            Outcome::NoLink { link, .. } => {
                let about = (*epoch, unmended(ground, why.clone(), link.into()));
                let beside = Beside::acts(std::mem::take(acts));
                return self.let_go(about, beside, out);
            }
        }
        self.stop_next(ground, out);
    }

    pub(super) fn let_go(
        &mut self,
        (epoch, why): (Epoch, Why),
        beside: Beside,
        out: &mut Vec<Wish>,
    ) {
        self.acts += 1;
        self.down.ending = Ending::Forced;
        let act = Some(self.acts);
        out.push(Wish::Do(epoch, self.acts, Act::LetGo));
        self.state = State::LettingGo { epoch, why, act, beside };
    }

    /// A release of everything has ended, or something that was under way beside it.
    pub(super) fn let_go_one(&mut self, ended: u64, outcome: Outcome, out: &mut Vec<Wish>) {
        let State::LettingGo { epoch, why, act, beside } = &mut self.state else { return };
        if *act == Some(ended) {
            match outcome {
                Outcome::Fine { .. } | Outcome::Forced { .. } | Outcome::Adopted(_) => *act = None,
                Outcome::Failed { how: left } | Outcome::Stuck { left } => {
                    let epoch = *epoch;
                    return self.stay_stuck(epoch, left.words, out);
                }
                Outcome::NoLink { link, .. } => {
                    let epoch = *epoch;
                    return self.stay_stuck(epoch, link, out);
                }
            }
        } else if let Beside::Acts(acts) = beside {
            acts.remove(&ended);
        }
        let (epoch, why) = (*epoch, why.clone());
        match (act, beside) {
            (Some(_), _) => {}
            (None, Beside::Nothing) => self.release(epoch, why, out),
            (None, Beside::Acts(acts)) if acts.is_empty() => {
                self.let_go((epoch, why), Beside::Nothing, out);
            }
            (None, Beside::Acts(_)) => {}
        }
    }

    fn stay_stuck(&mut self, epoch: Epoch, left: String, out: &mut Vec<Wish>) {
        out.push(Wish::Stuck(epoch, left.clone()));
        self.state = State::Stuck { epoch, left };
    }

    pub(super) fn release(&mut self, epoch: Epoch, why: Why, out: &mut Vec<Wish>) {
        self.asks.clear();
        self.failing.clear();
        out.push(Wish::Released(epoch, why.clone()));
        self.state = State::Released { epoch, why };
    }
}

/// A restart in place that could not stop what it was to start again has failed for good: the
/// deciding node hears of it as of any failure.
fn unmended(ground: &Ground<'_>, why: Why, how: How) -> Why {
    let Why::Mend(place) = why else { return why };
    let order = ground.spec.start_order();
    let Some(resource) = order.get(place).map(|r| r.name.clone()) else { return why };
    Why::Failure(Cause::ProcessDied { node: ground.me.clone(), resource, how })
}
