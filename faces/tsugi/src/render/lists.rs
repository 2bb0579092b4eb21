//! Lists as tables: groups, nodes, the audit.

use tsugi_messages::{Column, Phrase, Table, phrase};
use tsugi_wire::control::report::{Audit, Group, Node, Status};

use super::outcome::outcome;
use super::{columns, moment};
use crate::out::Out;

fn heading<const N: usize>(out: &Out, words: [Phrase; N]) -> Vec<String> {
    words.into_iter().map(|w| w.text(out.language)).collect()
}

/// The table of groups.
pub fn groups(out: &Out, status: &Status) -> Vec<String> {
    let mut table = Table::new([Column::Left; 5]);
    let (group, state) = (phrase::heading_group(), phrase::heading_state());
    let (owner, epoch) = (phrase::heading_owner(), phrase::heading_epoch());
    table.row(heading(out, [group, state, owner, epoch, phrase::heading_reason()]));
    for group in &status.groups {
        let cause = group.cause.as_ref().map(|c| out.words(c)).unwrap_or_default();
        table.row([
            group.name.clone(),
            group_state(out, group),
            group.owner.clone().unwrap_or_else(|| "-".to_owned()),
            group.epoch.clone(),
            cause,
        ]);
    }
    table.lines(columns())
}

fn group_state(out: &Out, group: &Group) -> String {
    let state = match group.state.as_str() {
        "running" => phrase::state_running(),
        "starting" => phrase::state_starting(),
        "stopping" => phrase::state_stopping(),
        "moving" => phrase::state_moving(),
        "failed" => phrase::state_failed(),
        "stopped" => phrase::state_stopped(),
        "given-up" => phrase::state_given_up(),
        "waiting" => phrase::state_waiting(),
        "down" => phrase::state_down(),
        _ => phrase::state_unknown(),
    };
    let state = state.text(out.language);
    match group.paused {
        true => format!("{state} ({})", phrase::state_paused().text(out.language)),
        false => state,
    }
}

/// The table of nodes.
pub fn nodes(out: &Out, status: &Status) -> Vec<String> {
    let mut table = Table::new([Column::Left; 5]);
    let (node, state) = (phrase::heading_node(), phrase::heading_state());
    let (kind, leader) = (phrase::heading_kind(), phrase::heading_leader());
    table.row(heading(out, [node, state, kind, leader, phrase::heading_group()]));
    for node in &status.nodes {
        let kind = match node.role.as_str() {
            "witness" => phrase::state_witness(),
            _ => phrase::state_voter(),
        };
        let leads = if node.leads { phrase::yes() } else { phrase::no() };
        table.row([
            node.name.clone(),
            node_state(out, node),
            kind.text(out.language),
            leads.text(out.language),
            node.groups.join(", "),
        ]);
    }
    table.lines(columns())
}

fn node_state(out: &Out, node: &Node) -> String {
    let state = match (node.state.as_str(), node.intent.as_str()) {
        ("up", "drained") => phrase::state_drained(),
        ("up", _) => phrase::state_up(),
        ("isolated", _) => phrase::state_isolated(),
        ("missing", _) => phrase::state_missing(),
        ("left", _) => phrase::state_left(),
        _ => phrase::state_unknown(),
    };
    state.text(out.language)
}

/// The table of commands.
pub fn audit(out: &Out, audit: &Audit) -> Vec<String> {
    let mut table = Table::new([
        Column::Right,
        Column::Left,
        Column::Left,
        Column::Left,
        Column::Left,
        Column::Left,
    ]);
    let (number, moment_) = (phrase::heading_number(), phrase::heading_moment());
    let (person, command) = (phrase::heading_person(), phrase::heading_command());
    let (reason, what) = (phrase::heading_reason(), phrase::heading_what());
    table.row(heading(out, [number, moment_, person, command, reason, what]));
    for line in &audit.lines {
        table.row([
            line.number.to_string(),
            moment(line.at),
            line.person.clone(),
            line.words.clone(),
            line.reason.clone(),
            outcome(&line.outcome, out.language),
        ]);
    }
    table.lines(usize::MAX)
}
