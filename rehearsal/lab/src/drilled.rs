//! Drills of the loaded group: there and back, and beside it on a copy.

use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::host::{STATE, data, device};
use crate::kernel::now;
use crate::pattern::Pattern;
use crate::stage::Stage;

/// Where a copy of a volume is on the node that shows what it could do with it.
pub const COPY: &str = "/tmp/drill-copy";
/// How long a drill may take.
const LIMIT: Duration = Duration::from_secs(40);
/// How long making a copy may take.
const COPIES: Duration = Duration::from_secs(10);
/// What has held up callers before a drill is none of it.
const APART: Duration = Duration::from_secs(1);
/// The program of a host.
const PROGRAM: &str = "/run/bin/tsugi";

/// Has the group go to the next node and come back by itself, or its programs started there, cut
/// off: when that was. What the product said if it did not prove it is in `refused`.
///
/// # Errors
/// A host that makes no copy.
pub fn drill(
    stage: &Stage,
    pattern: Pattern,
    (owner, refused): (usize, &mut Option<String>),
) -> Result<Duration, Trouble> {
    let level: [&str; 4] = match pattern {
        Pattern::DrillIsolate => {
            snapshot(stage, owner)?;
            ["--level", "isolate", "--window", "30s"]
        }
        _ => ["--level", "move", "--window", "1s"],
    };
    let next = &stage.site.hosts[next(stage, owner)].name;
    let first = [PROGRAM, "drill", stage.group(), "--to", next.as_str()];
    let last = ["--reason", "rehearsal", "--report", "/tmp/drills"];
    let at = now();
    let told = stage.site.hosts[owner].run(&[&first[..], &level, &last].concat(), LIMIT);
    *refused = told.err().map(|trouble| trouble.to_string());
    Ok(at)
}

fn next(stage: &Stage, owner: usize) -> usize {
    (owner + 1) % stage.site.hosts.len()
}

/// A copy of the volume as it is at one moment, on the node that is to try it: what a storage does
/// by itself, the lab does by having the owner hold back its writes.
///
/// # Errors
/// The host refuses.
fn snapshot(stage: &Stage, owner: usize) -> Result<(), Trouble> {
    let volume = stage.served().volume();
    let (device, data) = (device(volume), data(volume));
    let hosts = &stage.site.hosts;
    let held = hosts[owner].run(&["fsfreeze", "-f", &data], COPIES);
    let (from, to) = (format!("if={device}"), format!("of={COPY}"));
    let words = ["dd", from.as_str(), to.as_str(), "bs=1M", "iflag=direct", "status=none"];
    let copied = held.and_then(|_| hosts[next(stage, owner)].run(&words, COPIES));
    hosts[owner].run(&["fsfreeze", "-u", &data], COPIES)?;
    copied?;
    thread::sleep(APART);
    Ok(())
}

/// What a drill has left on any node: processes, what it mounts, its folder, a copy.
#[must_use]
pub fn left(stage: &Stage) -> Option<String> {
    let of_a_drill = |argv: &[String]| argv.iter().any(|word| word == "rehearsing");
    let nothing = format!(
        "test ! -e {COPY} && test ! -e {STATE}/drill && ! grep '^drill ' /proc/self/mounts"
    );
    let all = stage.site.hosts.iter().filter_map(|host| {
        let processes = host.processes();
        let runs = processes.iter().find(|process| of_a_drill(&process.argv));
        let runs = runs.map(|process| format!("{}: {:?}", host.name, process.argv));
        let files = host.run(&["sh", "-c", &nothing], COPIES).err();
        runs.or_else(|| files.map(|trouble| trouble.to_string()))
    });
    let found: Vec<String> = all.collect();
    (!found.is_empty()).then(|| format!("a drill has left {found:?}"))
}
