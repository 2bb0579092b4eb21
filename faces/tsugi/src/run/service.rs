//! `service …`: packages of the programs that answer calls.

mod import;
mod refused;

use crate::args::Service;
use crate::exit::Exit;
use crate::out::Out;

/// Carries it out.
pub fn service(out: &Out, asked: &Service) -> Exit {
    match asked {
        Service::Import(asked) => import::import(out, asked),
    }
}
