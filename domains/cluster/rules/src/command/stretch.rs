//! The time-out ratio is set, and taken back (CL-35).

use tsugi_vocabulary::Span;

use super::effect::Effect;
use crate::record::{LONGEST_STRETCH, Stretch};
use crate::refusal::Refusal;
use crate::timing::Timing;

/// Every heartbeat and monitor time-out is `ratio` times as long, for so long. Another one takes
/// the place of one that stands.
pub(super) fn begin(effect: &mut Effect<'_>, ratio: u32, within: Span) {
    // Until it ends, work waits longer for a node that is lost.
    effect.needs_reason();
    let record = effect.situation.record;
    let most = Timing::of(record.profile()).largest_ratio();
    if !(2..=most).contains(&ratio) {
        effect.refuse(Refusal::NoSuchRatio { ratio, most });
    }
    if within == Span::ZERO || within > LONGEST_STRETCH {
        effect.refuse(Refusal::StretchTooLong { asked: within, most: LONGEST_STRETCH });
    }
    // Who leads must know for how long others may have asked, and who restores must too.
    refuse_older(effect);
    let order = effect.order();
    effect.write_stretch(Stretch { ratio, order, within, over: None });
}

/// They are as they were.
pub(super) fn end(effect: &mut Effect<'_>) {
    match effect.situation.record.stretched() {
        Some(stretch) => {
            let over = Some(effect.issued.at);
            effect.write_stretch(Stretch { over, ..stretch.clone() });
        }
        None => effect.refuse(Refusal::AlreadySo { what: "stretch".to_owned() }),
    }
}

/// Every node of the cluster has to know what the entry means: any of them may come to lead. One
/// that does not say how long its time-outs are knows neither of a stretch nor of a failure test.
pub(super) fn refuse_older(effect: &mut Effect<'_>) {
    let joined = effect.situation.record.nodes.keys();
    let older = |node: &&_| effect.sight(node).is_some_and(|sight| sight.ratio.is_none());
    let other = |node: &&_| **node != effect.situation.by;
    if let Some(node) = joined.filter(other).find(older).cloned() {
        effect.refuse_for_version_of(node);
    }
}
