//! Nodes at one disk, walked through read by read and write by write: the code that ships, in any
//! order, with crashes, torn and late writes and a power loss of the disk. What is walked here at
//! random is walked in every order by the model.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use tsugi_vocabulary::{BootId, Index, NodeName};

use super::found;
use super::frame::Entry;
use super::keeper::{Appended, Campaign, Followed, Keeper};
use super::layout::{Layout, Made, Title, Whose};
use super::platter::{Block, Io, Platter, Reach, Replay, Want};
use super::trouble::Trouble;
use crate::format::{Writer, write_view};
use crate::{Change, ClusterId, Command, Key, StorageFailure, View, VoterId};

const CLUSTER: ClusterId = ClusterId(3);
/// Small enough that a few entries fill an area.
const LAYOUT: Layout = Layout { seats: 0, petition_box: 4096, area: 4 * 4096 };

/// What a node does at the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// A new life of it takes its seat.
    Open,
    /// It tries to lead.
    Campaign,
    /// It has the entry of this number take effect.
    Append(u8),
    /// It reads on.
    Follow,
}

/// What must never be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// Something that was told as done is not in a view that was read later.
    Lost(u8),
    /// Two nodes hold different things at one place.
    Differ(u64),
    /// What stands on the disk was taken for damaged though nothing has damaged it.
    Damaged(String),
}

/// Nodes at one disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Walk {
    platter: Platter,
    nodes: Vec<Node>,
    /// What was told as done, in order.
    done: Vec<u8>,
    /// What any node held at each place.
    known: Vec<(u64, u8)>,
    wrong: Option<Wrong>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    lives: u8,
    keeper: Option<Seated>,
    doing: Option<Doing>,
    /// A write of a former life that has not reached the disk yet, and the generation of then.
    late: Option<Late>,
}

/// The life that began it, and at which generation its region stood then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Late {
    at: u64,
    bytes: Block,
    life: u8,
    generation: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Doing {
    act: Act,
    past: Vec<Io>,
    want: Want,
    /// How much was told as done when it began.
    done: usize,
}

/// A keeper between two acts.
#[derive(Clone)]
struct Seated(Keeper<Replay>);

impl std::fmt::Debug for Seated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "leads {:?}, holds {}", self.0.leads(), self.0.view().applied)
    }
}

impl Seated {
    fn key(&self) -> (String, Vec<u8>) {
        let mut view = Writer::new();
        write_view(&mut view, self.0.view());
        (self.0.standing(), view.done())
    }
}

