//! A clock on the wall that each host has for itself: namespaces have none, so a library that is
//! loaded before all others adds what a file says.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Trouble;
use crate::host::{Host, disk};

const SOURCE: &str = include_str!("clock.c");
const NAME: &str = "own-clock.so";
const OFFSET: &str = "/run/clock-offset";

/// Builds the library in `dir`.
///
/// # Errors
/// When there is no C compiler.
pub(super) fn build(dir: &Path) -> Result<PathBuf, Trouble> {
    let (source, library) = (dir.join("clock.c"), dir.join(NAME));
    std::fs::write(&source, SOURCE)?;
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
    disk::output(cc)?;
    Ok(library)
}

/// Has every program of a host load it from now on, its clock as right as all others.
///
/// # Errors
/// When the host has no power.
pub(super) fn plant(host: &Host) -> Result<(), Trouble> {
    let place = host.place(OFFSET)?;
    File::create(&place)?.write_all(&0_i64.to_ne_bytes())?;
    std::fs::set_permissions(&place, Permissions::from_mode(0o644))?;
    host.write("/etc/ld.so.preload", &format!("/run/bin/{NAME}\n"))
}

/// Steps the clock on the wall of a host to this many seconds off.
///
/// # Errors
/// When the host has no such clock.
pub fn move_wall(host: &Host, seconds: i64) -> Result<(), Trouble> {
    // In place and in one write: the page is in the memory of every process of the host.
    let mut file = OpenOptions::new().write(true).open(host.place(OFFSET)?)?;
    Ok(file.write_all(&seconds.to_ne_bytes())?)
}
