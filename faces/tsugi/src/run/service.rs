//! `service …`: packages of the programs that answer calls.

mod deploy;
mod import;
mod packages;
mod refused;
mod rows;
mod volume;

use tsugi_messages::Message;

use crate::args::{Deploy, Service};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;

/// Carries it out.
pub fn service(agents: &Agents, out: &Out, asked: &Service) -> Exit {
    match asked {
        Service::Import(asked) => import::import(out, asked),
        Service::Deploy(asked) => deploy::deploy(agents, out, asked).0,
        Service::Packages(asked) => packages::packages(agents, out, asked),
    }
}

/// Deploys a package; how that ended, and what was told of it.
pub fn deployed(agents: &Agents, out: &Out, asked: &Deploy) -> (Exit, Vec<Message>) {
    deploy::deploy(agents, out, asked)
}
