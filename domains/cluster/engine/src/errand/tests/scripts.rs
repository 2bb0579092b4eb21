//! What scripts are told, and when their end is a success.

use std::path::PathBuf;

use super::*;
use tsugi_cluster_rules::monitors::{Notice, NotifyMethod, OnFailure};
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::{Happening, MonitorTurn};
use tsugi_host::request::{Output, Right, TAIL_LONGEST};

/// The group's start script, running as pid 1.
fn started() -> Scene {
    let mut scene = Scene::new(vec![batch()]);
    scene.start("batch");
    scene
}

fn ended(how: HowEnded) -> Ended {
    let program = running(1, "batch", Purpose::Start, EPOCH);
    Ended { program, how, limit: TimeLimit::Kept, tail: Vec::new(), dropped: 0 }
}

#[test]
fn a_script_has_done_its_work_when_it_ends_with_zero() {
    let mut scene = started();
    assert_eq!(scene.asked(), ["start script"]);
    assert_eq!(scene.outcomes(), [], "started is not done");
    scene.ended(ended(HowEnded::Exited(0)));
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn a_script_that_ends_otherwise_has_failed_and_its_last_line_says_why() {
    let mut scene = started();
    let tail = b"opening\nno licence\n\n".to_vec();
    scene.ended(Ended { tail, ..ended(HowEnded::Exited(3)) });
    assert_eq!(scene.failure(), "exit 3: no licence");
    let mut scene = started();
    scene.ended(ended(HowEnded::Signalled(11)));
    assert_eq!(scene.failure(), "signal 11");
}

#[test]
fn a_script_cannot_write_to_the_terminal_of_who_reads_its_failure() {
    let mut scene = started();
    scene.ended(Ended { tail: b"\x1b[2Jall is well".to_vec(), ..ended(HowEnded::Exited(1)) });
    assert!(!scene.failure().contains('\x1b'), "{:?}", scene.failure());
}

#[test]
fn a_script_that_exceeds_its_limit_has_failed_even_with_zero() {
    let mut scene = started();
    assert_eq!(scene.program().time_limit, Some(Span::secs(3)), "the hands keep the limit");
    scene.ended(Ended { limit: TimeLimit::Exceeded, ..ended(HowEnded::Exited(0)) });
    assert_eq!(scene.failure(), "no end within its limit");
}

#[test]
fn ph_04_a_monitor_that_says_no_hangs_or_floods_has_failed_and_zero_is_health() {
    let outcome = |how: HowEnded, limit: TimeLimit, dropped: u64| {
        let mut scene = Scene::new(vec![server(None)]);
        scene.ask("server");
        assert_eq!(scene.asked(), ["monitor"]);
        assert_eq!(scene.program().time_limit, Some(Span::secs(1)));
        let program = running(1, "server", Purpose::Monitor, EPOCH);
        scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped });
        scene.outcome()
    };
    let failed = |kind: Mishap, how: &str| Outcome::Failed { how: How::of(kind, how) };
    let well = outcome(HowEnded::Exited(0), TimeLimit::Kept, 0);
    assert!(matches!(well, Outcome::Fine { .. }));
    assert_eq!(outcome(HowEnded::Exited(1), TimeLimit::Kept, 0), failed(Mishap::Plain, "exit 1"));
    let hung = outcome(HowEnded::Signalled(9), TimeLimit::Exceeded, 0);
    assert_eq!(hung, failed(Mishap::TooLate, "no end within its limit"));
    let flood = outcome(HowEnded::Exited(0), TimeLimit::Kept, 2 << 20);
    assert_eq!(flood, failed(Mishap::Flooded, "exit 0, flooded its output"));
}

#[test]
fn a_script_that_floods_and_has_done_its_work_has_not_failed() {
    let flooded = |scene: &Scene| {
        let flood = |f: &&Finished| {
            matches!(f, Finished::Seen { what: Happening::Flooded { resource }, epoch: EPOCH, .. }
                if resource.as_str() == "batch")
        };
        scene.out.iter().filter(flood).count()
    };
    let mut scene = started();
    scene.ended(Ended { dropped: 2 << 20, ..ended(HowEnded::Exited(0)) });
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.outcome());
    assert_eq!(flooded(&scene), 1, "and it is told");
    let mut scene = Scene::new(vec![batch()]);
    scene.stop("batch");
    let program = running(1, "batch", Purpose::Stop, EPOCH);
    scene.ended(Ended { program, dropped: 2 << 20, ..ended(HowEnded::Exited(0)) });
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.outcome());
    assert_eq!(flooded(&scene), 1);
    let mut scene = started();
    let tail = b"no licence\n".to_vec();
    scene.ended(Ended { tail, dropped: 2 << 20, ..ended(HowEnded::Exited(3)) });
    assert_eq!(scene.failure(), "exit 3: no licence");
}

