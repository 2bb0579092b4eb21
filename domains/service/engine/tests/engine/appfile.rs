//! The file of the report's program.

use tsugi_files::definition::{Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_service_engine::files::{Declared, Files, shape};
use tsugi_store::{Store, file};

/// Its name.
pub const NAME: &str = "APPFILE01";
/// The key of its one record.
const KEY: &[u8] = b"      ";
/// What the program is given: date and time, program, host, counter.
pub const PARAMETERS: [u32; 4] = [20, 10, 20, 10];

fn appfile() -> Definition {
    let parts = vec![Part { offset: 0, length: 6 }];
    let key = Key { parts, duplicates: Duplicates::Refused, suppressed: None };
    let lengths = Lengths { min: 16, max: 16 };
    Definition::new(Organization::Indexed, lengths, vec![key]).unwrap()
}

/// As a package declares it.
pub fn declared() -> Files {
    Files::new([Declared::new(NAME, appfile())])
}

/// Makes it with its one record, as INITFILE1 does.
pub fn initialize(store: &mut dyn Store) {
    let mut aside = store.aside().unwrap();
    let mut files = file::Files::of(&mut *aside);
    files.make(NAME, &shape(&appfile()), 1).unwrap();
    let file = files.find(NAME).unwrap().unwrap();
    files.records(&file).put(KEY, b"      0000000000").unwrap();
    aside.keep().unwrap();
    store.commit().unwrap();
}

/// What its record says, past any engine.
pub fn counted(store: &mut dyn Store) -> u64 {
    let mut aside = store.aside().unwrap();
    let mut files = file::Files::of(&mut *aside);
    let file = files.find(NAME).unwrap().unwrap();
    let record = files.records(&file).record(KEY).unwrap().unwrap();
    std::str::from_utf8(&record[6..]).unwrap().parse().unwrap()
}
