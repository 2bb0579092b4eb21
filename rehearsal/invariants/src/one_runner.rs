//! I1: at most one node has anything of a group up, and each later holder has a larger epoch.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, GroupName};
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Who has what up.
pub(crate) struct OneRunner {
    grace: u64,
    held: BTreeMap<(GroupName, usize), Epoch>,
    highest: BTreeMap<GroupName, (Epoch, usize)>,
    frozen: BTreeMap<usize, Standstill>,
}

/// A node that stands still acts on nothing; woken, it has a little time to notice (L11).
#[derive(Clone, Copy)]
enum Standstill {
    Frozen,
    WokenAt(u64),
}

impl OneRunner {
    pub(crate) fn new(grace: u64) -> Self {
        Self { grace, held: BTreeMap::new(), highest: BTreeMap::new(), frozen: BTreeMap::new() }
    }

    fn excused(&self, node: usize, at: u64) -> bool {
        match self.frozen.get(&node) {
            None => false,
            Some(Standstill::Frozen) => true,
            Some(Standstill::WokenAt(woken)) => at <= woken + self.grace,
        }
    }
}

impl Invariant for OneRunner {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen {
            Seen::Up { at, node, group, epoch, .. } => {
                let broken = |what| Err(Violation { invariant: "I1", at: *at, what });
                let group = (*group).clone();
                let others = self.held.iter().filter(|((g, n), _)| *g == group && n != node);
                let other =
                    others.map(|((_, n), e)| (*n, *e)).find(|(n, _)| !self.excused(*n, *at));
                if let Some((n, e)) = other {
                    return broken(format!(
                        "{group} came up on n{} under {epoch} while n{} has it under {e}",
                        node + 1,
                        n + 1
                    ));
                }
                let highest = self.highest.entry(group.clone()).or_insert((*epoch, *node));
                let falls = *epoch < highest.0;
                let shared = *epoch == highest.0 && highest.1 != *node;
                if (falls || shared) && !self.frozen.contains_key(node) {
                    return broken(format!(
                        "{group} came up on n{} under {epoch} after {} on n{}",
                        node + 1,
                        highest.0,
                        highest.1 + 1
                    ));
                }
                if *epoch > highest.0 {
                    *highest = (*epoch, *node);
                }
                self.held.insert((group, *node), *epoch);
            }
            Seen::Down { node, group, .. } => {
                self.held.remove(&((*group).clone(), *node));
            }
            Seen::Froze { node, .. } => {
                self.frozen.insert(*node, Standstill::Frozen);
            }
            Seen::Woke { at, node } => {
                self.frozen.insert(*node, Standstill::WokenAt(*at));
            }
            Seen::Effect { at, node, group, epoch, .. } => {
                // A woken node that still has an old epoch after its grace has kept it.
                if self.excused(*node, *at) {
                    return Ok(());
                }
                let newest = self.highest.get(*group).map(|(e, _)| *e);
                if newest.is_some_and(|e| e > *epoch) {
                    let what = format!("{group} still acts on n{} under {epoch}", node + 1);
                    return Err(Violation { invariant: "I1", at: *at, what });
                }
            }
            _ => {}
        }
        Ok(())
    }
}
