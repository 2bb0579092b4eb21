//! Services that are called by other services, within the unit of work of the first of them.
//!
//! A nested call has a savepoint of its own, a worker of its service's pool, and no row: nothing of
//! it is known once its caller is over. Whoever has the writer waits here for whom it calls, one
//! below the other, while the hall goes on as it does beside every turn.
//!
//! Invariant: what a nested call did is undone, and its workers with it, unless its caller's is
//! kept. Invariant: whatever ends a caller ends what it waits for first.

mod abroad;
mod out;
mod stack;
mod told;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tsugi_service_rules::call::Attempt;
use tsugi_service_rules::ground::{Effects, Ground, ServiceNumber};
use tsugi_service_rules::nested::{self, Callee, Came, Savepoint, Writer};
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::stored::Ending;
use tsugi_service_rules::worker::life::{Abnormal, Class};
use tsugi_service_rules::worker::pool::{self, Origin, Prospect};
use tsugi_store::Trouble;
use tsugi_vocabulary::Moment;

use super::hall::{Hall, Todo};
use super::operated::Operated;
use super::pools::{Ended, Over, Word};
use super::within::Unit;
use crate::clock;
use crate::fatal::Fatal;
use crate::names;
use crate::service::NoReply;
use crate::worker::{Answered, Calling, Gave, Given, Returned};
use out::Owed;
pub(super) use stack::{Carry, Next, Stack};
use told::{ended, not_begun, not_called, said};

/// The entries of nested calls are none of the table's, and none of readings.
const ENTRIES: u64 = 1 << 62;
/// What stands between the name of another group and that of its service.
const OF_ANOTHER: char = '/';

/// Why operations were not carried out to their end.
pub(super) enum Stopped {
    /// The engine cannot go on.
    Fatal(Fatal),
    /// The unit of work is gone.
    Lost(Trouble),
    /// Who has asked, or who waits for it, is over meanwhile or is turned out.
    Over,
}

impl From<Fatal> for Stopped {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

/// Who waits for whom: the call that has the writer, and what was called from there on.
pub(super) struct Chain(Vec<Link>);

/// One of them.
pub(super) struct Link {
    run: Run,
    pub(super) service: ServiceNumber,
    name: Arc<str>,
    effects: Effects,
    /// How many services it has called.
    called: u32,
}

impl Chain {
    pub(super) fn last(&self) -> &Link {
        self.0.last().expect("a chain has its first call")
    }

    fn names(&self) -> Vec<nested::Link<'_>> {
        let links = self.0.iter();
        links.map(|link| nested::Link { service: &link.name, effects: link.effects }).collect()
    }

    fn root(&self) -> &Link {
        self.0.first().expect("a chain has its first call")
    }
}

/// A call that is nested, while it is not over.
struct Within {
    /// The call whose unit of work it stands in.
    root: Run,
    service: ServiceNumber,
    parent: String,
    client: String,
    given: Given,
    /// Until when whoever waits for it may.
    until: Option<Moment>,
    stage: Stage,
    /// What was said of it and not yet carried out.
    mail: VecDeque<Word>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has no worker.
    Waits,
    /// It was given to one.
    Given,
    /// It has none, and will have none.
    Refused,
    /// Its worker is gone, for no fault of its own.
    Again,
}

/// What is told to the worker of a nested call, beside what its pool says.
pub(super) struct Begun {
    pub(super) given: Given,
    pub(super) parent: String,
    pub(super) client: String,
    pub(super) left_ms: u32,
}

/// All nested calls of an engine.
#[derive(Default)]
pub(super) struct Nested {
    all: BTreeMap<Run, Within>,
    /// What has ended in order within a call that is not durable: its workers remember it.
    kept: BTreeMap<Run, Vec<(ServiceNumber, Run)>>,
    /// What other groups keep for calls that are not durable.
    owed: BTreeMap<Run, Vec<Owed>>,
    /// Who has called another group before it had the writer.
    abroad: BTreeMap<Run, abroad::Gone>,
    next: u64,
    ended: u64,
}

impl Nested {
    /// How many have ended.
    pub(super) const fn ended(&self) -> u64 {
        self.ended
    }

    /// What the worker of a nested call is told.
    pub(super) fn begun(&self, run: Run) -> Option<Begun> {
        let Within { parent, client, given, until, .. } = self.all.get(&run)?;
        let left = until.map_or(u64::MAX, |until| until.since(clock::now()).as_millis());
        Some(Begun {
            given: given.clone(),
            parent: parent.clone(),
            client: client.clone(),
            left_ms: u32::try_from(left).unwrap_or(u32::MAX),
        })
    }

