//! A worker that holds a shared library: `tsugi-worker library PATH`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tsugi_worker::run(std::env::args().skip(1), &[tsugi_worker::LIBRARY])
}
