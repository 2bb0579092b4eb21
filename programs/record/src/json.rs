//! JSON with numbers as they are written: nothing is rounded on the way in or out.

use serde::Serialize;

use crate::unfit::{DoesNotFit, Misfit};

/// The most bytes of a text.
pub const TEXT_MAX: usize = 1 << 20;
/// The most arrays and objects inside of each other: two a group, one for its table.
pub const DEPTH_MAX: usize = 2 * crate::layout::DEPTH_MAX + 2;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Truth(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in the order in which it is written; no name stands twice.
    Object(Vec<(String, Json)>),
}

/// What kind of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `null`
    Null,
    /// `true` or `false`
    Truth,
    /// A number.
    Number,
    /// A text.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// In which order the names of an object are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOrder {
    /// As the record has its items.
    Record,
    /// Sorted, so that equal values are equal texts.
    Sorted,
}

impl Json {
    /// What kind it is.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            Self::Null => Shape::Null,
            Self::Truth(_) => Shape::Truth,
            Self::Number(_) => Shape::Number,
            Self::Text(_) => Shape::Text,
            Self::Array(_) => Shape::Array,
            Self::Object(_) => Shape::Object,
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is too long, too deep, no JSON, or has a name twice in one object.
    pub fn read(text: &[u8]) -> Result<Self, DoesNotFit> {
        if text.len() > TEXT_MAX {
            let why = Misfit::Large { bytes: text.len(), most: TEXT_MAX };
            return Err(DoesNotFit::new(why));
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| DoesNotFit::new(Misfit::NotJson { at: error.valid_up_to() }))?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(DEPTH_MAX)?;
        reader.space();
        if reader.at < text.len() { Err(reader.wrong()) } else { Ok(value) }
    }

    /// As text, without spaces.
    #[must_use]
    pub fn written(&self, order: NameOrder) -> String {
        let mut out = String::new();
        self.write(&mut out, order);
        out
    }

    fn write(&self, out: &mut String, order: NameOrder) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Truth(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => quoted(out, text),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out, order);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if order == NameOrder::Sorted {
                    members.sort_by(|a, b| a.0.cmp(&b.0));
                }
                out.push('{');
                for (index, (name, value)) in members.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    quoted(out, name);
                    out.push(':');
                    value.write(out, order);
                }
                out.push('}');
            }
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a text is always written"));
}

/// A text that is being read, and how far.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, DoesNotFit> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth == 0 => {
                Err(DoesNotFit::new(Misfit::Deep { most: DEPTH_MAX }))
            }
            Some(b'{') => self.object(depth - 1),
            Some(b'[') => self.array(depth - 1),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, DoesNotFit> {
        let mut members = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong());
            }
            let name = self.string()?;
            if !names.insert(name.clone()) {
                return Err(DoesNotFit::new(Misfit::SameName { name }));
            }
            self.space();
            if !self.take(b':') {
                return Err(self.wrong());
            }
            let value = self.value(depth).map_err(|error| error.within(&name))?;
            members.push((name, value));
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, DoesNotFit> {
        let mut values = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Json::Array(values));
        }
        loop {
            let index = u32::try_from(values.len()).unwrap_or(u32::MAX);
            values.push(self.value(depth).map_err(|error| error.at(index))?);
            self.space();
            if self.take(b']') {
                return Ok(Json::Array(values));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    /// Up to the quote that no backslash stands before; what stands between is serde_json's.
    fn string(&mut self) -> Result<String, DoesNotFit> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.wrong()),
            }
        }
        let literal = self.text.get(self.at..=end).ok_or_else(|| self.wrong())?;
        let value = serde_json::from_str(literal).map_err(|_| self.wrong())?;
        self.at = end + 1;
        Ok(value)
    }

    fn number(&mut self) -> Result<Json, DoesNotFit> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let in_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let long = rest.bytes().take_while(in_number).count();
        let number = rest.get(..long).unwrap_or_default();
        if !is_number(number) {
            return Err(self.wrong());
        }
        self.at += long;
        Ok(Json::Number(number.to_owned()))
    }

    fn literal(&mut self) -> Result<Json, DoesNotFit> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let known =
            [("null", Json::Null), ("true", Json::Truth(true)), ("false", Json::Truth(false))];
        let found = known.into_iter().find(|(word, _)| rest.starts_with(word));
        let Some((word, value)) = found else { return Err(self.wrong()) };
        self.at += word.len();
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn wrong(&self) -> DoesNotFit {
        DoesNotFit::new(Misfit::NotJson { at: self.at })
    }
}

/// A number as JSON has it: no sign but `-`, no zero before other digits.
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
