//! The workers of each service: what is heard of them, and what their pool orders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tsugi_service_rules::call::Interruption;
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::stored::Ending;
use tsugi_service_rules::worker::life::{self, Abnormal, Exit, Turn};
use tsugi_service_rules::worker::pool::{self, Order, Pool, Worker};

use super::hall::{Hall, Todo};
use super::inquiry::Keys;
use super::way::Way;
use crate::fatal::Fatal;
use crate::files::Files;
use crate::service::{Interface, Service};
use crate::worker::{Batch, Begin, Ear, Gave, Heard, Link, Nursery, Said, Unheard};

/// The workers of a service.
pub(super) struct Desk {
    pub(super) name: Arc<str>,
    pub(super) interface: Arc<dyn Interface>,
    nursery: Box<dyn Nursery>,
    pub(super) files: Files,
    pub(super) pool: Pool,
    /// How long a call may take, in milliseconds.
    pub(super) call_ms: u32,
    pub(super) links: BTreeMap<Worker, Box<dyn Link>>,
    /// Those that have ended: what somebody else says over their way is not theirs.
    pub(super) ended: BTreeSet<Worker>,
    /// What is told of those that have ended before all was heard that they had said.
    late: BTreeMap<Worker, Vec<Heard>>,
    /// What was last said of a worker that went wrong: why births are given up.
    wrong: String,
    /// That a call will act outside the store is being made durable: it will need room.
    pub(super) starting: bool,
    /// Runs that are to be given to a worker.
    pub(super) held: VecDeque<Run>,
}

/// Which workers are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// All of them.
    All,
    /// Those that have a call, or something that was read and not heard.
    Busy,
}

/// What is said of a run.
pub(super) enum Word {
    /// Its program asks for operations.
    Operate(Worker, Turn, Batch),
    /// It has ended, after these operations.
    End(Batch, Over),
}

/// How a run is over.
pub(super) enum Over {
    /// Its program has given this back; whether that is an answer is for the interface to say.
    Gave(Gave),
    /// Not in order.
    Ended(Ended),
}

/// How a run has ended, and what its caller is told.
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) said: Said,
}

/// What comes with an event of a worker.
pub(super) enum Words {
    Asked(Batch),
    Done(Batch, Gave),
    Text(String),
}

impl Desk {
    pub(super) fn new(service: Service) -> Self {
        let call = service.workers.limits.call.as_millis();
        Self {
            name: service.name,
            interface: service.interface,
            files: service.nursery.files(),
            nursery: service.nursery,
            pool: Pool::new(service.workers),
            call_ms: u32::try_from(call).unwrap_or(u32::MAX),
            links: BTreeMap::new(),
            ended: BTreeSet::new(),
            late: BTreeMap::new(),
            wrong: String::new(),
            starting: false,
            held: VecDeque::new(),
        }
    }
}

impl Ended {
    /// An end that is not in order: what is known of it, as JSON. Sentences are made of it by
    /// whoever speaks with people.
    pub(super) fn abnormal(why: Abnormal, text: &str) -> Self {
        let known = serde_json::json!({ "abnormal": why, "text": text });
        let said =
            Said { content_type: "application/json".to_owned(), body: known.to_string().into() };
        Self { ending: why.ending(), said }
    }
}

/// Whether a worker has said what is not heard yet.
fn says_more(links: &BTreeMap<Worker, Box<dyn Link>>, worker: Worker) -> bool {
    links.get(&worker).is_some_and(|link| link.unheard() != Unheard::Nothing)
}

impl Hall {
    /// Hears what has come over descriptors.
    pub(super) fn hear_links(&mut self, whom: Whom) {
        let (mut all, mut heard) = (Vec::new(), Vec::new());
        for (number, desk) in &mut self.desks {
            let ended = &desk.ended;
            for (worker, link) in
                desk.links.iter_mut().filter(|(worker, _)| !ended.contains(worker))
            {
                if whom == Whom::All || link.may_speak() {
                    link.hear(&mut heard);
                    all.extend(heard.drain(..).map(|heard| (*number, *worker, heard)));
                }
            }
        }
        for (number, worker, heard) in all {
            self.hear(number, worker, heard);
        }
        self.hear_late();
    }

