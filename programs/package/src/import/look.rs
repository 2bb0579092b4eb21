//! Looks through the words of a source for what goes past the file handler, and for what reaches
//! beyond the store.

use serde::Serialize;
use tsugi_record::field::Place;
use tsugi_record::source::words::{Token, What};

use super::files::{self, Assigned};
use super::words::{Function, function, is_verb};
use super::{Declares, Names, Request};
use crate::manifest::Commits;

/// A line that goes past the file handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub at: Place,
    /// What.
    pub what: Bypass,
}

/// What goes past the file handler with GnuCOBOL 3.1.2, or ends a unit of work. Numbered for ever;
/// 10 was LINAGE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Bypass {
    /// 1 SORT or MERGE reads or writes files by itself (USING, GIVING).
    SortsFiles {
        /// SORT or MERGE.
        verb: String,
    },
    /// 2 DELETE FILE.
    DeletesFile,
    /// 3 UNLOCK.
    Unlocks,
    /// 4 COMMIT, where the package does not say that it does nothing.
    Commits,
    /// 5 ROLLBACK, where the package does not say that it does nothing.
    RollsBack,
    /// 6 CANCEL of a program that has files, or of one that is not known: it closes them.
    Cancels {
        /// Which, as it is written.
        target: String,
    },
    /// 7 A function of the run-time system that works with files.
    CallsFiles {
        /// The function.
        name: String,
    },
    /// 8 A function of the run-time system that runs commands.
    CallsSystem {
        /// The function.
        name: String,
    },
    /// 9 EXEC: the compiler has no preprocessor for it.
    Embeds {
        /// The language.
        language: String,
    },
}

/// A line that reaches beyond the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Where.
    pub at: Place,
    /// What.
    pub what: Effect,
}

/// What reaches beyond the store: it is neither rolled back nor done again with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", content = "detail", rename_all = "kebab-case")]
pub enum Effect {
    /// A program is called that is not in the package.
    Calls {
        /// Its name.
        name: String,
    },
    /// A program is called whose name an item has.
    CallsByItem {
        /// The item.
        item: String,
    },
    /// A function of the run-time system is called.
    CallsFunction {
        /// Its name.
        name: String,
    },
    /// Something is read that is no file: the time, the environment, the terminal.
    Accepts {
        /// What; TERMINAL if nothing is said.
        from: String,
    },
    /// Something is shown elsewhere than in the log.
    Displays {
        /// Where.
        upon: String,
    },
    /// The environment is changed: for later calls of the same worker as well.
    SetsEnvironment,
    /// A file is a device.
    Device {
        /// The file as the source calls it.
        file: String,
        /// The device.
        device: String,
    },
    /// A file whose name an item has: it cannot be said before a call whether it is there.
    FileByItem {
        /// The file as the source calls it.
        file: String,
        /// The item.
        item: String,
    },
    /// COMMIT or ROLLBACK, which do nothing in this package.
    DoesNothing {
        /// The word.
        verb: String,
    },
    /// STOP RUN: its call has ended abnormally, nothing of it is kept.
    Stops,
}

/// What was found at a place.
pub(super) enum Found {
    /// It is refused.
    Bypass(Bypass),
    /// It is listed.
    Effect(Effect),
}

/// What is refused, and what is only listed.
pub(super) fn parted(found: Vec<(Place, Found)>) -> (Vec<Finding>, Vec<Seen>) {
    let (mut bypasses, mut effects) = (Vec::new(), Vec::new());
    for (at, found) in found {
        match found {
            Found::Bypass(what) => bypasses.push(Finding { at, what }),
            Found::Effect(what) => effects.push(Seen { at, what }),
        }
    }
    (bypasses, effects)
}

/// Looks through all words of a source.
pub(super) fn look(text: &str, words: &[Token], request: &Request<'_>) -> Vec<(Place, Found)> {
    let mut out = Vec::new();
    for file in files::selected(text, words, request.dialect) {
        let effect = match file.assigned {
            Assigned::Name(_) => continue,
            Assigned::Item(item) => Effect::FileByItem { file: file.name, item },
            Assigned::Device(device) => Effect::Device { file: file.name, device },
        };
        out.push((file.at, Found::Effect(effect)));
    }
    let own = programs(words);
    let look = Look { request, own: &own, has_files: !files::selected_none(words) };
    let mut part = Part::Data;
    for (at, token) in words.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        part = part.after(word, words.get(at + 1));
        let statement = Statement::of(&words[at + 1..]);
        let found = match (word, part) {
            ("EXEC" | "EXECUTE", _) => Some(Found::Bypass(Bypass::Embeds {
                language: statement.first().map(Token::shown).unwrap_or_default(),
            })),
            (_, Part::Data) => None,
            (word, Part::Procedure) => look.statement(word, &statement),
        };
        out.extend(found.map(|found| (token.at.clone(), found)));
    }
    out
}

/// The names of all programs that are called by name.
pub(super) fn called(words: &[Token]) -> Vec<String> {
    let mut out = Vec::new();
    for (at, token) in words.iter().enumerate() {
        if token.word() == Some("CALL") {
            let name = words[at + 1..].iter().take(2).find_map(|token| match &token.what {
                What::Literal(name) => Some(name.trim_end().to_owned()),
                _ => None,
            });
            out.extend(name.filter(|name| !out.contains(name)));
        }
    }
    out
}

/// The part of a program that words stand in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Data,
    Procedure,
}

