//! Pictures: what the characters behind PIC say of an item.

use serde::Serialize;

use crate::dialect::Sign;

/// The most digits a number has.
pub const DIGITS_MAX: u32 = 38;
/// The most bytes an item has; libcob's own limit is 256 MiB, a body's is far less.
pub const BYTES_MAX: u32 = 1 << 20;
/// The longest picture as it is written.
const LENGTH_MAX: usize = 255;

/// What an item holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Picture {
    /// X, or A and 9 and X mixed: so many characters of one byte.
    Alphanumeric(u32),
    /// A alone.
    Alphabetic(u32),
    /// N: so many characters of two bytes.
    National(u32),
    /// 9, with S, V and P.
    Numeric(Digits),
    /// With characters that are put in: so many bytes of text.
    Edited(u32),
}

/// A number's digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Digits {
    /// Digits that are stored, 1 to 38.
    pub stored: u8,
    /// Digits behind the decimal point: 2 for `9V99`; -2 for `9PP`, whose last two are not stored;
    /// 5 for `VPP999`.
    pub scale: i8,
    /// Whether there is an `S`.
    pub sign: Sign,
}

/// Why a picture is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum NoPicture {
    /// 1 There is nothing.
    Empty,
    /// 2 It is longer than 255 characters.
    Long,
    /// 3 A character that is not known or not at that place.
    Unknown {
        /// The character.
        letter: char,
    },
    /// 4 What stands in brackets is no number above zero, or a bracket is missing.
    Repeat,
    /// 5 More digits than 38, or none.
    Digits {
        /// How many.
        digits: u32,
    },
    /// 6 More bytes than the limit.
    Large {
        /// How many.
        bytes: u64,
    },
    /// 7 Characters that do not go together.
    Mixed,
}

impl Picture {
    /// Reads what stands behind PIC: `S9(7)V99`, `X(20)`. Letters of either case.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, NoPicture> {
        if text.is_empty() {
            return Err(NoPicture::Empty);
        }
        if text.len() > LENGTH_MAX {
            return Err(NoPicture::Long);
        }
        let runs = runs(&text.to_ascii_uppercase())?;
        let only = |set: &str| runs.iter().all(|run| set.contains(run.letter));
        if only("X9A") && !only("9") {
            let bytes = total(&runs)?;
            return Ok(if only("A") { Self::Alphabetic(bytes) } else { Self::Alphanumeric(bytes) });
        }
        if only("N") {
            let letters = total(&runs)?;
            return within(u64::from(letters) * 2).map(|_| Self::National(letters));
        }
        if only("9SVP") {
            return numeric(&runs).map(Self::Numeric);
        }
        edited(&runs)
    }
}

/// A character and how often it stands there.
#[derive(Clone, Copy)]
struct Run {
    letter: char,
    times: u32,
}

fn runs(text: &str) -> Result<Vec<Run>, NoPicture> {
    let mut out: Vec<Run> = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '(' || letter == ')' {
            return Err(NoPicture::Repeat);
        }
        let mut times = 1;
        if letters.peek() == Some(&'(') {
            letters.next();
            let mut inside = String::new();
            loop {
                match letters.next() {
                    Some(')') => break,
                    Some(digit) if digit.is_ascii_digit() => inside.push(digit),
                    _ => return Err(NoPicture::Repeat),
                }
            }
            times = inside.parse().ok().filter(|times| *times > 0).ok_or(NoPicture::Repeat)?;
        }
        match out.last_mut().filter(|run| run.letter == letter) {
            Some(run) => run.times = run.times.saturating_add(times),
            None => out.push(Run { letter, times }),
        }
    }
    Ok(out)
}

fn within(bytes: u64) -> Result<u32, NoPicture> {
    let known = u32::try_from(bytes).ok().filter(|bytes| *bytes <= BYTES_MAX);
    known.ok_or(NoPicture::Large { bytes })
}

fn total(runs: &[Run]) -> Result<u32, NoPicture> {
    within(runs.iter().map(|run| u64::from(run.times)).sum())
}

/// `[S] [P…] 9… [V] 9… [P…]`: P stand together at one end, and V, if it is written, beside them.
fn numeric(runs: &[Run]) -> Result<Digits, NoPicture> {
    let mut rest = runs;
    let mut sign = Sign::Unsigned;
    if let Some((first, others)) = rest.split_first().filter(|(run, _)| run.letter == 'S') {
        if first.times > 1 {
            return Err(NoPicture::Mixed);
        }
        (sign, rest) = (Sign::Signed, others);
    }
    let shape: String = rest.iter().map(|run| run.letter).collect();
    if rest.iter().any(|run| run.letter == 'V' && run.times > 1) {
        return Err(NoPicture::Mixed);
    }
    let times = |index: usize| i64::from(rest.get(index).map_or(0, |run| run.times));
    let (stored, scale) = match shape.as_str() {
        "9" | "9V" => (times(0), 0),
        "9V9" => (times(0) + times(2), times(2)),
        "V9" => (times(1), times(1)),
        "9P" | "9PV" => (times(0), -times(1)),
        "P9" => (times(1), times(0) + times(1)),
        "VP9" => (times(2), times(1) + times(2)),
        _ => return Err(NoPicture::Mixed),
    };
    let digits = u32::try_from(stored.max(scale).max(stored - scale)).unwrap_or(u32::MAX);
    if stored == 0 || digits > DIGITS_MAX {
        return Err(NoPicture::Digits { digits });
    }
    let none = || NoPicture::Digits { digits };
    let stored = u8::try_from(stored).map_err(|_| none())?;
    Ok(Digits { stored, scale: i8::try_from(scale).map_err(|_| none())?, sign })
}

/// Text with characters that are put in. What it would hold is not looked at: it is only read.
fn edited(runs: &[Run]) -> Result<Picture, NoPicture> {
    let letters: String = runs.iter().map(|run| run.letter).collect();
    if let Some(letter) = letters.chars().find(|letter| !"XA9SVPZ*+-CRDB,./0$\\".contains(*letter))
    {
        return Err(NoPicture::Unknown { letter });
    }
    // C and R, D and B stand in pairs; a B alone is a space.
    let mut bytes = 0;
    let mut at = 0;
    while let Some(run) = runs.get(at) {
        let next = runs.get(at + 1).map(|run| run.letter);
        match (run.letter, next) {
            ('C', Some('R')) | ('D', Some('B')) if run.times == 1 => {
                bytes += 2;
                at += 1;
            }
            ('C' | 'R' | 'D' | 'S', _) => return Err(NoPicture::Unknown { letter: run.letter }),
            ('V' | 'P', _) => {}
            _ => bytes += u64::from(run.times),
        }
        at += 1;
    }
    if bytes == 0 {
        return Err(NoPicture::Empty);
    }
    within(bytes).map(Picture::Edited)
}
