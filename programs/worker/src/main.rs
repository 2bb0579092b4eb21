//! A worker that holds a shared library or modules of COBOL: `tsugi-worker library PATH`,
//! `tsugi-worker cobol FOLDER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tsugi_worker::run(std::env::args().skip(1), &[tsugi_worker::COBOL, tsugi_worker::LIBRARY])
}
