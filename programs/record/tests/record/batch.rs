//! Many values of each kind of item beside what a compiled program makes of them: one program,
//! which reads what to move where, and tells the bytes and the value that it then has.
#![expect(clippy::disallowed_types, reason = "the compiler is asked, by a test only")]

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use tsugi_record::conversion::{Conversion, Numbers};
use tsugi_record::decimal::Decimal;
use tsugi_record::dialect::Dialect;
use tsugi_record::field::{Kind, Layout};
use tsugi_record::{from_json, to_json};

use super::compiler::{DIALECTS, Draw};
use super::{read, sjis};

/// Numbers of every form, with and without a sign, whole, with a fraction and scaled.
const NUMBERS: [&str; 59] = [
    "PIC 9",
    "PIC S9",
    "PIC 9(5)",
    "PIC S9(7)",
    "PIC S9(3)V99",
    "PIC 9(18)",
    "PIC S9(38)",
    "PIC 9(38)",
    "PIC SV9(4)",
    "PIC S9(5) SIGN LEADING",
    "PIC S9(5)V9 SIGN TRAILING",
    "PIC S9(5) SIGN LEADING SEPARATE",
    "PIC S9(3)V9(3) SIGN TRAILING SEPARATE CHARACTER",
    "PIC 9(3)PP",
    "PIC S9(4)P(3)",
    "PIC VPP99",
    "PIC SP(3)9(4)",
    "PIC 9(4) BLANK WHEN ZERO",
    "PIC 9(3)V99 BLANK ZERO",
    "PIC S9 COMP-3",
    "PIC 9(2) COMP-3",
    "PIC S9(4) COMP-3",
    "PIC S9(7)V99 COMP-3",
    "PIC 9(9)V9(9) PACKED-DECIMAL",
    "PIC S9(38) COMP-3",
    "PIC 9(4) COMP-6",
    "PIC 9(5)V99 COMP-6",
    "PIC 9(2) COMP",
    "PIC S9(2) COMP",
    "PIC S9(4) BINARY",
    "PIC 9(4) COMP-4",
    "PIC S9(5) COMP",
    "PIC 9(7) COMP",
    "PIC S9(7)V99 COMP",
    "PIC 9(9) COMP",
    "PIC S9(11) COMP",
    "PIC S9(14)V9(4) COMP",
    "PIC 9(18) COMP",
    "PIC S9(3)PP COMP",
    "PIC SVPP9(4) COMP",
    "PIC 9(2) COMP-5",
    "PIC S9(4) COMP-5",
    "PIC S9(5)V99 COMP-5",
    "PIC 9(9) COMP-5",
    "PIC S9(18) COMP-5",
    "PIC 9(3) COMP-X",
    "PIC 9(5) COMP-X",
    "PIC 9(17) COMP-X",
    "PIC X COMP-X",
    "PIC X(3) COMP-X",
    "PIC X(2) COMP-5",
    "PIC 9(3)PP COMP-5",
    "PIC VP9(3) COMP-X",
    "BINARY-CHAR",
    "BINARY-CHAR UNSIGNED",
    "BINARY-SHORT SIGNED",
    "BINARY-LONG UNSIGNED",
    "BINARY-DOUBLE",
    "BINARY-DOUBLE UNSIGNED",
];

/// The most bytes of an item here.
const BYTES: usize = 40;
/// Digits behind the point of what the program reads and tells.
const SCALE: usize = 18;

/// One thing that the program is asked.
enum Asked {
    /// This number is moved to an item.
    Put { kind: usize, text: String },
    /// These bytes are laid into an item.
    Get { kind: usize, bytes: Vec<u8> },
}

