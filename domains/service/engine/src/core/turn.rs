//! A call has the writer: its unit of work is open, and what its program asks for is done in it.

use tsugi_service_rules::call::{Event, Work as Effects};
use tsugi_service_rules::sitting::{self, EpochRead, Left, Order, Run, State};
use tsugi_service_rules::stored::{Ending, Reply};
use tsugi_service_rules::worker::life::{Abnormal, Class};
use tsugi_service_rules::worker::pool;
use tsugi_store::{Begun, Call, Content, Finished, Trouble, Work};
use tsugi_vocabulary::Span;

use super::hall::{Hall, Todo};
use super::nested::{Chain, Stopped};
use super::operated::{Operated, SoFar, bounded, operate_in};
use super::pools::{Ended, Over, Word};
use super::seen::written;
use super::within::Unit;
use super::{Core, left};
use crate::clock;
use crate::fatal::Fatal;
use crate::names;
use crate::worker::{Asked, Batch};

/// How a turn ended.
struct Turned {
    /// What the sitting orders next.
    orders: Vec<Order>,
    /// What is left of the sitting.
    sitting: Whole,
}

/// Whether a sitting is still there after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    /// It is.
    Stands,
    /// The store has ended it, and is told that this is known.
    Gone,
}

impl Core {
    /// Gives the writer to a call that has spoken; its sitting is opened where none is.
    pub(super) fn turn(&mut self, run: Run) -> Result<(), Fatal> {
        let turned = self.taken(run)?;
        if turned.sitting == Whole::Gone {
            self.abandon()?;
        }
        self.hall.turn = None;
        self.hall.rolled_back = None;
        self.carry(turned.orders)
    }

    fn taken(&mut self, run: Run) -> Result<Turned, Fatal> {
        let Self { store, hall, .. } = self;
        hall.spoken.retain(|spoken| *spoken != run);
        let Some(asks) = hall.table.asks(run.0) else {
            return Err(Fatal::Impossible(format!("{} has the writer and is not pending", run.0)));
        };
        let id = names::stored(run.0, asks.lowest);
        let begun = store.begin(&Call { id, content: Content(asks.content.digest) });
        if matches!(hall.sitting.state(), State::Opening { .. }) && begun.is_ok() {
            // The epoch was read when it was begun.
            drop(hall.step_sitting(sitting::Event::Began(EpochRead::Own)));
        }
        match begun {
            Ok(Begun::New(work)) => hall.in_turn(run, work),
            // The store says something else than what it was asked before: that counts.
            Ok(_) => {
                drop(hall.step_sitting(sitting::Event::Ended(run, Effects::Kept, 0)));
                let orders = hall.step_sitting(sitting::Event::Failed(Left::Savepoint));
                Ok(Turned { orders, sitting: Whole::Stands })
            }
            Err(trouble) => hall.lost(trouble),
        }
    }
}

impl Hall {
    /// Nothing of the sitting is left.
    fn lost(&mut self, trouble: Trouble) -> Result<Turned, Fatal> {
        let orders = self.step_sitting(sitting::Event::Failed(left(trouble)?));
        Ok(Turned { orders, sitting: Whole::Gone })
    }

