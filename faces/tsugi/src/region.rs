//! The regions of a node, as its directory answers: the agent of the machine says which groups
//! there are and who has them, the configuration where each listens, the kernel whether somebody
//! does, and the daemon of a region what it serves.
//!
//! A region is a group. What former products call its directory server is the agent: one a node,
//! for all regions of it. A node that has not got a region shows it as stopped.

pub mod dump;
pub mod listener;
pub mod monitor;
pub mod pages;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tsugi_cluster_engine::config;
use tsugi_cluster_rules::spec::{GroupSpec, Mode, ResourceKind};
use tsugi_serve::control::{self, Asked, OfService, Told};
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::report::{Group, Status};
use tsugi_wire::control::{Answer, Reply, Request};

use crate::ask::{Agents, Silence};
use listener::{Configured, Listener, Serves};

/// How long the daemon of a region may take to say how it stands. One that is slower does not
/// respond: a directory is asked by monitors.
const PATIENCE: Duration = Duration::from_secs(2);

/// All regions, as one node shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// The node whose directory it is.
    pub node: String,
    /// Its cluster; none before there is one.
    pub cluster: Option<String>,
    /// Every region, by name.
    pub regions: Vec<Region>,
}

/// One region, as one node shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// How it stands on this node.
    pub state: State,
    /// The node that has it, if one has.
    pub runs_on: Option<String>,
    /// Where it is to listen.
    pub listeners: Vec<Listener>,
    /// What it serves; nothing where it does not run, or says nothing to who asks.
    pub services: Vec<Service>,
}

/// How a region stands on the node that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It does not run here; elsewhere it may.
    Stopped,
    /// It is coming up here.
    Starting,
    /// It runs here.
    Started,
    /// It is going down here.
    Stopping,
    /// It is to run here and does not answer.
    NotResponding,
}

/// What a region serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What callers call it.
    pub name: String,
    /// The package that it is of.
    pub package: String,
    /// Whether it takes calls.
    pub open: bool,
}

impl From<OfService> for Service {
    fn from(of: OfService) -> Self {
        Self { name: of.name, package: of.package, open: of.closed.is_none() }
    }
}

/// What the daemon of a region has said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    /// How its services stand.
    Services(Vec<Service>),
    /// Nothing: it is not there, or too slow.
    Nothing,
    /// It may not be asked by this person, or there is none to be asked.
    NotAsked,
}

impl Directory {
    /// Asks the directory of this machine.
    ///
    /// # Errors
    /// It does not answer.
    pub fn look(agents: &Agents) -> Result<Self, Silence> {
        let Answer { observed_by: node, reply, .. } = agents.ask(&Request::Status)?;
        let Reply::Status(status) = reply else { return Err(Silence::HungUp) };
        let spec = match agents.ask(&Request::ConfigShow)?.reply {
            Reply::Config(applied) => config::read(&applied.text).ok().map(|read| read.spec),
            // Before there is a cluster there is none.
            _ => None,
        };
        let heard = listener::listening();
        let region = |group: &Group| {
            let spec = spec.as_ref()?;
            let name: GroupName = group.name.parse().ok()?;
            let of = spec.groups.get(&name).filter(|of| of.mode == Mode::Single)?;
            let configured = listener::of(spec, of, &node);
            Some(region((group, &node), &configured, (&heard, || ask(of))))
        };
        let regions = status.groups.iter().filter_map(region).collect();
        let Status { cluster, .. } = status;
        Ok(Self { node, cluster, regions })
    }

    /// The region of exactly this name.
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == name)
    }
}

/// A group as a region of the node `here`. Its daemon is asked only where it is to run.
fn region(
    (group, here): (&Group, &str),
    configured: &[Configured],
    (heard, ask): (&[std::net::SocketAddr], impl FnOnce() -> Heard),
) -> Region {
    let is_here = group.owner.as_deref() == Some(here);
    let mut state = if is_here { of_owner(&group.state) } else { State::Stopped };
    let mut services = Vec::new();
    if state == State::Started {
        match ask() {
            Heard::Services(said) => services = said,
            Heard::Nothing => state = State::NotResponding,
            Heard::NotAsked => {}
        }
    }
    let may_listen = state != State::Stopped;
    let listeners = configured.iter().map(|one| one.seen(may_listen, heard)).collect();
    let runs_on = group.owner.clone().filter(|_| runs(&group.state));
    Region { name: group.name.clone(), state, runs_on, listeners, services }
}

/// Whether a group in this state is with its owner.
fn runs(state: &str) -> bool {
    !["stopped", "given-up"].contains(&state)
}

/// How a group in this state stands where its owner is.
fn of_owner(state: &str) -> State {
    match state {
        "running" => State::Started,
        "starting" => State::Starting,
        "stopping" | "moving" => State::Stopping,
        "stopped" | "given-up" => State::Stopped,
        // It failed, or what it needs is not there; and whatever a later version says.
        _ => State::NotResponding,
    }
}

/// Asks the daemon of a region that runs here.
fn ask(of: &GroupSpec) -> Heard {
    let Some(path) = control_of(of) else { return Heard::NotAsked };
    match control::ask(&path, &Asked::Status {}, PATIENCE) {
        Ok(Told::Status(status)) => {
            Heard::Services(status.services.into_iter().map(Service::from).collect())
        }
        Ok(_) => Heard::Nothing,
        Err(why) if why.kind() == ErrorKind::PermissionDenied => Heard::NotAsked,
        Err(_) => Heard::Nothing,
    }
}

/// Where the daemon of a region is asked, if it has one. One that stands by and was handed the
/// volume answers where it was handed over.
fn control_of(of: &GroupSpec) -> Option<PathBuf> {
    of.resources.iter().find_map(|resource| {
        let ResourceKind::Process { how, .. } = &resource.kind else { return None };
        let words = listener::words(how);
        let said = || listener::option(words, "--control").map(PathBuf::from);
        match listener::serves(words)? {
            Serves::Whole => {
                let volume = || listener::option(words, "--volume");
                said().or_else(|| Some(control::on_volume(volume()?.as_ref())))
            }
            Serves::Handed => said(),
            Serves::StandsBy => None,
        }
    })
}

#[cfg(test)]
mod tests;
