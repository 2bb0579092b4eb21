//! Numbers as bytes and bytes as numbers.

use tsugi_record::decimal::{Decimal, NoNumber};
use tsugi_record::unfit::Misfit;

use super::{bytes, value};

#[test]
fn a_decimal_is_read_exactly_and_shown_without_exponent() {
    for (text, shown) in [
        ("0", "0"),
        ("-0", "0"),
        ("0.00", "0"),
        ("007", "7"),
        ("+7", "7"),
        ("-12.50", "-12.5"),
        ("1200", "1200"),
        ("12e3", "12000"),
        ("1.25E-4", "0.000125"),
        ("0.1", "0.1"),
        ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ("0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001"),
    ] {
        assert_eq!(Decimal::read(text).map(|d| d.to_string()), Ok(shown.to_owned()), "{text}");
    }
    for text in ["", "-", ".5", "1.", "1e", "1e+", "0x1", "1 ", " 1", "１２", "--1", "1,5", "NaN"]
    {
        assert_eq!(Decimal::read(text), Err(NoNumber::Form), "{text}");
    }
    let long = "1".repeat(39);
    for text in ["1e101", "1e99999999999", long.as_str(), &"0".repeat(200)] {
        assert_eq!(Decimal::read(text), Err(NoNumber::Large), "{text}");
    }
}

