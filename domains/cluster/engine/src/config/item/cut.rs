//! Takes an item out of a file, with the comment right above it and no other.

use toml_edit::{Decor, DocumentMut, Item, RawString, Table, Value};

use super::is_named;

/// What stood above an item and stays, and the heading that it stood under or was.
#[derive(Default)]
struct Left {
    comment: String,
    under: Option<isize>,
}

/// Takes the item at `path` away, if there is one.
pub(super) fn cut(document: &mut DocumentMut, path: &[String]) -> Option<()> {
    let left = from_table(document.as_table_mut(), path)?;
    if !left.comment.is_empty() {
        leave(document, &left);
    }
    Some(())
}

fn from_table(table: &mut Table, path: &[String]) -> Option<Left> {
    let (name, below) = path.split_first()?;
    if !below.is_empty() {
        return from_item(table.get_mut(name)?, below);
    }
    let under = table.position();
    let above = table.key(name).map(|key| stays(key.leaf_decor()))?;
    match table.remove(name)? {
        Item::Table(table) => Some(left_of(&table)),
        Item::ArrayOfTables(list) => Some(list.iter().next().map(left_of).unwrap_or_default()),
        Item::Value(_) | Item::None => Some(Left { comment: above, under }),
    }
}

fn from_item(item: &mut Item, path: &[String]) -> Option<Left> {
    match item {
        Item::Table(table) => from_table(table, path),
        Item::ArrayOfTables(list) => {
            let (name, below) = path.split_first()?;
            let place = list.iter().position(|table| is_named(table, name))?;
            match below {
                [] => Some(left_of(&list.remove(place))),
                below => from_table(list.get_mut(place)?, below),
            }
        }
        Item::Value(value) => from_value(value, path).map(|()| Left::default()),
        Item::None => None,
    }
}

/// Within one value no comment is looked for.
fn from_value(value: &mut Value, path: &[String]) -> Option<()> {
    let (name, below) = path.split_first()?;
    match value {
        Value::InlineTable(table) if below.is_empty() => table.remove(name).map(drop),
        Value::InlineTable(table) => from_value(table.get_mut(name)?, below),
        Value::Array(list) => {
            let here = |v: &Value| v.as_inline_table().is_some_and(|t| is_named(t, name));
            let place = list.iter().position(here)?;
            match below {
                [] => drop(list.remove(place)),
                below => from_value(list.get_mut(place)?, below)?,
            }
            Some(())
        }
        _ => None,
    }
}

fn left_of(table: &Table) -> Left {
    Left { comment: stays(table.decor()), under: table.position() }
}

/// What stands above the last blank line of what stands before an item.
fn stays(decor: &Decor) -> String {
    let above = decor.prefix().and_then(RawString::as_str).unwrap_or_default();
    let (mut at, mut end) = (0, 0);
    for line in above.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            end = at;
        }
    }
    let kept = &above[..end];
    if kept.trim().is_empty() { String::new() } else { kept.to_owned() }
}

/// Puts a comment that stays above the next heading, or at the end.
fn leave(document: &mut DocumentMut, left: &Left) {
    let mut next: Option<isize> = None;
    headings(document.as_table_mut(), &mut |table| {
        let later = table.position().filter(|at| left.under.is_none_or(|under| *at > under));
        next = [next, later].into_iter().flatten().min();
    });
    let Some(next) = next else {
        let rest = document.trailing().as_str().unwrap_or_default();
        let whole = format!("{}{rest}", left.comment);
        document.set_trailing(whole);
        return;
    };
    headings(document.as_table_mut(), &mut |table| {
        if table.position() == Some(next) {
            let before = table.decor().prefix().and_then(RawString::as_str).unwrap_or_default();
            let whole = format!("{}{before}", left.comment);
            table.decor_mut().set_prefix(whole);
        }
    });
}

/// Every table that has a heading in the file.
fn headings(table: &mut Table, each: &mut dyn FnMut(&mut Table)) {
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(table) => {
                if !table.is_implicit() && !table.is_dotted() {
                    each(table);
                }
                headings(table, each);
            }
            Item::ArrayOfTables(list) => {
                for table in list.iter_mut() {
                    each(table);
                    headings(table, each);
                }
            }
            Item::Value(_) | Item::None => {}
        }
    }
}
