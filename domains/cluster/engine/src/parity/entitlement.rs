//! Whether the programs of a group may run on this machine, as a command says that its group names:
//! asked before they are needed (MF-22).

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tsugi_cluster_rules::parity::Fact;

use super::content::there;
use crate::errand::PATH;
use crate::rehearsal::bounded::{self, Wrong};

/// How long it may take: a look at a machine takes little longer in all.
const LIMIT: Duration = Duration::from_secs(2);

/// Runs it as this process's own user, with nothing of its environment. Whoever does not answer in
/// time has not said that they may not: that is not known.
pub(super) fn ask(root: &Path, run: &[String]) -> Fact {
    let Some((program, given)) = run.split_first() else { return Fact::Missing };
    let program = root.join(program.strip_prefix('/').unwrap_or(program));
    if !program.exists() {
        return Fact::Missing;
    }
    let mut command = Command::new(program);
    command.args(given).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").current_dir("/");
    match bounded::run(command, Instant::now() + LIMIT) {
        Ok(_) => there("entitled"),
        Err(Wrong::Failed(why)) => Fact::NotEntitled { why },
        Err(Wrong::Slow) => Fact::Unreadable { why: format!("> {} s", LIMIT.as_secs()) },
    }
}
