//! The last lines that a process has written.

use std::collections::VecDeque;

/// How many lines are kept.
pub const KEPT_LINES: usize = 20;
/// How many bytes of them.
const KEPT_BYTES: usize = 8 * 1024;

/// The end of what was written, bounded.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    kept: VecDeque<u8>,
    dropped: u64,
}

impl Tail {
    /// Takes what was written next.
    pub fn take(&mut self, bytes: &[u8]) {
        let last = &bytes[bytes.len().saturating_sub(KEPT_BYTES)..];
        self.dropped += (bytes.len() - last.len()) as u64;
        self.kept.extend(last);
        let over = self.kept.len().saturating_sub(KEPT_BYTES);
        self.kept.drain(..over);
        self.dropped += over as u64;
    }

    /// The last lines, for people: what is no UTF-8 is replaced, control characters are spaces. A
    /// line whose beginning was dropped is not among them, unless it is the only one.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<&str> = text.lines().collect();
        if self.dropped > 0 && lines.len() > 1 {
            lines.remove(0);
        }
        let from = lines.len().saturating_sub(KEPT_LINES);
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        lines[from..].iter().map(|line| line.chars().map(shown).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_last_whole_lines_are_kept() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.take(format!("line {number}\n").as_bytes());
        }
        let lines = tail.lines();
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!((lines[0].as_str(), lines[19].as_str()), ("line 99980", "line 99999"));
        assert!(tail.kept.len() <= KEPT_BYTES);
    }

    #[test]
    fn a_line_longer_than_all_that_is_kept_is_told_by_its_end() {
        let mut tail = Tail::default();
        tail.take(&vec![b'x'; 3 * KEPT_BYTES]);
        tail.take(b"end");
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].len()), (1, KEPT_BYTES));
        assert!(lines[0].ends_with("xend"));
        tail.take(b"\nshort\n");
        assert_eq!(tail.lines(), ["short"], "its beginning was dropped");
    }

    #[test]
    fn what_no_person_can_read_is_replaced() {
        let mut tail = Tail::default();
        tail.take(b"a\x1b[31mb\xff\tc");
        assert_eq!(tail.lines(), ["a [31mb\u{fffd} c"]);
    }
}