fn program() -> String {
    let mut out = String::from(
        "IDENTIFICATION DIVISION.\nPROGRAM-ID. BATCH.\nDATA DIVISION.\nWORKING-STORAGE SECTION.\n\
         01 Z-LINE PIC X(200).\n\
         01 Z-A REDEFINES Z-LINE. 05 Z-OP PIC X. 05 Z-KIND PIC 9(3). 05 Z-REST PIC X(196).\n\
         05 Z-N REDEFINES Z-REST PIC S9(20)V9(18) SIGN LEADING SEPARATE.\n\
         05 Z-I REDEFINES Z-REST PIC S9(38) SIGN LEADING SEPARATE.\n\
         05 Z-B REDEFINES Z-REST PIC 9(3) OCCURS 40.\n\
         01 Z-OUT PIC S9(20)V9(18) SIGN LEADING SEPARATE.\n\
         01 Z-OUTX REDEFINES Z-OUT PIC X(39).\n\
         01 Z-OUTI REDEFINES Z-OUT PIC S9(38) SIGN LEADING SEPARATE.\n\
         01 Z-BUF PIC X(40).\n01 Z-X PIC 9(3). 01 Z-O PIC 9(3).\n",
    );
    for (at, entry) in NUMBERS.iter().enumerate() {
        writeln!(out, "01 R{at}. 05 V{at} {entry}.").unwrap();
    }
    out.push_str(
        "PROCEDURE DIVISION.\nMAIN.\nACCEPT Z-LINE FROM SYSIN\nIF Z-OP = \"E\" STOP RUN END-IF\n\
         MOVE ZERO TO Z-OUT\nMOVE LOW-VALUES TO Z-BUF\nIF Z-OP = \"G\" PERFORM BYTES END-IF\n\
         EVALUATE Z-KIND\n",
    );
    for (at, entry) in NUMBERS.iter().enumerate() {
        let (from, to) = if is_long(entry) { ("Z-I", "Z-OUTI") } else { ("Z-N", "Z-OUT") };
        writeln!(
            out,
            "WHEN {at}\nIF Z-OP = \"P\" INITIALIZE R{at} MOVE {from} TO V{at} MOVE R{at} TO Z-BUF\n\
             ELSE MOVE Z-BUF TO R{at} END-IF\nMOVE V{at} TO {to}"
        )
        .unwrap();
    }
    out.push_str(
        "END-EVALUATE\nDISPLAY Z-OUTX \" \" NO ADVANCING\n\
         PERFORM VARYING Z-X FROM 1 BY 1 UNTIL Z-X > 40\n\
         COMPUTE Z-O = FUNCTION ORD(Z-BUF(Z-X:1)) - 1\nDISPLAY Z-O NO ADVANCING\nEND-PERFORM\n\
         DISPLAY \" \"\nGO TO MAIN.\nBYTES.\n\
         PERFORM VARYING Z-X FROM 1 BY 1 UNTIL Z-X > 40\n\
         COMPUTE Z-O = Z-B(Z-X) + 1\nMOVE FUNCTION CHAR(Z-O) TO Z-BUF(Z-X:1)\nEND-PERFORM.\n",
    );
    out
}

/// Whether an item has more digits before the point than the common form.
fn is_long(entry: &str) -> bool {
    entry.contains("(38)")
}

/// A number as the program reads it.
fn digits(entry: &str, text: &str) -> String {
    let scale = if is_long(entry) { 0 } else { SCALE };
    let (sign, plain) = text.strip_prefix('-').map_or(('+', text), |plain| ('-', plain));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    format!("{sign}{whole:0>width$}{fraction:0<scale$}", width = 38 - scale)
}

fn line(asked: &Asked) -> String {
    match asked {
        Asked::Put { kind, text } => format!("P{kind:03}{}\n", digits(NUMBERS[*kind], text)),
        Asked::Get { kind, bytes } => {
            let mut out = format!("G{kind:03}");
            for at in 0..BYTES {
                write!(out, "{:03}", bytes.get(at).copied().unwrap_or(0)).unwrap();
            }
            out + "\n"
        }
    }
}

/// The value and the bytes that the program tells.
fn told(line: &str, kind: usize) -> (String, Vec<u8>) {
    let (value, bytes) = line.split_once(' ').unwrap();
    let scale = if is_long(NUMBERS[kind]) { 0 } else { SCALE };
    // What is no number was made of one by the library itself: it is told as it is.
    let shown = |unscaled| Decimal::new(unscaled, i32::try_from(scale).unwrap()).to_string();
    let shown = value.parse().map_or_else(|_| value.to_owned(), shown);
    let bytes = (0..BYTES).map(|at| bytes[3 * at..3 * at + 3].parse().unwrap()).collect();
    (shown, bytes)
}

fn ask(option: &str, asked: &[Asked]) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let (source, batch) = (folder.path().join("BATCH.cbl"), folder.path().join("batch"));
    std::fs::write(&source, program()).unwrap();
    let compiled = Command::new("cobc")
        .args(["-x", "-free", "-w", option, "-o"])
        .args([&batch, &source])
        .output()
        .expect("this test needs cobc: apt-get install gnucobol3");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let lines: String = asked.iter().map(line).collect();
    let file = folder.path().join("asked");
    std::fs::write(&file, lines + "E\n").unwrap();
    let input = std::fs::File::open(&file).unwrap();
    let output = Command::new(&batch).stdin(Stdio::from(input)).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let kinds = asked.iter().map(|asked| match asked {
        Asked::Put { kind, .. } | Asked::Get { kind, .. } => *kind,
    });
    let answers: Vec<_> = text.lines().zip(kinds).map(|(line, kind)| told(line, kind)).collect();
    assert_eq!(answers.len(), asked.len(), "{}", String::from_utf8_lossy(&output.stderr));
    answers
}

