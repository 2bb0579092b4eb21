//! A call and whom it has called from there on, where somebody else carries out what they ask for:
//! a session with its unit of work, or a lector with its moment. Nobody waits here: what is to be
//! done next is asked for, and what came of it is told, between all else that the hall does.
//!
//! Invariant: what a level asks for is carried out only while it is the last.

use std::collections::VecDeque;

use tsugi_service_rules::call::Attempt;
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::nested::{self, Came, Savepoint, Waiting, Writer};
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::stored::Ending;
use tsugi_service_rules::worker::life::{Abnormal, Class};
use tsugi_service_rules::worker::pool::{self, Origin, Posture, Prospect};

use super::out::{Heard, Out, heard};
use super::told::{ended, not_begun, not_called, said};
use super::{Chain, Chosen, ENTRIES, OF_ANOTHER, Ran, Stage, Within};
use crate::core::hall::Hall;
use crate::core::lector::Then;
use crate::core::operated::{SoFar, bounded};
use crate::core::pools::{Ended, Over, Word};
use crate::names;
use crate::worker::{Answered, Asked, Calling, Gave, Waits};

/// Who waits for whom in a unit of work, and what each has asked for.
pub(in crate::core) struct Stack {
    chain: Chain,
    /// One for each of the chain.
    levels: Vec<Level>,
    /// What is to be done before anything else is looked at.
    due: Option<Next>,
}

/// One of them.
#[derive(Default)]
struct Level {
    /// What it has asked for and is not carried out to its end.
    asks: Option<Asks>,
    /// None for the first.
    called: Option<Called>,
    /// How it has run, once its savepoint is being ended.
    ran: Option<(Savepoint, Ran)>,
}

struct Asks {
    rest: VecDeque<Asked>,
    answers: SoFar,
    then: Then,
    /// A call of another group's service that is waited for.
    out: Option<Out>,
}

/// A service that was called.
struct Called {
    chosen: Chosen,
    waits: Waits,
    run: Run,
    /// The number of its last run.
    last: u32,
    /// The longest record that its caller can be told.
    most: usize,
}

/// What is to be done next.
pub(in crate::core) enum Next {
    /// Nothing, until something is heard.
    Nothing,
    /// Operations of the last of the chain.
    Carry(Carry),
    /// A savepoint begins, of a service that acts so.
    Begin(Effects),
    /// The last savepoint is kept.
    Keep,
    /// The last savepoint is taken back.
    TakeBack,
    /// The first of the chain has come to its end.
    Ends(Over),
    /// What the first of the chain did not wait for was refused, for this reason.
    Fails(String),
}

/// Operations, behind the answers of those before them.
pub(in crate::core) struct Carry {
    pub(in crate::core) asked: Vec<Asked>,
    pub(in crate::core) answers: SoFar,
    /// So many calls of other services have ended.
    pub(in crate::core) ended: u64,
}

impl Stack {
    /// Whether somebody is called.
    pub(in crate::core) fn is_nested(&self) -> bool {
        self.levels.len() > 1
    }

    /// Whose operations are carried out.
    pub(in crate::core) fn service(&self) -> ServiceNumber {
        self.chain.last().service
    }

    /// This is to be done first, when it is asked for again.
    pub(in crate::core) fn put_back(&mut self, next: Next) {
        self.due = Some(next);
    }

    fn last(&mut self) -> &mut Level {
        self.levels.last_mut().expect("a chain has its first call")
    }

    /// Operations of the last of the chain were carried out: all answers so far, or why it ends.
    pub(in crate::core) fn carried(&mut self, answers: SoFar, failed: Option<String>) {
        let Some(asks) = &mut self.last().asks else { return };
        asks.answers = answers;
        if let Some(why) = failed {
            self.fails(why);
        }
    }

    /// What the last of the chain did not wait for was refused.
    fn fails(&mut self, why: String) {
        self.last().asks = None;
        self.due = Some(match self.is_nested() {
            false => Next::Fails(why),
            true => {
                let failed = Abnormal::Failed(Class::RunTimeError);
                self.ends(ended(&Ended::abnormal(failed, &why)))
            }
        });
    }