    fn in_turn(&mut self, run: Run, mut work: Box<dyn Work + '_>) -> Result<Turned, Fatal> {
        self.turn = Some(run);
        if let Some(going) = self.runs.get(&run) {
            self.todo.push_back(Todo::Pool(going.service, pool::Event::Goes(run)));
        }
        let mut chain = self.chain(run);
        loop {
            self.look()?;
            if self.rolled_back == Some(run) {
                let orders = self.step_sitting(sitting::Event::Close);
                return Ok(Turned { orders, sitting: Whole::Stands });
            }
            if self.is_due() {
                let orders = self.step_sitting(sitting::Event::Woken);
                return Ok(Turned { orders, sitting: Whole::Stands });
            }
            let word = match self.takes_answers(run) {
                true => self.runs.get_mut(&run).and_then(|going| going.mail.pop_front()),
                false => None,
            };
            match word {
                Some(Word::Operate(worker, turn, asked)) => {
                    match self.operate(&mut chain, &mut Unit::of(&mut *work), asked) {
                        Ok(Operated::Answers(answers)) if answers.is_empty() => {}
                        Ok(Operated::Answers(answers)) => {
                            let service = self.runs.get(&run).map(|going| going.service);
                            if let Some(service) = service {
                                self.begin_ahead(service, worker);
                                self.with_link(service, worker, |link| link.answer(turn, answers));
                            }
                        }
                        Ok(Operated::Failed(why)) => {
                            let ended = self.failed(run, &why);
                            return self.end(run, work, ended);
                        }
                        Err(Stopped::Over) => {}
                        Err(Stopped::Lost(trouble)) => return self.lost(trouble),
                        Err(Stopped::Fatal(fatal)) => return Err(fatal),
                    }
                }
                Some(Word::End(asked, over)) => {
                    let ended = match self.operate(&mut chain, &mut Unit::of(&mut *work), asked) {
                        Ok(Operated::Answers(_)) => self.ended(run, over),
                        Ok(Operated::Failed(why)) => self.failed(run, &why),
                        // It was rolled back, or is turned out: that is looked at next.
                        Err(Stopped::Over) => continue,
                        Err(Stopped::Lost(trouble)) => return self.lost(trouble),
                        Err(Stopped::Fatal(fatal)) => return Err(fatal),
                    };
                    return self.end(run, work, ended);
                }
                None => self.wait(None),
            }
        }
    }

    /// Carries out what the last service of a chain asks for, in its order; what calls another
    /// service has that run meanwhile.
    pub(super) fn operate(
        &mut self,
        chain: &mut Chain,
        unit: &mut Unit<'_, '_>,
        mut all: Batch,
    ) -> Result<Operated, Stopped> {
        let (mut answers, mut before) = (SoFar::default(), Vec::new());
        if !all.operations.iter().any(|asked| matches!(asked, Asked::Call(..))) {
            before = std::mem::take(&mut all.operations);
        }
        for asked in std::mem::take(&mut all.operations) {
            let (calling, waits) = match bounded(asked, answers.size()) {
                Asked::Call(calling, waits) => (calling, waits),
                asked => {
                    before.push(asked);
                    continue;
                }
            };
            let failed = self.operate_timed(chain, unit, (&mut before, &mut answers))?;
            if let Some(why) = failed {
                return Ok(Operated::Failed(why));
            }
            let answer = self.call_within(chain, unit, calling)?;
            if let Some(why) = answers.take(answer, waits) {
                return Ok(Operated::Failed(why));
            }
        }
        let failed = self.operate_timed(chain, unit, (&mut before, &mut answers))?;
        Ok(answers.end(failed))
    }

    /// Carries out operations of the store. None takes longer than the call may, or than calls that
    /// have ended wait for it.
    fn operate_timed(
        &mut self,
        chain: &Chain,
        unit: &mut Unit<'_, '_>,
        (asked, answers): (&mut Vec<Asked>, &mut SoFar),
    ) -> Result<Option<String>, Stopped> {
        if asked.is_empty() {
            return Ok(None);
        }
        let asked = std::mem::take(asked);
        let desk = self.desks.get(&chain.last().service);
        let may = Span::millis(desk.map_or(0, |desk| u64::from(desk.call_ms)));
        let longest = clock::now() + may;
        let until = self.sitting.wake_at().map_or(longest, |hold| hold.min(longest));
        if asked.iter().any(Asked::may_make_files) {
            self.lacking.at = Some(clock::now());
            self.sweep_at.get_or_insert_with(clock::now);
        }
        unit.knows(self.nested.ended());
        self.watch.begins(until);
        let done = operate_in(unit, asked, answers);
        self.watch.ends();
        done.map_err(Stopped::Lost)
    }