    /// What a service did last for those of a chain: its worker remembers that.
    fn former(&self, chain: &Chain, service: ServiceNumber) -> Option<Run> {
        let kept = chain.0.iter().rev().filter_map(|link| self.kept.get(&link.run));
        let mut kept = kept.flat_map(|kept| kept.iter().rev());
        kept.find(|(did, _)| *did == service).map(|(_, run)| *run)
    }

    /// The call in whose unit of work a nested one stands.
    pub(super) fn root(&self, run: Run) -> Option<Run> {
        self.all.get(&run).map(|within| within.root)
    }

    /// Takes a word of a nested call.
    pub(super) fn say(&mut self, run: Run, word: Word) {
        let Some(within) = self.all.get_mut(&run) else { return };
        if matches!(&word, Word::End(_, Over::Ended(_))) {
            within.mail.clear();
        }
        within.mail.push_back(word);
    }

    /// Its worker is gone, and it is not at fault.
    pub(super) fn again(&mut self, run: Run) {
        if let Some(within) = self.all.get_mut(&run) {
            within.mail.clear();
            within.stage = Stage::Again;
        }
    }

    fn is_over(&self, run: Run) -> bool {
        let over = |within: &Within| within.stage == Stage::Again || ends_badly(&within.mail);
        self.all.get(&run).is_some_and(over)
    }
}

/// Whether what was said of a run is that it is over, and not in order.
pub(super) fn ends_badly(mail: &VecDeque<Word>) -> bool {
    matches!(mail.front(), Some(Word::End(_, Over::Ended(_))))
}

/// Who is called, once nothing speaks against it.
struct Chosen {
    service: ServiceNumber,
    effects: Effects,
    given: Given,
}

/// How a nested call was, with what belongs to that.
enum Ran {
    Reply(Returned),
    Not(Came, String),
    /// Its worker is gone, and it is not at fault.
    Again,
}

impl Hall {
    /// The chain of a call that has the writer.
    pub(super) fn chain(&self, run: Run) -> Chain {
        let service = self.runs.get(&run).map_or(ServiceNumber(0), |going| going.service);
        let called = self.nested.called_before(run);
        Chain(vec![Link { called, ..self.link(run, service) }])
    }

    fn link(&self, run: Run, service: ServiceNumber) -> Link {
        let name = self.desks.get(&service).map_or_else(|| "".into(), |desk| desk.name.clone());
        Link { run, service, name, effects: self.acts(service), called: 0 }
    }

    /// Where a service acts.
    pub(super) fn acts(&self, service: ServiceNumber) -> Effects {
        self.grounds.get(&service).map_or(Effects::Store, |ground| ground.effects)
    }

    /// Calls a service within the unit of work of the one that asks for it, and waits for its end.
    pub(super) fn call_within(
        &mut self,
        chain: &mut Chain,
        unit: &mut Unit<'_, '_>,
        calling: Calling,
    ) -> Result<Answered, Stopped> {
        let last = chain.0.last_mut().expect("a chain has its first call");
        last.called += 1;
        let child = names::child(&last.run.0.whole(), last.called);
        let chosen = match self.chosen(&chain.names(), calling, Writer::Held) {
            Ok(chosen) => chosen,
            Err(refusal) => return Ok(not_begun(refusal)),
        };
        let first = chain.last().run.1.number;
        for number in first..first.saturating_add(self.settings.calls.runs) {
            self.nested.next += 1;
            let run = (child, Attempt { entry: ENTRIES | self.nested.next, number });
            match self.run_within(chain, unit, (run, &chosen))? {
                Ran::Reply(returned) => return Ok(Answered::Reply(returned)),
                Ran::Not(came, text) => return Ok(not_called(&came, text)),
                Ran::Again => {}
            }
        }
        Ok(not_begun(Refusal::Busy(Busy::Contended)))
    }

