//! What a page may begin with, and what may happen on it: two closed lists.

use std::fs;

use serde_json::Value;

use super::book::Book;
use super::page::{Block, Step};
use super::place::Place;
use crate::site::Site;

/// The page whose configuration three machines are founded with, and that of two and a witness.
const THREE: &str = "first.md";
const TWO: &str = "witness.md";
/// The page with a group that is run by scripts.
const SCRIPTS: &str = "migration.md";

/// Does a part of its work.
const START_FAILS: &str = "#!/bin/sh\nset -e\ntsugi proc load HULFT --failover \
    /opt/hulft/bin/hulftd\necho \"work folder: stale file handle\" >&2\nexit 3\n";
const STOP_HANGS: &str = "#!/bin/sh\nexec sleep 100000\n";

/// What a page begins with.
#[derive(Clone, Copy, Debug)]
pub enum Scene {
    /// Nothing runs.
    NoCluster,
    /// Machines on which nothing was started yet.
    Fresh,
    /// Three nodes with the first page's configuration; PAY runs on node1.
    Three,
    /// Three nodes with the configuration of the scripts' page.
    Scripts,
    /// Two nodes, a witness and fence devices; PAY runs on node1.
    Two,
}

impl Scene {
    /// The scene of this name.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "no cluster" => Self::NoCluster,
            "fresh machines" => Self::Fresh,
            "three nodes, PAY on node1" => Self::Three,
            "three nodes, PAY on node1, HULFT from scripts" => Self::Scripts,
            "two nodes, a witness and fence devices, PAY on node1" => Self::Two,
            _ => return None,
        })
    }

    /// Brings it about.
    pub fn set(self, site: &mut Site, place: &Place) {
        place.furnish();
        match self {
            Self::NoCluster | Self::Fresh => {}
            Self::Three => found(site, place, (THREE, ["node1", "node2", "node3"])),
            Self::Scripts => {
                write_scripts(place);
                found(site, place, (SCRIPTS, ["node1", "node2", "node3"]));
            }
            Self::Two => found(site, place, (TWO, ["node1", "node2", "witness"])),
        }
    }
}

fn found(site: &mut Site, place: &Place, (page, nodes): (&str, [&str; 3])) {
    let page = Book::En.page(page);
    let file = page.steps.iter().find_map(|step| match step {
        Step::Block(Block { path: Some(path), text, .. }) if path.ends_with("/tsugi.toml") => {
            Some((path, text))
        }
        Step::Block(_) | Step::Then(_) | Step::Command(_) => None,
    });
    let (path, text) = file.expect("the page shows a configuration");
    place.write(path, text);
    for node in nodes {
        site.start(node);
    }
    site.tsugi("node1", &["init", &place.there(path)]);
    for node in &nodes[1..] {
        site.join(node, "node1");
        // Who joins in the moment in which the record is made may stand in it without its
        // certificate, and a machine of the same name would be refused in its place.
        site.until("a majority keeps a record", |site| site.group("node1").0 == "running");
    }
    site.until("three voters", |site| nodes.iter().all(|node| site.votes(node) == (3, 3)));
    run_on(site, "node1");
}

/// Writes the scripts that the page of scripts shows.
fn write_scripts(place: &Place) {
    for step in Book::En.page(SCRIPTS).steps {
        if let Step::Block(Block { kind, path: Some(path), text }) = step
            && kind == "sh"
        {
            place.write(&path, &text);
        }
    }
}

fn run_on(site: &Site, node: &str) {
    site.until("every group runs", |site| {
        let status = site.status(node);
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        let there = |group: &Value| group["state"] == "running" && group["owner"] == node;
        !groups.is_empty() && groups.iter().all(there)
    });
}

