//! Where the program under rehearsal is: beside the lab, built if it is missing.

use std::path::PathBuf;
use std::process::Command;

use crate::Trouble;

/// Finds `tsugi` beside the running program; builds it there if it is missing.
///
/// # Errors
/// When it cannot be built.
pub fn find() -> Result<PathBuf, Trouble> {
    let own = std::env::current_exe()?;
    let dir = own.parent().ok_or_else(|| Trouble::Failed("the lab lies nowhere".into()))?;
    let binary = dir.join("tsugi");
    if binary.exists() {
        return Ok(binary);
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--package", "tsugi", "--bin", "tsugi"]);
    if dir.ends_with("release") {
        cargo.arg("--release");
    }
    // The directory above is the one that cargo was given for its output.
    if let Some(target) = dir.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    let done = cargo.status().map_err(|error| Trouble::Missing(format!("cargo: {error}")))?;
    if done.success() && binary.exists() {
        Ok(binary)
    } else {
        Err(Trouble::Failed(format!("{} could not be built", binary.display())))
    }
}
