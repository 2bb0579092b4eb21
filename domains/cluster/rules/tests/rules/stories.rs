//! Runs the stories: text files that tell a cluster, what happens to it, and what comes of it.
//!
//! `UPDATE_STORIES=1` rewrites the outcomes; the difference is the review.

use std::path::{Path, PathBuf};

use tsugi_cluster_rules::check::check;
use tsugi_cluster_rules::command::{self, Before, Command, Issued, Vouch};
use tsugi_cluster_rules::plan::{Life, Settled, Stand};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{Answer, Failure, LinkState, Write};
use tsugi_cluster_rules::start_kind::StartOption;
use tsugi_cluster_rules::whatif::{Hypothesis, whatif};
use tsugi_vocabulary::{BootId, Generation, ResourceName, Span, Wall};

use crate::told;
use crate::world::{World, cluster, group, node};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../stories")
}

/// A story that is being told.
struct Teller {
    world: World,
    owners: Owners,
    commands: u64,
}

/// Whether owners do what the record asks while a story goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owners {
    Act,
    Wait,
}

fn tell(text: &str) -> String {
    let (mut nodes, mut groups, mut out) = (String::new(), Vec::new(), String::new());
    let mut teller: Option<Teller> = None;
    let mut prose = true;
    for line in text.lines() {
        prose &= !line.is_empty();
        if let Some(event) = line.strip_prefix("> ") {
            let teller = teller.get_or_insert_with(|| {
                let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                let world = World::new(cluster(&nodes, &groups));
                Teller { world, owners: Owners::Act, commands: 0 }
            });
            out += &format!("{line}\n");
            for line in teller.happen(event) {
                out += &format!("  {line}\n");
            }
        } else if teller.is_none() {
            if let Some(rest) = line.strip_prefix("nodes ").filter(|_| !prose) {
                nodes = rest.to_owned();
            } else if let Some(rest) = line.strip_prefix("group ").filter(|_| !prose) {
                groups.push(rest.to_owned());
            }
            out += &format!("{line}\n");
        }
    }
    out
}

impl Teller {
    fn happen(&mut self, event: &str) -> Vec<String> {
        let words: Vec<&str> = event.split_whitespace().collect();
        if let ["whatif", rest @ ..] = words.as_slice() {
            return self.foretell(&rest.join(" "));
        }
        if self.in_the_world(&words) {
            return self.rest(Vec::new());
        }
        let issued = self.issued(event);
        let answer = command::planned(&self.world.situation(), &issued);
        match answer {
            Err(refusal) => vec![told::refusal(&refusal)],
            Ok(planned) => {
                assert_eq!(check(&self.world.record, &planned), Vec::new(), "{event}");
                let draft = planned.draft.expect("a command always has an entry");
                let audit = |w: &Write| matches!(w, Write::Audit(a) if a.outcome == "accepted");
                assert!(draft.writes.iter().any(audit), "{event} leaves no line in the audit");
                let lines = told::plan(&planned.plan);
                self.world.apply(&draft);
                self.rest(lines)
            }
        }
    }

    /// What happens by itself; whether the words tell of such a thing.
    fn in_the_world(&mut self, words: &[&str]) -> bool {
        let world = &mut self.world;
        match words {
            ["start"] => {}
            ["owners", "wait"] => self.owners = Owners::Wait,
            ["owners", "act"] => self.owners = Owners::Act,
            ["silent", n] => world.life(n, Life::Silent { silence: Span::millis(600) }),
            ["found-off", n] => world.found_off(n),
            ["deaf", n] => world.life(n, Life::Deaf),
            ["heard", n] => world.life(n, Life::Heard),
            ["everything", "loses", "power"] => world.power_cut(),
            ["returns", n] => world.returns(n),
            ["settled"] => world.settled = Settled::Yes,
            ["link", n, link, "down"] => world.link(n, link, LinkState::Down),
            ["link", n, link, "up"] => world.link(n, link, LinkState::Up),
            ["fails", g] => {
                let cause = world.died(g);
                world.desk(g, Stand::Failed(cause));
            }
            ["stuck", g] => world.desk(g, Stand::Stuck),
            ["lapsed", g] => {
                let owner = node(&world.owner(g).unwrap());
                world.desk(g, Stand::Failed(Cause::LeaseRanOut { node: owner }));
            }
            ["mends", g] => {
                let (cause, owner) = (world.died(g), node(&world.owner(g).unwrap()));
                let (at, answer) = (world.at, Answer::Restarted);
                let failure = Failure { at, node: owner, cause, answer };
                let draft = planner::mended(&world.record, &group(g), &failure);
                world.apply(&draft.unwrap());
            }
            ["armed", g] => world.unpin(g),
            ["later", secs] => {
                world.at = Wall(world.at.0 + 1_000 * secs.parse::<u64>().unwrap());
            }
            _ => return false,
        }
        true
    }

    /// Plans, and lets the owners act, until nothing changes.
    fn rest(&mut self, mut lines: Vec<String>) -> Vec<String> {
        if self.owners == Owners::Act {
            lines.extend(self.world.owners_act());
        }
        for _ in 0..20 {
            let planned = self.world.plan();
            assert_eq!(check(&self.world.record, &planned), Vec::new());
            let mut more = match &planned.draft {
                Some(draft) => {
                    self.world.apply(draft);
                    told::plan(&planned.plan)
                }
                None => Vec::new(),
            };
            if self.owners == Owners::Act {
                more.extend(self.world.owners_act());
            }
            if more.is_empty() {
                if lines.is_empty() {
                    lines.push("nothing changes".to_owned());
                    if planned.plan.decisions.values().any(told::is_minority) {
                        lines.extend(told::decisions(&planned.plan));
                    }
                }
                lines.push(told::now(&self.world.record));
                return lines;
            }
            lines.append(&mut more);
        }
        panic!("the cluster does not come to rest");
    }

