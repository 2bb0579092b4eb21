//! Programs that move an indexed file of GnuCOBOL from and to a sequential one.
//!
//! An indexed file is a database of GnuCOBOL's own; only libcob reads and writes it as programs
//! do. So a program is made for each file, compiled by cobc and run by cobcrun. It is told its two
//! files by [`INDEXED`] and [`SEQUENTIAL`]; the sequential one is in the form
//! [`Varying`](crate::outside::Form::Varying). It ends with 0, or with 1 after a line that says
//! which statement had which file status. On the way out it also writes, for each alternate key
//! whose values may be there twice, the primary keys of the records in the order of that key: in
//! which order records of one value are read is nowhere else.

use crate::definition::{Definition, Duplicates, Key, Organization};

/// The variable of the environment that names the indexed file.
pub const INDEXED: &str = "TSUGI_INDEXED";
/// The one that names the sequential file.
pub const SEQUENTIAL: &str = "TSUGI_SEQUENTIAL";
/// The one that names, with the number of an alternate key behind it, the file of its order.
pub const ORDER: &str = "TSUGI_ORDER";
/// What the program is called, and so its module.
pub const NAME: &str = "TSUGIMOVE";
/// The longest record of a sequential file: two bytes say its length.
pub const LONGEST: u32 = u16::MAX as u32;

/// Which way records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Out of an indexed file, in the order of its primary key.
    Out,
    /// Into an indexed file, which is made anew.
    In,
}

/// The alternate keys of which several records may have one value, by their numbers from 1.
pub fn ordered(definition: &Definition) -> impl Iterator<Item = usize> {
    let keys = definition.keys().iter().enumerate().skip(1);
    keys.filter(|(_, key)| key.duplicates == Duplicates::Allowed).map(|(number, _)| number)
}

/// The program for a file, in free form. `None`: the file is not indexed, or its records are too
/// long.
#[must_use]
pub fn source(definition: &Definition, way: Way) -> Option<String> {
    let lengths = definition.lengths();
    if definition.organization() != Organization::Indexed || lengths.max > LONGEST {
        return None;
    }
    let (min, max) = (lengths.min, lengths.max);
    let mut text = format!(
        "identification division.\nprogram-id. {NAME}.\nenvironment division.\n\
         input-output section.\nfile-control.\n    select F assign to dynamic F-NAME \
         organization indexed access sequential\n"
    );
    for (number, key) in definition.keys().iter().enumerate() {
        text += &select(number, key);
    }
    text += "    file status F-STATUS.\n    select G assign to dynamic G-NAME organization \
             sequential file status G-STATUS.\n";
    let orders: Vec<usize> = match way {
        Way::Out => ordered(definition).collect(),
        Way::In => Vec::new(),
    };
    for number in &orders {
        text += &format!(
            "    select O{number} assign to dynamic O{number}-NAME organization sequential \
             file status G-STATUS.\n"
        );
    }
    text += "data division.\nfile section.\n";
    text += &format!("fd F record is varying in size from {min} to {max} depending on F-LEN.\n");
    text += &format!("01 F-REC pic x({max}).\n");
    for (number, key) in definition.keys().iter().enumerate() {
        text += &record(number, key, max);
    }
    text += &format!("fd G record is varying in size from 1 to {max} depending on G-LEN.\n");
    text += &format!("01 G-REC pic x({max}).\n");
    let primary = definition.keys().first().map_or(&[][..], |key| &key.parts);
    for number in &orders {
        text += &format!("fd O{number}.\n01 O{number}-REC.\n");
        for (place, part) in primary.iter().enumerate() {
            text += &format!("   05 O{number}-P{place} pic x({}).\n", part.length);
        }
    }
    text += "working-storage section.\n01 F-NAME pic x(4096).\n01 G-NAME pic x(4096).\n\
             01 F-STATUS pic xx.\n01 G-STATUS pic xx.\n01 F-LEN pic 9(9) comp-5.\n\
             01 G-LEN pic 9(9) comp-5.\n";
    for number in &orders {
        text += &format!("01 O{number}-NAME pic x(4096).\n");
    }
    text += &format!(
        "procedure division.\n    accept F-NAME from environment \"{INDEXED}\"\n    \
         accept G-NAME from environment \"{SEQUENTIAL}\"\n"
    );
    text += match way {
        Way::Out => OUT,
        Way::In => IN,
    };
    for number in orders {
        text += &in_order(number, primary.len());
    }
    text += match way {
        Way::Out => "    close F\n    goback.\n",
        Way::In => "",
    };
    text += FAILED;
    Some(text)
}