impl PartialEq for Seated {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Seated {}

impl Hash for Seated {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

fn node(seat: usize) -> NodeName {
    NodeName::new(&format!("node{seat}")).expect("a name")
}

fn entry(number: u8) -> Entry {
    let key = Key::new(&format!("e/{number}")).expect("a key");
    Entry::Command(Command::Change(Change::new().write(key, vec![1, number])))
}

fn numbers(view: &View) -> Vec<(u64, u8)> {
    let mut all: Vec<_> =
        view.entries.under("e/").map(|(_, e)| (e.version.0, e.value[1])).collect();
    all.sort_unstable();
    all
}

impl Walk {
    /// So many nodes at a disk that was just made ready; none has taken its seat.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        let mut view = View::founded(1);
        view.applied = Index(1);
        let list = (0..nodes).map(|seat| (VoterId(seat as u64 + 1), node(seat)));
        view.voters.become_list(Index(1), list.collect());
        let title = Title {
            made: Made::Begun,
            whose: Whose { cluster: CLUSTER, disk: BootId(1) },
            layout: Layout { seats: nodes, ..LAYOUT },
            nodes: (0..nodes).map(node).collect(),
        };
        let mut platter = Platter::default();
        found::write(&mut platter, title, &view).expect("the platter takes everything");
        let empty = Node { lives: 0, keeper: None, doing: None, late: None };
        Self {
            platter,
            nodes: vec![empty; nodes],
            done: Vec::new(),
            known: Vec::new(),
            wrong: None,
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn wrong(&self) -> Option<&Wrong> {
        self.wrong.as_ref()
    }

    /// What was told as done.
    #[must_use]
    pub fn done(&self) -> &[u8] {
        &self.done
    }

    /// Whether the node is in the middle of an act.
    #[must_use]
    pub fn is_busy(&self, seat: usize) -> bool {
        self.nodes[seat].doing.is_some()
    }

    /// Whether what the node waits for is a write.
    #[must_use]
    pub fn writes(&self, seat: usize) -> bool {
        self.nodes[seat].doing.as_ref().is_some_and(|doing| matches!(doing.want, Want::Write(..)))
    }

    /// Whether the node has taken its seat.
    #[must_use]
    pub fn is_seated(&self, seat: usize) -> bool {
        self.nodes[seat].keeper.is_some()
    }

    /// Whether the node believes that it leads.
    #[must_use]
    pub fn leads(&self, seat: usize) -> bool {
        self.nodes[seat].keeper.as_ref().is_some_and(|keeper| keeper.0.leads().is_some())
    }

    /// How many entries the node holds.
    #[must_use]
    pub fn holds(&self, seat: usize) -> usize {
        self.nodes[seat].keeper.as_ref().map_or(0, |keeper| numbers(keeper.0.view()).len())
    }

    /// Whether a write of a former life of the node has not reached the disk yet.
    #[must_use]
    pub fn has_late(&self, seat: usize) -> bool {
        self.nodes[seat].late.is_some()
    }

    /// Begins `act` at the node, which does nothing else.
    pub fn begin(&mut self, seat: usize, act: Act) {
        if act == Act::Open {
            self.nodes[seat].lives += 1;
            let lives = self.nodes[seat].lives;
            self.nodes[seat].late.take_if(|late| lives > late.life + 1);
            self.nodes[seat].keeper = None;
        }
        // What the design bears: a write that lands in the next life of its node, and before that
        // has written its region anew twice.
        if let (Some(Seated(keeper)), Some(late)) =
            (&self.nodes[seat].keeper, &self.nodes[seat].late)
            && keeper.vow().generation != late.generation
        {
            self.nodes[seat].late = None;
        }
        let done = self.done.len();
        let doing = Doing { act, past: Vec::new(), want: Want::Settle, done };
        self.nodes[seat].doing = Some(doing);
        self.run(seat);
    }

    /// What the node waits for is answered; it goes on to the next, or to its end.
    pub fn step(&mut self, seat: usize) {
        let Some(doing) = &mut self.nodes[seat].doing else { return };
        let io = self.platter.answer(&doing.want);
        doing.past.push(io);
        self.run(seat);
    }

    /// A write of the node is seen in part by everybody, and not answered yet.
    pub fn show(&mut self, seat: usize, reach: Reach) {
        if let Some(Doing { want: Want::Write(at, bytes), .. }) = &self.nodes[seat].doing {
            self.platter.show(*at, bytes, reach);
        }
    }

    /// The node loses its power; its last write reaches the disk as far as that.
    pub fn crash(&mut self, seat: usize, reach: Reach) {
        if let Some(Doing { want: Want::Write(at, bytes), .. }) = &self.nodes[seat].doing {
            self.platter.put(*at, bytes, reach);
        }
        self.nodes[seat].doing = None;
        self.nodes[seat].keeper = None;
    }

    /// The same, but its last write is still under way somewhere.
    pub fn crash_with_late_write(&mut self, seat: usize) {
        if let Some(Doing { want: Want::Write(at, bytes), .. }) = &self.nodes[seat].doing {
            let life = self.nodes[seat].lives;
            let generation = self.nodes[seat].keeper.as_ref().map_or(0, |k| k.0.vow().generation);
            self.nodes[seat].late = Some(Late { at: *at, bytes: bytes.clone(), life, generation });
        }
        self.nodes[seat].doing = None;
        self.nodes[seat].keeper = None;
    }

    /// A write of a former life reaches the disk.
    pub fn late_write(&mut self, seat: usize) {
        if let Some(late) = self.nodes[seat].late.take() {
            self.platter.put(late.at, &late.bytes, Reach::Whole);
        }
    }

    /// The disk loses its power. Every write that was under way fails, and with it its node.
    pub fn lose_disk(&mut self) {
        self.platter.lose();
        for seat in 0..self.nodes.len() {
            self.fail(seat);
        }
    }

    /// What the node waits for fails: after a write it ends, after anything else it tries again.
    pub fn fail(&mut self, seat: usize) {
        let writes = self.writes(seat);
        if let Some(doing) = &mut self.nodes[seat].doing {
            doing.past.push(Io::Failed);
            self.run(seat);
        }
        if writes {
            self.nodes[seat].doing = None;
            self.nodes[seat].keeper = None;
        }
    }

    /// Runs the act as far as what was answered carries it.
    fn run(&mut self, seat: usize) {
        let Some(mut doing) = self.nodes[seat].doing.take() else { return };
        let waits = Arc::new(Mutex::new(None));
        let store = Replay { past: doing.past.clone().into(), want: Arc::clone(&waits) };
        let life = BootId(u128::from(self.nodes[seat].lives) * 16 + seat as u128);
        let (keeper, told) = match doing.act {
            Act::Open => match Keeper::open(store, CLUSTER, &node(seat), life) {
                Ok(keeper) => (Some(keeper), Told::Nothing),
                Err(trouble) => (None, Told::Trouble(trouble)),
            },
            Act::Campaign | Act::Append(_) | Act::Follow => {
                let Some(Seated(keeper)) = self.nodes[seat].keeper.clone() else { return };
                let mut keeper = keeper.with_store(store);
                let told = Told::of(&mut keeper, doing.act);
                (Some(keeper), told)
            }
        };
        let want = waits.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(want) = want {
            doing.want = want;
            self.nodes[seat].doing = Some(doing);
            return;
        }
        match keeper {
            Some(keeper) => self.end(seat, &doing, keeper.with_store(Replay::default()), told),
            None => self.refuse(told),
        }
    }

    fn end(&mut self, seat: usize, doing: &Doing, keeper: Keeper<Replay>, told: Told) {
        let must_hold = match &told {
            Told::Nothing => 0,
            Told::Caught => doing.done,
            Told::Won => self.done.len(),
            Told::Done(number) => {
                self.done.push(*number);
                self.done.len()
            }
            Told::Trouble(Trouble::Away(_)) => 0,
            Told::Trouble(Trouble::Broken(_)) => {
                self.nodes[seat].keeper = None;
                self.refuse(told);
                return;
            }
        };
        let held = numbers(keeper.view());
        let missing = |number: &&u8| !held.iter().any(|(_, there)| there == *number);
        if let Some(lost) = self.done[..must_hold].iter().find(missing) {
            self.wrong.get_or_insert(Wrong::Lost(*lost));
        }
        for (at, number) in held {
            match self.known.iter().find(|(place, _)| *place == at) {
                Some((_, other)) if *other != number => {
                    self.wrong.get_or_insert(Wrong::Differ(at));
                }
                Some(_) => {}
                None => self.known.push((at, number)),
            }
        }
        self.known.sort_unstable();
        self.nodes[seat].keeper = Some(Seated(keeper));
    }

    fn refuse(&mut self, told: Told) {
        match told {
            // What was written and failed ends a node, as it should.
            Told::Trouble(Trouble::Broken(StorageFailure::Io { .. }) | Trouble::Away(_)) => {}
            Told::Trouble(Trouble::Broken(failure)) => {
                self.wrong.get_or_insert(Wrong::Damaged(failure.to_string()));
            }
            Told::Nothing | Told::Caught | Told::Won | Told::Done(_) => {}
        }
    }
}

/// What an act came to.
enum Told {
    Nothing,
    Caught,
    Won,
    Done(u8),
    Trouble(Trouble),
}

impl Told {
    fn of(keeper: &mut Keeper<Replay>, act: Act) -> Self {
        let told = match act {
            Act::Open => return Self::Nothing,
            Act::Campaign => keeper.campaign().map(|ended| match ended {
                Campaign::Won(_) => Self::Won,
                Campaign::Lost => Self::Nothing,
            }),
            Act::Append(number) => {
                keeper.append(vec![entry(number)]).map(|appended| match appended {
                    Appended::Done(..) => Self::Done(number),
                    Appended::Unknown | Appended::NotLeading(_) | Appended::TooLarge(_) => {
                        Self::Nothing
                    }
                })
            }
            Act::Follow => keeper.follow().map(|followed| match followed {
                Followed::Caught(..) => Self::Caught,
                Followed::Between(_) => Self::Nothing,
            }),
        };
        told.unwrap_or_else(Self::Trouble)
    }
}
