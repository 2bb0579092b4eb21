//! Errands against hands that only write down what they are asked and answer as told.

mod folders;
mod going_down;
mod going_up;
mod mirrored;
mod ocf;
mod reserved;
mod scripts;
mod taking_over;
mod watched;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tempfile::TempDir;
use tsugi_cluster_rules::desk::{Act, Before, Disk, Outcome, Probe, ScriptEvent, Told};
use tsugi_cluster_rules::mirror::{Fencing, Known, Promotion};
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::spec::{
    Check, Failback, FailurePolicy, FencePolicy, GroupSpec, Mode, Monitor, OnRecover, ProcessHow,
    Rehearsing, ResourceKind, ResourceSpec, Startup, Takeover, VolumeCheck, VolumeSource,
};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_cluster_rules::volume::Retries;
use tsugi_host::request::{
    Answer, Ended, Event, Failure, HowEnded, Listing, Program, ProgramId, Purpose, Report, Request,
    RequestId, Right, Running, TimeLimit, Unmounting,
};
use tsugi_host::{Gone, Host};
use tsugi_vocabulary::{Epoch, GroupName, Moment, NodeName, ResourceName, Span};

use super::{Errands, Finished, Job, Surroundings};

const EPOCH: Epoch = Epoch { incarnation: 1, counter: 4 };

/// What scripts are told where the test is not about it.
const TOLD: Told = Told {
    kind: StartKind::Normal,
    event: ScriptEvent::Start,
    disk: Disk::Success,
    reason: "cluster-start",
    before: Before::Orderly,
    promotion: Promotion { known: Known::Alike, fencing: Fencing::AsItIs },
};

/// Hands that answer what they are told to, `Done` otherwise, and start every program.
#[derive(Default)]
struct FakeHands {
    asked: Vec<Request>,
    answers: VecDeque<(&'static str, Result<Answer, Failure>)>,
    reports: VecDeque<Report>,
    pids: u32,
    silent: bool,
}

impl Host for FakeHands {
    fn ask(&mut self, request: &Request) -> Result<RequestId, Gone> {
        self.asked.push(request.clone());
        let id = RequestId(self.asked.len() as u64);
        let word = word(request);
        let told = self.answers.iter().position(|(for_what, _)| *for_what == word);
        let outcome = match told.and_then(|at| self.answers.remove(at)) {
            Some((_, outcome)) => outcome,
            None => Ok(self.usual(request)),
        };
        if !self.silent {
            self.reports.push_back(Report::Answer { id, outcome });
        }
        Ok(id)
    }

    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        Ok(self.reports.pop_front())
    }
}

impl FakeHands {
    fn usual(&mut self, request: &Request) -> Answer {
        match request {
            Request::Probe { .. } => Answer::Probed { conflict: None },
            Request::Spawn(_) => {
                self.pids += 1;
                Answer::Spawned(ProgramId { pid: self.pids, started: 7 })
            }
            _ => Answer::Done,
        }
    }
}

/// A request in one word or two.
fn word(request: &Request) -> &'static str {
    match request {
        Request::AddAddress { .. } => "add",
        Request::RemoveAddress { .. } => "remove",
        Request::Probe { .. } => "probe",
        Request::Announce { .. } => "announce",
        Request::Mount { .. } => "mount",
        Request::Unmount { .. } => "unmount",
        Request::Spawn(program) => match program.purpose {
            Purpose::Service => "service",
            Purpose::Start => "start script",
            Purpose::Stop => "stop script",
            Purpose::Monitor => "monitor",
        },
        Request::Signal { signal: 15, .. } => "end",
        Request::Signal { .. } => "kill",
        Request::KillGroup { .. } => "kill group",
        Request::List => "list",
        Request::Reset { .. } => "reset",
        Request::Watch => "watch",
    }
}

/// A node with its errands, its hands and its clock.
struct Scene {
    errands: Errands,
    hands: FakeHands,
    spec: Arc<GroupSpec>,
    now: Moment,
    acts: u64,
    epoch: Epoch,
    out: Vec<Finished>,
    dir: TempDir,
}

