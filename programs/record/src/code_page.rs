//! Code pages: text as the bytes that a COBOL program has it in.

use encoding_rs::{DecoderResult, EUC_JP, EncoderResult, Encoding, SHIFT_JIS};
use serde::{Deserialize, Serialize};

/// How text is written in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodePage {
    /// ASCII; what is no character of it is refused either way.
    Ascii,
    /// Windows-31J: Shift_JIS with the characters of NEC and IBM.
    ShiftJis,
    /// EUC-JP. Characters of three bytes (JIS X 0212) are read and never written.
    EucJp,
    /// UTF-8.
    Utf8,
}

/// Which of two characters of Unicode stands for one of the pairs in which JIS and Microsoft
/// differ. Either is understood where text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wave {
    /// U+FF5E, U+FF0D, U+2225, U+2015, U+FFE0, U+FFE1, U+FFE2.
    Microsoft,
    /// U+301C, U+2212, U+2016, U+2014, U+00A2, U+00A3, U+00AC.
    Jis,
}

/// Microsoft's character and that of JIS for the same bytes.
const PAIRS: [(char, char); 7] = [
    ('\u{ff5e}', '\u{301c}'),
    ('\u{ff0d}', '\u{2212}'),
    ('\u{2225}', '\u{2016}'),
    ('\u{2015}', '\u{2014}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
    ('\u{ffe2}', '\u{ac}'),
];

/// The first character of those that users have made.
const FIRST_USER_DEFINED: u32 = 0xe000;
/// How many of them have one first byte.
const USER_DEFINED_ROW: u32 = 188;

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoText {
    /// They end in the middle of a character.
    Half,
    /// There is no such character.
    Unknown,
}

impl CodePage {
    fn encoding(self) -> Option<&'static Encoding> {
        match self {
            Self::ShiftJis => Some(SHIFT_JIS),
            Self::EucJp => Some(EUC_JP),
            Self::Ascii | Self::Utf8 => None,
        }
    }

    /// Whether its Japanese characters have two bytes.
    fn has_double_bytes(self) -> bool {
        match self {
            Self::ShiftJis | Self::EucJp => true,
            Self::Ascii | Self::Utf8 => false,
        }
    }

    /// The bytes of a text.
    ///
    /// # Errors
    /// The first character that it has not.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        // ASCII is itself in every one of them; most text of most calls is nothing else.
        if text.is_ascii() {
            return Ok(text.as_bytes().to_vec());
        }
        let Some(encoding) = self.encoding() else {
            let foreign = text.chars().find(|letter| self == Self::Ascii && !letter.is_ascii());
            return foreign.map_or_else(|| Ok(text.as_bytes().to_vec()), Err);
        };
        let mut encoder = encoding.new_encoder();
        let mut out = Vec::with_capacity(text.len());
        for letter in text.chars() {
            let known = swapped(letter, Wave::Microsoft);
            if let Some(bytes) = self.user_defined(known) {
                out.extend(bytes);
                continue;
            }
            // Neither code page has a state, so that each character can be asked for by itself.
            let (mut utf8, mut bytes) = ([0; 4], [0; 16]);
            let own = known.encode_utf8(&mut utf8);
            let (result, _, written) =
                encoder.encode_from_utf8_without_replacement(own, &mut bytes, false);
            if !matches!(result, EncoderResult::InputEmpty) {
                return Err(letter);
            }
            out.extend(&bytes[..written]);
        }
        Ok(out)
    }

    /// Characters that users have made themselves: F040 to F9FC, U+E000 to U+E757. The encoding
    /// reads them and does not write them.
    fn user_defined(self, letter: char) -> Option<[u8; 2]> {
        let index = u32::from(letter).checked_sub(FIRST_USER_DEFINED)?;
        let row = u8::try_from(index / USER_DEFINED_ROW).ok().filter(|row| *row < 10)?;
        let place = u8::try_from(index % USER_DEFINED_ROW).ok()?;
        // 7F is no second byte.
        let second = if place < 0x3f { place + 0x40 } else { place + 0x41 };
        (self == Self::ShiftJis).then_some([0xf0 + row, second])
    }

    /// The text of bytes.
    ///
    /// # Errors
    /// They are none.
    pub fn decode(self, bytes: &[u8], wave: Wave) -> Result<String, NoText> {
        let Some(encoding) = self.encoding() else {
            return match std::str::from_utf8(bytes) {
                Ok(text) if self == Self::Utf8 || text.is_ascii() => Ok(text.to_owned()),
                Err(error) if self == Self::Utf8 && error.error_len().is_none() => {
                    Err(NoText::Half)
                }
                Ok(_) | Err(_) => Err(NoText::Unknown),
            };
        };
        let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) else {
            return Err(why(encoding, bytes));
        };
        Ok(match wave {
            Wave::Microsoft => text.into_owned(),
            Wave::Jis => text.chars().map(|letter| swapped(letter, Wave::Jis)).collect(),
        })
    }
}

