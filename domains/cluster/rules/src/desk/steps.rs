//! The desk's table: every state with every input.

use std::collections::BTreeSet;

use tsugi_vocabulary::{Epoch, Moment, NodeName, ResourceName, Span};

use super::asking::Ask;
use super::{
    Act, Before, Beside, Disk, Down, Ended, Mended, Outcome, ScriptEvent, State, Terms, Told, Why,
};
use crate::monitors::MonitorId;
use crate::mutant::mutant;
use crate::reason::Cause;
use crate::record::MonitorTurn;
use crate::spec::{GroupSpec, Takeover};
use crate::start_kind::StartKind;

/// What one node is doing with one group.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Where it stands.
    pub state: State,
    pub(super) acts: u64,
    pub(super) asks: Vec<Ask>,
    /// The monitors that only tell and have failed.
    pub(super) failing: BTreeSet<MonitorId>,
    /// What of a running group has failed and is left as it is.
    pub(super) unwell: Option<Cause>,
    /// The stop under way, and whose it is.
    pub(super) stopping: Option<(u64, String)>,
    pub(super) down: Down,
    /// Whether the volumes came up in this run.
    pub(super) disk: Disk,
    /// What was restarted in place under this epoch.
    pub(super) mended: Option<Again>,
    /// The same, as it is once the restart under way has begun.
    pub(super) mending: Option<Again>,
}

/// What was restarted in place.
#[derive(Clone, Debug)]
pub(super) struct Again {
    /// Which places.
    places: BTreeSet<usize>,
    /// Why the last time, in one word.
    reason: &'static str,
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
    /// Say so, and leave the group as it is.
    Leave,
    /// Let go of everything at once: what is written from now on must not reach the volume.
    LetGo,
}

/// What a desk wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Do this, under this epoch; answer with `Done` of that number.
    Do(Epoch, u64, Act),
    /// Every resource is up: say so. How long each step took in milliseconds, and all of them.
    Started(Epoch, Vec<(String, u64)>, Span),
    /// Nothing is left: say so.
    Released(Epoch, Why),
    /// A resource failed and is restarted in place: record it, then say `Recorded`.
    Record(Epoch, Cause),
    /// Something is left that cannot be removed.
    Stuck(Epoch, String),
    /// A monitor that only tells has failed, or is well again: write it down.
    Tell(Epoch, MonitorId, MonitorTurn),
}

/// What a desk needs to know to take a step.
#[derive(Clone)]
pub struct Ground<'a> {
    /// The group's configuration.
    pub spec: &'a GroupSpec,
    /// Now.
    pub now: Moment,
    /// This node.
    pub me: &'a NodeName,
    /// How the group is started under its epoch.
    pub terms: Terms,
    /// Whether a failure of the running group is acted on.
    pub takeover: Takeover,
    /// What of this node has ended since the group's epoch began here.
    pub ended: Ended,
    /// The monitors that are suspended now.
    pub suspended: BTreeSet<MonitorId>,
    /// What the failure policy says to a failure now.
    pub mend: Mend,
}

