//! Text in its code pages.

use tsugi_record::code_page::{CodePage, National, Wave};
use tsugi_record::conversion::{Control, Conversion, Nul};
use tsugi_record::unfit::{DoesNotFit, Misfit};
use tsugi_record::{from_json, to_json};

use super::{bytes, layout, value};

fn under(
    entry: &str,
    json: &str,
    conversion: &Conversion,
) -> Result<(Vec<u8>, String), DoesNotFit> {
    let layout = layout(&format!("05 V {entry}."));
    let record = from_json(&layout, format!("{{\"v\":{json}}}").as_bytes(), conversion)?;
    let back = to_json(&layout, &record, conversion)?;
    Ok((record, back.trim_start_matches("{\"v\":").trim_end_matches('}').to_owned()))
}

#[test]
fn text_is_filled_up_with_spaces_and_read_without_them() {
    assert_eq!(bytes("PIC X(5)", "\"AB\""), Ok(b"AB   ".to_vec()));
    assert_eq!(bytes("PIC X(5) JUST RIGHT", "\"AB\""), Ok(b"   AB".to_vec()));
    assert_eq!(bytes("PIC X(5)", "\"\""), Ok(b"     ".to_vec()));
    assert_eq!(value("PIC X(5)", b" AB  "), Ok("\" AB\"".to_owned()));
    assert_eq!(value("PIC X(5) JUST RIGHT", b"  AB "), Ok("\"AB\"".to_owned()));
    assert_eq!(value("PIC A(3)", b"   "), Ok("\"\"".to_owned()));
    assert_eq!(value("PIC ZZ9.99", b"  1.50"), Ok("\"  1.50\"".to_owned()));
}

#[test]
fn text_is_cut_at_its_first_nul_unless_that_is_kept() {
    assert_eq!(value("PIC X(6)", b"vm\0   "), Ok("\"vm\"".to_owned()));
    let kept = Conversion { nul: Nul::Keep, ..Conversion::of(CodePage::ShiftJis) };
    let json = to_json(&layout("05 V PIC X(6)."), b"vm\0   ", &kept);
    assert_eq!(json, Ok("{\"v\":\"vm\\u0000\"}".to_owned()));
}

#[test]
fn the_limit_of_a_text_is_its_bytes_in_the_code_page() {
    // Half-width kana: one byte, two, three.
    let given = "\"漢字ｱ\"";
    for (page, bytes) in [(CodePage::ShiftJis, 5), (CodePage::EucJp, 6), (CodePage::Utf8, 9)] {
        let conversion = Conversion::of(page);
        let fits = under(&format!("PIC X({bytes})"), given, &conversion).unwrap();
        assert_eq!((fits.0.len(), fits.1.as_str()), (bytes, given), "{page:?}");
        let less = u32::try_from(bytes - 1).unwrap();
        let refused = under(&format!("PIC X({less})"), given, &conversion).unwrap_err();
        let why = Misfit::Long { bytes, most: less };
        assert_eq!(refused, DoesNotFit { path: "v".to_owned(), why }, "{page:?}");
    }
}

#[test]
fn characters_of_nec_and_ibm_are_in_shift_jis_and_others_are_refused() {
    let conversion = Conversion::of(CodePage::ShiftJis);
    let (record, back) = under("PIC X(8)", "\"髙﨑①㈱\"", &conversion).unwrap();
    assert_eq!(record, [0xfb, 0xfc, 0xfa, 0xb1, 0x87, 0x40, 0x87, 0x8a]);
    assert_eq!(back, "\"髙﨑①㈱\"");
    for (text, letter) in [("\"吉😀\"", '😀'), ("\"é\"", 'é'), ("\"한\"", '한')] {
        let refused = under("PIC X(20)", text, &conversion).unwrap_err();
        assert_eq!(refused.why, Misfit::NotInCodePage { letter });
        assert_eq!(refused.path, "v");
    }
    assert_eq!(under("PIC X(4)", "\"😀\"", &Conversion::of(CodePage::Utf8)).unwrap().1, "\"😀\"");
}

