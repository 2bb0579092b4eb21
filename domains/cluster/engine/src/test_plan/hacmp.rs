//! The form of HACMP's Cluster Test Tool: a line each, `TEST_NAME, parameter, …, comments`, and a
//! file of `name=value` for its parameters.

use std::collections::BTreeMap;

use tsugi_messages::{Phrase, phrase};
use tsugi_wire::control::drill::Failure;
use tsugi_wire::control::report::Status;

use super::own::time;
use super::{
    In, Problem, Test, WITHIN, What, group, next_place, node, process, readable, running_nodes,
};

pub(super) fn read(
    text: &str,
    variables: Option<&[u8]>,
    status: &Status,
) -> Result<Vec<Test>, Vec<Problem>> {
    let variables = self::variables(variables)?;
    let (mut tests, mut problems) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match of_line(text, &variables, status) {
            Ok(found) => {
                tests.extend(found.into_iter().map(|test| Test { line: Some(line), ..test }));
            }
            Err(what) => problems.push(Problem::at(line, what)),
        }
    }
    if problems.is_empty() { Ok(tests) } else { Err(problems) }
}

type Variables = BTreeMap<String, String>;

fn variables(bytes: Option<&[u8]>) -> Result<Variables, Vec<Problem>> {
    let file = In::Variables;
    let text = readable(bytes.unwrap_or_default(), file).map_err(|problem| vec![problem])?;
    let (mut found, mut problems) = (Variables::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match text.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                if found.insert(name.to_owned(), value.to_owned()).is_some() {
                    let what = phrase::test_variable_twice(name);
                    problems.push(Problem { file, line, what });
                }
            }
            Some(_) | None => {
                problems.push(Problem { file, line, what: phrase::test_variable_wrong(text) });
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// How many parameters a test has before its comments.
fn parameters(name: &str) -> Result<usize, Phrase> {
    Ok(match name {
        "NODE_UP" | "NODE_DOWN_GRACEFUL" | "NODE_DOWN_TAKEOVER" | "CLSTRMGR_KILL" | "WAIT" => 1,
        "RG_MOVE" | "RG_OFFLINE" | "RG_ONLINE" => 2,
        "SERVER_DOWN" => 3,
        "NODE_DOWN_FORCED"
        | "RG_MOVE_SITE"
        | "VG_DOWN"
        | "FAIL_LABEL"
        | "JOIN_LABEL"
        | "NETWORK_UP_LOCAL"
        | "NETWORK_DOWN_LOCAL"
        | "NETWORK_UP_GLOBAL"
        | "NETWORK_DOWN_GLOBAL"
        | "NETWORK_UP_NONIP"
        | "NETWORK_DOWN_NONIP" => {
            return Err(phrase::test_not_offered(name));
        }
        _ => return Err(phrase::test_unknown(name)),
    })
}

/// What one line asks for: a test of every node or group may be several here.
fn of_line(text: &str, variables: &Variables, status: &Status) -> Result<Vec<Test>, Phrase> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let name = fields.first().copied().unwrap_or_default();
    let count = parameters(name)?;
    let given = |at: usize| {
        let field = fields.get(at).copied().filter(|field| !field.is_empty() && at <= count);
        let field = field.ok_or_else(|| phrase::test_parameter_missing(name, at))?;
        Ok::<&str, Phrase>(variables.get(field).map_or(field, String::as_str))
    };
    let one = |what: What| Ok(vec![what]);
    let all = match name {
        "NODE_UP" => match given(1)? {
            "ALL" => {
                let nodes = status.nodes.iter().filter(|node| node.role == "node");
                one(What::InService(nodes.map(|node| node.name.clone()).collect()))
            }
            name => one(What::InService(vec![node(status, name)?])),
        },
        "NODE_DOWN_GRACEFUL" => match given(1)? {
            "ALL" => Ok(stops(status, None)),
            name => Ok(stops(status, Some(&node(status, name)?))),
        },
        "NODE_DOWN_TAKEOVER" => {
            one(What::Make(Failure::NodeDrain { node: any_node(status, given(1)?)? }))
        }
        "CLSTRMGR_KILL" => {
            one(What::Make(Failure::AgentKill { node: any_node(status, given(1)?)? }))
        }
        "RG_MOVE" => {
            let of = group(status, given(1)?)?;
            let to = match given(2)? {
                "RESTORE" => {
                    return Ok(vec![made(name, What::Runs(of.name.clone()), &fields, count)]);
                }
                "ANY" => next_place(status, of),
                to => Some(node(status, to)?),
            };
            one(What::Make(Failure::GroupMove { group: of.name.clone(), to }))
        }
        "RG_OFFLINE" => {
            let group = group(status, given(1)?)?.name.clone();
            known_place(status, given(2)?, &["ALL", "ANY"])?;
            one(What::Make(Failure::GroupStop { group }))
        }
        "RG_ONLINE" => {
            let group = group(status, given(1)?)?.name.clone();
            known_place(status, given(2)?, &["ALL", "ANY", "RESTORE"])?;
            one(What::Runs(group))
        }
        "SERVER_DOWN" => {
            known_place(status, given(1)?, &["ANY"])?;
            let failure = process(status, given(2)?)?;
            // Its command is what stops the server there; here the program itself is killed.
            let _unused = given(3)?;
            one(What::Make(failure))
        }
        _ => one(What::Wait(time(&format!("{}s", given(1)?))?)),
    }?;
    Ok(all.into_iter().map(|what| made(name, what, &fields, count)).collect())
}

fn made(name: &str, what: What, fields: &[&str], count: usize) -> Test {
    let comment = fields.get(count + 1..).unwrap_or_default().join(", ");
    Test { line: None, name: name.to_owned(), what, within: WITHIN, comment }
}

/// A stop of each group that runs, on one node or on all; where nothing runs, the node is only
/// looked for.
fn stops(status: &Status, on: Option<&str>) -> Vec<What> {
    let there = |owner: &Option<String>| match (owner, on) {
        (Some(owner), Some(on)) => owner == on,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let groups = status.groups.iter().filter(|group| there(&group.owner));
    let all: Vec<What> =
        groups.map(|g| What::Make(Failure::GroupStop { group: g.name.clone() })).collect();
    match (all.is_empty(), on) {
        (true, Some(on)) => vec![What::InService(vec![on.to_owned()])],
        (true | false, _) => all,
    }
}

fn known_place(status: &Status, name: &str, words: &[&str]) -> Result<(), Phrase> {
    if words.contains(&name) {
        return Ok(());
    }
    node(status, name).map(|_| ())
}

/// A node by its name, or with `ANY` the first that runs something.
fn any_node(status: &Status, name: &str) -> Result<String, Phrase> {
    if name != "ANY" {
        return node(status, name);
    }
    let owning = |node: &&tsugi_wire::control::report::Node| !node.groups.is_empty();
    let found = running_nodes(status).find(owning).or_else(|| running_nodes(status).next());
    found.map(|node| node.name.clone()).ok_or_else(|| phrase::test_unknown_node(name))
}
