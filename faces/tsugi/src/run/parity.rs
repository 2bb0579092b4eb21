//! `parity`: which node could take each group now, and what differs from another.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use tsugi_cluster_engine::config;
use tsugi_cluster_engine::control::view;
use tsugi_cluster_engine::parity::Outcome;
use tsugi_cluster_rules::parity::{Answered, Inventory, verdicts};
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::NodeName;
use tsugi_wire::control::report::{CouldTake, Parity};
use tsugi_wire::control::{Reply, Request};

use super::read::{ask, strange};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};
use crate::render;

const COMMAND: &str = "tsugi parity";

/// What is asked for: a group, a node, and a file to compare with.
pub struct Asked<'a> {
    pub group: Option<&'a str>,
    pub node: Option<&'a str>,
    pub against: Option<&'a Path>,
}

/// What was found, as JSON has it; another node compares itself with `inventory`.
#[derive(Serialize)]
struct Shown<'a> {
    gaps: Vec<ShownGap>,
    verdicts: Vec<ShownVerdict<'a>>,
    inventory: &'a Value,
}

/// Whether one node could take one group.
#[derive(Serialize)]
struct ShownVerdict<'a> {
    group: &'a str,
    node: &'a str,
    against: Option<&'a str>,
    could: &'a str,
    count: usize,
}

/// One thing that speaks against it.
#[derive(Serialize)]
struct ShownGap {
    group: String,
    node: String,
    item: String,
    id: String,
    text: String,
}

/// Has the nodes look at what the applied configuration needs of them.
pub fn parity(agents: &Agents, out: &Out, asked: &Asked<'_>) -> Exit {
    let (group, node) = (asked.group.map(str::to_owned), asked.node.map(str::to_owned));
    let (found, observed) = match request(agents, out, &Request::Parity { group, node }) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let found = match asked.against {
        None => found,
        Some(path) => match against((agents, out), (asked, path), found) {
            Ok(found) => found,
            Err(exit) => return exit,
        },
    };
    // Who asks about one group on one node gets an answer, or is told that there is none.
    if let (Some(group), true) = (asked.group, found.verdicts.is_empty()) {
        out.tell(&messages::parity_not_listed(group, asked.node.unwrap_or(&observed.by)));
        return Exit::Difference;
    }
    let shown = shown(out, &found);
    let schema = Schema::first("tsugi.parity");
    out.show(schema, &observed, &shown, || lines(out, &shown));
    match found.verdicts.iter().all(|verdict| verdict.could == "yes") {
        true => Exit::Done,
        false => Exit::Difference,
    }
}

/// Asks the agent of this machine.
pub fn request(agents: &Agents, out: &Out, asked: &Request) -> Result<(Parity, Observed), Exit> {
    match ask(agents, out, (asked, COMMAND))? {
        (Reply::Parity(found), observed) => Ok((found, observed)),
        _ => Err(strange(out, COMMAND)),
    }
}

fn shown<'a>(out: &Out, found: &'a Parity) -> Shown<'a> {
    let gaps = found.verdicts.iter().flat_map(|verdict| {
        verdict.gaps.iter().map(|gap| ShownGap {
            group: verdict.group.clone(),
            node: verdict.node.clone(),
            item: gap.item.clone(),
            id: gap.what.id.clone(),
            text: out.line(&gap.what),
        })
    });
    let verdict = |verdict: &'a CouldTake| ShownVerdict {
        group: &verdict.group,
        node: &verdict.node,
        against: verdict.against.as_deref(),
        could: &verdict.could,
        count: verdict.gaps.len(),
    };
    Shown {
        gaps: gaps.collect(),
        verdicts: found.verdicts.iter().map(verdict).collect(),
        inventory: &found.inventory,
    }
}

/// This node compared with what another has printed, as if that ran all groups.
fn against(
    (agents, out): (&Agents, &Out),
    (asked, path): (&Asked<'_>, &Path),
    found: Parity,
) -> Result<Parity, Exit> {
    let (reply, _) = ask(agents, out, (&Request::ConfigShow, COMMAND))?;
    let Reply::Config(applied) = reply else { return Err(strange(out, COMMAND)) };
    let mine = serde_json::from_value(found.inventory.clone());
    let (Ok(read), Ok(mine)) = (config::read(&applied.text), mine) else {
        return Err(strange(out, COMMAND));
    };
    let theirs = other(out, path, &mine)?;
    let (me, them) = (mine.node.clone(), theirs.node.clone());
    let told = |inventory: &Inventory| Answered::Told {
        inventory: Box::new(inventory.clone()),
        ahead_ms: 0,
    };
    let answers = BTreeMap::from([(me.clone(), told(&mine)), (them.clone(), told(&theirs))]);
    let mut verdicts = verdicts((&read.spec, &mine.config), &answers, |_| Some::<&NodeName>(&them));
    verdicts.retain(|verdict| verdict.node == me);
    let outcome =
        Outcome { at: mine.at.unwrap_or_default(), config: mine.config.clone(), verdicts, mine };
    let name = |name: &str| tsugi_vocabulary::GroupName::new(name).ok();
    Ok(view::parity(&outcome, (asked.group.and_then(name).as_ref(), None)))
}

/// What another node has printed.
fn other(out: &Out, path: &Path, mine: &Inventory) -> Result<Inventory, Exit> {
    let unusable = |why: String| {
        out.tell(&messages::parity_file_unusable(path.display(), why));
        Exit::Failed
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
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
    let mut lines = Vec::new();
    for ShownVerdict { group, node, could, count, .. } in &shown.verdicts {
        let says = match *could {
            "yes" => phrase::parity_well(node, group),
            "no" => phrase::parity_not_well(node, group, count),
            _ => phrase::parity_not_known(node, group, count),
        };
        lines.push(says.text(out.language));
        for gap in shown.gaps.iter().filter(|gap| gap.group == *group && gap.node == *node) {
            lines.extend(render::hanging("  ", &gap.text, render::columns()));
        }
    }
    lines
}
