//! What a module of GnuCOBOL is to whoever makes, examines or loads one: how it is compiled, and
//! what its entries are called in it.

/// The file handler that modules are compiled for: a name that nothing but a worker has.
pub const HANDLER: &str = "tsugi_file_handler";

/// How cobc is told to make a module: with the handler, and so that an error tells its line.
pub const OPTIONS: [&str; 3] = ["-m", "-fcallfh=tsugi_file_handler", "-fsource-location"];

/// What an entry is called in its module, and in the name of the module's file: letters, digits and
/// `_` as they are, `__` for `-`, other bytes as two digits behind `_`, and `_` before a digit that
/// it begins with.
#[must_use]
pub fn symbol(entry: &str) -> String {
    let mut out = String::new();
    if entry.starts_with(|first: char| first.is_ascii_digit()) {
        out.push('_');
    }
    for byte in entry.bytes() {
        match byte {
            b'-' => out.push_str("__"),
            b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            other => out.push_str(&format!("_{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_called_as_the_compiler_calls_it() {
        for (entry, expected) in [
            ("CBLAPP01", "CBLAPP01"),
            ("address-check", "address__check"),
            ("1ST", "_1ST"),
            ("A.B", "A_2EB"),
            ("A_B", "A_B"),
        ] {
            assert_eq!(symbol(entry), expected);
        }
    }

    #[test]
    fn modules_are_compiled_for_the_handler() {
        assert!(OPTIONS.contains(&format!("-fcallfh={HANDLER}").as_str()));
    }
}