    /// The service that a program names, where it may be called.
    fn chosen(
        &self,
        chain: &[nested::Link<'_>],
        calling: Calling,
        writer: Writer,
    ) -> Result<Chosen, Refusal> {
        let Calling { service: name, records } = calling;
        if name.contains(OF_ANOTHER) {
            nested::may_call(chain, &name, Callee::OtherStore, writer)?;
            let why = "no way to another group's store".to_owned();
            return Err(Refusal::StoreAway { why });
        }
        let mut desks = self.desks.iter();
        let Some((service, desk)) = desks.find(|(_, desk)| *desk.name == *name) else {
            return Err(Refusal::NoSuchService { service: name });
        };
        let effects = self.acts(*service);
        nested::may_call(chain, &name, Callee::SameStore(effects), writer)?;
        let ground = Ground {
            now: clock::now(),
            last: self.settings.last_moment(),
            services: &self.grounds,
            store: &self.store,
        };
        ground.open(*service)?;
        let given = desk.interface.called(records)?;
        Ok(Chosen { service: *service, effects, given })
    }
}

impl Hall {
    /// One run of a nested call, from its savepoint to the end of that.
    fn run_within(
        &mut self,
        chain: &mut Chain,
        unit: &mut Unit<'_, '_>,
        (run, chosen): (Run, &Chosen),
    ) -> Result<Ran, Stopped> {
        let caller = chain.last().run;
        let within = Within {
            root: chain.root().run,
            service: chosen.service,
            parent: caller.0.whole(),
            client: chain.root().run.0.client(),
            given: chosen.given.clone(),
            until: self.until(chain),
            stage: Stage::Waits,
            mail: VecDeque::new(),
        };
        let most = self.told_most(chain.last(), caller);
        let mut inner = unit.begin().map_err(Stopped::Lost)?;
        self.nested.all.insert(run, within);
        chain.0.push(self.link(run, chosen.service));
        let ran = self.turn_within(chain, &mut Unit::nested(&mut *inner, chosen.effects));
        chain.0.pop();
        let ran = match ran {
            Ok(Ran::Reply(returned)) => Ok(self.returned(chosen.service, returned, most)),
            ran => ran,
        };
        let kept = match &ran {
            Ok(Ran::Reply(_)) => nested::ended(&Came::Ended(Ending::Done)).0,
            Ok(Ran::Not(came, _)) => nested::ended(came).0,
            Ok(Ran::Again) | Err(_) => nested::ended(&Came::Abandoned).0,
        };
        let ended = match kept {
            Savepoint::Kept => inner.keep().map_err(Stopped::Lost),
            Savepoint::RolledBack => {
                drop(inner);
                Ok(())
            }
        };
        let kept = if ended.is_ok() { kept } else { Savepoint::RolledBack };
        self.close_within(caller, (chosen.service, run), kept);
        ended?;
        ran
    }

    /// A nested call has come to its end; whom it has called stays with it.
    fn close_within(&mut self, caller: Run, of: (ServiceNumber, Run), kept: Savepoint) {
        let (service, run) = of;
        self.nested.all.remove(&run);
        self.nested.ended += 1;
        match kept {
            Savepoint::Kept => {
                let mut with = self.nested.kept.remove(&run).unwrap_or_default();
                with.push((service, run));
                self.nested.kept.entry(caller).or_default().extend(with);
            }
            Savepoint::RolledBack => {
                self.todo.push_back(Todo::Pool(service, pool::Event::Undone(run)));
                self.undo_within(run);
            }
        }
    }

    /// What a service gave back, as its caller takes it: records of so many bytes at the most.
    fn returned(&self, service: ServiceNumber, returned: Returned, most: usize) -> Ran {
        let Some(desk) = self.desks.get(&service) else { return Ran::Reply(returned) };
        match desk.interface.returned(returned) {
            Ok(returned) if returned.records.iter().any(|one| one.len() > most) => {
                Ran::Not(Came::TooLarge, format!("a reply of more than {most} bytes"))
            }
            Ok(returned) => Ran::Reply(returned),
            Err(NoReply { why, .. }) => Ran::Not(Came::Ended(Ending::Abnormal), why),
        }
    }

    /// Until when whoever waits for the last of a chain may.
    fn until(&self, chain: &Chain) -> Option<Moment> {
        let until = |link: &Link| self.desks.get(&link.service)?.pool.until(link.run);
        chain.0.iter().filter_map(until).min()
    }

    /// The longest record that a caller can be told.
    fn told_most(&self, caller: &Link, run: Run) -> usize {
        let desk = self.desks.get(&caller.service);
        let worker = desk.and_then(|desk| desk.pool.worker(run));
        let link = worker.and_then(|worker| desk?.links.get(&worker));
        link.map_or(usize::MAX, |link| link.record_most())
    }

    /// Whether one of those who wait is over, or the writer is taken from all of them.
    fn is_given_up(&self, waits: &[Link]) -> bool {
        let over = |link: &Link| {
            let root = self.runs.get(&link.run).is_some_and(|going| ends_badly(&going.mail));
            root || self.nested.is_over(link.run)
        };
        self.rolled_back == waits.first().map(|root| root.run)
            || self.is_due()
            || waits.iter().any(over)
    }