#[test]
fn cl_03_start_scripts_monitors_and_stop_scripts_are_told_their_event_under_both_names() {
    let words = [
        (ScriptEvent::Start, "START"),
        (ScriptEvent::Failover, "FAILOVER"),
        (ScriptEvent::Recover, "RECOVER"),
    ];
    for (event, word) in words {
        let told = Told { event, ..TOLD };
        let mut scene = Scene::new(vec![batch()]);
        scene.start_as("batch", told);
        assert_eq!(both(&scene, "EVENT"), [word, word]);
        scene.act(Act::Ask { id: MonitorId::new(resource_name("batch"), None), told });
        assert_eq!(both(&scene, "EVENT"), [word, word]);
        scene.stop_as("batch", told);
        assert_eq!(scene.program().purpose, Purpose::Stop);
        assert_eq!(both(&scene, "EVENT"), [word, word]);
    }
}

/// What the newest program is told under the old and the new name.
fn both(scene: &Scene, what: &str) -> [String; 2] {
    let env = scene.environment();
    ["ARMS", "CLP"].map(|of| env[&format!("{of}_{what}")].clone())
}

#[test]
fn scripts_are_told_how_the_group_starts_and_why() {
    let kinds = [
        (StartKind::Normal, "normal"),
        (StartKind::Restart, "restart"),
        (StartKind::ForcedNormal, "forced-normal"),
    ];
    for (kind, word) in kinds {
        let mut scene = Scene::new(vec![batch()]);
        scene.start_as("batch", Told { kind, reason: "node-silent", ..TOLD });
        let env = scene.environment();
        assert_eq!((&*env["TSUGI_START"], &*env["TSUGI_REASON"]), (word, "node-silent"));
    }
    let mut scene = Scene::new(vec![batch()]);
    scene.stop_as("batch", Told { reason: "move", ..TOLD });
    assert_eq!(scene.environment()["TSUGI_REASON"], "move");
}

#[test]
fn cl_04_scripts_are_told_whether_they_run_on_the_groups_first_node() {
    for (prefer, word) in [(["a", "b"], "HOME"), (["b", "a"], "OTHER")] {
        let mut scene = Scene::new(vec![batch()]);
        let prefer = prefer.map(|n| NodeName::new(n).unwrap()).to_vec();
        scene.spec = Arc::new(GroupSpec { prefer, ..group_of(vec![batch()]) });
        scene.start("batch");
        let env = scene.environment();
        assert_eq!(env["ARMS_SERVER"], word);
        assert_eq!(env["CLP_SERVER"], word);
    }
}

#[test]
fn cl_05_scripts_are_told_under_both_names_whether_the_disks_came_up() {
    for (disk, word) in [(Disk::Success, "SUCCESS"), (Disk::Failure, "FAILURE")] {
        let told = Told { disk, ..TOLD };
        let mut scene = Scene::new(vec![batch()]);
        scene.start_as("batch", told);
        assert_eq!(both(&scene, "DISK"), [word, word]);
        scene.stop_as("batch", told);
        assert_eq!(both(&scene, "DISK"), [word, word]);
    }
}

#[test]
fn the_environment_of_a_program_is_its_own_and_what_its_group_adds() {
    let env = started().environment();
    assert_eq!(env["SHARD"], "7");
    assert_eq!(env["TSUGI_NODE"], "a");
    assert_eq!(env["PATH"], "/usr/bin:/bin");
    assert!(!env.contains_key("HOME"), "nothing comes from the agent's own");
}

#[test]
fn what_scripts_print_is_kept_in_a_log_with_a_limit_and_its_end_says_why_they_failed() {
    let mut scene = Scene::new(vec![batch()]);
    scene.start("batch");
    let log = Output::File { path: scene.dir.path().join("PAY.batch.log"), limit: 8 << 20 };
    let end = Output::Tail { keep: TAIL_LONGEST };
    let both = Output::Both(Box::new(log), Box::new(end.clone()));
    assert_eq!(scene.program().output, both);
    scene.stop("batch");
    assert_eq!(scene.program().purpose, Purpose::Stop);
    assert_eq!(scene.program().output, both);
    scene.ask("batch");
    assert_eq!(scene.program().output, end, "a monitor that is asked for ever fills no disk");
}

