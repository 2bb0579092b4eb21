//! A plan of failure tests (PH-17): read from a file in one of two forms, or made for the cluster
//! as it is.
//!
//! The own form is TOML, a `[[test]]` each. The other is that of HACMP's Cluster Test Tool, which
//! its users have: `TEST_NAME, parameter, …, comments`, with its variables in a file of their own.
//! A test that has no counterpart is an error of its line: nothing of a plan with one is run.

mod hacmp;
mod own;
#[cfg(test)]
mod tests;

use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::Span;
use tsugi_wire::control::drill::Failure;
use tsugi_wire::control::report::{Group, Status};

/// The longest plan that is read, in bytes; so is a file of variables.
pub const LONGEST: usize = 64 << 10;
/// The most tests that one plan may have.
pub const MOST: usize = 500;
/// How long what is to follow may take, where a test does not say it.
pub const WITHIN: Span = Span::secs(60);
/// The longest that a test may take or wait.
const LONGEST_TIME: Span = Span::secs(3_600);

/// One test of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Its line in the file; none where there is no file.
    pub line: Option<usize>,
    /// Its name as it stands there.
    pub name: String,
    /// What is done.
    pub what: What,
    /// How long what is to follow may take.
    pub within: Span,
    /// What the plan says to it.
    pub comment: String,
}

/// What a test does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Something is made to fail, and what follows is watched.
    Make(Failure),
    /// These nodes are looked for: they have to be up and in service.
    InService(Vec<String>),
    /// This group is looked for: it has to run.
    Runs(String),
    /// Nothing is done for so long.
    Wait(Span),
}

/// Which of two files something is wrong in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    /// The plan.
    Plan,
    /// Its variables.
    Variables,
}

/// Something that is wrong with a plan.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Where.
    pub file: In,
    /// In which line, from 1.
    pub line: usize,
    /// What.
    pub what: Phrase,
}

impl Problem {
    fn at(line: usize, what: Phrase) -> Self {
        Self { file: In::Plan, line, what }
    }
}

/// Reads a plan, for the cluster that a status tells of.
///
/// # Errors
/// All that is wrong with it, line by line.
pub fn read(
    plan: &[u8],
    variables: Option<&[u8]>,
    status: &Status,
) -> Result<Vec<Test>, Vec<Problem>> {
    let text = readable(plan, In::Plan).map_err(|problem| vec![problem])?;
    let is_own = |line: &str| line.starts_with('[');
    let lines = text.lines().map(str::trim);
    let first = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#'));
    let read = match (first, variables) {
        (None, _) => Err(vec![Problem::at(1, phrase::test_plan_empty())]),
        (Some(line), None) if is_own(line) => own::read(text, status),
        (Some(line), Some(_)) if is_own(line) => {
            let what = phrase::test_plan_no_variables();
            Err(vec![Problem { file: In::Variables, line: 1, what }])
        }
        (Some(_), variables) => hacmp::read(text, variables, status),
    };
    let tests = read?;
    match tests.get(MOST) {
        Some(first) => {
            let line = first.line.unwrap_or(1);
            Err(vec![Problem::at(line, phrase::test_plan_too_long(MOST))])
        }
        None if tests.is_empty() => Err(vec![Problem::at(1, phrase::test_plan_empty())]),
        None => Ok(tests),
    }
}

fn readable(bytes: &[u8], file: In) -> Result<&str, Problem> {
    if bytes.len() > LONGEST {
        let what = phrase::test_plan_too_large(LONGEST);
        return Err(Problem { file, line: 1, what });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem { file, line, what: phrase::test_plan_not_utf8() }
    })
}

/// The tests of a cluster as it is, in the order of HACMP's automated procedure: first what
/// concerns whole nodes, then each group, at the end what is lost without a warning.
#[must_use]
pub fn automatic(status: &Status) -> Vec<Test> {
    let make = |failure: Failure| Test {
        line: None,
        name: word(&failure).to_owned(),
        what: What::Make(failure),
        within: WITHIN,
        comment: String::new(),
    };
    let nodes = || running_nodes(status).map(|node| node.name.clone());
    let owning = |node: &String| status.groups.iter().any(|g| g.owner.as_ref() == Some(node));
    let general = nodes().filter(owning).map(|node| make(Failure::NodeDrain { node }));
    let of_group = |group: &Group| {
        let name = group.name.clone();
        let stop = Failure::GroupStop { group: name.clone() };
        let to = next_place(status, group);
        let go = to.map(|to| Failure::GroupMove { group: name.clone(), to: Some(to) });
        let kill = Failure::ProcessKill { group: name, resource: None };
        [Some(stop), go, Some(kill)].into_iter().flatten().map(make).collect::<Vec<_>>()
    };
    let runs = |group: &&Group| group.state == "running" && !group.paused;
    let groups = status.groups.iter().filter(runs).flat_map(of_group);
    let catastrophic = nodes().map(|node| make(Failure::AgentKill { node }));
    general.chain(groups).chain(catastrophic).collect()
}

/// The word of a failure, as a plan has it.
#[must_use]
pub const fn word(failure: &Failure) -> &'static str {
    match failure {
        Failure::GroupMove { .. } => "group-move",
        Failure::GroupStop { .. } => "group-stop",
        Failure::NodeDrain { .. } => "node-drain",
        Failure::ProcessKill { .. } => "process-kill",
        Failure::AgentKill { .. } => "agent-kill",
    }
}

/// The nodes that may run groups now.
fn running_nodes(status: &Status) -> impl Iterator<Item = &tsugi_wire::control::report::Node> {
    status.nodes.iter().filter(|node| {
        (node.role.as_str(), node.state.as_str(), node.intent.as_str())
            == ("node", "up", "in-service")
    })
}

/// The next node that a group could be moved to.
fn next_place(status: &Status, group: &Group) -> Option<String> {
    let up = |name: &&String| {
        Some(*name) != group.owner.as_ref() && running_nodes(status).any(|n| n.name == **name)
    };
    group.prefer.iter().find(up).cloned()
}

/// A group of the cluster by its name.
fn group<'s>(status: &'s Status, name: &str) -> Result<&'s Group, Phrase> {
    let found = status.groups.iter().find(|group| group.name == name);
    found.ok_or_else(|| phrase::test_unknown_group(name))
}

/// A node of the cluster by its name; a witness runs nothing that could be tested.
fn node(status: &Status, name: &str) -> Result<String, Phrase> {
    let found = status.nodes.iter().find(|node| node.name == name && node.role == "node");
    found.map(|node| node.name.clone()).ok_or_else(|| phrase::test_unknown_node(name))
}

/// `GROUP` or `GROUP/RESOURCE`.
fn process(status: &Status, name: &str) -> Result<Failure, Phrase> {
    let (of, resource) = match name.split_once('/') {
        Some((of, resource)) => (of, Some(resource.to_owned())),
        None => (name, None),
    };
    let group = group(status, of)?.name.clone();
    Ok(Failure::ProcessKill { group, resource })
}
