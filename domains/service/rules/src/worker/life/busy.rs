//! A worker that has a call.

use tsugi_vocabulary::Moment;

use super::{Abnormal, Began, Class, Event, Exit, Life, Memory, Order, State, Turn, UnderWay, Why};
use crate::mutant::mutant;

impl Life {
    pub(super) fn busy(&mut self, now: Moment, has: UnderWay, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::StartLimit | Event::RetireLimit => {}
            Event::Given(_) | Event::Follows(_) => out.push(Order::Broken),
            Event::Asked(turn) if is_of(has, turn) => {
                self.state = State::Busy(has.spoke());
                out.push(Order::Operate(has.turn));
            }
            Event::Waits(turn) if turn == has.turn => self.state = State::Busy(has.stands(now)),
            Event::Goes(turn) if turn == has.turn => self.state = State::Busy(has.goes(now)),
            // Of a call that is over.
            Event::Waits(_) | Event::Goes(_) => {}
            Event::Done(turn) if is_of(has, turn) => {
                self.state = State::Ready;
                out.push(Order::Keep(has.turn));
            }
            Event::Failed(turn, Class::Abort)
                if is_of(has, turn) && self.memory == Memory::None =>
            {
                self.state = State::Ready;
                out.push(Order::Abnormal(has.turn, Abnormal::Failed(Class::Abort)));
            }
            Event::Failed(turn, class) if is_of(has, turn) => {
                self.kill_with(has, Abnormal::Failed(class), out);
            }
            Event::Retire => {
                self.state = State::Leaving { has: Some(has), since: now };
                out.push(Order::Leave);
            }
            Event::Ended(exit) => {
                let why = match has.began {
                    Began::Known => Why::WithCall(Abnormal::Ended(exit)),
                    Began::Silent => Why::EndedIdle,
                };
                self.end_with(has, (why, exit), out);
            }
            Event::Undone(turn) => self.undone(has, turn, out),
            Event::Hello(_)
            | Event::Ready
            | Event::Asked(_)
            | Event::Done(_)
            | Event::Failed(..)
            | Event::Wrong => {
                self.kill_in(has, (Abnormal::BrokeProtocol, Why::BrokeProtocol), out);
            }
            Event::Closed => self.kill_in(has, (Abnormal::Closed, Why::Closed), out),
            Event::TimeLimit => self.kill_with(has, Abnormal::TimeLimit, out),
            Event::Flood => self.kill_in(has, (Abnormal::Flood, Why::Flood), out),
            Event::Memory => self.kill_in(has, (Abnormal::Memory, Why::Memory), out),
        }
    }

    /// It ends what it has and gets no more.
    pub(super) fn leaving(
        &mut self,
        now: Moment,
        (has, since): (UnderWay, Moment),
        event: Event,
        out: &mut Vec<Order>,
    ) {
        match event {
            Event::StartLimit | Event::Retire => {}
            Event::Given(_) | Event::Follows(_) => out.push(Order::Broken),
            Event::Asked(turn) if is_of(has, turn) => {
                self.state = State::Leaving { has: Some(has.spoke()), since };
                out.push(Order::Operate(has.turn));
            }
            Event::Waits(turn) if turn == has.turn => {
                self.state = State::Leaving { has: Some(has.stands(now)), since };
            }
            Event::Goes(turn) if turn == has.turn => {
                self.state = State::Leaving { has: Some(has.goes(now)), since };
            }
            Event::Waits(_) | Event::Goes(_) => {}
            Event::Done(turn) if is_of(has, turn) => {
                self.state = State::Leaving { has: None, since };
                out.push(Order::Keep(has.turn));
            }
            Event::Failed(turn, class) if is_of(has, turn) => {
                self.kill_with(has, Abnormal::Failed(class), out);
            }
            Event::Ended(exit) => self.end_with(has, (Why::Left, exit), out),
            Event::Undone(turn) => self.undone(has, turn, out),
            Event::Hello(_)
            | Event::Ready
            | Event::Asked(_)
            | Event::Done(_)
            | Event::Failed(..)
            | Event::Wrong => {
                self.kill_in(has, (Abnormal::BrokeProtocol, Why::BrokeProtocol), out);
            }
            Event::Closed => self.kill_in(has, (Abnormal::Closed, Why::Closed), out),
            Event::TimeLimit => self.kill_with(has, Abnormal::TimeLimit, out),
            Event::Flood => self.kill_in(has, (Abnormal::Flood, Why::Flood), out),
            Event::RetireLimit => {
                self.kill_in(has, (Abnormal::RetireLimit, Why::RetireLimit), out);
            }
            Event::Memory => self.kill_in(has, (Abnormal::Memory, Why::Memory), out),
        }
    }

    /// Its process is gone in the call.
    fn end_with(&mut self, has: UnderWay, (why, exit): (Why, Exit), out: &mut Vec<Order>) {
        out.push(match has.began {
            Began::Silent if !mutant("silent-blamed") => Order::Again(has.turn),
            Began::Silent | Began::Known => Order::Abnormal(has.turn, Abnormal::Ended(exit)),
        });
        self.state = State::Gone { why, exit };
    }

    /// The call under way has its own end if it is the one that was undone; else it goes with its
    /// worker and is not at fault.
    fn undone(&mut self, has: UnderWay, turn: Turn, out: &mut Vec<Order>) {
        if turn != has.turn {
            out.push(Order::Again(has.turn));
        }
        self.kill(Why::Undone, out);
    }
}

/// Whether a frame is of the call under way: of a former one it is wrong.
fn is_of(has: UnderWay, turn: Turn) -> bool {
    has.turn == turn || mutant("late-frame-taken")
}
