//! The files that a source declares: SELECT … ASSIGN, organization and keys as they are written.

mod keys;

use tsugi_record::field::Place;
use tsugi_record::source::words::{Token, What};
use tsugi_record::source::{self, Pages};

use super::{Names, NotImported};
use crate::manifest::{Dialect, File, Organization};

use keys::Said;

/// A file of a source.
pub(super) struct Selected {
    /// Where.
    pub at: Place,
    /// What the source calls it.
    pub name: String,
    /// What it is outside of the program.
    pub assigned: Assigned,
    organization: Organization,
    keys: Vec<Said>,
    presence: Presence,
}

/// Whether a file has to be there when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// An OPEN fails without it.
    Required,
    /// SELECT OPTIONAL: the program asks for it.
    Optional,
    /// The program makes it: OPEN OUTPUT.
    Made,
}

/// What a file is outside of its program.
pub(super) enum Assigned {
    /// It has this name.
    Name(String),
    /// An item has its name.
    Item(String),
    /// It is a device.
    Device(String),
}

/// Devices that are no files where no name is said; with one it is a file as any other.
const DEVICES: [&str; 2] = ["KEYBOARD", "DISPLAY"];
/// Printers, and the file of lines that the compiler makes of one that has no name of its own.
const PRINTERS: [(&str, &str); 3] =
    [("PRINTER", "PRINTER"), ("PRINTER-1", "PRINTER-1"), ("PRINT", "LPT1")];
/// What a file lies on, which says nothing of its name.
const MEDIA: [&str; 4] = ["DISK", "DISC", "TAPE", "RANDOM"];
/// Media of lines, as long as no organization is said.
const LINED: [&str; 4] = ["CARD-PUNCH", "CARD-READER", "CASSETTE", "MAGNETIC-TAPE"];

/// The files that a program works with, one for each name outside of it, and the names of those
/// that have to be there.
pub(super) fn declared(
    text: &str,
    words: &[Token],
    dialect: Dialect,
) -> Result<(Vec<File>, Vec<String>), NotImported> {
    let (mut out, mut needs): (Vec<File>, Vec<String>) = (Vec::new(), Vec::new());
    for selected in selected(text, words, dialect) {
        let Assigned::Name(name) = &selected.assigned else { continue };
        let (name, at) = (name.clone(), selected.at.clone());
        if !crate::manifest::is_name(&name) {
            return Err(NotImported::Name { name });
        }
        if selected.presence == Presence::Required && !needs.contains(&name) {
            needs.push(name.clone());
        }
        let file = described(name, &selected, (words, dialect))?;
        match out.iter_mut().find(|other| other.name == file.name) {
            None => out.push(file),
            Some(same) if same.agrees(&file) => same.shortest = same.shortest.min(file.shortest),
            Some(_) => return Err(NotImported::File { file: file.name, at }),
        }
    }
    Ok((out, needs))
}

/// A file with its records and keys, as FD has them.
fn described(
    name: String,
    selected: &Selected,
    (words, dialect): (&[Token], Dialect),
) -> Result<File, NotImported> {
    let of_file = |says: String| {
        let (file, at) = (selected.name.clone(), selected.at.clone());
        NotImported::Records { file, at, says }
    };
    let described = source::file(words, &selected.name, dialect.of_records())
        .map_err(NotImported::Interface)?
        .ok_or_else(|| of_file("FD".to_owned()))?;
    let organization = match described.pages {
        Pages::Counted => Organization::LineSequential,
        Pages::Uncounted => selected.organization,
    };
    let shortest = match organization {
        // Lines have lost their trailing spaces.
        Organization::LineSequential => 0,
        _ => described.shortest,
    };
    let keys = match organization {
        Organization::Indexed => selected.keys.iter().map(|key| key.placed(&described)).collect(),
        _ => Ok(Vec::new()),
    };
    let keys = keys.map_err(of_file)?;
    let longest = described.longest;
    let file = File { name, organization, shortest, longest, most: None, keys };
    match file.definition() {
        Ok(_) => Ok(file),
        Err(flaw) => Err(of_file(format!("{flaw:?}"))),
    }
}

/// Whether a source declares no file.
pub(super) fn selected_none(words: &[Token]) -> bool {
    selects(words).next().is_none()
}

