//! Gives entries their places: entries in, a layout out, as GnuCOBOL 3.1 lays records out.

mod item;

use std::collections::{BTreeMap, BTreeSet};

use crate::dialect::{Dialect, LongerRedefinition};
use crate::entry::{Alignment, Entry, Usage};
use crate::field::{Field, Kind, Layout, Occurs, SignAt};
use crate::picture::BYTES_MAX;
use crate::refused::{Refused, Why};

/// The most groups inside of each other.
pub const DEPTH_MAX: usize = 16;
/// The most entries of one record.
pub const ITEMS_MAX: usize = 10_000;

/// The most values of one record: every item that is no group, in every occurrence.
pub const VALUES_MAX: u64 = 200_000;

/// What an item has from the group that it is in.
#[derive(Clone, Copy, Default)]
struct Inherited {
    usage: Option<Usage>,
    sign: Option<SignAt>,
    table: InTable,
}

/// Whether an item is somewhere in a table or in a redefinition.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum InTable {
    #[default]
    No,
    Yes,
}

/// Lays out one record: an entry of level 01 or 77 and all that belong to it.
///
/// # Errors
/// The first entry that cannot be laid out, and why.
pub fn lay_out(entries: &[Entry], dialect: Dialect) -> Result<Layout, Refused> {
    let Some((first, rest)) = entries.split_first() else {
        let at = crate::field::Place { file: String::new(), line: 0 };
        return Err(Refused { at, item: None, why: Why::NoEntry });
    };
    if !matches!(first.level, 1 | 77) {
        return Err(refuse(first, Why::Level { level: first.level }));
    }
    if first.redefines.is_some() {
        return Err(refuse(first, Why::Clause { word: "REDEFINES".to_owned() }));
    }
    if entries.len() > ITEMS_MAX {
        return Err(refuse(first, Why::Many));
    }
    let mut builder = Builder { dialect, align: 1 };
    let root = builder.place(first, rest, &Inherited::default(), (0, DEPTH_MAX))?;
    if root.all_bytes() > BYTES_MAX {
        return Err(refuse(first, Why::Large));
    }
    if values(&root) > VALUES_MAX {
        return Err(refuse(first, Why::Many));
    }
    without_overlap(&root, root.all_bytes())?;
    depending(&root)?;
    for entry in entries {
        qualified(entry, &root)?;
    }
    Ok(Layout { root })
}

fn refuse(entry: &Entry, why: Why) -> Refused {
    Refused { at: entry.at.clone(), item: entry.name.clone(), why }
}

struct Builder {
    dialect: Dialect,
    /// The greatest alignment since the last group began. The compiler keeps one such number for
    /// all groups: a group's own is forgotten once a group in it begins.
    align: u32,
}

/// Where a group's next item begins, and the items before it.
struct Row {
    fields: Vec<Field>,
    /// From the beginning of the record.
    next: u32,
    /// The item that may be redefined: its place, its bytes, and those of the longest over it.
    over: Option<(u32, u32, u32)>,
    /// The names that a redefinition may give.
    names: BTreeSet<String>,
}

impl Builder {
    /// Places an entry with `below`, the entries that belong to it, at an offset; so many groups
    /// may still be in it.
    fn place(
        &mut self,
        entry: &Entry,
        below: &[Entry],
        from: &Inherited,
        (offset, depth): (u32, usize),
    ) -> Result<Field, Refused> {
        let own = Inherited {
            usage: entry.usage.or(from.usage),
            sign: entry.sign.or(from.sign),
            table: from.table,
        };
        let occurs = occurs(entry, from.table)?;
        let (bytes, kind) = if below.is_empty() {
            item::size(entry, own.usage, own.sign, self.dialect)?
        } else {
            let deeper = depth.checked_sub(1).ok_or_else(|| refuse(entry, Why::Deep))?;
            let table = if occurs == Occurs::Once && entry.redefines.is_none() {
                own.table
            } else {
                InTable::Yes
            };
            self.group(entry, below, &Inherited { table, ..own }, (offset, deeper))?
        };
        if entry.name.is_none() && occurs != Occurs::Once && has_names(&kind) {
            return Err(refuse(entry, Why::NamelessTable));
        }
        let json = entry.name.as_deref().map(json_name).unwrap_or_default();
        let field = Field {
            name: entry.name.clone(),
            json,
            at: entry.at.clone(),
            offset,
            bytes,
            occurs,
            redefines: entry.redefines.clone(),
            kind,
            conditions: entry.conditions.clone(),
        };
        if field.all_bytes() > BYTES_MAX {
            return Err(refuse(entry, Why::Large));
        }
        Ok(field)
    }

