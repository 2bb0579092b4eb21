//! Calls of other groups' services by a run that has not the writer of its store: what it says is
//! looked at before it waits for that. A run that needs its store from its first word on leaves
//! nothing here.

use tsugi_service_rules::abroad::{
    Abroad, Became, Event, Memory, Needs, Order, Replies, State, replies,
};
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::worker::pool;

use super::OF_ANOTHER;
use super::out::{Heard, Out, heard};
use super::told::not_begun;
use crate::core::hall::{Hall, Todo};
use crate::core::operated::{SoFar, bounded, failure, held};
use crate::core::pools::{Over, Word};
use crate::core::way::Way;
use crate::names;
use crate::worker::{Answered, Asked, Batch, Calling, Waits};

/// A run that has called another group, or is to, without the writer.
#[derive(Default)]
pub(super) struct Gone {
    abroad: Abroad,
    /// What it waits for, and which of the things is that for which it has asked.
    out: Option<(usize, Out)>,
}

/// What is first of all that a program has asked for, beside what is known.
enum First {
    /// A service of another group: the how-manieth that is, from 0.
    Group(usize),
    Store,
    Nothing,
}

/// What comes first; behind too many bytes of answers nothing that is waited for.
fn first(batch: &mut Batch) -> First {
    let mut size = 0;
    for (at, asked) in batch.operations.iter_mut().enumerate() {
        if matches!(asked, Asked::Call(calling, _) if calling.service.contains(OF_ANOTHER)) {
            let one = std::mem::replace(asked, Asked::Own(Waits::No));
            *asked = bounded(one, size);
        }
        match asked {
            Asked::Known(answer, Waits::Yes) => size += held(answer),
            Asked::Known(answer, Waits::No) if failure(answer).is_none() => {}
            Asked::Own(_) | Asked::Refused(_, Waits::Yes) | Asked::NotCalled(_, Waits::Yes) => {}
            Asked::Call(calling, _) if calling.service.contains(OF_ANOTHER) => {
                return First::Group(at);
            }
            // What ends the call by being refused does so with the writer, too.
            Asked::Store(..)
            | Asked::File(..)
            | Asked::Call(..)
            | Asked::Known(..)
            | Asked::Refused(..)
            | Asked::NotCalled(..)
            | Asked::Cannot(_) => return First::Store,
        }
    }
    First::Nothing
}

/// All that is known of what a program has asked for.
fn known(batch: Batch) -> Vec<Answered> {
    let mut answers = SoFar::default();
    for asked in batch.operations {
        let (answer, waits) = match asked {
            Asked::Known(answer, waits) => (answer, waits),
            Asked::NotCalled(not, waits) => (Answered::NotCalled(not), waits),
            Asked::Refused(code, waits) => (Answered::Code(code), waits),
            Asked::Own(waits) => (Answered::Own, waits),
            Asked::Store(..) | Asked::File(..) | Asked::Call(..) | Asked::Cannot(_) => continue,
        };
        // None of these fails: that was looked at.
        drop(answers.take(answer, waits));
    }
    answers.into_answers()
}

impl super::Nested {
    /// How many services a run has called before it had the writer.
    pub(super) fn called_before(&self, run: Run) -> u32 {
        self.abroad.get(&run).map_or(0, |gone| gone.abroad.called())
    }

    /// Whether a run will not speak soon: it waits for another group.
    pub(in crate::core) fn is_abroad(&self, run: Run) -> bool {
        let gone = self.abroad.get(&run).map(|gone| gone.abroad.state());
        matches!(gone, Some(State::Back | State::Away))
    }
}

impl Hall {
    /// A run that has not the writer has said something, or what it waits for may have come: does
    /// what it asks for, as far as its store is not needed for it.
    pub(in crate::core) fn towards_writer(&mut self, run: Run) {
        while self.turn != Some(run) && !self.spoken.contains(&run) {
            self.has_come(run);
            let Some(event) = self.asks_first(run) else { return };
            let order = match self.nested.abroad.get_mut(&run) {
                Some(gone) => gone.abroad.step(event),
                None => {
                    let mut gone = Gone::default();
                    let order = gone.abroad.step(event);
                    if let Order::Call(_) | Order::Wait = order {
                        self.nested.abroad.insert(run, gone);
                    }
                    order
                }
            };
            match order {
                Order::Call(number) => self.goes_abroad(run, number),
                Order::Answer => self.answer_known(run),
                Order::Speak => return self.speaks(run),
                Order::Wait => return,
            }
        }
    }

    /// Goes on with those that wait until what their workers remember is durable.
    pub(in crate::core) fn go_abroad(&mut self) {
        let back = |gone: &&Gone| gone.abroad.state() == State::Back;
        let back = self.nested.abroad.iter().filter(|(_, gone)| back(gone));
        for run in back.map(|(run, _)| *run).collect::<Vec<_>>() {
            self.towards_writer(run);
        }
    }

