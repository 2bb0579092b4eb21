//! The one binary, as it ships.

use std::process::ExitCode;

use tsugi::{Build, Protocol};

fn main() -> ExitCode {
    tsugi::start(Build { version: env!("CARGO_PKG_VERSION"), protocol: Protocol::CURRENT })
}
