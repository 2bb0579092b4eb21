//! Where the items of a record stand.

use tsugi_record::dialect::Dialect;
use tsugi_record::field::Occurs;
use tsugi_record::refused::Why;

use super::{layout, places, read};

#[test]
fn each_usage_has_its_bytes() {
    for (entry, default, mf, ibm) in [
        ("PIC X(20)", 20, 20, 20),
        ("PIC N(3)", 6, 6, 6),
        ("PIC S9(3)", 3, 3, 3),
        ("PIC S9(3) SIGN LEADING SEPARATE", 4, 4, 4),
        ("PIC 9(3) SIGN TRAILING SEPARATE CHARACTER", 3, 3, 3),
        ("PIC ZZ9.99", 6, 6, 6),
        ("PIC 9(2) COMP", 1, 1, 2),
        ("PIC 9(2) COMP-5", 1, 1, 1),
        ("PIC S9(4) BINARY", 2, 2, 2),
        ("PIC S9(6) COMP-4", 4, 3, 4),
        ("PIC 9(7) COMP", 4, 3, 4),
        ("PIC S9(7) COMP", 4, 4, 4),
        ("PIC 9(12) COMPUTATIONAL", 8, 5, 8),
        ("PIC S9(12) COMP", 8, 6, 8),
        ("PIC S9(18) COMP-5", 8, 8, 8),
        ("PIC X(3) COMP-5", 4, 3, 4),
        ("PIC X(3) COMP-X", 3, 3, 3),
        ("PIC 9(5) COMP-X", 3, 3, 3),
        ("PIC S9(7)V99 COMP-3", 5, 5, 5),
        ("PIC 9(4) PACKED-DECIMAL", 3, 3, 3),
        ("PIC 9(5) COMP-6", 3, 3, 3),
        ("COMP-1", 4, 4, 4),
        ("USAGE IS COMPUTATIONAL-2", 8, 8, 8),
        ("BINARY-SHORT UNSIGNED", 2, 2, 2),
        ("USAGE BINARY-DOUBLE", 8, 8, 8),
    ] {
        let text = format!("05 V {entry}.");
        let of = |dialect| read(&text, dialect).unwrap().bytes();
        let seen = (of(Dialect::DEFAULT), of(Dialect::MF), of(Dialect::IBM));
        assert_eq!(seen, (default, mf, ibm), "{entry}");
    }
}

#[test]
fn items_follow_one_another_and_groups_hand_usage_and_sign_down() {
    let layout = layout(
        "05 A COMP. 10 B PIC 9(4). 10 C PIC S9(9).
         05 D SIGN LEADING SEPARATE. 10 E PIC S9(3). 10 F PIC 9(3). 10 PIC X.
         05 G PIC S9(3) COMP-3.",
    );
    let expected = ["R 0+16", "A 0+6", "B 0+2", "C 2+4", "D 6+8", "E 6+4", "F 10+3", "G 14+2"];
    assert_eq!(places(&layout), expected);
}

#[test]
fn synchronized_items_begin_at_a_multiple_of_their_bytes() {
    let layout = layout(
        "05 A PIC X. 05 B PIC S9(4) COMP SYNC. 05 C PIC X. 05 D PIC S9(9) COMP SYNC RIGHT.
         05 E PIC X. 05 F COMP-2 SYNCHRONIZED. 05 G PIC S9(3) COMP-3 SYNC.
         05 T OCCURS 3. 10 H PIC X. 10 I PIC S9(9) COMP SYNC. 10 J PIC X.",
    );
    let expected = [
        "R 0+50", "A 0+1", "B 2+2", "C 4+1", "D 8+4", "E 12+1", "F 16+8", "G 24+2", "T 26+8",
        "H 26+1", "I 28+4", "J 33+1",
    ];
    // The spare bytes of an occurrence stand before its last item.
    assert_eq!(places(&layout), expected);
}

