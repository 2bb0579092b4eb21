//! I25: a group that its owner reports as stopped has nothing left on that owner.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::record::{Ownership, Write};
use tsugi_vocabulary::{Epoch, GroupName};
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// What is up where.
#[derive(Default)]
pub(crate) struct StopIsReal {
    up: BTreeSet<(GroupName, usize)>,
    frozen: BTreeMap<usize, ()>,
}

impl Invariant for StopIsReal {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen {
            Seen::Up { node, group, .. } => {
                self.up.insert(((*group).clone(), *node));
            }
            Seen::Down { node, group, .. } => {
                self.up.remove(&((*group).clone(), *node));
            }
            Seen::Froze { node, .. } => {
                self.frozen.insert(*node, ());
            }
            Seen::Committed { at, before, draft, .. } => {
                for write in &draft.writes {
                    let Write::Group(name, now) = write else { continue };
                    let Some(was) = before.group(name) else { continue };
                    let stopped = was.owner().is_some() && now.ownership == Ownership::Nobody;
                    if !stopped || was.epoch == Epoch::NONE {
                        continue;
                    }
                    let left = self.up.iter().find(|(g, n)| {
                        g == name && !self.frozen.contains_key(n) && owner_number(was) == Some(*n)
                    });
                    if let Some((_, n)) = left {
                        let what = format!("{name} is stopped by the ledger and up on n{}", n + 1);
                        return Err(Violation { invariant: "I25", at: *at, what });
                    }
                }
            }
            Seen::Woke { .. }
            | Seen::Effect { .. }
            | Seen::Replied { .. }
            | Seen::SaysRunning { .. } => {}
        }
        Ok(())
    }
}

fn owner_number(group: &tsugi_cluster_rules::record::GroupRecord) -> Option<usize> {
    let name = group.owner()?.as_str();
    name.strip_prefix('n')?.parse::<usize>().ok()?.checked_sub(1)
}
