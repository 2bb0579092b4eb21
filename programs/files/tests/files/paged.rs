//! Random scripts about a file with LINAGE, and what the tables say to each line.

use tsugi_files::definition::{Access, Organization};
use tsugi_files::open::Mode;
use tsugi_files::print::page::{EndOfPage, Going, Place, Record, Said, Write};
use tsugi_files::status::Status;

use super::chance::Chance;
use super::memory::Memory;
use super::program::Program;
use super::schedule::Kind;
use super::script::{Line, Order, Shown};

/// Whether FD says FOOTING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footing {
    Said,
    Unsaid,
}

/// The file is one of lines, whatever SELECT says.
pub const KIND: Kind = Kind::of(Organization::LineSequential, Access::Sequential);

/// The program of the oracle.
pub fn source(footing: Footing) -> String {
    let said = match footing {
        Footing::Said => "with footing at L-FOOT",
        Footing::Unsaid => "",
    };
    include_str!("oracle/page.cbl").replace("@FOOTING@", said)
}

/// LINAGE as a line of the script has it.
fn said(line: &Line, footing: Footing) -> Said {
    let digit = |place: u32| i32::try_from(line.depending / place % 10).expect("a digit");
    let signed = |place| if digit(place) == 9 { -1 } else { digit(place) };
    Said {
        lines: i32::try_from(line.number).expect("a few lines"),
        footing: (footing == Footing::Said).then(|| digit(100)),
        top: Some(signed(10)),
        bottom: Some(signed(1)),
    }
}

/// A program with such a file.
pub struct Paged {
    program: Program<Memory>,
    footing: Footing,
    place: Place,
}

impl Paged {
    fn run(&mut self, line: &Line) -> Shown {
        let said = said(line, self.footing);
        let lines = Going::Lines(u16::try_from(line.length).expect("a few lines"));
        let write = match line.order {
            Order::Write => Write::Before(Going::Lines(1)),
            Order::Before => Write::Before(lines),
            Order::After => Write::After(lines),
            Order::BeforePage => Write::Before(Going::Page),
            Order::AfterPage => Write::After(Going::Page),
            order => {
                let mut shown = self.program.run(line);
                let opens = matches!(order, Order::OpenInput | Order::OpenOutput);
                if (opens || order == Order::OpenExtend) && shown.status == "00" {
                    self.place.open(said).characters().clone_into(&mut shown.status);
                }
                return self.shown(shown, 0);
            }
        };
        let plan = self.place.write(write, said);
        let record = match plan.record {
            Record::Written => line.record.clone(),
            Record::Left => String::new(),
        };
        let mut shown = self.program.print(&Line { record, ..line.clone() }, plan.around);
        shown.record = format!("{:8}", line.record);
        if shown.status != "00" {
            return self.shown(shown, 0);
        }
        self.place = plan.place;
        plan.status.characters().clone_into(&mut shown.status);
        let ended = match (line.key, plan.status, plan.end) {
            (1, Status::Done, EndOfPage::Met) => 1,
            (1, Status::Done, EndOfPage::Ahead) => 2,
            _ => 0,
        };
        self.shown(shown, ended)
    }

    fn shown(&self, shown: Shown, ended: u32) -> Shown {
        let number = u32::try_from(self.place.counter).expect("a line");
        Shown { number, depending: ended, ..shown }
    }

    /// What is done next. Where OPEN was told 57, GnuCOBOL has no file, and ends by a signal where
    /// one is written or read.
    fn order(&self, chance: &mut Chance, refused: bool) -> Order {
        let opens = [Order::OpenOutput, Order::OpenExtend, Order::OpenInput];
        let writes = [Order::Before, Order::After, Order::Write];
        match self.program.front.mode() {
            None => chance.of(&opens),
            Some(_) if refused => chance.of(&[Order::Close, Order::Close, Order::OpenOutput]),
            Some(Mode::Input) if !chance.one_in(8) => Order::Next,
            Some(_) if chance.one_in(12) => Order::Close,
            Some(_) if chance.one_in(5) => chance.of(&[Order::BeforePage, Order::AfterPage]),
            Some(_) => chance.of(&writes),
        }
    }
}

/// A random script, what is answered to it, and the records that are left.
pub fn script(footing: Footing, seed: u64, length: usize) -> (Vec<Line>, Vec<Shown>, Memory) {
    let mut chance = Chance::new(seed);
    let program = Program::new(KIND.declared(), Memory::default());
    let mut paged = Paged { program, footing, place: Place::default() };
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    let mut refused = false;
    while lines.len() < length {
        let order = paged.order(&mut chance, refused);
        // Mostly a page; now and then none.
        let of_page = |chance: &mut Chance, bad: u64| {
            if chance.one_in(40) { bad } else { chance.below(4) }
        };
        let number = if chance.one_in(40) { 0 } else { 3 + chance.below(6) };
        let foot = if chance.one_in(40) { 9 * chance.below(2) } else { 1 + chance.below(3) };
        let depending = foot * 100 + of_page(&mut chance, 9) * 10 + of_page(&mut chance, 9);
        let small = |number: u64| u32::try_from(number).expect("a small number");
        let letters = chance.below(9);
        let line = Line {
            key: usize::from(chance.one_in(2)),
            length: small(if chance.one_in(10) { chance.below(20) } else { chance.below(4) }),
            number: small(number),
            depending: small(depending),
            record: (0..letters).map(|_| chance.letter("abc  d")).collect(),
            ..Line::of(order)
        };
        let line = match order {
            Order::OpenInput | Order::OpenOutput | Order::OpenExtend | Order::Close => {
                Line { key: 0, ..line }
            }
            _ => line,
        };
        let shown = paged.run(&line);
        refused = match order {
            Order::OpenInput | Order::OpenOutput | Order::OpenExtend => {
                shown.status == "57" || refused && shown.status == "41"
            }
            _ => false,
        };
        lines.push(line);
        all.push(shown);
    }
    (lines, all, paged.program.records)
}
