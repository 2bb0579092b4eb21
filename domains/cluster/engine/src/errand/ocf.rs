//! Calls of resource agents, and of systemd for its units: what they are told, and what came of
//! them.
//!
//! An agent is a program like any other: the hands start it, keep its limit and kill what it
//! leaves. What its exit code means is the rules' table; here it becomes one step's outcome.

use tsugi_cluster_rules::ocf::{Action, AgentName, Code, Meaning, Undo, meaning};
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::spec::{ResourceKind, ResourceSpec};
use tsugi_cluster_rules::unit::UnitName;
use tsugi_host::request::{Ended, HowEnded, Limits, Program, Purpose, Request, Right, TimeLimit};
use tsugi_vocabulary::Span;

use super::how::{how_ended, last_line, shown};
use super::recipe::{free, lease, tail};
use super::{FLOOD, Job, REASON, Step, Surroundings};
use crate::unit;

/// Why an agent is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To bring the resource up.
    Start,
    /// To take it down.
    Stop,
    /// To take it down at once: what no agent can, and systemd can.
    Kill,
    /// To prove that the stop was one.
    Gone,
    /// To ask whether it is well.
    Ask,
    /// To find out whether a former agent of this machine has left it running.
    Find,
}

impl Call {
    const fn action(self) -> Action {
        match self {
            Self::Start => Action::Start,
            Self::Stop | Self::Kill => Action::Stop,
            Self::Gone | Self::Ask | Self::Find => Action::Monitor,
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::Start => Purpose::Start,
            Self::Stop | Self::Kill => Purpose::Stop,
            Self::Gone | Self::Ask | Self::Find => Purpose::Monitor,
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// What was wanted.
    Well,
    /// It was looked for and does not run.
    Absent,
    /// The agent cannot work here at all, and says so before it does anything.
    Refused(How),
    /// Something else.
    Badly(How),
}

/// What came of a call that ended so.
pub(super) fn came_of(call: Call, ended: &Ended) -> Came {
    let code = match (ended.limit, ended.how) {
        (TimeLimit::Kept, HowEnded::Exited(code)) => code,
        (TimeLimit::Exceeded, _) | (_, HowEnded::Signalled(_)) => {
            return Came::Badly(how_ended(ended));
        }
    };
    // What it did counts, not what it wrote; only a monitor would do it again and again.
    if call == Call::Ask && ended.dropped > FLOOD {
        return Came::Badly(how_ended(ended));
    }
    let plain = || how(code, Mishap::Plain, ended);
    match (call, meaning(call.action(), Code::of(code))) {
        (Call::Start | Call::Stop | Call::Kill | Call::Ask | Call::Find, Meaning::Well) => {
            Came::Well
        }
        (Call::Stop | Call::Kill | Call::Gone, Meaning::Down) => Came::Well,
        (Call::Find, Meaning::Down) => Came::Absent,
        (Call::Gone, Meaning::Well) => {
            let words = "it said that it has stopped, and its monitor says that it runs";
            Came::Badly(How::of(Mishap::StillThere, words))
        }
        (Call::Start | Call::Ask, Meaning::Down) => Came::Badly(plain()),
        (_, Meaning::TakenAsFailed) => {
            let mishap = match call {
                Call::Ask => Mishap::TakenAsFailed { code },
                Call::Start | Call::Stop | Call::Kill | Call::Gone | Call::Find => Mishap::Plain,
            };
            refused_or((call, code), how(code, mishap, ended))
        }
        (_, Meaning::Failed) => refused_or((call, code), plain()),
        (_, Meaning::Nonsense) => Came::Badly(how(code, Mishap::Nonsense { code }, ended)),
    }
}

/// An agent that finds its parameters or its program missing has done nothing yet.
fn refused_or((call, code): (Call, i32), how: How) -> Came {
    let refused = match Code::of(code) {
        Code::Arguments | Code::Unimplemented | Code::NotInstalled | Code::NotConfigured => true,
        Code::Success
        | Code::Generic
        | Code::Permission
        | Code::NotRunning
        | Code::Promoted
        | Code::FailedPromoted
        | Code::Degraded
        | Code::DegradedPromoted
        | Code::Unknown(_) => false,
    };
    match call {
        Call::Start | Call::Stop | Call::Kill | Call::Gone if refused => Came::Refused(how),
        Call::Start | Call::Stop | Call::Kill | Call::Gone | Call::Ask | Call::Find => {
            Came::Badly(how)
        }
    }
}

/// `exit 5: no such program`: the reason that the agent gives, else its last line.
fn how(code: i32, mishap: Mishap, ended: &Ended) -> How {
    let text = String::from_utf8_lossy(&ended.tail);
    let reasons = text.lines().rev().filter_map(|line| line.split_once(REASON));
    let reason = reasons.map(|(_, reason)| reason.trim()).find(|reason| !reason.is_empty());
    let said = reason.map_or_else(|| last_line(&text), shown);
    let words =
        if said.is_empty() { format!("exit {code}") } else { format!("exit {code}: {said}") };
    How::of(mishap, words)
}

/// Whose agent is called, for which job, on which node.
type Place<'a> = (&'a Job, &'a Surroundings, &'a ResourceSpec);

/// The steps of a start.
pub(super) fn start(place: Place<'_>) -> Vec<Step> {
    step(place, Call::Start).into_iter().collect()
}

/// The steps of a stop: it has stopped when its monitor says so as well.
pub(super) fn stop(place: Place<'_>) -> Vec<Step> {
    [Call::Stop, Call::Gone].into_iter().filter_map(|call| step(place, call)).collect()
}

/// The steps by which a resource is let go of after everything of its group was killed: what that
/// does not take away only its agent can.
pub(super) fn let_go(place: Place<'_>) -> Vec<Step> {
    match &place.2.kind {
        ResourceKind::Ocf { undo: Undo::Reset, .. } => stop(place),
        // Systemd kills what the hands cannot.
        ResourceKind::Unit { .. } => {
            [Call::Kill, Call::Gone].into_iter().filter_map(|call| step(place, call)).collect()
        }
        ResourceKind::Ocf { undo: Undo::Kill, .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Volume { .. }
        | ResourceKind::Process { .. } => Vec::new(),
    }
}

/// One look at how it is.
pub(super) fn ask(place: Place<'_>) -> Vec<Step> {
    step(place, Call::Ask).into_iter().collect()
}

/// Looks for what a former agent of this machine may have left running.
pub(super) fn find(job: &Job, around: &Surroundings) -> Vec<Step> {
    job.spec.resources.iter().filter_map(|r| step((job, around, r), Call::Find)).collect()
}

fn step((job, around, resource): Place<'_>, call: Call) -> Option<Step> {
    let place = (job, around, resource);
    let monitor = match &resource.kind {
        ResourceKind::Ocf { monitor, .. } | ResourceKind::Unit { monitor, .. } => monitor,
        ResourceKind::Address { .. }
        | ResourceKind::Volume { .. }
        | ResourceKind::Process { .. } => return None,
    };
    let (limit, right): (Span, Right) = match call {
        Call::Start => (resource.start_limit, lease(job)),
        Call::Stop | Call::Kill => (resource.stop_limit, free(job)),
        Call::Gone | Call::Ask | Call::Find => (monitor.limit, free(job)),
    };
    let (argv, env) = match &resource.kind {
        ResourceKind::Unit { unit, .. } => of_unit(around, (unit, call)),
        _ => of_agent(place, (call, limit))?,
    };
    let program = Program {
        right,
        name: resource.name.clone(),
        purpose: call.purpose(),
        argv,
        env,
        dir: None,
        user: None,
        limits: Limits::default(),
        output: tail(),
        time_limit: Some(limit),
    };
    Some(Step::Call { call, request: Request::Spawn(program) })
}

/// A program's words, and its environment.
type Called = (Vec<String>, Vec<(String, String)>);

/// How systemd is called for a unit: by this program, which answers as an agent does.
fn of_unit(around: &Surroundings, (unit, call): (&UnitName, Call)) -> Called {
    let action = match call {
        Call::Start => unit::Action::Start,
        Call::Stop => unit::Action::Stop,
        Call::Kill => unit::Action::Kill,
        Call::Gone | Call::Ask | Call::Find => unit::Action::Monitor,
    };
    let words = unit::words(action, unit).into_iter();
    let env = [("PATH", around.path.clone()), ("LANG", "C.UTF-8".to_owned())];
    let env = env.map(|(name, value)| (name.to_owned(), value));
    ([around.tsugi.clone()].into_iter().chain(words).collect(), env.into())
}

/// How an agent is called.
fn of_agent((job, around, resource): Place<'_>, (call, limit): (Call, Span)) -> Option<Called> {
    let ResourceKind::Ocf { agent, parameters, level, monitor, .. } = &resource.kind else {
        return None;
    };
    let (interval, level) = match call {
        Call::Ask => (monitor.every, *level),
        // By this an agent knows that it need not run: nobody would read its complaint.
        Call::Start | Call::Stop | Call::Kill | Call::Gone | Call::Find => (Span::ZERO, 0),
    };
    let path = around.ocf_root.join("resource.d").join(agent.provider()).join(agent.kind());
    let word = call.action().word();
    let mut env = environment((job, around, resource), agent, word);
    let of_call = [
        ("OCF_RESKEY_CRM_meta_timeout", limit.as_millis().to_string()),
        ("OCF_RESKEY_CRM_meta_interval", interval.as_millis().to_string()),
        ("OCF_CHECK_LEVEL", level.to_string()),
    ];
    env.extend(of_call.map(|(name, value)| (name.to_owned(), value)));
    env.extend(parameters.iter().map(|(name, v)| (format!("OCF_RESKEY_{name}"), v.clone())));
    Some((vec![path.to_string_lossy().into_owned(), word.to_owned()], env))
}

/// What every call is told; nothing comes from this process's own environment.
fn environment(
    (job, around, resource): Place<'_>,
    agent: &AgentName,
    word: &str,
) -> Vec<(String, String)> {
    let pairs = [
        ("PATH", around.path.clone()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TSUGI_RUN_DIR", around.run_dir.display().to_string()),
        ("TSUGI_NODE", around.node.clone()),
        ("OCF_ROOT", around.ocf_root.display().to_string()),
        ("OCF_RA_VERSION_MAJOR", "1".to_owned()),
        ("OCF_RA_VERSION_MINOR", "1".to_owned()),
        ("OCF_RESOURCE_PROVIDER", agent.provider().to_owned()),
        ("OCF_RESOURCE_TYPE", agent.kind().to_owned()),
        // Unique on the node: agents call their files by it.
        ("OCF_RESOURCE_INSTANCE", format!("{}.{}", job.group, resource.name)),
        ("OCF_EXIT_REASON_PREFIX", REASON.to_owned()),
        ("OCF_RESKEY_CRM_meta_name", word.to_owned()),
        ("OCF_RESKEY_CRM_meta_on_node", around.node.clone()),
        ("HA_RSCTMP", around.ocf_files().display().to_string()),
        // What agents log comes to us with what they print.
        ("HA_LOGFACILITY", "none".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
