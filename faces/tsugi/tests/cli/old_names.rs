//! Called by the names that runbooks use.

use std::path::{Path, PathBuf};

use tsugi_messages as messages;
use tsugi_wire::control::listing::{PartRow, StatusWord};
use tsugi_wire::control::report::{self, Wants};
use tsugi_wire::control::{Operation, Reply, Request};

use crate::agent::{Agent, nobody};
use crate::ending::{done, on, stands};
use crate::online::{status, words};
use crate::{Ran, tsugi, tsugi_as};

/// A directory with the old names in it.
fn installed() -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
    let dir = nobody();
    let place = dir.path().to_owned();
    let ran = tsugi(dir.path(), &["compat", "install", place.to_str().expect("a path")]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 19), "{ran:#?}");
    (dir, move |name| place.join(name))
}

#[test]
fn cl_23_an_old_group_command_ends_with_0_only_when_the_group_is_where_it_was_asked_to_be() {
    let (_dir, place) = installed();
    let clpgrp = |wants: Wants, came: (&str, &str), words: &[&str]| -> (Agent, Ran) {
        let there = stands(&[("PAY", came.0, came.1)]);
        let agent = Agent::that_says_then(done(&[("PAY", wants)]), there);
        let ran = tsugi_as(&place("clpgrp"), agent.run_dir(), words);
        (agent, ran)
    };
    let anywhere = || Wants::Running { node: None };
    let cases = [
        (anywhere(), ("running", "node1"), &["-s", "PAY"][..], 0),
        (anywhere(), ("given-up", "-"), &["-s", "PAY"][..], 1),
        (Wants::Stopped, ("stopped", "-"), &["-t", "PAY"][..], 0),
        (on("node2"), ("running", "node2"), &["-m", "PAY", "-h", "node2"][..], 0),
        (on("node2"), ("given-up", "-"), &["-m", "PAY", "-a", "node2"][..], 1),
    ];
    for (wants, came, words, code) in cases {
        let (_agent, ran) = clpgrp(wants, came, words);
        assert_eq!(ran.code, code, "{words:?} {came:?} {ran:#?}");
        assert!(ran.err.contains("clpgrp is now: tsugi group "), "{ran:#?}");
    }
}

#[test]
fn an_old_command_asks_for_the_same_and_stands_in_the_audit_as_it_was_typed() {
    let (_dir, place) = installed();
    let there = stands(&[("PAY", "running", "node2")]);
    let agent = Agent::that_does(move |request| {
        if let Request::Change(change) = request {
            assert_eq!(change.words, "clpgrp -m PAY -h node2");
            assert_eq!(change.reason, "clpgrp -m PAY");
            let to = Some("node2".to_owned());
            assert_eq!(change.what, Operation::Move { group: "PAY".to_owned(), to });
            return crate::agent::bytes(&crate::agent::answer(done(&[("PAY", on("node2"))])));
        }
        crate::agent::bytes(&crate::agent::answer(there.clone()))
    });
    let ran = tsugi_as(&place("clpgrp"), agent.run_dir(), &["-m", "PAY", "-h", "node2"]);
    ran.ended(0, "PAY runs on node2");
}

#[test]
fn the_owner_of_a_group_is_printed_alone_and_an_unknown_group_ends_otherwise() {
    let (_dir, place) = installed();
    let agent = Agent::that_says(stands(&[("PAY", "running", "node2")]));
    let ran = tsugi_as(&place("clpgrp"), agent.run_dir(), &["-n", "PAY"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "node2\n"), "{ran:#?}");
    tsugi_as(&place("clpgrp"), agent.run_dir(), &["-n", "PYA"]).ended(4, "TSUG10511-E");
}

#[test]
fn an_old_command_that_is_not_understood_asks_nobody_and_says_how_it_is_used() {
    let (_dir, place) = installed();
    let agent = Agent::that_says(done(&[]));
    let clpgrp = |words: &[&str]| tsugi_as(&place("clpgrp"), agent.run_dir(), words);
    clpgrp(&["-x", "PAY"]).ended(2, "clpgrp -s|-t|-m|-n GROUP");
    clpgrp(&["-s"]).ended(2, "GROUP is missing");
    let stop = tsugi_as(&place("clpcl"), agent.run_dir(), &["-t"]);
    stop.ended(2, "systemctl stop tsugi");
    assert_eq!(agent.times(), 0);
}

