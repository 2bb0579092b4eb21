//! I27: a node says that a group runs only while everything of it is up.

use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Two questions of the monitor that get no answer, and some.
const LIMIT: u64 = 3_000_000_000;

/// Compares what a desk says with what is there.
pub(crate) struct HonestStatus;

impl Invariant for HonestStatus {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::SaysRunning { at, node, group, up, of, hangs_since } = seen else {
            return Ok(());
        };
        if up < of {
            let what = format!("n{} says that {group} runs, with {up} of {of} up", node + 1);
            return Err(Violation { invariant: "I27", at: *at, what });
        }
        if hangs_since.is_some_and(|since| since + LIMIT < *at) {
            let what = format!("n{} says that {group} runs, which hangs", node + 1);
            return Err(Violation { invariant: "I27", at: *at, what });
        }
        Ok(())
    }
}
