//! Parts code from comments and texts.

/// A text in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Where its first quote stands.
    pub at: usize,
    /// What stands between the quotes, escapes as they are written.
    pub value: String,
}

struct Lexer<'a> {
    bytes: &'a [u8],
    code: Vec<u8>,
    literals: Vec<Literal>,
    at: usize,
}

/// The code with all else blanked out, and the texts.
pub fn read(whole: &str) -> (String, Vec<Literal>) {
    let bytes = whole.as_bytes();
    let mut lexer = Lexer { bytes, code: bytes.to_vec(), literals: Vec::new(), at: 0 };
    while lexer.at < bytes.len() {
        lexer.step();
    }
    let code = String::from_utf8_lossy(&lexer.code).into_owned();
    (code, lexer.literals)
}

impl Lexer<'_> {
    fn here(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn step(&mut self) {
        match (self.here(0), self.here(1)) {
            (b'/', b'/') => self.line_comment(),
            (b'/', b'*') => self.block_comment(),
            (b'"', _) => self.text(),
            (b'r', b'"' | b'#') if !self.inside_a_word() => self.raw_text(),
            (b'\'', _) => self.letter_or_lifetime(),
            _ => self.at += 1,
        }
    }

    /// `r` begins a raw text also behind the `b` or `c` of another kind.
    fn inside_a_word(&self) -> bool {
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let before = |n: usize| self.at.checked_sub(n).and_then(|at| self.bytes.get(at)).copied();
        match before(1) {
            Some(b'b' | b'c') => before(2).is_some_and(part),
            Some(other) => part(other),
            None => false,
        }
    }

    fn blank(&mut self, from: usize, to: usize) {
        for byte in self.code.iter_mut().take(to).skip(from) {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }

    fn line_comment(&mut self) {
        let from = self.at;
        while self.at < self.bytes.len() && self.here(0) != b'\n' {
            self.at += 1;
        }
        self.blank(from, self.at);
    }

    fn block_comment(&mut self) {
        let from = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.here(0), self.here(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        break;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.blank(from, self.at.min(self.bytes.len()));
    }

    fn keep(&mut self, at: usize, from: usize, to: usize) {
        let value = String::from_utf8_lossy(self.bytes.get(from..to).unwrap_or_default());
        self.literals.push(Literal { at, value: value.into_owned() });
        self.blank(from, to);
    }

    fn text(&mut self) {
        let at = self.at;
        self.at += 1;
        while self.at < self.bytes.len() && self.here(0) != b'"' {
            self.at += if self.here(0) == b'\\' { 2 } else { 1 };
        }
        self.keep(at, at + 1, self.at.min(self.bytes.len()));
        self.at += 1;
    }

    fn raw_text(&mut self) {
        let mut hashes = 0;
        while self.here(1 + hashes) == b'#' {
            hashes += 1;
        }
        if self.here(1 + hashes) != b'"' {
            self.at += 1;
            return;
        }
        let at = self.at + 1 + hashes;
        let mut end = at + 1;
        let closes = |end: usize| {
            self.bytes.get(end) == Some(&b'"')
                && (1..=hashes).all(|n| self.bytes.get(end + n) == Some(&b'#'))
        };
        while end < self.bytes.len() && !closes(end) {
            end += 1;
        }
        self.keep(at, at + 1, end.min(self.bytes.len()));
        self.at = end + 1 + hashes;
    }

    fn letter_or_lifetime(&mut self) {
        let from = self.at;
        let wide = match self.here(1) {
            byte if byte < 0x80 => 1,
            byte if byte < 0xe0 => 2,
            byte if byte < 0xf0 => 3,
            _ => 4,
        };
        if self.here(1) == b'\\' {
            self.at += 3;
            while self.at < self.bytes.len() && self.here(0) != b'\'' {
                self.at += 1;
            }
        } else if self.here(1 + wide) == b'\'' {
            self.at += 1 + wide;
        } else {
            self.at += 1;
            return;
        }
        self.blank(from + 1, self.at.min(self.bytes.len()));
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_kind_are_taken_out_and_places_stay() {
        let whole =
            "f(\"a \\\" b\", r#\"c \" d\"#, b\"e\", '\"', '\\'', 'x') // g\n/* h /* i */ */k";
        let (code, literals) = read(whole);
        let values: Vec<_> = literals.iter().map(|l| l.value.as_str()).collect();
        assert_eq!(values, ["a \\\" b", "c \" d", "e"]);
        assert_eq!(code.len(), whole.len());
        assert!(!code.contains(['a', 'd', 'e', 'g', 'h', 'i', 'x']), "left: {code}");
        assert!(code.ends_with('k'));
    }

    #[test]
    fn a_lifetime_is_no_letter() {
        let (code, _) = read("fn f<'a>(x: &'a str) { '語'; \"y\" }");
        assert!(code.contains("<'a>(x: &'a str)"));
        assert!(!code.contains('語') && !code.contains('y'));
    }

    #[test]
    fn a_raw_name_is_no_raw_text() {
        let (code, literals) = read("let r#type = 1; let bar = \"b\";");
        assert!(code.contains("r#type"));
        assert_eq!(literals.len(), 1);
    }
}
