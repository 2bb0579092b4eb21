//! Proves a layout by the compiler itself: a program made of the same source tells where the
//! compiler has put each item and what bytes a value has there.
//!
//! The program is the source's own data division with another procedure; a driver calls it with
//! memory. Who has a compiler builds both together and hands over what they print.

mod samples;
mod write;

use serde::Serialize;

use crate::field::Place;
use crate::source::{self, Interface};
use crate::unfit::hex;

/// The two programs, and what they have to tell if the layouts are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The program that is started, in free form.
    pub driver: String,
    /// The program that it calls, in free form.
    pub program: String,
    told: Vec<Telling>,
}

/// One line that the program prints.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Telling {
    item: String,
    at: Place,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// Where an item stands, and its bytes.
    Place { offset: u32, bytes: u32 },
    /// What a value is there.
    Bytes { value: String, bytes: Vec<u8> },
}

/// What the compiler does otherwise than the layout says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differs {
    /// The item, with its subscripts; empty where the program tells more than it was asked.
    pub item: String,
    /// Where the source describes it.
    pub at: Place,
    /// What.
    pub what: Difference,
}

/// What differs. Numbered for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "differs", content = "detail", rename_all = "kebab-case")]
pub enum Difference {
    /// 1 It stands elsewhere or has other bytes.
    Place {
        /// Offset and bytes of the layout.
        ours: (u32, u32),
        /// Those of the compiler.
        theirs: (i64, u32),
    },
    /// 2 A value has other bytes.
    Bytes {
        /// The value.
        value: String,
        /// Its bytes by the layout, in hexadecimal.
        ours: String,
        /// Those of the compiler.
        theirs: String,
    },
    /// 3 The program ended before it told.
    Silent,
    /// 4 The program told something else.
    Unread {
        /// The beginning of the line.
        line: String,
    },
}

/// The most characters of a line that are shown.
const SHOWN_MAX: usize = 80;

impl Probe {
    /// Of a source in free form and what was read from it. `name` is what the compiler calls the
    /// program where the source does not say it: the name of the file that the program is written
    /// to, without its ending.
    ///
    /// None if the source has no LINKAGE SECTION or no PROCEDURE DIVISION.
    #[must_use]
    pub fn of(text: &str, interface: &Interface, name: &str) -> Option<Self> {
        let (linkage, procedure) = source::cut(text)?;
        let (procedure_text, told) = write::procedure(&interface.parameters);
        let program = [
            text.get(..linkage)?,
            "\n",
            write::ITEMS,
            write::BYTES,
            text.get(linkage..procedure)?,
            "\n",
            &procedure_text,
        ]
        .concat();
        let name = interface.program.as_deref().unwrap_or(name);
        Some(Self { driver: write::driver(&interface.parameters, name), program, told })
    }

    /// Compares what the program has printed with what the layouts say.
    ///
    /// # Errors
    /// The first item that differs.
    pub fn compare(&self, printed: &str) -> Result<(), Box<Differs>> {
        let mut lines = printed.lines();
        for telling in &self.told {
            let differs = |what| {
                let (item, at) = (telling.item.clone(), telling.at.clone());
                Box::new(Differs { item, at, what })
            };
            let line = lines.next().ok_or_else(|| differs(Difference::Silent))?;
            if let Some(what) = difference(&telling.what, line) {
                return Err(differs(what));
            }
        }
        match lines.next() {
            None => Ok(()),
            Some(line) => {
                let at = Place { file: String::new(), line: 0 };
                Err(Box::new(Differs { item: String::new(), at, what: unread(line) }))
            }
        }
    }
}

fn unread(line: &str) -> Difference {
    Difference::Unread { line: line.chars().take(SHOWN_MAX).collect() }
}

fn difference(what: &What, line: &str) -> Option<Difference> {
    match what {
        What::Place { offset, bytes } => {
            let ours = (*offset, *bytes);
            let Some(theirs) = place(line) else { return Some(unread(line)) };
            let same = theirs == (i64::from(ours.0), ours.1);
            (!same).then_some(Difference::Place { ours, theirs })
        }
        What::Bytes { value, bytes } => {
            let Some(theirs) = told_bytes(line) else { return Some(unread(line)) };
            (theirs != *bytes).then(|| Difference::Bytes {
                value: value.clone(),
                ours: hex(bytes),
                theirs: hex(&theirs),
            })
        }
    }
}

/// `P+000000012 000000003`
fn place(line: &str) -> Option<(i64, u32)> {
    let (offset, bytes) = line.strip_prefix('P')?.split_once(' ')?;
    Some((offset.parse().ok()?, bytes.trim().parse().ok()?))
}

/// `B065066`: each byte as three digits.
fn told_bytes(line: &str) -> Option<Vec<u8>> {
    let digits = line.strip_prefix('B')?.trim_end().as_bytes();
    let byte = |three: &[u8]| std::str::from_utf8(three).ok()?.parse().ok();
    if digits.len() % 3 == 0 { digits.chunks(3).map(byte).collect() } else { None }
}