    fn group(
        &mut self,
        entry: &Entry,
        below: &[Entry],
        own: &Inherited,
        (offset, depth): (u32, usize),
    ) -> Result<(u32, Kind), Refused> {
        if entry.picture.is_some() {
            return Err(refuse(entry, Why::GroupWithPicture));
        }
        if entry.alignment == Alignment::Synchronized {
            return Err(refuse(entry, Why::Clause { word: "SYNCHRONIZED".to_owned() }));
        }
        let mut row = Row { fields: Vec::new(), next: offset, over: None, names: BTreeSet::new() };
        self.align = 1;
        for (child, grandchildren) in families(entry, below)? {
            if row.fields.last().is_some_and(ends_with_depending) {
                return Err(refuse(child, Why::DependingPlace));
            }
            self.add(&mut row, child, grandchildren, (own, depth))?;
        }
        let mut bytes = row.next - offset;
        // The end of an occurrence is filled up so that the next begins aligned as the first does;
        // GnuCOBOL takes these bytes before the last item, not behind it.
        let spare = bytes % self.align;
        if entry.occurs.as_ref().is_some_and(|repeats| repeats.most > 1) && spare != 0 {
            let fill = self.align - spare;
            bytes += fill;
            if let Some(last) = row.fields.last_mut() {
                push_back(last, fill);
            }
        }
        same_names(&row.fields)?;
        Ok((bytes, Kind::Group(row.fields)))
    }

    fn add(
        &mut self,
        row: &mut Row,
        child: &Entry,
        below: &[Entry],
        (own, depth): (&Inherited, usize),
    ) -> Result<(), Refused> {
        if let Some(target) = &child.redefines {
            let over = row.over.filter(|_| row.names.contains(target));
            let Some((start, bytes, longest)) = over else {
                return Err(refuse(child, Why::Redefines { target: target.clone() }));
            };
            let field = self.place(child, below, own, (start, depth))?;
            if field.all_bytes() > bytes && self.dialect.longer == LongerRedefinition::Refused {
                return Err(refuse(child, Why::LongerRedefinition { target: target.clone() }));
            }
            row.next += field.all_bytes().saturating_sub(longest);
            row.over = Some((start, bytes, longest.max(field.all_bytes())));
            row.names.extend(field.name.clone());
            row.fields.push(field);
            return Ok(());
        }
        let mut field = self.place(child, below, own, (row.next, depth))?;
        if child.alignment == Alignment::Synchronized {
            let align = item::alignment(&field);
            field.offset = field.offset.next_multiple_of(align);
            self.align = self.align.max(align);
        }
        row.next = field.offset + field.all_bytes();
        if row.next > BYTES_MAX {
            return Err(refuse(child, Why::Large));
        }
        row.over = Some((field.offset, field.all_bytes(), field.all_bytes()));
        row.names = field.name.iter().cloned().collect();
        row.fields.push(field);
        Ok(())
    }
}

/// The entries right below one, each with what belongs to it.
fn families<'a>(
    entry: &Entry,
    below: &'a [Entry],
) -> Result<Vec<(&'a Entry, &'a [Entry])>, Refused> {
    let mut out = Vec::new();
    let mut rest = below;
    let level = rest.first().map_or(0, |first| first.level);
    while let Some((child, others)) = rest.split_first() {
        if child.level != level || child.level <= entry.level || child.level > 49 {
            return Err(refuse(child, Why::Level { level: child.level }));
        }
        let many = others.iter().take_while(|other| other.level > level).count();
        let (own, next) = others.split_at(many);
        out.push((child, own));
        rest = next;
    }
    Ok(out)
}

