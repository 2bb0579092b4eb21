//! What resource agents are told, and what comes of what they answer.

use super::*;
use tsugi_cluster_rules::ocf::Undo;
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::Happening;
use tsugi_cluster_rules::spec::Rhythm;

fn agent(undo: Undo) -> ResourceSpec {
    let (every, limit) = (Span::secs(7), Span::secs(4));
    resource(
        "db",
        ResourceKind::Ocf {
            agent: "ocf:heartbeat:pgsql".parse().unwrap(),
            parameters: [("pgdata".to_owned(), "/data/pay".to_owned())].into(),
            undo,
            level: 10,
            monitor: Rhythm { every, limit, failures: 1, delay: None },
        },
    )
}

fn scene(undo: Undo) -> Scene {
    Scene::new(vec![agent(undo)])
}

impl Scene {
    /// The agent that was called last ends.
    fn answer(&mut self, how: HowEnded, tail: &str) {
        let purpose = self.program().purpose;
        self.ended(Ended {
            program: running(self.hands.pids, "db", purpose, EPOCH),
            how,
            limit: TimeLimit::Kept,
            tail: tail.as_bytes().to_vec(),
            dropped: 0,
        });
    }

    fn exit(&mut self, code: i32) {
        self.answer(HowEnded::Exited(code), "");
    }

    /// The group is up, started by its agent.
    fn up(mut self) -> Self {
        self.start("db");
        self.exit(0);
        assert!(matches!(self.outcome(), Outcome::Fine { .. }));
        self.out.clear();
        self.hands.asked.clear();
        self
    }

    fn failed(&self) -> How {
        match self.outcome() {
            Outcome::Failed { how } | Outcome::Stuck { left: how } => how,
            other => panic!("{other:?} is no failure"),
        }
    }
}

#[test]
fn an_agent_is_called_with_its_action_and_an_environment_from_empty() {
    let mut scene = scene(Undo::Reset);
    scene.start("db");
    assert_eq!(scene.asked(), ["start script"]);
    let program = scene.program();
    assert_eq!(program.argv, ["/usr/lib/ocf/resource.d/heartbeat/pgsql", "start"]);
    assert_eq!(program.time_limit, Some(Span::secs(3)), "the hands keep the start limit");
    assert!(matches!(program.right, Right::Lease { epoch: EPOCH, .. }));
    let env = scene.environment();
    let scratch = scene.dir.path().join("run/agent/ocf");
    for (name, value) in [
        ("OCF_ROOT", "/usr/lib/ocf"),
        ("OCF_RESKEY_pgdata", "/data/pay"),
        ("OCF_RESOURCE_INSTANCE", "PAY.db"),
        ("OCF_RESOURCE_TYPE", "pgsql"),
        ("OCF_RESOURCE_PROVIDER", "heartbeat"),
        ("OCF_RA_VERSION_MAJOR", "1"),
        ("OCF_RA_VERSION_MINOR", "1"),
        ("OCF_RESKEY_CRM_meta_timeout", "3000"),
        ("OCF_RESKEY_CRM_meta_interval", "0"),
        ("HA_RSCTMP", scratch.to_str().unwrap()),
    ] {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!env.contains_key("HOME"), "nothing comes from the agent's own");
}

#[test]
fn a_monitor_is_told_its_rhythm_and_how_closely_to_look() {
    let mut scene = scene(Undo::Reset).up();
    scene.ask("db");
    assert_eq!(scene.asked(), ["monitor"]);
    assert!(matches!(scene.program().right, Right::Free { .. }), "it needs no lease");
    assert_eq!(scene.program().time_limit, Some(Span::secs(4)));
    let env = scene.environment();
    assert_eq!(env["OCF_RESKEY_CRM_meta_interval"], "7000");
    assert_eq!(env["OCF_CHECK_LEVEL"], "10");
}

#[test]
fn what_a_monitor_answers_is_health_or_a_failure_with_the_reason_of_the_agent() {
    let asked = |code| {
        let mut scene = scene(Undo::Reset).up();
        scene.ask("db");
        let said = "Nov 21 INFO: looking\nocf-exit-reason:no socket \u{1b}[2J\nbye\n";
        scene.answer(HowEnded::Exited(code), said);
        scene
    };
    for well in [0, 8, 190, 191] {
        assert!(matches!(asked(well).outcome(), Outcome::Fine { .. }), "{well}");
    }
    for (code, mishap) in [
        (1, Mishap::Plain),
        (5, Mishap::TakenAsFailed { code: 5 }),
        (6, Mishap::TakenAsFailed { code: 6 }),
        (7, Mishap::Plain),
        (9, Mishap::Plain),
        (77, Mishap::Nonsense { code: 77 }),
    ] {
        let how = asked(code).failed();
        assert_eq!(how.mishap, mishap, "{code}");
        assert!(how.words.starts_with(&format!("exit {code}: no socket")), "{}", how.words);
        assert!(!how.words.contains('\u{1b}'), "{:?}", how.words);
    }
}