/// Every file that is no work file of SORT.
pub(super) fn selected(text: &str, words: &[Token], dialect: Dialect) -> Vec<Selected> {
    let items = items(words);
    let (sorts, made) = (sorts(words), made(words));
    let read = |entry| read(text, entry, &items, dialect);
    let all = selects(words).filter_map(read);
    let all = all.filter(|selected| !sorts.contains(&selected.name));
    all.map(|selected| match selected.presence {
        Presence::Required if made.contains(&selected.name) => {
            Selected { presence: Presence::Made, ..selected }
        }
        _ => selected,
    })
    .collect()
}

/// The files that a program makes somewhere: OPEN OUTPUT.
fn made(words: &[Token]) -> Names {
    let mut out = Names::new();
    for (at, token) in words.iter().enumerate() {
        if token.word() != Some("OPEN") {
            continue;
        }
        let mut output = false;
        for word in words[at + 1..].iter().map_while(Token::word) {
            match word {
                "OUTPUT" => output = true,
                "INPUT" | "I-O" | "EXTEND" => output = false,
                word if super::words::is_verb(word) => break,
                word if output => drop(out.insert(word.to_owned())),
                _ => {}
            }
        }
    }
    out
}

/// The words of each SELECT, up to its period.
fn selects(words: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut control = false;
    let begins = move |(at, token): (usize, &Token)| {
        match token.word() {
            Some("FILE-CONTROL") => control = true,
            Some("DATA" | "PROCEDURE" | "I-O-CONTROL") => control = false,
            Some("SELECT") if control => return Some(at),
            _ => {}
        }
        None
    };
    words.iter().enumerate().filter_map(begins).map(|at| {
        let rest = &words[at + 1..];
        let end = rest.iter().position(|token| token.what == What::Period);
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// The files of SD.
fn sorts(words: &[Token]) -> Names {
    let two = words.windows(2).filter(|two| two[0].word() == Some("SD"));
    two.map(|two| two[1].shown()).collect()
}

/// The names of items: what stands behind a level.
fn items(words: &[Token]) -> Names {
    let mut out = Names::new();
    for three in words.windows(3) {
        let level = three[1].word().and_then(|word| word.parse::<u8>().ok());
        let begins = three[0].what == What::Period;
        if begins && level.is_some_and(|level| matches!(level, 1..=49 | 77)) {
            out.extend(three[2].word().map(str::to_owned));
        }
    }
    out
}

fn read(text: &str, entry: &[Token], items: &Names, dialect: Dialect) -> Option<Selected> {
    let optional = entry.first().and_then(Token::word) == Some("OPTIONAL");
    let entry = if optional { &entry[1..] } else { entry };
    let (name, rest) = entry.split_first()?;
    let clauses = Clauses { text, entry: rest };
    let presence = if optional { Presence::Optional } else { Presence::Required };
    Some(Selected {
        at: name.at.clone(),
        name: name.shown(),
        assigned: clauses.assigned(&name.shown(), items, dialect),
        organization: clauses.organization(),
        keys: keys::said(rest),
        presence,
    })
}

struct Clauses<'a> {
    text: &'a str,
    entry: &'a [Token],
}

impl Clauses<'_> {
    fn word(&self, at: usize) -> Option<&str> {
        self.entry.get(at).and_then(Token::word)
    }

    fn find(&self, word: &str) -> Option<usize> {
        self.entry.iter().position(|token| token.word() == Some(word))
    }

    fn assigned(&self, own: &str, items: &Names, dialect: Dialect) -> Assigned {
        let Some(assign) = self.find("ASSIGN") else { return Assigned::Name(own.to_owned()) };
        let mut at = assign + 1;
        let (mut external, mut dynamic, mut device) = (false, false, None);
        let mut printer = None;
        loop {
            match self.word(at) {
                Some("TO" | "USING" | "FILE" | "IS") => {}
                Some("EXTERNAL") => external = true,
                Some("DYNAMIC") => dynamic = true,
                Some("LINE") if self.word(at + 1) == Some("ADVANCING") => at += 1,
                Some(word) if MEDIA.contains(&word) || LINED.contains(&word) => {}
                Some(word) if DEVICES.contains(&word) => device = Some(word.to_owned()),
                Some(word) if printed(word).is_some() => printer = printed(word),
                _ => break,
            }
            at += 1;
        }
        match (self.entry.get(at), device) {
            (Some(Token { what: What::Literal(name), .. }), _) => Assigned::Name(name.clone()),
            (Some(token), _) if token.word().is_some_and(|word| !is_clause(word)) => {
                let word = token.shown();
                if !external && (dynamic || items.contains(&word)) {
                    return Assigned::Item(word);
                }
                let written = token.written(self.text).unwrap_or(word);
                // The compiler takes what is behind the last hyphen: UT-S-ORDERS.
                let outside = external || dialect == Dialect::Ibm;
                let last = written.rsplit('-').next().filter(|_| outside).map(str::to_owned);
                // What is no item is made one that has the name in upper case.
                Assigned::Name(last.unwrap_or_else(|| written.to_ascii_uppercase()))
            }
            (_, Some(device)) => Assigned::Device(device),
            (_, None) => Assigned::Name(printer.unwrap_or(own).to_owned()),
        }
    }

    /// Whether a printer has no name of its own: then its file is one of lines.
    fn is_printer(&self) -> bool {
        let Some(assign) = self.find("ASSIGN") else { return false };
        let mut rest = self.entry.iter().skip(assign + 1);
        let printer = rest.position(|token| token.word().is_some_and(|it| printed(it).is_some()));
        let next = rest.next();
        printer.is_some_and(|at| at <= 1)
            && next.is_none_or(|next| next.word().is_some_and(is_clause))
    }

    fn organization(&self) -> Organization {
        let has = |word| self.find(word).is_some();
        let lines =
            |two: &[Token]| two[0].word() == Some("LINE") && two[1].word() == Some("SEQUENTIAL");
        let advancing =
            |two: &[Token]| two[0].word() == Some("LINE") && two[1].word() == Some("ADVANCING");
        let is_lines = self.entry.windows(2).any(|two| lines(two) || advancing(two));
        if is_lines {
            Organization::LineSequential
        } else if has("INDEXED") {
            Organization::Indexed
        } else if self.entry.windows(2).any(|two| {
            // RELATIVE alone; not that of RELATIVE KEY.
            two[0].word() == Some("RELATIVE") && two[1].word() != Some("KEY")
        }) || self.word(self.entry.len().wrapping_sub(1)) == Some("RELATIVE")
        {
            Organization::Relative
        } else if !self.says_sequential() && (self.is_printer() || self.is_lined()) {
            Organization::LineSequential
        } else {
            Organization::Sequential
        }
    }

    /// Whether SEQUENTIAL is said of its organization, not of its access.
    fn says_sequential(&self) -> bool {
        let of_access = |at: usize| {
            let before = self.entry[..at].iter().rev().filter_map(Token::word);
            before.into_iter().find(|word| !matches!(*word, "IS" | "MODE")) == Some("ACCESS")
        };
        let said = self.entry.iter().enumerate();
        said.filter(|(_, token)| token.word() == Some("SEQUENTIAL")).any(|(at, _)| !of_access(at))
    }

    /// Whether it lies on a medium of lines.
    fn is_lined(&self) -> bool {
        let Some(assign) = self.find("ASSIGN") else { return false };
        let words = self.entry[assign + 1..].iter().map_while(Token::word);
        words.take_while(|word| !is_clause(word)).any(|word| LINED.contains(&word))
    }
}

/// The file of a printer.
fn printed(word: &str) -> Option<&'static str> {
    PRINTERS.into_iter().find(|(printer, _)| *printer == word).map(|(_, name)| name)
}

/// Words that begin another clause of SELECT.
fn is_clause(word: &str) -> bool {
    matches!(
        word,
        "ORGANIZATION"
            | "ORGANISATION"
            | "ACCESS"
            | "FILE"
            | "STATUS"
            | "RECORD"
            | "ALTERNATE"
            | "RELATIVE"
            | "INDEXED"
            | "SEQUENTIAL"
            | "LINE"
            | "LOCK"
            | "SHARING"
            | "RESERVE"
            | "PADDING"
            | "COLLATING"
            | "MODE"
            | "IS"
    )
}