/// Writes the primary keys in the order of an alternate key.
fn in_order(number: usize, parts: usize) -> String {
    let mut text = format!(
        "    accept O{number}-NAME from environment \"{ORDER}{number}\"\n    \
         open output O{number}\n    \
         if G-STATUS not = \"00\" display \"OPEN OUTPUT \" G-STATUS upon syserr perform failed \
         end-if\n    \
         move low-values to F-REC\n    start F key is not less than K{number}\n    \
         if F-STATUS = \"00\" read F next end-if\n    \
         perform until F-STATUS = \"10\" or F-STATUS = \"23\"\n        \
         if F-STATUS(1:1) not = \"0\" display \"READ \" F-STATUS upon syserr perform failed \
         end-if\n"
    );
    for place in 0..parts {
        let name = if parts == 1 { "K0".to_owned() } else { format!("K0-{place}") };
        text += &format!("        move {name} to O{number}-P{place}\n");
    }
    text += &format!(
        "        write O{number}-REC\n        \
         if G-STATUS not = \"00\" display \"WRITE \" G-STATUS upon syserr perform failed \
         end-if\n        \
         read F next\n    end-perform\n    close O{number}\n    \
         if G-STATUS not = \"00\" display \"CLOSE \" G-STATUS upon syserr perform failed \
         end-if\n"
    );
    text
}

/// What SELECT says of a key.
fn select(number: usize, key: &Key) -> String {
    let role = if number == 0 { "record key" } else { "alternate record key" };
    let mut text = format!("    {role} is K{number}");
    if key.parts.len() > 1 {
        text += " source is";
        for part in 0..key.parts.len() {
            text += &format!(" K{number}-{part}");
        }
    }
    if key.duplicates == Duplicates::Allowed {
        text += " with duplicates";
    }
    if let Some(byte) = key.suppressed {
        text += &format!(" suppress when all x\"{byte:02X}\"");
    }
    text.push('\n');
    text
}

/// A record of its own for each part of a key: parts may lie over each other. As long as the file's
/// longest: the compiler would take a shorter one for the shortest.
fn record(number: usize, key: &Key, max: u32) -> String {
    let one = key.parts.len() == 1;
    let mut text = String::new();
    for (place, part) in key.parts.iter().enumerate() {
        let name = if one { format!("K{number}") } else { format!("K{number}-{place}") };
        text += &format!("01 F-K{number}-{place}.\n");
        if part.offset > 0 {
            text += &format!("   05 filler pic x({}).\n", part.offset);
        }
        text += &format!("   05 {name} pic x({}).\n", part.length);
        let rest = max.saturating_sub(part.offset + part.length);
        if rest > 0 {
            text += &format!("   05 filler pic x({rest}).\n");
        }
    }
    text
}

const OUT: &str = "    open input F
    if F-STATUS not = \"00\" display \"OPEN INPUT \" F-STATUS upon syserr perform failed end-if
    open output G
    if G-STATUS not = \"00\" display \"OPEN OUTPUT \" G-STATUS upon syserr perform failed end-if
    read F next
    perform until F-STATUS = \"10\"
        if F-STATUS(1:1) not = \"0\" display \"READ \" F-STATUS upon syserr perform failed end-if
        move F-LEN to G-LEN
        move F-REC(1:F-LEN) to G-REC
        write G-REC
        if G-STATUS not = \"00\" display \"WRITE \" G-STATUS upon syserr perform failed end-if
        read F next
    end-perform
    close G
    if G-STATUS not = \"00\" display \"CLOSE \" G-STATUS upon syserr perform failed end-if
";

const IN: &str = "    open input G
    if G-STATUS not = \"00\" display \"OPEN INPUT \" G-STATUS upon syserr perform failed end-if
    open output F
    if F-STATUS not = \"00\" display \"OPEN OUTPUT \" F-STATUS upon syserr perform failed end-if
    read G next
    perform until G-STATUS = \"10\"
        if G-STATUS(1:1) not = \"0\" display \"READ \" G-STATUS upon syserr perform failed end-if
        move G-LEN to F-LEN
        move G-REC(1:G-LEN) to F-REC
        write F-REC
        if F-STATUS(1:1) not = \"0\"
            display \"WRITE \" F-STATUS upon syserr perform failed
        end-if
        read G next
    end-perform
    close G F
    if F-STATUS not = \"00\" display \"CLOSE \" F-STATUS upon syserr perform failed end-if
    goback.
";

const FAILED: &str = "failed.
    close F G
    move 1 to return-code
    stop run.
";
