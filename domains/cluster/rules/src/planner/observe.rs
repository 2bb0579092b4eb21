//! What is only observed: decided like everything else, told with its reason, and not carried out.

use tsugi_vocabulary::NodeName;

use super::bundle::Bundle;
use super::ground::{Ground, Owner, View};
use super::need::{Former, Need, Place};
use super::place::Desk;
use super::policy;
use crate::mutant::mutant;
use crate::plan::{Chosen, Decision, Stand, Waiting};
use crate::reason::Cause;
use crate::record::{Answer, Happening};
use crate::spec::Takeover;
use crate::start_kind::Ending;

/// What a group would need without anybody having ordered it.
#[derive(Clone, Debug)]
pub(super) enum Observed {
    /// It needs an owner under a new epoch.
    Place(Box<Place>),
    /// Its owner lives and would hand it over.
    Leave {
        /// The owner.
        from: NodeName,
        /// Why.
        cause: Cause,
    },
    /// It runs, and something of it has failed on its owner.
    Unwell {
        /// The owner.
        from: NodeName,
        /// Why.
        cause: Cause,
        /// What the policy says to it.
        answer: Answer,
    },
    /// Its owner is fine; it may go back to a better one.
    Stay {
        /// The owner.
        node: NodeName,
    },
}

impl Observed {
    /// Where the group goes on running, if it does.
    pub const fn at(&self) -> Option<&NodeName> {
        match self {
            Self::Place(_) => None,
            Self::Leave { from: node, .. }
            | Self::Unwell { from: node, .. }
            | Self::Stay { node } => Some(node),
        }
    }

    /// Where it runs and is fine.
    pub const fn stays(&self) -> Option<&NodeName> {
        match self {
            Self::Stay { node } => Some(node),
            Self::Place(_) | Self::Leave { .. } | Self::Unwell { .. } => None,
        }
    }

    /// Why it would need another node.
    pub fn falls(&self) -> Option<&Cause> {
        match self {
            Self::Place(place) => Some(&place.cause),
            Self::Leave { cause, .. } | Self::Unwell { cause, answer: Answer::TakenOver, .. } => {
                Some(cause)
            }
            Self::Unwell { .. } | Self::Stay { .. } => None,
        }
    }

    /// The end of a run whose owner has let go of it.
    pub fn released(&self) -> Option<&Place> {
        match self {
            Self::Place(place) => Some(&**place).filter(|p| p.former == Former::Released),
            Self::Leave { .. } | Self::Unwell { .. } | Self::Stay { .. } => None,
        }
    }
}

/// Whether the takeovers of a group are only observed.
fn is_observed(view: &View<'_>) -> bool {
    view.spec.is_some_and(|s| s.takeover == Takeover::Observe) && !mutant("observed-group-moved")
}

/// Pass: something of the group has failed on its owner, which has left it as it is. One that is
/// not observed any more acts by itself.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let from = view.owner()?.node.clone();
    let Stand::Unwell(cause) = &ground.desk(view, &from)?.stand else { return None };
    let spec = view.spec.filter(|_| is_observed(view))?;
    let answer = policy::answer_to(cause, spec.failure, (&view.recent, &from));
    Some(Need::Observed(Observed::Unwell { from, cause: cause.clone(), answer }))
}

/// Whether the loss of this owner will only be told: nobody is switched off for it then. What a
/// person has ordered to go elsewhere goes on.
pub(super) fn loss_is_observed(view: &View<'_>, owner: &Owner<'_>) -> bool {
    is_observed(view) && owner.handover.is_none()
}

/// Who was chosen for a group that nobody owns, by what was told last: it is told once.
pub(super) fn chosen(ground: &Ground<'_>, view: &View<'_>) -> Option<NodeName> {
    let stood = ground.parent()?.decisions.get(view.name).filter(|_| is_observed(view))?;
    match &stood.chosen {
        Chosen::Wait { on: Waiting::Observed { to } } => Some(to.clone()),
        _ => None,
    }
}

