//! Compares an interface with its source, item by item, and takes over the names in JSON.

use std::collections::BTreeSet;

use toml::Spanned;
use tsugi_record::field::{Field, Kind, Place};
use tsugi_record::parameters::Parameter;
use tsugi_record::source;

use super::is::{is, place};
use super::{Author, FieldText, NAME_MOST, ParameterText, Unfit, Why};
use crate::manifest::line_of;

/// The parameters of a source, with the names and directions of an interface.
pub(super) fn parameters(
    text: &str,
    (written, author): (&[ParameterText], Author),
    source: &source::Interface,
) -> Result<Vec<Parameter>, Unfit> {
    let mut out = Vec::new();
    let mut left = written.iter();
    for layout in &source.parameters {
        let mut layout = layout.clone();
        let name = layout.root.name.clone().unwrap_or_default();
        let Some(parameter) = left.next() else {
            return Err(ends_before(text, &name, &layout.root));
        };
        let at = At { text, item: &name, source: &layout.root.at, author };
        at.same_item(&parameter.item, source.parameters.iter().map(|other| name_of(&other.root)))?;
        at.described(&parameter.is, &is(&layout.root))?;
        at.placed((&parameter.item, parameter.place.as_ref()), &place(&layout.root))?;
        at.name(&parameter.json)?;
        let line = line_of(text, parameter.item.span().start);
        let known = known(&layout.root);
        let mut items = Items { text, line, author, known, rest: &parameter.fields };
        items.fields(&mut layout.root, "")?;
        if let Some(field) = items.rest.first() {
            return Err(surplus(text, &field.item));
        }
        let (json, direction) = (parameter.json.get_ref().clone(), parameter.direction);
        out.push(Parameter { json, direction, layout });
    }
    match left.next() {
        Some(parameter) => Err(surplus(text, &parameter.item)),
        None => Ok(out),
    }
}

fn name_of(field: &Field) -> String {
    field.name.clone().unwrap_or_default()
}

/// The interface has no more of them, and the source has.
fn ends_before(text: &str, expected: &str, field: &Field) -> Unfit {
    Unfit {
        line: text.lines().count(),
        item: Some(expected.to_owned()),
        described: Some(field.at.clone()),
        why: Why::Missing { expected: expected.to_owned() },
    }
}

fn surplus(text: &str, item: &Spanned<String>) -> Unfit {
    let line = line_of(text, item.span().start);
    Unfit { line, item: Some(item.get_ref().clone()), described: None, why: Why::Unknown }
}

/// Every item of a record that has a name, with those of the groups that it is in.
fn known(root: &Field) -> Vec<String> {
    fn enter(group: &Field, above: &str, out: &mut Vec<String>) {
        let Kind::Group(inner) = &group.kind else { return };
        for field in inner {
            match &field.name {
                Some(name) => {
                    let item = format!("{above}{name}");
                    enter(field, &format!("{item}."), out);
                    out.push(item);
                }
                None => enter(field, above, out),
            }
        }
    }
    let mut out = Vec::new();
    enter(root, "", &mut out);
    out
}

/// The items of one parameter that the interface has, in their order.
struct Items<'a> {
    text: &'a str,
    /// Where their parameter begins.
    line: usize,
    author: Author,
    known: Vec<String>,
    rest: &'a [FieldText],
}

impl Items<'_> {
    fn fields(&mut self, group: &mut Field, above: &str) -> Result<(), Unfit> {
        let mut names = BTreeSet::new();
        self.members(group, above, &mut names)
    }

    /// Those of a group without a name stand beside the others of the group that it is in.
    fn members(
        &mut self,
        group: &mut Field,
        above: &str,
        names: &mut BTreeSet<String>,
    ) -> Result<(), Unfit> {
        let Kind::Group(inner) = &mut group.kind else { return Ok(()) };
        for field in inner {
            let Some(name) = field.name.clone() else {
                self.members(field, above, names)?;
                continue;
            };
            let item = format!("{above}{name}");
            let Some((written, rest)) = self.rest.split_first() else {
                let (line, described) = (self.line, Some(field.at.clone()));
                let why = Why::Missing { expected: item.clone() };
                return Err(Unfit { line, item: Some(item), described, why });
            };
            let at = At { text: self.text, item: &item, source: &field.at, author: self.author };
            at.same_item(&written.item, self.known.iter().cloned())?;
            at.described(&written.is, &is(field))?;
            at.placed((&written.item, written.place.as_ref()), &place(field))?;
            at.name(&written.json)?;
            let json = written.json.get_ref().clone();
            if !names.insert(json.clone()) {
                return Err(at.refuse(&written.json, Why::SameName { name: json }));
            }
            field.json = json;
            self.rest = rest;
            self.fields(field, &format!("{item}."))?;
        }
        Ok(())
    }
}

/// Where an item stands.
struct At<'a> {
    text: &'a str,
    item: &'a str,
    source: &'a Place,
    author: Author,
}

impl At<'_> {
    fn refuse(&self, at: &Spanned<String>, why: Why) -> Unfit {
        let line = line_of(self.text, at.span().start);
        let item = Some(self.item.to_owned());
        Unfit { line, item, described: Some(self.source.clone()), why }
    }

    /// The next item of the interface is the next of the source: else it is one that the source
    /// does not have, or one is missing before it.
    fn same_item(
        &self,
        written: &Spanned<String>,
        mut known: impl Iterator<Item = String>,
    ) -> Result<(), Unfit> {
        let found = written.get_ref();
        if found == self.item {
            return Ok(());
        }
        if known.any(|item| item == *found) {
            let expected = self.item.to_owned();
            return Err(self.refuse(written, Why::Missing { expected }));
        }
        Err(surplus(self.text, written))
    }

    /// Who has said it himself has said it in his own words.
    fn described(&self, written: &Spanned<String>, expected: &str) -> Result<(), Unfit> {
        match self.author {
            Author::Source => self.same(written, expected),
            Author::Hand => Ok(()),
        }
    }

    fn placed(
        &self,
        (item, written): (&Spanned<String>, Option<&Spanned<String>>),
        expected: &str,
    ) -> Result<(), Unfit> {
        match (written, self.author) {
            (Some(written), _) => self.same(written, expected),
            (None, Author::Hand) => Ok(()),
            (None, Author::Source) => {
                let (expected, found) = (expected.to_owned(), String::new());
                Err(self.refuse(item, Why::Differs { expected, found }))
            }
        }
    }

    fn same(&self, written: &Spanned<String>, expected: &str) -> Result<(), Unfit> {
        let found = written.get_ref().clone();
        if found == expected {
            return Ok(());
        }
        let expected = expected.to_owned();
        Err(self.refuse(written, Why::Differs { expected, found }))
    }

    fn name(&self, written: &Spanned<String>) -> Result<(), Unfit> {
        let name = written.get_ref();
        let long = name.chars().count() > NAME_MOST;
        if name.is_empty() || long || name.chars().any(char::is_control) {
            let name: String = name.chars().take(NAME_MOST).collect();
            return Err(self.refuse(written, Why::Name { name }));
        }
        Ok(())
    }
}
