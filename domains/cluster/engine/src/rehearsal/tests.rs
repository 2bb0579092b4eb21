//! What is asked of the hands, in which order, and what stands on the disk meanwhile.

use tsugi_cluster_rules::spec::{
    Failback, FailurePolicy, FencePolicy, Mode, Rehearsing, Startup, Takeover,
};
use tsugi_host::Gone;
use tsugi_host::request::{Purpose, Running};
use tsugi_vocabulary::ResourceName;

use super::*;
use crate::errand::stand_in::around;

/// Hands that write down what they are asked.
#[derive(Default)]
struct FakeHands(Vec<Request>);

impl Host for FakeHands {
    fn ask(&mut self, request: &Request) -> Result<RequestId, Gone> {
        self.0.push(request.clone());
        Ok(RequestId(self.0.len() as u64))
    }

    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        Ok(None)
    }
}

impl FakeHands {
    /// What they were asked, in a word each.
    fn words(&self) -> Vec<String> {
        let word = |request: &Request| match request {
            Request::Spawn(program) => program.argv[2].clone(),
            Request::KillGroup { .. } => "kill".to_owned(),
            other => panic!("{other:?} is no business of a rehearsal"),
        };
        self.0.iter().map(word).collect()
    }
}

struct Scene {
    folder: tempfile::TempDir,
    all: Rehearsals,
    hands: FakeHands,
}

fn rehearse(command: &str) -> Rehearse {
    let spec = GroupSpec {
        mode: Mode::Single,
        prefer: Vec::new(),
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: [].into(),
        together: [].into(),
        after: [].into(),
        stop_budget: None,
        drill_every: None,
        rehearsing: Rehearsing::default(),
        entitled: None,
        prefer_by: Default::default(),
        services: [].into(),
        takeover: Takeover::default(),
        fence: FencePolicy::Lease,
        resources: Vec::new(),
    };
    Rehearse {
        command: command.to_owned(),
        group: GroupName::new("PAY").unwrap(),
        depth: Depth::Read,
        epoch: Epoch { incarnation: 1, counter: 5 },
        limit: Span::secs(60),
        spec: Arc::new(spec),
        held_off: Vec::new(),
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all = Rehearsals::new(around("b", folder.path()));
        Self { folder, all, hands: FakeHands::default() }
    }

    fn begin(&mut self, command: &str) -> Option<Rehearsed> {
        self.all.begin(&rehearse(command), &mut self.hands)
    }

    /// What was asked for last is started, and ends so.
    fn ends(&mut self, code: i32, said: &str) -> Option<Rehearsed> {
        let number = self.hands.0.len() as u64;
        let id = ProgramId { pid: u32::try_from(number).unwrap(), started: 7 };
        let answer = Report::Answer { id: RequestId(number), outcome: Ok(Answer::Spawned(id)) };
        assert_eq!(self.all.on_report(&answer, &mut self.hands), None);
        let program = Running {
            id,
            group: GroupName::new(GROUP).unwrap(),
            epoch: Epoch::NONE,
            name: ResourceName::new("run").unwrap(),
            purpose: Purpose::Monitor,
        };
        let (how, limit) = (HowEnded::Exited(code), TimeLimit::Kept);
        let ended = Ended { program, how, limit, tail: said.as_bytes().to_vec(), dropped: 0 };
        self.all.on_report(&Report::Event(Event::Ended(ended)), &mut self.hands)
    }

    fn is_written_down(&self) -> bool {
        brief::file(&brief::folder(self.folder.path())).exists()
    }
}

const WELL: &str = r#"{"parts":[{"part":"read","resource":"disk","millis":4}],"fault":null}"#;
const CLEAN: &str = r#"{"parts":[{"part":"drop","resource":"disk","millis":1}],"fault":null}"#;
const LEFT: &str = r#"{"parts":[],"fault":{"part":"drop","resource":"disk","kind":"failed",
                      "detail":"exit 5"}}"#;

