//! What is kept of fence devices and of fences that were ordered.

use tsugi_cluster_rules::record::{Demand, FenceFault, FenceOrder, NodeRecord, Order};
use tsugi_cluster_rules::spec::{FenceDevice, NodeSpec, Role};
use tsugi_vocabulary::{BootId, Span, Wall};

use crate::{every, keeps, node};

const AT: Wall = Wall(1_700_000_000_000);

fn faults() -> Vec<(&'static str, FenceFault)> {
    let words = || "login failed".to_owned();
    vec![
        ("absent", FenceFault::Absent(words())),
        ("secret", FenceFault::Secret("mode 0644".to_owned())),
        ("failed", FenceFault::Failed(words())),
        ("slow", FenceFault::Slow(Span::secs(20))),
        ("flooded", FenceFault::Flooded),
        ("nonsense", FenceFault::Nonsense("signal 11".to_owned())),
        ("wrong", FenceFault::Wrong),
        ("lied", FenceFault::Lied),
        ("late", FenceFault::Late),
    ]
}

fn fence() -> FenceOrder {
    let (boot, by_boot) = (BootId(0x0a0b_0c0d), BootId(7));
    FenceOrder { boot, by: node("b"), by_boot, at: AT, order: None, failed: None }
}

#[test]
fn a_fence_of_version_1_is_kept_with_every_outcome() {
    let keep = |name: &str, fencing| {
        let record = NodeRecord { fencing: Some(fencing), ..NodeRecord::new(2) };
        keeps(&format!("node-fence-{name}"), &record);
    };
    keep("ordered", fence());
    let (by, reason, command) = ("mika".to_owned(), "it burns".to_owned(), "c-17".to_owned());
    let order = Some(Order { by, reason, at: AT, command });
    keep("by-hand", FenceOrder { order, ..fence() });
    for (name, fault) in faults() {
        keep(name, FenceOrder { failed: Some((Wall(AT.0 + 20_000), fault)), ..fence() });
    }
    let (by, reason, command) = ("mika".to_owned(), "it hangs".to_owned(), "c-18".to_owned());
    let demand = Demand { boot: BootId(0x0a0b_0c0d), order: Order { by, reason, at: AT, command } };
    keeps("node-end-demanded", &NodeRecord { demanded: Some(demand), ..NodeRecord::new(2) });
    let unable = faults().into_iter().map(|(name, fault)| (node(name), fault)).collect();
    keeps("node-unable", &NodeRecord { unable, ..NodeRecord::new(2) });
    let caught = [(node("b"), device(None))].into();
    keeps("node-caught-a-device", &NodeRecord { caught, ..NodeRecord::new(2) });
    let all: Vec<FenceFault> = faults().into_iter().map(|(_, fault)| fault).collect();
    every!(
        all,
        FenceFault::Absent(_),
        FenceFault::Secret(_),
        FenceFault::Failed(_),
        FenceFault::Slow(_),
        FenceFault::Flooded,
        FenceFault::Nonsense(_),
        FenceFault::Wrong,
        FenceFault::Lied,
        FenceFault::Late,
    );
}

fn device(secret: Option<String>) -> FenceDevice {
    FenceDevice {
        agent: "fence_ipmilan".to_owned(),
        options: [("ip".to_owned(), "192.0.2.1".to_owned())].into(),
        secret,
        limit: Span::secs(20),
        every: Span::secs(3600),
    }
}

#[test]
fn a_device_of_version_1_is_kept_with_its_node() {
    let address = || vec!["10.0.1.1:7400".parse().expect("an address")];
    let with =
        |secret| NodeSpec { addresses: address(), role: Role::Node, fence: Some(device(secret)) };
    keeps("machine-fence", &with(None));
    keeps("machine-fence-secret", &with(Some("/etc/tsugi/pki/bmc1".to_owned())));
    keeps("machine", &NodeSpec { addresses: address(), role: Role::Witness, fence: None });
}
