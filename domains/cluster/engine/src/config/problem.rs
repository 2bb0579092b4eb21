//! One thing that is wrong with a file, and how it is shown: what to write, the line, a caret.

use std::net::IpAddr;
use std::ops::Range;

use tsugi_messages::{self as messages, Language, Message, phrase, width};
use tsugi_vocabulary::{GroupName, ResourceName, Span};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The bytes of the file that it is about: first and past the last.
    pub at: (usize, usize),
    /// What is wrong.
    pub wrong: Wrong,
}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It is no TOML; the parser's words.
    Syntax(String),
    /// A key stands there twice.
    KeyTwice(String),
    /// A key that no table of this kind has.
    KeyUnknown {
        /// The key.
        key: String,
        /// The known ones: one if it was probably meant, else all.
        known: Vec<String>,
    },
    /// A key or table that has to be there.
    Missing {
        /// The key.
        key: String,
        /// What to add.
        example: String,
    },
    /// A value that this key cannot have.
    Value {
        /// The key.
        key: String,
        /// The value, as it is written.
        value: String,
        /// What to write.
        expected: String,
    },
    /// A name that is longer than the 31 characters of a name.
    NameTooLong {
        /// The name.
        name: String,
        /// How long it is.
        length: usize,
    },
    /// A node, group or resource that is not defined.
    Reference {
        /// The name.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Something that may stand in one place only.
    Twice(String),
    /// Resources that wait for each other.
    Cycle(String),
    /// An address that something else has.
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// Who has it.
        by: String,
    },
    /// Two voters and no third.
    NoThirdVote,
    /// A ledger on a disk, of other than two nodes.
    DiskOfTwo,
    /// Groups that have to be both apart and together.
    ApartAndTogether(GroupName, String),
    /// Groups that can never share a node.
    NeverTogether(GroupName, GroupName),
    /// Something that only one node can hold, in a parallel group.
    ParallelAlone(GroupName, ResourceName),
    /// Two keys of which only one may stand there.
    Exclude(String, String),
    /// A key that means nothing without another.
    Needs(String, String),
    /// A password that everybody may read who may read the file; it is not told again.
    OpenPassword(String),
    /// A stop budget that leaves no lease.
    Budget {
        /// The group.
        group: GroupName,
        /// The budget.
        budget: Span,
        /// The longest that is possible.
        most: Span,
    },
}

/// Problems in the order of the file.
pub(super) fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    problems
}

impl Problem {
    /// The number of the line, from 1.
    #[must_use]
    pub fn line(&self, text: &str) -> usize {
        text[..self.start(text)].matches('\n').count() + 1
    }

    /// The message: `FILE:LINE: what is wrong, what to write`.
    #[must_use]
    pub fn message(&self, file: &str, text: &str, language: Language) -> Message {
        self.wrong.message((file, self.line(text)), language)
    }

    /// The message, the line of the file, and a caret under what is wrong.
    #[must_use]
    pub fn show(&self, file: &str, text: &str, language: Language) -> String {
        if matches!(self.wrong, Wrong::OpenPassword(_)) {
            return format!("{}\n", self.message(file, text, language).line(language));
        }
        let start = self.start(text);
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let shown = text[begin..].lines().next().unwrap_or_default();
        let mut end = self.at.1.clamp(start, (begin + shown.len()).max(start));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let number = self.line(text).to_string();
        format!(
            "{what}\n{number} | {shown}\n{margin} | {blank}{caret}\n",
            what = self.message(file, text, language).line(language),
            shown = shown.replace('\t', " "),
            margin = " ".repeat(number.len()),
            blank = " ".repeat(width(&text[begin..start].replace('\t', " "))),
            caret = "^".repeat(width(&text[start..end]).max(1)),
        )
    }

    fn start(&self, text: &str) -> usize {
        let mut start = self.at.0.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        start
    }
}

/// A place in bytes as problems keep it.
pub(super) fn at(span: &Range<usize>) -> (usize, usize) {
    (span.start, span.end)
}

impl Wrong {
    fn message(&self, (file, line): (&str, usize), language: Language) -> Message {
        match self {
            Self::Syntax(detail) => messages::config_syntax(file, line, detail),
            Self::KeyTwice(key) => messages::config_duplicate_key(file, line, key),
            Self::KeyUnknown { key, known } => {
                let expected = choices(known, language);
                messages::config_unknown_key(file, line, key, expected)
            }
            Self::Missing { key, example } => {
                messages::config_missing_key(file, line, key, example)
            }
            Self::Value { key, value, expected } => {
                messages::config_bad_value(file, line, key, value, expected)
            }
            Self::NameTooLong { name, length } => {
                messages::config_name_too_long(file, line, name, length)
            }
            Self::Reference { name, known } => {
                messages::config_unknown_reference(file, line, name, known.join(", "))
            }
            Self::Twice(value) => messages::config_given_twice(file, line, value),
            Self::Cycle(chain) => messages::config_cycle(file, line, chain),
            Self::AddressTaken { address, by } => {
                messages::config_address_taken(file, line, address, by)
            }
            Self::NoThirdVote => messages::refused_two_nodes_without_witness(file),
            Self::DiskOfTwo => messages::config_disk_of_two(file, line),
            Self::ApartAndTogether(group, other) => {
                messages::config_apart_and_together(file, line, group, other)
            }
            Self::NeverTogether(group, other) => {
                messages::config_never_together(file, line, group, other)
            }
            Self::ParallelAlone(group, resource) => {
                messages::config_parallel_alone(file, line, group, resource)
            }
            Self::Exclude(key, other) => messages::config_keys_exclude(file, line, key, other),
            Self::Needs(key, other) => messages::config_key_needs(file, line, key, other),
            Self::OpenPassword(key) => messages::config_open_password(file, line, key),
            Self::Budget { group, budget, most } => {
                let (budget, most) = (budget.as_millis(), most.as_millis());
                messages::config_lease_too_short(file, line, group, budget, most)
            }
        }
    }
}

/// `did you mean "x"?`, or all that there is.
fn choices(known: &[String], language: Language) -> String {
    match known {
        [one] => phrase::did_you_mean(one).text(language),
        all => phrase::there_are_only(all.join(", ")).text(language),
    }
}