/// Whether all of it could be the beginning of a text.
fn why(encoding: &'static Encoding, bytes: &[u8]) -> NoText {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
    let mut text = vec![0; most.unwrap_or(bytes.len() * 3 + 16)];
    match decoder.decode_to_utf8_without_replacement(bytes, &mut text, false).0 {
        DecoderResult::InputEmpty => NoText::Half,
        DecoderResult::OutputFull | DecoderResult::Malformed(..) => NoText::Unknown,
    }
}

fn swapped(letter: char, to: Wave) -> char {
    let pair = PAIRS.iter().find(|(microsoft, jis)| [*microsoft, *jis].contains(&letter));
    match (pair, to) {
        (Some((microsoft, _)), Wave::Microsoft) => *microsoft,
        (Some((_, jis)), Wave::Jis) => *jis,
        (None, _) => letter,
    }
}

/// How the characters of PIC N are written. The compiler puts the bytes of its source there, so
/// this is the code page of the program's source unless it does otherwise by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum National {
    /// Those of a code page. Of Shift_JIS and EUC-JP the characters of two bytes, others are
    /// refused; of ASCII and UTF-8, which have none, all, as many as there are bytes for.
    Page(CodePage),
    /// UTF-16, the high byte first.
    Utf16,
}

/// Why characters are not written in two bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNational {
    /// The code page has no such character.
    Unknown(char),
    /// It has not two bytes there.
    Width(char),
}

impl National {
    /// The bytes of a text.
    ///
    /// # Errors
    /// The first character that has no two bytes.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, NoNational> {
        let Self::Page(page) = self else {
            return Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        };
        let mut out = Vec::new();
        for letter in text.chars() {
            let bytes =
                page.encode(letter.encode_utf8(&mut [0; 4])).map_err(NoNational::Unknown)?;
            if bytes.len() != 2 && page.has_double_bytes() {
                return Err(NoNational::Width(letter));
            }
            out.extend(bytes);
        }
        Ok(out)
    }

    /// The text of bytes, without what it is filled up with.
    ///
    /// # Errors
    /// They are none.
    pub fn decode(self, bytes: &[u8], wave: Wave) -> Result<String, NoText> {
        let text = match self {
            Self::Page(page) => page.decode(bytes, wave)?,
            Self::Utf16 => {
                let units =
                    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                char::decode_utf16(units)
                    .collect::<Result<String, _>>()
                    .map_err(|_| NoText::Unknown)?
            }
        };
        Ok(text.trim_end_matches([' ', '\u{3000}']).to_owned())
    }

    /// What it is filled up with, two bytes at a time.
    #[must_use]
    pub fn fill(self) -> [u8; 2] {
        match self {
            Self::Page(_) => [b' ', b' '],
            Self::Utf16 => [0, b' '],
        }
    }
}
