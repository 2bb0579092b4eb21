//! What goes on beside the store: the table of calls and what it orders.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;
use tsugi_service_rules::abroad::Became;
use tsugi_service_rules::call::{
    Alone, Attempt, Caller, Change, Event, Interruption, Order, Table, Work,
};
use tsugi_service_rules::ground::{self, Effects, Ground, ServiceNumber};
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::sitting::{self, Run, Sitting};
use tsugi_service_rules::stored::{self, Stored};
use tsugi_service_rules::worker::{life, pool};
use tsugi_store::{Failover, Reply};
use tsugi_vocabulary::Moment;
use tsugi_worker::Awake;

use super::block::{Blocked, Blocking};
use super::copies::Copies;
use super::needed::Lacking;
use super::nested::Nested;
use super::pools::{Desk, Ended, Over, Whom, Word};
use super::purge::Purge;
use super::reading::Readings;
use super::resolve::Resolving;
use super::small::Small;
use super::way::Way;
use super::{Letter, Waiter};
use crate::clock;
use crate::fatal::Fatal;
use crate::inbox::{Inbox, Polled};
use crate::open::Settings;
use crate::service::Service;
use crate::watch::Watch;
use crate::worker::{Batch, Given};

/// What is to be told to which part of the rules next.
pub(super) enum Todo {
    Table(Event),
    Pool(ServiceNumber, pool::Event),
}

/// A run of a call that is not durable yet.
pub(super) struct Going {
    pub(super) service: ServiceNumber,
    pub(super) alone: Alone,
    /// What was said of it and not yet carried out.
    pub(super) mail: VecDeque<Word>,
    /// The number of its reply, once it has ended.
    pub(super) reply: Option<u64>,
}

/// An answer that is to be inserted.
pub(super) struct Kept {
    pub(super) reply: stored::Reply,
    pub(super) work: Work,
}

pub(super) struct Hall {
    pub(super) inbox: Arc<Inbox<Letter>>,
    /// Taken out of the inbox and not read yet.
    letters: VecDeque<Letter>,
    /// What the last wait has seen of the workers' pipes, until they are heard.
    pub(super) polled: Polled,
    /// Whether waiting awake for workers that have a call pays.
    pub(super) awake: Awake,
    pub(super) settings: Settings,
    pub(super) way: Way,
    pub(super) watch: Watch,
    pub(super) table: Table,
    pub(super) sitting: Sitting,
    pub(super) desks: BTreeMap<ServiceNumber, Desk>,
    pub(super) grounds: BTreeMap<ServiceNumber, ground::Service>,
    pub(super) store: Result<(), Refusal>,
    pub(super) todo: VecDeque<Todo>,
    pub(super) callers: BTreeMap<Caller, Waiter>,
    /// Who asks for which call.
    pub(super) asking: BTreeSet<(CallId, Caller)>,
    /// Of calls that are pending.
    pub(super) bodies: HashMap<CallId, Given>,
    /// What those have said that act outside the store: it is kept with their start.
    pub(super) said: HashMap<CallId, Arc<[u8]>>,
    /// Whoever asks about unknown calls; none where nobody does.
    pub(super) inquirer: Option<watch::Sender<()>>,
    pub(super) replies: HashMap<u64, Arc<Reply>>,
    pub(super) next_reply: u64,
    pub(super) runs: BTreeMap<Run, Going>,
    /// Whose first words wait for the writer, the oldest first.
    pub(super) spoken: VecDeque<Run>,
    /// Who has the writer.
    pub(super) turn: Option<Run>,
    /// Whether who has the writer was rolled back meanwhile.
    pub(super) rolled_back: Option<Run>,
    pub(super) kept: Option<Kept>,
    pub(super) small: VecDeque<Small>,
    /// Before this moment nothing small is written again.
    pub(super) small_after: Moment,
    pub(super) readings: Readings,
    pub(super) nested: Nested,
    /// None of a store that keeps its log by itself.
    pub(super) copies: Option<Copies>,
    pub(super) purge: Purge,
    /// Services that operators have blocked.
    pub(super) blocked: Blocked,
    pub(super) blocking: Blocking,
    pub(super) resolving: Resolving,
    /// Files that services need.
    pub(super) lacking: Lacking,
    /// Rows of files that are over are taken away from this moment on. At first that is now: a
    /// former engine may have left some.
    pub(super) sweep_at: Option<Moment>,
    /// What a failover of the database would cost, as far as is known.
    pub(super) failover: Failover,
    /// Nothing is pending any more, and the group moves.
    pub(super) drained: bool,
    /// Nothing is open in the store any more, and nothing will be.
    pub(super) closed: bool,
    fatal: Option<Fatal>,
}

