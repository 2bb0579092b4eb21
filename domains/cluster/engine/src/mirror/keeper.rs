//! What is seen to at the mirrors of groups between a start and a stop: the ledger hears who writes
//! alone and when all copies are alike again, a role that a guardian left behind is given up, an
//! owner whose handler ended goes on, and DRBD connects again to a side that came back.
//!
//! The state is read from the kernel; each deed is a process of its own, one a group at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tsugi_cluster_rules::mirror::{
    Begun, Copies, Io, Mirror, Obstacle, Place, Says, Seen, Tend, tend,
};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::Host;
use tsugi_host::request::{
    Answer, Ended, Event, HowEnded, Program, ProgramId, Report, Request, RequestId,
};
use tsugi_vocabulary::{GroupName, Moment, NodeName, Span};

use super::step::{self, Action};
use super::{begun, look, say, starts};
use crate::errand::Surroundings;

/// How often the mirrors are looked at.
const EVERY: Span = Span::secs(1);
/// How long after a deed the next one of a group may follow, whatever came of it.
const PAUSE: Span = Span::secs(3);
/// The same after DRBD was to connect: a refusal of what was written apart is told by its handler.
const AFTER_CONNECT: Span = Span::secs(10);
/// How long one may take.
const LIMIT: Span = Span::secs(20);
/// How long after its beginning one is not waited for any more: the hands have killed it by then,
/// and one that the kernel holds, or whose end nobody told, must not hold up the next.
const GONE_AFTER: Span = Span::secs(60);
/// What is kept of what it prints.
const KEEP: u32 = 256;
/// The name that the hands know them by; no group of a configuration is called so.
const GROUP: &str = "tsugi-mirrors";

/// What a node sees to.
#[derive(Debug)]
pub struct Keeper {
    around: Surroundings,
    eyes: Eyes,
    due: Moment,
    not_before: BTreeMap<GroupName, Moment>,
    asked: BTreeMap<RequestId, UnderWay>,
    running: BTreeMap<ProgramId, UnderWay>,
    /// Since when each was seen frozen while the ledger named this node as the newest.
    frozen: BTreeMap<(GroupName, String), Moment>,
    /// What is to be given up and somebody has in use, as the last try said.
    in_use: BTreeMap<(GroupName, String), String>,
}

/// What is read of a mirror: how it stands, by its device; whether somebody has begun to let go of
/// it and how often it was started here, by its name.
#[derive(Clone, Copy, Debug)]
struct Eyes {
    look: fn(&Path) -> Option<Mirror>,
    begun: fn(&Path, &str) -> Begun,
    starts: fn(&Path, &str) -> u64,
}

/// A deed that was begun, and when.
#[derive(Clone, Debug)]
struct UnderWay {
    group: GroupName,
    /// The mirror that it gives up, if it does.
    gives_up: Option<String>,
    since: Moment,
}

