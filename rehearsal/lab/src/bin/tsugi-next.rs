//! The program as the next release would be, as far as nodes can tell: another version, and the
//! next protocol. It is what the rehearsal of an update changes to, and never ships.

use std::process::ExitCode;

use tsugi::{Build, Protocol};

fn main() -> ExitCode {
    tsugi::start(Build {
        version: concat!(env!("CARGO_PKG_VERSION"), "-next"),
        protocol: Protocol(Protocol::CURRENT.0 + 1),
    })
}
