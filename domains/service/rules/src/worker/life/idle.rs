//! A worker that has no call: not yet, not now, or not any more.

use tsugi_vocabulary::Moment;

use super::{Began, Clock, Event, Life, Order, State, Turn, UnderWay, Why};
use crate::mutant::mutant;

impl Life {
    pub(super) fn starting(&mut self, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::Hello(None)
            | Event::TimeLimit
            | Event::Undone(_)
            | Event::RetireLimit
            | Event::Waits(_)
            | Event::Goes(_) => {}
            Event::Hello(Some(difference)) => self.kill(Why::Mismatch(difference), out),
            Event::Ready => self.state = State::Ready,
            Event::StartLimit => self.kill(Why::SlowStart, out),
            Event::Given(_) | Event::Follows(_) => out.push(Order::Broken),
            Event::Asked(_) | Event::Done(_) | Event::Wrong => self.kill(Why::BrokeProtocol, out),
            Event::Failed(_, class) => self.kill(Why::CannotStart(class), out),
            Event::Closed => self.kill(Why::Closed, out),
            Event::Ended(exit) => self.state = State::Gone { why: Why::EndedAtStart, exit },
            Event::Flood => self.kill(Why::Flood, out),
            Event::Retire => self.kill(Why::NotWanted, out),
            Event::Memory => self.kill(Why::Memory, out),
        }
    }

    pub(super) fn ready(&mut self, now: Moment, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::StartLimit
            | Event::TimeLimit
            | Event::RetireLimit
            | Event::Waits(_)
            | Event::Goes(_) => {}
            Event::Hello(_)
            | Event::Ready
            | Event::Asked(_)
            | Event::Done(_)
            | Event::Failed(..)
            | Event::Wrong => self.kill(Why::BrokeProtocol, out),
            Event::Given(turn) => {
                self.state = State::Busy(self.has(now, turn, Began::Known));
                out.push(Order::Begin(turn));
            }
            Event::Follows(turn) => self.state = State::Busy(self.has(now, turn, Began::Silent)),
            Event::Closed => self.kill(Why::Closed, out),
            Event::Ended(exit) => self.state = State::Gone { why: Why::EndedIdle, exit },
            Event::Flood => self.kill(Why::Flood, out),
            // A call that it had done was not durable yet: its program remembers what never was.
            Event::Undone(_) if mutant("kept-after-undo") => {}
            Event::Undone(_) => self.kill(Why::Undone, out),
            Event::Retire | Event::Memory => {
                self.state = State::Leaving { has: None, since: now };
                out.push(Order::Leave);
            }
        }
    }

    /// Its clock goes from here on.
    fn has(&self, now: Moment, turn: Turn, began: Began) -> UnderWay {
        UnderWay { turn, clock: Clock::Goes(now + self.limits.call), began }
    }

    /// It was told to leave and has nothing: it has only to end, and what was begun in it ahead.
    pub(super) fn leaving_empty(
        &mut self,
        (now, since): (Moment, Moment),
        event: Event,
        out: &mut Vec<Order>,
    ) {
        match event {
            Event::StartLimit
            | Event::TimeLimit
            | Event::Retire
            | Event::Waits(_)
            | Event::Goes(_) => {}
            Event::Given(_) => out.push(Order::Broken),
            Event::Follows(turn) => {
                let has = Some(self.has(now, turn, Began::Silent));
                self.state = State::Leaving { has, since };
            }
            Event::Hello(_)
            | Event::Ready
            | Event::Asked(_)
            | Event::Done(_)
            | Event::Failed(..)
            | Event::Wrong => self.kill(Why::BrokeProtocol, out),
            // So does a process that ends as it was told.
            Event::Closed => self.kill(Why::Left, out),
            Event::Ended(exit) => self.state = State::Gone { why: Why::Left, exit },
            Event::Flood => self.kill(Why::Flood, out),
            Event::Undone(_) => self.kill(Why::Undone, out),
            Event::RetireLimit => self.kill(Why::RetireLimit, out),
            Event::Memory => self.kill(Why::Memory, out),
        }
    }

    /// Nothing that it says is believed any more.
    pub(super) fn killed(&mut self, why: Why, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::Done(turn) if mutant("late-done-believed") => out.push(Order::Keep(turn)),
            Event::Hello(_)
            | Event::Ready
            | Event::StartLimit
            | Event::Asked(_)
            | Event::Done(_)
            | Event::Failed(..)
            | Event::Wrong
            | Event::Closed
            | Event::TimeLimit
            | Event::Flood
            | Event::Undone(_)
            | Event::Waits(_)
            | Event::Goes(_)
            | Event::Retire
            | Event::RetireLimit
            | Event::Memory => {}
            Event::Given(_) | Event::Follows(_) => out.push(Order::Broken),
            Event::Ended(exit) => self.state = State::Gone { why, exit },
        }
    }

    /// Of what has ended only limits that were looked at late can come, and the end of its stream.
    pub(super) fn gone(event: Event, out: &mut Vec<Order>) {
        match event {
            Event::StartLimit
            | Event::Closed
            | Event::Ended(_)
            | Event::TimeLimit
            | Event::Flood
            | Event::Undone(_)
            | Event::Waits(_)
            | Event::Goes(_)
            | Event::Retire
            | Event::RetireLimit
            | Event::Memory => {}
            Event::Hello(_)
            | Event::Ready
            | Event::Given(_)
            | Event::Follows(_)
            | Event::Asked(_)
            | Event::Done(_)
            | Event::Failed(..)
            | Event::Wrong => out.push(Order::Broken),
        }
    }
}
