//! `service …`: packages of the programs that answer calls.

mod deploy;
mod import;
mod packages;
mod refused;
mod rows;
mod volume;

use crate::args::Service;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;

/// Carries it out.
pub fn service(agents: &Agents, out: &Out, asked: &Service) -> Exit {
    match asked {
        Service::Import(asked) => import::import(out, asked),
        Service::Deploy(asked) => deploy::deploy(agents, out, asked),
        Service::Packages(asked) => packages::packages(agents, out, asked),
    }
}