impl Part {
    fn after(self, word: &str, next: Option<&Token>) -> Self {
        let division = next.and_then(Token::word) == Some("DIVISION");
        match word {
            "PROCEDURE" if division => Self::Procedure,
            "IDENTIFICATION" | "ID" | "ENVIRONMENT" | "DATA" if division => Self::Data,
            "PROGRAM-ID" => Self::Data,
            _ => self,
        }
    }
}

/// The names of all programs of a source, in upper case.
fn programs(words: &[Token]) -> Names {
    let mut out = Names::new();
    for (at, token) in words.iter().enumerate() {
        if token.word() == Some("PROGRAM-ID") {
            let name = words[at + 1..].iter().find(|token| token.what != What::Period);
            out.extend(name.map(|name| name.shown().to_ascii_uppercase()));
        }
    }
    out
}

/// The words of a statement behind its verb: up to a period or the next verb.
struct Statement<'a>(&'a [Token]);

impl<'a> Statement<'a> {
    fn of(rest: &'a [Token]) -> Self {
        let ends = |token: &Token| token.what == What::Period || token.word().is_some_and(is_verb);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        Self(&rest[..end])
    }

    fn first(&self) -> Option<&'a Token> {
        self.0.first()
    }

    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|token| token.word() == Some(word))
    }

    /// What stands behind a word.
    fn behind(&self, word: &str) -> Option<&'a Token> {
        let at = self.0.iter().position(|token| token.word() == Some(word))?;
        self.0.get(at + 1)
    }
}

struct Look<'a> {
    request: &'a Request<'a>,
    own: &'a Names,
    has_files: bool,
}

impl Look<'_> {
    fn statement(&self, verb: &str, rest: &Statement<'_>) -> Option<Found> {
        match verb {
            "SORT" | "MERGE" if rest.has("USING") || rest.has("GIVING") => {
                Some(Found::Bypass(Bypass::SortsFiles { verb: verb.to_owned() }))
            }
            "DELETE" if rest.first().and_then(Token::word) == Some("FILE") => {
                Some(Found::Bypass(Bypass::DeletesFile))
            }
            "UNLOCK" => Some(Found::Bypass(Bypass::Unlocks)),
            "COMMIT" => Some(self.commits(verb, Bypass::Commits)),
            "ROLLBACK" => Some(self.commits(verb, Bypass::RollsBack)),
            "CANCEL" => self.cancels(rest),
            "CALL" => self.calls(rest),
            "ACCEPT" => {
                let from = rest.behind("FROM").map_or_else(|| "TERMINAL".into(), Token::shown);
                Some(Found::Effect(Effect::Accepts { from }))
            }
            "DISPLAY" => {
                let upon = rest.behind("UPON").map(Token::shown)?;
                // What goes to the worker's output is its log.
                let log = ["CONSOLE", "SYSOUT", "SYSERR", "STDOUT", "STDERR", "SYSLIST", "CRT"];
                let elsewhere = !log.contains(&upon.as_str());
                elsewhere.then_some(Found::Effect(Effect::Displays { upon }))
            }
            "SET" if rest.first().and_then(Token::word) == Some("ENVIRONMENT") => {
                Some(Found::Effect(Effect::SetsEnvironment))
            }
            "STOP" if rest.first().and_then(Token::word) == Some("RUN") => {
                Some(Found::Effect(Effect::Stops))
            }
            _ => None,
        }
    }

    fn commits(&self, verb: &str, refused: Bypass) -> Found {
        match self.request.commits {
            Commits::Refused => Found::Bypass(refused),
            Commits::Nothing => Found::Effect(Effect::DoesNothing { verb: verb.to_owned() }),
        }
    }

    /// One program of the package after the other must be known to have no files.
    fn cancels(&self, rest: &Statement<'_>) -> Option<Found> {
        let harmless = |token: &Token| match &token.what {
            What::Literal(name) => self.has_no_files(name),
            _ => false,
        };
        let target = rest.0.iter().find(|token| !harmless(token))?.shown();
        Some(Found::Bypass(Bypass::Cancels { target }))
    }

    fn has_no_files(&self, name: &str) -> bool {
        let name = name.trim_end();
        if self.own.contains(&name.to_ascii_uppercase()) {
            return !self.has_files;
        }
        let mut others = self.request.others.iter();
        others.any(|other| other.entry == name && other.files == Declares::None)
    }

    fn calls(&self, rest: &Statement<'_>) -> Option<Found> {
        let mut tokens = rest.0.iter();
        let mut target = tokens.next()?;
        // How it is called: STATIC, STDCALL, or a mnemonic name before a literal.
        if let Some("STATIC" | "STDCALL" | "EXTERN") = target.word() {
            target = tokens.next().unwrap_or(target);
        } else if target.word().is_some()
            && let Some(next) = rest.0.get(1).filter(|next| matches!(next.what, What::Literal(_)))
        {
            target = next;
        }
        let name = match &target.what {
            What::Literal(name) => name.trim_end().to_owned(),
            _ => return Some(Found::Effect(Effect::CallsByItem { item: target.shown() })),
        };
        let known = self.own.contains(&name.to_ascii_uppercase())
            || self.request.others.iter().any(|other| other.entry == name);
        match function(&name) {
            Some(Function::Files) => Some(Found::Bypass(Bypass::CallsFiles { name })),
            Some(Function::System) => Some(Found::Bypass(Bypass::CallsSystem { name })),
            Some(Function::Other) => Some(Found::Effect(Effect::CallsFunction { name })),
            None if known => None,
            None => Some(Found::Effect(Effect::Calls { name })),
        }
    }
}