impl Hall {
    pub(super) fn new(
        (way, readings, watch): (Way, Readings, Watch),
        (services, blocked): (Vec<Service>, Blocked),
        settings: Settings,
        inbox: Arc<Inbox<Letter>>,
    ) -> Self {
        let closed = |number: &ServiceNumber| {
            settings.closed.get(number).or_else(|| blocked.get(number)).cloned()
        };
        let ground = |service: &Service| ground::Service {
            effects: readings.effects(service.effects()),
            open: closed(&service.number).map_or(Ok(()), Err),
            wait: tsugi_vocabulary::Span::ZERO,
        };
        let grounds: BTreeMap<_, _> = services.iter().map(|s| (s.number, ground(s))).collect();
        let desks: BTreeMap<_, _> =
            services.into_iter().map(|service| (service.number, Desk::new(service))).collect();
        let todo = desks.keys().filter(|number| !settings.closed.contains_key(number));
        let todo = todo.map(|number| Todo::Pool(*number, pool::Event::Woken)).collect();
        Self {
            inbox,
            letters: VecDeque::new(),
            polled: Polled::No,
            awake: Awake::default(),
            way,
            watch,
            table: Table::new(settings.calls),
            sitting: Sitting::new(settings.sitting),
            readings,
            nested: Nested::default(),
            copies: None,
            purge: Purge::new(clock::now(), settings.upkeep),
            settings,
            desks,
            grounds,
            store: Ok(()),
            todo,
            callers: BTreeMap::new(),
            asking: BTreeSet::new(),
            bodies: HashMap::new(),
            said: HashMap::new(),
            inquirer: None,
            replies: HashMap::new(),
            next_reply: 0,
            runs: BTreeMap::new(),
            spoken: VecDeque::new(),
            turn: None,
            rolled_back: None,
            kept: None,
            small: VecDeque::new(),
            small_after: Moment(0),
            blocked,
            blocking: Blocking::default(),
            resolving: Resolving::new(),
            lacking: Lacking::default(),
            sweep_at: Some(Moment(0)),
            failover: Failover::Kept,
            drained: false,
            closed: false,
            fatal: None,
        }
    }

    /// Takes what has come and what time has brought, and does what follows.
    pub(super) fn look(&mut self) -> Result<(), Fatal> {
        self.letters.extend(self.inbox.take());
        // One that is not read yet is kept, whatever becomes of those before it: dropped, its
        // caller would be told something.
        while let Some(letter) = self.letters.pop_front() {
            self.read(letter);
            self.settle()?;
        }
        // Between two waits only those are asked who have a call; of all others a wait tells.
        match std::mem::replace(&mut self.polled, Polled::No) {
            Polled::Ready => self.hear_links(Whom::All),
            Polled::No => self.hear_links(Whom::Busy),
            Polled::Quiet => self.hear_late(),
        }
        let now = clock::now();
        let due = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        if due(self.table.wake_at()) {
            self.todo.push_back(Todo::Table(Event::Woken));
        }
        if due(self.readings.wake_at()) {
            self.wake_readings();
        }
        let pools = self.pools().filter(|(_, at)| due(Some(*at)));
        let woken: Vec<Todo> =
            pools.map(|(number, _)| Todo::Pool(number, pool::Event::Woken)).collect();
        self.todo.extend(woken);
        self.settle()
    }

