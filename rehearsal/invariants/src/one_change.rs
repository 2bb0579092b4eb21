//! L6, on which I1 stands: the list of voters changes by one voter, and not before the longest
//! time of a promise has passed since a majority of it went by the change before. Who asks for a
//! longer promise has applied the stretch: under the list before the present one it asked for none
//! if the stretch came after the present one.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::lease::{has_disk, majority};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::timing::{LONGEST_TTL, TTL_CAP};
use tsugi_vocabulary::{Generation, NodeName, Span};
use tsugi_world::{DISK, Seen};

use crate::{Invariant, Violation, number_of};

/// Two clocks of one moment may differ by this much, in nanoseconds.
const SLACK: u64 = 1_000_000;

/// The present list, who goes by it, and since when a majority has.
#[derive(Default)]
pub(crate) struct OneChange {
    lists: BTreeMap<usize, Generation>,
    present: Option<Present>,
}

struct Present {
    list: Generation,
    voters: BTreeSet<usize>,
    settled: Option<u64>,
    /// The longest lease that may run under the list before it.
    longest: Span,
}

impl OneChange {
    fn count(&mut self, at: u64) {
        let Some(present) = &mut self.present else { return };
        let goes_by = |n: &&usize| self.lists.get(n) == Some(&present.list);
        let enough = present.voters.iter().filter(goes_by).count();
        if present.settled.is_none() && enough >= majority(present.voters.len()) {
            present.settled = Some(at);
        }
    }
}

impl Invariant for OneChange {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen {
            Seen::GoesBy { at, node, list } => {
                self.lists.insert(*node, *list);
                self.count(*at);
            }
            Seen::VotersChanged { at, before, after } => {
                let broken = |what| Err(Violation { invariant: "L6", at: *at, what });
                let changed = seats(before).symmetric_difference(&seats(after)).count();
                if changed != 1 || after.membership != before.membership.next() {
                    return broken(format!("{changed} votes changed at once"));
                }
                if let Some(present) = &self.present {
                    let Some(since) = present.settled else {
                        return broken("no majority went by the former change".to_owned());
                    };
                    let waited = at.saturating_sub(since);
                    if waited + SLACK < present.longest.0 {
                        let ms = waited / 1_000_000;
                        return broken(format!("the voters changed again after {ms} ms"));
                    }
                }
                let disk = has_disk(after).then_some(DISK);
                let voters = after.voters.keys().filter_map(number_of).chain(disk).collect();
                let longest = if before.stretch.is_some() { TTL_CAP } else { LONGEST_TTL };
                let list = after.membership;
                self.present = Some(Present { list, voters, settled: None, longest });
                self.count(*at);
            }
            _ => {}
        }
        Ok(())
    }
}

fn seats(record: &Record) -> BTreeSet<(&NodeName, &u64)> {
    record.voters.iter().collect()
}
