//! The leader brings the list of voters to what the configuration and the joined nodes say (L6).

use std::collections::BTreeSet;

use tsugi_vocabulary::{Moment, NodeName, Span};

use super::Order;
use super::machine::Node;
use crate::lease::{former_majority_out_there, is_voter, voter_list};
use crate::plan::Life;
use crate::record::Record;
use crate::timing::LONGEST_TTL;

/// A change that came to nothing (the new voter did not catch up, the leader changed) is ordered
/// again after this time.
const RETRY: Span = Span::secs(1);

impl Node {
    /// Orders the change of the voters that is due, if this node leads and one is.
    pub(super) fn change_voters(&mut self, now: Moment, out: &mut Vec<Order>) {
        let own = (&self.me, self.record.membership);
        self.spread.tell(now, &self.record, own);
        if self.leader.as_ref() != Some(&self.me) || now < self.next_look_at_voters {
            return;
        }
        // Votes do not change from one beat to the next.
        self.next_look_at_voters = now + self.timing.ttl;
        let due = voter_list::due(&self.record, &self.spread, &self.who_is_heard(now), now);
        if let Some(change) = due {
            self.next_look_at_voters = now + RETRY;
            out.push(Order::ChangeVoters { change, known: self.record.membership });
        }
    }

    /// Under a restored ledger this voter promises nothing while a majority of the former voters
    /// is out there, and for the longest TTL after: what one of them promised last, just before
    /// it came in, may run so long.
    pub(super) fn wait_for_former_leases(&mut self, now: Moment, before: &Record) {
        let restored = self.record.restored.is_some();
        let new = before.restored != self.record.restored || former_majority_out_there(before);
        if restored && new {
            self.voter.keep_quiet(now + LONGEST_TTL);
        }
    }

    fn who_is_heard(&self, now: Moment) -> BTreeSet<NodeName> {
        let sights = self.sights(now);
        let heard = sights.into_iter().filter(|(_, sight)| match sight.life {
            Life::Heard | Life::Deaf => true,
            Life::Silent { .. } => false,
        });
        let outgoing = self.outgoing.iter().filter(|(_, at)| self.is_recent(now, **at));
        heard.map(|(name, _)| name).chain(outgoing.map(|(name, _)| name.clone())).collect()
    }

    /// A node that was taken out votes on until its vote is taken away.
    pub(super) fn note_outgoing(&mut self, now: Moment, sender: &NodeName) {
        if !self.peers.contains_key(sender) && is_voter(&self.record, sender) {
            self.outgoing.insert(sender.clone(), now);
        }
    }

    /// Whether a node that was heard at `heard` is not silent yet.
    pub(super) fn is_recent(&self, now: Moment, heard: Moment) -> bool {
        now.since(heard) < self.timing.silent_after()
    }
}
