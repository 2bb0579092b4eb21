//! The files of a host that the product makes, or that anybody makes for a time.

use std::path::Path;

use crate::Trouble;
use crate::host::{Host, STATE};

/// Where files are compared with what was there before.
///
/// What is changed in `/var/lib` and `/etc` stands below the first and the last of them.
const PLACES: [&str; 4] = ["/run", "/tmp", "/dev/shm", STATE];
/// Where nobody looks: what the lab itself keeps there, or mount does; and what the node keeps on
/// purpose, its logs and as what it last took a group on.
const ELSEWHERE: [&str; 6] = [
    "/run/bin",
    "/run/over/work",
    "/run/volume",
    "/run/mount",
    "/var/lib/tsugi/log",
    "/run/tsugi/agent/taken-on",
];
/// Where the agent keeps what programs print.
const OF_AGENT: &str = "/run/tsugi/agent/";
/// The folders of runs, a folder for each group.
const RUNS: &str = "/run/tsugi/agent/runs";

/// The files of a host, by their paths.
pub fn files(host: &Host) -> Result<Vec<String>, Trouble> {
    let root = host.place("")?;
    let mut found = Vec::new();
    for place in PLACES {
        look(&root, place, &mut found);
    }
    Ok(found)
}

fn look(root: &Path, at: &str, found: &mut Vec<String>) {
    let place = root.join(at.trim_start_matches('/'));
    // What goes while it is looked at is not left.
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let path = format!("{at}/{}", entry.file_name().to_string_lossy());
        if path == RUNS || ELSEWHERE.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(root, &path, found);
        }
        found.push(path);
    }
}

/// Whether it is what the agent reads the output of a program that runs from.
pub fn is_output(path: &str) -> bool {
    let name = path.strip_prefix(OF_AGENT).and_then(|name| name.split_once('.'));
    name.is_some_and(|(number, kind)| {
        let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        digits && matches!(kind, "pipe" | "log")
    })
}

/// The folders of runs that are over: of a group that the host does not own, or of an epoch that
/// is not its own (`owned`: group and epoch).
pub fn run_folders(host: &Host, owned: &[(&str, &str)]) -> Result<Vec<String>, Trouble> {
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let place = host.place(RUNS)?;
    let mut over = Vec::new();
    for group in names(&place) {
        let epoch = owned.iter().find(|(owned, _)| *owned == group).map(|(_, epoch)| *epoch);
        let runs = names(&place.join(&group)).into_iter();
        let now = |run: &String| epoch.is_some_and(|epoch| run.starts_with(&format!("{epoch}-")));
        over.extend(runs.filter(|run| !now(run)).map(|run| format!("{RUNS}/{group}/{run}")));
    }
    Ok(over)
}
