//! The log that the daemon of a service keeps on its volume: after a takeover the former owner's is
//! there as it was, for whoever looks on the new owner.

use tsugi_counter::log::{FORMER, NAME};

use crate::product::Status;
use crate::stage::Stage;

/// What a daemon says that has opened its group: on which node.
const OPENED: &str = "TSUG20608-I";

/// What the owner has logged so far.
#[must_use]
pub fn read(stage: &Stage, owner: usize) -> String {
    file(stage, owner, NAME).unwrap_or_default()
}

fn file(stage: &Stage, at: usize, name: &str) -> Option<String> {
    stage.site.hosts[at].read(&format!("{}/{name}", stage.served().log()?)).ok()
}

/// What is not as it must be: `seen` was read on `old` just before the fault.
#[must_use]
pub fn kept(stage: &mut Stage, seen: &str, old: &str) -> Option<String> {
    let status: Status = stage.product.status(&mut stage.site).ok()?;
    let Ok(owner) = stage.owner(&status) else { return Some("nobody has the log".into()) };
    let new = stage.site.hosts[owner].name.clone();
    let [former, own] = [FORMER, NAME].map(|name| file(stage, owner, name).unwrap_or_default());
    unlike(seen, (old, &new), [&former, &own])
}

fn unlike(seen: &str, (old, new): (&str, &str), [former, own]: [&str; 2]) -> Option<String> {
    if seen.is_empty() || !former.starts_with(seen) {
        return Some(format!("{FORMER} does not begin with what {old} had logged:\n{former}"));
    }
    for (name, log, node) in [(FORMER, former, old), (NAME, own, new)] {
        let opened: Vec<&str> = log.lines().filter(|line| line.contains(OPENED)).collect();
        let by_it = |line: &&str| line.split_whitespace().any(|word| word == node);
        if opened.len() != 1 || !opened.iter().all(by_it) {
            return Some(format!("{name} does not tell of one life, on {node}:\n{log}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_changed_or_is_of_two_lives_is_found() {
        let life = |node: &str| format!("TSUG20608-I group G answers calls on node {node} at x\n");
        let (seen, own) = (life("n1"), life("n2"));
        let former = format!("{seen}CBLAPP01 a line more\n");
        let nodes = ("n1", "n2");
        assert_eq!(unlike(&seen, nodes, [&former, &own]), None);
        assert!(unlike(&former, nodes, [&seen, &own]).is_some(), "a line is gone");
        assert!(unlike(&seen, nodes, ["", &own]).is_some(), "it is gone");
        assert!(unlike("", nodes, [&former, &own]).is_some(), "nothing was rehearsed");
        assert!(unlike(&seen, nodes, [&former, &life("n1")]).unwrap().contains(NAME));
        assert!(unlike(&seen, nodes, [&(former + &own), &own]).unwrap().contains(FORMER));
    }
}
