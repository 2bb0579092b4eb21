//! Sources of the oracle's programs.

use tsugi_files::definition::{Access, Organization};
use tsugi_files::open::Optional;

use super::program::Depending;
use super::schedule::{Kind, Split};
use super::script::{Line, Order};

/// The program that tries such a file.
pub fn source(kind: Kind) -> String {
    let source = match kind.organization {
        Organization::Indexed => include_str!("oracle/indexed.cbl"),
        Organization::Relative => include_str!("oracle/relative.cbl"),
        Organization::Sequential => include_str!("oracle/sequential.cbl"),
        Organization::LineSequential => include_str!("oracle/line.cbl"),
    };
    let access = match kind.access {
        Access::Sequential => "sequential",
        Access::Random => "random",
        Access::Dynamic => "dynamic",
    };
    let optional = match kind.optional {
        Optional::Yes => "optional",
        Optional::No => "",
    };
    let split = match kind.split {
        Split::Unique => "",
        Split::Duplicates => "with duplicates",
    };
    let size = match kind.depending {
        Depending::Yes => "record is varying in size from 2 to 8 depending on D-LEN",
        Depending::No => "",
    };
    let mut source = source
        .replace("@ACCESS@", access)
        .replace("@OPTIONAL@", optional)
        .replace("@SIZE@", size)
        .replace("@U@", split);
    if kind.access == Access::Random {
        // The compiler takes neither of a file in random access.
        let dropped = ["read F next", "read F previous", "perform start-key"];
        let kept = |line: &&str| !dropped.iter().any(|verb| line.contains(verb));
        let before = source.split("start-key.\n").next().unwrap_or_default();
        source = before.lines().filter(kept).collect::<Vec<_>>().join("\n") + "\n";
    }
    source
}

/// Whether the file is closed WITH LOCK, and so stays closed while the program runs.
pub fn locks(script: &[Line]) -> bool {
    script.iter().any(|line| line.order == Order::CloseLock)
}
