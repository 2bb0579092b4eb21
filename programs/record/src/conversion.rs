//! What a service says of how its records become JSON: nothing here is in the program's source.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::code_page::{CodePage, National, Wave};

/// How records become JSON and JSON becomes records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// Of PIC X and PIC A.
    pub code_page: CodePage,
    /// Of PIC N.
    pub national: National,
    /// Which of two characters stands for the pairs in which JIS and Microsoft differ.
    pub wave: Wave,
    /// What becomes of text from its first NUL on.
    pub nul: Nul,
    /// Control characters in what is given.
    pub control: Control,
    /// How numbers are written.
    pub numbers: Numbers,
    /// What is not there in what is given.
    pub missing: Missing,
    /// Items with editing characters in what is given.
    pub edited: Edited,
    /// Redefinitions that are used in place of what they redefine, by their names in the source.
    pub chosen: BTreeSet<String>,
}

impl Conversion {
    /// With everything else as it is by default: refused where it could be a mistake.
    #[must_use]
    pub fn of(code_page: CodePage) -> Self {
        Self {
            code_page,
            national: National::Page(code_page),
            wave: Wave::Microsoft,
            nul: Nul::Cut,
            control: Control::Refused,
            numbers: Numbers::ByDigits,
            missing: Missing::Refused,
            edited: Edited::OnlyRead,
            chosen: BTreeSet::new(),
        }
    }
}

impl Conversion {
    /// Whether spaces and zeros stand for what is not there.
    pub(crate) fn fills_up(&self) -> bool {
        match self.missing {
            Missing::Initial => true,
            Missing::Refused => false,
        }
    }
}

/// What becomes of text from its first NUL on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nul {
    /// It is left out: a function of C has ended its text there.
    Cut,
    /// It stays, as U+0000.
    Keep,
}

/// Control characters in text that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// They are refused.
    Refused,
    /// They are characters like others.
    Kept,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    /// As numbers if the item has 15 digits at most, which a reader with binary fractions keeps;
    /// else as texts. It follows from the item and not from its value.
    ByDigits,
    /// As numbers.
    Numbers,
    /// As texts.
    Texts,
}

/// What is not there in what is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// It is refused.
    Refused,
    /// Spaces and zeros stand for it; a table may be shorter.
    Initial,
}

/// Items with editing characters in what is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edited {
    /// They are refused, and need not be there.
    OnlyRead,
    /// They are text.
    Text,
}