#[test]
fn characters_that_users_have_made_stay_what_they_are() {
    let conversion = Conversion::of(CodePage::ShiftJis);
    for (letter, bytes) in [
        ('\u{e000}', [0xf0, 0x40]),
        ('\u{e03e}', [0xf0, 0x7e]),
        ('\u{e03f}', [0xf0, 0x80]),
        ('\u{e0bc}', [0xf1, 0x40]),
        ('\u{e757}', [0xf9, 0xfc]),
    ] {
        let text = format!("\"{letter}\"");
        assert_eq!(under("PIC X(2)", &text, &conversion), Ok((bytes.to_vec(), text)));
    }
    let refused = under("PIC X(9)", "\"\u{e758}\"", &conversion).unwrap_err();
    assert_eq!(refused.why, Misfit::NotInCodePage { letter: '\u{e758}' });
}

#[test]
fn where_jis_and_microsoft_differ_either_is_taken_and_one_is_given() {
    let microsoft = Conversion::of(CodePage::ShiftJis);
    let jis = Conversion { wave: Wave::Jis, ..microsoft.clone() };
    for given in ["\"～－∥―￠￡￢\"", "\"〜−‖—¢£¬\""] {
        let (record, back) = under("PIC X(14)", given, &microsoft).unwrap();
        assert_eq!(back, "\"～－∥―￠￡￢\"");
        let other = under("PIC X(14)", given, &jis).unwrap();
        assert_eq!(other, (record, "\"〜−‖—¢£¬\"".to_owned()));
    }
}

#[test]
fn control_characters_are_refused_unless_they_are_kept() {
    for (text, letter) in [("\"a\\u0000\"", 0), ("\"\\n\"", 10), ("\"\\u007f\"", 127)] {
        assert_eq!(bytes("PIC X(5)", text), Err(Misfit::Control { letter }));
    }
    let kept = Conversion { control: Control::Kept, ..Conversion::of(CodePage::ShiftJis) };
    assert_eq!(under("PIC X(3)", "\"a\\tb\"", &kept).unwrap().0, b"a\tb");
}

#[test]
fn half_a_character_at_the_end_is_told_from_what_is_no_text() {
    let half = |bytes: &str| Misfit::HalfCharacter { bytes: bytes.to_owned() };
    let none = |bytes: &str| Misfit::NotText { bytes: bytes.to_owned() };
    for (page, record, why) in [
        (CodePage::ShiftJis, &b"A\x8a\xbf\x8e"[..], half("418abf8e")),
        (CodePage::ShiftJis, b"A\x8e  ", half("418e")),
        (CodePage::ShiftJis, b"\xff\x41  ", none("ff41")),
        (CodePage::EucJp, b"A\xb4\xc1\xbb", half("41b4c1bb")),
        (CodePage::EucJp, b"A\xb4B ", none("41b442")),
        (CodePage::Utf8, b"A\xe6\xbc ", half("41e6bc")),
        (CodePage::Utf8, b"\x8a\xbf  ", none("8abf")),
    ] {
        let layout = layout("05 V PIC X(4).");
        let refused = to_json(&layout, record, &Conversion::of(page)).unwrap_err();
        assert_eq!(refused, DoesNotFit { path: "v".to_owned(), why }, "{page:?}");
    }
}

#[test]
fn national_text_has_two_bytes_a_character() {
    let page = Conversion::of(CodePage::ShiftJis);
    let (record, back) = under("PIC N(3)", "\"漢字\"", &page).unwrap();
    assert_eq!((record.as_slice(), back.as_str()), (&b"\x8a\xbf\x8e\x9a  "[..], "\"漢字\""));
    let refused = |text: &str| under("PIC N(2)", text, &page).unwrap_err().why;
    assert_eq!(refused("\"Aｱ\""), Misfit::Width { letter: 'A' });
    assert_eq!(refused("\"漢字字\""), Misfit::Long { bytes: 6, most: 4 });
    assert_eq!(refused("\"😀\""), Misfit::NotInCodePage { letter: '😀' });
    let wide = Conversion { national: National::Utf16, ..page };
    let (record, back) = under("PIC N(4)", "\"A漢😀\"", &wide).unwrap();
    assert_eq!(record, [0, 0x41, 0x6f, 0x22, 0xd8, 0x3d, 0xde, 0]);
    assert_eq!(back, "\"A漢😀\"");
    assert_eq!(under("PIC N(2)", "\"A\"", &wide).unwrap().0, [0, 0x41, 0, 0x20]);
}