    /// Hears of the ends of those of whom everything is heard by now that they had said.
    pub(super) fn hear_late(&mut self) {
        let mut all = Vec::new();
        for (number, desk) in &mut self.desks {
            let links = &desk.links;
            let heard = |worker: &Worker| !says_more(links, *worker);
            let whole: Vec<Worker> = desk.late.keys().copied().filter(heard).collect();
            for worker in whole {
                let late = desk.late.remove(&worker).unwrap_or_default();
                all.extend(late.into_iter().map(|heard| (*number, worker, heard)));
            }
        }
        for (number, worker, heard) in all {
            self.hear(number, worker, heard);
        }
    }

    /// Reads a letter about a worker. What it said before its end counts first, also what it is
    /// not listened to for now.
    pub(super) fn read_heard(&mut self, service: ServiceNumber, worker: Worker, heard: Heard) {
        if matches!(heard, Heard::Ended(..)) {
            self.hear_links(Whom::All);
        }
        let Some(desk) = self.desks.get_mut(&service) else { return };
        let ended = matches!(heard, Heard::Ended(..)) && says_more(&desk.links, worker);
        if ended || desk.late.contains_key(&worker) {
            desk.late.entry(worker).or_default().push(heard);
        } else {
            self.hear(service, worker, heard);
        }
    }

    /// Whether a worker can be heard now of whom no descriptor tells it.
    pub(super) fn can_hear(&self) -> bool {
        let mut links = self
            .desks
            .values()
            .flat_map(|desk| desk.links.iter().filter(|(worker, _)| !desk.ended.contains(worker)));
        links.any(|(_, link)| link.unheard() == Unheard::Ready)
            || self
                .desks
                .values()
                .any(|desk| desk.late.keys().any(|worker| !says_more(&desk.links, *worker)))
    }

    /// Whether the worker of a call reads its answers.
    pub(super) fn takes_answers(&self, run: Run) -> bool {
        let Some(Word::Operate(worker, ..)) =
            self.runs.get(&run).and_then(|going| going.mail.front())
        else {
            return true;
        };
        let desk = self.runs.get(&run).and_then(|going| self.desks.get(&going.service));
        let link = desk.and_then(|desk| desk.links.get(worker));
        link.is_none_or(|link| link.takes_answers())
    }

    /// Tells a pool what is heard of one of its workers.
    fn hear(&mut self, service: ServiceNumber, worker: Worker, heard: Heard) {
        let Some(desk) = self.desks.get_mut(&service) else { return };
        match &heard {
            Heard::Swept => drop(desk.ended.remove(&worker)),
            _ if desk.ended.contains(&worker) => return,
            Heard::Ended(..) => drop(desk.ended.insert(worker)),
            _ => {}
        }
        match &heard {
            Heard::Failed(_, _, text) | Heard::Wrong(text) | Heard::Ended(_, text)
                if !text.is_empty() =>
            {
                desk.wrong.clone_from(text);
            }
            _ => {}
        }
        let (event, words) = match heard {
            Heard::Hello(difference) => (life::Event::Hello(difference), None),
            Heard::Ready => (life::Event::Ready, None),
            Heard::Asked(turn, asked) => (life::Event::Asked(turn), Some(Words::Asked(asked))),
            Heard::Done(turn, asked, gave) => {
                (life::Event::Done(turn), Some(Words::Done(asked, gave)))
            }
            Heard::Failed(turn, class, text) => {
                (life::Event::Failed(turn, class), Some(Words::Text(text)))
            }
            Heard::Wrong(text) => (life::Event::Wrong, Some(Words::Text(text))),
            Heard::Closed => (life::Event::Closed, None),
            Heard::Ended(exit, text) => (life::Event::Ended(exit), Some(Words::Text(text))),
            Heard::Flood => (life::Event::Flood, None),
            Heard::Memory => (life::Event::Memory, None),
            Heard::Swept => return self.tell_pool(service, pool::Event::Swept(worker), None),
        };
        self.tell_pool(service, pool::Event::Of(worker, event), words);
    }

