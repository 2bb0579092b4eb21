//! One node's part in the ledger on the disk, step by step: read, promise, take over, write,
//! follow. Nothing here waits, asks a clock or starts a thread.
//!
//! Invariant: an entry has taken effect once its frame stands on the disk and no vow that is read
//! *after* that promises a higher term; who promises reads the newest region after its promise
//! stands. So the next leader finds every entry that took effect.

use tsugi_vocabulary::{BootId, Index, NodeName};

use super::board::Board;
use super::frame::{Entry, Frame};
use super::layout::{Made, Title};
use super::region::{self, News, Place};
use super::store::{BLOCK, Store};
use super::trouble::Trouble;
use super::vow::{Term, Vow, newest, next_term, overtaken, stands};
use super::word::{Answer, Petition, Word};
use crate::change::MOST_PARTS;
use crate::format::crc32c;
use crate::mutant::mutant;
use crate::{Applied, ClusterId, StorageFailure, View};

/// What an entry grows by, in a snapshot, beyond its bytes in a frame: its version.
const GROWTH: u64 = 8;

/// One node at the disk.
#[derive(Clone)]
pub(crate) struct Keeper<S> {
    store: S,
    title: Title,
    me: usize,
    vow: Vow,
    /// The copy of its vow that is written first, as it was read last.
    begins: usize,
    view: View,
    stance: Stance,
}

/// Whether this node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It reads what another writes, from this place on if it has read before.
    Follows(Option<Place>),
    /// It writes its own region from here on. A snapshot of it all has at most `bound` bytes.
    Leads {
        /// Where the next frame goes.
        place: Place,
        /// The most that a snapshot can take by now.
        bound: u64,
    },
}

/// What a look at the newest region brought.
pub(crate) enum Followed {
    /// This copy holds everything that took effect before the look began.
    Caught(News, Board),
    /// Somebody is taking over; nothing can be said now.
    Between(Board),
}

/// How a try to lead ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Campaign {
    /// This node leads.
    Won(News),
    /// Another node promised a higher term.
    Lost,
}

/// What came of entries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// They took effect.
    Done(Vec<Answer>, Vec<Applied>),
    /// They were written, and somebody else may lead: whether they take effect is not known.
    Unknown,
    /// Nothing was written: this node does not lead. They are given back.
    NotLeading(Vec<Entry>),
    /// Nothing was written: so many bytes are left, at best.
    TooLarge(u64),
}

impl<S: Store> Keeper<S> {
    /// Takes up the part of `node` in the ledger of `cluster`, as the life `life`.
    #[cfg(any(test, feature = "suite"))]
    pub(crate) fn open(
        store: S,
        cluster: ClusterId,
        node: &NodeName,
        life: BootId,
    ) -> Result<Self, Trouble> {
        let mut keeper = Self::seat(store, cluster, node)?;
        keeper.begin(life)?;
        Ok(keeper)
    }

    /// Finds the part of `node` in the ledger of `cluster`: so far it can only follow.
    pub(crate) fn seat(mut store: S, cluster: ClusterId, node: &NodeName) -> Result<Self, Trouble> {
        let title = title_of(&mut store)?;
        let foreign = |expected: String, found: String| {
            Trouble::Broken(StorageFailure::Foreign { file: store.name(), expected, found })
        };
        if title.whose.cluster != cluster {
            let (expected, found) = (cluster.to_string(), title.whose.cluster.to_string());
            return Err(foreign(format!("cluster {expected}"), format!("cluster {found}")));
        }
        let Some(me) = title.nodes.iter().position(|name| name == node) else {
            let nodes: Vec<&str> = title.nodes.iter().map(NodeName::as_str).collect();
            return Err(foreign(format!("node {node}"), nodes.join(", ")));
        };
        let board = Board::read(&mut store, &title)?;
        let stance = Stance::Follows(None);
        let (vow, begins) = (board.vows[me], board.begins[me]);
        Ok(Self { store, title, me, vow, begins, view: View::default(), stance })
    }

    /// Takes the part up, as the life `life`. From here on no former life of it can write
    /// unnoticed.
    pub(crate) fn begin(&mut self, life: BootId) -> Result<(), Trouble> {
        // It may have changed while all was read: what a former life was writing has come.
        let board = Board::read(&mut self.store, &self.title)?;
        let vow = board.vows[self.me];
        self.begins = board.begins[self.me];
        // A write of a former life may still be under way: the vow that it did not finish, with
        // the next number, or the first of its own opening. Both have lower numbers than this.
        let begun = vow.next_generation();
        self.swear(Vow { number: vow.number + 1, life, begun, ..vow })?;
        if !mutant("opened-once") {
            self.swear(self.vow)?;
        }
        Ok(())
    }

