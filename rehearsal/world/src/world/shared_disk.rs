//! How two nodes of the false world use the disk that they share: what they claim there, and what
//! becomes of it when the disk or a node fails in the middle.

use std::sync::Arc;

use tsugi_cluster_rules::node::{Event, Shows};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::timing::{DISK_LOOK, first_disk_look};
use tsugi_vocabulary::{BootId, Claims, GroupName, Span};

use super::actor::DiskUse;
use super::{DISK, Ev, Seen, Undo, World};
use crate::disk::{Answer, Copy, Ill, Nth, Part, Spoilt, UnderWay};
use crate::scene::LedgerOn;

/// How soon what waits for a disk looks again.
const AGAIN_US: u64 = 5_000;
/// An agent that does not find its disk is started again after so long, in milliseconds.
const START_AGAIN_MS: (u64, u64) = (200, 1_200);
/// A writing of a former life comes after so long, in microseconds, if it comes late.
const LATE_US: (u64, u64) = (50_000, 6_000_000);

/// One step of a node at the disk.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A copy of its claims goes on its way.
    Writes { copy: Nth, claims: Arc<Claims> },
    /// It reaches the disk.
    Lands { token: u64 },
    /// So does one of a former life.
    LandsLate { place: usize, claims: Arc<Claims> },
    /// It is durable, and the writer knows.
    Wrote { copy: Nth, claims: Arc<Claims> },
    /// It failed.
    WriteFailed { number: u64 },
    /// The other's claims are read on the disk.
    Reads { number: u64 },
    /// They reach the reader.
    Read { number: u64, shows: Box<Shows> },
    /// It demands the end of a life of the other, or nothing of it any more.
    Demands { life: Option<BootId> },
    /// An agent whose disk failed looks whether it can begin anew.
    Looks,
}

/// When a machine stops in the middle of its next writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtWrite {
    StandsStill { for_ms: u64 },
    LosesPower { for_ms: u64 },
}