impl Keeper {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self::seeing(around, Eyes { look: |device| look(Path::new("/"), device), begun, starts })
    }

    fn seeing(around: Surroundings, eyes: Eyes) -> Self {
        Self {
            around,
            eyes,
            due: Moment(0),
            not_before: BTreeMap::new(),
            asked: BTreeMap::new(),
            running: BTreeMap::new(),
            frozen: BTreeMap::new(),
            in_use: BTreeMap::new(),
        }
    }

    /// The mirrors whose role is to be given up here and which somebody has in use, by group and
    /// DRBD's name, with how each stands.
    #[must_use]
    pub fn in_use(&self) -> &BTreeMap<(GroupName, String), String> {
        &self.in_use
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
        let waited_for = |deed: &UnderWay| now < deed.since + GONE_AFTER;
        self.asked.retain(|_, deed| waited_for(deed));
        self.running.retain(|_, deed| waited_for(deed));
        let wanted = self.wanted(now, record, me);
        self.in_use.retain(|(group, name), _| {
            let mut deeds = wanted.iter().filter(|(of, _)| of == group);
            deeds.any(|(_, deed)| step::gives_up(deed) == Some(name.as_str()))
        });
        for (group, deed) in wanted {
            let mut all = self.asked.values().chain(self.running.values());
            if all.any(|deed| deed.group == group) || self.not_before.contains_key(&group) {
                continue;
            }
            let connects = deed.iter().any(|word| word == "connect");
            let pause = if connects { AFTER_CONNECT } else { PAUSE };
            self.not_before.insert(group.clone(), now + pause);
            let gives_up = step::gives_up(&deed).map(str::to_owned);
            let program = self.program(&group, deed);
            if let Some(id) = program.and_then(|p| host.ask(&Request::Spawn(p)).ok()) {
                self.asked.insert(id, UnderWay { group, gives_up, since: now });
            }
        }
    }

    /// The first thing that is to be done for each group, as the words that do it.
    fn wanted(
        &mut self,
        now: Moment,
        record: &Record,
        me: &NodeName,
    ) -> Vec<(GroupName, Vec<String>)> {
        let groups = record.spec().into_iter().flat_map(|spec| &spec.groups);
        let mut frozen = BTreeMap::new();
        let mut wanted = Vec::new();
        for (group, spec) in groups.filter(|(_, spec)| spec.prefer.contains(me)) {
            let Some(entry) = record.group(group) else { continue };
            let (place, copies) = (Place::of(entry, me), &entry.copies);
            let other = other(spec, me);
            let all = self.all_of(spec);
            let whole = all.iter().all(|one| one.mirror.as_ref().is_some_and(Mirror::is_whole));
            let deeds = all.iter().filter_map(|one| {
                let key = (group.clone(), one.name.to_owned());
                let since = self.frozen.get(&key).copied().unwrap_or(now);
                if waits(one.mirror.as_ref(), (copies, me)) {
                    frozen.insert(key, since);
                }
                let (mirror, begun) = (one.mirror.as_ref(), one.begun);
                let seen = Seen { mirror, begun, frozen: now.since(since), other };
                let deed = tend(seen, place, (copies, me))?;
                // The copies of a group are alike once those of all of its volumes are.
                let now = whole || !matches!(deed, Tend::Say(Says::Alike { .. }));
                now.then(|| words(group, one, deed))
            });
            wanted.extend(deeds.min().map(|(_, deed)| (group.clone(), deed)));
        }
        self.frozen = frozen;
        wanted
    }

    /// The mirrored volumes of a group as they stand here.
    fn all_of<'a>(&self, spec: &'a GroupSpec) -> Vec<One<'a>> {
        let one = |(name, device): (&'a str, &str)| {
            let device = self.around.data_dir.join(device);
            let mirror = (self.eyes.look)(&device);
            let begun = (self.eyes.begun)(&self.around.run_dir, name);
            let starts = (self.eyes.starts)(&self.around.run_dir, name);
            One { name, device, mirror, begun, starts }
        };
        super::of(spec).map(one).collect()
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
                let Some(deed) = self.asked.remove(id) else { return };
                if let Ok(Answer::Spawned(program)) = outcome {
                    self.running.insert(*program, deed);
                }
            }
            Report::Event(Event::Ended(ended)) => {
                if let Some(deed) = self.running.remove(&ended.program.id) {
                    self.on_end(deed, ended);
                }
            }
            Report::Event(_) => {}
        }
    }

    fn on_end(&mut self, deed: UnderWay, ended: &Ended) {
        let Some(name) = deed.gives_up else { return };
        let HowEnded::Exited(code) = ended.how else { return };
        match step::obstacle(code) {
            Some(Obstacle::HeldOpen) => {
                let said = String::from_utf8_lossy(&ended.tail).trim().to_owned();
                self.in_use.insert((deed.group, name), said);
            }
            Some(_) | None => {
                self.in_use.remove(&(deed.group, name));
            }
        }
    }
}

/// A mirrored volume as it stands here.
struct One<'a> {
    name: &'a str,
    device: PathBuf,
    mirror: Option<Mirror>,
    begun: Begun,
    starts: u64,
}

/// Whether it is frozen although the ledger has it that this node writes alone.
fn waits(mirror: Option<&Mirror>, (copies, me): (&Copies, &NodeName)) -> bool {
    mirror.is_some_and(|mirror| mirror.io == Io::Frozen) && copies.newest.as_ref() == Some(me)
}

/// DRBD 8.4 has two sides: of a group of two nodes the other one has the other side.
fn other<'a>(spec: &'a GroupSpec, me: &NodeName) -> Option<&'a NodeName> {
    let mut others = spec.prefer.iter().filter(|node| *node != me);
    others.next().filter(|_| others.next().is_none())
}

/// The words that do it, and in which order the deeds of one group come.
fn words(group: &GroupName, one: &One<'_>, deed: Tend) -> (u8, Vec<String>) {
    let of = (one.name, one.device.as_path());
    match deed {
        // Who writes one of its volumes alone writes it alone, whatever the others are.
        Tend::Say(Says::Alone) => (0, say::words(group.as_str(), Says::Alone)),
        Tend::Say(says @ (Says::There { .. } | Says::Chosen)) => {
            (1, say::words(group.as_str(), says))
        }
        Tend::Demote(mounted) => {
            let action = Action::GiveUp { mounted, starts: one.starts };
            (2, step::words(action, of, LIMIT))
        }
        Tend::Resume => (3, step::words(Action::Resume, of, LIMIT)),
        Tend::Connect => (4, step::words(Action::Connect, of, LIMIT)),
        Tend::Say(says @ Says::Alike { .. }) => (5, say::words(group.as_str(), says)),
    }
}

#[cfg(test)]
mod tests;
