//! What a region needs on each node: its right to run there, and the same copies of what is local.

use tsugi_cluster_rules::parity::{Fact, Wrong};

use super::*;

/// The group as a region whose programs may run where a command says so, and which is given a file
/// that each node has for itself.
fn region() -> ClusterSpec {
    let prefer = "prefer = [\"node1\", \"node2\"]\n";
    let entitled = format!("{prefer}entitled = [\"/opt/licence\", \"srv01\"]\n");
    let text = FILE.replacen(prefer, &entitled, 1);
    let text = format!(
        "{text}[[group.PAY.resource]]\nname = \"srv\"\nkind = \"process\"\nrun = \
         [\"/opt/start\", \"serve\", \"--volume\", \"/data\", \"--tokens\", \"/etc/table\"]\n"
    );
    config::read(&text).expect("the file is right").spec
}

/// What is made of both nodes, where node1 runs the region.
fn judged(spec: &ClusterSpec, sites: [&Site; 2]) -> [Verdict; 2] {
    let answered = |site: &Site| {
        let machine = site.machine();
        let inventory = look((spec, "h"), &machine, &site.own, &mut Hashes::default());
        Answered::Told { inventory: Box::new(inventory), ahead_ms: 0 }
    };
    let answers = sites.map(|site| (site.own.me.clone(), answered(site)));
    let owner = node("node1");
    let all = verdicts((spec, "h"), &answers.into(), |_| Some(&owner));
    all.try_into().expect("one for each node")
}

/// A licence that knows this service.
const ENTITLED: &str = "#!/bin/sh\ntest \"$1\" = srv01\n";

fn entitled(sites: [&Site; 2]) {
    sites.iter().for_each(|site| site.write("/opt/licence", ENTITLED, 0o755));
}

const ITEM: &str = "entitlement:/opt/licence srv01";

#[test]
fn mf_22_a_node_on_which_a_program_may_not_run_is_named_before_a_takeover_needs_it() {
    let (one, two) = pair();
    let spec = region();
    entitled([&one, &two]);
    let well = judged(&spec, [&one, &two]);
    assert!(well.iter().all(|verdict| verdict.gaps.is_empty()), "{well:?}");

    let expired = "#!/bin/sh\necho 'the licence ended on 2026-10-31' >&2\nexit 3\n";
    two.write("/opt/licence", expired, 0o755);
    let [_, standby] = judged(&spec, [&one, &two]);
    let gap = standby.gaps.iter().find(|gap| gap.item == ITEM).expect("it is named");
    let why = "exit 3: the licence ended on 2026-10-31";
    assert_eq!(gap.what, Wrong::NotEntitled(why.to_owned()));
    assert_eq!(could(&standby.gaps), Could::No);
    let told = message(gap, (&standby.node, &node("node1"))).line(tsugi_messages::Language::En);
    assert!(told.contains("TSUG20915-W") && told.contains(why), "{told}");
    assert!(told.contains("node2"), "{told}");
}

#[test]
fn mf_22_whether_a_program_may_run_is_never_guessed() {
    let (one, two) = pair();
    let spec = region();
    entitled([&one, &two]);
    let of = |site: &Site| {
        let inventory = look((&spec, "h"), &site.machine(), &site.own, &mut Hashes::default());
        inventory.facts[ITEM].clone()
    };
    // One that hangs has said nothing, and is not waited for; what it has started goes with it.
    let mark = two.path("/lives");
    let text = format!("#!/bin/sh\n(sleep 4; echo > {mark:?}) &\nsleep 60\n");
    two.write("/opt/licence", &text, 0o755);
    assert!(matches!(of(&two), Fact::Unreadable { .. }), "{:?}", of(&two));
    let [_, standby] = judged(&spec, [&one, &two]);
    assert_ne!(could(&standby.gaps), Could::Yes);
    two.remove("/opt/licence");
    assert_eq!(of(&two), Fact::Missing);
    two.write("/opt/licence", "#!/bin/sh\nkill -9 $$\n", 0o755);
    let killed = Fact::NotEntitled { why: "signal 9".to_owned() };
    assert_eq!(of(&two), killed);
    assert!(!mark.exists(), "nothing of a look goes on");
}

#[test]
fn mf_15_copies_that_each_node_has_for_itself_are_compared_and_the_one_that_differs_is_named() {
    let (one, two) = pair();
    let spec = region();
    entitled([&one, &two]);
    two.write("/etc/table", "1,2,4\n", 0o644);
    let [_, standby] = judged(&spec, [&one, &two]);
    let items: Vec<&str> = standby.gaps.iter().map(|gap| gap.item.as_str()).collect();
    assert_eq!(items, ["file:/etc/table"]);
    // The applied configuration is such a copy too: an answer for another one counts for nothing.
    let answers = [(&one, "h"), (&two, "another")].map(|(site, hash)| {
        let machine = site.machine();
        let inventory = look((&spec, hash), &machine, &site.own, &mut Hashes::default());
        let told = Answered::Told { inventory: Box::new(inventory), ahead_ms: 0 };
        (site.own.me.clone(), told)
    });
    let owner = node("node1");
    let all = verdicts((&spec, "h"), &answers.into(), |_| Some(&owner));
    let standby = all.iter().find(|verdict| verdict.node == node("node2")).expect("it may run it");
    assert!(standby.gaps.iter().any(|gap| gap.what == Wrong::OtherConfig), "{standby:?}");
    assert_eq!(could(&standby.gaps), Could::Unknown);
}
