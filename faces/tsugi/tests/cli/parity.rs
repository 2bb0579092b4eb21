//! `tsugi parity`: what a node lacks or has otherwise is named, with where.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tsugi_wire::control::{Reply, report};

use crate::agent::{Agent, nobody};
use crate::schema::check;
use crate::tsugi;

/// An agent whose applied configuration runs this script.
fn agent(script: &Path) -> Agent {
    agent_that_prefers(script, r#""node1", "node2""#)
}

fn agent_that_prefers(script: &Path, nodes: &str) -> Agent {
    let script = script.display();
    let text = format!(
        r#"
[cluster]
name = "kessai"
[node.node1]
address = "10.0.0.1"
[node.node2]
address = "10.0.0.2"
[witness]
address = "10.0.0.3"
[group.PAY]
prefer = [{nodes}]
[[group.PAY.resource]]
name = "batch"
kind = "process"
start = ["{script}"]
stop = ["/bin/true"]
monitor = ["/bin/true"]
"#
    );
    let head = report::ConfigHead {
        version: 1,
        hash: "h".to_owned(),
        unconfirmed_within_ms: None,
        unconfirmed_since: None,
        undone_at: None,
        language: None,
    };
    Agent::that_says(Reply::Config(report::Config { head, text }))
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its rights");
}

#[test]
fn a_node_that_lacks_a_script_could_not_take_the_group_and_one_that_has_it_could() {
    let here = nobody();
    let script = here.path().join("start");
    let agent = agent(&script);
    let ran = tsugi(agent.run_dir(), &["parity"]);
    ran.ended(10, "TSUG10140-W").ended(10, "program:");
    write(&script, "#!/bin/sh\n");
    tsugi(agent.run_dir(), &["parity"]).ended(0, "node1 could take PAY now");
    tsugi(agent.run_dir(), &["parity", "PAY"]).ended(0, "PAY");
    tsugi(agent.run_dir(), &["parity", "PYA"]).ended(4, "TSUG");
}

#[test]
fn what_is_otherwise_on_another_node_is_named_with_how_it_is_here_and_there() {
    let here = nobody();
    let script = here.path().join("start");
    let agent = agent(&script);
    write(&script, "#!/bin/sh\n");
    let printed = tsugi(agent.run_dir(), &["parity", "--json"]);
    assert_eq!(check(&printed.out), "tsugi.parity");
    let other = here.path().join("other.json");
    let theirs = printed.out.replace("\"node\": \"node1\"", "\"node\": \"node2\"");
    std::fs::write(&other, &theirs).unwrap();
    let against = other.display().to_string();
    let compare = || tsugi(agent.run_dir(), &["parity", "--against", &against]);
    compare().ended(0, "could take PAY");
    write(&script, "#!/bin/sh\nexit 0\n");
    compare().ended(10, "TSUG10144-W").ended(10, "node2");
    std::fs::write(&other, theirs.replace("\"config\": \"h\"", "\"config\": \"g\"")).unwrap();
    compare().ended(3, "TSUG10588-E");
    std::fs::write(&other, "{}").unwrap();
    compare().ended(1, "TSUG10587-E");
    std::fs::write(&other, &printed.out).unwrap();
    compare().ended(3, "TSUG10589-E");
    let mut value: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    value["inventory"]["node"] = "node2".into();
    value["inventory"]["groups"] = serde_json::json!({});
    std::fs::write(&other, value.to_string()).unwrap();
    compare().ended(10, "TSUG10145-W");
}

#[test]
fn a_group_that_never_comes_to_this_node_is_not_one_that_it_could_take() {
    let here = nobody();
    let agent = agent_that_prefers(&here.path().join("start"), r#""node2""#);
    tsugi(agent.run_dir(), &["parity", "PAY"]).ended(10, "TSUG10146-W");
}