#[test]
fn a_stop_counts_only_when_the_monitor_says_so_as_well() {
    let mut scene = scene(Undo::Reset).up();
    scene.stop("db");
    assert_eq!(scene.program().argv[1], "stop");
    assert!(matches!(scene.program().right, Right::Free { .. }));
    scene.exit(0);
    assert_eq!(scene.outcomes(), [], "its word alone is not enough");
    assert_eq!(scene.program().argv[1], "monitor");
    scene.exit(7);
    assert_eq!(scene.asked(), ["stop script", "monitor", "kill group"]);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn a_stop_that_lies_and_one_that_fails_are_failed_stops() {
    let stopped = |stop: i32, monitor: Option<i32>| {
        let mut scene = scene(Undo::Reset).up();
        scene.stop("db");
        scene.exit(stop);
        monitor.into_iter().for_each(|code| scene.exit(code));
        scene.out.retain(|f| matches!(f, Finished::Act { .. }));
        scene.failed().mishap
    };
    assert_eq!(stopped(0, Some(0)), Mishap::StillThere, "it runs");
    assert_eq!(stopped(0, Some(1)), Mishap::Plain, "in doubt it runs");
    assert_eq!(stopped(1, None), Mishap::Plain);
    assert_eq!(stopped(6, None), Mishap::Plain, "it was started, so it is configured");
    assert_eq!(stopped(77, None), Mishap::Nonsense { code: 77 });
}

#[test]
fn an_agent_that_cannot_work_here_has_begun_nothing_and_need_not_stop() {
    let absent = || Err(Failure::NotStarted { step: "start".to_owned(), errno: 2 });
    // Its file is missing.
    let mut scene = scene(Undo::Reset);
    scene.answers("start script", absent());
    scene.start("db");
    assert!(matches!(scene.outcome(), Outcome::Failed { .. }));
    scene.out.clear();
    scene.answers("stop script", absent());
    scene.answers("monitor", absent());
    scene.stop("db");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.outcome());
    // What it looks after is missing, and it says so to everything.
    is_let_go_though_it_never_began(Scene::new(vec![agent(Undo::Reset)]));
}

/// What it needs is missing, at its start and at all that is asked after that.
fn is_let_go_though_it_never_began(mut scene: Scene) {
    scene.start("db");
    scene.exit(5);
    assert!(matches!(scene.outcome(), Outcome::Failed { .. }));
    scene.out.clear();
    scene.act(Act::LetGo);
    scene.exit(5);
    scene.exit(5);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.outcome());
}

#[test]
fn an_agent_whose_file_has_gone_while_it_was_up_leaves_it_up_and_says_so() {
    let mut scene = scene(Undo::Reset).up();
    let step = "start".to_owned();
    scene.answers("stop script", Err(Failure::NotStarted { step, errno: 2 }));
    scene.act(Act::LetGo);
    assert!(matches!(scene.outcome(), Outcome::Stuck { .. }), "the guardian ends the machine");
}

#[test]
fn cl_18_a_share_that_hangs_when_it_is_let_go_of_is_stuck_and_named() {
    let mut scene = scene(Undo::Reset).up();
    scene.act(Act::LetGo);
    scene.ended(Ended {
        program: running(scene.hands.pids, "db", Purpose::Stop, EPOCH),
        how: HowEnded::Signalled(9),
        limit: TimeLimit::Exceeded,
        tail: Vec::new(),
        dropped: 0,
    });
    let left = How::of(Mishap::TooLate, "db: no end within its limit");
    assert_eq!(scene.outcome(), Outcome::Stuck { left });
}

#[test]
fn what_a_kill_does_not_take_away_is_let_go_of_by_its_agent() {
    let mut by_agent = scene(Undo::Reset).up();
    by_agent.act(Act::LetGo);
    assert_eq!(by_agent.asked(), ["kill group", "stop script"]);
    by_agent.exit(0);
    by_agent.exit(7);
    assert!(matches!(by_agent.outcome(), Outcome::Fine { .. }));
    let mut by_kill = scene(Undo::Kill).up();
    by_kill.act(Act::LetGo);
    assert_eq!(by_kill.asked(), ["kill group"]);
    assert!(matches!(by_kill.outcome(), Outcome::Fine { .. }));
}

