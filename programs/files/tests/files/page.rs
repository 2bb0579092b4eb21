//! LINAGE: what a program is told, its LINAGE-COUNTER, and the bytes that leave the store, as under
//! GnuCOBOL.

use std::fs;

use tsugi_files::print::Advancing;
use tsugi_files::print::page::{Before, EndOfPage, Going, Page, Place, Record, Said, Write};
use tsugi_files::status::Status;

use super::gnucobol::Oracle;
use super::paged::{Footing, KIND, script, source};
use super::print::exported;
use super::script::Order;

const SEQUENCES: u64 = 600;
const LINES: usize = 30;

/// Every answer, every counter and every byte is the same.
fn same(footing: Footing) {
    let oracle = Oracle::compile(&source(footing));
    let definition = KIND.declared().definition;
    let ours: Vec<_> = (0..SEQUENCES).map(|seed| script(footing, seed, LINES)).collect();
    let scripts: Vec<_> = ours.iter().map(|(lines, ..)| lines.clone()).collect();
    let theirs = oracle.run(0, &scripts);
    let (mut ended, mut pages, mut refused, mut read) = (0, 0, 0, 0);
    for (number, ((lines, ours, records), theirs)) in ours.iter().zip(&theirs).enumerate() {
        let mut told = String::new();
        for ((line, ours), theirs) in lines.iter().zip(ours).zip(theirs) {
            told.push_str(&format!("{line}\n"));
            assert_eq!(ours, theirs, "{footing:?} {number}\n{told}");
            ended += usize::from(ours.depending == 1);
            refused += usize::from(ours.status == "57");
            pages += usize::from(matches!(line.order, Order::BeforePage | Order::AfterPage));
            read += usize::from(line.order == Order::Next && ours.status == "00");
        }
        let theirs = fs::read(oracle.folder().join(format!("f{number}"))).unwrap_or_default();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(shown(&exported(&definition, records)), shown(&theirs), "{number}\n{told}");
    }
    let enough = ended > 400 && pages > 400 && refused > 100 && read > 100;
    assert!(enough, "{ended} ends of pages, {pages} pages, {refused} times 57, {read} read");
}

#[test]
fn pages_with_a_footing_are_counted_and_exported_as_under_gnucobol() {
    same(Footing::Said);
}

#[test]
fn pages_without_a_footing_are_counted_and_exported_as_under_gnucobol() {
    same(Footing::Unsaid);
}

const SAID: Said = Said { lines: 5, footing: Some(4), top: Some(1), bottom: Some(2) };

fn place(counter: i32, before: Before) -> Place {
    Place { page: Page { lines: 5, footing: 4, top: 1, bottom: 2 }, counter, before }
}

#[test]
fn what_open_finds_no_page_for_is_not_written() {
    for said in [
        Said { lines: 0, ..SAID },
        Said { footing: Some(0), ..SAID },
        Said { footing: Some(6), ..SAID },
        Said { top: Some(-1), ..SAID },
        Said { bottom: Some(-1), ..SAID },
    ] {
        let mut place = Place::default();
        assert_eq!(place.open(said), Status::NoPage);
        assert_eq!((place.counter, place.before), (0, Before::NoPage));
        for write in [Write::Plain, Write::Before(Going::Page), Write::After(Going::Lines(1))] {
            let plan = place.write(write, SAID);
            assert_eq!((plan.status, plan.place), (Status::NoPage, place));
            assert_eq!(plan.record, Record::Left);
            assert_eq!(plan.around, Advancing::Counted { before: 0, behind: 0 });
        }
        assert_eq!(place.open(SAID), Status::Done);
        assert_eq!((place.counter, place.before), (1, Before::Top));
    }
}

#[test]
fn a_counter_that_a_program_sets_to_zero_stops_the_way_and_not_the_record_before_it() {
    let plan = place(0, Before::Nothing).write(Write::Before(Going::Lines(1)), SAID);
    assert_eq!((plan.status, plan.record), (Status::NoPage, Record::Written));
    assert_eq!(plan.around, Advancing::Counted { before: 0, behind: 1 });
    let plan = place(0, Before::Top).write(Write::After(Going::Lines(1)), SAID);
    assert_eq!((plan.status, plan.record), (Status::NoPage, Record::Left));
    assert_eq!(plan.around, Advancing::Counted { before: 0, behind: 1 });
    assert_eq!(plan.place.before, Before::Nothing);
}

#[test]
fn more_lines_than_are_written_in_one_go_are_told_as_a_full_file_and_change_nothing() {
    let mut place = Place::default();
    assert_eq!(place.open(Said { lines: 100_000, footing: None, ..SAID }), Status::Done);
    let plan = place.write(Write::After(Going::Page), SAID);
    assert_eq!((plan.status, plan.record, plan.place), (Status::Full, Record::Left, place));
    let plan = place.write(Write::After(Going::Lines(40)), SAID);
    assert_eq!((plan.status, plan.end), (Status::Done, EndOfPage::Ahead));
    assert_eq!(plan.place.counter, 41);
}