    pub(super) fn tell_pool(
        &mut self,
        service: ServiceNumber,
        event: pool::Event,
        mut words: Option<Words>,
    ) {
        let Some(desk) = self.desks.get_mut(&service) else { return };
        if let pool::Event::Swept(worker) = event {
            desk.links.remove(&worker);
        }
        let mut orders = Vec::new();
        desk.pool.step(crate::clock::now(), event, &mut orders);
        for order in orders {
            self.carry_pool(service, order, &mut words);
        }
    }

    fn carry_pool(&mut self, service: ServiceNumber, order: Order, words: &mut Option<Words>) {
        match order {
            Order::Bear(worker) => self.bear(service, worker),
            Order::Begin(worker, turn, run) => {
                self.begin(service, (worker, turn), run, |link, begin| link.begin(begin));
            }
            Order::BeginAhead(worker, turn, run) => {
                self.begin(service, (worker, turn), run, |link, begin| link.begin_ahead(begin));
            }
            Order::Operate(worker, turn, run) => {
                if let Some(Words::Asked(asked)) = words.take() {
                    self.say(run, Word::Operate(worker, turn, asked));
                }
            }
            Order::Keep(_, run) => {
                if let Some(Words::Done(asked, gave)) = words.take() {
                    self.say(run, Word::End(asked, Over::Gave(gave)));
                }
            }
            Order::Abnormal(run, why) => {
                let text = match words.take() {
                    Some(Words::Text(text)) => text,
                    Some(Words::Asked(_) | Words::Done(..)) | None => String::new(),
                };
                let ended = Ended::abnormal(why, &text);
                self.say(run, Word::End(Batch::default(), Over::Ended(ended)));
            }
            Order::Again(run) => self.interrupt(run, Interruption::NotAtFault),
            Order::Leave(worker) => self.with_link(service, worker, |link| link.leave()),
            Order::Kill(worker, _) => self.with_link(service, worker, |link| link.kill()),
            Order::Sweep(worker) => self.sweep(service, worker),
            Order::GiveUp(why, exit) => {
                let said = self.desks.get(&service).map(|desk| desk.wrong.trim().to_owned());
                if let Some(ground) = self.grounds.get_mut(&service) {
                    ground.open = Err(pool::refusal(why, exit, said.unwrap_or_default()));
                }
                // What was started and has no worker has none any more.
                let desk = self.desks.get_mut(&service);
                let held: Vec<Run> =
                    desk.map(|desk| desk.held.drain(..).collect()).unwrap_or_default();
                for run in held {
                    self.interrupt(run, Interruption::NotAtFault);
                }
                let woken = tsugi_service_rules::call::Event::Woken;
                self.todo.push_back(Todo::Table(woken));
            }
            Order::Drained => {}
            Order::Broken(worker) => {
                self.fail(Fatal::Impossible(format!("worker {} of {}", worker.0, service.0)));
            }
        }
    }

    pub(super) fn with_link(
        &mut self,
        service: ServiceNumber,
        worker: Worker,
        what: impl FnOnce(&mut dyn Link),
    ) {
        let desk = self.desks.get_mut(&service);
        if let Some(link) = desk.and_then(|desk| desk.links.get_mut(&worker)) {
            what(&mut **link);
        }
    }

    fn bear(&mut self, service: ServiceNumber, worker: Worker) {
        let ear = Ear { inbox: self.inbox.clone(), service, worker };
        let Some(desk) = self.desks.get_mut(&service) else { return };
        match desk.nursery.bear(ear) {
            Ok(link) => {
                desk.links.insert(worker, link);
            }
            // A process that could not be started is one that has ended.
            Err(why) => {
                desk.wrong = why;
                let ended = pool::Event::Of(worker, life::Event::Ended(Exit::Code(-1)));
                self.todo.push_back(Todo::Pool(service, ended));
            }
        }
    }

