//! Commands that are called by the names of old runbooks.

mod region;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tsugi_messages::{self as messages, phrase};
use tsugi_wire::control::report::Status;
use tsugi_wire::control::{Reply, Request};

use super::{monitor, read, service};
use crate::args::{Changing, Deploy, Monitor};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::old_names::{self, NotInstalled, Now, OldName, Turn, mf};
use crate::out::Out;

/// Says what the command is now; what is left to do are the new words, if it is not done here.
pub fn old_name(out: &Out, old: &OldName, words: &[OsString]) -> ControlFlow<Exit, Vec<OsString>> {
    let now = match old.now(words) {
        Ok(now) => now,
        Err(misuse) => {
            let detail = misuse.words().text(out.language);
            out.tell(&messages::usage_wrong(detail, old.usage));
            return ControlFlow::Break(Exit::Usage);
        }
    };
    let is_now = phrase::old_name_now(old.name, now.spelled());
    match now {
        // Each is said once it is known which they are.
        Now::Monitors(turn, names) => {
            ControlFlow::Break(monitors(out, (old, words), (turn, &names)))
        }
        Now::OwnerOf(group) => {
            out.say(&is_now);
            ControlFlow::Break(owner_of(out, &group))
        }
        Now::Start { region, how, wait, reason, at } => {
            out.say(&is_now);
            let asked = region::Started { region: &region, how, wait: wait.as_deref(), reason };
            ControlFlow::Break(region::start(out, asked, at.as_deref()))
        }
        Now::Stop { region, how, reason, at } => {
            out.say(&is_now);
            ControlFlow::Break(region::stop(out, (&region, how, reason), at.as_deref()))
        }
        Now::Dump { host, region } => {
            out.say(&is_now);
            ControlFlow::Break(region::dump(out, (&host, region.as_deref())))
        }
        Now::Install(package) => ControlFlow::Break(install_package(out, old, &package)),
        Now::Generate(service) => match generated(out, &service) {
            Ok(words) => {
                out.say(&phrase::old_name_now(old.name, Now::Command(words.clone()).spelled()));
                let program = ["tsugi".to_owned()].into_iter();
                ControlFlow::Continue(program.chain(words).map(OsString::from).collect())
            }
            Err(exit) => ControlFlow::Break(exit),
        },
        Now::Command(words) => {
            out.say(&is_now);
            let program = OsString::from("tsugi");
            ControlFlow::Continue(
                [program].into_iter().chain(words.into_iter().map(OsString::from)).collect(),
            )
        }
    }
}

/// The command that makes the package of a mapping: its source is beside it, whatever the case of
/// its name.
fn generated(out: &Out, service: &str) -> Result<Vec<String>, Exit> {
    let mapping = format!("{service}.toml");
    let failed = |why: &dyn std::fmt::Display| {
        out.tell(&messages::package_not_made(&mapping, why));
        Exit::NotFound
    };
    let text = fs::read_to_string(&mapping).map_err(|why| failed(&why))?;
    let quoted =
        |line: &str| Some(line.strip_prefix("entry = ")?.trim().trim_matches('"').to_owned());
    let entry = text.lines().find_map(quoted).unwrap_or_default();
    let is_source = |path: &PathBuf| {
        let part = |of: Option<&std::ffi::OsStr>| of.map(|one| one.to_string_lossy().into_owned());
        let ends = part(path.extension()).unwrap_or_default().to_ascii_lowercase();
        let named = part(path.file_stem()).unwrap_or_default();
        ["cbl", "cob"].contains(&ends.as_str()) && named.eq_ignore_ascii_case(&entry)
    };
    let all = fs::read_dir(".").map_err(|why| failed(&why))?;
    let mut all: Vec<_> = all.flatten().map(|one| PathBuf::from(one.file_name())).collect();
    all.sort();
    match all.into_iter().find(is_source) {
        Some(source) => Ok(mf::import(&source.to_string_lossy(), service)),
        None => Err(failed(&std::io::Error::from(std::io::ErrorKind::NotFound))),
    }
}

/// Deploys a package for the region that `.mfdeploy` of the folder above names, and writes what
/// came of it to `deploy.txt`.
fn install_package(out: &Out, old: &OldName, package: &str) -> Exit {
    let place = Path::new("..").join(".mfdeploy");
    let text = match fs::read_to_string(&place) {
        Ok(text) => text,
        Err(why) => {
            out.tell(&messages::package_not_made(place.display(), why));
            return Exit::NotFound;
        }
    };
    let mf::Where { host, server } = mf::told(&text);
    // The directory of another machine is not asked: its agent has the group's volume.
    if let Some(host) = host.filter(|host| !["localhost", "127.0.0.1"].contains(&host.as_str())) {
        out.tell(&messages::usage_wrong(format!("MFDS={host}"), old.usage));
        return Exit::Usage;
    }
    let Some(group) = server.and_then(|server| server.parse().ok()) else {
        let detail = phrase::usage_missing("MFUS_SERVER").text(out.language);
        out.tell(&messages::usage_wrong(detail, old.usage));
        return Exit::Usage;
    };
    let words = ["service", "deploy", package, "--group"].map(str::to_owned);
    let now = Now::Command(words.into_iter().chain([format!("{group}")]).collect());
    out.say(&phrase::old_name_now(old.name, now.spelled()));
    let asked = Deploy {
        package: package.into(),
        volume: None,
        group: Some(group),
        postgres: None,
        password_file: None,
        dry_run: false,
    };
    let named = std::env::var_os("TSUGI_RUN_DIR").map(PathBuf::from);
    let (exit, told) = service::deployed(&Agents::find(named.as_deref()), out, &asked);
    let lines: String = told.iter().map(|told| format!("{}\n", told.line(out.language))).collect();
    if let Err(why) = fs::write("deploy.txt", lines) {
        out.tell(&messages::package_not_made("deploy.txt", why));
        return if exit == Exit::Done { Exit::PartFailed } else { exit };
    }
    exit
}