/// A status whose group PAY has these monitors, and an address that is watched.
fn monitored(monitors: &[(&str, &str)]) -> Reply {
    let part = |name: &str, kind: &str| PartRow {
        group: "PAY".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        node: "node1".to_owned(),
        status: StatusWord::Normal,
    };
    let mut status = status(1);
    status.listing.resources = vec![part("vip", "address"), part("ap", "process")];
    status.listing.monitors = monitors.iter().map(|(name, kind)| part(name, kind)).collect();
    Reply::Status(status)
}

/// What is asked of an agent that has these monitors and refuses those that are named so.
fn clpmonctrl(line: &[&str], refused: &'static str) -> (Ran, Vec<String>) {
    let (_dir, place) = installed();
    let (tell, asked) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let agent = Agent::that_does(move |request| {
        let Request::Change(change) = request else {
            let all = [("vip", "link"), ("ap/port", "tcp"), ("ap/page", "http"), ("db", "unit")];
            return crate::agent::bytes(&crate::agent::answer(monitored(&all)));
        };
        let (turn, group, resource, monitor) = match change.what.clone() {
            Operation::SuspendMonitor { group, resource, monitor, hold: None } => {
                ("suspend", group, resource, monitor)
            }
            Operation::ResumeMonitor { group, resource, monitor } => {
                ("resume", group, resource, monitor)
            }
            other => panic!("{other:?}"),
        };
        let monitor = monitor.unwrap_or_default();
        let line = format!("{turn} {group} {resource} {monitor}, {}", change.reason);
        tell.lock().expect("nobody died").send(line).expect("it is awaited");
        crate::agent::bytes(&match resource == refused {
            true => crate::agent::answer(Reply::No(report::Refused {
                kind: report::No::Refused,
                rule: 6,
                what: words(messages::refused_group_paused("PAY", "t", "r", "-").recorded()),
                because: Vec::new(),
                next: None,
            })),
            false => crate::agent::answer(done(&[])),
        })
    });
    let ran = tsugi_as(&place("clpmonctrl"), agent.run_dir(), line);
    drop(agent);
    (ran, asked.try_iter().collect())
}

#[test]
fn ph_14_an_old_name_of_a_monitor_finds_it_and_each_new_command_is_said() {
    let (ran, asked) = clpmonctrl(&["-s", "-h", "node1", "-m", "port", "PAY/db"], "");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let reason = "clpmonctrl -s -h node1 -m port PAY/db";
    assert_eq!(
        asked,
        [format!("suspend PAY ap port, {reason}"), format!("suspend PAY db , {reason}")]
    );
    assert!(ran.err.contains("clpmonctrl is now: tsugi monitor suspend PAY/ap/port "), "{ran:#?}");
    assert!(ran.err.contains("clpmonctrl is now: tsugi monitor suspend PAY/db "), "{ran:#?}");
}

#[test]
fn ph_14_without_a_name_all_monitors_are_meant_and_one_that_is_refused_is_told() {
    let (ran, asked) = clpmonctrl(&["-r"], "");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let all = ["resume PAY ap page", "resume PAY ap port", "resume PAY db "];
    assert_eq!(asked, all.map(|line| format!("{line}, clpmonctrl -r")), "and no address");
    let (ran, asked) = clpmonctrl(&["-r"], "db");
    assert_eq!((ran.code, asked.len()), (6, 3), "{ran:#?}");
    let (ran, _) = clpmonctrl(&["-r", "-m", "db"], "db");
    assert_eq!(ran.code, 3, "{ran:#?}");
}

#[test]
fn a_monitor_that_there_is_not_changes_nothing_of_the_others() {
    let (ran, asked) = clpmonctrl(&["-s", "-m", "port", "prot"], "");
    assert_eq!(asked, [""; 0]);
    ran.ended(4, "TSUG10578-E");
}

#[test]
fn what_stands_at_an_old_name_already_is_not_replaced() {
    let dir = nobody();
    std::fs::write(dir.path().join("clpcl"), "the former product").expect("a file");
    let ran = tsugi(dir.path(), &["compat", "install", dir.path().to_str().expect("a path")]);
    ran.ended(3, "TSUG10558-E");
    assert!(!dir.path().join("clpgrp").exists(), "all or none");
}

/// A configuration of one group, whose volume belongs here.
fn applied(volume: &Path) -> report::Config {
    let text = format!(
        "[cluster]\nname = \"a\"\n[node.n1]\naddress = \"10.0.0.1\"\n[group.ESSRV01]\n\
         [[group.ESSRV01.resource]]\nname = \"disk\"\nkind = \"volume\"\nmount = \"{}\"\n\
         source = \"/dev/u01\"\n",
        volume.display()
    );
    let head = report::ConfigHead {
        version: 1,
        hash: "ab".repeat(32),
        unconfirmed_within_ms: None,
        unconfirmed_since: None,
        undone_at: None,
        language: None,
    };
    report::Config { head, text }
}

