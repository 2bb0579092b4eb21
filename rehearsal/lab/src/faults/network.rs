//! Strangers on the network: a machine that has our address, another cluster, a former life.

use std::time::Duration;

use super::{SAYS, epoch, mark, not_wholly_owned, roles, says, until};
use crate::Trouble;
use crate::badlink::PortId;
use crate::host::{LOG, Order};
use crate::kernel::now;
use crate::product::Part;
use crate::stage::Stage;

const IN_USE: &str = "TSUG10214-E";
const OTHER_CLUSTER: &str = "TSUG70202-W";
const OLD_BOOT: &str = "TSUG70203-I";
/// How long a stranger keeps the address: several starts are tried and fail.
const KEEPS: Duration = Duration::from_secs(2);

/// Another machine has the floating address when a takeover wants it.
pub(super) fn address_in_use(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, second, third] = roles(stage)?;
    let marks = [mark(stage, second), mark(stage, third)];
    let address = stage.address();
    stage.client().also_has(address)?;
    let fault = stage.site.hosts[owner].power_off()?;
    let either = until(SAYS, || {
        [second, third].into_iter().zip(marks).any(|(at, from)| {
            let log = stage.site.hosts[at].read(LOG).unwrap_or_default();
            log.get(from..).unwrap_or_default().contains(IN_USE)
        })
    });
    let mut wrong = Vec::new();
    if !either {
        wrong.push(format!("nobody said {IN_USE}"));
    }
    std::thread::sleep((fault + KEEPS).saturating_sub(now()));
    let holdings = stage.site.wire.instruments().addresses.of(address);
    if let Some(held) = holdings.iter().find(|holding| holding.from > fault) {
        wrong.push(format!("host {} took the address all the same", held.host));
    }
    stage.client().has_no_longer(address)?;
    wrong.extend(not_wholly_owned(stage));
    Ok(wrong)
}

/// A node of another cluster of the same name speaks to ours.
pub(super) fn other_cluster(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, second, third] = roles(stage)?;
    let before = epoch(stage)?;
    let marks = [mark(stage, owner), mark(stage, second)];
    let host = &mut stage.site.hosts[third];
    host.order(&Order::Stop)?;
    stage.product.start_elsewhere(host, "/var/lib/tsugi/other")?;
    stage.product.found_alone(&stage.site.hosts[third])?;
    let mut wrong = Vec::new();
    for (at, from) in [owner, second].into_iter().zip(marks) {
        wrong.extend(says(stage, at, from, OTHER_CLUSTER));
    }
    wrong.extend(not_wholly_owned(stage));
    let host = &mut stage.site.hosts[third];
    host.order(&Order::Stop)?;
    host.run(&["rm", "-r", "/var/lib/tsugi/other"], SAYS)?;
    stage.product.start(host)?;
    stage.wait_whole()?;
    if epoch(stage)? != before {
        wrong.push("the group was given out anew".to_owned());
    }
    Ok(wrong)
}

/// What a node said in a former life arrives late, as recorded by somebody on the network.
pub(super) fn old_boot(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, second, third] = roles(stage)?;
    let before = epoch(stage)?;
    let port = PortId { host: stage.site.hosts[third].index, link: 2 };
    stage.site.wire.instruments().switch.tape(port);
    std::thread::sleep(Duration::from_millis(500));
    let tape = stage.site.wire.instruments().switch.take_tape();
    let agents = stage.product.processes(&stage.site.hosts[third], Part::Agent);
    stage.site.hosts[third].order(&Order::Stop)?;
    stage.product.start(&mut stage.site.hosts[third])?;
    stage.wait_whole()?;
    let mut wrong = Vec::new();
    if tape.len() < 4 || agents.iter().any(|agent| agent.runs()) {
        wrong.push(format!("{} frames of the former life were recorded", tape.len()));
    }
    let marks = [mark(stage, owner), mark(stage, second)];
    for frame in tape {
        stage.site.wire.inject(port, &frame);
    }
    for (at, from) in [owner, second].into_iter().zip(marks) {
        wrong.extend(says(stage, at, from, OLD_BOOT));
    }
    wrong.extend(not_wholly_owned(stage));
    if epoch(stage)? != before {
        wrong.push("the group was given out anew".to_owned());
    }
    Ok(wrong)
}