impl Scene {
    fn new(resources: Vec<ResourceSpec>) -> Self {
        Self::with_hands_of(nix::unistd::geteuid().as_raw(), resources)
    }

    /// The same where the hands are of this user.
    fn with_hands_of(hands_uid: u32, resources: Vec<ResourceSpec>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let around = Self::around(&dir, hands_uid);
        // The hands make it before they start the agent.
        std::fs::create_dir_all(around.run_dir.join(tsugi_host::hands::AGENT_DIR)).unwrap();
        Self {
            errands: Errands::new(around),
            hands: FakeHands::default(),
            spec: Arc::new(group_of(resources)),
            now: Moment(1_000_000_000),
            acts: 0,
            epoch: EPOCH,
            out: Vec::new(),
            dir,
        }
    }

    fn around(dir: &TempDir, hands_uid: u32) -> Surroundings {
        Surroundings {
            node: "a".to_owned(),
            run_dir: dir.path().join("run"),
            log_dir: dir.path().to_owned(),
            data_dir: dir.path().to_owned(),
            path: "/usr/bin:/bin".to_owned(),
            ocf_root: "/usr/lib/ocf".into(),
            cluster: 7,
            tsugi: "/usr/bin/tsugi".to_owned(),
            agent_uid: nix::unistd::geteuid().as_raw(),
            unmounting: Unmounting::Gentle,
            hands_uid,
        }
    }

    fn answers(&mut self, to: &'static str, outcome: Result<Answer, Failure>) {
        self.hands.answers.push_back((to, outcome));
    }

    /// Begins an act and lets the hands answer until they have nothing more to say.
    fn act(&mut self, what: Act) {
        self.acts += 1;
        let (group, spec) = (pay(), Arc::clone(&self.spec));
        let job = Job { group, epoch: self.epoch, act: self.acts, what, spec };
        self.errands.begin(self.now, job, &mut self.hands, &mut self.out);
        self.hear();
    }

    fn start(&mut self, name: &str) {
        self.start_as(name, TOLD);
    }

    fn start_as(&mut self, name: &str, told: Told) {
        let resource = resource_name(name);
        self.act(Act::Start { resource, told, probe: Probe::Once });
    }

    fn stop(&mut self, name: &str) {
        self.stop_as(name, TOLD);
    }

    fn stop_as(&mut self, name: &str, told: Told) {
        self.act(Act::Stop { resource: resource_name(name), told });
    }

    fn ask(&mut self, name: &str) {
        self.act(Act::Ask { id: MonitorId::new(resource_name(name), None), told: TOLD });
    }

    fn hear(&mut self) {
        while let Some(report) = self.hands.next_report().unwrap() {
            self.errands.on_report(self.now, &report, &mut self.hands, &mut self.out);
        }
    }

    /// Time passes; the errands look whenever they wanted to.
    fn pass(&mut self, time: Span) {
        let end = self.now + time;
        while let Some(at) = self.errands.next_time().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.errands.on_time(self.now, &mut self.hands, &mut self.out);
            self.hear();
        }
        self.now = end;
    }

    /// The program of a resource ends.
    fn ends(&mut self, pid: u32, name: &str, how: HowEnded) {
        self.ended(Ended {
            program: running(pid, name, Purpose::Service, EPOCH),
            how,
            limit: TimeLimit::Kept,
            tail: Vec::new(),
            dropped: 0,
        });
    }

    fn ended(&mut self, ended: Ended) {
        let report = Report::Event(Event::Ended(ended));
        self.errands.on_report(self.now, &report, &mut self.hands, &mut self.out);
        self.hear();
    }

    /// What the hands were asked, in order.
    fn asked(&self) -> Vec<&'static str> {
        self.hands.asked.iter().map(word).collect()
    }

    /// The outcomes so far, in order.
    fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |f: &Finished| match f {
            Finished::Act { outcome, .. } => Some(outcome.clone()),
            Finished::Died { .. } | Finished::Seen { .. } => None,
        };
        self.out.iter().filter_map(outcome).collect()
    }

    /// The one outcome there is.
    fn outcome(&self) -> Outcome {
        let all = self.outcomes();
        assert_eq!(all.len(), 1, "one act has one outcome: {all:?}");
        all[0].clone()
    }

    /// What the only failure says.
    fn failure(&self) -> String {
        match self.outcome() {
            Outcome::Failed { how } => how.words,
            other => panic!("{other:?} is no failure"),
        }
    }

    fn program(&self) -> &Program {
        let spawned = |r: &'_ Request| matches!(r, Request::Spawn(_));
        match self.hands.asked.iter().rfind(|r| spawned(r)) {
            Some(Request::Spawn(program)) => program,
            _ => panic!("no program was started"),
        }
    }

    fn environment(&self) -> BTreeMap<String, String> {
        self.program().env.iter().cloned().collect()
    }
}