fn occurs(entry: &Entry, table: InTable) -> Result<Occurs, Refused> {
    let Some(repeats) = &entry.occurs else { return Ok(Occurs::Once) };
    let least = repeats.least.unwrap_or(0);
    if repeats.most == 0 || least > repeats.most || matches!(entry.level, 1 | 77) {
        return Err(refuse(entry, Why::Occurs));
    }
    let Some(on) = &repeats.on else {
        // `OCCURS 1 TO 5` without DEPENDING ON is a table of five.
        return Ok(Occurs::Times(repeats.most));
    };
    if table == InTable::Yes || entry.redefines.is_some() {
        return Err(refuse(entry, Why::DependingPlace));
    }
    let least = if repeats.least.is_some() { least } else { 1 };
    Ok(Occurs::Depending { least, most: repeats.most, on: on.clone() })
}

fn has_names(kind: &Kind) -> bool {
    let Kind::Group(fields) = kind else { return false };
    fields.iter().any(|field| field.name.is_some() || has_names(&field.kind))
}

/// What an item is called in JSON: in lower case, with `_` for `-`.
#[must_use]
pub fn json_name(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn ends_with_depending(field: &Field) -> bool {
    if matches!(field.occurs, Occurs::Depending { .. }) {
        return true;
    }
    let Kind::Group(fields) = &field.kind else { return false };
    fields.last().is_some_and(ends_with_depending)
}

/// Moves the last item that is no group.
fn push_back(field: &mut Field, bytes: u32) {
    match &mut field.kind {
        Kind::Group(fields) => {
            if let Some(last) = fields.last_mut() {
                push_back(last, bytes);
            }
        }
        _ => field.offset += bytes,
    }
}

/// Every name that stands side by side with others, those of groups without a name included.
fn same_names(fields: &[Field]) -> Result<(), Refused> {
    let mut seen = BTreeSet::new();
    for field in members(fields) {
        if !seen.insert(field.json.as_str()) {
            let why = Why::SameName { name: field.json.clone() };
            return Err(Refused { at: field.at.clone(), item: field.name.clone(), why });
        }
    }
    Ok(())
}

/// The items with a name that a group has in JSON.
pub(crate) fn members(fields: &[Field]) -> Vec<&Field> {
    let mut out = Vec::new();
    for field in fields {
        match &field.kind {
            Kind::Group(inner) if field.is_transparent() => out.extend(members(inner)),
            _ if field.name.is_some() => out.push(field),
            _ => {}
        }
    }
    out
}

/// The items that a group has in JSON where these redefinitions are chosen: of those over the same
/// bytes one.
pub(crate) fn shown<'a>(fields: &'a [Field], chosen: &BTreeSet<String>) -> Vec<&'a Field> {
    let mut out = Vec::new();
    for field in one_of_each(fields, chosen) {
        match &field.kind {
            Kind::Group(inner) if field.is_transparent() => out.extend(shown(inner, chosen)),
            _ if field.name.is_some() => out.push(field),
            _ => {}
        }
    }
    out
}

/// The items that are chosen over what they redefine.
pub(crate) fn chosen<'a>(
    fields: &'a [Field],
    chosen: &'a BTreeSet<String>,
) -> impl Iterator<Item = &'a Field> {
    let is_chosen = |field: &&Field| field.name.as_ref().is_some_and(|name| chosen.contains(name));
    overlays(fields)
        .filter(|same| same.len() > 1)
        .filter_map(move |same| same.iter().find(is_chosen))
}

