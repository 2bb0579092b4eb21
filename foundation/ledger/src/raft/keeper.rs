//! Carries out what the gate orders, and shows who leads.
//!
//! What is due here is put off by nearly everything that is heard. Whoever hears for this voter
//! watches the time for it as well, if it can: a timer here would mostly wake for nothing.

use std::sync::Arc;

use tokio::sync::mpsc;
use tsugi_vocabulary::{Moment, NodeName, Span};

use super::node::Node;
use super::rpc::{Reply, Request};
use crate::gate::{Order, Role, Sighting, Situation};
use crate::{Failure, Voter, VoterId};

/// Runs until the voter stops.
pub(super) async fn keep(node: Arc<Node>, mut seen: mpsc::Receiver<Sighting>) {
    let mut metrics = node.raft.server_metrics();
    loop {
        let now = node.links.now();
        let wake = node.watched_until(now).unwrap_or_else(|| due(&node, now));
        // Not twice within a millisecond, however late the timers are.
        let wake = wake.max(now + Span::millis(1));
        let sleep = tokio::time::sleep_until(node.links.instant(wake).into());
        let sighting = tokio::select! {
            sighting = seen.recv() => match sighting {
                Some(sighting) => sighting,
                None => return,
            },
            changed = metrics.changed() => match changed {
                Ok(()) => Sighting::Tick,
                Err(_) => return note_end(&node),
            },
            () = sleep => Sighting::Tick,
        };
        if node.raft.metrics().borrow().running_state.is_err() {
            return note_end(&node);
        }
        step(&node, sighting).await;
        give_sign(&node).await;
        finish_change(&node);
    }
}

/// When there is something to do here, unless something is heard before.
pub(super) fn due(node: &Node, now: Moment) -> Moment {
    let situation = node.situation(now);
    let (wake, runs_out) =
        node.gate(|gate| (gate.wake_at(situation.role), gate.runs_out(situation.role)));
    // A leadership that runs out is shown then.
    let runs_out = Some(runs_out).filter(|moment| *moment > now);
    let sign = sign_due(node, &situation);
    [runs_out, sign].into_iter().flatten().fold(wake, Moment::min)
}

/// When this voter's next sign over the ledger's own connections is due, if it leads.
fn sign_due(node: &Node, situation: &Situation) -> Option<Moment> {
    match situation.role {
        Role::Leader { .. } => node.links.sign_due(&situation.voters),
        Role::Outside | Role::Voter => None,
    }
}

/// Shows over the ledger's own connections that this voter leads, if that is due.
async fn give_sign(node: &Node) {
    let now = node.links.now();
    let situation = node.situation(now);
    // A leader whose vote was taken away steps down by the library's own timer.
    let leads = matches!(situation.role, Role::Leader { .. });
    node.raft.runtime_config().tick(leads && !situation.voters.contains(&node.voter.id));
    if sign_due(node, &situation).is_some_and(|due| due <= now) {
        node.links.sign_given(now);
        // Without Raft there is nobody to lead; the end is noted by the next turn.
        drop(node.raft.trigger().heartbeat().await);
    }
}

/// Whoever is elected while two lists of voters stand together finishes the change that a former
/// leader began, without being asked: until then it may itself be on one of them only, and those
/// who know the voters by the last finished list do not know whom they follow.
fn finish_change(node: &Arc<Node>) {
    let situation = node.situation(node.links.now());
    let leads = matches!(situation.role, Role::Leader { .. });
    // A change that this voter makes itself has the lock until it is finished.
    if leads && situation.lists.len() > 1 && node.voters_change.try_lock().is_ok() {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            let Ok(_alone) = node.voters_change.try_lock() else { return };
            // What does not come about now is tried again with the next sign.
            let _refused = node.finish_half_a_change().await;
        });
    }
}

/// Raft ended by itself: without a failure of the disk this is a fault of the program.
fn note_end(node: &Node) {
    node.failed.send_if_modified(|failed| {
        let silent = failed.is_none();
        failed.get_or_insert(Failure::Stopped);
        silent
    });
}

async fn step(node: &Arc<Node>, sighting: Sighting) {
    let now = node.links.now();
    let situation = node.situation(now);
    let order = node.gate(|gate| gate.step(now, sighting, &situation));
    match order {
        None => {}
        Some(Order::Ask { round }) => ask(node, round),
        // Without Raft there is nothing to elect; the end is noted by the next turn.
        Some(Order::Elect) => drop(node.raft.trigger().elect().await),
        Some(Order::StepAside) => node.links.step_aside(),
        Some(Order::Resume) => node.links.resume(now),
    }
    let situation = node.situation(now);
    node.show_leadership(now, &situation);
}

fn ask(node: &Arc<Node>, round: u64) {
    let others: Vec<Voter> = {
        let metrics = node.raft.server_metrics();
        let metrics = metrics.borrow();
        let membership = metrics.membership_config.membership();
        let voter = |id: u64| {
            let name = NodeName::new(&membership.get_node(&id)?.node).ok()?;
            (id != node.voter.id.0).then_some(Voter { id: VoterId(id), node: name })
        };
        membership.voter_ids().filter_map(voter).collect()
    };
    for other in others {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            // A late answer says that the voter is there, if slow.
            let limit = Span(node.timing.lease.0 * 2).to_std();
            if let Ok(Reply::Hear(says)) = node.links.ask(&other, Request::Hear, limit).await {
                let answer = Sighting::Answer { round, from: other.id, says };
                // A voter that stopped needs no answer.
                node.sightings.send(answer).await.ok();
            }
        });
    }
}
