//! `tsugi parity`: what a node lacks or has otherwise is named, with where.

use serde_json::{Value, json};
use tsugi_cluster_rules::parity::{Item, items};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::report::{CouldTake, Parity, ParityGap};
use tsugi_wire::control::{Reply, Request, Words, report};

use crate::agent::{Agent, answer, bytes, nobody};
use crate::schema::check;
use crate::{tsugi, tsugi_ja};

const FILE: &str = r#"
[cluster]
name = "kessai"
[node.node1]
address = "10.0.0.1"
[node.node2]
address = "10.0.0.2"
[witness]
address = "10.0.0.3"
[group.PAY]
prefer = ["node1", "node2"]
[[group.PAY.resource]]
name = "batch"
kind = "process"
start = ["/opt/pay/start"]
stop = ["/bin/true"]
monitor = ["/bin/true"]
"#;

fn inventory(node: &str, mark: &str) -> Value {
    let spec = tsugi_cluster_engine::config::read(FILE).expect("the file is right").spec;
    let (group, me) =
        (GroupName::new("PAY").expect("a name"), NodeName::new(node).expect("a name"));
    let all = items(&spec, &spec.groups[&group], &me);
    let names: Vec<String> = all.iter().map(Item::name).collect();
    let mark = |item: &str| if item == "program:/opt/pay/start" { mark } else { "same" };
    let fact = |item: &String| (item.clone(), json!({ "is": "there", "mark": mark(item) }));
    let facts: serde_json::Map<String, Value> = names.iter().map(fact).collect();
    json!({
        "node": node, "config": "h", "at": 1_795_237_119_123_u64,
        "groups": { "PAY": names }, "facts": facts, "needed": [],
    })
}

fn verdict(node: &str, could: &str, gap: Option<(&str, &str)>) -> CouldTake {
    let values = |item: &str| {
        let all = [("group", "PAY"), ("node", node), ("item", item), ("why", "no route")];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    let gap = gap.map(|(id, item)| ParityGap {
        item: item.to_owned(),
        what: Words { id: id.to_owned(), values: values(item) },
    });
    CouldTake {
        group: "PAY".to_owned(),
        node: node.to_owned(),
        against: (node != "node1").then(|| "node1".to_owned()),
        could: could.to_owned(),
        gaps: gap.into_iter().collect(),
    }
}

/// An agent that has found this.
fn agent(verdicts: Vec<CouldTake>) -> Agent {
    Agent::that_does(move |request| {
        let reply = match request {
            Request::ConfigShow => Reply::Config(report::Config {
                head: report::ConfigHead {
                    version: 1,
                    hash: "h".to_owned(),
                    unconfirmed_within_ms: None,
                    unconfirmed_since: None,
                    undone_at: None,
                    language: None,
                },
                text: FILE.to_owned(),
            }),
            _ => Reply::Parity(Parity {
                verdicts: verdicts.clone(),
                inventory: inventory("node1", "same"),
            }),
        };
        bytes(&answer(reply))
    })
}

#[test]
fn nodes_that_could_all_take_a_group_are_said_to_and_what_was_asked_for_is_asked() {
    let agent = agent(vec![verdict("node1", "yes", None), verdict("node2", "yes", None)]);
    let ran = tsugi(agent.run_dir(), &["parity", "PAY", "--node", "node2"]);
    ran.ended(0, "node1 could take PAY now").ended(0, "node2 could take PAY now");
    let (group, node) = (Some("PAY".to_owned()), Some("node2".to_owned()));
    assert_eq!(agent.first(), Request::Parity { group, node });
    let ran = tsugi(agent.run_dir(), &["parity", "--json"]);
    assert_eq!(check(&ran.out), "tsugi.parity");
}

#[test]
fn what_speaks_against_a_node_is_named_with_the_group_and_the_node() {
    let missing = Some(("TSUG10140-W", "program:/opt/pay/start"));
    let found = agent(vec![verdict("node1", "yes", None), verdict("node2", "no", missing)]);
    let ran = tsugi(found.run_dir(), &["parity"]);
    ran.ended(10, "TSUG10140-W").ended(10, "program:/opt/pay/start").ended(10, "node2 lacks");
    let ran = tsugi(found.run_dir(), &["parity", "--json"]);
    assert_eq!((ran.code, check(&ran.out).as_str()), (10, "tsugi.parity"));
    assert!(tsugi_ja(found.run_dir(), &["parity"]).out.contains("引き継げません"));
}

#[test]
fn a_node_that_could_not_be_asked_is_never_said_to_be_well() {
    let silent = Some(("TSUG10163-W", "group:PAY"));
    let found = agent(vec![verdict("node1", "yes", None), verdict("node2", "unknown", silent)]);
    let ran = tsugi(found.run_dir(), &["parity"]);
    ran.ended(10, "whether node2 could take PAY now is not known").ended(10, "no route");
}

#[test]
fn a_group_that_never_comes_to_a_node_is_not_one_that_it_could_take() {
    let none = agent(Vec::new());
    tsugi(none.run_dir(), &["parity", "PAY", "--node", "node2"]).ended(10, "TSUG10146-W");
}

#[test]
fn what_is_otherwise_in_the_output_of_another_node_is_named() {
    let here = nobody();
    let agent = agent(vec![verdict("node1", "yes", None)]);
    let other = here.path().join("other.json");
    let path = other.display().to_string();
    let compare = |inventory: Value| {
        std::fs::write(&other, json!({ "inventory": inventory }).to_string()).unwrap();
        tsugi(agent.run_dir(), &["parity", "--against", &path])
    };
    compare(inventory("node2", "same")).ended(0, "node1 could take PAY now");
    compare(inventory("node2", "other")).ended(10, "TSUG10144-W").ended(10, "node2 other");
    let mut silent = inventory("node2", "same");
    silent["groups"] = json!({});
    compare(silent).ended(10, "TSUG10145-W").ended(10, "is not known");
    compare(inventory("node1", "same")).ended(3, "TSUG10589-E");
    let mut of_another = inventory("node2", "same");
    of_another["config"] = "g".into();
    compare(of_another).ended(3, "TSUG10588-E");
    compare(Value::Null).ended(1, "TSUG10587-E");
}
