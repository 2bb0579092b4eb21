//! One run of an engine: the real table and the real writer, and what they have ordered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tsugi_service_rules::call;
use tsugi_service_rules::call::{Alone, Arrival, Attempt, Caller, Change, Table, Work};
use tsugi_service_rules::epoch::{Owner, fence};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Content, OrderKey, Serial};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::sitting::{self, Run, Sitting};
use tsugi_service_rules::stored::{Ending, Reply};

use crate::client::Request;
use crate::rows::Write;

/// Where an engine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It opens its store.
    Opening,
    /// It takes calls.
    Open,
    /// It has ended.
    Dead,
}

/// A program that a worker runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) alone: Alone,
    pub(crate) service: ServiceNumber,
    pub(crate) ending: Ending,
    /// How long it takes once it has the turn.
    pub(crate) takes: u64,
    /// Whether it has done its work, and its answer waits to be durable.
    pub(crate) ended: bool,
}

/// An answer that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) content: Content,
    pub(crate) reply: Reply,
    pub(crate) work: Work,
    pub(crate) lowest: Serial,
}

/// What is written beside sittings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Small {
    Start(CallId, Attempt, Content),
    Unknown(CallId),
    Change(CallId, Caller, Change),
}

/// The transaction of a sitting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transaction {
    /// What is written, and by which run.
    pub(crate) writes: Vec<(Run, Write)>,
    /// Savepoints that are open.
    pub(crate) savepoints: usize,
    /// How often the store had been claimed when it was begun.
    pub(crate) claims: u64,
}

/// What is to be told to which part of an engine next.
#[derive(Clone, Debug)]
pub(crate) enum Todo {
    Table(call::Event),
    Writer(sitting::Event),
    Fence(fence::Event),
}

/// One run of an engine.
pub(crate) struct Engine {
    pub(crate) node: usize,
    pub(crate) life: Life,
    pub(crate) owner: Owner,
    /// It stands still until then.
    pub(crate) frozen: u64,
    /// When it last went on after standing still.
    pub(crate) thawed: u64,
    /// Until when it may answer.
    pub(crate) last: u64,
    pub(crate) table: Table,
    pub(crate) writer: Sitting,
    pub(crate) fence: Option<fence::Fence>,
    pub(crate) programs: BTreeMap<Run, Program>,
    pub(crate) spoken: VecDeque<Run>,
    pub(crate) kept: BTreeMap<Run, Kept>,
    pub(crate) small: VecDeque<Small>,
    pub(crate) transaction: Option<Transaction>,
    /// When the first of the calls that have ended in this sitting did.
    pub(crate) held: Option<u64>,
    pub(crate) todo: VecDeque<Todo>,
    pub(crate) requests: BTreeMap<Caller, (Request, Option<Arrival>)>,
    /// The lowest serials that arrivals of a call have told.
    pub(crate) lowests: BTreeMap<CallId, Vec<Serial>>,
    pub(crate) orders: BTreeMap<CallId, (ServiceNumber, OrderKey)>,
    pub(crate) busy: BTreeMap<ServiceNumber, usize>,
    pub(crate) contended: BTreeMap<CallId, u32>,
    /// Callers that are gone: what they are told is read by nobody.
    pub(crate) gone: BTreeSet<Caller>,
    /// Nothing is pending any more.
    pub(crate) drained: bool,
    /// Nothing is open in the store any more.
    pub(crate) closed: bool,
    /// The store has been handed over: nothing is told.
    pub(crate) handed_over: bool,
    pub(crate) wake: u64,
}

/// Small, so that limits are met.
pub(crate) fn limits() -> Limits {
    Limits { remembered: 6, queue: 64, runs: 4, window: 64, ..Limits::default() }
}

impl Engine {
    pub(crate) fn new(node: usize, owner: Owner, last: u64) -> Self {
        Self {
            node,
            life: Life::Opening,
            owner,
            frozen: 0,
            thawed: 0,
            last,
            table: Table::new(limits()),
            writer: Sitting::new(sitting::Limits { calls: 8, ..sitting::Limits::default() }),
            fence: None,
            programs: BTreeMap::new(),
            spoken: VecDeque::new(),
            kept: BTreeMap::new(),
            small: VecDeque::new(),
            transaction: None,
            held: None,
            todo: VecDeque::new(),
            requests: BTreeMap::new(),
            lowests: BTreeMap::new(),
            orders: BTreeMap::new(),
            busy: BTreeMap::new(),
            contended: BTreeMap::new(),
            gone: BTreeSet::new(),
            drained: false,
            closed: false,
            handed_over: false,
            wake: 0,
        }
    }

    /// It ends: nothing of its memory is left.
    pub(crate) fn die(&mut self) {
        let (node, owner) = (self.node, self.owner);
        *self = Self { life: Life::Dead, ..Self::new(node, owner, 0) };
    }

    /// A worker is free again.
    pub(crate) fn free(&mut self, run: Run) -> Option<Program> {
        let program = self.programs.remove(&run)?;
        self.spoken.retain(|spoken| *spoken != run);
        self.kept.remove(&run);
        if !program.ended {
            self.release(program.service);
        }
        Some(program)
    }

    /// A worker has nothing to do.
    pub(crate) fn release(&mut self, service: ServiceNumber) {
        if let Some(busy) = self.busy.get_mut(&service) {
            *busy = busy.saturating_sub(1);
        }
    }
}
