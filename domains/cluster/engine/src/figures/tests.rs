//! What is measured and when, against hands that start nothing and counters that are files.

use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::request::{Purpose, Running};
use tsugi_vocabulary::{Epoch, ResourceName};

use super::*;
use crate::errand::stand_in::{FakeHands, around};

const FILE: &str = r#"
[cluster]
name = "c"
[node.a]
address = ["10.0.0.1"]
[node.b]
address = ["10.0.0.2"]
[node.c]
address = ["10.0.0.3"]
[group.PAY]
prefer = ["a", "b"]
"#;

fn spec(line: &str) -> ClusterSpec {
    crate::config::read(&format!("{FILE}{line}")).expect("a configuration").spec
}

fn group() -> GroupName {
    GroupName::new("PAY").unwrap()
}

struct Scene {
    meter: Meter,
    hands: FakeHands,
    now: Moment,
    proc: tempfile::TempDir,
}

impl Scene {
    fn new(line: &str) -> Self {
        let proc = tempfile::tempdir().unwrap();
        let around = around("a", "/");
        let mut meter = Meter::reading(around, proc.path().to_path_buf());
        let now = Moment(1_000_000_000);
        meter.configured(now, Some(&spec(line)));
        Self { meter, hands: FakeHands::default(), now, proc }
    }

    fn counts(&self, name: &str, text: &str) {
        std::fs::write(self.proc.path().join(name), text).unwrap();
    }

    /// All that is due by the next time that something is.
    fn next(&mut self) -> Option<Figures> {
        self.now = self.meter.next_time().expect("something is due");
        self.meter.on_time(self.now, &mut self.hands);
        self.meter.news()
    }

    /// The script that was asked for last is started, prints this and ends.
    fn prints(&mut self, text: &str, how: HowEnded) -> Option<Figures> {
        let number = self.hands.0.len() as u64;
        let id = ProgramId { pid: u32::try_from(number).unwrap(), started: 7 };
        let outcome = Ok(Answer::Spawned(id));
        self.meter.on_report(&Report::Answer { id: RequestId(number), outcome });
        let program = Running {
            id,
            group: GroupName::new(GROUP).unwrap(),
            epoch: Epoch::NONE,
            name: ResourceName::new("PAY").unwrap(),
            purpose: Purpose::Monitor,
        };
        let tail = text.as_bytes().to_vec();
        let ended = Ended { program, how, limit: TimeLimit::Kept, tail, dropped: 0 };
        self.meter.on_report(&Report::Event(Event::Ended(ended)));
        self.meter.news()
    }
}

#[test]
fn nothing_is_measured_where_no_group_asks() {
    let mut scene = Scene::new("");
    assert_eq!((scene.meter.next_time(), scene.meter.news()), (None, None));
}

#[test]
fn ph_10_idle_processors_are_what_was_idle_between_two_looks() {
    let mut scene = Scene::new("prefer_by = \"cpu\"");
    scene.counts("stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1\n");
    assert_eq!(scene.next(), None, "one look says nothing");
    scene.counts("stat", "cpu  110 0 110 770 110 0 0 0 90 0\ncpu0 1 1 1 1\n");
    assert_eq!(scene.next().unwrap().cpu, Some(80));
}

#[test]
fn ph_10_memory_is_what_programs_could_have_and_load_is_for_each_processor() {
    let mut scene = Scene::new("prefer_by = \"memory\"");
    let text = "MemTotal:  8000 kB\nMemFree: 100 kB\nMemAvailable:  4880 kB\n";
    scene.counts("meminfo", text);
    let figures = scene.next().unwrap();
    assert_eq!((figures.memory, figures.cpu, figures.load), (Some(61), None, None));
    let mut scene = Scene::new("prefer_by = \"load\"");
    scene.counts("loadavg", "3.50 1.00 0.50 1/99 1234\n");
    scene.counts("stat", "cpu  1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n");
    assert_eq!(scene.next().unwrap().load, Some(175));
    scene.counts("loadavg", "nonsense\n");
    assert_eq!(scene.next().unwrap().load, None, "what cannot be read is no figure");
}

#[test]
fn ph_10_the_last_line_of_a_script_is_its_number_and_a_failed_one_says_nothing() {
    let line = "prefer_by = [\"/opt/score\", \"-v\"]\nprefer_every = \"20s\"";
    let mut scene = Scene::new(line);
    assert_eq!(scene.next(), None);
    let program = scene.hands.0.last().unwrap().clone();
    assert_eq!(program.argv, ["/opt/score", "-v"]);
    assert_eq!(program.time_limit, Some(Span::secs(5)));
    let figures = scene.prints("looking\n-42\n\n", HowEnded::Exited(0)).unwrap();
    assert_eq!(figures.scores.get(&group()), Some(&-42));
    let began = scene.now;
    scene.next();
    assert_eq!(scene.now.since(began), Span::secs(20));
    let figures = scene.prints("no licence\n", HowEnded::Exited(3)).unwrap();
    assert_eq!(figures.scores.get(&group()), None);
    assert_eq!(scene.meter.faults().get(&group()).unwrap(), "exit 3: no licence");
    scene.next();
    scene.prints("many\n", HowEnded::Exited(0));
    assert!(scene.meter.faults().contains_key(&group()), "a word is no number");
}

#[test]
fn a_script_that_runs_still_is_not_started_again() {
    let mut scene = Scene::new("prefer_by = [\"/opt/score\"]\nprefer_every = \"1s\"");
    scene.next();
    scene.next();
    assert_eq!(scene.hands.0.len(), 1);
}

#[test]
fn a_node_measures_only_for_groups_that_it_could_own_and_choose_for() {
    let mut meter = Meter::new(around("c", "/"));
    meter.configured(Moment(0), Some(&spec("prefer_by = \"cpu\"")));
    assert_eq!(meter.next_time(), None);
    let mut alone = spec("prefer_by = \"cpu\"");
    let one: &mut GroupSpec = alone.groups.get_mut(&group()).unwrap();
    one.prefer.truncate(1);
    let mut meter = Meter::new(around("a", "/"));
    meter.configured(Moment(0), Some(&alone));
    assert_eq!(meter.next_time(), None);
}