    /// The last of the chain has run so: what becomes of its savepoint.
    fn ends(&mut self, ran: Ran) -> Next {
        let level = self.last();
        level.asks = None;
        let kept = match &ran {
            Ran::Reply(_) => nested::ended(&Came::Ended(Ending::Done)),
            Ran::Not(came, _) => nested::ended(came),
            Ran::Again => nested::ended(&Came::Abandoned),
        };
        level.ran = Some((kept.0, ran));
        match kept.0 {
            Savepoint::Kept => Next::Keep,
            Savepoint::RolledBack => Next::TakeBack,
        }
    }

    /// The caller of the last is told this; it goes on.
    fn answered(&mut self, answer: Answered, waits: Waits) {
        let failed = match &mut self.last().asks {
            Some(asks) => asks.answers.take(answer, waits),
            None => None,
        };
        if let Some(why) = failed {
            self.fails(why);
        }
    }
}

impl Hall {
    /// A call of a service, alone in its chain.
    pub(in crate::core) fn stack(&self, run: Run, service: ServiceNumber) -> Stack {
        let chain = Chain(vec![self.link(run, service)]);
        Stack { chain, levels: vec![Level::default()], due: None }
    }

    /// Whether one of those who wait for the last is over, or the last itself.
    pub(in crate::core) fn is_over_in(&self, stack: &Stack) -> bool {
        stack.chain.0.iter().any(|link| self.is_over(link.run))
    }

    fn is_over(&self, run: Run) -> bool {
        let root = self.runs.get(&run).is_some_and(|going| super::ends_badly(&going.mail));
        root || self.nested.is_over(run) || self.readings.ends_badly(run)
    }

    /// What is to be done next for a chain.
    pub(in crate::core) fn next_of(&mut self, stack: &mut Stack) -> Next {
        loop {
            // Whatever follows: what is taken back has begun.
            if let Some(begin) = stack.due.take_if(|next| matches!(next, Next::Begin(_))) {
                return begin;
            }
            let waits = stack.chain.0.split_last().map_or(&[][..], |(_, waits)| waits);
            if waits.iter().any(|link| self.is_over(link.run)) {
                stack.due = None;
                return stack.ends(Ran::Not(Came::Abandoned, String::new()));
            }
            if let Some(next) = stack.due.take() {
                return next;
            }
            let (run, service) = (stack.chain.last().run, stack.chain.last().service);
            if self.is_over(run) {
                stack.last().asks = None;
            }
            if stack.last().asks.is_some() {
                if let Some(next) = self.step_of(stack) {
                    return next;
                }
                continue;
            }
            let word = match stack.is_nested() {
                false => self.word_of(service, run),
                true => match self.nested.all.get(&run).map(|within| within.stage) {
                    Some(Stage::Waits) => match self.place_beside(stack.chain.root().run, run) {
                        Placed::Given => continue,
                        Placed::Waits => None,
                        Placed::Refused(refusal) => {
                            let text = said(&refusal);
                            return stack.ends(Ran::Not(Came::NotBegun(refusal), text));
                        }
                    },
                    Some(Stage::Given) => self.word_within(service, run),
                    Some(Stage::Again | Stage::Refused) | None => return stack.ends(Ran::Again),
                },
            };
            let Some(word) = word else { return Next::Nothing };
            let (all, then) = match word {
                Word::Operate(worker, turn, all) => (all, Then::Answer(worker, turn)),
                Word::End(all, over) => (all, Then::End(over)),
            };
            let rest = all.operations.into();
            stack.last().asks = Some(Asks { rest, answers: SoFar::default(), then, out: None });
        }
    }

    /// What the first of a chain has said next, where its worker reads its answers.
    fn word_of(&mut self, service: ServiceNumber, run: Run) -> Option<Word> {
        let mail = match self.runs.get_mut(&run) {
            Some(going) => &mut going.mail,
            None => self.readings.mail(run)?,
        };
        if let Some(Word::Operate(worker, ..)) = mail.front() {
            let link = self.desks.get(&service).and_then(|desk| desk.links.get(worker));
            if link.is_some_and(|link| !link.takes_answers()) {
                return None;
            }
        }
        mail.pop_front()
    }

