//! The files that are tried, and random statements about them.

use tsugi_files::definition::{Access, Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_files::front::Select;
use tsugi_files::open::{Mode, Optional};
use tsugi_files::operation::Relation;

use super::chance::Chance;
use super::program::{Declared, Depending};
use super::script::{Length, Line, Order, Shown};

/// Whether the split alternate key of the indexed file takes duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Unique,
    Duplicates,
}

/// One file that is tried; `oracle/*.cbl` declare the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub organization: Organization,
    pub access: Access,
    pub optional: Optional,
    pub depending: Depending,
    pub split: Split,
}

impl Kind {
    pub const fn of(organization: Organization, access: Access) -> Self {
        let depending = match organization {
            Organization::Indexed => Depending::Yes,
            Organization::LineSequential | Organization::Sequential | Organization::Relative => {
                Depending::No
            }
        };
        Self { organization, access, optional: Optional::No, depending, split: Split::Unique }
    }

    /// SELECT OPTIONAL.
    pub const fn optional(self) -> Self {
        Self { optional: Optional::Yes, ..self }
    }

    /// RECORD VARYING.
    pub const fn depending(self) -> Self {
        Self { depending: Depending::Yes, ..self }
    }

    /// The split key WITH DUPLICATES.
    pub const fn duplicates(self) -> Self {
        Self { split: Split::Duplicates, ..self }
    }

    /// All that are tried.
    pub fn all() -> Vec<Self> {
        let indexed = |access| Self::of(Organization::Indexed, access);
        let relative = |access| Self::of(Organization::Relative, access);
        let sequential = Self::of(Organization::Sequential, Access::Sequential);
        let line = Self::of(Organization::LineSequential, Access::Sequential);
        vec![
            indexed(Access::Dynamic),
            indexed(Access::Dynamic).optional(),
            indexed(Access::Random),
            indexed(Access::Sequential),
            indexed(Access::Sequential).duplicates().optional(),
            relative(Access::Dynamic),
            relative(Access::Dynamic).depending().optional(),
            relative(Access::Random),
            relative(Access::Sequential),
            sequential,
            sequential.depending(),
            sequential.optional(),
            line,
            line.optional(),
        ]
    }

    pub fn declared(self) -> Declared {
        let (min, max) = match (self.organization, self.depending) {
            (Organization::Indexed, _) => (7, 16),
            (Organization::LineSequential, _) => (0, 8),
            (Organization::Sequential | Organization::Relative, Depending::Yes) => (2, 8),
            (Organization::Sequential | Organization::Relative, Depending::No) => (8, 8),
        };
        let lengths = Lengths { min, max };
        let keys = match self.organization {
            Organization::Indexed => keys(self.split),
            Organization::LineSequential | Organization::Sequential | Organization::Relative => {
                Vec::new()
            }
        };
        let largest = (self.organization == Organization::Relative).then_some(9_999);
        let select =
            Select { organization: self.organization, access: self.access, lengths, largest };
        let definition = Definition::new(self.organization, lengths, keys).expect("a file");
        Declared { select, definition, optional: self.optional, depending: self.depending }
    }
}

fn keys(split: Split) -> Vec<Key> {
    let part = |offset, length| Part { offset, length };
    let key = |parts: &[Part], duplicates, suppressed| Key {
        parts: parts.to_vec(),
        duplicates,
        suppressed,
    };
    let of_split = match split {
        Split::Unique => Duplicates::Refused,
        Split::Duplicates => Duplicates::Allowed,
    };
    vec![
        key(&[part(0, 2)], Duplicates::Refused, None),
        key(&[part(3, 2)], Duplicates::Allowed, None),
        key(&[part(2, 1), part(5, 1)], of_split, None),
        key(&[part(6, 1)], Duplicates::Allowed, Some(b' ')),
    ]
}

/// What the next statement is chosen by.
pub struct Situation<'a> {
    pub kind: Kind,
    /// How the file is open now.
    pub mode: Option<Mode>,
    /// What the last READ gave.
    pub read: &'a Shown,
}

const OPENS: [Order; 9] = [
    Order::OpenBoth,
    Order::OpenBoth,
    Order::OpenBoth,
    Order::OpenInput,
    Order::OpenInput,
    Order::OpenOutput,
    Order::OpenOutput,
    Order::OpenExtend,
    Order::OpenExtend,
];
const RELATIONS: [Relation; 5] =
    [Relation::Equal, Relation::Greater, Relation::AtLeast, Relation::Less, Relation::AtMost];