fn pay() -> GroupName {
    GroupName::new("PAY").unwrap()
}

fn resource_name(name: &str) -> ResourceName {
    ResourceName::new(name).unwrap()
}

fn running(pid: u32, name: &str, purpose: Purpose, epoch: Epoch) -> Running {
    let id = ProgramId { pid, started: 7 };
    Running { id, group: pay(), epoch, name: resource_name(name), purpose }
}

fn group_of(resources: Vec<ResourceSpec>) -> GroupSpec {
    GroupSpec {
        services: [].into(),
        mode: Mode::Single,
        prefer: vec![NodeName::new("a").unwrap(), NodeName::new("b").unwrap()],
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: [].into(),
        together: [].into(),
        after: [].into(),
        stop_budget: None,
        drill_every: None,
        prefer_by: Default::default(),
        rehearsing: Rehearsing::default(),
        entitled: None,
        takeover: Takeover::default(),
        fence: FencePolicy::Lease,
        resources,
    }
}

fn resource(name: &str, kind: ResourceKind) -> ResourceSpec {
    ResourceSpec {
        name: resource_name(name),
        kind,
        after: [].into(),
        start_limit: Span::secs(3),
        stop_limit: Span::secs(2),
    }
}

fn address(name: &str) -> ResourceSpec {
    let links = vec!["eth0".to_owned(), "eth1".to_owned()];
    let address = "10.0.0.9".parse().unwrap();
    resource(name, ResourceKind::Address { address, prefix: 24, links })
}

fn volume(name: &str) -> ResourceSpec {
    let source = VolumeSource::Block("pay.img".to_owned());
    resource(
        name,
        ResourceKind::Volume {
            source,
            mount: "/data/pay".to_owned(),
            check: VolumeCheck::default(),
            retries: Retries { mount: 0, release: 0, interval: Span::ZERO },
            drbd: None,
            reservation: None,
        },
    )
}

fn process(name: &str, how: ProcessHow) -> ResourceSpec {
    let check = Check::Run(vec!["/opt/ok".to_owned()]);
    let monitors = vec![Monitor { limit: Span::secs(1), ..Monitor::new(check, Span::secs(2)) }];
    let environment = BTreeMap::from([("SHARD".to_owned(), "7".to_owned())]);
    resource(name, ResourceKind::Process { how, environment, user: None, monitors, cleanup: None })
}

fn server(ready: Option<&str>) -> ResourceSpec {
    let run = vec!["/opt/server".to_owned(), "--port".to_owned()];
    process("server", ProcessHow::Program { run, ready: ready.map(str::to_owned) })
}

fn batch() -> ResourceSpec {
    let (start, stop) = (vec!["/opt/start".to_owned()], vec!["/opt/stop".to_owned()]);
    process(
        "batch",
        ProcessHow::Scripts {
            start,
            stop,
            running: None,
            on_recover: OnRecover::Skip,
            restart: None,
        },
    )
}
