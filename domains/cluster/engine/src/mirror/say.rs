//! Tells the ledger what this node does with the copies of a mirror, over the agent:
//! `tsugi mirroring say GROUP alone`, `… alike MARK`, `… there NODE MARK`; and for a person, who
//! keeps the copy of this node although the ledger has another for the newer one, `… chosen`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsugi_wire::control::{Ask, Change, How, MirrorOf, Operation, Reply, Request, VERSION, talk};

use crate::aside::{self, NONSENSE};
use crate::control::socket;

/// The word of the command line that calls it.
pub(super) const WORD: &str = "say";
/// Where the agent of a node that is installed listens.
const RUN_DIR: &str = "/run/tsugi";
/// How long the answer may take: the ledger is waited for up to 5 s.
const PATIENCE: Duration = Duration::from_secs(8);
/// The agent did not write it down; why is in its audit.
const NOT_WRITTEN: i32 = 1;

/// What the agent said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is in the ledger.
    Written,
    /// It was only asked, and nothing speaks against it.
    WouldBe,
    /// The rules speak against it.
    Refused,
    /// There was no answer, or the ledger had no majority.
    Nothing,
}

/// The words after the one that calls for it.
pub(super) fn words(group: &str, says: tsugi_cluster_rules::mirror::Says) -> Vec<String> {
    use tsugi_cluster_rules::mirror::Says;
    let head = [WORD.to_owned(), group.to_owned()];
    let rest = match says {
        Says::Alone => vec!["alone".to_owned()],
        Says::Alike { mark } => vec!["alike".to_owned(), mark.to_string()],
        Says::There { newest, mark } => {
            vec!["there".to_owned(), newest.to_string(), mark.to_string()]
        }
        Says::Chosen => vec!["chosen".to_owned()],
    };
    head.into_iter().chain(rest).collect()
}

fn read(words: &[OsString]) -> Option<Operation> {
    match aside::texts(words)?.as_slice() {
        [group, "alone"] => {
            Some(Operation::MirrorAlone { of: MirrorOf::Group((*group).to_owned()) })
        }
        [group, "alike", mark] => {
            let (group, mark) = ((*group).to_owned(), mark.parse().ok()?);
            Some(Operation::MirrorAlike { group, mark })
        }
        [group, "there", newest, mark] => {
            let (group, newest) = ((*group).to_owned(), (*newest).to_owned());
            Some(Operation::MirrorThere { group, newest, mark: mark.parse().ok()? })
        }
        [group, "chosen"] => Some(Operation::MirrorChosen { group: (*group).to_owned() }),
        _ => None,
    }
}

/// Says what `words` say: an exit code, and what is to be printed.
pub(super) fn run(words: &[OsString]) -> (i32, String) {
    let Some(what) = read(words) else { return (NONSENSE, String::new()) };
    match ask(what, How::ForReal) {
        Said::Written => (0, String::new()),
        Said::WouldBe | Said::Refused | Said::Nothing => (NOT_WRITTEN, String::new()),
    }
}

/// Asks the agent of this machine to write it down, and waits until a majority has it.
pub(super) fn ask(what: Operation, how: How) -> Said {
    ask_at(&run_dir(), what, how)
}

/// Where the agent of this machine has what belongs to one life of it.
pub(super) fn run_dir() -> PathBuf {
    std::env::var_os("TSUGI_RUN_DIR").map_or_else(|| RUN_DIR.into(), PathBuf::from)
}

fn ask_at(run_dir: &Path, what: Operation, how: How) -> Said {
    // Without the kernel's source the id need only differ from every other command's.
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").ok();
    let id = id.map_or_else(|| format!("mirror-{}", std::process::id()), |id| id.trim().to_owned());
    let change = Change {
        command: id,
        words: "tsugi mirroring".to_owned(),
        reason: String::new(),
        origin: String::new(),
        decided_on: None,
        how,
        what,
    };
    let ask = Ask { version: VERSION, request: Request::Change(change) };
    match talk::ask(&socket(run_dir), &ask, PATIENCE).map(|answer| answer.reply) {
        Ok(Reply::Done(_)) => Said::Written,
        Ok(Reply::Outlook(_)) => Said::WouldBe,
        Ok(Reply::No(refused)) if refused.rule > 0 => Said::Refused,
        Ok(_) | Err(_) => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsugi_cluster_rules::mirror::Says;

    #[test]
    fn what_it_is_to_say_it_reads_again_and_nothing_else() {
        let of = |words: &[String]| -> Vec<OsString> {
            words.iter().skip(1).map(OsString::from).collect()
        };
        let group = "PAY".to_owned();
        let alone = read(&of(&words("PAY", Says::Alone)));
        assert_eq!(alone, Some(Operation::MirrorAlone { of: MirrorOf::Group(group.clone()) }));
        let alike = read(&of(&words("PAY", Says::Alike { mark: 7 })));
        assert_eq!(alike, Some(Operation::MirrorAlike { group: group.clone(), mark: 7 }));
        let newest = tsugi_vocabulary::NodeName::new("b").expect("a name");
        let there = read(&of(&words("PAY", Says::There { newest, mark: 7 })));
        let b = "b".to_owned();
        let said = Operation::MirrorThere { group: group.clone(), newest: b, mark: 7 };
        assert_eq!(there, Some(said));
        let chosen = read(&of(&words("PAY", Says::Chosen)));
        assert_eq!(chosen, Some(Operation::MirrorChosen { group }));
        for wrong in [&["PAY"][..], &["PAY", "alike"], &["PAY", "alike", "x"]] {
            let wrong: Vec<OsString> = wrong.iter().map(OsString::from).collect();
            assert_eq!(run(&wrong).0, NONSENSE);
        }
    }

    #[test]
    fn an_agent_that_is_gone_has_written_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let what = Operation::MirrorAlike { group: "PAY".to_owned(), mark: 1 };
        assert_eq!(ask_at(folder.path(), what, How::ForReal), Said::Nothing);
    }
}
