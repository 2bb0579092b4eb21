//! A disk that lies to the ledger: its flushes are answered and not done.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Trouble;
use crate::host::{Host, disk};

const SOURCE: &str = include_str!("shim.c");
const NAME: &str = "no-ledger-fsync.so";

/// Builds the shim in `dir`.
///
/// # Errors
/// When there is no C compiler.
pub fn build(dir: &Path) -> Result<PathBuf, Trouble> {
    let (source, shim) = (dir.join("shim.c"), dir.join(NAME));
    std::fs::write(&source, SOURCE)?;
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(&source);
    disk::output(cc)?;
    Ok(shim)
}

/// Has every program of a host load it from now on.
///
/// # Errors
/// When the host has no power.
pub fn plant(host: &Host) -> Result<(), Trouble> {
    host.write("/etc/ld.so.preload", &format!("/run/bin/{NAME}\n"))
}
