//! What differs between two configurations, key by key.

use std::collections::BTreeMap;

use toml::Value;
use tsugi_messages::phrase;
use tsugi_wire::control::Words;

use crate::control::view::words::phrased;

/// Every key that one text has and the other has not, or has with another value. Comments and
/// order make no difference.
#[must_use]
pub fn differences(old: &str, new: &str) -> Vec<Words> {
    let (old, new) = (flat(old), flat(new));
    let mut out = Vec::new();
    for (key, value) in &new {
        match old.get(key) {
            None => out.push(phrased(&phrase::plan_adds(key, value))),
            Some(before) if before != value => {
                out.push(phrased(&phrase::plan_changes(key, before, value)));
            }
            Some(_) => {}
        }
    }
    for (key, value) in &old {
        if !new.contains_key(key) {
            out.push(phrased(&phrase::plan_removes(key, value)));
        }
    }
    out
}

fn flat(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        spread("", &Value::Table(table), &mut out);
    }
    out
}

/// `group.PAY.resource.vip.address`: a resource is named, not counted.
fn spread(at: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    let under = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                spread(&under(name), value, out);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (number, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str);
                let name = name.map_or_else(|| number.to_string(), str::to_owned);
                spread(&under(&name), item, out);
            }
        }
        value => {
            out.insert(at.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsugi_messages::{Language, Recorded};

    #[test]
    fn added_removed_and_changed_keys_are_told_and_comments_are_not() {
        let old = "# one\n[g.A]\na = 1\nb = \"x\"\n[[g.A.r]]\nname = \"vip\"\non = \"eth0\"\n";
        let new = "# two\n[g.A]\na = 2\nc = true\n[[g.A.r]]\nname = \"vip\"\non = \"eth1\"\n";
        let said = differences(old, new);
        let text = |w: Words| Recorded { id: w.id, values: w.values }.words(Language::En);
        let said: Vec<String> = said.into_iter().map(text).collect();
        assert_eq!(
            said,
            [
                "changes g.A.a from 1 to 2",
                "adds g.A.c: true",
                "changes g.A.r.vip.on from \"eth0\" to \"eth1\"",
                "removes g.A.b: \"x\"",
            ]
        );
        assert!(differences(old, old).is_empty());
    }
}
