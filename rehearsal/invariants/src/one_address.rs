//! I2: a floating address is on one node at a time.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::GroupName;
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Where each group's address is.
pub(crate) struct OneAddress {
    grace: u64,
    on: BTreeMap<GroupName, BTreeSet<usize>>,
    still: BTreeMap<usize, Option<u64>>,
}

impl OneAddress {
    pub(crate) fn new(grace: u64) -> Self {
        Self { grace, on: BTreeMap::new(), still: BTreeMap::new() }
    }

    /// A node that stands still answers nobody; woken, it has a little time.
    fn silent(&self, node: usize, at: u64) -> bool {
        match self.still.get(&node) {
            None => false,
            Some(None) => true,
            Some(Some(woken)) => at <= woken + self.grace,
        }
    }
}

impl Invariant for OneAddress {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen {
            Seen::Up { at, node, group, resource, .. } if resource.as_str() == "address" => {
                let on = self.on.entry((*group).clone()).or_default();
                on.insert(*node);
                let on = self.on.get(*group).cloned().unwrap_or_default();
                let answering: Vec<usize> =
                    on.into_iter().filter(|n| n == node || !self.silent(*n, *at)).collect();
                if answering.len() > 1 {
                    let what = format!("the address of {group} is on nodes {answering:?}");
                    return Err(Violation { invariant: "I2", at: *at, what });
                }
            }
            Seen::Down { node, group, .. } => {
                if let Some(on) = self.on.get_mut(*group) {
                    on.remove(node);
                }
            }
            Seen::Froze { node, .. } => {
                self.still.insert(*node, None);
            }
            Seen::Woke { at, node } => {
                self.still.insert(*node, Some(*at));
            }
            _ => {}
        }
        Ok(())
    }
}