impl Default for Desk {
    fn default() -> Self {
        let (asks, stopping, down) = (Vec::new(), None, Down::orderly());
        let (disk, mended, mending) = (Disk::Success, None, None);
        let (state, unwell, failing) = (State::Clear, None, BTreeSet::new());
        Self { state, acts: 0, asks, failing, unwell, stopping, down, disk, mended, mending }
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

    /// What of a running group has failed and is left as it is.
    #[must_use]
    pub const fn unwell(&self) -> Option<&Cause> {
        match self.state {
            State::Running { .. } => self.unwell.as_ref(),
            _ => None,
        }
    }

    /// Leaves a running group as it is although this has failed.
    pub fn leave(&mut self, cause: Cause) {
        let running = matches!(self.state, State::Running { .. });
        // What has ended does not come back by itself, as a monitor's answer may.
        if running && matches!(self.unwell, None | Some(Cause::MonitorFailed { .. })) {
            self.unwell = Some(cause);
        }
    }

    /// How the group went down here, once nothing of it is left.
    #[must_use]
    pub fn down(&self) -> Down {
        self.down.clone()
    }

    pub(super) fn act(&mut self) -> u64 {
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
                        self.start(ground, epoch, BTreeSet::new(), out);
                    }
                }
            }
            Input::Armed(epoch) => {
                if self.state == (State::Arming { epoch }) {
                    self.start(ground, epoch, BTreeSet::new(), out);
                }
            }
            Input::Lapsed => self.lapse(out),
            Input::Stop(why) => self.stop(ground, why, out),
            Input::Done(act, outcome) => self.done(ground, act, outcome, out),
            Input::Died(resource, cause, mend) => self.died(ground, &resource, cause, mend, out),
            Input::Recorded => {
                if let State::Mending { epoch, place, by } = self.state {
                    self.mended = self.mending.take().or(self.mended.take());
                    match by {
                        Mended::Anew => {
                            self.start(ground, epoch, beside(ground, place), out);
                        }
                        Mended::ByMethod => self.restart(ground, epoch, place, out),
                    }
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
        if self.epoch().is_none_or(|old| old < epoch) {
            self.down = Down::orderly();
            self.disk = Disk::Success;
            self.mended = None;
            self.unwell = None;
        }
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

    fn lapse(&mut self, out: &mut Vec<Wish>) {
        let (epoch, beside) = match &self.state {
            State::Clear
            | State::Released { .. }
            | State::Stuck { .. }
            | State::LettingGo { .. } => return,
            // A lease that came while the group was pinned and ended before it could be used: it
            // is not asked for again under this epoch, and nothing was started.
            State::Waiting { epoch } => {
                let epoch = *epoch;
                return self.release(epoch, Why::Lapsed, out);
            }
            // While it is arming nothing was started: the guardian may fire at nothing, and says
            // so.
            State::Arming { epoch }
            | State::Adopting { epoch, .. }
            | State::Running { epoch }
            | State::Mending { epoch, .. } => (*epoch, Beside::Nothing),
            State::Starting { epoch, acts, .. } => (*epoch, Beside::acts(acts.keys().copied())),
            State::Stopping { epoch, acts, .. } => (*epoch, Beside::acts(acts.iter().copied())),
        };
        self.let_go((epoch, Why::Lapsed), beside, out);
    }

    fn stop(&mut self, ground: &Ground<'_>, why: Why, out: &mut Vec<Wish>) {
        let at_once = why == Why::Superseded;
        // Who is to have it next does not wait until a start that hangs has reached its limit.
        let cuts_short = at_once || matches!(why, Why::HandOver(_));
        match &self.state {
            State::Clear | State::Released { .. } | State::Stuck { .. } => {}
            State::LettingGo { .. } => {}
            State::Waiting { epoch } | State::Arming { epoch } => {
                // Nothing was started, so nothing is left.
                let epoch = *epoch;
                self.release(epoch, why, out);
            }
            State::Adopting { epoch, .. } => {
                let about = (*epoch, why);
                self.let_go(about, Beside::Nothing, out);
            }
            State::Running { epoch } | State::Mending { epoch, .. } if at_once => {
                let about = (*epoch, why);
                self.let_go(about, Beside::Nothing, out);
            }
            State::Starting { epoch, acts, .. } if cuts_short => {
                let (about, beside) = ((*epoch, why), Beside::acts(acts.keys().copied()));
                self.let_go(about, beside, out);
            }
            State::Stopping { epoch, acts, .. } if at_once => {
                let (about, beside) = ((*epoch, why), Beside::acts(acts.iter().copied()));
                self.let_go(about, beside, out);
            }
            // One start has failed and another is waited for.
            State::Stopping { epoch, why: failed @ Why::Failure(_), acts, .. }
                if cuts_short && self.stopping.is_none() && !acts.is_empty() =>
            {
                let about = (*epoch, failed.clone());
                self.let_go(about, Beside::acts(acts.iter().copied()), out);
            }
            State::Starting { epoch, acts, up, .. } => {
                let about = (*epoch, why);
                let begun = up.iter().chain(acts.values()).copied().collect();
                let acts = acts.keys().copied().collect();
                self.stop_after(ground, about, (acts, begun), out);
            }
            State::Running { epoch } => {
                let epoch = *epoch;
                if mutant("release-without-stop") {
                    return self.release(epoch, why, out);
                }
                self.stop_all(ground, (epoch, why), out);
            }
            State::Mending { epoch, place, by } => {
                let left = match by {
                    Mended::Anew => beside(ground, *place),
                    Mended::ByMethod => (0..ground.spec.resources.len()).collect(),
                };
                self.stop_after(ground, (*epoch, why), (BTreeSet::new(), left), out);
            }
            State::Stopping { epoch, why: Why::Mend(mended), acts, left } => {
                let about = (*epoch, why);
                let left = left.iter().copied().chain(beside(ground, *mended)).collect();
                let acts = acts.clone();
                self.stop_after(ground, about, (acts, left), out);
            }
            State::Stopping { .. } => {}
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
        let place = ground.spec.start_order().iter().position(|r| r.name == *resource);
        match (&self.state, place, mend) {
            (State::Running { epoch }, Some(place), Mend::InPlace) => {
                self.mend(ground, *epoch, (place, cause), out);
            }
            (State::Running { epoch }, Some(_), Mend::GiveAway) => {
                let about = (*epoch, Why::Failure(cause));
                self.stop_all(ground, about, out);
            }
            (State::Running { .. }, Some(_), Mend::Leave) => self.unwell = Some(cause),
            (State::Running { epoch } | State::Mending { epoch, .. }, Some(_), Mend::LetGo) => {
                let about = (*epoch, Why::Failure(cause));
                self.let_go(about, Beside::Nothing, out);
            }
            (State::Starting { epoch, acts, .. }, Some(_), Mend::LetGo) => {
                let about = (*epoch, Why::Failure(cause));
                self.let_go(about, Beside::acts(acts.keys().copied()), out);
            }
            // What of the stop is not done yet is done at once.
            (State::Stopping { epoch, why, acts, .. }, Some(_), Mend::LetGo) => {
                let why = match why {
                    Why::Mend(_) => Why::Failure(cause),
                    other => other.clone(),
                };
                let about = (*epoch, why);
                self.let_go(about, Beside::acts(acts.iter().copied()), out);
            }
            // All of the group is up while its restart method is waited for.
            (
                State::Starting { .. } | State::Mending { by: Mended::ByMethod, .. },
                Some(_),
                Mend::InPlace | Mend::GiveAway | Mend::Leave,
            ) => {
                self.stop(ground, Why::Failure(cause), out);
            }
            // What is restarted in place does not stand on it, so nobody else starts it again.
            (
                State::Stopping { why: Why::Mend(mended), .. }
                | State::Mending { place: mended, by: Mended::Anew, .. },
                Some(place),
                Mend::InPlace | Mend::GiveAway | Mend::Leave,
            ) if beside(ground, *mended).contains(&place) => {
                self.stop(ground, Why::Failure(cause), out);
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

    /// Takes down what failed and what stands on it, to start that again here.
    fn mend(
        &mut self,
        ground: &Ground<'_>,
        epoch: Epoch,
        (place, cause): (usize, Cause),
        out: &mut Vec<Wish>,
    ) {
        let left = ground.spec.standing_on(place);
        self.mending = Some(self.again(left.clone(), cause.word()));
        out.push(Wish::Record(epoch, cause));
        self.stop_after(ground, (epoch, Why::Mend(place)), (BTreeSet::new(), left), out);
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
        match &self.state {
            State::Starting { .. } => self.started_one(ground, act, outcome, out),
            State::Stopping { .. } => self.stopped_one(ground, act, outcome, out),
            State::LettingGo { .. } => self.let_go_one(act, outcome, out),
            State::Adopting { epoch, act: mine } if *mine == act => {
                let epoch = *epoch;
                self.adopted(ground, epoch, outcome, out);
            }
            State::Running { .. } => self.answered(ground, act, outcome, out),
            // The answer to an act that the desk has turned away from.
            State::Clear
            | State::Adopting { .. }
            | State::Waiting { .. }
            | State::Arming { .. }
            | State::Mending { .. }
            | State::Released { .. }
            | State::Stuck { .. } => {}
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
            | Outcome::Forced { .. }
            | Outcome::Failed { .. }
            | Outcome::Stuck { .. }
            | Outcome::NoLink { .. } => Vec::new(),
        };
        let whole = ground.spec.resources.iter().all(|r| found.contains(&r.name));
        // What is only observed is left as it is, also by the next agent.
        let left = !whole && !found.is_empty() && ground.takeover == Takeover::Observe;
        if whole || left || mutant("adopted-unseen") {
            self.unwell = left.then(|| Ended::Agent.cause(ground.me));
            self.asks = self.monitors(ground);
            // What a former agent knew of its health is gone: ask at once.
            self.ask_at_once(ground.now);
            self.down = Down::orderly();
            self.state = State::Running { epoch };
        } else {
            // What still runs here says that the machine has run on.
            let ended = if found.is_empty() { ground.ended } else { Ended::Agent };
            let why = Why::Failure(ended.cause(ground.me));
            self.let_go((epoch, why), Beside::Nothing, out);
        }
    }

    /// What the scripts of the resource at this place are told of the run they are in.
    pub(super) fn told(&self, ground: &Ground<'_>, place: usize) -> Told {
        told(ground, (self.mended.as_ref(), self.disk), place)
    }

    /// What counts as restarted in place once `places` are, too.
    pub(super) fn again(&self, mut places: BTreeSet<usize>, reason: &'static str) -> Again {
        places.extend(self.mended.iter().flat_map(|again| &again.places));
        Again { places, reason }
    }
}

/// What stays up while the resource at this place restarts in place, and what stands on it.
fn beside(ground: &Ground<'_>, place: usize) -> BTreeSet<usize> {
    let on = ground.spec.standing_on(place);
    (0..ground.spec.resources.len()).filter(|other| !on.contains(other)).collect()
}

/// What the scripts of the resource at this place are told: of the group's start under its epoch,
/// or of the restart in place that came since.
pub(super) fn told(
    ground: &Ground<'_>,
    (mended, disk): (Option<&Again>, Disk),
    place: usize,
) -> Told {
    let told = Told { disk, ..ground.terms.told() };
    match mended {
        Some(Again { places, reason }) if places.contains(&place) => {
            let (kind, event, before) = (StartKind::Restart, ScriptEvent::Start, Before::Unclean);
            Told { kind, event, reason, before, ..told }
        }
        Some(_) | None => told,
    }
}