#[test]
fn ascii_has_no_other_characters() {
    let ascii = Conversion::of(CodePage::Ascii);
    assert_eq!(under("PIC X(3)", "\"A~\"", &ascii), Ok((b"A~ ".to_vec(), "\"A~\"".to_owned())));
    for letter in ['é', 'ｱ', '漢'] {
        let refused = under("PIC X(9)", &format!("\"A{letter}\""), &ascii).unwrap_err();
        assert_eq!(refused.why, Misfit::NotInCodePage { letter });
    }
    let refused = to_json(&layout("05 V PIC X(3)."), b"A\x82\xa0", &ascii).unwrap_err();
    assert_eq!(refused.why, Misfit::NotText { bytes: "4182a0".to_owned() });
    let refused = to_json(&layout("05 V PIC X(3)."), "é ".as_bytes(), &ascii).unwrap_err();
    assert_eq!(refused.why, Misfit::NotText { bytes: "c3a9".to_owned() });
    // A page without characters of two bytes has as many in PIC N as there are bytes for.
    assert_eq!(under("PIC N(2)", "\"ABC\"", &ascii), Ok((b"ABC ".to_vec(), "\"ABC\"".to_owned())));
    assert_eq!(
        under("PIC N", "\"ABC\"", &ascii).unwrap_err().why,
        Misfit::Long { bytes: 3, most: 2 }
    );
}

#[test]
fn national_text_that_nothing_was_moved_to_is_empty() {
    let untouched = [0; 4];
    for national in [National::Page(CodePage::ShiftJis), National::Utf16] {
        let conversion = Conversion { national, ..Conversion::of(CodePage::ShiftJis) };
        let json = to_json(&layout("05 V PIC N(2)."), &untouched, &conversion);
        assert_eq!(json, Ok("{\"v\":\"\"}".to_owned()));
        let kept = Conversion { nul: Nul::Keep, ..conversion };
        assert!(to_json(&layout("05 V PIC N(2)."), &untouched, &kept).unwrap().contains("\\u0000"));
    }
    // The second byte of a character may be nought in UTF-16.
    let wide = Conversion { national: National::Utf16, ..Conversion::of(CodePage::ShiftJis) };
    let json = to_json(&layout("05 V PIC N(2)."), &[0x4e, 0, 0, 0], &wide);
    assert_eq!(json, Ok("{\"v\":\"一\"}".to_owned()));
}

#[test]
fn every_character_of_ascii_is_itself_in_every_code_page() {
    let ascii: Vec<u8> = (0..=0x7f).collect();
    for page in [CodePage::ShiftJis, CodePage::EucJp, CodePage::Utf8, CodePage::Ascii] {
        let text = page.decode(&ascii, Wave::Jis).unwrap();
        assert_eq!(text.as_bytes(), ascii, "{page:?}");
        assert_eq!(page.encode(&text), Ok(ascii.clone()));
        // The same beside a character that is none.
        if let Ok(mixed) = page.encode(&format!("{text}漢")) {
            assert_eq!(mixed[..0x80], ascii, "{page:?}");
        }
    }
}

#[test]
fn every_character_of_two_bytes_is_written_as_it_was_read() {
    for (page, least) in [(CodePage::ShiftJis, 9_000), (CodePage::EucJp, 7_000)] {
        let (mut same, mut other) = (0, 0);
        for bytes in (0x8080..=0xffff_u16).map(u16::to_be_bytes) {
            for wave in [Wave::Microsoft, Wave::Jis] {
                let Ok(text) = page.decode(&bytes, wave) else { continue };
                let back = page.encode(&text).unwrap();
                if back == bytes {
                    same += 1;
                    continue;
                }
                // Characters that NEC and IBM have both, and JIS as well: one of their codes.
                assert_eq!(page.decode(&back, wave).as_ref(), Ok(&text), "{page:?} {bytes:02x?}");
                assert_eq!(back.len(), 2, "{page:?} {bytes:02x?} {text}");
                other += 1;
            }
        }
        assert!(same > 2 * least && other < 2 * 400, "{page:?} {same} {other}");
    }
}