#[test]
fn a_monitor_needs_no_lease_but_a_start_does() {
    assert!(matches!(started().program().right, Right::Lease { epoch: EPOCH, .. }));
    let mut scene = Scene::new(vec![server(None)]);
    scene.ask("server");
    assert!(matches!(scene.program().right, Right::Free { .. }));
}

#[test]
fn ph_13_a_program_that_runs_already_is_not_started_again_and_counts_as_up() {
    let checked = || {
        let mut checked = batch();
        let ResourceKind::Process { how: ProcessHow::Scripts { running, .. }, .. } =
            &mut checked.kind
        else {
            unreachable!()
        };
        *running = Some(vec!["/opt/running".to_owned()]);
        checked
    };
    let said = |how: HowEnded, limit: TimeLimit| {
        let mut scene = Scene::new(vec![checked()]);
        scene.start("batch");
        assert_eq!(scene.asked(), ["monitor"], "it is asked first");
        assert_eq!(scene.program().argv, ["/opt/running"]);
        let program = running(1, "batch", Purpose::Monitor, EPOCH);
        scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 0 });
        scene
    };
    let up = said(HowEnded::Exited(0), TimeLimit::Kept);
    assert_eq!(up.asked(), ["monitor"], "the start script is left out");
    assert!(matches!(up.outcome(), Outcome::Fine { .. }));
    for (how, limit) in [
        (HowEnded::Exited(1), TimeLimit::Kept),
        (HowEnded::Exited(0), TimeLimit::Exceeded),
        (HowEnded::Signalled(9), TimeLimit::Kept),
    ] {
        let mut scene = said(how, limit);
        assert_eq!(scene.asked(), ["monitor", "start script"], "{how:?} is no yes");
        assert_eq!(scene.outcomes(), []);
        let program = running(2, "batch", Purpose::Start, EPOCH);
        let (how, limit) = (HowEnded::Exited(0), TimeLimit::Kept);
        scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 0 });
        assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
    }
}

/// The command that asks this, and how long it may take.
fn asked(check: Check, limit: Option<Span>) -> (String, Option<Span>) {
    let mut watched = server(None);
    let ResourceKind::Process { monitors, .. } = &mut watched.kind else { unreachable!() };
    monitors[0].check = check;
    monitors[0].limit = limit.unwrap_or(monitors[0].limit);
    let mut scene = Scene::new(vec![watched]);
    scene.ask("server");
    let program = scene.program();
    (program.argv.join(" "), program.time_limit)
}

#[test]
fn cl_35_a_monitor_that_may_take_longer_waits_longer_by_itself() {
    let limit = Some(Span::secs(12));
    let longer = asked(Check::Tcp("db:1".to_owned()), limit);
    assert_eq!(longer, ("/usr/bin/tsugi monitor tcp db:1 --within 12000ms".to_owned(), limit));
    let waits_for_nothing = asked(Check::Link("eth0".to_owned()), limit);
    assert_eq!(waits_for_nothing, ("/usr/bin/tsugi monitor link eth0".to_owned(), limit));
}

#[test]
fn a_monitor_without_a_command_is_asked_by_this_program_itself() {
    let cases = [
        (Check::Tcp("db:1".to_owned()), "tcp db:1"),
        (Check::Http("http://db/".to_owned()), "http http://db/"),
        (Check::Ping("10.0.0.254".parse().unwrap()), "ping 10.0.0.254"),
        (Check::Link("eth0".to_owned()), "link eth0"),
        (Check::Disk("/data".to_owned()), "disk /data"),
    ];
    for (check, words) in cases {
        assert_eq!(asked(check, None).0, format!("/usr/bin/tsugi monitor {words}"));
    }
}

/// Two script resources of which one is told of a return, its script running as pid 1.
fn back() -> Scene {
    let mut recovers = batch();
    recovers.name = resource_name("cleanup");
    let ResourceKind::Process { how: ProcessHow::Scripts { on_recover, start, .. }, .. } =
        &mut recovers.kind
    else {
        unreachable!()
    };
    *on_recover = OnRecover::Run;
    *start = vec!["/opt/cleanup".to_owned()];
    let mut scene = Scene::new(vec![volume("disk"), address("vip"), batch(), recovers]);
    scene.act(Act::Recover { told: Told { event: ScriptEvent::Recover, ..TOLD } });
    scene
}

