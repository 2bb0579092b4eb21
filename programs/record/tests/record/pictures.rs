//! What a picture says.

use tsugi_record::dialect::Sign;
use tsugi_record::picture::{Digits, NoPicture, Picture};

fn numeric(stored: u8, scale: i8, sign: Sign) -> Picture {
    Picture::Numeric(Digits { stored, scale, sign })
}

#[test]
fn a_picture_says_what_an_item_holds_and_how_much_of_it() {
    use Sign::{Signed, Unsigned};
    for (text, picture) in [
        ("X", Picture::Alphanumeric(1)),
        ("x(20)", Picture::Alphanumeric(20)),
        ("XX(3)X", Picture::Alphanumeric(5)),
        ("A(4)", Picture::Alphabetic(4)),
        ("A9X", Picture::Alphanumeric(3)),
        ("N(3)", Picture::National(3)),
        ("9", numeric(1, 0, Unsigned)),
        ("S9(7)V99", numeric(9, 2, Signed)),
        ("9(3)V", numeric(3, 0, Unsigned)),
        ("SV9(4)", numeric(4, 4, Signed)),
        ("9(3)PP", numeric(3, -2, Unsigned)),
        ("9(3)P(2)V", numeric(3, -2, Unsigned)),
        ("VPP9(3)", numeric(3, 5, Unsigned)),
        ("PP9(3)", numeric(3, 5, Unsigned)),
        ("9(38)", numeric(38, 0, Unsigned)),
        ("ZZ9.99", Picture::Edited(6)),
        ("-(5)9.99", Picture::Edited(9)),
        ("$$,$$9.99CR", Picture::Edited(11)),
        ("9(5)DB", Picture::Edited(7)),
        ("99/99/9999", Picture::Edited(10)),
        ("X(3)BX(2)", Picture::Edited(6)),
        ("+9(3)", Picture::Edited(4)),
        ("ZZ9V99", Picture::Edited(5)),
    ] {
        assert_eq!(Picture::read(text), Ok(picture), "{text}");
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    for (text, why) in [
        ("", NoPicture::Empty),
        ("X(", NoPicture::Repeat),
        ("X(0)", NoPicture::Repeat),
        ("X(-1)", NoPicture::Repeat),
        ("X()", NoPicture::Repeat),
        ("(3)X", NoPicture::Repeat),
        ("X(99999999999)", NoPicture::Repeat),
        ("X(2000000)", NoPicture::Large { bytes: 2_000_000 }),
        ("N(600000)", NoPicture::Large { bytes: 1_200_000 }),
        ("9(39)", NoPicture::Digits { digits: 39 }),
        ("9(20)V9(20)", NoPicture::Digits { digits: 40 }),
        ("9(30)P(20)", NoPicture::Digits { digits: 50 }),
        ("9VV9", NoPicture::Mixed),
        ("9S9", NoPicture::Mixed),
        ("9P9", NoPicture::Mixed),
        ("SS9", NoPicture::Mixed),
        ("V", NoPicture::Mixed),
        ("S", NoPicture::Mixed),
        ("Q9", NoPicture::Unknown { letter: 'Q' }),
        ("1(8)", NoPicture::Unknown { letter: '1' }),
        ("XN", NoPicture::Unknown { letter: 'N' }),
        ("9C", NoPicture::Unknown { letter: 'C' }),
    ] {
        assert_eq!(Picture::read(text), Err(why), "{text}");
    }
    assert_eq!(Picture::read(&"X".repeat(256)), Err(NoPicture::Long));
}
