//! The leader brings the list of voters to what the configuration and the joined nodes say (L6).

use std::collections::BTreeSet;
use std::sync::Arc;

use tsugi_vocabulary::{Moment, NodeName, Span};

use super::Order;
use super::machine::Node;
use crate::lease::{former_majority_out_there, is_voter, voter_list};
use crate::plan::Life;
use crate::record::{Draft, EntryName, LeasesBefore, Record, Restored, Write};

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
    /// it came in, may run so long. Nobody knows whether the former ledger was stretched, so it is
    /// the longest that a voter ever promises.
    pub(super) fn wait_for_former_leases(&mut self, now: Moment, before: &Record) {
        let new = before.restored != self.record.restored || former_majority_out_there(before);
        if new {
            self.keep_quiet_for_former_leases(now);
        }
    }

    /// What may still run of leases that the former ledger gave is over when that is.
    pub(super) fn keep_quiet_for_former_leases(&mut self, now: Moment) {
        let restored = self.record.restored.as_deref();
        if let Some(rest) = restored.and_then(|restored| restored.leases.may_run_for()) {
            self.voter.keep_quiet(now + rest);
            self.former_over = Some(now + rest);
        }
    }

    /// What is to be written when no lease of the former ledger can run any more: whoever starts
    /// from then on need not wait for them.
    pub(super) fn former_leases_over(&self, now: Moment) -> Option<Draft> {
        let restored = self.record.restored.as_deref()?;
        let may_run = restored.leases.may_run_for().is_some();
        let waits = may_run && !former_majority_out_there(&self.record);
        let over = self.former_over.is_some_and(|at| at <= now);
        let next = Restored { leases: LeasesBefore::RanOut, ..restored.clone() };
        (waits && over).then(|| {
            Draft::default()
                .unless_changed(&self.record, EntryName::Plan)
                .write(Write::Restored(Arc::new(next)))
        })
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