/// The need of a group as it is, or as it is only told if nobody has ordered what comes of it.
pub(super) fn told_only(view: &View<'_>, need: Need) -> Need {
    if !is_observed(view) {
        return need;
    }
    match need {
        Need::Place(place) if !is_ordered_place(view, &place) => {
            Need::Observed(Observed::Place(Box::new(place)))
        }
        Need::Leave { from, cause } if !cause.is_ordered() => {
            Need::Observed(Observed::Leave { from, cause })
        }
        Need::Stay { node } => Need::Observed(Observed::Stay { node }),
        Need::Rest(_)
        | Need::Wait(_)
        | Need::Hold { .. }
        | Need::Stop { .. }
        | Need::LetGo { .. }
        | Need::GiveUp(_)
        | Need::UnderWay { .. }
        | Need::Observed(_)
        | Need::Place(_)
        | Need::Leave { .. } => need,
    }
}

/// The first start is the configuration's, and what ended in order starts again as it did.
fn is_ordered_place(view: &View<'_>, place: &Place) -> bool {
    match place.former {
        Former::None => {
            let asked = view.asked.is_some_and(|asked| asked.start.is_some());
            asked || matches!(view.record.ended, Ending::Orderly | Ending::Forced)
        }
        Former::Released => false,
        Former::Lost(_) => view.owner().is_some_and(|owner| owner.handover.is_some()),
    }
}

impl Desk<'_, '_> {
    /// Where each group of a bundle would go that is only observed, as everything else stands.
    pub fn observe(&mut self, bundle: &Bundle) {
        for &i in bundle {
            let view = &self.cases[i].view;
            let Need::Observed(observed) = &self.cases[i].need else { continue };
            let (found, cause) = match observed {
                Observed::Place(place) => {
                    let to = self.first_of(bundle, i, place.home.as_ref());
                    (to.ok_or(Chosen::NoPlace), Some(place.cause.clone()))
                }
                Observed::Leave { from, cause } => {
                    let to = self.first_of(bundle, i, None).filter(|to| to != from);
                    (to.ok_or_else(|| self.nowhere(view, from, cause)), Some(cause.clone()))
                }
                Observed::Unwell { from, cause, answer } => {
                    let to = match answer {
                        Answer::Restarted => Some(from.clone()),
                        Answer::TakenOver => self.first_of(bundle, i, None),
                        Answer::GaveUp => None,
                    };
                    (to.ok_or_else(|| self.nowhere(view, from, cause)), Some(cause.clone()))
                }
                Observed::Stay { node } => match self.better(bundle) {
                    Some((_, to)) => (Ok(to.clone()), Some(Cause::Failback { to })),
                    None => (Err(Chosen::Stay { node: node.clone() }), None),
                },
            };
            let decision = match found {
                Err(chosen) => Decision { chosen, cause, rejected: Default::default() },
                Ok(to) => {
                    let epoch = self.next_epoch(i);
                    let would = Chosen::Give { node: to.clone(), epoch };
                    let rejected = self.reasons(bundle, i, &would);
                    let chosen = Chosen::Wait { on: Waiting::Observed { to } };
                    Decision { chosen, cause, rejected }
                }
            };
            self.decisions[i] = Some(decision);
        }
    }

    /// The first node that could take a group of a bundle: this one, then by liking.
    fn first_of(&self, bundle: &Bundle, i: usize, home: Option<&NodeName>) -> Option<NodeName> {
        let own = self.cases[i].view.spec.into_iter().flat_map(|spec| spec.prefer.iter().cloned());
        let order = home.cloned().into_iter().chain(self.order_of_fall(bundle)).chain(own);
        let at = match &self.cases[i].need {
            Need::Observed(observed) => observed.at(),
            _ => None,
        };
        let mut others = order.filter(|node| Some(node) != at);
        others.find(|node| self.own_or_mates(bundle, i, node).is_none())
    }
}

/// What is told of such a decision when it is made.
pub(super) fn told(decision: &Decision) -> Option<Happening> {
    let Chosen::Wait { on: Waiting::Observed { to } } = &decision.chosen else { return None };
    Some(Happening::Observed { cause: decision.cause.clone()?, to: to.clone() })
}
