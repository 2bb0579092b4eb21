//! I25: a group that its owner reports as stopped has nothing left on that owner.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{GroupRecord, Ownership, Write};
use tsugi_cluster_rules::start_kind::Ending;
use tsugi_vocabulary::{Epoch, GroupName};
use tsugi_world::Seen;

use crate::{Invariant, Violation, number_of};

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
                    let stopped = was.owner().is_some() && is_let_go(was, now);
                    if !stopped || was.epoch == Epoch::NONE {
                        continue;
                    }
                    let left = self.up.iter().find(|(g, n)| {
                        g == name
                            && !self.frozen.contains_key(n)
                            && was.owner().and_then(number_of) == Some(*n)
                    });
                    if let Some((_, n)) = left {
                        let what = format!("{name} is stopped by the ledger and up on n{}", n + 1);
                        return Err(Violation { invariant: "I25", at: *at, what });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether the entry says that the former owner has let go: nobody owns it, or another does for a
/// reason that is no loss.
fn is_let_go(was: &GroupRecord, now: &GroupRecord) -> bool {
    // What was lost is stopped by nobody's word: the entry says that its end is unknown.
    let Ownership::Owned { cause, .. } = &now.ownership else {
        return now.ended != Ending::Unknown;
    };
    let orderly = matches!(
        cause,
        Cause::Operator { .. }
            | Cause::Drain { .. }
            | Cause::Shutdown { .. }
            | Cause::Failback { .. }
    );
    orderly && now.owner() != was.owner()
}