/// A statement that the compiler takes for such a file.
pub fn line(chance: &mut Chance, now: &Situation<'_>) -> Line {
    let order = loop {
        let order = order(chance, now);
        // What is different on purpose ends a comparison: not too often.
        let relative = now.kind.organization == Organization::Relative;
        let rare = relative && order == Order::Previous && !chance.one_in(6);
        if compiles(now.kind, order) && !rare {
            break order;
        }
    };
    let mut line = Line { record: record(chance, now.kind), ..Line::of(order) };
    let start = matches!(order, Order::Start(..) | Order::Read);
    if start && now.kind.organization == Organization::Indexed {
        line.key = usize::try_from(chance.below(4)).expect("a key");
    }
    if let Order::Start(Relation::First | Relation::Last, _) = order {
        line.key = 0;
    }
    line.length = u32::try_from(chance.below(4)).expect("a length");
    line.number = u32::try_from(chance.below(8)).expect("a number");
    let (least, most) = match now.kind.organization {
        Organization::Indexed => (6, 17),
        Organization::LineSequential | Organization::Sequential | Organization::Relative => (1, 9),
    };
    line.depending = u32::try_from(least + chance.below(most - least + 1)).expect("a length");
    let again = matches!(order, Order::Rewrite | Order::Delete) && !chance.one_in(6);
    if again && now.kind.access == Access::Sequential {
        changed(chance, &mut line, now);
    }
    line
}

/// The record read last, otherwise only behind its keys.
fn changed(chance: &mut Chance, line: &mut Line, now: &Situation<'_>) {
    let kept = match now.kind.organization {
        Organization::Indexed => 2,
        Organization::LineSequential | Organization::Sequential | Organization::Relative => 0,
    };
    let read = now.read.record.get(..kept).unwrap_or_default();
    let mut record = read.to_owned();
    record.push_str(line.record.get(kept..).unwrap_or_default());
    line.record = record;
    line.number = now.read.number;
    if !chance.one_in(4) {
        line.depending = now.read.depending;
    }
}

fn order(chance: &mut Chance, now: &Situation<'_>) -> Order {
    let length = if chance.one_in(2) { Length::Whole } else { Length::Leading };
    let start = match chance.below(8) {
        0 => Order::Start(Relation::First, Length::Whole),
        1 => Order::Start(Relation::Last, Length::Whole),
        _ => Order::Start(chance.of(&RELATIONS), length),
    };
    let write = Order::Write;
    if chance.one_in(40) {
        let (rewind, unit) = (Order::CloseNoRewind, Order::CloseUnit);
        let (lock, unlock) = (Order::CloseLock, Order::Unlock);
        return chance.of(&[lock, rewind, unit, unlock, Order::DeleteFile, Order::OpenBoth]);
    }
    if chance.one_in(20) {
        let (next, read) = (Order::Next, Order::Read);
        return chance.of(&[next, read, start, write, Order::Rewrite, Order::Delete]);
    }
    match now.mode {
        None => chance.of(&OPENS),
        Some(_) if chance.one_in(16) => Order::Close,
        Some(Mode::Output | Mode::Extend) if chance.one_in(6) => Order::Close,
        Some(Mode::Output | Mode::Extend) => write,
        Some(Mode::Input) => {
            let (next, read) = (Order::Next, Order::Read);
            chance.of(&[next, next, next, Order::Previous, Order::Previous, read, read, start])
        }
        Some(Mode::InputOutput) => {
            let (next, read) = (Order::Next, Order::Read);
            let change = [Order::Rewrite, Order::Delete, write, write];
            let look = [next, next, next, Order::Previous, read, start, Order::Previous, read];
            if chance.one_in(2) { chance.of(&change) } else { chance.of(&look) }
        }
    }
}

/// What cobc takes for such a file.
fn compiles(kind: Kind, order: Order) -> bool {
    let stream = match kind.organization {
        Organization::LineSequential | Organization::Sequential => true,
        Organization::Indexed | Organization::Relative => false,
    };
    let line = kind.organization == Organization::LineSequential;
    match order {
        Order::OpenBoth | Order::Rewrite => !line,
        Order::Previous => !stream && kind.access != Access::Random,
        Order::Next => kind.access != Access::Random,
        Order::Delete => !stream,
        Order::Read => !stream && kind.access != Access::Sequential,
        Order::Start(_, Length::Leading) => {
            kind.organization == Organization::Indexed && kind.access != Access::Random
        }
        Order::Start(_, Length::Whole) => !stream && kind.access != Access::Random,
        Order::OpenInput
        | Order::OpenOutput
        | Order::OpenExtend
        | Order::Close
        | Order::CloseLock
        | Order::CloseNoRewind
        | Order::CloseUnit
        | Order::Write
        | Order::Before
        | Order::After
        | Order::BeforePage
        | Order::AfterPage
        | Order::Unlock
        | Order::DeleteFile => true,
    }
}

fn record(chance: &mut Chance, kind: Kind) -> String {
    let rest = |chance: &mut Chance, count| -> String {
        (0..count).map(|_| chance.letter("abcdefghij")).collect()
    };
    match kind.organization {
        Organization::Indexed => {
            let mut record = String::new();
            for letters in ["kl", "abcd", "1234", "xy", "xy", "1234", " st"] {
                let letters = if chance.one_in(8) { "!?" } else { letters };
                record.push(chance.letter(letters));
            }
            record + &rest(chance, 9)
        }
        Organization::LineSequential => {
            let length = chance.below(9);
            (0..length).map(|_| chance.letter("abc   ~^abcdefghijkl")).collect()
        }
        Organization::Sequential | Organization::Relative => rest(chance, 8),
    }
}
