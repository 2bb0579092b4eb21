//! `parity`: whether this node could take each group now, and what differs from another.

use std::path::Path;

use serde::Serialize;
use tsugi_cluster_engine::config;
use tsugi_cluster_engine::parity::{Asked, look, message};
use tsugi_cluster_rules::parity::{Gap, Inventory, differences, not_compared, shortfalls};
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::NodeName;
use tsugi_wire::control::{Reply, Request};

use super::read::{ask, strange};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Out, Schema};
use crate::render;

const COMMAND: &str = "tsugi parity";

/// What was found, as JSON has it; another node compares itself with `inventory`.
#[derive(Serialize)]
struct Shown<'a> {
    gaps: Vec<ShownGap>,
    inventory: &'a Inventory,
}

/// One gap.
#[derive(Serialize)]
struct ShownGap {
    group: String,
    item: String,
    id: &'static str,
    text: String,
}

/// Looks on this machine at what the applied configuration needs of its node.
pub fn parity(agents: &Agents, out: &Out, (of, against): (Option<&str>, Option<&Path>)) -> Exit {
    let (reply, observed) = match ask(agents, out, (&Request::ConfigShow, COMMAND)) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let Reply::Config(applied) = reply else { return strange(out, COMMAND) };
    let (Ok(read), Ok(me)) = (config::read(&applied.text), NodeName::new(&observed.by)) else {
        return strange(out, COMMAND);
    };
    if let Some(name) = of.filter(|name| !read.spec.groups.keys().any(|g| g.as_str() == *name)) {
        let groups: Vec<&str> = read.spec.groups.keys().map(|g| g.as_str()).collect();
        out.tell(&messages::refused_unknown_group(name, groups.join(", ")));
        return Exit::NotFound;
    }
    let asked = |group: &tsugi_vocabulary::GroupName| match of {
        Some(name) if group.as_str() != name => Asked::No,
        _ => Asked::Yes,
    };
    let mine = look((&read.spec, &applied.head.hash), &me, asked);
    // Who asks for one group by name gets an answer about it, or is told that there is none.
    if let Some(name) = of.filter(|_| mine.groups.is_empty()) {
        out.tell(&messages::parity_not_listed(name, &me));
        return Exit::Difference;
    }
    let theirs = match against.map(|path| other(out, path, &mine)).transpose() {
        Ok(theirs) => theirs,
        Err(exit) => return exit,
    };
    let mut gaps: Vec<(Gap, NodeName)> =
        shortfalls(&mine).into_iter().map(|gap| (gap, me.clone())).collect();
    if let Some(theirs) = &theirs {
        let left = not_compared(&read.spec, &mine, theirs).into_iter();
        let differ = differences(&mine, theirs).into_iter().chain(left);
        gaps.extend(differ.map(|gap| (gap, theirs.node.clone())));
    }
    let told = |(gap, other): &(Gap, NodeName)| {
        let message = message(gap, (&me, other));
        let (group, item) = (gap.group.to_string(), gap.item.clone());
        ShownGap { group, item, id: message.id(), text: message.line(out.language) }
    };
    let shown = Shown { gaps: gaps.iter().map(told).collect(), inventory: &mine };
    let schema = Schema::first("tsugi.parity");
    out.show(schema, &observed, &shown, || lines(out, &shown));
    if gaps.is_empty() { Exit::Done } else { Exit::Difference }
}

/// What another node has printed.
fn other(out: &Out, path: &Path, mine: &Inventory) -> Result<Inventory, Exit> {
    let unusable = |why: String| {
        out.tell(&messages::parity_file_unusable(path.display(), why));
        Exit::Failed
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    let theirs: Inventory = serde_json::from_value(value["inventory"].clone())
        .map_err(|error| unusable(error.to_string()))?;
    if theirs.config != mine.config {
        out.tell(&messages::parity_other_config(path.display(), &theirs.node));
        return Err(Exit::Refused);
    }
    if theirs.node == mine.node {
        out.tell(&messages::parity_same_node(path.display(), &theirs.node));
        return Err(Exit::Refused);
    }
    Ok(theirs)
}

fn lines(out: &Out, shown: &Shown<'_>) -> Vec<String> {
    let node = &shown.inventory.node;
    let mut lines = Vec::new();
    for group in shown.inventory.groups.keys() {
        let count = shown.gaps.iter().filter(|gap| gap.group == group.as_str()).count();
        lines.push(match count {
            0 => phrase::parity_well(node, group).text(out.language),
            _ => phrase::parity_not_well(node, group, count).text(out.language),
        });
        for gap in shown.gaps.iter().filter(|gap| gap.group == group.as_str()) {
            lines.extend(render::hanging("  ", &gap.text, render::columns()));
        }
    }
    lines
}
