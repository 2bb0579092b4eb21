//! Every place of the structures, as the compiler of C has it from libcob's header.

use std::fs;
use std::mem::{offset_of, size_of};
use std::process::Command;

use super::{Attributes, Field, File, Global, Key, Linage};

/// Names of ours with theirs, and the places of ours.
macro_rules! places {
    ($($ours:ident $theirs:literal { $($member:ident $name:literal)* })*) => {
        vec![$($(($theirs, $name, offset_of!($ours, $member)),)*)*]
    };
}

/// What a program of C shows.
fn shown(program: &str) -> Vec<usize> {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let source = format!("#include <stdio.h>\n#include <libcob.h>\nint main(){{{program}}}\n");
    fs::write(path("places.c"), source).expect("the source");
    let compiled = Command::new("cc")
        .args(["-o", "places", "places.c"])
        .current_dir(folder.path())
        .output()
        .expect("a compiler of C, as cobc needs it");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let ran = Command::new(path("places")).output().expect("what was compiled runs");
    let text = String::from_utf8(ran.stdout).expect("numbers");
    text.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn every_member_is_where_the_header_has_it() {
    let places = places! {
        Attributes "cob_field_attr" {
            kind "type" digits "digits" scale "scale" flags "flags" picture "pic"
        }
        Field "cob_field" { size "size" data "data" attributes "attr" }
        Key "cob_file_key" {
            field "field" flag "flag" duplicates "tf_duplicates" ascending "tf_ascending"
            suppress "tf_suppress" suppressed "char_suppress" offset "offset"
            count "count_components" parts "component"
        }
        File "cob_file" {
            select_name "select_name" status "file_status" assign "assign" record "record"
            depending "variable_record" keys "keys" file "file" linage "linorkeyptr"
            collating "sort_collating" external "extfh_ptr" shortest "record_min"
            longest "record_max" key_count "nkeys" descriptor "fd" organization "organization"
            access "access_mode" lock "lock_mode" open "open_mode" optional "flag_optional"
            last_open "last_open_mode" operation "flag_operation" nonexistent "flag_nonexistent"
            end "flag_end_of_file" beginning "flag_begin_of_file" first_read "flag_first_read"
            read_done "flag_read_done" features "flag_select_features" needs_line "flag_needs_nl"
            needs_top "flag_needs_top" version "file_version" advancing "flag_line_adv"
            current_key "curkey" mapped_key "mapkey"
        }
        Linage "cob_linage" {
            lines "linage" counter "linage_ctr" footing "latfoot" top "lattop" bottom "latbot"
            page_lines "lin_lines" page_footing "lin_foot" page_top "lin_top"
            page_bottom "lin_bot"
        }
        Global "cob_global" {
            error_file "cob_error_file" exception "cob_exception_code"
            parameters "cob_call_params"
        }
    };
    let print = |(theirs, name, _): &(&str, &str, usize)| {
        format!("printf(\"%zu \",(size_t)__builtin_offsetof({theirs},{name}));")
    };
    let there = shown(&places.iter().map(print).collect::<String>());
    assert_eq!(there.len(), places.len());
    for ((theirs, name, here), there) in places.iter().zip(there) {
        assert_eq!(*here, there, "{theirs}.{name}");
    }
    let sizes = ["cob_field_attr", "cob_field", "cob_file_key", "cob_file"];
    let print = |name: &&str| format!("printf(\"%zu \",sizeof({name}));");
    let there = shown(&sizes.iter().map(print).collect::<String>());
    let here = [size_of::<Attributes>(), size_of::<Field>(), size_of::<Key>(), size_of::<File>()];
    assert_eq!(there, here);
}

#[test]
fn every_number_is_that_of_the_header() {
    let numbers: [(&str, usize); 28] = [
        ("COB_EC_I_O_AT_END", 30),
        ("COB_EC_I_O_EOP", 31),
        ("COB_EC_I_O_INVALID_KEY", 35),
        ("COB_EC_I_O_PERMANENT_ERROR", 38),
        ("COB_EC_I_O_LOGIC_ERROR", 37),
        ("COB_EC_I_O_RECORD_OPERATION", 39),
        ("COB_EC_I_O_FILE_SHARING", 33),
        ("COB_EC_I_O", 29),
        ("COB_EC_I_O_IMP", 34),
        ("COB_ORG_SEQUENTIAL", 0),
        ("COB_ORG_LINE_SEQUENTIAL", 1),
        ("COB_ORG_RELATIVE", 2),
        ("COB_ORG_INDEXED", 3),
        ("COB_ACCESS_SEQUENTIAL", 1),
        ("COB_ACCESS_DYNAMIC", 2),
        ("COB_ACCESS_RANDOM", 3),
        ("COB_OPEN_EXTEND", 4),
        ("COB_OPEN_LOCKED", 5),
        ("COB_CLOSE_LOCK", 1),
        ("COB_CLOSE_NO_REWIND", 2),
        ("COB_CLOSE_UNIT_REMOVAL", 4),
        ("COB_READ_PREVIOUS", 2),
        ("COB_WRITE_BEFORE", 0x0020_0000),
        ("COB_WRITE_LINES", 0x0001_0000),
        ("COB_SELECT_LINAGE", 4),
        ("(COB_SELECT_STDIN|COB_SELECT_STDOUT)", super::feature::STANDARD as usize),
        ("COB_TYPE_NUMERIC_COMP5", super::kind::NATIVE as usize),
        ("COB_FLAG_REAL_BINARY", super::kind::REAL_BINARY as usize),
    ];
    let print = |(name, _): &(&str, usize)| format!("printf(\"%zu \",(size_t)({name}));");
    let there = shown(&numbers.iter().map(print).collect::<String>());
    for ((name, here), there) in numbers.into_iter().zip(there) {
        assert_eq!(here, there, "{name}");
    }
}