    /// The last of a chain has the writer, until it has ended or is given up.
    fn turn_within(&mut self, chain: &mut Chain, unit: &mut Unit<'_, '_>) -> Result<Ran, Stopped> {
        let (run, service) = (chain.last().run, chain.last().service);
        loop {
            self.look()?;
            let Some((_, waits)) = chain.0.split_last() else { return Err(Stopped::Over) };
            if self.is_given_up(waits) {
                return Err(Stopped::Over);
            }
            match self.nested.all.get(&run).map(|within| within.stage) {
                Some(Stage::Waits) => {
                    let former = self.nested.former(chain, service);
                    if let Some(refusal) = self.place_within(service, run, former) {
                        let text = said(&refusal);
                        return Ok(Ran::Not(Came::NotBegun(refusal), text));
                    }
                }
                Some(Stage::Given) => match self.word_within(service, run) {
                    Some(word) => {
                        if let Some(ran) = self.hear_within(chain, unit, word)? {
                            return Ok(ran);
                        }
                    }
                    None => self.wait(None),
                },
                Some(Stage::Again | Stage::Refused) | None => return Ok(Ran::Again),
            }
        }
    }

    /// Gives a nested call to a worker; or waits for one, where one comes.
    fn place_within(
        &mut self,
        service: ServiceNumber,
        run: Run,
        former: Option<Run>,
    ) -> Option<Refusal> {
        let prospect =
            self.desks.get(&service).map_or(Prospect::None, |d| d.pool.prospect(Origin::Service));
        match prospect {
            Prospect::Ready => {
                if let Some(within) = self.nested.all.get_mut(&run) {
                    within.stage = Stage::Given;
                }
                let give = pool::Event::Give(run, Origin::Service);
                let give = former.map_or(give, |former| pool::Event::Follow(run, former));
                self.tell_pool(service, give, None);
                None
            }
            Prospect::Coming => {
                self.wait(None);
                None
            }
            Prospect::None => {
                let open = self.grounds.get(&service).map_or(Ok(()), |ground| ground.open.clone());
                let busy = "all of its workers have calls".into();
                Some(open.err().unwrap_or(Refusal::NoWorker { why: busy }))
            }
        }
    }

    /// What a nested call has said next, where its worker reads its answers.
    fn word_within(&mut self, service: ServiceNumber, run: Run) -> Option<Word> {
        let mail = &mut self.nested.all.get_mut(&run)?.mail;
        if let Some(Word::Operate(worker, ..)) = mail.front() {
            let link = self.desks.get(&service).and_then(|desk| desk.links.get(worker));
            if link.is_some_and(|link| !link.takes_answers()) {
                return None;
            }
        }
        mail.pop_front()
    }

    /// Carries out a word of the last of a chain; how it has run, once it has ended.
    fn hear_within(
        &mut self,
        chain: &mut Chain,
        unit: &mut Unit<'_, '_>,
        word: Word,
    ) -> Result<Option<Ran>, Stopped> {
        let service = chain.last().service;
        let (asked, answers_to, over) = match word {
            Word::Operate(worker, turn, asked) => (asked, Some((worker, turn)), None),
            Word::End(asked, over) => (asked, None, Some(over)),
        };
        let answers = match self.operate(chain, unit, asked) {
            Ok(Operated::Answers(answers)) => answers,
            Ok(Operated::Failed(why)) => {
                let failed = Abnormal::Failed(Class::RunTimeError);
                return Ok(Some(ended(&Ended::abnormal(failed, &why))));
            }
            // It is this one, or one that waits for it: that is looked at next.
            Err(Stopped::Over) if over.is_none() => return Ok(None),
            Err(stopped) => return Err(stopped),
        };
        if let (Some((worker, turn)), false) = (answers_to, answers.is_empty()) {
            self.with_link(service, worker, |link| link.answer(turn, answers));
        }
        Ok(over.map(|over| match over {
            Over::Gave(Gave::Parameters(returned)) => Ran::Reply(returned),
            Over::Gave(Gave::Body(said)) => Ran::Reply(vec![said.body].into()),
            Over::Ended(how) => ended(&how),
        }))
    }

    /// What was called by a call that is undone is undone with it: so are its workers.
    pub(super) fn undo_within(&mut self, run: Run) {
        for (service, run) in self.nested.kept.remove(&run).unwrap_or_default() {
            self.todo.push_back(Todo::Pool(service, pool::Event::Undone(run)));
        }
    }

    /// What was called by a call that is durable is durable with it.
    pub(super) fn settle_within(&mut self, run: Run) {
        for (service, run) in self.nested.kept.remove(&run).unwrap_or_default() {
            self.todo.push_back(Todo::Pool(service, pool::Event::Settled(run)));
        }
    }
}
