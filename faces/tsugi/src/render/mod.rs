//! Reports as lines for people; pure, so that every node shows the same lines of the same report.

mod doctor;
mod drill;
mod drill_page;
mod explain;
mod listing;
mod lists;
mod message;
mod outcome;
mod rehearsal;
mod status;
mod test_plan;

use tsugi_messages::{Language, Recorded, wrap};
use tsugi_wire::control::{Utc, Words};

pub use doctor::doctor;
pub use drill::{drill, drill_state, findings, proven};
pub use drill_page::drill_page;
pub use explain::{explain, history, outlook, why};
pub use listing::{Length, listing};
pub use lists::{audit, groups, nodes};
pub use message::{message, messages};
pub use rehearsal::{could, rehearsal, rehearsal_page};
pub use status::{Source, status};
pub use test_plan::{Came, Outcome, failure_test_lines, failure_tests_page};

/// How wide a line may be.
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    said.filter(|c| *c >= 40).unwrap_or(80)
}

/// A moment in UTC, which it names (`Z`): nodes in two zones tell one story in the same words.
pub fn moment(utc: Utc) -> String {
    utc.to_string().replacen('T', " ", 1)
}

/// The same to the second, to stand inside of a sentence.
pub fn second(utc: Utc) -> String {
    let text = moment(utc);
    text.split_once('.').map_or(text.clone(), |(second, _)| format!("{second}Z"))
}

/// Recorded words in a language.
fn plain(words: &Words, language: Language) -> String {
    Recorded { id: words.id.clone(), values: words.values.clone() }.words(language)
}

/// A text behind a mark, further lines under its first letter.
pub fn hanging(mark: &str, text: &str, cells: usize) -> Vec<String> {
    let indent = tsugi_messages::width(mark);
    let lines = wrap(text, cells.saturating_sub(indent).max(20));
    let with = |(at, line): (usize, String)| match at {
        0 => format!("{mark}{line}"),
        _ => format!("{}{line}", " ".repeat(indent)),
    };
    lines.into_iter().enumerate().map(with).collect()
}
