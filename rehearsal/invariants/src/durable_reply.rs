//! I16: what a caller was told is there afterwards, once: numbers go up by one, none twice.

use std::collections::BTreeMap;

use tsugi_vocabulary::GroupName;
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// The last serial and number each caller was told.
#[derive(Default)]
pub(crate) struct DurableReply {
    told: BTreeMap<GroupName, (u64, u64)>,
}

impl Invariant for DurableReply {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Replied { at, group, serial, number } = seen else { return Ok(()) };
        let last = self.told.insert((*group).clone(), (*serial, *number)).unwrap_or((0, 0));
        if *serial != last.0 + 1 || *number != last.1 + 1 {
            let what = format!(
                "call {serial} of {group} got number {number} after call {} got {}",
                last.0, last.1
            );
            return Err(Violation { invariant: "I16", at: *at, what });
        }
        Ok(())
    }
}
