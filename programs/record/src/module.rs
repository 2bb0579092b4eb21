//! What a module of GnuCOBOL is to whoever makes, examines or loads one: how it is compiled, what
//! its entries are called in it, and what its names say of how it was compiled.

/// The file handler that modules are compiled for: a name that nothing but a worker has.
pub const HANDLER: &str = "tsugi_file_handler";

/// How cobc is told to make a module: with the handler, and so that an error tells its line.
pub const OPTIONS: [&str; 3] = ["-m", "-fcallfh=tsugi_file_handler", "-fsource-location"];

/// What every module of GnuCOBOL calls first.
pub const ENTERED: &str = "cob_module_global_enter";

/// What opens, reads and writes files without the handler. (`cob_close` is in every module that has
/// files: it closes them at CANCEL.)
const DIRECT: [&str; 7] = [
    "cob_open",
    "cob_read",
    "cob_read_next",
    "cob_write",
    "cob_rewrite",
    "cob_delete",
    "cob_start",
];

/// How the names that a module takes from elsewhere show that it is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign<'a> {
    /// It does not call what every module of GnuCOBOL calls: it is none.
    NotCobol,
    /// It goes to files by this name of libcob, without a handler.
    Direct(&'static str),
    /// It has a handler, which this name belongs to, and not ours.
    OtherHandler(&'a str),
}

/// What the names that a module takes from elsewhere have against it; the first thing.
#[must_use]
pub fn foreign(imports: &[String]) -> Option<Foreign<'_>> {
    let takes = |name: &str| imports.iter().any(|import| import == name);
    if !takes(ENTERED) {
        return Some(Foreign::NotCobol);
    }
    if let Some(direct) = DIRECT.into_iter().find(|name| takes(name)) {
        return Some(Foreign::Direct(direct));
    }
    let handled = imports.iter().find(|name| name.starts_with("cob_extfh_"));
    handled.filter(|_| !takes(HANDLER)).map(|name| Foreign::OtherHandler(name))
}

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
    fn a_module_is_known_by_what_it_takes_from_elsewhere() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(foreign(&of(&[HANDLER])), Some(Foreign::NotCobol));
        let direct = of(&[ENTERED, HANDLER, "cob_close", "cob_read"]);
        assert_eq!(foreign(&direct), Some(Foreign::Direct("cob_read")));
        let other = of(&[ENTERED, "cob_extfh_open", "EXTFH"]);
        assert_eq!(foreign(&other), Some(Foreign::OtherHandler("cob_extfh_open")));
        assert_eq!(foreign(&of(&[ENTERED, "cob_extfh_open", HANDLER, "cob_close"])), None);
        assert_eq!(foreign(&of(&[ENTERED])), None, "it has no files");
    }

    #[test]
    fn modules_are_compiled_for_the_handler() {
        assert!(OPTIONS.contains(&format!("-fcallfh={HANDLER}").as_str()));
    }
}