    /// The reply of a run, made of what its program gave back before it is stored. What is no
    /// answer is not told in part: nothing of the call is kept.
    pub(super) fn ended(&mut self, run: Run, over: Over) -> Ended {
        let gave = match over {
            Over::Gave(gave) => gave,
            Over::Ended(ended) => return ended,
        };
        let desk = self.runs.get(&run).and_then(|going| self.desks.get(&going.service));
        let Some(interface) = desk.map(|desk| desk.interface.clone()) else {
            return self.failed(run, "its service is not there any more");
        };
        match interface.reply(gave) {
            Ok(said) => Ended { ending: Ending::Done, said },
            Err(none) => self.failed(run, &none.to_string()),
        }
    }

    /// What the program did not wait for was refused. It may count on it, so its worker is not used
    /// any more.
    pub(super) fn failed(&mut self, run: Run, why: &str) -> Ended {
        if let Some(going) = self.runs.get(&run) {
            self.todo.push_back(Todo::Pool(going.service, pool::Event::Undone(run)));
        }
        Ended::abnormal(Abnormal::Failed(Class::RunTimeError), why)
    }

    /// The program has ended: its reply is put beside its effects, or in their place.
    fn end(
        &mut self,
        run: Run,
        mut work: Box<dyn Work + '_>,
        ended: Ended,
    ) -> Result<Turned, Fatal> {
        let (reply, kept) = self.stored(run, ended)?;
        let length = reply.body.len() as u64;
        let orders = self.step_sitting(sitting::Event::Ended(run, kept, length));
        if orders.iter().any(|order| matches!(order, Order::RollBackTo(_))) {
            self.undo_within(run);
            if let Err(trouble) = work.undo() {
                return self.lost(trouble);
            }
        }
        match work.finish(&reply) {
            Ok(Finished::InSitting(_) | Finished::Committed) => {
                let orders = self.step_sitting(sitting::Event::Inserted(run));
                Ok(Turned { orders, sitting: Whole::Stands })
            }
            Err(trouble) => self.lost(trouble),
        }
    }

    /// What is stored of a call that has ended, and whether what it did is kept with it.
    pub(super) fn stored(
        &mut self,
        run: Run,
        ended: Ended,
    ) -> Result<(tsugi_store::Reply, Effects), Fatal> {
        let Ended { ending, said } = ended;
        let service = self.runs.get(&run).map_or(0, |going| i64::from(going.service.0));
        let interface = self.table.asks(run.0).map_or(0, |asks| asks.content.interface.0);
        let reply = tsugi_store::Reply {
            ending: written(ending),
            service,
            interface: i64::from(interface),
            attempt: i64::from(run.1.number),
            at: clock::wall_ms(),
            status: i64::from(ending.http()),
            content_type: said.content_type,
            body: said.body,
        };
        let number = self.number(reply.clone());
        if let Some(going) = self.runs.get_mut(&run) {
            going.reply = Some(number);
        }
        let said = Reply { ending, bytes: number };
        self.kept = None;
        self.todo.push_back(Todo::Table(Event::Ended(run.0, run.1, said)));
        self.settle()?;
        let Some(kept) = self.kept.take().filter(|kept| kept.reply == said) else {
            return Err(Fatal::Impossible(format!("{} has ended and is not kept", run.0)));
        };
        Ok((reply, kept.work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_but_the_good_one_is_undone() {
        assert_eq!(Ended::abnormal(Abnormal::TimeLimit, "").ending, Ending::TimeLimit);
        let refused = Ended::abnormal(Abnormal::Failed(Class::Abort), "no");
        assert_eq!(refused.ending, Ending::Refused);
        let body = String::from_utf8(refused.said.body).expect("it is JSON");
        assert_eq!(body, r#"{"abnormal":{"failed":"abort"},"text":"no"}"#);
    }
}
