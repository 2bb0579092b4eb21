//! What is seen to at the mirrors of groups between a start and a stop: the ledger hears who writes
//! alone and when all copies are alike again, a role that a guardian left behind is given up, and
//! DRBD connects again to a side that came back.
//!
//! The state is read from the kernel; each deed is a process of its own, one a group at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tsugi_cluster_rules::mirror::{Mirror, Place, Says, Tend, tend};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::Host;
use tsugi_host::request::{Answer, Event, Program, ProgramId, Report, Request, RequestId};
use tsugi_vocabulary::{GroupName, Moment, NodeName, Span};

use super::step::{self, Action};
use super::{look, say};
use crate::errand::Surroundings;

/// How often the mirrors are looked at.
const EVERY: Span = Span::secs(1);
/// How long after a deed the next one of a group may follow, whatever came of it.
const PAUSE: Span = Span::secs(3);
/// The same after DRBD was to connect: a refusal of what was written apart is told by its handler.
const AFTER_CONNECT: Span = Span::secs(10);
/// How long one may take.
const LIMIT: Span = Span::secs(20);
/// What is kept of what it prints.
const KEEP: u32 = 256;
/// The name that the hands know them by; no group of a configuration is called so.
const GROUP: &str = "tsugi-mirrors";

/// What a node sees to.
#[derive(Debug)]
pub struct Keeper {
    around: Surroundings,
    look: fn(&Path) -> Option<Mirror>,
    due: Moment,
    not_before: BTreeMap<GroupName, Moment>,
    asked: BTreeMap<RequestId, GroupName>,
    running: BTreeMap<ProgramId, GroupName>,
}

impl Keeper {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self::seeing(around, |device| look(Path::new("/"), device))
    }

    fn seeing(around: Surroundings, look: fn(&Path) -> Option<Mirror>) -> Self {
        Self {
            around,
            look,
            due: Moment(0),
            not_before: BTreeMap::new(),
            asked: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Looks at the mirrors if it is time, as the record has their groups now.
    pub fn on_time(
        &mut self,
        now: Moment,
        (record, me): (&Record, &NodeName),
        host: &mut dyn Host,
    ) {
        if now < self.due {
            return;
        }
        self.due = now + EVERY;
        self.not_before.retain(|_, at| now < *at);
        for (group, deed) in self.wanted(record, me) {
            let under_way = self.asked.values().chain(self.running.values()).any(|g| *g == group);
            if under_way || self.not_before.contains_key(&group) {
                continue;
            }
            let connects = deed.iter().any(|word| word == "connect");
            let pause = if connects { AFTER_CONNECT } else { PAUSE };
            self.not_before.insert(group.clone(), now + pause);
            let program = self.program(&group, deed);
            if let Some(id) = program.and_then(|p| host.ask(&Request::Spawn(p)).ok()) {
                self.asked.insert(id, group);
            }
        }
    }

    /// The first thing that is to be done for each group, as the words that do it.
    fn wanted(&self, record: &Record, me: &NodeName) -> Vec<(GroupName, Vec<String>)> {
        let groups = record.spec().into_iter().flat_map(|spec| &spec.groups);
        let ours = groups.filter(|(_, spec)| spec.prefer.contains(me));
        let one = |(group, spec): (&GroupName, &GroupSpec)| {
            let entry = record.group(group)?;
            let (place, copies) = (Place::of(entry, me), &entry.copies);
            let seen: Vec<(&str, PathBuf, Option<Mirror>)> = super::of(spec)
                .map(|(name, device)| {
                    let device = self.around.data_dir.join(device);
                    let mirror = (self.look)(&device);
                    (name, device, mirror)
                })
                .collect();
            let whole =
                seen.iter().all(|(.., mirror)| mirror.as_ref().is_some_and(Mirror::is_whole));
            let deeds = seen.iter().filter_map(|(name, device, mirror)| {
                let deed = tend(mirror.as_ref()?, place, (copies, me))?;
                // The copies of a group are alike once those of all of its volumes are.
                let now = whole || !matches!(deed, Tend::Say(Says::Alike { .. }));
                now.then(|| words(group, (name, device), deed))
            });
            Some((group.clone(), deeds.min()?.1))
        };
        ours.filter_map(one).collect()
    }

    fn program(&self, group: &GroupName, deed: Vec<String>) -> Option<Program> {
        let head = [self.around.tsugi.clone(), step::WORD.to_owned()];
        let runs = (head.into_iter().chain(deed).collect(), LIMIT);
        let mut program = self.around.aside((GROUP, group.as_str()), runs, KEEP)?;
        program.user = Some((0, 0));
        let run_dir = self.around.run_dir.display().to_string();
        program.env.push(("TSUGI_RUN_DIR".to_owned(), run_dir));
        Some(program)
    }

    /// Takes a report of the hands.
    pub fn on_report(&mut self, report: &Report) {
        match report {
            Report::Answer { id, outcome } => {
                let Some(group) = self.asked.remove(id) else { return };
                if let Ok(Answer::Spawned(program)) = outcome {
                    self.running.insert(*program, group);
                }
            }
            Report::Event(Event::Ended(ended)) => {
                self.running.remove(&ended.program.id);
            }
            Report::Event(_) => {}
        }
    }
}

/// The words that do it, and in which order the deeds of one group come.
fn words(group: &GroupName, of: (&str, &Path), deed: Tend) -> (u8, Vec<String>) {
    match deed {
        // Who writes one of its volumes alone writes it alone, whatever the others are.
        Tend::Say(Says::Alone) => (0, say::words(group.as_str(), Says::Alone)),
        Tend::Demote => (1, step::words(Action::GiveUp, of, LIMIT)),
        Tend::Connect => (2, step::words(Action::Connect, of, LIMIT)),
        Tend::Say(says @ Says::Alike { .. }) => (3, say::words(group.as_str(), says)),
    }
}

#[cfg(test)]
mod tests;
