//! When a node asks the disk that it shares with another for its vote, and what it makes of the
//! answer.

use tsugi_vocabulary::{Moment, Span};

use super::machine::Node;
use super::{Now, Order, Shows};
use crate::lease::disk_vote::{Asks, DiskSight};
use crate::lease::has_disk;
use crate::lease::heartbeat::Heartbeat;

impl Node {
    /// Asks the disk along with `beat`, if it has a vote. Its vote is needed while the other node
    /// does not answer or promises nothing, and while this node's own vote is silent after its
    /// start (L4). Else a slow disk costs no lease: it is written now and then only, to see that it
    /// is there and to be seen.
    pub(super) fn ask_disk(&mut self, now: Moment, beat: &Heartbeat, out: &mut Vec<Order>) {
        if !has_disk(&self.record) {
            return;
        }
        let answered = Span(self.timing.beat.0 / 2 * 3);
        let alone = !self.holder.is_answered_by_a_node(now, answered);
        let promised = self.timing.ttl.saturating_sub(Span(self.timing.beat.0 * 2));
        let unpromised = self.holder.lacks_a_node(now, promised);
        let needed = alone || unpromised || now < self.voter.quiet_until();
        if !needed && now < self.next_disk && !self.disk.owes(beat) {
            return;
        }
        let asks = if needed { Asks::ForVotes } else { Asks::ForNothing };
        if let Some(claims) = self.disk.ask(now, beat, asks, &self.record) {
            self.next_disk = now + Span(self.timing.ttl.0 / 2);
            out.push(Order::AskDisk(claims));
        }
    }

    /// Whether this node sees the disk that has a vote.
    #[must_use]
    pub fn disk_sight(&self, now: Moment) -> DiskSight {
        if !has_disk(&self.record) {
            return DiskSight::None;
        }
        if now.since(self.born) < self.timing.settled_after() {
            return DiskSight::Seen;
        }
        if !self.holder.is_answered_by_the_disk(now, self.timing.ttl) {
            return DiskSight::NotSeen;
        }
        let lately = self.timing.seen_on_disk_within();
        let heard = self.holder.is_answered_by_a_node(now, self.timing.ttl);
        let writes = self.seen_on_disk(now).is_some_and(|ago| ago < lately);
        let long_enough = now.since(self.born) >= lately + lately;
        if heard && long_enough && !writes { DiskSight::OnlyHere } else { DiskSight::Seen }
    }

    /// How long ago the other node was last seen to write on the disk that both share; none if
    /// there is no such disk, or it was not seen to yet.
    #[must_use]
    pub fn seen_on_disk(&self, now: Moment) -> Option<Span> {
        let lived = self.disk.other_lived().filter(|_| has_disk(&self.record));
        lived.map(|at| now.since(at))
    }

    pub(super) fn on_disk(&mut self, now: Now, number: u64, shows: Shows, out: &mut Vec<Order>) {
        let claims = match shows {
            Shows::Claims(claims) => claims,
            Shows::Nothing => return self.disk.on_unread(number),
        };
        let read = (number, claims.as_ref());
        let Some(ack) = self.disk.on_read(now.lease, read, &self.record) else { return };
        self.spread.tell_disk(now.lease, &self.record, ack.membership);
        let moved = self.holder.on_disk(now.lease, &ack, &self.record);
        self.on_answered(now, &ack, moved, out);
        if let (Some(lived), Some(claims)) = (self.disk.other_lived(), &claims) {
            self.note_sign_on_disk(lived, claims.boot);
        }
        self.look_at_uptake(now.lease, claims.as_ref());
    }
}