    fn foretell(&self, text: &str) -> Vec<String> {
        let one = |part: &str| match part.split_whitespace().collect::<Vec<_>>().as_slice() {
            [n, "down"] => Hypothesis::NodeDown(node(n)),
            [n, link, "down"] => Hypothesis::LinkDown(node(n), (*link).to_owned()),
            ["stop", g] => Hypothesis::GroupStop(group(g)),
            ["move", g, n] => Hypothesis::GroupMove(group(g), node(n)),
            ["drain", n] => Hypothesis::NodeDrain(node(n)),
            other => panic!("no hypothesis {other:?}"),
        };
        let all: Vec<Hypothesis> = text.split(" and ").map(one).collect();
        told::decisions(&whatif(&self.world.situation(), &all).plan)
    }

    fn issued(&mut self, event: &str) -> Issued {
        let (words, reason) = event.split_once(" because ").unwrap_or((event, ""));
        let (words, view) = match words.split_once(" on view ") {
            Some((words, view)) => (words, Generation(view.parse().unwrap())),
            None => (words, self.world.record.generation()),
        };
        self.commands += 1;
        Issued {
            command: command_of(words, self.world.at),
            words: words.to_owned(),
            person: "yamada".to_owned(),
            origin: "host1 tty1".to_owned(),
            command_id: format!("c{}", self.commands),
            decided_on: view,
            reason: reason.to_owned(),
            at: self.world.at,
            before: Before::New,
        }
    }
}

fn command_of(words: &str, at: Wall) -> Command {
    let words: Vec<&str> = words.split_whitespace().collect();
    match words.as_slice() {
        ["group-start", g] => start(g, StartOption::None, None),
        ["group-start", g, "fresh"] => start(g, StartOption::Fresh, None),
        ["group-start", g, "inherit"] => start(g, StartOption::Inherit, None),
        ["group-start", g, "on", n] => start(g, StartOption::None, Some(n)),
        ["group-stop", g] => Command::GroupStop { group: group(g) },
        ["group-move", g] => Command::GroupMove { group: group(g), to: None },
        ["group-move", g, n] => Command::GroupMove { group: group(g), to: Some(node(n)) },
        ["group-pause", g] => Command::GroupPause { group: group(g), until: None },
        ["group-pause", g, secs] => {
            let until = Wall(at.0 + 1_000 * secs.parse::<u64>().unwrap());
            Command::GroupPause { group: group(g), until: Some(until) }
        }
        ["group-resume", g] => resume(g, Vouch::Nothing),
        ["group-resume", g, "off"] => resume(g, Vouch::OwnerIsOff),
        ["group-clear", g] => Command::GroupClear { group: group(g) },
        ["node-drain", n] => Command::NodeDrain { node: node(n) },
        ["node-undrain", n] => Command::NodeUndrain { node: node(n) },
        ["node-leave", n] => Command::NodeLeave { node: node(n) },
        ["node-remove", n] => Command::NodeRemove { node: node(n) },
        ["node-confirm-off", n] => Command::NodeConfirmOff { node: node(n) },
        other => panic!("nobody knows what {other:?} means"),
    }
}

fn start(g: &str, option: StartOption, on: Option<&&str>) -> Command {
    Command::GroupStart { group: group(g), option, node: on.map(|n| node(n)) }
}

fn resume(g: &str, vouch: Vouch) -> Command {
    Command::GroupResume { group: group(g), vouch }
}

impl World {
    fn died(&self, g: &str) -> Cause {
        let owner = node(&self.owner(g).expect("only what runs can fail"));
        let resource = ResourceName::new("app").unwrap();
        Cause::ProcessDied { node: owner, resource, how: "exit 3".into() }
    }

    /// Every machine is off; the one that decides next has heard nobody yet.
    fn power_cut(&mut self) {
        self.sights.clear();
        self.settled = Settled::NotYet;
    }

    /// A machine is heard again with another boot, and finds nothing running.
    fn returns(&mut self, name: &str) {
        let boot = BootId((self.record.applied.0 as u128 + 1_000) << 96);
        let mut sight = World::new(cluster(name, &[])).sights[&node(name)].clone();
        sight.boot = boot;
        self.sights.insert(node(name), sight);
        let owned: Vec<String> = self
            .record
            .groups
            .iter()
            .filter(|(_, g)| g.value.owner() == Some(&node(name)))
            .map(|(g, _)| g.to_string())
            .collect();
        for g in owned {
            self.desk(&g, Stand::Failed(Cause::AgentLost { node: node(name) }));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one switch of the tests, not of the rules")]
fn is_to_be_rewritten() -> bool {
    std::env::var("UPDATE_STORIES").is_ok_and(|v| v == "1")
}

/// Every story, told anew, is as it is written.
pub fn all_as_told() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
    files.sort();
    assert!(files.len() >= 25, "only {} stories", files.len());
    let update = is_to_be_rewritten();
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let told = tell(&text);
        let lines = told.lines().count();
        assert!(lines <= 60, "{} is {lines} lines long", file.display());
        assert!(told.lines().any(|l| l.starts_with("> ")), "{} tells nothing", file.display());
        if told != text && update {
            std::fs::write(&file, &told).unwrap();
        } else if told != text {
            let first = told.lines().zip(text.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: {first:#?}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "told, then written:\n{}", wrong.join("\n"));
}

#[test]
fn every_story_ends_as_it_is_told() {
    all_as_told();
}