    /// The next of what the last of a chain has asked for.
    fn step_of(&mut self, stack: &mut Stack) -> Option<Next> {
        let ended = self.nested.ended;
        let asks = stack.last().asks.as_mut()?;
        if let Some(out) = &asks.out {
            let Some(came) = out.came.get().cloned() else { return Some(Next::Nothing) };
            let waits = out.waits;
            asks.out = None;
            let most = self.told_most(stack.chain.last(), stack.chain.last().run);
            match heard(came, most) {
                Heard::Answer(answer) => stack.answered(answer, waits),
                Heard::Cannot(why) => stack.fails(why),
            }
            return None;
        }
        let mut asked = Vec::new();
        while let Some(one) = asks.rest.pop_front_if(|one| !matches!(one, Asked::Call(..))) {
            asked.push(one);
        }
        if !asked.is_empty() {
            let answers = std::mem::take(&mut asks.answers);
            return Some(Next::Carry(Carry { asked, answers, ended }));
        }
        match asks.rest.pop_front().map(|one| bounded(one, asks.answers.size())) {
            Some(Asked::Call(calling, waits)) => return self.call_beside(stack, calling, waits),
            Some(Asked::Refused(code, waits)) => stack.answered(Answered::Code(code), waits),
            Some(_) => {}
            None => {
                let Asks { answers, then, .. } = stack.last().asks.take()?;
                return self.said_all(stack, answers, then);
            }
        }
        None
    }

    /// All of one *ask* is carried out.
    fn said_all(&mut self, stack: &mut Stack, answers: SoFar, then: Then) -> Option<Next> {
        match then {
            Then::Answer(worker, turn) => {
                let answers = answers.into_answers();
                if !answers.is_empty() {
                    self.with_link(stack.service(), worker, |link| link.answer(turn, answers));
                }
                None
            }
            Then::End(over) if !stack.is_nested() => Some(Next::Ends(over)),
            Then::End(over) => {
                let most = stack.last().called.as_ref().map_or(usize::MAX, |called| called.most);
                let ran = match over {
                    Over::Gave(Gave::Parameters(returned)) => {
                        self.returned(stack.service(), returned, most)
                    }
                    Over::Gave(Gave::Body(said)) => {
                        self.returned(stack.service(), vec![said.body].into(), most)
                    }
                    Over::Ended(how) => ended(&how),
                };
                Some(stack.ends(ran))
            }
        }
    }

    /// Begins a service that the last of a chain calls, where nothing speaks against it.
    fn call_beside(&mut self, stack: &mut Stack, calling: Calling, waits: Waits) -> Option<Next> {
        let caller = stack.chain.0.last_mut().expect("a chain has its first call");
        caller.called += 1;
        let first = caller.run.1.number;
        let child = names::child(&caller.run.0.whole(), caller.called);
        if calling.service.contains(OF_ANOTHER) {
            match self.call_out(&stack.chain, (child, calling), waits) {
                Ok(out) => {
                    if let Some(asks) = &mut stack.last().asks {
                        asks.out = Some(out);
                    }
                }
                Err(refusal) => stack.answered(not_begun(refusal), waits),
            }
            return None;
        }
        let chosen = match self.chosen(&stack.chain.names(), calling, Writer::Free) {
            Ok(chosen) => chosen,
            Err(refusal) => {
                stack.answered(not_begun(refusal), waits);
                return None;
            }
        };
        let most = self.told_most(stack.chain.last(), stack.chain.last().run);
        let run = (child, Attempt { entry: 0, number: first });
        let last = first.saturating_add(self.settings.calls.runs).saturating_sub(1);
        Some(self.begin_beside(stack, Called { chosen, waits, run, last, most }))
    }

    /// A run of a service that is called begins with its savepoint.
    fn begin_beside(&mut self, stack: &mut Stack, mut called: Called) -> Next {
        self.nested.next += 1;
        called.run.1.entry = ENTRIES | self.nested.next;
        let within = Within {
            root: stack.chain.root().run,
            service: called.chosen.service,
            parent: stack.chain.last().run.0.whole(),
            client: stack.chain.root().run.0.client(),
            given: called.chosen.given.clone(),
            until: self.until(&stack.chain),
            stage: Stage::Waits,
            mail: VecDeque::new(),
        };
        self.nested.all.insert(called.run, within);
        let (link, effects) = (self.link(called.run, called.chosen.service), called.chosen.effects);
        stack.chain.0.push(link);
        stack.levels.push(Level { called: Some(called), ..Level::default() });
        Next::Begin(effects)
    }