/// Of the items over the same bytes the one that is chosen, else the first.
pub(crate) fn one_of_each<'a>(fields: &'a [Field], chosen: &BTreeSet<String>) -> Vec<&'a Field> {
    let named = |field: &&Field| field.name.as_ref().is_some_and(|name| chosen.contains(name));
    overlays(fields).filter_map(|same| same.iter().find(named).or(same.first())).collect()
}

/// The items that a group has, those over the same bytes together: each item with its
/// redefinitions behind it. (The offset does not tell: a last item may have been moved.)
pub(crate) fn overlays(fields: &[Field]) -> impl Iterator<Item = &[Field]> {
    fields.chunk_by(|_, next| next.redefines.is_some())
}

fn values(field: &Field) -> u64 {
    let one = match &field.kind {
        Kind::Group(fields) => fields.iter().map(values).fold(0, u64::saturating_add),
        _ => 1,
    };
    one.saturating_mul(u64::from(field.occurs.most()))
}

/// No item of a table reaches into its next occurrence; `end` is where the occurrence ends that
/// the item is in.
fn without_overlap(field: &Field, end: u32) -> Result<(), Refused> {
    let Kind::Group(fields) = &field.kind else {
        if field.offset.saturating_add(field.all_bytes()) <= end {
            return Ok(());
        }
        let (at, item) = (field.at.clone(), field.name.clone());
        return Err(Refused { at, item, why: Why::Overlap });
    };
    let own = if field.occurs.most() > 1 { end.min(field.offset + field.bytes) } else { end };
    fields.iter().try_for_each(|field| without_overlap(field, own))
}

/// Each table's DEPENDING ON is a whole number before it, in no table and with bytes of its own;
/// nothing else in the record has its name.
fn depending(root: &Field) -> Result<(), Refused> {
    let mut names = BTreeMap::new();
    count_names(root, &mut names);
    let mut before: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![root];
    while let Some(field) = open.pop() {
        if let Occurs::Depending { on, .. } = &field.occurs {
            let alone = names.get(on.as_str()) == Some(&1);
            if !alone || !before.contains(on.as_str()) {
                let why = Why::Depending { on: on.clone() };
                return Err(Refused { at: field.at.clone(), item: field.name.clone(), why });
            }
        }
        if field.occurs != Occurs::Once || field.redefines.is_some() {
            continue;
        }
        match &field.kind {
            Kind::Group(fields) => {
                let alone = overlays(fields).filter(|same| same.len() == 1).flatten();
                open.extend(alone.collect::<Vec<_>>().into_iter().rev());
            }
            Kind::Number(number) if number.scale == 0 => before.extend(field.name.as_deref()),
            _ => {}
        }
    }
    Ok(())
}

/// The groups that DEPENDING ON names are those of the record that the item is in: else it is one
/// of another record.
fn qualified(entry: &Entry, root: &Field) -> Result<(), Refused> {
    let Some(repeats) = entry.occurs.as_ref().filter(|repeats| !repeats.of.is_empty()) else {
        return Ok(());
    };
    let on = repeats.on.clone().unwrap_or_default();
    let mut groups = Vec::new();
    groups_of(root, &on, &mut groups);
    let mut rest = groups.iter();
    if repeats.of.iter().all(|name| rest.any(|group| group == name)) {
        return Ok(());
    }
    Err(refuse(entry, Why::Depending { on }))
}

/// Whether an item is in a field; the names of the groups around it, the nearest first.
fn groups_of<'a>(field: &'a Field, name: &str, out: &mut Vec<&'a str>) -> bool {
    let Kind::Group(fields) = &field.kind else { return field.name.as_deref() == Some(name) };
    let found = fields.iter().any(|field| groups_of(field, name, out));
    if found {
        out.extend(field.name.as_deref());
    }
    found
}

fn count_names<'a>(field: &'a Field, names: &mut BTreeMap<&'a str, u32>) {
    if let Some(name) = &field.name {
        *names.entry(name).or_default() += 1;
    }
    if let Kind::Group(fields) = &field.kind {
        fields.iter().for_each(|field| count_names(field, names));
    }
}
