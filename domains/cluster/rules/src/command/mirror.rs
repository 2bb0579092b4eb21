//! What the owner of a group says of the copies of its mirrored volumes.

use tsugi_vocabulary::GroupName;

use super::effect::Effect;
use crate::mirror::{self, Refused, Says};
use crate::refusal::Refusal;

/// Writes down how the copies stand; of a group that is owned only its owner's word counts.
pub(super) fn say(effect: &mut Effect<'_>, group: &GroupName, says: &Says) {
    let me = effect.situation.by.clone();
    for (group, mut entry) in effect.groups(group) {
        match mirror::claim(&entry, &me, says.clone()) {
            Ok(copies) => {
                entry.copies = copies;
                effect.write_group(&group, entry, None);
            }
            Err(Refused::NotOwner) => {
                effect.refuse(Refusal::NotOwner { group, node: me.clone() });
            }
            Err(Refused::Older(newest)) => effect.refuse(Refusal::OlderCopy { group, newest }),
            Err(Refused::Overtaken) => effect.refuse(Refusal::CopiesParted { group }),
        }
    }
}