/// Entry, JSON, bytes in hexadecimal: both ways.
const BOTH_WAYS: [(&str, &str, &str); 39] = [
    ("PIC 9(3)", "12", "303132"),
    ("PIC S9(3)", "12", "303132"),
    ("PIC S9(3)", "-12", "303172"),
    ("PIC S9(3)", "-120", "313270"),
    ("PIC S9(3) SIGN LEADING", "-12", "703132"),
    ("PIC S9(3) SIGN LEADING SEPARATE", "-12", "2d303132"),
    ("PIC S9(3) SIGN LEADING SEPARATE", "12", "2b303132"),
    ("PIC S9(3) SIGN TRAILING SEPARATE", "-12", "3031322d"),
    ("PIC 9(3) SIGN LEADING SEPARATE", "12", "303132"),
    ("PIC 9(3)V99", "1.5", "3030313530"),
    ("PIC 9(3)PP", "12300", "313233"),
    ("PIC VPP99", "0.0012", "3132"),
    ("PIC 9(3) BLANK WHEN ZERO", "0", "202020"),
    ("PIC 9(3) BLANK ZERO", "7", "303037"),
    ("PIC S9(3)V99 COMP-3", "-1.25", "00125d"),
    ("PIC S9(3)V99 COMP-3", "1.25", "00125c"),
    ("PIC 9(4) COMP-3", "12", "00012f"),
    ("PIC 9(5) COMP-6", "12345", "012345"),
    ("PIC 9(4) COMP-6", "1234", "1234"),
    ("PIC S9(4) COMP", "-2", "fffe"),
    ("PIC 9(4) COMP", "9999", "270f"),
    ("PIC S9(5)V99 COMP", "-0.01", "ffffffff"),
    ("PIC S9(4) COMP-5", "-123", "85ff"),
    ("PIC 9(4) COMP-5", "65535", "ffff"),
    ("PIC X(3) COMP-X", "70000", "011170"),
    ("PIC X(3) COMP-X", "16777215", "ffffff"),
    ("PIC X(2) COMP-5", "258", "0201"),
    ("PIC 9(9) COMP-5", "4294967295", "ffffffff"),
    ("BINARY-CHAR", "-128", "80"),
    ("BINARY-CHAR UNSIGNED", "255", "ff"),
    ("BINARY-LONG", "-2147483648", "00000080"),
    ("PIC S9(15)", "-999999999999999", "393939393939393939393939393979"),
    ("PIC 9(16)", "\"9999999999999999\"", "39393939393939393939393939393939"),
    ("PIC 9(10)V9(6)", "\"0.000001\"", "30303030303030303030303030303031"),
    ("PIC S9(18) COMP-5", "\"-9223372036854775808\"", "0000000000000080"),
    ("BINARY-DOUBLE UNSIGNED", "\"18446744073709551615\"", "ffffffffffffffff"),
    ("PIC 9(13)PPP", "\"1000\"", "30303030303030303030303031"),
    ("COMP-1", "1.5", "0000c03f"),
    ("COMP-2", "-0.1", "9a9999999999b9bf"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

#[test]
fn numbers_are_bytes_and_bytes_are_numbers() {
    for (entry, json, expected) in BOTH_WAYS {
        assert_eq!(bytes(entry, json).map(|b| hex(&b)), Ok(expected.to_owned()), "{entry} {json}");
        assert_eq!(value(entry, &unhex(expected)), Ok(json.to_owned()), "{entry} {expected}");
    }
}

#[test]
fn a_number_is_taken_as_text_and_with_zeros_that_say_nothing() {
    for given in ["\"12\"", "12.0", "1.2e1", "\"012\"", "\"+12\"", "120e-1"] {
        assert_eq!(bytes("PIC S9(3)", given), Ok(b"012".to_vec()), "{given}");
    }
    for zero in ["-0", "0.000", "\"-0.0\"", "0e99"] {
        assert_eq!(bytes("PIC S9(3)", zero), Ok(b"000".to_vec()), "{zero}");
    }
}

#[test]
fn a_number_that_does_not_fit_is_refused_and_nothing_is_cut() {
    let text = |value: &str| value.to_owned();
    let digits = |value: &str, digits, scale| Misfit::Digits { value: text(value), digits, scale };
    for (entry, json, why) in [
        ("PIC 9(3)", "1000", digits("1000", 3, 0)),
        ("PIC 9(3)V99", "1000", digits("1000", 5, 2)),
        ("PIC 9(3)PP", "100000", digits("100000", 3, -2)),
        ("PIC 9(4) COMP", "10000", digits("10000", 4, 0)),
        ("PIC S9(2) COMP", "-100", digits("-100", 2, 0)),
        ("PIC 9(5) COMP-3", "1e100", digits(&format!("1{}", "0".repeat(100)), 5, 0)),
        ("PIC 9(3)", "-1", Misfit::Sign { value: text("-1") }),
        ("PIC 9(4) COMP-6", "-1", Misfit::Sign { value: text("-1") }),
        ("PIC X(2) COMP-X", "-1", Misfit::Sign { value: text("-1") }),
        ("PIC 9(3)", "1.5", Misfit::Fraction { value: text("1.5"), scale: 0 }),
        ("PIC 9(3)V99", "1.001", Misfit::Fraction { value: text("1.001"), scale: 2 }),
        ("PIC 9(3)PP", "12345", Misfit::Fraction { value: text("12345"), scale: -2 }),
        ("PIC 9(4) COMP-5", "65536", Misfit::Range { value: text("65536"), bytes: 2 }),
        ("PIC S9(4) COMP-5", "32768", Misfit::Range { value: text("32768"), bytes: 2 }),
        (
            "PIC 9(4) COMP-5",
            "1e99",
            Misfit::Range { value: format!("1{}", "0".repeat(99)), bytes: 2 },
        ),
        ("PIC 9(3)V99", "1e101", digits("1e101", 5, 2)),
        ("BINARY-CHAR", "-129", Misfit::Range { value: text("-129"), bytes: 1 }),
        ("PIC 9(3)", "\"\"", Misfit::NotANumber { value: text("") }),
        ("PIC 9(3)", "\"12a\"", Misfit::NotANumber { value: text("12a") }),
        ("PIC 9(3)", "\"１２\"", Misfit::NotANumber { value: text("１２") }),
        ("COMP-2", "\"inf\"", Misfit::NotANumber { value: text("inf") }),
        ("COMP-2", "1e999", Misfit::Infinite { value: text("1e999") }),
        ("COMP-2", "1e-400", Misfit::Infinite { value: text("1e-400") }),
        ("COMP-1", "1e-60", Misfit::Infinite { value: text("1e-60") }),
        ("COMP-1", "1e40", Misfit::Infinite { value: text("1e40") }),
    ] {
        assert_eq!(bytes(entry, json), Err(why), "{entry} {json}");
    }
}

#[test]
fn bytes_that_are_no_number_are_named_and_not_guessed() {
    for (entry, record) in [
        ("PIC 9(3)", "000000"),
        ("PIC 9(3)", "202020"),
        ("PIC 9(3)", "313220"),
        ("PIC 9(3)", "313271"),
        ("PIC S9(3)", "717230"),
        ("PIC S9(3)", "31327a"),
        ("PIC S9(3) SIGN LEADING SEPARATE", "30313233"),
        ("PIC S9(3) SIGN TRAILING SEPARATE", "31323320"),
        ("PIC 9(3) BLANK ZERO", "203031"),
        ("PIC S9(3) COMP-3", "0000"),
        ("PIC S9(3) COMP-3", "2020"),
        ("PIC S9(3) COMP-3", "1a2c"),
        ("PIC S9(4) COMP-3", "12345c"),
        ("PIC 9(3) COMP-3", "123d"),
        ("PIC 9(3) COMP-6", "1234"),
        ("PIC 9(3) COMP-6", "0a12"),
    ] {
        let refused = value(entry, &unhex(record)).unwrap_err();
        assert_eq!(refused.path, "v");
        assert_eq!(refused.why, Misfit::NotDigits { bytes: record.to_owned() }, "{entry}");
    }
    let infinite = f64::INFINITY.to_le_bytes();
    assert_eq!(value("COMP-2", &infinite).unwrap_err().why, Misfit::NotFinite);
    assert_eq!(value("COMP-1", &f32::NAN.to_le_bytes()).unwrap_err().why, Misfit::NotFinite);
}

#[test]
fn every_sign_of_packed_numbers_is_read_as_a_program_reads_it() {
    for (sign, json) in [("a", "12"), ("c", "12"), ("e", "12"), ("f", "12"), ("b", "12")] {
        let record = unhex(&format!("012{sign}"));
        assert_eq!(value("PIC S9(3) COMP-3", &record), Ok(json.to_owned()));
    }
}
