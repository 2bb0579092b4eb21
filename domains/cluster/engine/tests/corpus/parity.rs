//! What nodes ask each other of what they have, and answer.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_engine::parity::{Ask, Say};
use tsugi_cluster_rules::parity::{Fact, Inventory};
use tsugi_cluster_rules::record::FenceFault;
use tsugi_vocabulary::Wall;

use crate::{every, group, keeps, node};

#[test]
fn what_nodes_say_of_what_they_have_in_version_1_is_kept_with_every_fact() {
    let facts = vec![
        Fact::Missing,
        Fact::NotExecutable,
        Fact::Unreadable { why: "permission denied".to_owned() },
        Fact::There { mark: "0.1.0 x86_64".to_owned() },
        Fact::Free { percent: 60 },
        Fact::NotEmpty,
        Fact::InUse { at: "/mnt".to_owned() },
        Fact::NoCarrier,
        Fact::Untested,
        Fact::Fails { fault: FenceFault::Flooded },
        Fact::Lasts { days: 300 },
    ];
    let by = "/etc/systemd/system/multi-user.target.wants/pay.service".to_owned();
    let of_units = vec![Fact::Masked, Fact::Enabled { by }];
    let of_running_units = vec![Fact::Active];
    let of_licences = vec![Fact::NotEntitled { why: "exit 3: no licence".to_owned() }];
    every!(
        [facts.clone(), of_units.clone(), of_running_units.clone(), of_licences.clone()].concat(),
        Fact::Missing,
        Fact::NotExecutable,
        Fact::Unreadable { .. },
        Fact::There { .. },
        Fact::Free { .. },
        Fact::NotEmpty,
        Fact::InUse { .. },
        Fact::NoCarrier,
        Fact::Untested,
        Fact::Fails { .. },
        Fact::Lasts { .. },
        Fact::Masked,
        Fact::Enabled { .. },
        Fact::Active,
        Fact::NotEntitled { .. },
    );
    let inventory = |facts: Vec<Fact>| {
        let facts: BTreeMap<String, Fact> = facts
            .into_iter()
            .enumerate()
            .map(|(n, fact)| (format!("file:/etc/{n:02}"), fact))
            .collect();
        let names: BTreeSet<String> = facts.keys().cloned().collect();
        Box::new(Inventory {
            node: node("a"),
            config: "c0ffee".to_owned(),
            groups: BTreeMap::from([(group("PAY"), names)]),
            facts,
            needed: BTreeSet::from(["file:/etc/00".to_owned()]),
            at: Some(Wall(1_700_000_000_000)),
        })
    };
    keeps("parity-has-of-units", &Say::Has { inventory: inventory(of_units), took_ms: 0 });
    let running = inventory(of_running_units);
    keeps("parity-has-of-running-units", &Say::Has { inventory: running, took_ms: 0 });
    let unentitled = inventory(of_licences);
    keeps("parity-has-of-licences", &Say::Has { inventory: unentitled, took_ms: 0 });
    let inventory = inventory(facts);
    keeps("parity-look", &Ask::Look);
    keeps("parity-look-for", &Ask::LookFor { text: "[cluster]\n".to_owned() });
    keeps("parity-has", &Say::Has { inventory: inventory.clone(), took_ms: 0 });
    keeps("parity-has-after-a-look", &Say::Has { inventory, took_ms: 3_900 });
    keeps("parity-not-yet", &Say::NotYet);
    keeps("parity-busy", &Say::Busy);
    keeps("parity-not-read", &Say::NotRead);
}