#[test]
fn an_agent_that_floods_is_judged_by_what_it_did_and_its_monitor_is_not() {
    let flood = |scene: &mut Scene, purpose| {
        let program = running(scene.hands.pids, "db", purpose, EPOCH);
        let (how, limit) = (HowEnded::Exited(0), TimeLimit::Kept);
        scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 1 << 30 });
    };
    let mut starting = scene(Undo::Reset);
    starting.start("db");
    flood(&mut starting, Purpose::Start);
    let seen = |f: &Finished| {
        matches!(f, Finished::Seen { what: Happening::Flooded { resource }, epoch: EPOCH, .. }
            if resource.as_str() == "db")
    };
    assert!(starting.out.iter().any(seen), "and it is told");
    assert!(matches!(starting.outcome(), Outcome::Fine { .. }));
    let mut asking = scene(Undo::Reset).up();
    asking.ask("db");
    flood(&mut asking, Purpose::Monitor);
    assert_eq!(asking.failed().mishap, Mishap::Flooded);
}

#[test]
fn a_new_agent_of_the_node_asks_the_resource_agents_what_runs() {
    let found = |code| {
        let mut scene = scene(Undo::Reset);
        scene.answers("list", Ok(Answer::Listing(Listing::default())));
        scene.act(Act::Adopt);
        assert_eq!(scene.environment()["OCF_RESKEY_CRM_meta_interval"], "0", "it is a look");
        scene.exit(code);
        scene
    };
    assert_eq!(found(0).outcome(), Outcome::Adopted(vec![resource_name("db")]));
    assert_eq!(found(7).outcome(), Outcome::Adopted(Vec::new()));
    // In doubt it is not taken over, and only its own word that it has stopped is believed.
    let mut doubtful = found(5);
    assert_eq!(doubtful.outcome(), Outcome::Adopted(Vec::new()));
    doubtful.out.clear();
    doubtful.act(Act::LetGo);
    doubtful.exit(5);
    assert!(matches!(doubtful.outcome(), Outcome::Stuck { .. }));
}

fn unit() -> Scene {
    let (every, limit) = (Span::secs(7), Span::secs(4));
    let monitor = Rhythm { every, limit, failures: 1, delay: None };
    Scene::new(vec![resource(
        "db",
        ResourceKind::Unit { unit: "postgresql@15-main.service".parse().unwrap(), monitor },
    )])
}

#[test]
fn a_unit_is_started_asked_and_stopped_by_this_program_and_stopped_once_systemd_says_so() {
    let mut scene = unit();
    scene.start("db");
    let program = scene.program();
    assert_eq!(program.argv[1..], ["unit", "start", "postgresql@15-main.service"]);
    assert_eq!(program.time_limit, Some(Span::secs(3)));
    assert!(matches!(program.right, Right::Lease { epoch: EPOCH, .. }));
    scene.exit(0);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
    scene.out.clear();
    scene.ask("db");
    assert_eq!(scene.program().argv[2], "monitor");
    assert_eq!(scene.program().time_limit, Some(Span::secs(4)));
    scene.answer(HowEnded::Exited(7), "ocf-exit-reason:failed (failed), signal, status 9");
    assert_eq!(scene.failed().words, "exit 7: failed (failed), signal, status 9");
    scene.out.clear();
    scene.hands.asked.clear();
    scene.stop("db");
    assert_eq!(scene.program().argv[2], "stop");
    assert!(matches!(scene.program().right, Right::Free { .. }));
    scene.exit(0);
    assert_eq!(scene.outcomes(), [], "its word alone is not enough");
    scene.exit(7);
    assert_eq!(scene.asked(), ["stop script", "monitor", "kill group"]);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn what_is_let_go_of_is_killed_by_systemd_and_what_it_cannot_kill_stays_the_guardians() {
    let let_go = |codes: &[i32]| {
        let mut scene = unit().up();
        scene.act(Act::LetGo);
        assert_eq!(scene.program().argv[2], "kill");
        codes.iter().for_each(|code| scene.exit(*code));
        scene
    };
    let gone = let_go(&[0, 7]);
    assert_eq!(gone.asked(), ["kill group", "stop script", "monitor"]);
    assert!(matches!(gone.outcome(), Outcome::Fine { .. }));
    assert!(matches!(let_go(&[1]).outcome(), Outcome::Stuck { .. }));
    assert!(matches!(let_go(&[0, 1]).outcome(), Outcome::Stuck { .. }));
}

#[test]
fn a_unit_that_is_masked_or_missing_has_begun_nothing_and_need_not_stop() {
    is_let_go_though_it_never_began(unit());
}

#[test]
fn a_new_agent_of_the_node_asks_systemd_what_runs() {
    let found = |code| {
        let mut scene = unit();
        scene.answers("list", Ok(Answer::Listing(Listing::default())));
        scene.act(Act::Adopt);
        scene.exit(code);
        scene.outcome()
    };
    assert_eq!(found(0), Outcome::Adopted(vec![resource_name("db")]));
    assert_eq!(found(7), Outcome::Adopted(Vec::new()));
    assert_eq!(found(1), Outcome::Adopted(Vec::new()), "in doubt it is let go of");
}
