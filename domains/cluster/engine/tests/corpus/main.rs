//! Everything that version 1 keeps in the ledger, sends in a beat or writes as a founding, kept
//! for ever (I20): later versions read it, and while they write format 1, write the same bytes.
//!
//! A file holds the bytes of one value behind its format byte. `TSUGI_WRITE_CORPUS=1` adds files
//! that are missing; it never changes one that is there.

mod causes;
mod datagrams;
mod drills;
mod fences;
mod ledger;
mod parity;
mod plans;

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tsugi_cluster_engine::agent::Founding;
use tsugi_cluster_engine::records::{FORMAT, decode, encode};
use tsugi_vocabulary::{GroupName, NodeName, ResourceName};

/// Each pattern is a variant: a variant without its pattern does not compile, a pattern without
/// its value in the corpus fails.
macro_rules! every {
    ($values:expr, $($pattern:pat),+ $(,)?) => {{
        let values = $values;
        for value in &values {
            match value { $($pattern => {}),+ }
        }
        $(assert!(
            values.iter().any(|v| matches!(v, $pattern)),
            "the corpus has no {}", stringify!($pattern)
        );)+
    }};
}
pub(crate) use every;

/// The folder of the files of format 1.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/v1")
}

/// Reads the file `name` as a value of format 1 and compares both ways.
pub(crate) fn keeps<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let path = folder().join(format!("{name}.json"));
    let now = encode(value);
    assert_eq!(now[0], 1, "this corpus is of format 1");
    if !path.exists() && std::env::var_os("TSUGI_WRITE_CORPUS").is_some() {
        fs::create_dir_all(folder()).expect("the folder can be made");
        fs::write(&path, [&now[1..], b"\n"].concat()).expect("the file can be written");
    }
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let kept = text.strip_suffix(b"\n").expect("a file ends with a newline");
    let bytes = [&[FORMAT], kept].concat();
    let read: T = decode(&bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(read, *value, "{name} is read as something else");
    assert_eq!(
        String::from_utf8_lossy(&now[1..]),
        String::from_utf8_lossy(kept),
        "{name} is written differently"
    );
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("a name")
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::new(name).expect("a name")
}

pub(crate) fn resource(name: &str) -> ResourceName {
    ResourceName::new(name).expect("a name")
}

#[test]
fn a_founding_of_version_1_is_read_and_still_written_the_same() {
    let founder = Founding::read(&folder()).expect("founding.json is kept");
    assert_eq!(founder.format, 1);
    assert_eq!(founder.voter(&node("b")), Some(2));
    let there = tempfile::tempdir().expect("a directory");
    let written = |founding: &Founding| {
        founding.write(there.path()).expect("it can be written");
        fs::read_to_string(there.path().join("founding.json")).expect("it is there")
    };
    let kept = fs::read_to_string(folder().join("founding.json")).expect("it is there");
    assert_eq!(written(&founder), kept);
    let joiner = folder().join("joiner");
    let kept = fs::read_to_string(joiner.join("founding.json")).expect("it is there");
    assert_eq!(Founding::read(&joiner).expect("it can be read"), founder.for_joiner());
    assert_eq!(written(&founder.for_joiner()), kept);
}

#[test]
fn a_format_that_came_later_is_refused_by_its_number() {
    let refused = decode::<u64>(&[2, b'1']).expect_err("format 2 is unknown here");
    assert!(refused.contains("format 2"), "{refused}");
    assert!(decode::<u64>(&[]).is_err(), "nothing is no value");
}
