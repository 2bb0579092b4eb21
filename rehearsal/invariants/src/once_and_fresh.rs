//! I21: a command is carried out once at most, and never on a stale view.

use std::collections::BTreeSet;

use tsugi_cluster_rules::record::Write;
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// The ids of the commands that were carried out.
#[derive(Default)]
pub(crate) struct OnceAndFresh {
    done: BTreeSet<String>,
}

impl Invariant for OnceAndFresh {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Committed { at, before, draft, .. } = seen else { return Ok(()) };
        let broken = |what| Err(Violation { invariant: "I21", at: *at, what });
        for write in &draft.writes {
            let Write::Audit(line) = write else { continue };
            if line.outcome != "accepted" {
                continue;
            }
            if !self.done.insert(line.command.clone()) {
                return broken(format!("{} ({}) was carried out twice", line.command, line.words));
            }
            let (decided_on, stood) = (line.decided_on, before.generation());
            if decided_on != stood {
                let what = format!("{} was decided on {decided_on}, not {stood}", line.words);
                return broken(what);
            }
        }
        Ok(())
    }
}
