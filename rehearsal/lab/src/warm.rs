//! A program that stands by: it runs on every node, and its port is bound where the address is not.

use std::net::IpAddr;

use crate::host::Process;
use crate::product::Status;
use crate::stage::Stage;

/// What stands by on each host, in their order.
#[must_use]
pub fn standing_by(stage: &Stage) -> Vec<Vec<Process>> {
    stage.site.hosts.iter().map(|host| stage.product.standing_by(host)).collect()
}

/// What is not as it must be before the fault: every other node listens already.
#[must_use]
pub fn not_bound(stage: &Stage, owner: usize) -> Option<String> {
    let at = stage.served().at();
    let IpAddr::V4(address) = at.ip() else { return Some("it is called over IPv6".into()) };
    let wanted = entry(address.octets(), at.port());
    let others = stage.site.hosts.iter().enumerate().filter(|(at, _)| *at != owner);
    let deaf = others.map(|(_, host)| host).find(|host| {
        let sockets = host.read("/proc/1/net/tcp").unwrap_or_default();
        !sockets.contains(&wanted)
    })?;
    Some(format!("{} does not listen on {at} before the address is there", deaf.name))
}

/// A listening socket as the kernel lists it.
fn entry(address: [u8; 4], port: u16) -> String {
    format!("{:08X}:{port:04X} 00000000:0000 0A", u32::from_le_bytes(address))
}

/// What is not as it must be afterwards: whoever answers was there before the fault.
#[must_use]
pub fn was_started(stage: &Stage, before: &[Vec<Process>], after: &Status) -> Option<String> {
    let Ok(owner) = stage.owner(after) else { return Some("nobody has the group".into()) };
    let now = stage.product.standing_by(&stage.site.hosts[owner]);
    let was = before.get(owner)?;
    (now.is_empty() || now != *was).then(|| format!("{was:?} stood by, now it is {now:?}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_listening_socket_is_found_in_the_list_of_the_kernel() {
        let line = "   1: 64014D0A:232B 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        assert!(line.contains(&super::entry([10, 77, 1, 100], 9003)));
        assert!(!line.contains(&super::entry([10, 77, 1, 100], 9004)));
    }
}
