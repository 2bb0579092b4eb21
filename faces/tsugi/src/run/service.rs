//! `service …`: packages of the programs that answer calls, and the daemon that runs them.

mod change;
mod deploy;
mod import;
mod packages;
pub(super) mod refused;
pub(super) mod rows;
mod running;
mod status;
pub(super) mod volume;

use std::net::SocketAddr;

use tsugi_messages::Message;

use crate::args::{Deploy, Running, Service};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;

/// Carries it out.
pub fn service(agents: &Agents, out: &Out, asked: &Service) -> Exit {
    match asked {
        Service::Import(asked) => import::import(out, asked),
        Service::Deploy(asked) => deploy::deploy(agents, out, asked).0,
        Service::Packages(asked) => packages::packages(agents, out, asked),
        Service::Status(at) => status::status(agents, out, at),
        Service::Block { service, reason, at } => change::block(agents, out, (service, reason), at),
        Service::Open { service, at } => change::open(agents, out, service, at),
        Service::Resolve { call, as_what, at } => {
            change::resolve(agents, out, (call, as_what.carried_out.as_deref()), at)
        }
        Service::Forget { call, at } => change::forget(agents, out, call, at),
    }
}

/// Where the one daemon of this machine is called.
pub fn listens_here(agents: &Agents, out: &Out) -> Result<SocketAddr, Exit> {
    let status = running::find(agents, &Running::default());
    let status = status.and_then(|path| running::status(&path));
    status.map(|status| status.listens).map_err(|no| running::tell(out, &no))
}

/// Deploys a package; how that ended, and what was told of it.
pub fn deployed(agents: &Agents, out: &Out, asked: &Deploy) -> (Exit, Vec<Message>) {
    deploy::deploy(agents, out, asked)
}
