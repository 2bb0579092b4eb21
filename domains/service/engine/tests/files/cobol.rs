//! The report's program, unchanged, in a process: its file is the store's.

use std::sync::Arc;

use tsugi_files::definition::{Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_service_engine::files::{Declared, Files, shape};
use tsugi_service_engine::worker::Nursery;
use tsugi_service_engine::worker::pipe::{Package, Processes};
use tsugi_service_engine::{Answer, Engine, Refused};
use tsugi_store::{Ending, Store, file};
use tsugi_vocabulary::Span;

use crate::programs::{Cut, cobol, ward};
use crate::support::{Stand, call, engine_of, opened};

const SOURCE: &str = include_str!("../../../../../samples/report/CBLAPP01.cbl");
const NAME: &str = "CBLAPP01";
/// Date and time, program, host, counter.
const PARAMETERS: [u32; 4] = [20, 10, 20, 10];

fn appfile() -> Definition {
    let parts = vec![Part { offset: 0, length: 6 }];
    let key = Key { parts, duplicates: Duplicates::Refused, suppressed: None };
    let lengths = Lengths { min: 16, max: 16 };
    Definition::new(Organization::Indexed, lengths, vec![key]).unwrap()
}

/// The file with its one record, as INITFILE1 makes it.
fn initialized(stand: &mut Stand) {
    let mut store = stand.store();
    let mut aside = store.aside().unwrap();
    let mut files = file::Files::of(&mut *aside);
    files.make("APPFILE01", &shape(&appfile()), 1).unwrap();
    let file = files.find("APPFILE01").unwrap().unwrap();
    files.records(&file).put(b"      ", b"      0000000000").unwrap();
    aside.keep().unwrap();
    store.commit().unwrap();
}

fn counter(stand: &mut Stand) -> String {
    let mut store = stand.store();
    let mut aside = store.aside().unwrap();
    let mut files = file::Files::of(&mut *aside);
    let file = files.find("APPFILE01").unwrap().unwrap();
    let record = files.records(&file).record(b"      ").unwrap().unwrap();
    String::from_utf8(record[6..].to_vec()).unwrap()
}

fn start(stand: &mut Stand, package: Package) -> Engine {
    let processes = Processes::new(ward(stand.folder.path()), package);
    let epoch = stand.next_epoch();
    let program = (Box::new(processes) as Box<dyn Nursery>, Arc::new(Cut(&PARAMETERS)) as _);
    engine_of(opened(stand.folder.path(), epoch), epoch, program).0
}

#[test]
fn mf_17_the_reports_program_counts_in_the_stores_file() {
    let mut stand = Stand::new();
    let package = cobol(stand.folder.path(), SOURCE, (NAME, &PARAMETERS));
    let files = Files::new([Declared::new("APPFILE01", appfile())]);
    let body = " ".repeat(60);
    let package = Package { files, ..package };
    let engine = start(&mut stand, package.clone());
    let refused = Refused::NotDeployed { why: "missing files: APPFILE01".into() };
    assert_eq!(call(&engine.calls(), 1, &body), Answer::Refused(refused));
    engine.hand_over(Span::secs(5));
    initialized(&mut stand);
    let engine = start(&mut stand, package);
    let calls = engine.calls();
    for serial in 1..=20 {
        let first = call(&calls, serial, &body);
        let Answer::Reply(reply) = &first else { panic!("{first:?}") };
        let told = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.ending, Ending::Done, "{told}");
        assert_eq!(&told[20..30], "CBLAPP01  ");
        assert_eq!(told[50..].parse::<u64>(), Ok(serial - 1), "{told}");
        if serial % 5 == 0 {
            assert_eq!(call(&calls, serial, &body), first, "a retry is told the same");
        }
    }
    engine.hand_over(Span::secs(5));
    assert_eq!(counter(&mut stand), "0000000020");
}
