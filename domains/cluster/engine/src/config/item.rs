//! One item of the configuration file, set or taken away by its key as `tsugi config diff` writes
//! it. Comments, order and all other items stay as they are.

mod cut;

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Key, Table, TableLike, Value};

/// Why an item is neither set nor taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoItem {
    /// The text is no TOML; what is wrong, its reader says.
    Unreadable,
    /// No key is written like this.
    NoKey,
    /// Nothing stands there, or there is no room for it where a value stands.
    NoPlace,
}

/// Sets `key` to `value` in the text of a file. A value is TOML where it is a number, a truth, a
/// quoted text, a list or a table, and otherwise the text as it stands: `90d` needs no quotes.
///
/// A resource is named, not counted: `group.PAY.resource.vip.on`; one that is new is given as a
/// table.
///
/// # Errors
/// [`NoItem`]. Whether the new text is a configuration, its reader says.
pub fn set(text: &str, key: &str, value: &str) -> Result<String, NoItem> {
    let (mut document, path) = opened(text, key)?;
    put(document.as_table_mut(), At { path: &path, depth: 0 }, meant(value))?;
    Ok(document.to_string())
}

/// Takes `key` away, and the comment right above it; one that a blank line parts from it stays.
///
/// # Errors
/// [`NoItem`]. Whether the new text is a configuration, its reader says.
pub fn unset(text: &str, key: &str) -> Result<String, NoItem> {
    let (mut document, path) = opened(text, key)?;
    cut::cut(&mut document, &path).ok_or(NoItem::NoPlace)?;
    Ok(document.to_string())
}

fn opened(text: &str, key: &str) -> Result<(DocumentMut, Vec<String>), NoItem> {
    let document = text.parse::<DocumentMut>().map_err(|_| NoItem::Unreadable)?;
    let path = Key::parse(key).map_err(|_| NoItem::NoKey)?;
    Ok((document, path.iter().map(|key| key.get().to_owned()).collect()))
}

/// The value that was meant. A date is a text here: the configuration has no others.
fn meant(given: &str) -> Value {
    match given.trim().parse::<Value>() {
        Ok(Value::Float(_) | Value::Datetime(_)) | Err(_) => Value::from(given),
        Ok(mut value) => {
            value.decor_mut().clear();
            value
        }
    }
}

/// What is left of a key's path, and how deep in the file that is.
#[derive(Clone, Copy)]
struct At<'p> {
    path: &'p [String],
    depth: usize,
}

impl<'p> At<'p> {
    fn split(self) -> Result<(&'p str, Self), NoItem> {
        let (first, path) = self.path.split_first().ok_or(NoItem::NoPlace)?;
        Ok((first, Self { path, depth: self.depth + 1 }))
    }

    fn is_end(self) -> bool {
        self.path.is_empty()
    }
}

/// Whether a list of named tables stands under this key: `[[group.PAY.resource]]`, and of one
/// `group.PAY.resource.server.monitor.port`, unless that is a kind of check.
fn is_list(name: &str, at: At<'_>) -> bool {
    let check = |key: &String| super::resource::CHECKS.contains(&key.as_str());
    at.depth == 3 && name == "resource"
        || at.depth == 5 && name == "monitor" && !at.path.first().is_some_and(check)
}

/// Whether a table stands under this key with a heading of its own: `[node.n1]`.
fn has_heading(at: At<'_>) -> bool {
    at.depth <= 2
}

fn put(table: &mut dyn TableLike, at: At<'_>, value: Value) -> Result<(), NoItem> {
    let (name, below) = at.split()?;
    if below.is_end() {
        put_here(table, (name, below), value);
        return Ok(());
    }
    if !table.contains_key(name) {
        let empty = match is_list(name, below) {
            true => Item::ArrayOfTables(ArrayOfTables::new()),
            false => unheaded(),
        };
        table.insert(name, empty);
    }
    match table.get_mut(name).ok_or(NoItem::NoPlace)? {
        Item::ArrayOfTables(list) => put_in_list(list, below, value),
        Item::Value(Value::Array(list)) => put_in_inline_list(list, below, value),
        item => put(item.as_table_like_mut().ok_or(NoItem::NoPlace)?, below, value),
    }
}

/// A table that is only there for what is in it.
fn unheaded() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn put_here(table: &mut dyn TableLike, (name, at): (&str, At<'_>), value: Value) {
    let before = table.get_mut(name);
    match (before, value) {
        (Some(Item::Table(old)), Value::InlineTable(new)) => *old = in_place_of(old, new),
        (Some(Item::Value(old)), mut new) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (None, Value::InlineTable(new)) if has_heading(at) => {
            table.insert(name, Item::Table(new.into_table()));
        }
        (_, new) => {
            table.insert(name, Item::Value(new));
        }
    }
}

/// The new table where the old one stands, under the comment of the old one.
fn in_place_of(old: &Table, new: InlineTable) -> Table {
    let mut new = new.into_table();
    new.set_position(old.position());
    *new.decor_mut() = old.decor().clone();
    new
}

fn put_in_list(list: &mut ArrayOfTables, at: At<'_>, value: Value) -> Result<(), NoItem> {
    let (name, below) = at.split()?;
    let place = list.iter().position(|table| is_named(table, name));
    if below.is_end() {
        let new = named(value, name)?;
        match place.and_then(|place| list.get_mut(place)) {
            Some(old) => *old = in_place_of(old, new),
            None => list.push(new.into_table()),
        }
        return Ok(());
    }
    let place = place.unwrap_or_else(|| {
        list.push(named_alone(name).into_table());
        list.len() - 1
    });
    put(list.get_mut(place).ok_or(NoItem::NoPlace)?, below, value)
}

/// The same in a list that stands in one value: `resource = [{ name = "vip", … }]`.
fn put_in_inline_list(list: &mut toml_edit::Array, at: At<'_>, value: Value) -> Result<(), NoItem> {
    let (name, below) = at.split()?;
    let place = list.iter().position(|v| v.as_inline_table().is_some_and(|t| is_named(t, name)));
    if below.is_end() {
        let mut new = Value::InlineTable(named(value, name)?);
        match place.and_then(|place| list.get_mut(place)) {
            Some(old) => {
                *new.decor_mut() = old.decor().clone();
                *old = new;
            }
            None => list.push(new),
        }
        return Ok(());
    }
    let place = place.unwrap_or_else(|| {
        list.push(Value::InlineTable(named_alone(name)));
        list.len() - 1
    });
    let found = list.get_mut(place).and_then(Value::as_inline_table_mut);
    put(found.ok_or(NoItem::NoPlace)?, below, value)
}

fn is_named(table: &dyn TableLike, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

fn named_alone(name: &str) -> InlineTable {
    let mut table = InlineTable::new();
    table.insert("name", Value::from(name));
    table
}

/// The table that was given, with its name before all else if it says none.
fn named(value: Value, name: &str) -> Result<InlineTable, NoItem> {
    let Value::InlineTable(given) = value else { return Err(NoItem::NoPlace) };
    if given.contains_key("name") {
        return Ok(given);
    }
    let mut table = named_alone(name);
    for (key, value) in given.iter() {
        table.insert(key, value.clone());
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