/// Something that happens on a page.
#[derive(Clone, Debug)]
pub enum Then {
    /// Every process of a node ends at once.
    PowerLost(String),
    /// It is started again.
    PowerBack(String),
    /// It is replaced by a machine on which nothing is.
    Replaced(String),
    /// The program of the group fails at its start from now on, and ends now.
    ProgramBroken,
    /// It starts again.
    ProgramMended,
    /// The fence devices do not answer from now on.
    DevicesBroken,
    /// They answer again.
    DevicesMended,
    /// What the group writes to is gone.
    DiskGone,
    /// It is there again.
    DiskBack,
    /// Somebody edits the configuration file.
    FileEdited,
    /// A script starts a program and fails then.
    StartFails,
    /// A script does not end.
    StopHangs,
    /// The scripts are as their page shows them.
    ScriptsMended,
}

impl Then {
    /// What happens by these words.
    pub fn of(words: &str) -> Option<Self> {
        let node = |node: &str| node.to_owned();
        Some(match words {
            "the program of PAY breaks" => Self::ProgramBroken,
            "the program of PAY is mended" => Self::ProgramMended,
            "the fence devices break" => Self::DevicesBroken,
            "the fence devices are mended" => Self::DevicesMended,
            "the disk of PAY is gone" => Self::DiskGone,
            "the disk of PAY is back" => Self::DiskBack,
            "the file is edited" => Self::FileEdited,
            "the start script of HULFT fails half way" => Self::StartFails,
            "the stop script of HULFT hangs" => Self::StopHangs,
            "the start script of HULFT is mended" | "the stop script of HULFT is mended" => {
                Self::ScriptsMended
            }
            _ => match words.split_once(' ')? {
                (name, "loses its power") => Self::PowerLost(node(name)),
                (name, "has power again") => Self::PowerBack(node(name)),
                (name, "is replaced by a new machine") => Self::Replaced(node(name)),
                _ => return None,
            },
        })
    }

    /// Lets it happen.
    pub fn happen(self, site: &mut Site, place: &Place) {
        match self {
            Self::PowerLost(node) => {
                site.cut_power(&node);
                place.write(&format!("/opt/fence/off-{node}"), "");
            }
            Self::PowerBack(node) => {
                let off = place.there(&format!("/opt/fence/off-{node}"));
                fs::remove_file(off).ok();
                site.start(&node);
                site.until("it hears a majority and knows the record", |site| {
                    site.votes(&node).1 >= 2 && site.group(&node).0 == "running"
                });
            }
            Self::Replaced(node) => {
                fs::remove_dir_all(site.path(&node)).expect("its disk");
            }
            Self::ProgramBroken => {
                place.write("/opt/pay/broken", "");
                end_programs(place);
            }
            Self::ProgramMended => place.remove("/opt/pay/broken"),
            Self::DevicesBroken => place.write("/opt/fence/broken", ""),
            Self::DevicesMended => place.remove("/opt/fence/broken"),
            Self::DiskGone => {
                fs::rename(place.there("/data/pay"), place.there("/data/gone"))
                    .expect("it is there");
            }
            Self::DiskBack => {
                fs::rename(place.there("/data/gone"), place.there("/data/pay"))
                    .expect("it is there");
            }
            Self::StartFails => place.write("/opt/hulft/start", START_FAILS),
            Self::StopHangs => place.write("/opt/hulft/stop", STOP_HANGS),
            Self::ScriptsMended => write_scripts(place),
            Self::FileEdited => {
                let path = place.there("/etc/tsugi/tsugi.toml");
                let text = fs::read_to_string(&path).expect("a file");
                let edited = text.replacen(
                    "ready = \"ready\"",
                    "ready = \"ready\"\nstop_limit = \"20s\"",
                    1,
                );
                assert_ne!(text, edited, "the file is as it was written");
                fs::write(path, edited).expect("a file");
            }
        }
    }
}

/// Ends the counters of this site, and nobody else's.
fn end_programs(place: &Place) {
    let volume = place.there("/data/pay");
    for entry in fs::read_dir("/proc").expect("a kernel").flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let ours = words.split(|byte| *byte == 0).any(|word| word == volume.as_bytes());
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (true, Some(pid)) = (ours, pid) {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ended = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}