#[test]
fn a_redefinition_has_the_bytes_of_what_it_redefines() {
    let layout = layout(
        "05 A PIC X(6). 05 B REDEFINES A PIC 9(4). 05 C REDEFINES A. 10 D PIC X. 10 E PIC X(5).
         05 F PIC X.",
    );
    let expected = ["R 0+7", "A 0+6", "B 0+4", "C 0+6", "D 0+1", "E 1+5", "F 6+1"];
    assert_eq!(places(&layout), expected);
}

#[test]
fn a_longer_redefinition_moves_what_follows_where_the_dialect_has_it() {
    let text = "05 A PIC X(2). 05 B REDEFINES A PIC X(5). 05 C REDEFINES A PIC X(4). 05 D PIC X.";
    let why = read(text, Dialect::DEFAULT).unwrap_err().why;
    assert_eq!(why, Why::LongerRedefinition { target: "A".to_owned() });
    let expected = ["R 0+6", "A 0+2", "B 0+5", "C 0+4", "D 5+1"];
    assert_eq!(places(&read(text, Dialect::MF).unwrap()), expected);
}

#[test]
fn tables_stand_as_often_as_they_say() {
    let layout = layout(
        "05 N PIC 9(2). 05 T OCCURS 1 TO 5 TIMES DEPENDING ON N ASCENDING KEY IS K INDEXED BY I.
         10 K PIC X(3). 10 V PIC 9(2) OCCURS 2.",
    );
    assert_eq!(places(&layout), ["R 0+37", "N 0+2", "T 2+7", "K 2+3", "V 5+2"]);
    let tsugi_record::field::Kind::Group(fields) = &layout.root.kind else { panic!() };
    let on = "N".to_owned();
    assert_eq!(fields[1].occurs, Occurs::Depending { least: 1, most: 5, on });
}

#[test]
fn conditions_are_kept_with_their_values() {
    let layout = layout(
        "05 S PIC X. 88 OPEN-S VALUE 'O'. 88 OTHERS VALUES ARE 'A' THRU 'C', 'X'. 05 T PIC X.",
    );
    let tsugi_record::field::Kind::Group(fields) = &layout.root.kind else { panic!() };
    let values: Vec<_> = fields[0].conditions.iter().map(|c| (&c.name[..], &c.values)).collect();
    let one = |from: &str, to: Option<&str>| (from.to_owned(), to.map(str::to_owned));
    let others = vec![one("A", Some("C")), one("X", None)];
    assert_eq!(values, [("OPEN-S", &vec![one("O", None)]), ("OTHERS", &others)]);
}

