//! Orders of the rules become effects.

use std::sync::Arc;

use tsugi_cluster_rules::desk::{Act, Outcome};
use tsugi_cluster_rules::node::{Event, Order};
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_vocabulary::{BootId, Claims, Epoch, GroupName, Moment, NodeName, Span};

use super::{Core, Ended, Proposal, of_device, rehearsed};
use crate::errand::{Finished, Job};
use crate::fence::Came;
use crate::rehearsal::Rehearse;
use crate::standing::SlowStop;

/// As a crash would: nothing is written, and nobody is told.
fn die() {
    use nix::sys::signal::{Signal, kill};
    let _sent = kill(nix::unistd::Pid::this(), Signal::SIGKILL);
}

impl Core {
    pub(super) fn carry_out(&mut self, now: Moment, order: Order) {
        match order {
            Order::Beat(beat, haste) => {
                self.parts.ear.sent(&beat);
                self.parts.networks.beat(beat, haste);
            }
            Order::Answer { to, ack, .. } => self.parts.networks.answer(&to, ack),
            Order::Propose { proposal, draft } => {
                // A ledger that has ended answers nothing; the core is being ended then.
                let _ended = self.parts.proposals.send(Proposal { number: proposal, draft });
            }
            Order::Arm { group, epoch, deadline } => {
                let Some(spec) = self.parts.node.spec_of(&group) else { return };
                let allowed = spec.stop_budget.unwrap_or(self.parts.node.timing().stop);
                let fence = self.parts.node.fence_of(&group).unwrap_or(spec.fence);
                if let Some(guardian) = &mut self.guardian {
                    self.armory.arm(guardian, (group, epoch, deadline), (&spec, fence, allowed));
                }
            }
            Order::Disarm { group, epoch } => {
                if let Some(guardian) = &mut self.guardian {
                    self.armory.disarm(guardian, group, epoch);
                }
            }
            Order::Do { group, epoch, act, what } => self.act(now, (group, epoch, act), what),
            Order::Fence { node, boot, device } => {
                let hands = &mut self.parts.hands;
                if let Some(ended) = self.parts.fences.shoot((node, boot), *device, hands) {
                    self.step([of_device(Came::Fenced(ended))]);
                }
            }
            Order::AskState { node, device } => {
                let hands = &mut self.parts.hands;
                if let Some(came) = self.parts.fences.ask_state(node, &device, hands) {
                    self.step([of_device(came)]);
                }
            }
            Order::Rehearse { command, group, depth, epoch, limit, spec } => {
                let all = self.parts.node.record().spec();
                let held_off = all.map(crate::rehearsal::held_off).unwrap_or_default();
                let asked = Rehearse { command, group, depth, epoch, limit, spec, held_off };
                let hands = &mut self.parts.hands;
                if let Some(shown) = self.parts.rehearsals.begin(&asked, hands) {
                    self.step([rehearsed(shown)]);
                }
            }
            Order::EndRehearsal => self.parts.rehearsals.end(&mut self.parts.hands),
            Order::KillProcess { group, resource } => {
                self.parts.errands.kill(&group, resource.as_ref(), &mut self.parts.hands);
            }
            Order::KillAgent => die(),
            Order::ChangeVoters { change, known } => {
                // As with drafts: a ledger that has ended changes nothing.
                let _ended = self.parts.voter_changes.send((change, known));
            }
            Order::KeepPromise(span) => {
                let text = format!("{}\n", span.0);
                // An answer must not leave before this is durable; a node that cannot write ends.
                if tsugi_wire::files::replace(&self.parts.promise_file, text.as_bytes()).is_err() {
                    self.ended = Some(Ended::CannotWrite);
                }
            }
            Order::WakeAt(moment) => self.wake = moment,
            Order::AskDisk(claims) => self.claim(claims),
            Order::Demand { node, life } => self.demand(node, life),
            Order::Left => self.ended = Some(Ended::Left),
            Order::EndLife => self.ended = Some(Ended::SteppedAside),
        }
    }

    fn claim(&self, claims: Claims) {
        if let Some(claimant) = &self.parts.claimant {
            claimant.write(claims);
        }
    }

    fn demand(&self, node: NodeName, life: Option<BootId>) {
        // A ledger that is on no disk carries none.
        let _nobody = self.parts.demands.send((node, life));
    }

    fn act(&mut self, now: Moment, (group, epoch, act): (GroupName, Epoch, u64), what: Act) {
        let Some(spec) = self.parts.node.spec_of(&group) else { return };
        let mut done = Vec::new();
        let starts = matches!(what, Act::Start { .. });
        match if starts { self.parts.notebook.write(&group, epoch, &spec) } else { Ok(()) } {
            Ok(()) => {
                let spec = self.with_time_outs_in_force(spec, &what);
                let job = Job { group, epoch, act, what, spec };
                self.parts.errands.begin(now, job, &mut self.parts.hands, &mut done);
            }
            // What could not be taken down as it went up does not go up.
            Err(failed) => {
                let outcome = Outcome::Failed { how: failed.to_string().as_str().into() };
                done.push(Finished::Act { group, epoch, act, outcome });
            }
        }
        self.deliver(done);
    }

    /// The group as one act is to be done: a run of a monitor may take longer while the time-outs
    /// are stretched (CL-35).
    fn with_time_outs_in_force(&self, spec: Arc<GroupSpec>, what: &Act) -> Arc<GroupSpec> {
        match (what, self.parts.node.record().ratio()) {
            (Act::Ask { .. }, ratio) if ratio > 1 => Arc::new(spec.with_monitors_stretched(ratio)),
            _ => spec,
        }
    }

    /// Gives what errands finished back to the rules, at once.
    pub(super) fn deliver(&mut self, done: Vec<Finished>) {
        for finished in done {
            let event = match finished {
                Finished::Act { group, epoch, act, outcome } => {
                    Event::Done { group, epoch, act, outcome }
                }
                Finished::Seen { group, epoch, what } => Event::Seen { group, epoch, what },
                Finished::Died { group, epoch, resource, how } => {
                    Event::Died { group, epoch, resource, how }
                }
            };
            self.step([event]);
        }
        for (group, took) in self.parts.errands.take_let_go() {
            self.measured(&group, took);
        }
    }

    pub(super) fn measured(&mut self, group: &GroupName, took: Span) {
        let budget = self.parts.node.spec_of(group).and_then(|spec| spec.stop_budget);
        let budget = budget.unwrap_or(self.parts.node.timing().stop);
        self.stops.measured(group, SlowStop { took, budget });
    }
}