/// A program that is run as where this volume is mounted: for this one process it is.
fn mounted(volume: &Path, program: &Path, words: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new("/usr/bin/unshare");
    let script = "PATH=/usr/bin:/bin:/usr/sbin:/sbin; mount --bind \"$0\" \"$0\" && exec \"$@\"";
    command.args(["--map-root-user", "--mount", "/bin/sh", "-c", script]);
    command.arg(volume).arg(program).args(words);
    command
}

/// As the report's engineers did: the mapping, by hand `out`, the package, and its installation for
/// the region that `.mfdeploy` of the folder above names.
#[test]
fn mf_16_a_package_is_made_by_an_edited_mapping_and_installed_from_one_file() {
    let (dir, place) = installed();
    let (volume, deploy) = (dir.path().join("u01"), dir.path().join("deploy"));
    let srv01 = deploy.join("srv01");
    for folder in [&volume, &deploy, &srv01] {
        std::fs::create_dir(folder).unwrap();
    }
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/report");
    std::fs::copy(sample.join("CBLAPP01.cbl"), srv01.join("cblapp01.cbl")).unwrap();
    let agent = Agent::that_says(Reply::Config(applied(&volume)));
    let end = |mut command: std::process::Command| {
        command.env_clear().env("TSUGI_RUN_DIR", agent.run_dir());
        let ended = command.env("LANG", "en_US.UTF-8").current_dir(&srv01).output().unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let run = |name: &str, words: &[&str]| {
        let mut command = std::process::Command::new(place(name));
        command.args(words);
        end(command)
    };
    let with_volume = |program: &Path, words: &[&str]| end(mounted(&volume, program, words));
    let made = run("imtkmake", &["-defmap", "src=cblapp01.cbl", "service=srv01", "type=ejb"]);
    assert!(
        made.0 == Some(0) && made.1.contains("imtkmake is now: tsugi service import"),
        "{made:?}"
    );
    let mapping = std::fs::read_to_string(srv01.join("srv01.toml")).unwrap();
    assert_eq!(mapping.matches("direction = \"io\"").count(), 4);
    let edited = mapping.replace("direction = \"io\"", "direction = \"out\"");
    std::fs::write(srv01.join("srv01.toml"), edited).unwrap();
    let made = run("imtkmake", &["-generate", "service=srv01", "type=ejb"]);
    assert!(made.0 == Some(0) && made.1.contains("was used as it is"), "{made:?}");

    let ran = run("mfdepinst", &["srv01.car"]);
    assert!(ran.0 == Some(4) && ran.1.contains(".mfdeploy"), "{ran:?}");
    let mfdeploy = deploy.join(".mfdeploy");
    std::fs::write(&mfdeploy, "MFDS=elsewhere\nMFUS_SERVER=ESSRV01\n").unwrap();
    let ran = run("mfdepinst", &["srv01.car"]);
    assert!(ran.0 == Some(2) && ran.1.contains("MFDS=elsewhere"), "{ran:?}");
    assert!(!srv01.join("deploy.txt").exists());
    let text = "MFDS=localhost\nMFUS_SERVER=ESSRV01\nMFUS_LISTENER=Web Services\n";
    std::fs::write(&mfdeploy, text).unwrap();
    let ran = run("mfdepinst", &["srv01.car"]);
    assert!(ran.0 == Some(4) && ran.1.contains("TSUG20413-E"), "{ran:?}");
    assert_eq!(std::fs::read_dir(&volume).unwrap().count(), 0, "nothing is made beside the volume");
    let ran = with_volume(&place("mfdepinst"), &["srv01.car"]);
    assert_eq!(ran.0, Some(0), "{ran:?}");
    assert!(ran.1.contains("tsugi service deploy srv01.car --group ESSRV01"), "{ran:?}");
    let told = std::fs::read_to_string(srv01.join("deploy.txt")).unwrap();
    assert!(told.starts_with("TSUG20409-I") && told.contains("ESSRV01"), "{told}");
    let listing = ["service", "packages", "--group", "ESSRV01"];
    let listed = with_volume(Path::new(env!("CARGO_BIN_EXE_tsugi")), &listing);
    assert!(listed.0 == Some(0) && listed.1.contains(" current: CBLAPP01"), "{listed:?}");
    std::fs::write(srv01.join("srv01.car"), "no package").unwrap();
    assert_eq!(run("mfdepinst", &["srv01.car"]).0, Some(3));
    let told = std::fs::read_to_string(srv01.join("deploy.txt")).unwrap();
    assert!(told.starts_with("TSUG20313-E"), "{told}");
}
