//! I1, by its cause: a voter promises a group to one node at a time, over its own restarts too,
//! and to nobody whom its ledger does not entitle (L1, L2, L4).

use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, GroupName};
use tsugi_world::{Entitled, Seen};

use crate::{Invariant, Violation};

/// The running promise of each voter and group: to whom, for which epoch, until when, and when it
/// was given.
#[derive(Default)]
pub(crate) struct OnePromise {
    given: BTreeMap<(usize, GroupName), (usize, Epoch, u64, u64)>,
    /// When a node was switched off last, and whether it has begun again since.
    off: BTreeMap<usize, (u64, Since)>,
}

/// What became of a node that was switched off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    /// It is off still.
    Off,
    /// It has begun again.
    Back,
}

impl OnePromise {
    /// L7: a promise is over early whose holder was switched off in truth, whatever was confirmed.
    fn is_over(&self, to: usize, given: u64) -> bool {
        self.off.get(&to).is_some_and(|(at, since)| given <= *at || *since == Since::Off)
    }
}

impl Invariant for OnePromise {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen {
            Seen::SwitchedOff { at, node } => {
                self.off.insert(*node, (*at, Since::Off));
            }
            Seen::Began { node, .. } => {
                if let Some((_, since)) = self.off.get_mut(node) {
                    *since = Since::Back;
                }
            }
            Seen::HeardRelease { voter, from, group, epoch } => {
                let key = (*voter, (*group).clone());
                if self.given.get(&key).is_some_and(|(to, e, ..)| to == from && e <= epoch) {
                    self.given.remove(&key);
                }
            }
            Seen::Promised { at, voter, to, group, promise } => {
                let broken = |what| Err(Violation { invariant: "I1", at: *at, what });
                let (voter, to) = (*voter, *to);
                if promise.ledger == Entitled::No {
                    let epoch = promise.epoch;
                    return broken(format!(
                        "n{} promised {group} to n{} under {epoch}, which its ledger denies",
                        voter + 1,
                        to + 1
                    ));
                }
                let key = (voter, (*group).clone());
                let new = (to, promise.epoch, promise.until, *at);
                let old = self.given.insert(key, new);
                // Two clocks of one voter, before and after its restart, may differ by a little.
                let slack = 1_000_000;
                let runs =
                    old.filter(|o| o.0 != to && *at + slack < o.2 && !self.is_over(o.0, o.3));
                if let Some((other, _, until, _)) = runs {
                    let rest = (until - at) / 1_000;
                    return broken(format!(
                        "n{} promised {group} to n{} while it keeps it for n{} for {rest} us",
                        voter + 1,
                        to + 1,
                        other + 1
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
