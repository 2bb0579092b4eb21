//! Nodes that must not start, or must say something when they do.

use super::{SAYS, epoch, mark, not_wholly_owned, roles, says};
use crate::Trouble;
use crate::host::Order;
use crate::stage::Stage;

const IN_USE: &str = "TSUG10010-E";
const NO_FENCE: &str = "TSUG10011-W";

/// Somebody starts the node a second time in the same directory.
pub(super) fn second_agent(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, ..] = roles(stage)?;
    let before = epoch(stage)?;
    let host = &stage.site.hosts[owner];
    let (code, said) = host.ask(&["/run/bin/tsugi", "node", "run", "--name", &host.name], SAYS)?;
    let mut wrong = Vec::new();
    if code == 0 || !said.contains(IN_USE) {
        wrong.push(format!("the second one ended with {code} and said: {said}"));
    }
    wrong.extend(not_wholly_owned(stage));
    if epoch(stage)? != before {
        wrong.push("the group was given out anew".to_owned());
    }
    Ok(wrong)
}

/// A node may not reset its machine and has no watchdog.
pub(super) fn no_fence(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [_, _, third] = roles(stage)?;
    stage.site.hosts[third].order(&Order::Stop)?;
    let from = mark(stage, third);
    let without_right = ["setpriv", "--bounding-set", "-sys_boot"];
    stage.product.start_by(&mut stage.site.hosts[third], &without_right)?;
    let mut wrong = Vec::new();
    wrong.extend(says(stage, third, from, NO_FENCE));
    stage.wait_whole()?;
    stage.site.hosts[third].order(&Order::Stop)?;
    stage.product.start(&mut stage.site.hosts[third])?;
    Ok(wrong)
}
