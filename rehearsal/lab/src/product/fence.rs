//! The fence device of each node, as the configuration names it, and what a node needs to ask it.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use crate::Trouble;
use crate::fence::PASSWORD;
use crate::host::Host;

/// The fence agent, a program like those that come with a system.
const AGENT: &str = "/run/bin/fence_lab";
const SCRIPT: &str = "#!/bin/sh\nexec /run/bin/lab fence-device\n";
const SECRET: &str = "/run/fence-password";
/// What somebody writes who asks by hand.
const BY_HAND: &str = "/run/fence-options";

/// How often every node asks whether the device of each other one answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceTests {
    /// As often as a cluster does if nothing is said: no test is near what is measured.
    #[default]
    Hourly,
    /// So often that a rehearsal can wait for one.
    Often,
}

impl DeviceTests {
    fn every(self) -> &'static str {
        match self {
            Self::Hourly => "1h",
            Self::Often => "2s",
        }
    }
}

/// The device of the node of this name, as a line of its table.
pub(super) fn device(node: &str, tests: DeviceTests) -> String {
    let every = tests.every();
    format!(
        "fence = {{ agent = \"{AGENT}\", plug = \"{node}\", secret = \"file:{SECRET}\", \
         limit = \"1s\", every = \"{every}\" }}\n"
    )
}

/// Gives a host that has just booted the agent and the password.
pub(super) fn plant(host: &Host) -> Result<(), Trouble> {
    host.write(AGENT, SCRIPT)?;
    std::fs::set_permissions(host.place(AGENT)?, Permissions::from_mode(0o755))?;
    write_secret(host, SECRET, PASSWORD)
}

/// A file that only root may read, from its first moment.
fn write_secret(host: &Host, path: &str, text: &str) -> Result<(), Trouble> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    Ok(options.open(host.place(path)?)?.write_all(text.as_bytes())?)
}

/// Asks the device of `node` on `host` for its state, as a person there would: the exit code of
/// the agent and what it said.
///
/// # Errors
/// When the host has no power.
pub fn ask_by_hand(host: &Host, node: &str) -> Result<(i32, String), Trouble> {
    let options = format!("action=status\nplug={node}\npassword={PASSWORD}\n");
    write_secret(host, BY_HAND, &options)?;
    host.ask(&["sh", "-c", &format!("exec {AGENT} < {BY_HAND}")], super::COMMAND)
}
