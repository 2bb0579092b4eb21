//! A plan with every choice, every rest, every wait and every step.

use std::collections::BTreeMap;

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan, Resting, Step, Waiting};
use tsugi_cluster_rules::reason::Cause;
use tsugi_vocabulary::{Epoch, Generation, Wall};

use crate::{causes, every, group, keeps, node};

fn chosen() -> Vec<(&'static str, Chosen)> {
    let (a, b) = (node("a"), node("b"));
    let epoch = Epoch { incarnation: 1, counter: 5 };
    let rest = |because| Chosen::Rest { because };
    let wait = |on| Chosen::Wait { on };
    vec![
        ("STAY", Chosen::Stay { node: a.clone() }),
        ("GIVE", Chosen::Give { node: b.clone(), epoch }),
        ("HANDOVER", Chosen::HandOver { from: a.clone(), to: b }),
        ("STOP", Chosen::Stop { from: a.clone() }),
        ("NOPLACE", Chosen::NoPlace),
        ("ORDERED", rest(Resting::Ordered)),
        ("MANUAL", rest(Resting::Manual)),
        ("GAVEUP", rest(Resting::GaveUp)),
        ("REMOVED", rest(Resting::Removed)),
        ("PAUSED", rest(Resting::Paused)),
        ("PINNED", wait(Waiting::Pinned { node: a.clone() })),
        ("FENCE", wait(Waiting::Fence { node: a.clone() })),
        ("SETTLING", wait(Waiting::Settling)),
        ("NOMAJORITY", wait(Waiting::NoMajority { heard: 1, needed: 2 })),
        ("STUCK", wait(Waiting::Stuck { node: a })),
    ]
}

fn plan() -> Plan {
    let (a, b) = (node("a"), node("b"));
    let rejected: BTreeMap<_, _> = [(b.clone(), causes::rejections()[2].1.clone())].into();
    let cause = Some(Cause::Drain { node: a.clone() });
    let decision = |(name, chosen): (&str, Chosen)| {
        let decision = Decision { chosen, cause: cause.clone(), rejected: rejected.clone() };
        (group(name), decision)
    };
    let epoch = Epoch { incarnation: 1, counter: 5 };
    Plan {
        generation: Generation(12),
        parent: Generation(11),
        by: a.clone(),
        at: Wall(1_800_000_000_000),
        decisions: chosen().into_iter().map(decision).collect(),
        steps: vec![
            Step::Stop { group: group("HANDOVER"), node: a },
            Step::Give { group: group("HANDOVER"), node: b.clone(), epoch },
            Step::Start { group: group("HANDOVER"), node: b },
        ],
    }
}

#[test]
fn a_plan_of_version_1_is_kept_with_every_choice() {
    let plan = plan();
    keeps("plan", &plan);
    let nothing = Plan { decisions: BTreeMap::new(), steps: Vec::new(), ..plan.clone() };
    keeps("plan-of-nothing", &nothing);
    let group = group("DB");
    let waits = Chosen::Wait { on: Waiting::Group { group } };
    keeps("chosen-waits-for-a-group", &waits);
    let observed = Chosen::Wait { on: Waiting::Observed { to: node("b") } };
    keeps("chosen-only-observed", &observed);
    let mut choices: Vec<Chosen> = chosen().into_iter().map(|(_, chosen)| chosen).collect();
    choices.extend([waits, observed]);
    every!(
        choices,
        Chosen::Stay { .. },
        Chosen::Give { .. },
        Chosen::HandOver { .. },
        Chosen::Stop { .. },
        Chosen::NoPlace,
        Chosen::Rest { because: Resting::Ordered },
        Chosen::Rest { because: Resting::Manual },
        Chosen::Rest { because: Resting::GaveUp },
        Chosen::Rest { because: Resting::Removed },
        Chosen::Rest { because: Resting::Paused },
        Chosen::Wait { on: Waiting::Pinned { .. } },
        Chosen::Wait { on: Waiting::Fence { .. } },
        Chosen::Wait { on: Waiting::Settling },
        Chosen::Wait { on: Waiting::NoMajority { .. } },
        Chosen::Wait { on: Waiting::Stuck { .. } },
        Chosen::Wait { on: Waiting::Group { .. } },
        Chosen::Wait { on: Waiting::Observed { .. } },
    );
    every!(plan.steps, Step::Stop { .. }, Step::Give { .. }, Step::Start { .. });
}
