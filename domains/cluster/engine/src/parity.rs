//! Looks up what this node has of what its groups need, asks the others the same, and keeps what
//! came of it. Nothing is changed; what to make of it is decided in the rules.

mod content;
mod entitlement;
mod exchange;
mod look;
mod looks;
mod machine;
mod round;
mod unit_names;

use tsugi_cluster_rules::parity::{Gap, Wrong};
use tsugi_cluster_rules::record::FenceFault;
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::NodeName;

pub use content::Hashes;
pub use exchange::{Ask, Others, Say};
pub use look::look;
pub(crate) use look::starters;
pub use machine::{Account, Device, Machine, Own};
pub use round::{ASKED, Outcome, Place, Rounds, STALE};

/// How a device failed, in its own words or one.
fn detail(fault: &FenceFault) -> String {
    match fault {
        FenceFault::Absent(why)
        | FenceFault::Secret(why)
        | FenceFault::Failed(why)
        | FenceFault::Nonsense(why) => why.clone(),
        FenceFault::Slow(limit) => format!("> {} ms", limit.as_millis()),
        FenceFault::Flooded => "flooded".to_owned(),
        FenceFault::Wrong => "off".to_owned(),
        FenceFault::Lied => "lied".to_owned(),
        FenceFault::Late => "late".to_owned(),
    }
}

/// A gap as a message: found on the node `here`, and compared with `other`.
#[must_use]
pub fn message(gap: &Gap, (here, other): (&NodeName, &NodeName)) -> Message {
    let Gap { group, item, what } = gap;
    match what {
        Wrong::Missing => messages::parity_missing(group, here, item),
        Wrong::NotExecutable => messages::parity_not_executable(group, here, item),
        Wrong::Unreadable(why) => messages::parity_unreadable(group, here, item, why),
        Wrong::Full(percent) => messages::parity_full(group, here, item, percent),
        Wrong::NotEmpty => messages::parity_not_empty(group, here, item),
        Wrong::InUse(at) => messages::parity_in_use(group, here, item, at),
        Wrong::NoCarrier => messages::parity_no_carrier(group, here, item),
        Wrong::Untested => messages::parity_untested(group, here, item),
        Wrong::Fails(fault) => messages::parity_device_fails(group, here, item, detail(fault)),
        Wrong::Ends(days) => messages::parity_certificate_ends(group, here, days),
        Wrong::Apart(millis) => messages::parity_clock_apart(group, here, millis.to_string()),
        Wrong::Differs { here: mine, there } => {
            let (mine, theirs) = (format!("{here} {mine}"), format!("{other} {there}"));
            messages::parity_differs(group, item, mine, theirs)
        }
        Wrong::Masked => messages::parity_unit_masked(group, here, item),
        Wrong::Enabled(by) => messages::parity_unit_enabled(group, here, item, by),
        Wrong::Active => messages::parity_unit_active(group, here, item),
        Wrong::NotEntitled(why) => messages::parity_not_entitled(group, here, item, why),
        Wrong::NotOfGroup => messages::parity_not_of_group(group, here, item),
        Wrong::NotCompared(silent) => messages::parity_not_compared(group, silent),
        Wrong::OtherConfig => messages::parity_other_version(group, here),
        Wrong::NotAsked(why) => messages::parity_not_asked(group, here, why),
    }
}

#[cfg(test)]
mod tests;
