//! Everything in one list, for people and for programs.

use serde_json::Value;
use tsugi_wire::control::Reply;
use tsugi_wire::control::listing::{GroupRow, HeartbeatRow, Listing, NodeRow, PartRow, StatusWord};
use tsugi_wire::control::report::Status;

use crate::agent::{Agent, nobody};
use crate::online::status;
use crate::schema::check;
use crate::{tsugi, tsugi_as, tsugi_ja};

fn part(name: &str, kind: &str, node: &str, status: StatusWord) -> PartRow {
    let [group, name, kind, node] = ["PAY", name, kind, node].map(str::to_owned);
    PartRow { group, name, kind, node, status }
}

/// A list in which every word stands once.
fn listing() -> Listing {
    use StatusWord as W;
    let node = |name: &str, status| NodeRow { name: name.to_owned(), status };
    let way = |address: &str, status| HeartbeatRow {
        node: "node2".to_owned(),
        address: address.to_owned(),
        status,
    };
    let group = |name: &str, node: Option<&str>, status| GroupRow {
        name: name.to_owned(),
        node: node.map(str::to_owned),
        status,
    };
    Listing {
        cluster: W::Caution,
        nodes: vec![node("node1", W::Online), node("node2", W::Unknown)],
        heartbeats: vec![way("10.0.0.2:7400", W::Normal), way("10.1.0.2:7400", W::Error)],
        groups: vec![group("PAY", Some("node1"), W::OnlinePending), group("LOG", None, W::Offline)],
        resources: vec![
            part("vip", "address", "node1", W::OnlineFailure),
            part("disk", "volume", "node1", W::OfflineFailure),
            part("server", "process", "node1", W::OfflinePending),
        ],
        monitors: vec![
            part("vip", "link", "node1", W::Suspend),
            part("server", "tcp", "node2", W::Unused),
        ],
    }
}

fn agent() -> Agent {
    Agent::that_says(Reply::Status(Status { listing: listing(), ..status(1) }))
}

/// The words of a JSON list as the tables print them, row by row.
fn rows(json: &Value) -> Vec<String> {
    let listing = &json["listing"];
    let spelled = |word: &Value| {
        let words = word.as_str().expect("a word").split('-');
        let big = |word: &str| word[..1].to_uppercase() + &word[1..];
        words.map(big).collect::<Vec<_>>().join(" ")
    };
    let mut out = vec![format!(
        "{} {}",
        json["cluster"].as_str().expect("a name"),
        spelled(&listing["cluster"])
    )];
    for (table, fields) in [
        ("nodes", &["name"][..]),
        ("heartbeats", &["node", "address"]),
        ("groups", &["name", "node"]),
        ("resources", &["name", "group", "kind", "node"]),
        ("monitors", &["name", "group", "kind", "node"]),
    ] {
        for row in listing[table].as_array().expect("rows") {
            let cells = fields.iter().map(|field| row[field].as_str().unwrap_or("-"));
            let cells: Vec<&str> = cells.collect();
            out.push(format!("{} {}", cells.join(" "), spelled(&row["status"])));
        }
    }
    out
}

/// Lines with one blank between cells.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn cl_36_the_long_status_lists_everything_and_json_has_the_same_content() {
    let agent = agent();
    let json = tsugi(agent.run_dir(), &["status", "--json"]);
    assert_eq!(check(&json.out), "tsugi.status");
    let rows = rows(&serde_json::from_str(&json.out).unwrap());
    assert_eq!(rows.len(), 12, "{rows:?}");
    for long in [
        tsugi(agent.run_dir(), &["status", "--long"]),
        tsugi_ja(agent.run_dir(), &["status", "--long"]),
    ] {
        let lines = squeezed(&long.out);
        let mut at = 0;
        for row in &rows {
            let found = lines[at..].iter().position(|line| line == row);
            at += found.unwrap_or_else(|| panic!("{row:?} in its place in {lines:#?}")) + 1;
        }
    }
    let short = tsugi(agent.run_dir(), &["status"]);
    assert!(!short.out.contains("Online Failure"), "{}", short.out);
}

#[test]
fn cl_36_the_old_name_prints_the_whole_list_and_as_json_the_same_for_programs() {
    let dir = nobody();
    tsugi(dir.path(), &["compat", "install", dir.path().to_str().unwrap()]).ended(0, "clpstat");
    let (agent, clpstat) = (agent(), dir.path().join("clpstat"));
    for words in [&[][..], &["-s"]] {
        let ran = tsugi_as(&clpstat, agent.run_dir(), words);
        ran.ended(0, "clpstat is now: tsugi status --long").ended(0, "Offline Failure");
    }
    let json = tsugi_as(&clpstat, agent.run_dir(), &["--json"]);
    assert_eq!(check(&json.out), "tsugi.status");
    let asked = tsugi(agent.run_dir(), &["status", "--json"]);
    let listing = |text: &str| serde_json::from_str::<Value>(text).unwrap()["listing"].clone();
    assert_eq!(listing(&json.out), listing(&asked.out));
}
