//! What is still to happen in the false world, the next first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Ev;

/// Events by their time; those of one moment in the order in which they were put there. The heap
/// moves keys only: events lie where they were put.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Key>>,
    events: Vec<Option<Ev>>,
    free: Vec<usize>,
    orders: u64,
}

/// When an event happens; its number, which rises; where it lies.
type Key = (u64, u64, usize);

/// When a node wishes to be woken. A wish that it says again moves behind what was put there
/// meanwhile for the same moment.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    at: u64,
    /// The number under which it is in the queue.
    pub token: u64,
    /// The number under which it was said last.
    last: u64,
}

impl Queue {
    /// Puts an event there.
    pub fn put(&mut self, at: u64, ev: Ev) {
        let order = self.number();
        self.put_as((at, order), ev);
    }

    fn number(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }

    fn put_as(&mut self, (at, order): (u64, u64), ev: Ev) {
        let place = self.free.pop().unwrap_or(self.events.len());
        if place == self.events.len() {
            self.events.push(Some(ev));
        } else {
            self.events[place] = Some(ev);
        }
        self.heap.push(Reverse((at, order, place)));
    }

    /// Replaces a node's wish by one for `at`, which lies ahead. Most are for the moment of the
    /// one before: then nothing is put there.
    pub fn wish(&mut self, n: usize, wish: &mut Wish, at: u64) {
        let last = self.number();
        if wish.at == at {
            wish.last = last;
            return;
        }
        *wish = Wish { at, token: last, last };
        self.put_as((at, last), Ev::Wake { n, token: last });
    }

    /// The next event, if it happens until `until`. `wishes` are those in force, by node.
    pub fn next(&mut self, until: u64, wish_of: impl Fn(usize) -> Wish) -> Option<(u64, Ev)> {
        loop {
            let Reverse((at, order, place)) = *self.heap.peek()?;
            if at > until {
                return None;
            }
            self.heap.pop();
            self.free.push(place);
            let ev = self.events[place].take().expect("an event lies where its key says");
            if let Ev::Wake { n, token } = ev {
                let wish = wish_of(n);
                if wish.token == token && wish.at == at && wish.last > order {
                    self.put_as((at, wish.last), ev);
                    continue;
                }
            }
            return Some((at, ev));
        }
    }
}