    pub(crate) fn me(&self) -> usize {
        self.me
    }

    pub(crate) fn title(&self) -> &Title {
        &self.title
    }

    pub(crate) fn life(&self) -> BootId {
        self.vow.life
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The term under which this node leads.
    pub(crate) fn leads(&self) -> Option<Term> {
        match self.stance {
            Stance::Leads { place, .. } => Some(place.vow.accepted),
            Stance::Follows(_) => None,
        }
    }

    /// The newest term under which this node knows something to have taken effect.
    pub(crate) fn known_term(&self) -> Option<Term> {
        match self.stance {
            Stance::Leads { place, .. } | Stance::Follows(Some(place)) => Some(place.vow.accepted),
            Stance::Follows(None) => None,
        }
    }

    #[cfg(any(test, feature = "suite"))]
    pub(crate) fn vow(&self) -> Vow {
        self.vow
    }

    /// Everything about this node that a rehearsal tells states apart by, but the view.
    #[cfg(any(test, feature = "suite"))]
    pub(crate) fn standing(&self) -> String {
        format!("{:?} {} {:?}", self.vow, self.begins, self.stance)
    }

    /// The same node at another store.
    #[cfg(any(test, feature = "suite"))]
    pub(crate) fn with_store<T>(self, store: T) -> Keeper<T> {
        let Self { title, me, vow, begins, view, stance, .. } = self;
        Keeper { store, title, me, vow, begins, view, stance }
    }

    pub(crate) fn into_store(self) -> S {
        self.store
    }

    /// Writes the vow with the next number: one copy, then the other. Where the newest stands in
    /// one copy only, as after a late writing of a former life, the other is written first: what
    /// is torn now takes nothing back.
    fn swear(&mut self, vow: Vow) -> Result<(), Trouble> {
        let mut vow = Vow { number: vow.number + 1, ..vow };
        if mutant("promise-in-memory") && vow.accepted < vow.promised {
            vow.promised = self.vow.promised;
        }
        let record = vow.to_bytes(self.title.whose, self.me);
        let block = super::frame::blocks(&record);
        let at = self.title.layout.vow(self.me);
        let first = mutant("first-copy-first") || mutant("one-copy");
        let begins = if first { 0 } else { self.begins };
        self.put(at + (begins * BLOCK) as u64, &block)?;
        if !mutant("one-copy") {
            self.put(at + ((1 - begins) * BLOCK) as u64, &block)?;
        }
        self.vow = vow;
        Ok(())
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let written = self.store.write(at, bytes);
        written.map_err(|error| Trouble::unwritten(&self.store, &error))
    }

    /// Everything that is said now. Another process that writes as this node is noticed here.
    fn board(&mut self) -> Result<Board, Trouble> {
        let board = Board::read(&mut self.store, &self.title)?;
        if board.vows[self.me] != self.vow {
            return Err(Trouble::Broken(StorageFailure::InUse { file: self.store.name() }));
        }
        self.begins = board.begins[self.me];
        Ok(board)
    }

    /// Whether this node still leads, and what everybody says.
    pub(crate) fn look(&mut self) -> Result<Board, Trouble> {
        let board = self.board()?;
        if self.leads().is_some_and(|term| overtaken(&board.vows, self.me, term)) {
            self.stance = Stance::Follows(None);
        }
        Ok(board)
    }

    /// Reads on in the newest region, and takes over what took effect.
    pub(crate) fn follow(&mut self) -> Result<Followed, Trouble> {
        let board = self.board()?;
        let Some((view, place, news)) = self.newest_region(&board)? else {
            return Ok(Followed::Between(board));
        };
        if news != News::Changes(Vec::new()) && !mutant("seen-is-durable") {
            // What this node acts on may not be lost with the disk's own cache.
            let settled = self.store.settle();
            settled.map_err(|error| Trouble::unread(&self.store, &error))?;
        }
        let after = self.board()?;
        if !stands(&after.vows, place.seat, &place.vow) && !mutant("read-is-done") {
            return Ok(Followed::Between(after));
        }
        self.refuse_loss(&board, &view, &place)?;
        self.stance = Stance::Follows(Some(place));
        self.view = view;
        Ok(Followed::Caught(news, after))
    }

    /// The region of the highest accepted term as it stands; none if it is being written anew.
    fn newest_region(&mut self, board: &Board) -> Result<Option<(View, Place, News)>, Trouble> {
        let seat = newest(&board.vows);
        let vow = board.vows[seat];
        if let Stance::Follows(Some(place)) = self.stance
            && place.is_of(seat, &vow)
        {
            let (mut view, mut place) = (self.view.clone(), place);
            let applied = region::further(&mut self.store, &self.title, &mut place, &mut view)?;
            return Ok(Some((view, place, News::Changes(applied))));
        }
        let Some((view, place)) = region::whole(&mut self.store, &self.title, seat, vow)? else {
            return if self.board()?.vows[seat] == vow {
                let what = format!("the snapshot of seat {seat}, generation {}", vow.generation);
                Err(Trouble::damaged(&self.store, &what))
            } else {
                Ok(None)
            };
        };
        let same = view.applied == self.view.applied;
        let news = if same { News::Changes(Vec::new()) } else { News::Whole };
        Ok(Some((view, place, news)))
    }

    /// A region that ends before what is known to have taken effect is damaged.
    fn refuse_loss(&self, board: &Board, view: &View, place: &Place) -> Result<(), Trouble> {
        let said = board.words[place.seat].as_ref();
        let said = said.filter(|word| word.leads == Some(place.vow.accepted));
        let known = said.map_or(Index(0), |word| word.committed).max(self.view.applied);
        if view.applied >= known {
            return Ok(());
        }
        let what = format!(
            "the region of seat {} ends at {}, place {known} had taken effect",
            place.seat, view.applied
        );
        Err(Trouble::damaged(&self.store, &what))
    }

    /// Tries to lead.
    pub(crate) fn campaign(&mut self) -> Result<Campaign, Trouble> {
        let board = self.look()?;
        let term = next_term(&board.vows, self.me);
        let followed = match self.stance {
            Stance::Follows(place) => place,
            Stance::Leads { place, .. } => Some(place),
        };
        self.stance = Stance::Follows(followed);
        let early = board;
        self.swear(Vow { promised: term, ..self.vow })?;
        // Only now: what is written under lower terms after this is not known to its writer.
        let board = self.board()?;
        let board = if mutant("read-before-promise") { early } else { board };
        if overtaken(&board.vows, self.me, term) {
            return Ok(Campaign::Lost);
        }
        let Some((view, place, news)) = self.newest_region(&board)? else {
            return Ok(Campaign::Lost);
        };
        self.refuse_loss(&board, &view, &place)?;
        let (place, bound) = self.write_anew(term, &view)?;
        let board = self.board()?;
        if overtaken(&board.vows, self.me, term) && !mutant("leads-unasked") {
            return Ok(Campaign::Lost);
        }
        self.view = view;
        self.stance = Stance::Leads { place, bound };
        Ok(Campaign::Won(news))
    }

    /// Leads no more. What it wrote stands, and whoever leads next starts from it.
    pub(crate) fn resign(&mut self) {
        if let Stance::Leads { place, .. } = self.stance {
            self.stance = Stance::Follows(Some(place));
        }
    }

    /// Writes `view` to an area that is not in use, then the vow that makes it this region's.
    fn write_anew(&mut self, term: Term, view: &View) -> Result<(Place, u64), Trouble> {
        let generation = self.vow.next_generation();
        let mut vow = Vow { accepted: term, generation, begun: generation, ..self.vow };
        let bytes = region::snapshot(view, &vow, &self.title, self.me);
        vow.snapshot = bytes.len() as u64;
        let at = self.title.layout.area(self.me, vow.generation);
        if vow.snapshot > self.title.layout.area {
            return Err(Trouble::Broken(StorageFailure::Full { file: self.store.name() }));
        }
        if mutant("vow-before-region") {
            self.swear(vow)?;
            self.put(at, &bytes)?;
        } else {
            self.put(at, &bytes)?;
            self.swear(vow)?;
        }
        let place = Place { seat: self.me, vow: self.vow, at: at + vow.snapshot };
        Ok((place, vow.snapshot))
    }

    /// Has `entries` take effect together, if this node leads.
    pub(crate) fn append(&mut self, entries: Vec<Entry>) -> Result<Appended, Trouble> {
        let Stance::Leads { mut place, mut bound } = self.stance else {
            return Ok(Appended::NotLeading(entries));
        };
        let term = place.vow.accepted;
        let growth = entries.iter().map(growth).sum::<u64>();
        let mut frame = self.frame(&place, entries);
        let mut bytes = frame.to_blocks(self.title.whose, self.me);
        if bound + bytes.len() as u64 + growth > self.title.layout.area {
            // What holds stays whole until the vow names the other area.
            let view = self.view.clone();
            (place, bound) = self.write_anew(term, &view)?;
            self.stance = Stance::Leads { place, bound };
            if overtaken(&self.board()?.vows, self.me, term) {
                self.stance = Stance::Follows(None);
                return Ok(Appended::NotLeading(frame.entries));
            }
            frame.generation = place.vow.generation;
            bytes = frame.to_blocks(self.title.whose, self.me);
            let left = self.title.layout.area - bound;
            if bytes.len() as u64 + growth > left {
                return Ok(Appended::TooLarge(left));
            }
        }
        // Whatever ends this early, the entries are neither written again nor told as done.
        self.stance = Stance::Follows(None);
        self.put(place.at, &bytes)?;
        let board = match self.board() {
            Err(Trouble::Away(_)) => return Ok(Appended::Unknown),
            other => other?,
        };
        if overtaken(&board.vows, self.me, term) && !mutant("written-is-done") {
            return Ok(Appended::Unknown);
        }
        place.at += bytes.len() as u64;
        self.stance = Stance::Leads { place, bound: bound + bytes.len() as u64 + growth };
        let (mut answers, mut applied) = (Vec::new(), Vec::new());
        for entry in &frame.entries {
            let at = Index(self.view.applied.0 + 1);
            let (answer, change) = entry.apply(&mut self.view, at);
            answers.push(answer);
            applied.push(change);
        }
        Ok(Appended::Done(answers, applied))
    }

    fn frame(&self, place: &Place, entries: Vec<Entry>) -> Frame {
        let first = Index(self.view.applied.0 + 1);
        let (term, generation) = (place.vow.accepted, place.vow.generation);
        Frame { term, generation, first, entries }
    }

    /// Says `word`.
    pub(crate) fn say(&mut self, word: &Word) -> Result<(), Trouble> {
        let record = word.to_bytes(self.title.whose, self.me);
        let at = self.title.layout.word(self.me);
        self.put(at, &super::frame::blocks(&record))
    }

    /// Puts the bytes of a petition into this node's box; none if they do not fit.
    pub(crate) fn post(
        &mut self,
        number: u64,
        term: Term,
        bytes: &[u8],
    ) -> Result<Option<Petition>, Trouble> {
        let petition = Petition { number, term, length: bytes.len() as u64, sum: crc32c(bytes) };
        let mut blocks = bytes.to_vec();
        blocks.resize(bytes.len().next_multiple_of(BLOCK), 0);
        if blocks.len() as u64 > self.title.layout.petition_box {
            return Ok(None);
        }
        self.put(self.title.layout.petitions(self.me), &blocks)?;
        Ok(Some(petition))
    }

    /// The petition of `seat`; none if it is another one by now.
    pub(crate) fn fetch(
        &mut self,
        seat: usize,
        petition: &Petition,
    ) -> Result<Option<Entry>, Trouble> {
        let length = petition.length as usize;
        if petition.length > self.title.layout.petition_box {
            return Ok(None);
        }
        let mut bytes = vec![0; length.next_multiple_of(BLOCK)];
        let read = self.store.read(self.title.layout.petitions(seat), &mut bytes);
        read.map_err(|error| Trouble::unread(&self.store, &error))?;
        bytes.truncate(length);
        if crc32c(&bytes) != petition.sum {
            return Ok(None);
        }
        Ok(Entry::from_bytes(&bytes).ok())
    }
}

fn growth(entry: &Entry) -> u64 {
    let parts = match entry {
        Entry::Command(crate::Command::Change(change)) => change.writes.len().min(MOST_PARTS),
        Entry::Command(crate::Command::RaiseLevel { .. }) | Entry::Add(..) | Entry::Remove(..) => 1,
    };
    parts as u64 * GROWTH
}

/// The title of the disk, whole.
pub(crate) fn title_of(store: &mut impl Store) -> Result<Title, Trouble> {
    let mut bytes = vec![0; 2 * BLOCK];
    store.read(0, &mut bytes).map_err(|error| Trouble::unread(store, &error))?;
    let copies = [Title::from_bytes(&bytes[..BLOCK]), Title::from_bytes(&bytes[BLOCK..])];
    if let Some(Err(crate::Unreadable::TooNew { found, known })) =
        copies.iter().find(|copy| matches!(copy, Err(crate::Unreadable::TooNew { .. })))
    {
        let (file, found, known) = (store.name(), *found, *known);
        return Err(Trouble::Broken(StorageFailure::TooNew { file, found, known }));
    }
    let damaged = copies.iter().any(Result::is_err);
    let title = copies.into_iter().flatten().flatten().find(|title| title.made == Made::Whole);
    let Some(title) = title else {
        return Err(if damaged {
            Trouble::damaged(store, "both copies of its title")
        } else {
            Trouble::Broken(StorageFailure::Missing { file: store.name() })
        });
    };
    let size = store.size().map_err(|error| Trouble::unread(store, &error))?;
    if size < title.layout.end() {
        let what = format!("it has {size} bytes and was made for {}", title.layout.end());
        return Err(Trouble::damaged(store, &what));
    }
    Ok(title)
}