/// Prints the node that runs a group, and nothing else.
fn owner_of(out: &Out, group: &str) -> Exit {
    let named = std::env::var_os("TSUGI_RUN_DIR").map(PathBuf::from);
    let agents = Agents::find(named.as_deref());
    let status = match read::ask(&agents, out, (&Request::Status, "clpgrp -n")) {
        Ok((Reply::Status(status), _)) => status,
        Ok(_) => return Exit::Failed,
        Err(exit) => return exit,
    };
    let Some(found) = status.groups.iter().find(|g| g.name == group) else {
        let known = status.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>().join(", ");
        out.tell(&messages::refused_unknown_group(group, known));
        return Exit::NotFound;
    };
    let Some(owner) = &found.owner else {
        out.say(&phrase::waited_stopped(group));
        return Exit::Failed;
    };
    out.lines([owner.clone()]);
    Exit::Done
}

/// Suspends these monitors or takes them up, one after the other; without a name all that can be.
fn monitors(
    out: &Out,
    (old, words): (&OldName, &[OsString]),
    (turn, names): (Turn, &[String]),
) -> Exit {
    let named = std::env::var_os("TSUGI_RUN_DIR").map(PathBuf::from);
    let agents = Agents::find(named.as_deref());
    let typed = [OsString::from(old.name)].into_iter().chain(words.iter().cloned());
    let typed: Vec<String> = typed.map(|word| word.to_string_lossy().into_owned()).collect();
    let typed = typed.join(" ");
    let status = match read::ask(&agents, out, (&Request::Status, &typed)) {
        Ok((Reply::Status(status), _)) => status,
        Ok(_) => return Exit::Failed,
        Err(exit) => return exit,
    };
    let known = known(&status);
    let mut wanted = BTreeSet::new();
    for name in names {
        match &meant(name, &known)[..] {
            [one] => wanted.insert((*one).to_owned()),
            several => {
                let all: Vec<String> = known.iter().cloned().collect();
                let among = if several.is_empty() { &all } else { several };
                out.tell(&messages::refused_no_such_monitor(name, among.join(", ")));
                return Exit::NotFound;
            }
        };
    }
    if names.is_empty() {
        wanted.clone_from(&known);
    }
    let mut ends = Vec::new();
    for monitor in &wanted {
        let changing = Changing { reason: Some(typed.clone()), ..Changing::default() };
        let now = Now::Command(
            ["monitor", turn.word(), monitor, "--reason", &typed].map(str::to_owned).into(),
        );
        out.say(&phrase::old_name_now(old.name, now.spelled()));
        let (monitor, hold) = (monitor.clone(), None);
        let asked = match turn {
            Turn::Suspend => Monitor::Suspend { monitor, hold, changing },
            Turn::Resume => Monitor::Resume { monitor, changing },
        };
        ends.push(monitor::monitor(&agents, out, &asked));
    }
    match (ends.iter().find(|end| **end != Exit::Done), ends.contains(&Exit::Done)) {
        (None, _) => Exit::Done,
        (Some(_), true) => Exit::PartFailed,
        (Some(first), false) => *first,
    }
}

/// Every monitor that can be suspended, as the new command names it.
fn known(status: &Status) -> BTreeSet<String> {
    let rows = status.listing.monitors.iter();
    // What watches by itself has no monitor: the end of a program, the carrier of an address.
    let addresses: BTreeSet<(&str, &str)> = status
        .listing
        .resources
        .iter()
        .filter(|row| row.kind == "address")
        .map(|row| (row.group.as_str(), row.name.as_str()))
        .collect();
    rows.filter(|row| !["process", "watch"].contains(&row.kind.as_str()))
        .filter(|row| !addresses.contains(&(row.group.as_str(), row.name.as_str())))
        .map(|row| format!("{}/{}", row.group, row.name))
        .collect()
}

/// Those that a name of the former product may mean: the whole name, or its end.
fn meant(name: &str, known: &BTreeSet<String>) -> Vec<String> {
    if known.contains(name) {
        return vec![name.to_owned()];
    }
    let end = format!("/{name}");
    known.iter().filter(|monitor| monitor.ends_with(&end)).cloned().collect()
}

/// `compat install DIR`.
pub fn install(out: &Out, dir: &Path) -> Exit {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            out.tell(&messages::internal_failure("tsugi compat install", error));
            return Exit::Failed;
        }
    };
    match old_names::install(dir, &program) {
        Ok(places) => {
            out.lines(places.iter().map(|place| place.display().to_string()));
            Exit::Done
        }
        Err(NotInstalled::Taken(place)) => {
            out.tell(&messages::old_name_taken(place.display()));
            Exit::Refused
        }
        Err(NotInstalled::Failed(place, error)) => {
            out.tell(&messages::old_name_failed(place.display(), error));
            Exit::Failed
        }
    }
}
