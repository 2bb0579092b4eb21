//! Numbers as libcob shows them, and as SQL has them.

use tsugi_frames::is_decimal;

/// Digits as SQL has them: without a plus and without zeros before them. None: it is no number.
pub fn plain(shown: &str) -> Option<String> {
    let shown = shown.trim();
    let (sign, digits) = match shown.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", shown.strip_prefix('+').unwrap_or(shown)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let zero = whole == "0" && fraction.chars().all(|digit| digit == '0');
    let sign = if zero { "" } else { sign };
    let number = match fraction {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    };
    is_decimal(&number).then_some(number)
}

/// Whether two texts are the same number, however many zeros stand behind it.
pub fn is_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| {
        let number = plain(text)?;
        let bare = match number.contains('.') {
            true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => number,
        };
        Some(bare)
    };
    bare(one).is_some_and(|one| Some(one) == bare(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libcob_shows_is_the_number_that_sql_has() {
        for (shown, number) in [
            ("+0012.30", "12.30"),
            ("-000.05", "-0.05"),
            ("0000", "0"),
            ("-0.00", "0.00"),
            ("7", "7"),
        ] {
            assert_eq!(plain(shown).as_deref(), Some(number), "{shown}");
        }
        assert_eq!(plain("  "), Some("0".to_owned()));
        assert_eq!(plain("1 2"), None);
    }

    #[test]
    fn zeros_behind_a_number_do_not_make_another_one() {
        assert!(is_same("12.3", "+012.300"));
        assert!(is_same("-0", "0.00"));
        assert!(!is_same("12.34", "12.3"));
        assert!(!is_same("100", "1"));
        assert!(!is_same("x", "x"));
    }
}
