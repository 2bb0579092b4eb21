//! The report's program, unchanged, in a process: its file is the store's.

use std::sync::Arc;

use tsugi_service_engine::worker::Nursery;
use tsugi_service_engine::worker::pipe::{Package, Processes};
use tsugi_service_engine::{Answer, Engine, Refused};
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::appfile::{PARAMETERS, counted, declared, initialize};
use crate::programs::{Cut, cobol, ward};
use crate::support::{Stand, call, engine_of, opened};

const SOURCE: &str = include_str!("../../../../../samples/report/CBLAPP01.cbl");
const NAME: &str = "CBLAPP01";

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
    let body = " ".repeat(60);
    let package = Package { files: declared(), ..package };
    let engine = start(&mut stand, package.clone());
    let refused = Refused::NotDeployed { why: "missing files: APPFILE01".into() };
    assert_eq!(call(&engine.calls(), 1, &body), Answer::Refused(refused));
    engine.hand_over(Span::secs(5));
    initialize(&mut stand.store());
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
    assert_eq!(counted(&mut stand.store()), 20);
}
