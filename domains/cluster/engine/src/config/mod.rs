//! Reads the one configuration file of all nodes into what the operator wants.
//!
//! Every key is read by hand with its place in the file, so each error points at the line, says
//! what is wrong and what to write instead. All errors are reported at once, in file order.

mod cluster;
mod device;
mod difference;
mod group;
pub mod item;
mod ledger;
mod near;
mod page;
mod problem;
mod resource;
mod value;
mod whole;

use sha2::{Digest, Sha256};
use toml::de::{DeTable, Error};
use tsugi_cluster_rules::spec::{ClusterSpec, Failback, GroupSpec};
use tsugi_cluster_rules::timetable::{Days, Timetable};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{GroupName, Wall};

pub use difference::differences;
pub(crate) use near::nearest;
use page::{Notes, Page};
pub use problem::{Problem, Wrong};
pub use value::duration;

/// The port of an agent whose address names none.
pub const DEFAULT_PORT: u16 = 7400;

/// A file that can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What it says, with every default filled in.
    pub spec: ClusterSpec,
    /// SHA-256 of its text.
    pub hash: String,
}

/// Reads `text`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn read(text: &str) -> Result<Resolved, Vec<Problem>> {
    let (document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        return Err(problem::sorted(broken.iter().map(|e| unreadable(text, e)).collect()));
    }
    let notes = Notes::on(text);
    let page = Page::whole_file(&document, &notes);
    let spec = cluster::read(&page);
    let problems = notes.take();
    match spec {
        Some(spec) if problems.is_empty() => Ok(Resolved { spec, hash: hash(text) }),
        Some(_) | None => Err(problem::sorted(problems)),
    }
}

/// What is right and yet worth a word at this time: a date of a failback that is past.
#[must_use]
pub fn warnings(spec: &ClusterSpec, at: Wall) -> Vec<Message> {
    let past = |(name, group): (&GroupName, &GroupSpec)| match group.failback {
        Failback::At(table @ Timetable { on: Days::Once(year, month, day), .. }) => {
            let date = format!("{year}-{month:02}-{day:02}");
            table.next(at).is_none().then(|| messages::config_failback_past(name, date))
        }
        Failback::At(_) | Failback::Never | Failback::Manual | Failback::WhenBetter => None,
    };
    spec.groups.iter().filter_map(past).collect()
}

/// SHA-256 of a file's text in hexadecimal.
#[must_use]
pub fn hash(text: &str) -> String {
    hash_of(text.as_bytes())
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the parser itself refuses: it is no TOML at all, or a key stands there twice.
fn unreadable(text: &str, error: &Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    if error.message().starts_with("duplicate key") {
        let key = text.get(span.clone()).unwrap_or_default();
        return Problem { at: problem::at(&span), wrong: Wrong::KeyTwice(key.to_owned()) };
    }
    let detail = error.message().to_owned();
    Problem { at: problem::at(&span), wrong: Wrong::Syntax(detail) }
}

#[cfg(test)]
mod tests;