    /// Which pools want to be woken, and when. Nothing is started for a service that cannot run.
    pub(super) fn pools(&self) -> impl Iterator<Item = (ServiceNumber, Moment)> + '_ {
        let may = |number| !self.settings.closed.contains_key(number);
        let open = self.desks.iter().filter(move |(number, _)| may(*number));
        open.filter_map(|(number, desk)| Some((*number, desk.pool.wake_at()?)))
    }

    fn read(&mut self, letter: Letter) {
        match letter {
            Letter::Ask(_, Event::Arrived(arrival), waiter) if self.only_reads(arrival.service) => {
                self.read_call(arrival, waiter);
            }
            Letter::Ask(caller, event, waiter) => {
                self.wait_for(caller, waiter);
                self.todo.push_back(Todo::Table(event));
            }
            Letter::Gone(id, caller) => {
                self.asking.remove(&(id, caller));
                self.callers.remove(&caller);
                self.reader_gone(id, caller);
                self.todo.push_back(Todo::Table(Event::CallerGone(id, caller)));
            }
            Letter::Heard(service, worker, heard) => self.read_heard(service, worker, heard),
            Letter::Said(said) => {
                if let Way::Sessions(sent) = &mut self.way {
                    sent.said.push_back(said);
                }
            }
            Letter::Open(service, open) => self.open(service, open),
            Letter::Block(service, block, tell) => self.block(service, block, tell),
            // Who does not want to know any more has gone.
            Letter::Figures(tell) => drop(tell.send(self.figures())),
            Letter::Resolve(id, caller, said, waiter) => self.resolve(id, caller, said, waiter),
            Letter::Looked(looked) => self.looked(looked),
            Letter::Inquirer(tells) => self.inquirer = Some(tells),
            Letter::List(listing) => self.list(listing),
            Letter::Inquire(arrival, waiter) => self.inquire(arrival, waiter),
            Letter::CameBack(run) => self.came_back(run),
            Letter::Copied(copied) => {
                let told = self.copies.as_mut().map(|copies| copies.copied(copied));
                if let Some(Err(fatal)) = told {
                    self.fail(fatal);
                }
            }
            Letter::Panicked(what) => self.fail(Fatal::Impossible(what)),
            Letter::Move(grace) => {
                self.move_readings(grace);
                self.todo.push_back(Todo::Table(Event::MoveBegan(grace)));
            }
        }
    }

    /// Does everything that follows from what has happened, without the store.
    pub(super) fn settle(&mut self) -> Result<(), Fatal> {
        loop {
            while let Some(todo) = self.todo.pop_front() {
                match todo {
                    Todo::Table(event) => self.tell_table(event),
                    Todo::Pool(service, event) => self.tell_pool(service, event, None),
                }
            }
            if let Some(fatal) = self.fatal.take() {
                return Err(fatal);
            }
            if !self.find_room() {
                // Somebody may have the worker now that he has waited for.
                self.read_on();
                self.go_abroad();
                if self.todo.is_empty() {
                    return Ok(());
                }
            }
        }
    }

    /// Gives calls to workers that have room.
    fn find_room(&mut self) -> bool {
        let held = self.copies.as_ref().is_some_and(Copies::is_held);
        for (number, desk) in &mut self.desks {
            let reads = self.grounds.get(number).is_some_and(|of| of.effects == Effects::None);
            let room = desk.pool.has_room(pool::Origin::Queue) && !(reads && held);
            let beside = || self.runs.values().filter(|run| run.service == *number).count();
            let begins = self.way.takes(*number, desk.pool.room(pool::Origin::Queue), beside);
            if room && let Some(run) = desk.held.pop_front() {
                let give = pool::Event::Give(run, pool::Origin::Queue);
                self.todo.push_back(Todo::Pool(*number, give));
            } else if room && begins && !desk.starting && self.table.is_wanted(*number) {
                self.todo.push_back(Todo::Table(Event::Room(*number)));
            }
        }
        !self.todo.is_empty()
    }

    pub(super) fn step_sitting(&mut self, event: sitting::Event) -> Vec<sitting::Order> {
        let mut orders = Vec::new();
        self.sitting.step(clock::now(), event, &mut orders);
        orders
    }

    /// Whether somebody is near who has not spoken; not who waits for another group.
    pub(super) fn some_will_speak(&self) -> bool {
        let near = |run| !self.nested.is_abroad(run);
        self.runs.iter().any(|(run, going)| going.reply.is_none() && near(*run))
    }

    /// Whether something small is to be written now.
    pub(super) fn has_small(&self) -> bool {
        !self.small.is_empty() && self.small_after <= clock::now()
    }

    /// Whether the sitting wants to be woken now.
    pub(super) fn is_due(&self) -> bool {
        self.sitting.wake_at().is_some_and(|at| at <= clock::now())
    }

    pub(super) fn tell_table(&mut self, event: Event) {
        let mut orders = Vec::new();
        self.is_of_its_calls_interface(&event);
        let ground = Ground {
            now: clock::now(),
            last: self.settings.last_moment(),
            services: &self.grounds,
            store: &self.store,
        };
        let (arrived, found, gone) = about(&event);
        self.table.step(&ground, event, &mut orders);
        for order in orders {
            self.carry(order);
        }
        if let Some(id) = arrived {
            self.keep_body(id);
        }
        if let Some(number) = found {
            self.replies.remove(&number);
        }
        for id in gone {
            self.forget_body(id);
        }
        if self.bodies.len() > self.table.pending() {
            let table = &self.table;
            self.bodies.retain(|id, _| table.stage(*id).is_some());
            self.said.retain(|id, _| table.stage(*id).is_some());
        }
    }

    /// The body of a call that has become pending: that of whoever waits for it. Whoever asked for
    /// something else under its id is answered by now.
    fn keep_body(&mut self, id: CallId) {
        if self.bodies.contains_key(&id) || self.table.stage(id).is_none() {
            return;
        }
        let content = self.table.asks(id).map(|asks| asks.content);
        let asking = self.asking.range((id, Caller(0))..=(id, Caller(u64::MAX)));
        let bodies = asking.filter_map(|(_, caller)| self.callers.get(caller)?.body.as_ref());
        let mut same = bodies.filter(|body| Some(body.arrival.content) == content);
        let Some(body) = same.next() else { return };
        let (given, said) = (body.given.clone(), body.said.clone());
        self.keep_said(id, said);
        self.bodies.insert(id, given);
    }

    fn forget_body(&mut self, id: CallId) {
        if self.table.stage(id).is_none() {
            self.bodies.remove(&id);
            self.said.remove(&id);
        }
    }

    fn carry(&mut self, order: Order) {
        match order {
            Order::Find(id) => match &mut self.way {
                Way::Beside(_) => {
                    if let Some((stored, row)) = self.seen(id) {
                        self.todo.push_back(Todo::Table(Event::Found(id, stored, row)));
                    }
                }
                Way::Sessions(sent) => sent.finds.push_back(id),
            },
            Order::Answer(caller, _, answer) => self.answer(caller, answer),
            Order::Decode(caller, id, interface) => self.decode(caller, id, interface),
            Order::Start { id, attempt, content } => {
                let service = self.table.asks(id).map(|asks| asks.service);
                if let Some(desk) = service.and_then(|number| self.desks.get_mut(&number)) {
                    desk.starting = true;
                }
                let starts = self.starts(id, attempt, content);
                self.small.push_back(Small::Start(id, attempt, Box::new(starts)));
            }
            Order::KeepUnknown(id) => self.small.push_back(Small::Unknown(id)),
            Order::Run(id, attempt, alone) => self.run(id, attempt, alone),
            Order::Keep { reply, work, .. } => self.kept = Some(Kept { reply, work }),
            Order::GiveUp(id, attempt) => self.give_up(id, attempt),
            Order::RollBack(id, attempt) | Order::Kill(id, attempt) => {
                let run = (id, attempt);
                self.drop_run(run);
                if self.turn == Some(run) {
                    self.rolled_back = Some(run);
                }
            }
            Order::Clear(id) => match &self.way {
                Way::Beside(_) => {
                    if let Some((stored, _)) = self.seen(id) {
                        self.todo.push_back(Todo::Table(Event::Cleared(id, stored)));
                    }
                }
                // The session that had the commit is at it.
                Way::Sessions(_) => {}
            },
            Order::Change(id, caller, change) => self.change(id, caller, change),
            Order::LeaveUnwritten(id) => self.leave_unwritten(id),
            Order::Drained => self.drained = true,
            Order::End => self.fail(Fatal::LastMoment),
        }
    }

    pub(super) fn fail(&mut self, fatal: Fatal) {
        self.fatal.get_or_insert(fatal);
    }

    fn change(&mut self, id: CallId, caller: Caller, change: Change) {
        self.small.push_back(Small::Change(id, caller, change));
    }

    fn run(&mut self, id: CallId, attempt: Attempt, alone: Alone) {
        let Some(asks) = self.table.asks(id) else { return };
        let (run, service) = ((id, attempt), asks.service);
        let going = Going { service, alone, mail: VecDeque::new(), reply: None };
        self.runs.insert(run, going);
        if let Way::Sessions(sent) = &mut self.way {
            return sent.begins(service, run);
        }
        self.hold(service, run);
    }

    /// What was started waits for a worker; what was not has one, by the rules. Of workers that
    /// were given up meanwhile nobody will ever ask for it.
    pub(super) fn hold(&mut self, service: ServiceNumber, run: Run) {
        match self.desks.get_mut(&service) {
            Some(desk) if desk.pool.posture() == pool::Posture::Serving => {
                desk.held.push_back(run);
            }
            Some(_) | None => self.interrupt(run, Interruption::NotAtFault),
        }
    }

    fn give_up(&mut self, id: CallId, attempt: Attempt) {
        let Some(asks) = self.table.asks(id) else { return };
        let (run, service) = ((id, attempt), asks.service);
        let going = Going { service, alone: Alone::Yes, mail: VecDeque::new(), reply: None };
        self.runs.insert(run, going);
        let failed = life::Abnormal::Failed(life::Class::RunTimeError);
        let ended = Ended::abnormal(failed, "it has lost its sitting twice");
        self.say(run, Word::End(Batch::default(), Over::Ended(ended)));
    }

    /// A run is over and nothing of it is left.
    pub(super) fn interrupt(&mut self, run: Run, why: Interruption) {
        if self.readings.has(run) {
            return self.read_again(run);
        }
        if let Some(root) = self.nested.root(run) {
            self.nested.again(run);
            return self.read_next(root);
        }
        self.drop_run(run);
        self.todo.push_back(Todo::Table(Event::Interrupted(run.0, run.1, why)));
    }

    /// Forgets a run; its worker remembers what never was.
    pub(super) fn drop_run(&mut self, run: Run) {
        let Some(going) = self.runs.remove(&run) else { return };
        self.undo_within(run);
        let became = match self.acts(going.service) {
            Effects::Outside => Became::Unknown,
            Effects::Store | Effects::None => Became::Undone,
        };
        self.is_home(run, became);
        self.spoken.retain(|spoken| *spoken != run);
        if let Some(number) = going.reply {
            self.replies.remove(&number);
        }
        if let Some(desk) = self.desks.get_mut(&going.service) {
            desk.held.retain(|held| *held != run);
        }
        self.todo.push_back(Todo::Pool(going.service, pool::Event::Undone(run)));
    }

    /// These runs are durable.
    pub(super) fn on_kept(&mut self, runs: &[Run]) {
        let mut ids = Vec::with_capacity(runs.len());
        let mut numbers = Vec::with_capacity(runs.len());
        for run in runs {
            ids.push(run.0);
            let Some(going) = self.runs.remove(run) else { continue };
            numbers.extend(going.reply);
            self.todo.push_back(Todo::Pool(going.service, pool::Event::Settled(*run)));
            self.settle_within(*run);
            self.is_home(*run, Became::Durable);
        }
        self.tell_table(Event::Committed(ids));
        for number in numbers {
            self.replies.remove(&number);
        }
    }

    /// An answer that could not be inserted: what the store has counts.
    pub(super) fn not_inserted(&mut self, run: Run) -> Result<(), Fatal> {
        let Some((stored, row)) = self.seen(run.0) else { return self.settle() };
        let is_left = match stored {
            Stored::Nothing => row.expired(run.0).is_none(),
            // Its own: nobody else has this store.
            Stored::Started(_) => true,
            Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => false,
        };
        if is_left {
            self.interrupt(run, Interruption::Contended);
        } else {
            self.drop_run(run);
            self.todo.push_back(Todo::Table(Event::Taken(run.0, run.1, stored, row)));
        }
        Ok(())
    }

    /// The store is handed over: ends the workers and sends whoever still asks elsewhere.
    pub(super) fn leave(&mut self) {
        for link in self.desks.values_mut().flat_map(|desk| desk.links.values_mut()) {
            link.kill();
        }
        // Dropped, their waiters are told that nothing is open here.
        drop(self.inbox.close());
        self.watch.close();
        self.readings.close();
        if let Some(copies) = &mut self.copies {
            copies.close();
        }
    }
}

