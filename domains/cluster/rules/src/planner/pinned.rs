//! Pass: a paused group is left alone, whatever happens to it (L9).

use super::ground::{Ground, Seen, View};
use super::need::Need;
use crate::mutant::mutant;
use crate::plan::{Resting, Waiting};
use crate::record::{Guard, Pause};

/// A pinned group stays with its node, or waits for it; one that was paused while stopped stays
/// stopped.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let pause = standing(ground, view)?;
    if mutant("paused-group-moved") {
        return None;
    }
    let Some(owner) = view.owner() else { return Some(Need::Rest(Resting::Paused)) };
    let node = owner.node.clone();
    match ground.seen(&node) {
        Seen::Heard(_) => Some(Need::Hold { node }),
        Seen::Unheard => Some(Need::Wait(Waiting::Settling)),
        // The guardian of a pinned group is disarmed, so silence proves nothing.
        Seen::Deaf(_) | Seen::Silent(_) => {
            debug_assert!(pause.pinned.is_some(), "a group that is owned is pinned to its owner");
            Some(Need::Wait(Waiting::Pinned { node }))
        }
    }
}

/// The pause, unless it is over: a confirmed fence has ended the boot it is pinned to, or it was
/// to end, by itself or by an operator's resume, and nobody owns the group any more.
fn standing<'v>(ground: &Ground<'_>, view: &'v View<'_>) -> Option<&'v Pause> {
    let pause = view.record.pause.as_ref()?;
    match view.owner() {
        Some(owner) if ground.fenced(&owner) => None,
        Some(_) => Some(pause),
        None if expired(ground, pause) || pause.guard == Guard::Rearming => None,
        None => Some(pause),
    }
}

fn expired(ground: &Ground<'_>, pause: &Pause) -> bool {
    pause.until.is_some_and(|until| until <= ground.at)
}

/// The pause as it is to be written, if that differs: one that has ended by itself begins to be
/// lifted, as by an operator's resume; one that is over is gone.
pub(super) fn changed(ground: &Ground<'_>, view: &View<'_>) -> Option<Option<Pause>> {
    let pause = view.record.pause.as_ref()?;
    if standing(ground, view).is_none() {
        return Some(None);
    }
    let lives = view.owner().is_some_and(|o| matches!(ground.seen(o.node), Seen::Heard(_)));
    if lives && pause.guard == Guard::Disarmed && expired(ground, pause) {
        return Some(Some(Pause { guard: Guard::Rearming, ..pause.clone() }));
    }
    None
}
