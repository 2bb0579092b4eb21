//! The tables that the programs of a package work with: statements that make them.

/// The statements of a text. Each ends with a semicolon at the end of a line; a line that begins
/// with `--` is a remark. None where the last one does not end.
#[must_use]
pub fn statements(text: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if line.trim_start().starts_with("--") || (open.is_empty() && line.is_empty()) {
            continue;
        }
        match line.strip_suffix(';') {
            Some(last) => {
                open.push(last);
                all.push(open.join("\n"));
                open.clear();
            }
            None => open.push(line),
        }
    }
    open.is_empty().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_with_a_line_that_ends_with_a_semicolon() {
        let text = "-- of the report\ncreate table a (\n  b text\n);\n\n\
                    insert into a values (';x');  \n";
        let expected = ["create table a (\n  b text\n)", "insert into a values (';x')"];
        assert_eq!(statements(text).as_deref(), Some(&expected.map(str::to_owned)[..]));
        assert_eq!(statements(""), Some(Vec::new()));
        assert_eq!(statements("create table a (b text)"), None);
    }
}