    /// What was never born leaves nothing.
    fn sweep(&mut self, service: ServiceNumber, worker: Worker) {
        let Some(desk) = self.desks.get_mut(&service) else { return };
        match desk.links.get_mut(&worker) {
            Some(link) => link.sweep(),
            None => self.todo.push_back(Todo::Pool(service, pool::Event::Swept(worker))),
        }
    }

    /// Begins the next call of a service in a worker whose call has the writer, where no other is
    /// free: it goes with the answer to that, and its worker goes on to it without being waited
    /// for.
    pub(super) fn begin_ahead(&mut self, service: ServiceNumber, worker: Worker) {
        let Some(desk) = self.desks.get(&service) else { return };
        let room = desk.pool.has_room(pool::Origin::Queue);
        if room || desk.starting || !desk.held.is_empty() || desk.pool.ahead(worker) != Some(0) {
            return;
        }
        let link = desk.links.get(&worker);
        let fits = |bytes| link.is_some_and(|link| link.takes_ahead(bytes));
        if !self.table.wanted_ahead(service).is_some_and(fits) {
            return;
        }
        self.tell_table(tsugi_service_rules::call::Event::Room(service));
        let run = self.desks.get_mut(&service).and_then(|desk| desk.held.pop_front());
        if let Some(run) = run {
            self.tell_pool(service, pool::Event::Ahead(run, worker), None);
        }
    }

    fn begin(
        &mut self,
        service: ServiceNumber,
        (worker, turn): (Worker, Turn),
        run: Run,
        tell: fn(&mut dyn Link, &Begin),
    ) {
        let nested = self.nested.begun(run);
        let reads = self.readings.begin(run);
        let body = reads.or_else(|| self.bodies.get(&run.0).cloned());
        let Some(given) = nested.as_ref().map(|nested| nested.given.clone()).or(body) else {
            return self.fail(Fatal::Impossible(format!("{} has no body", run.0)));
        };
        let own = Keys { epoch: self.settings.epoch.counter, attempt: run.1.number };
        let Keys { epoch, attempt } = self.readings.keys(run).unwrap_or(own);
        let Some(desk) = self.desks.get_mut(&service) else { return };
        let left = nested.as_ref().map_or(u32::MAX, |nested| nested.left_ms);
        let (parent, client) = match nested {
            Some(nested) => (nested.parent, nested.client),
            None => (String::new(), run.0.client()),
        };
        let begin = Begin {
            turn,
            service: desk.name.clone(),
            id: run.0.whole(),
            parent,
            client,
            epoch,
            attempt,
            left_ms: desk.call_ms.min(left),
            given,
        };
        if let Some(link) = desk.links.get_mut(&worker) {
            tell(&mut **link, &begin);
        }
    }

    /// Takes a word of a run; the first that needs the store waits for its writer.
    pub(super) fn say(&mut self, run: Run, word: Word) {
        if self.readings.has(run) {
            return self.reading_says(run, word);
        }
        if let Some(root) = self.nested.root(run) {
            self.nested.say(run, word);
            return self.read_next(root);
        }
        let Some(going) = self.runs.get_mut(&run) else { return };
        if matches!(&word, Word::End(_, Over::Ended(_))) {
            // Nothing of it is kept: what it has asked for need not be carried out.
            going.mail.clear();
        }
        going.mail.push_back(word);
        match &self.way {
            Way::Beside(_) => self.towards_writer(run),
            // A session of its own is waited for by nobody.
            Way::Sessions(_) if self.turn != Some(run) && !self.spoken.contains(&run) => {
                self.spoken.push_back(run);
            }
            Way::Sessions(_) => {}
        }
    }
}