/// What an event may change beside the table: a call that may become pending by it, the number of
/// a reply that it tells, the calls that end with it.
fn about(event: &Event) -> (Option<CallId>, Option<u64>, Vec<CallId>) {
    let told = |stored: &Stored| match stored {
        Stored::Final(_, reply) => Some(reply.bytes),
        Stored::Nothing | Stored::Started(_) | Stored::Unknown(_) | Stored::Tombstone => None,
    };
    match event {
        Event::Arrived(arrival) => (Some(arrival.id), None, Vec::new()),
        Event::Found(id, stored, _) => (Some(*id), told(stored), Vec::new()),
        Event::Taken(id, _, stored, _) | Event::Cleared(id, stored) => {
            (None, told(stored), vec![*id])
        }
        Event::Committed(ids) => (None, None, ids.clone()),
        Event::Interrupted(id, ..) | Event::UnknownKept(id) => (None, None, vec![*id]),
        Event::Asked(..)
        | Event::Confirmed(..)
        | Event::Forgotten(..)
        | Event::Resolved(..)
        | Event::NotAsked(..)
        | Event::Room(_)
        | Event::StartKept(_)
        | Event::Ended(..)
        | Event::InDoubt(_)
        | Event::Kept(..)
        | Event::NotKept(..)
        | Event::Purged(..)
        | Event::CallerGone(..)
        | Event::MoveBegan(_)
        | Event::Closed
        | Event::Woken => (None, None, Vec::new()),
    }
}
