//! Commands on the configuration: for all nodes or for none.

use std::collections::BTreeSet;

use tsugi_vocabulary::NodeName;

use super::effect::Effect;
use crate::record::AppliedConfig;
use crate::refusal::Refusal;

/// Another configuration.
pub(super) fn apply(effect: &mut Effect<'_>, config: &AppliedConfig) {
    let now = effect.situation.record.config.as_deref();
    if now.is_some_and(|now| now.hash == config.hash) {
        effect.refuse(Refusal::AlreadySo { what: "config".to_owned() });
    }
    needs_newer(effect, config);
    replace(effect, config);
}

/// Refused while a node is heard whose version does not understand what is new in `config`: it
/// would mount as if that were not there, or drop from an entry what belongs to it. What was
/// applied before comes back whoever is there.
fn needs_newer(effect: &mut Effect<'_>, config: &AppliedConfig) {
    let needed = config.spec.settings();
    let new = effect.spec().is_none_or(|now| now.settings() < needed);
    let joined = effect.situation.record.nodes.keys();
    let older = |node: &&NodeName| {
        let other = **node != effect.situation.by && config.spec.nodes.contains_key(*node);
        other && effect.sight(node).is_some_and(|sight| sight.settings < needed)
    };
    if new && let Some(node) = joined.clone().find(older) {
        effect.refuse_for_version_of(node.clone());
    }
}

/// The applied configuration stays.
pub(super) fn confirm(effect: &mut Effect<'_>) {
    match effect.situation.record.config.as_deref() {
        Some(now) if now.unconfirmed.is_some() => {
            effect.write_config(AppliedConfig { unconfirmed: None, ..now.clone() });
        }
        Some(_) | None => effect.refuse(Refusal::AlreadySo { what: "config".to_owned() }),
    }
}

/// The configuration before the unconfirmed one comes back, as a new version.
pub(super) fn undo(effect: &mut Effect<'_>, config: &AppliedConfig) {
    let now = effect.situation.record.config.as_deref();
    if now.is_none_or(|now| now.unconfirmed.is_none()) {
        effect.refuse(Refusal::AlreadySo { what: "config".to_owned() });
    }
    replace(effect, &AppliedConfig { unconfirmed: None, ..config.clone() });
}

fn replace(effect: &mut Effect<'_>, config: &AppliedConfig) {
    let groups = &effect.situation.record.groups;
    let stops = groups.iter().any(|(name, entry)| {
        entry.value.owner().is_some() && !config.spec.groups.contains_key(name)
    });
    if stops {
        effect.needs_reason();
    }
    if config.spec.nodes.len() == 2 && !config.spec.ledger.is_on_disk() {
        effect.refuse(Refusal::NoThirdVote);
    }
    // What is kept in one place is not carried to another; the cluster is founded anew for that.
    let kept = effect.spec().map(|now| now.ledger.is_on_disk());
    if kept.is_some_and(|on_disk| on_disk != config.spec.ledger.is_on_disk()) {
        effect.refuse(Refusal::LedgerStays);
    }
    let gone: BTreeSet<&NodeName> =
        effect.spec().into_iter().flat_map(|s| s.nodes.keys()).collect();
    for node in gone.into_iter().filter(|n| !config.spec.nodes.contains_key(*n)) {
        let groups = effect.owned_by(node);
        if !groups.is_empty() {
            effect.refuse(Refusal::StillOwns { node: node.clone(), groups });
        }
        // Its number is spent; if it is named again, it joins again.
        effect.remove_node(node);
    }
    let version = effect.situation.record.config.as_ref().map_or(0, |c| c.version) + 1;
    effect.write_config(AppliedConfig { version, ..config.clone() });
}
