//! LINAGE: pages are counted in a worker as under GnuCOBOL.

use tsugi_files::definition::{Definition, Lengths, Organization};

use crate::child::Bench;
use crate::files::both;
use crate::model::paged::{Footing, KIND, script, source};
use crate::model::script::Shown;

const SEQUENCES: u64 = 60;
const LINES: usize = 40;

fn lines() -> Definition {
    Definition::new(Organization::LineSequential, Lengths { min: 0, max: 8 }, vec![]).unwrap()
}

/// Runs the oracle's program as a module: what it shows is what the tables say, which are held to
/// GnuCOBOL with the bytes that leave the store.
fn compared(footing: Footing) {
    let mut bench = Bench::new();
    bench.compile("ORACLE", &source(footing));
    let shape = tsugi_files::spoken::shape(&KIND.declared().definition);
    bench.line(&format!("others f {}", serde_json::to_string(&shape).unwrap()));
    bench.load("ORACLE").call(&[]);
    let scripts: Vec<_> = (0..SEQUENCES).map(|seed| script(footing, seed, LINES)).collect();
    let mut text = String::from("unnamed\n");
    for (number, (lines, ..)) in scripts.iter().enumerate() {
        text.push_str(&format!("NM 0 -- 00 0000 0000 0000 f{number}\n"));
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text.push_str("CL 0 -- 00 0000 0000 0000 \n");
    }
    text.push_str("ZZ\n");
    let came = bench.input(&text).run();
    assert_eq!(came.only(), "ended StopRun 0 STOP RUN 0", "{}", came.errors);
    let mut shown = came.shown.lines().map(Shown::parse);
    for (lines, expected, _) in &scripts {
        shown.next().expect("a name");
        let mut told = String::new();
        for (line, expected) in lines.iter().zip(expected) {
            told.push_str(&format!("{line}\n"));
            assert_eq!(shown.next().as_ref(), Some(expected), "{footing:?}\n{told}");
        }
        shown.next().expect("a close");
    }
}

#[test]
fn pages_with_a_footing_answer_as_the_tables() {
    compared(Footing::Said);
}

#[test]
fn pages_without_a_footing_answer_as_the_tables() {
    compared(Footing::Unsaid);
}

/// Prints pages with a record file that FD makes one of lines, without FILE STATUS, with numbers
/// for LINAGE, and with a counter that it changes itself; then shows every line.
const PRINTS: &str = "
identification division.
program-id. PAGES.
environment division.
configuration section.
special-names.
    C01 is TOP-OF-FORM.
input-output section.
file-control.
    select F assign to \"pages.prt\".
    select A assign to line advancing file \"after.prt\" file status S.
    select I assign to \"pages.prt\" organization line sequential file status S.
    select J assign to \"after.prt\" organization line sequential file status S.
data division.
file section.
fd F linage is 5 lines with footing at 4 lines at top 2 lines at bottom 1.
01 R pic x(8).
fd A linage N.
01 AR pic x(8).
fd I.
01 IR pic x(8).
fd J.
01 JR pic x(8).
working-storage section.
01 S pic xx value \"--\".
01 N pic s9(9) comp value 3.
01 K pic 9(9) value 0.
procedure division.
main.
    open output F.
    perform 9 times
        add 1 to K
        move K to R
        write R at end-of-page display \"end \" linage-counter in F
            not at end-of-page display \"in \" linage-counter in F
        end-write
    end-perform.
    write R from \"top\" after advancing TOP-OF-FORM.
    write R from \"none\" before advancing 0 lines.
    write R from \"far\" after advancing 70000 lines eop display \"far\" end-write.
    display function exception-status \" \" linage-counter in F.
    close F.
    open extend F.
    write R from \"extended\".
    close F.
    open output A.
    display S \" \" linage-counter in A.
    write AR from \"one\".
    move 2 to N.
    write AR from \"two\" after 4 lines end-of-page display \"page\" end-write.
    display S \" \" linage-counter in A.
    move 0 to linage-counter in A.
    write AR from \"before\" before 1 line.
    display S \" \" linage-counter in A.
    write AR from \"after\" after 1 line.
    display S \" \" linage-counter in A.
    move 2 to linage-counter in A.
    move -1 to N.
    write AR from \"bad\" after page.
    display S \" \" linage-counter in A \" \" function exception-status.
    close A.
    open output A.
    display S \" \" linage-counter in A.
    open output A.
    display S.
    close A.
    display S.
    move 4 to N.
    open extend A.
    write AR from \"again\" before page.
    display S \" \" linage-counter in A.
    close A.
    open input I J.
    move spaces to S.
    perform until S(1:1) = \"1\"
        read I
        display \"I \" S \" \" IR
    end-perform.
    move spaces to S.
    perform until S(1:1) = \"1\"
        read J
        display \"J \" S \" \" JR
    end-perform.
    close I J.
    goback.
";

#[test]
fn what_is_printed_on_pages_is_told_and_read_as_under_gnucobol() {
    let files = [("pages.prt", lines()), ("after.prt", lines())];
    let (ours, theirs) = both("PAGES", PRINTS, &files);
    assert_eq!(ours, theirs);
    assert!(theirs.contains("end 0000000004") && theirs.contains("57 0000000000"), "{theirs}");
    assert!(theirs.lines().count() > 40, "{theirs}");
}

/// Opens at its first call; each writes two lines and gives the counter.
const KEEPS: &str = "
identification division.
program-id. KEEPS.
environment division.
input-output section.
file-control.
    select F assign to \"pages.prt\" file status S.
data division.
file section.
fd F linage is 6 lines.
01 R pic x(8).
working-storage section.
01 S pic xx.
01 TURN pic 9 value 0.
linkage section.
01 A pic x(11).
procedure division using A.
main.
    add 1 to TURN.
    if TURN = 1 open extend F end-if.
    write R from \"one\" end-of-page continue end-write.
    write R from \"two\" end-of-page continue end-write.
    move S to A(1:2).
    move linage-counter to A(3:9).
    goback.
";

#[test]
fn a_page_goes_on_in_its_worker_and_begins_anew_in_another() {
    let mut bench = Bench::new();
    bench.compile("KEEPS", KEEPS);
    bench.file("pages.prt", &lines()).load("KEEPS");
    let came = bench.call(&[&[b' '; 11]]).call(&[&[b' '; 11]]).run();
    // The file has to be there for EXTEND.
    assert_eq!(came.returned()[0].1[0], b"48000000000", "{came:?}");
    let opens = KEEPS.replace("open extend", "open output");
    let mut bench = Bench::new();
    bench.compile("KEEPS", &opens);
    bench.file("pages.prt", &lines()).load("KEEPS");
    let said = |came: &crate::child::Came| -> Vec<Vec<u8>> {
        came.returned().into_iter().map(|(_, mut one)| one.remove(0)).collect()
    };
    let came = bench.call(&[&[b' '; 11]]).call(&[&[b' '; 11]]).call(&[&[b' '; 11]]).run();
    let expected = [b"00000000003".to_vec(), b"00000000005".to_vec(), b"00000000001".to_vec()];
    assert_eq!(said(&came), expected, "{came:?}");
    // The same plan in a process of its own: the counter is not of the file.
    let came = bench.run();
    assert_eq!(said(&came), expected, "{came:?}");
}