#[test]
fn it_is_told_once_everything_is_taken_away_and_then_nothing_stands_on_the_disk() {
    let mut scene = Scene::new();
    assert_eq!(scene.begin("c1"), None);
    assert!(scene.is_written_down(), "before anything is made");
    assert_eq!(scene.ends(0, WELL), None, "its copies are still there");
    assert_eq!(scene.hands.words(), ["run", "drop"]);
    assert!(scene.is_written_down());
    let told = scene.ends(0, CLEAN).expect("it is over");
    assert_eq!((told.command.as_str(), &told.showed.fault), ("c1", &None));
    assert_eq!(told.showed.parts.len(), 2);
    assert!(!scene.is_written_down());
    assert_eq!(scene.begin("c2"), None, "the next one can begin");
}

#[test]
fn one_that_is_ended_is_killed_and_cleared_up_and_nobody_is_told() {
    let mut scene = Scene::new();
    scene.begin("c1");
    scene.all.end(&mut scene.hands);
    assert_eq!(scene.hands.words(), ["run", "kill"]);
    // The answer to the kill is no news of the process.
    scene.hands.0.truncate(1);
    assert_eq!(scene.ends(9, ""), None);
    assert_eq!(scene.ends(0, CLEAN), None);
    assert!(!scene.is_written_down());
}

#[test]
fn what_is_left_is_kept_in_mind_told_and_taken_away_before_anything_else_begins() {
    let mut scene = Scene::new();
    scene.begin("c1");
    scene.ends(0, WELL);
    let told = scene.ends(0, LEFT).expect("it is over");
    assert_eq!(told.showed.fault.map(|fault| fault.part), Some(Part::Drop));
    assert!(scene.is_written_down(), "somebody has to take it away");
    let refused = scene.begin("c2").expect("not before that");
    assert_eq!(refused.showed.fault.map(|fault| fault.part), Some(Part::Drop));
    assert_eq!(scene.hands.words(), ["run", "drop", "kill", "drop"]);
    assert_eq!(scene.ends(0, CLEAN), None);
    assert_eq!(scene.begin("c3"), None);
}

#[test]
fn an_agent_takes_away_what_the_one_before_it_has_left() {
    let mut scene = Scene::new();
    scene.begin("c1");
    let mut hands = FakeHands::default();
    let mut next = Rehearsals::new(around("b", scene.folder.path()));
    next.clear_up(&mut hands);
    assert_eq!(hands.words(), ["kill", "drop"]);
    let mut none = FakeHands::default();
    Rehearsals::new(around("b", tempfile::tempdir().unwrap().path())).clear_up(&mut none);
    assert_eq!(none.words(), Vec::<String>::new());
}

#[test]
fn a_process_that_fails_or_says_nonsense_has_shown_nothing() {
    for (code, said, kind) in [
        (2, "no such file", FaultKind::Unable),
        (0, "nonsense", FaultKind::Unable),
        (0, "", FaultKind::Unable),
    ] {
        let mut scene = Scene::new();
        scene.begin("c1");
        assert_eq!(scene.ends(code, said), None);
        let told = scene.ends(0, CLEAN).expect("it is over");
        assert_eq!(told.showed.fault.map(|fault| fault.kind), Some(kind), "{code} {said}");
    }
}

#[test]
fn a_copy_that_does_not_fit_is_told_with_what_may_be_had() {
    const MIB: u64 = 1 << 20;
    // Of a large disk four gibibytes stay free, of a small one a tenth.
    let disk = (17_861 * MIB, 191_000 * MIB);
    assert_eq!(copies::fits(13_765 * MIB, disk), Ok(()));
    let told = "13766 MiB > 17861 - 4096 MiB".to_owned();
    assert_eq!(copies::fits(13_765 * MIB + 1, disk), Err(told));
    let disk = (3_000 * MIB, 191_000 * MIB);
    assert_eq!(copies::fits(1, disk), Err("1 MiB > 3000 - 4096 MiB".to_owned()));
    let disk = (30 * MIB, 100 * MIB);
    assert_eq!(copies::fits(20 * MIB, disk), Ok(()));
    assert_eq!(copies::fits(20 * MIB + 1, disk), Err("21 MiB > 30 - 10 MiB".to_owned()));
}
