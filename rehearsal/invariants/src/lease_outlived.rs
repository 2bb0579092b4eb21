//! I1, by its cause: a lease ends, its kill with all its budget and guard, before the promises of
//! a majority do, and nothing is started that the guardian was never armed for (L3).

use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Compares deadlines with the promises that they stand on.
pub(crate) struct LeaseOutlived;

impl Invariant for LeaseOutlived {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let broken = |at: &u64, what| Err(Violation { invariant: "I1", at: *at, what });
        match seen {
            Seen::Armed { at, node, group, gone_by, kept_until } if kept_until < gone_by => {
                let late = (gone_by - kept_until) / 1_000;
                broken(at, format!("{group} on n{} may outlive its lease by {late} us", node + 1))
            }
            Seen::Unarmed { at, node, group, epoch } => {
                broken(at, format!("{group} was to start on n{} under {epoch}, unarmed", node + 1))
            }
            _ => Ok(()),
        }
    }
}