#[test]
fn cl_06_a_return_runs_the_start_scripts_that_are_configured_for_it_and_no_others() {
    let mut scene = back();
    let asked = ["kill group", "monitor"];
    assert_eq!(scene.asked(), asked, "no address, no volume, and what it starts does not stay");
    let program = scene.program();
    assert_eq!(program.argv, ["/opt/cleanup"]);
    assert_eq!(program.right, Right::Free { group: pay(), epoch: Epoch::NONE }, "no right at all");
    assert_eq!(program.time_limit, Some(Span::secs(3)), "its start limit");
    assert_eq!(both(&scene, "EVENT"), ["RECOVER", "RECOVER"]);
    let program = running(1, "cleanup", Purpose::Monitor, Epoch::NONE);
    let (how, limit) = (HowEnded::Exited(4), TimeLimit::Kept);
    scene.ended(Ended { program, how, limit, tail: b"no room".to_vec(), dropped: 0 });
    assert_eq!(scene.program().argv[0], "/bin/rm", "its folder goes with it");
    recovered(&mut scene, HowEnded::Exited(0));
    assert_eq!(scene.failure(), "exit 4: no room");
}

/// The newest program of a return ends.
fn recovered(scene: &mut Scene, how: HowEnded) {
    let name = scene.program().name.clone();
    let program = running(scene.hands.pids, name.as_str(), Purpose::Monitor, Epoch::NONE);
    scene.ended(Ended { program, ..ended(how) });
}

#[test]
fn a_script_that_fails_at_a_return_does_not_keep_the_others_from_theirs() {
    let recovers = |name: &str| {
        let mut recovers = batch();
        recovers.name = resource_name(name);
        let ResourceKind::Process { how: ProcessHow::Scripts { on_recover, start, .. }, .. } =
            &mut recovers.kind
        else {
            unreachable!()
        };
        *on_recover = OnRecover::Run;
        *start = vec![format!("/opt/{name}")];
        recovers
    };
    let mut scene = Scene::new(vec![recovers("first"), recovers("second"), recovers("third")]);
    scene.act(Act::Recover { told: Told { event: ScriptEvent::Recover, ..TOLD } });
    for (script, code) in [("/opt/first", 3), ("/opt/second", 4), ("/opt/third", 0)] {
        assert_eq!(scene.program().argv, [script]);
        assert_eq!(scene.outcomes(), []);
        recovered(&mut scene, HowEnded::Exited(code));
    }
    let folder = PathBuf::from(scene.environment().get("TSUGI_RUN").cloned().unwrap_or_default());
    assert_eq!(folder, PathBuf::new(), "then the folders are removed");
    for _ in 0..3 {
        assert_eq!(scene.program().argv[0], "/bin/rm");
        recovered(&mut scene, HowEnded::Exited(0));
    }
    assert_eq!(scene.failure(), "exit 3; exit 4");
}

#[test]
fn a_group_that_has_scripts_for_a_return_begins_once_nothing_of_one_is_left() {
    let mut scene = back();
    let spec = Arc::clone(&scene.spec);
    // An agent that knows nothing of what a former one has told.
    scene = Scene::new(spec.resources.clone());
    scene.hands.silent = true;
    scene.start("batch");
    assert_eq!(scene.asked(), ["kill group"], "and the answer is awaited");
    let id = RequestId(1);
    let answer = Report::Answer { id, outcome: Ok(Answer::Killed { count: 1 }) };
    scene.hands.silent = false;
    scene.errands.on_report(scene.now, &answer, &mut scene.hands, &mut scene.out);
    scene.hear();
    assert_eq!(scene.asked(), ["kill group", "start script"]);
    scene.start("cleanup");
    assert_eq!(scene.asked()[2..], ["start script"], "what has begun is left alone");
    let mut scene = Scene::new(spec.resources.clone());
    scene.answers("kill group", Err(Failure::StillThere { pids: vec![3] }));
    scene.start("batch");
    assert_eq!(scene.asked(), ["kill group"]);
    assert!(matches!(scene.outcome(), Outcome::Failed { .. }), "nothing runs beside it");
}

#[test]
fn a_script_that_is_told_of_a_return_ends_before_its_group_begins_here() {
    let mut scene = back();
    scene.epoch = Epoch { counter: 5, ..EPOCH };
    scene.start("batch");
    assert_eq!(scene.asked(), ["kill group", "monitor", "kill group", "start script"]);
    assert_eq!(scene.outcomes(), [], "what becomes of it is nobody's any more");
}