#[test]
fn what_has_no_place_is_refused_with_its_line() {
    let name = |name: &str| name.to_owned();
    for (text, line, why) in [
        ("05 A.", 3, Why::PictureMissing),
        ("05 A PIC X.\n10 B PIC X.", 3, Why::GroupWithPicture),
        ("05 A PIC X.\n03 B PIC X.", 4, Why::Level { level: 3 }),
        ("05 A PIC X COMP.", 3, Why::PictureForUsage { picture: name("X") }),
        ("05 A PIC 9(19) COMP.", 3, Why::PictureForUsage { picture: name("9(19)") }),
        ("05 A PIC S9 COMP-6.", 3, Why::PictureForUsage { picture: name("S9") }),
        ("05 A PIC 9 JUST.", 3, Why::PictureForUsage { picture: name("9") }),
        ("05 A PIC X BLANK WHEN ZERO.", 3, Why::PictureForUsage { picture: name("X") }),
        ("05 A PIC X(9) COMP-X.", 3, Why::PictureForUsage { picture: name("X(9)") }),
        ("05 A COMP-1 PIC 9.", 3, Why::PictureForUsage { picture: name("9") }),
        ("05 A PIC X OCCURS 0.", 3, Why::Occurs),
        ("05 A PIC X OCCURS 200001.", 2, Why::Many),
        ("05 A OCCURS 500. 10 B PIC X OCCURS 500.", 2, Why::Many),
        ("05 A PIC X OCCURS 5 TO 2.", 3, Why::Occurs),
        ("05 A PIC X OCCURS 1 TO 2 DEPENDING ON N.", 3, Why::Depending { on: name("N") }),
        (
            "05 N PIC 9V9.\n05 A PIC X OCCURS 1 TO 2 DEPENDING N.",
            4,
            Why::Depending { on: name("N") },
        ),
        (
            "05 N PIC 9V9. 05 G. 10 N PIC 9.\n05 A PIC X OCCURS 1 TO 2 DEPENDING N.",
            4,
            Why::Depending { on: name("N") },
        ),
        (
            "05 N PIC 9.\n05 M REDEFINES N PIC X.\n05 A PIC X OCCURS 1 TO 2 DEPENDING N.",
            5,
            Why::Depending { on: name("N") },
        ),
        ("05 N PIC 9. 05 A PIC X OCCURS 1 TO 2 DEPENDING N.\n05 B PIC X.", 4, Why::DependingPlace),
        (
            "05 N PIC 9. 05 T OCCURS 2.\n10 A PIC X OCCURS 1 TO 2 DEPENDING N.",
            4,
            Why::DependingPlace,
        ),
        ("05 A PIC X.\n05 B REDEFINES C PIC X.", 4, Why::Redefines { target: name("C") }),
        (
            "05 A PIC X. 05 B PIC X.\n05 C REDEFINES A PIC X.",
            4,
            Why::Redefines { target: name("A") },
        ),
        ("05 A PIC X.\n05 A PIC X.", 4, Why::SameName { name: name("a") }),
        (
            "05 A PIC X. 05 F.\n10 FILLER. 15 A PIC X. 10 A PIC X.",
            4,
            Why::SameName { name: name("a") },
        ),
        ("05 FILLER OCCURS 2. 10 A PIC X.", 3, Why::NamelessTable),
        ("05 A SYNC. 10 B PIC X.", 3, Why::Clause { word: name("SYNCHRONIZED") }),
        ("05 A PIC X(1000) OCCURS 2000.", 3, Why::Large),
        ("05 A OCCURS 2000. 10 B PIC X(1000).", 3, Why::Large),
    ] {
        let refused = read(text, Dialect::DEFAULT).unwrap_err();
        assert_eq!((refused.at.line, refused.why), (line, why), "{text}");
    }
}

#[test]
fn groups_are_as_deep_as_the_limit_and_no_deeper() {
    let nested = |deep: usize| {
        let groups = (0..deep).map(|at| format!("{:02} G{at}.\n", at + 2));
        groups.chain([format!("{:02} V PIC X.", deep + 2)]).collect::<String>()
    };
    let most = tsugi_record::layout::DEPTH_MAX;
    assert!(read(&nested(most - 1), Dialect::DEFAULT).is_ok());
    assert_eq!(read(&nested(most), Dialect::DEFAULT).unwrap_err().why, Why::Deep);
}

#[test]
fn an_item_that_the_compiler_lays_over_the_next_is_refused() {
    // Each of two tables is filled up by one byte, before the same last item.
    let entries = "05 A PIC X. 05 T OCCURS 2. 10 B PIC X. 10 U OCCURS 2.
        15 C PIC X(2).\n15 D PIC S9(4) COMP SYNC OCCURS 3.";
    for (entries, fits) in [
        (entries.to_owned(), false),
        (entries.replace("10 U OCCURS 2", "10 U"), true),
        (entries.replace("10 B PIC X", "10 B PIC XX"), true),
    ] {
        let answer = read(&entries, Dialect::DEFAULT);
        if fits {
            assert!(answer.is_ok(), "{entries}");
        } else {
            let refused = answer.unwrap_err();
            assert_eq!((refused.item.as_deref(), refused.why), (Some("D"), Why::Overlap));
            assert_eq!(refused.at.line, 5);
        }
    }
}