    /// The last savepoint is kept, or taken back, as was asked for.
    pub(in crate::core) fn ended_beside(&mut self, stack: &mut Stack) {
        let Some((called, Some((kept, ran)))) = self.pop_level(stack) else { return };
        let caller = stack.chain.last().run;
        self.close_within(caller, (called.chosen.service, called.run), kept);
        let answer = match ran {
            Ran::Reply(returned) => Answered::Reply(returned),
            // Nobody listens: its caller is over, or whoever waits for that.
            Ran::Not(Came::Abandoned, _) => return,
            Ran::Not(came, text) => not_called(&came, text),
            Ran::Again if called.run.1.number >= called.last => {
                not_begun(Refusal::Busy(Busy::Contended))
            }
            Ran::Again => {
                let mut called = called;
                called.run.1.number += 1;
                let next = self.begin_beside(stack, called);
                return stack.put_back(next);
            }
        };
        stack.answered(answer, called.waits);
    }

    fn pop_level(&mut self, stack: &mut Stack) -> Option<(Called, Option<(Savepoint, Ran)>)> {
        if !stack.is_nested() {
            return None;
        }
        stack.chain.0.pop();
        let Level { called, ran, .. } = stack.levels.pop()?;
        Some((called?, ran))
    }

    /// The unit of work of a chain is gone, or will be: so is all that was called in it.
    pub(in crate::core) fn abandon_stack(&mut self, stack: &mut Stack) {
        while let Some((called, _)) = self.pop_level(stack) {
            let caller = stack.chain.last().run;
            let of = (called.chosen.service, called.run);
            self.close_within(caller, of, Savepoint::RolledBack);
        }
        stack.levels = vec![Level::default()];
        stack.due = None;
    }
}

/// Whether a nested call has a worker.
enum Placed {
    Given,
    /// One comes.
    Waits,
    Refused(Refusal),
}

impl Hall {
    /// Gives a nested call to a worker; or lets it wait for one, where one comes.
    fn place_beside(&mut self, root: Run, run: Run) -> Placed {
        let Some(service) = self.nested.all.get(&run).map(|within| within.service) else {
            return Placed::Waits;
        };
        let from = Origin::Unit(root);
        let Some(desk) = self.desks.get(&service) else { return Placed::Waits };
        match desk.pool.prospect(from) {
            Prospect::Ready => {
                let free = desk.pool.room(Origin::Service);
                let own = desk.pool.room(from) > free;
                if !own && self.before(service, run) >= free {
                    return Placed::Waits;
                }
                if let Some(within) = self.nested.all.get_mut(&run) {
                    within.stage = Stage::Given;
                }
                self.tell_pool(service, pool::Event::Give(run, from), None);
                Placed::Given
            }
            Prospect::Coming => Placed::Waits,
            Prospect::None => {
                if desk.pool.posture() == Posture::Serving
                    && nested::comes(root, &self.all_waiting())
                {
                    return Placed::Waits;
                }
                let open = self.grounds.get(&service).map_or(Ok(()), |ground| ground.open.clone());
                let busy = "all of its workers have calls".into();
                // Nobody waits for it any more.
                if let Some(within) = self.nested.all.get_mut(&run) {
                    within.stage = Stage::Refused;
                }
                Placed::Refused(open.err().unwrap_or(Refusal::NoWorker { why: busy }))
            }
        }
    }

    /// How many others have waited longer for a worker of this service.
    fn before(&self, service: ServiceNumber, run: Run) -> usize {
        let waits = |within: &Within| within.stage == Stage::Waits && within.service == service;
        let all = self.nested.all.iter();
        all.filter(|(of, within)| waits(within) && of.1.entry < run.1.entry).count()
    }

    /// All that wait for workers which others have.
    fn all_waiting(&self) -> Vec<Waiting> {
        let waits = self.nested.all.values().filter(|within| within.stage == Stage::Waits);
        let waiting = |within: &Within| {
            let pool = &self.desks.get(&within.service)?.pool;
            let none = pool.prospect(Origin::Unit(within.root)) == Prospect::None;
            let had_by = pool.had_by().collect();
            none.then_some(Waiting { who: within.root, had_by })
        };
        waits.filter_map(waiting).collect()
    }
}
