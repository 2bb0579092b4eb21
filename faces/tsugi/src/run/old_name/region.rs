//! `casstart`, `casstop` and `mdump`: a region by the names of the former product, and its codes.

use std::path::PathBuf;

use tsugi_messages::{self as messages, phrase};
use tsugi_wire::control::{Operation, Request, StartOption};

use crate::args::{Changing, Lasting, StopRegion};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::old_names::{Starting, Stopping, mf};
use crate::out::Out;
use crate::region::{Directory, dump, pages};
use crate::run::change;
use crate::run::region::{self, Ended};

/// How `casstop` ends where what the stop needs cannot be used, as the script of the report does.
const NO_TOOL: Exit = Exit::Usage;
/// How it ends where the directory does not answer, as the script of the report does.
const NO_DIRECTORY: Exit = Exit::Refused;

fn agents() -> Agents {
    let named = std::env::var_os("TSUGI_RUN_DIR").map(PathBuf::from);
    Agents::find(named.as_deref())
}

/// Whether the directory at an address is of this node's cluster and knows the region: what a
/// person has named as the place of the region is not passed over.
fn is_known(agents: &Agents, out: &Out, (region, at): (&str, &str)) -> Result<(), Exit> {
    let theirs = region::directory(agents, out, Some(at))?;
    region::one(out, (&theirs, region))?;
    let ours = region::directory(agents, out, None)?;
    if theirs.cluster == ours.cluster {
        return Ok(());
    }
    let name = |cluster: Option<String>| cluster.unwrap_or_else(|| "-".to_owned());
    let (at, theirs, ours) = (pages::typed(at), name(theirs.cluster), name(ours.cluster));
    out.tell(&messages::directory_of_another_cluster(at, theirs, ours));
    Err(Exit::Refused)
}

/// What is to be started.
pub(super) struct Started<'a> {
    /// The region.
    pub region: &'a str,
    /// How.
    pub how: Starting,
    /// For how many seconds it is waited until it is ready.
    pub wait: Option<&'a str>,
    /// Why.
    pub reason: String,
}

/// Starts a region. What a former run of it has left on this node is ended before. Who does not
/// wait is told that it is starting, once that is recorded.
pub(super) fn start(out: &Out, asked: Started<'_>, at: Option<&str>) -> Exit {
    let agents = agents();
    if let Some(at) = at
        && let Err(exit) = is_known(&agents, out, (asked.region, at))
    {
        return exit;
    }
    if let Err(exit) = region::clean(&agents, out, asked.region) {
        return exit;
    }
    let option = match asked.how {
        Starting::AsUsual => StartOption::None,
        Starting::Cold => StartOption::Fresh,
        Starting::Warm => StartOption::Inherit,
    };
    let what = Operation::Start { group: asked.region.to_owned(), on: None, option };
    let changing = Changing { reason: Some(asked.reason), ..Changing::default() };
    let wait = asked.wait.map(|seconds| format!("{seconds}s"));
    let waits = wait.is_some();
    let exit = change::send(&agents, out, what, &Lasting { changing, wait });
    if exit == Exit::Done && !waits {
        out.say(&phrase::region_is_starting(asked.region));
    }
    exit
}

/// Stops a region and ends by the codes of the report's script.
pub(super) fn stop(
    out: &Out,
    (region, how, reason): (&str, Stopping, String),
    at: Option<&str>,
) -> Exit {
    let agents = agents();
    let changing = Changing { reason: Some(reason), ..Changing::default() };
    if let Some(at) = at
        && let Err(exit) = is_known(&agents, out, (region, at))
    {
        return if exit == Exit::NoMajority { NO_DIRECTORY } else { exit };
    }
    if how == Stopping::Ordered {
        let what = Operation::Stop { group: region.to_owned() };
        return match change::order(&agents, out, what, &changing) {
            Ok(_) => {
                out.say(&phrase::region_is_stopping(region));
                Exit::Done
            }
            Err(Exit::NoMajority) => NO_DIRECTORY,
            Err(exit) => exit,
        };
    }
    let asked = StopRegion {
        region: region.to_owned(),
        within: "60s".to_owned(),
        force: how == Stopping::Forced,
        changing,
    };
    match region::stop(&agents, out, &asked) {
        Ended::So(exit) => exit,
        Ended::NoTool => NO_TOOL,
        Ended::NoDirectory(_) => NO_DIRECTORY,
    }
}

/// Prints a directory. Where it does not answer that is told where scripts look for it.
pub(super) fn dump(out: &Out, (host, name): (&str, Option<&str>)) -> Exit {
    let agents = agents();
    let here = Directory::look(&agents);
    let is_here = mf::is_this_machine(host) || here.as_ref().is_ok_and(|here| here.node == host);
    let found = match is_here {
        true => here.map_err(|silence| silence.tell(out, ("mdump", &Request::Status))),
        false => region::directory(&agents, out, Some(host)),
    };
    let directory = match found {
        Ok(directory) => directory,
        Err(exit) => {
            out.lines([dump::DOWN.to_owned()]);
            return exit;
        }
    };
    let Some(name) = name else {
        out.lines(dump::names(&directory));
        return Exit::Done;
    };
    match region::one(out, (&directory, name)) {
        Ok(region) => {
            out.lines(dump::region(&directory.node, region));
            Exit::Done
        }
        Err(exit) => exit,
    }
}
