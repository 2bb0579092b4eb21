//! Every order in which two nodes can take a volume from each other, each of them stopped, dead,
//! or asleep for as long as one likes after any command: no state of it has two who may write, and
//! none in which an older epoch may write once a newer one has mounted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// The epochs that each node is given, one after the other: they alternate, and both begin at once.
const EPOCHS: [[u64; 2]; 2] = [[1, 3], [2, 4]];
/// A node that starts anew may come by another path than before: two for each.
const PATHS: usize = 4;

/// The storage: the key of each path, and the path that holds the reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Storage {
    keys: [Option<u64>; PATHS],
    holder: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Command {
    Register,
    Reserve,
    Preempt(u64),
    Unregister,
}

impl Storage {
    fn seen(&self) -> Seen {
        let keys = self.keys.iter().flatten().map(|key| Key(*key)).collect();
        let holder = self.holder.and_then(|path| self.keys[path]);
        Seen { keys, holder: holder.map(|key| (Key(key), REGISTRANTS_WRITE)) }
    }

    /// What SPC-4 says that a command of the node on `path` does; one that conflicts does nothing.
    fn does(&mut self, (path, own): (usize, u64), command: Command) {
        let registered = self.keys[path] == Some(own);
        match command {
            Command::Register => self.keys[path] = Some(own),
            Command::Unregister if registered => self.remove(path),
            Command::Reserve if registered && self.holder.is_none() => self.holder = Some(path),
            Command::Preempt(key) if registered => {
                let of_holder = self.holder.is_some_and(|held| self.keys[held] == Some(key));
                for other in (0..PATHS).filter(|other| *other != path) {
                    if self.keys[other] == Some(key) {
                        self.keys[other] = None;
                    }
                }
                if of_holder {
                    self.holder = Some(path);
                }
            }
            Command::Unregister | Command::Reserve | Command::Preempt(_) => {}
        }
    }

    fn remove(&mut self, path: usize) {
        self.keys[path] = None;
        self.holder = self.holder.filter(|holder| *holder != path);
    }

    fn takes_writes_of(&self, path: usize) -> bool {
        self.holder.is_none() || self.keys[path].is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// About to look at what the storage says.
    Looks(SoFar),
    /// Has looked, and is about to give this command.
    Commands(Command),
    /// Has looked, and is about to mount.
    Mounts,
    Mounted,
    /// Stopped, refused or dead, and not begun anew.
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    run: usize,
    path: usize,
    doing: Doing,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    storage: Storage,
    nodes: [Node; 2],
    /// The newest epoch that was ever mounted.
    newest: u64,
}

impl World {
    fn first() -> Self {
        let node = |path| Node { run: 0, path, doing: Doing::Looks(SoFar::Nothing) };
        Self { storage: Storage::default(), nodes: [node(0), node(2)], newest: 0 }
    }

    fn epoch(&self, who: usize) -> u64 {
        EPOCHS[who][self.nodes[who].run]
    }

    /// The node goes on by one step.
    fn goes_on(&self, who: usize) -> Option<Self> {
        let mut after = self.clone();
        let Node { path, doing, .. } = self.nodes[who];
        let own = self.epoch(who);
        after.nodes[who].doing = match doing {
            Doing::Looks(so_far) => match next(Key(own), so_far, &self.storage.seen()) {
                Next::Done => Doing::Mounts,
                Next::Register => Doing::Commands(Command::Register),
                Next::Reserve => Doing::Commands(Command::Reserve),
                Next::Preempt(key) => Doing::Commands(Command::Preempt(key.0)),
                Next::Withdraw(_) => Doing::Commands(Command::Unregister),
                Next::Refuse(why) => {
                    assert!(self.may_lose(who), "epoch {own} was refused: {why:?}, {self:?}");
                    Doing::Out
                }
            },
            Doing::Commands(command) => {
                after.storage.does((path, own), command);
                match command {
                    Command::Unregister => Doing::Out,
                    Command::Register | Command::Reserve | Command::Preempt(_) => {
                        Doing::Looks(SoFar::Registered)
                    }
                }
            }
            Doing::Mounts => {
                after.newest = after.newest.max(own);
                Doing::Mounted
            }
            Doing::Mounted => match held(Key(own), &self.storage.seen()) {
                Held::Ours => return None,
                Held::OursBeside(key) => {
                    after.storage.does((path, own), Command::Preempt(key.0));
                    Doing::Mounted
                }
                Held::Lost => Doing::Out,
            },
            Doing::Out => return None,
        };
        Some(after)
    }

    /// Only who is older than somebody may be refused.
    fn may_lose(&self, who: usize) -> bool {
        self.epoch(1 - who) > self.epoch(who)
    }

    /// It dies, or is stopped, and does not come back, or does so with its next epoch.
    fn ends(&self, who: usize) -> Vec<Self> {
        let with = |node: Node| {
            let mut after = self.clone();
            after.nodes[who] = node;
            after
        };
        let Node { run, path, .. } = self.nodes[who];
        let mut out = vec![with(Node { doing: Doing::Out, ..self.nodes[who] })];
        if run + 1 < EPOCHS[who].len() {
            let anew = |path| Node { run: run + 1, path, doing: Doing::Looks(SoFar::Nothing) };
            out.extend([path, 2 * who + 1].map(|path| with(anew(path))));
        }
        out
    }

    fn check(&self) {
        let mounted = (0..2).filter(|who| self.nodes[*who].doing == Doing::Mounted);
        let writes = |who: &usize| self.storage.takes_writes_of(self.nodes[*who].path);
        let writers: Vec<u64> = mounted.filter(writes).map(|who| self.epoch(who)).collect();
        assert!(writers.len() < 2, "two who may write: {self:?}");
        let late = writers.iter().any(|epoch| *epoch < self.newest);
        assert!(!late, "an older epoch may write after a newer one was mounted: {self:?}");
    }
}

fn all() -> BTreeSet<World> {
    let mut known = BTreeSet::from([World::first()]);
    let mut open = VecDeque::from([World::first()]);
    while let Some(world) = open.pop_front() {
        world.check();
        let each = (0..2).flat_map(|who| world.goes_on(who).into_iter().chain(world.ends(who)));
        for after in each {
            if known.insert(after.clone()) {
                open.push_back(after);
            }
        }
    }
    known
}

#[test]
fn no_order_of_commands_deaths_and_pauses_lets_two_write_or_an_older_one_after_a_newer() {
    let known = all();
    // That there is something to see: each is mounted in some state, and some took over.
    let mounted = |epoch| known.iter().filter(|world| world.newest == epoch).count();
    let counts: BTreeMap<u64, usize> = (1..=4).map(|epoch| (epoch, mounted(epoch))).collect();
    assert!(counts.values().all(|count| *count > 20), "{counts:?}");
    assert!(known.len() > 500, "{}", known.len());
}

#[test]
fn the_newest_epoch_gets_the_volume_whatever_the_others_have_left() {
    for world in all() {
        let who = usize::from(world.epoch(1) > world.epoch(0));
        if world.nodes[who].doing == Doing::Out {
            continue;
        }
        let mut then = world.clone();
        for _ in 0..20 {
            let Some(after) = then.goes_on(who) else { break };
            then = after;
        }
        assert_eq!(then.nodes[who].doing, Doing::Mounted, "from {world:?} to {then:?}");
    }
}
