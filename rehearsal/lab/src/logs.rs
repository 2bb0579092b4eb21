//! The log that the sample keeps on its volume: after a takeover the former owner's is there as it
//! was, for whoever looks on the new owner.

use tsugi_counter::log::{FORMER, NAME};

use crate::client::{Call, CallEnd};
use crate::product::Status;
use crate::stage::Stage;

/// What the owner has logged so far; nothing where no log is kept.
#[must_use]
pub fn read(stage: &Stage, owner: usize) -> String {
    file(stage, owner, NAME).unwrap_or_default()
}

fn file(stage: &Stage, at: usize, name: &str) -> Option<String> {
    stage.site.hosts[at].read(&format!("{}/{name}", stage.served().log()?)).ok()
}

/// What is not as it must be: `seen` was read on `old` just before the fault, `calls` is all that
/// the client noted since.
#[must_use]
pub fn kept(stage: &mut Stage, seen: &str, old: &str, calls: &[Call]) -> Option<String> {
    let status: Status = stage.product.status(&mut stage.site).ok()?;
    let Ok(owner) = stage.owner(&status) else { return Some("nobody has the log".into()) };
    let logs = [FORMER, NAME].map(|name| file(stage, owner, name).unwrap_or_default());
    unlike(seen, old, calls, [&logs[0], &logs[1]])
}

fn unlike(seen: &str, old: &str, calls: &[Call], [former, own]: [&str; 2]) -> Option<String> {
    if seen.is_empty() || !former.starts_with(seen) {
        return Some(format!("{FORMER} does not begin with what {old} had logged:\n{former}"));
    }
    let answered = calls.iter().filter(|call| !call.again).filter_map(|call| match &call.end {
        CallEnd::Answered { number, node } => Some((*number, node)),
        CallEnd::Failed(_) => None,
    });
    for (number, node) in answered {
        let (name, log) = if node == old { (FORMER, former) } else { (NAME, own) };
        let entry = format!("{number} {node} ");
        if !log.lines().any(|line| line.starts_with(&entry)) {
            return Some(format!("{name} does not say that {node} answered {number}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn answered(number: u64, node: &str) -> Call {
        let at = Duration::from_millis(number);
        let end = CallEnd::Answered { number, node: node.into() };
        Call { serial: number, from: at, until: at, end, again: false }
    }

    #[test]
    fn a_log_that_was_changed_or_lacks_an_answer_is_found() {
        let calls = [answered(338, "n1"), answered(339, "n1"), answered(340, "n2")];
        let (seen, former) = ("started\n338 n1 x\n", "started\n338 n1 x\n339 n1 x\n");
        let own = "started\n340 n2 x\n";
        assert_eq!(unlike(seen, "n1", &calls, [former, own]), None);
        assert!(unlike(seen, "n1", &calls, [seen, own]).unwrap().contains("339"));
        assert!(unlike(seen, "n1", &calls, [former, "started\n"]).unwrap().contains("340"));
        assert!(unlike(seen, "n1", &calls, ["", own]).is_some(), "it is gone");
        assert!(unlike("", "n1", &calls, [former, own]).is_some(), "nothing was rehearsed");
    }
}