fn layouts(dialect: Dialect) -> Vec<Layout> {
    NUMBERS.iter().map(|entry| read(&format!("05 V {entry}."), dialect).unwrap()).collect()
}

fn texts() -> Conversion {
    Conversion { numbers: Numbers::Texts, ..sjis() }
}

fn put(layout: &Layout, text: &str) -> Option<Vec<u8>> {
    from_json(layout, format!("{{\"v\":\"{text}\"}}").as_bytes(), &texts()).ok()
}

fn get(layout: &Layout, bytes: &[u8]) -> Option<String> {
    let json = to_json(layout, bytes, &texts()).ok()?;
    Some(json.trim_start_matches("{\"v\":\"").trim_end_matches("\"}").to_owned())
}

/// Numbers of up to so many digits, more of them than fit: nought, one, the greatest of each
/// length and one more, and drawn ones; each of either sign.
fn drawn(layout: &Layout, draw: &mut Draw) -> Vec<String> {
    let Kind::Group(fields) = &layout.root.kind else { panic!() };
    let Kind::Number(number) = fields[0].kind else { panic!() };
    let mut out = Vec::new();
    for length in 1..=u32::from(number.digits) + 2 {
        let power = 10_i128.checked_pow(length).unwrap_or(i128::MAX);
        let any = i128::from(draw.below(u64::MAX >> 33)) * i128::from(draw.below(1 << 30));
        let any = any * any + any;
        for unscaled in [power - 1, power, any % power, any % (power / 2 + 1)] {
            for value in [unscaled, -unscaled] {
                out.push(Decimal::new(value, i32::from(number.scale)).to_string());
            }
        }
    }
    for bits in [8, 16, 24, 32, 40, 48, 56, 64] {
        for value in [(1_i128 << bits) - 1, 1 << bits, (1 << (bits - 1)) - 1, -(1 << (bits - 1))] {
            out.push(Decimal::new(value, i32::from(number.scale)).to_string());
        }
    }
    out
}

#[test]
fn every_number_that_fits_has_the_bytes_that_a_program_gives_it() {
    for (option, dialect) in DIALECTS {
        let layouts = layouts(dialect);
        let mut draw = Draw::of(5);
        let mut asked = Vec::new();
        for (kind, layout) in layouts.iter().enumerate() {
            let values = drawn(layout, &mut draw).into_iter();
            asked.extend(
                values
                    .filter(|text| put(layout, text).is_some())
                    .map(|text| Asked::Put { kind, text }),
            );
        }
        assert!(asked.len() > 3_000, "{}", asked.len());
        for (asked, (_, bytes)) in asked.iter().zip(ask(option, &asked)) {
            let Asked::Put { kind, text } = asked else { panic!() };
            let ours = put(&layouts[*kind], text).unwrap();
            assert_eq!(ours, bytes[..ours.len()], "{option} {} {text}", NUMBERS[*kind]);
        }
    }
}

#[test]
fn every_bytes_that_are_read_are_what_a_program_reads_there() {
    for (option, dialect) in DIALECTS {
        let layouts = layouts(dialect);
        let mut draw = Draw::of(7);
        let mut asked = Vec::new();
        for (kind, layout) in layouts.iter().enumerate() {
            let values = drawn(layout, &mut draw);
            for bytes in values.iter().filter_map(|text| put(layout, text)) {
                let mut bytes = bytes;
                for _ in 0..4 {
                    if get(layout, &bytes).is_some() {
                        asked.push(Asked::Get { kind, bytes: bytes.clone() });
                    }
                    let at = draw.below(bytes.len() as u64) as usize;
                    bytes[at] = draw.below(256) as u8;
                }
            }
        }
        assert!(asked.len() > 3_000, "{}", asked.len());
        for (asked, (value, _)) in asked.iter().zip(ask(option, &asked)) {
            let Asked::Get { kind, bytes } = asked else { panic!() };
            let ours = get(&layouts[*kind], bytes).unwrap();
            assert_eq!(ours, value, "{option} {} {bytes:02x?}", NUMBERS[*kind]);
        }
    }
}