impl World<'_> {
    /// Whether the ledger is on a disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.scene.ledger == LedgerOn::Disk
    }

    /// Whether a node reads the disk: then it has every entry and knows who leads.
    pub(crate) fn reads_disk(&self, n: usize) -> bool {
        let actor = &self.actors[n];
        let alive = actor.node.is_some() && !actor.frozen && actor.disk_use == DiskUse::Works;
        alive && self.disk.seats[n].reads() == Answer::Done
    }

    /// Whether a node can lead the ledger on the disk, or put something to it.
    pub(crate) fn uses_disk(&self, n: usize) -> bool {
        self.reads_disk(n) && self.disk.seats[n].writes() == Answer::Done
    }

    pub(crate) fn ask_disk(&mut self, n: usize, claims: Claims) {
        if self.actors[n].disk_use == DiskUse::Failed {
            return;
        }
        self.write_copy(n, Nth::First, Arc::new(claims));
    }

    fn disk_step_after(&mut self, us: u64, n: usize, step: Step) {
        let boot = self.actors[n].boots;
        self.after_us(us, Ev::Disk { n, boot, step });
    }

    fn takes_us(&mut self) -> u64 {
        let us = if self.chance.happens(80) {
            self.chance.between(400, 9_000)
        } else {
            self.chance.between(30, 400)
        };
        us + self.chance.below(self.disk.slow_us + 1)
    }

    fn write_copy(&mut self, n: usize, copy: Nth, claims: Arc<Claims>) {
        let begins = self.actors[n].disk_begins;
        let place = match copy {
            Nth::First => begins,
            Nth::Second => 1 - begins,
        };
        let stops = self.actors[n].at_write.take();
        if let Some(AtWrite::StandsStill { for_ms }) = stops
            && self.chance.happens(500)
        {
            // The next instruction would have sent it.
            self.freeze(n, for_ms);
            self.meet("state froze before a write");
            return self.disk_step_after(0, n, Step::Writes { copy, claims });
        }
        let seen = self.chance.happens(250) && self.may_be_torn(n);
        let torn = if seen && self.disk.seats[n].writes() == Answer::Done {
            self.disk.seats[n].put(place, Copy::Torn);
            Part::Some
        } else {
            Part::None
        };
        let token = self.disk.token();
        self.disk.seats[n].under_way = Some(UnderWay { token, copy, place, claims, torn });
        let us = self.takes_us();
        self.disk_step_after(us, n, Step::Lands { token });
        match stops {
            Some(AtWrite::StandsStill { for_ms }) => {
                self.freeze(n, for_ms);
                self.meet("state froze at a write");
            }
            Some(AtWrite::LosesPower { for_ms }) => {
                let us = self.chance.below(200);
                self.after_us(us, Ev::Undo(Undo::PowerFails(n, for_ms)));
            }
            None => {}
        }
    }

    pub(crate) fn on_disk_step(&mut self, n: usize, boot: u64, step: Step) {
        let lives = self.actors[n].boots == boot && self.actors[n].node.is_some();
        match step {
            Step::Lands { token } => self.lands((n, boot), token),
            Step::LandsLate { place, claims } => self.lands_late((n, boot), place, claims),
            _ if !lives => {}
            Step::Writes { copy, claims } => self.write_copy(n, copy, claims),
            Step::Wrote { copy: Nth::First, claims } => {
                self.write_copy(n, Nth::Second, claims);
            }
            Step::Wrote { copy: Nth::Second, claims } => {
                let us = self.takes_us();
                self.actors[n].disk_written = Some(claims.number);
                self.disk_step_after(us, n, Step::Reads { number: claims.number });
            }
            Step::WriteFailed { number } => {
                self.fail_disk(n);
                self.step(n, Event::Disk { number, shows: Shows::Nothing });
            }
            Step::Reads { number } => {
                if self.disk.seats[n].reads() == Answer::Waits {
                    return self.disk_step_after(AGAIN_US, n, Step::Reads { number });
                }
                let shows = Box::new(self.shown(n));
                let us = self.chance.between(5, 200);
                self.disk_step_after(us, n, Step::Read { number, shows });
            }
            Step::Read { number, shows } => {
                self.step(n, Event::Disk { number, shows: *shows });
            }
            Step::Demands { life } => self.demands(n, life),
            Step::Looks => self.looks_at_disk(n),
        }
    }

    pub(crate) fn begin_demand(&mut self, n: usize, life: Option<BootId>) {
        let us = self.takes_us();
        self.disk_step_after(us, n, Step::Demands { life });
    }

    /// It goes with a word of the node, which is said again and again.
    fn demands(&mut self, n: usize, life: Option<BootId>) {
        if !self.uses_disk(n) {
            return self.disk_step_after(AGAIN_US, n, Step::Demands { life });
        }
        self.disk.demanded[1 - n] = life;
    }

    /// A node that reads the disk finds whose end is demanded, whichever life that is.
    pub(crate) fn read_demand(&mut self, n: usize) {
        let Some(life) = self.disk.demanded.get(n).copied().flatten() else { return };
        if self.reads_disk(n) {
            self.step(n, Event::EndDemanded(life));
        }
    }

    /// This life has ended as it was demanded; the hands start the next.
    pub(crate) fn life_ended(&mut self, n: usize) {
        self.meet("state life ended as demanded");
        self.actors[n].node = None;
        let ms = self.chance.between(10, 80);
        self.later(ms, Undo::AgentBack(n));
    }

    /// A writing comes to its end, whether or not its writer still lives.
    fn lands(&mut self, (n, boot): (usize, u64), token: u64) {
        let seat = &self.disk.seats[n];
        let writing = seat.under_way.clone().filter(|writing| writing.token == token);
        let Some(writing) = writing else { return };
        match seat.writes() {
            Answer::Waits => {
                let again = Ev::Disk { n, boot, step: Step::Lands { token } };
                self.after_us(AGAIN_US, again);
            }
            Answer::Done => {
                self.disk.seats[n].under_way = None;
                let list = self.disk.seats[n].list;
                let UnderWay { copy, place, claims, .. } = writing;
                self.disk.stands(n, (copy, place), &claims, self.now);
                self.trace(claims.number << 3 | (place as u64) << 1 | n as u64);
                if self.disk.seats[n].list != list {
                    let (at, list) = (self.now, self.disk.seats[n].list);
                    self.see(&Seen::GoesBy { at, node: DISK, list });
                }
                let us = self.chance.between(3, 60);
                let step = Step::Wrote { copy, claims };
                self.after_us(us, Ev::Disk { n, boot, step });
            }
            Answer::Fails => {
                self.disk.seats[n].under_way = None;
                let number = writing.claims.number;
                self.left_over((n, boot), writing);
                self.meet("state write failed");
                let us = self.chance.between(3, 60);
                self.after_us(us, Ev::Disk { n, boot, step: Step::WriteFailed { number } });
            }
        }
    }

    /// Where a late writing of a former life spoils one copy, none is torn as well.
    fn may_be_torn(&self, n: usize) -> bool {
        let seat = &self.disk.seats[n];
        seat.late.is_none() && seat.spoilt == Spoilt::No
    }

    /// What is left of a writing that nobody was told of: it stands, or in part, or not at all, or
    /// comes later.
    fn left_over(&mut self, (n, boot): (usize, u64), writing: UnderWay) {
        let UnderWay { copy, place, claims, torn, .. } = writing;
        match self.chance.below(4) {
            0 if torn == Part::None => {}
            1 => self.disk.stands(n, (copy, place), &claims, self.now),
            2 if torn == Part::None && self.may_be_torn(n) => {
                self.disk.seats[n].late = Some(boot);
                let us = self.chance.between(LATE_US.0, LATE_US.1);
                let step = Step::LandsLate { place, claims };
                self.after_us(us, Ev::Disk { n, boot, step });
            }
            _ if torn == Part::Some || self.may_be_torn(n) => {
                self.disk.seats[n].put(place, Copy::Torn);
                self.meet("state write torn");
            }
            _ => {}
        }
    }

    /// One of a former life comes in the next one at the latest.
    fn lands_late(&mut self, (n, boot): (usize, u64), place: usize, claims: Arc<Claims>) {
        let seat = &mut self.disk.seats[n];
        seat.late = None;
        if self.actors[n].boots <= boot + 1 && seat.under_way.is_none() {
            seat.put(place, Copy::Whole(claims));
            seat.spoilt = Spoilt::Yes;
            self.meet("state write late");
        }
    }

    /// The machine loses its power in the middle of a writing.
    pub(crate) fn break_off_writing(&mut self, n: usize) {
        let seat = self.disk.seats.get_mut(n);
        let Some(writing) = seat.and_then(|seat| seat.under_way.take()) else { return };
        let boot = self.actors[n].boots;
        self.meet("state power lost at a write");
        self.left_over((n, boot), writing);
    }

    /// What a reading of the other's claims shows: less than was there is no vote.
    fn shown(&mut self, n: usize) -> Shows {
        if self.disk.seats[n].reads() != Answer::Done {
            return Shows::Nothing;
        }
        let own = self.disk.seats[n].claims().ok().flatten().map_or(0, |claims| claims.number);
        self.actors[n].disk_begins = self.disk.seats[n].begins();
        let written = self.actors[n].disk_written;
        if written.is_some_and(|written| written != own) {
            self.meet("state own claims gone back");
            return Shows::Nothing;
        }
        let Ok(other) = self.disk.seats[1 - n].claims() else {
            self.meet("state claims unreadable");
            return Shows::Nothing;
        };
        let number = other.as_ref().map_or(0, |claims| claims.number);
        if number < self.actors[n].disk_heard {
            self.meet("state claims gone back");
            return Shows::Nothing;
        }
        self.actors[n].disk_heard = number;
        Shows::Claims(other.map(|claims| Claims::clone(&claims)))
    }

    /// A write failed: this agent uses the disk no more, and begins anew once it can be read.
    pub(super) fn fail_disk(&mut self, n: usize) {
        if self.actors[n].disk_use == DiskUse::Works {
            self.actors[n].disk_use = DiskUse::Failed;
            let us = first_disk_look(n).0 / 1_000 + 100;
            self.disk_step_after(us, n, Step::Looks);
        }
    }

    fn looks_at_disk(&mut self, n: usize) {
        if self.disk.seats[n].reads() != Answer::Done {
            return self.disk_step_after(DISK_LOOK.0 / 1_000, n, Step::Looks);
        }
        self.meet("state began anew after a failed write");
        self.actors[n].node = None;
        let ms = self.chance.between(10, 80);
        self.later(ms, Undo::AgentBack(n));
    }

    /// What an agent finds on its disk at its start: what former lives of it have claimed. None if
    /// it cannot take its seat; it is started again then.
    pub(crate) fn takes_seat(&mut self, n: usize) -> Option<Option<Claims>> {
        let seat = &self.disk.seats[n];
        let reached = seat.reads() == Answer::Done && seat.writes() == Answer::Done;
        let claimed = seat.claims().ok().filter(|_| reached);
        let Some(claimed) = claimed else {
            let ms = self.chance.between(START_AGAIN_MS.0, START_AGAIN_MS.1);
            self.later(ms, Undo::AgentBack(n));
            return None;
        };
        let actor = &mut self.actors[n];
        (actor.disk_use, actor.disk_written, actor.disk_heard) = (DiskUse::Works, None, 0);
        actor.disk_begins = self.disk.seats[n].begins();
        actor.sign_at = self.now;
        // It holds everything that took effect before.
        actor.record = Arc::clone(&self.truth.head);
        actor.lags = None;
        self.show_list(n);
        Some(claimed.map(|claims| Claims::clone(&claims)))
    }

    /// Until when the disk keeps the other node from a group that this one claims; zero while it
    /// keeps it for the other, or for nobody.
    pub(super) fn disk_keeps(&self, n: usize, group: &GroupName, record: &Record) -> u64 {
        let other = 1 - n;
        let until = |from: u64, ttl: Span, reader: usize| {
            let actor = &self.actors[reader];
            actor.global(actor.local(from) + ttl)
        };
        let Some(mine) = self.disk.kept(n, group) else { return 0 };
        if let Some(theirs) = self.disk.kept(other, group) {
            let known = record.nodes.get(&self.actors[other].name);
            let over = known.and_then(|known| known.value.fenced) == Some(theirs.boot);
            let runs = until(theirs.from, theirs.ttl, n) > self.now + 1_000;
            if theirs.epoch < mine.epoch && runs && !over {
                return 0;
            }
        }
        until(mine.from, mine.ttl, other)
    }

    pub(crate) fn disk_falls_ill(&mut self, nodes: &[usize], ill: Ill, for_ms: u64) {
        for n in nodes {
            self.disk.seats[*n].falls_ill(ill);
            self.later(for_ms, Undo::DiskRecovers(*n, ill));
        }
    }

    pub(crate) fn stop_at_write(&mut self, n: usize, how: AtWrite) {
        if self.actors[n].node.is_some() && !self.actors[n].frozen {
            self.actors[n].at_write = Some(how);
        }
    }
}