impl Scene {
    /// The program that was started last exits.
    fn exits(&mut self, code: i32) {
        let (pid, purpose) = (self.hands.pids, self.program().purpose);
        let program = running(pid, "batch", purpose, EPOCH);
        let (how, limit) = (HowEnded::Exited(code), TimeLimit::Kept);
        self.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 0 });
    }
}

/// Scripts with a name for each method, and a monitor that notifies.
fn with_methods() -> ResourceSpec {
    let mut batch = batch();
    let ResourceKind::Process { how, monitors, cleanup, .. } = &mut batch.kind else {
        unreachable!()
    };
    *cleanup = Some(vec!["/opt/clean".to_owned()]);
    if let ProcessHow::Scripts { restart, .. } = how {
        *restart = Some(vec!["/opt/again".to_owned()]);
    }
    monitors[0].name = Some(resource_name("port"));
    let run = vec!["/opt/mail".to_owned(), "oncall".to_owned()];
    monitors[0].notify = Some(NotifyMethod { run, limit: Span::secs(7) });
    batch
}

#[test]
fn ph_14_cleanup_runs_before_a_start_that_follows_an_unclean_end_and_after_a_stop_for_a_failure() {
    for (before, wanted) in
        [(Before::Orderly, vec!["/opt/start"]), (Before::Unclean, vec!["/opt/clean", "/opt/start"])]
    {
        let mut scene = Scene::new(vec![with_methods()]);
        scene.start_as("batch", Told { before, ..TOLD });
        let ran = |scene: &Scene| -> Vec<String> {
            let spawned = |r: &Request| match r {
                Request::Spawn(p) if p.argv[0].starts_with("/opt") => Some(p.argv[0].clone()),
                _ => None,
            };
            scene.hands.asked.iter().filter_map(spawned).collect()
        };
        for _ in 1..wanted.len() {
            scene.exits(0);
        }
        assert_eq!(ran(&scene), wanted);
    }
    let mut scene = Scene::new(vec![with_methods()]);
    scene.stop_as("batch", Told { before: Before::Unclean, reason: "monitor-failed", ..TOLD });
    scene.exits(0);
    assert_eq!(scene.program().argv, ["/opt/clean"]);
    scene.exits(3);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "the stop itself was done");
}

#[test]
fn ph_14_a_restart_method_is_run_under_the_lease_and_within_the_limit_of_a_start() {
    let mut scene = Scene::new(vec![with_methods()]);
    let resource = resource_name("batch");
    scene.act(Act::Restart { resource, told: Told { before: Before::Unclean, ..TOLD } });
    assert_eq!(scene.program().argv, ["/opt/clean"]);
    scene.exits(0);
    let program = scene.program();
    assert_eq!(program.argv, ["/opt/again"]);
    assert!(matches!(program.right, Right::Lease { .. }));
    assert_eq!(program.purpose, Purpose::Start);
    scene.exits(3);
    assert!(matches!(scene.outcome(), Outcome::Failed { .. }));
}

#[test]
fn ph_14_a_notify_method_is_told_what_happened_and_does_not_end_with_the_group() {
    let mut scene = Scene::new(vec![with_methods()]);
    let id = MonitorId::new(resource_name("batch"), Some(resource_name("port")));
    let how = "exit 3: no licence".to_owned();
    let notice = Notice { id, how, times: 2, action: OnFailure::Notify };
    scene.act(Act::Notify { notice, told: TOLD });
    let program = scene.program();
    assert_eq!(program.argv, ["/opt/mail", "oncall"]);
    assert_eq!(program.time_limit, Some(Span::secs(7)));
    assert_ne!(program.right.group().as_str(), "PAY", "a kill of the group would end it");
    for (key, value) in [
        ("TSUGI_FAILED_GROUP", "PAY"),
        ("TSUGI_FAILED_RESOURCE", "batch"),
        ("TSUGI_FAILED_MONITOR", "port"),
        ("TSUGI_FAILED_HOW", "exit 3: no licence"),
        ("TSUGI_FAILED_TIMES", "2"),
        ("TSUGI_FAILED_ACTION", "notify"),
    ] {
        assert!(program.env.contains(&(key.to_owned(), value.to_owned())), "{key}");
    }
    scene.exits(1);
    let told = |f: &Finished| {
        let Finished::Seen { what: Happening::Monitor { turn, .. }, .. } = f else { return false };
        matches!(turn, MonitorTurn::NotNotified { .. })
    };
    assert!(scene.out.iter().any(told), "that nobody was notified is told");
}