    /// Something came back from another group.
    pub(in crate::core) fn came_back(&mut self, run: Run) {
        match &self.way {
            Way::Beside(_) if self.runs.contains_key(&run) => self.towards_writer(run),
            Way::Beside(_) | Way::Sessions(_) => self.read_next(run),
        }
    }

    /// It waits for the writer: its clock stands.
    fn speaks(&mut self, run: Run) {
        if let Some(gone) = self.nested.abroad.get_mut(&run) {
            gone.out = None;
        }
        self.spoken.push_back(run);
        if let Some(service) = self.runs.get(&run).map(|going| going.service) {
            self.todo.push_back(Todo::Pool(service, pool::Event::Waits(run)));
        }
    }

    /// What a run needs first; nothing where it has said nothing, or waits.
    fn asks_first(&mut self, run: Run) -> Option<Event> {
        let takes = self.takes_answers(run);
        let going = self.runs.get_mut(&run)?;
        let remembers = self.desks.get(&going.service).is_some_and(|d| d.pool.remembers(run));
        let (first, ends) = match going.mail.front_mut()? {
            Word::End(_, Over::Ended(_)) => return Some(Event::Over),
            Word::End(batch, Over::Gave(_)) => (first(batch), true),
            Word::Operate(_, _, batch) => (first(batch), false),
        };
        Some(Event::Asks(match first {
            First::Group(_) if remembers => Needs::Group(Memory::Open),
            First::Group(_) => Needs::Group(Memory::Settled),
            // Its end is stored, and its answers are taken there where it does not read them now.
            First::Nothing if ends || !takes => Needs::Store,
            First::Nothing => Needs::Nothing,
            First::Store => Needs::Store,
        }))
    }

    fn batch_of(&mut self, run: Run) -> Option<&mut Batch> {
        match self.runs.get_mut(&run)?.mail.front_mut()? {
            Word::Operate(_, _, batch) | Word::End(batch, _) => Some(batch),
        }
    }

    fn first_call(&mut self, run: Run) -> Option<(usize, Calling, Waits)> {
        let batch = self.batch_of(run)?;
        let First::Group(at) = first(batch) else { return None };
        let asked = batch.operations.get_mut(at)?;
        // Its place is kept for what comes back.
        match std::mem::replace(asked, Asked::Own(Waits::No)) {
            Asked::Call(calling, waits) => Some((at, calling, waits)),
            _ => None,
        }
    }

    fn goes_abroad(&mut self, run: Run, number: u32) {
        let Some((at, calling, waits)) = self.first_call(run) else { return };
        let child = names::child(&run.0.whole(), number);
        let chain = self.chain(run);
        match self.call_out(&chain, (child, calling), waits) {
            Ok(out) => {
                if let Some(gone) = self.nested.abroad.get_mut(&run) {
                    gone.out = Some((at, out));
                }
            }
            Err(refusal) => self.came(run, at, Asked::Known(not_begun(refusal), waits)),
        }
    }

    /// What a run waits for may be there.
    fn has_come(&mut self, run: Run) {
        let out = self.nested.abroad.get(&run).and_then(|gone| gone.out.as_ref());
        let Some((at, out)) = out else { return };
        let (at, waits) = (*at, out.waits);
        let Some(came) = out.came.get().cloned() else { return };
        let most = self.told_most(self.chain(run).last(), run);
        let asked = match heard(came, most) {
            Heard::Answer(answer) => Asked::Known(answer, waits),
            Heard::Cannot(why) => Asked::Cannot(why),
        };
        self.came(run, at, asked);
    }

    fn came(&mut self, run: Run, at: usize, what: Asked) {
        if let Some(gone) = self.nested.abroad.get_mut(&run) {
            gone.out = None;
            gone.abroad.step(Event::Came);
        }
        if let Some(asked) = self.batch_of(run).and_then(|batch| batch.operations.get_mut(at)) {
            *asked = what;
        }
    }

    /// All that its program has asked for is known.
    fn answer_known(&mut self, run: Run) {
        let Some(going) = self.runs.get_mut(&run) else { return };
        let service = going.service;
        if let Some(Word::Operate(worker, turn, batch)) = going.mail.pop_front() {
            let answers = known(batch);
            if !answers.is_empty() {
                self.with_link(service, worker, |link| link.answer(turn, answers));
            }
        }
    }

    /// What became of a run: others keep what they have for its next one, or need not.
    pub(in crate::core) fn is_home(&mut self, run: Run, became: Became) {
        self.nested.abroad.remove(&run);
        let owed = self.nested.owed.remove(&run).unwrap_or_default();
        if let (Replies::GivenUp, Some(groups)) = (replies(became), &self.settings.groups) {
            owed.into_iter().for_each(|(group, id)| groups.confirm(&group, id));
        }
    }
}
