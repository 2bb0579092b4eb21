//! Columns that align, also with full-width characters.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many terminal cells a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text and blanks up to a width.
#[must_use]
pub fn pad(text: &str, cells: usize) -> String {
    let missing = cells.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text if it fits, else its beginning and `…`.
#[must_use]
pub fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide + 1 > cells {
            break;
        }
        out.push(letter);
        used += wide;
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// Breaks a text into lines of a width: at blanks, and between full-width characters.
#[must_use]
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        let fits = width(&line) + width(piece.trim_end()) <= cells;
        if !fits && !line.is_empty() && !may_not_begin_a_line(&piece) {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        line.push_str(&piece);
    }
    if !line.trim_end().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// What may not be parted: a word with the blank behind it, or one full-width character.
fn pieces(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0) > 1;
        match out.last_mut() {
            Some(last) if open && !wide => last.push(letter),
            _ => out.push(letter.to_string()),
        }
        open = !wide && letter != ' ';
    }
    out
}

fn may_not_begin_a_line(piece: &str) -> bool {
    piece.starts_with(['。', '、', ')', '」', '』', 'ー', '.', ',', ')'])
}

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows that are printed with aligned columns, two blanks apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row; a missing cell is empty, one too many is not printed.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// Whether no row was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, none wider than `cells`: the last column is cut.
    #[must_use]
    pub fn lines(&self, cells: usize) -> Vec<String> {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| self.rows.iter().filter_map(|r| r.get(at)).map(|c| width(c)).max())
            .map(|widest| widest.unwrap_or(0))
            .collect();
        self.rows.iter().map(|row| cut(&self.line(row, &widths), cells)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut out = String::new();
        for (at, (column, wide)) in self.columns.iter().zip(widths).enumerate() {
            let cell = row.get(at).map_or("", String::as_str);
            if at > 0 {
                out.push_str("  ");
            }
            match column {
                Column::Left => out.push_str(&pad(cell, *wide)),
                Column::Right => {
                    out.push_str(&" ".repeat(wide.saturating_sub(width(cell))));
                    out.push_str(cell);
                }
            }
        }
        out.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_width_cells_keep_the_next_column_in_line() {
        let mut table = Table::new([Column::Left, Column::Right, Column::Left]);
        table.row(["グループ", "回数", "状態"]).row(["PAY", "12", "稼働中"]);
        let lines = table.lines(80);
        assert_eq!(lines, ["グループ  回数  状態", "PAY         12  稼働中"]);
    }

    #[test]
    fn a_line_is_cut_at_the_screen_and_says_so() {
        assert_eq!(cut("継ぎ目", 5), "継ぎ…");
        assert_eq!(cut("継ぎ目", 6), "継ぎ目");
        assert_eq!(cut("node1", 4), "nod…");
        assert_eq!(width(&cut("継ぎ目の無い", 6)), 5);
    }

    #[test]
    fn a_text_wraps_at_blanks_and_between_full_width_characters() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("引き継ぎました。", 8), ["引き継ぎ", "ました。"]);
        assert_eq!(wrap("引き継ぎ。次", 8), ["引き継ぎ。", "次"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
