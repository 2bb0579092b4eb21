//! What an agent says of itself: the XML that it prints for `meta-data`.
//!
//! Only as much of XML is read as is needed to see that it is some, and what actions it names.

use tsugi_vocabulary::Span;

/// What is wrong with a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is no XML; where it stops being some.
    NoXml {
        /// The line, from 1.
        line: usize,
    },
    /// Its outermost element is another one.
    NotAnAgent,
    /// It describes an agent of another name.
    OtherName(String),
    /// An action that every agent has is missing.
    NoAction(&'static str),
}

/// The actions that every agent has.
const MANDATORY: [&str; 4] = ["start", "stop", "monitor", "meta-data"];

/// A description that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    name: String,
    /// Each action with the limit that the agent advises.
    actions: Vec<(String, Option<Span>)>,
}

impl Description {
    /// The limit that the agent advises for an action.
    #[must_use]
    pub fn advised(&self, action: &str) -> Option<Span> {
        self.actions.iter().find(|(name, _)| name == action).and_then(|(_, limit)| *limit)
    }

    /// What is wrong with it as that of the agent of this name.
    #[must_use]
    pub fn flaws(&self, name: &str) -> Vec<Flaw> {
        let known = |action: &&str| self.actions.iter().any(|(name, _)| name == action);
        let missing = MANDATORY.into_iter().filter(|action| !known(action)).map(Flaw::NoAction);
        let other = (self.name != name).then(|| Flaw::OtherName(self.name.clone()));
        other.into_iter().chain(missing).collect()
    }
}

/// Reads a description.
///
/// # Errors
/// It is no XML, or not that of an agent.
pub fn read(text: &str) -> Result<Description, Flaw> {
    let mut found = Description::default();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    let here = |rest: &str| Flaw::NoXml {
        line: text[..text.len() - rest.len()].matches('\n').count() + 1,
    };
    let mut roots = 0;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(end) = aside(rest) {
            rest = end.map_or_else(|| Err(here(rest)), |length| Ok(&rest[length..]))?;
            continue;
        }
        let (tag, length) = tag(rest).ok_or_else(|| here(rest))?;
        match tag {
            Tag::Close(name) if open.pop() == Some(name) => {}
            Tag::Close(_) => return Err(here(rest)),
            Tag::Open { name, attributes, form } => {
                if open.is_empty() {
                    roots += 1;
                    if roots > 1 {
                        return Err(here(rest));
                    }
                    if name != "resource-agent" {
                        return Err(Flaw::NotAnAgent);
                    }
                }
                found.take(name, &attributes);
                if form == Form::Begun {
                    open.push(name);
                }
            }
        }
        rest = &rest[length..];
    }
    if roots == 0 || !open.is_empty() { Err(here(rest)) } else { Ok(found) }
}

impl Description {
    fn take(&mut self, element: &str, attributes: &[(&str, &str)]) {
        let of = |key: &str| attributes.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        match (element, of("name")) {
            ("resource-agent", Some(name)) => name.clone_into(&mut self.name),
            ("action", Some(name)) => {
                self.actions.push((name.to_owned(), of("timeout").and_then(seconds)));
            }
            _ => {}
        }
    }
}

/// `20s`, `20`, `500ms`, `2min`: seconds unless something else is said.
fn seconds(text: &str) -> Option<Span> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "" | "s" | "sec" => 1_000,
        "ms" | "msec" => 1,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Span::millis)
}

/// The length of what begins here and is no element (a declaration, a comment, plain text in
/// brackets); none of it if it does not end.
fn aside(rest: &str) -> Option<Option<usize>> {
    let ends = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
    let (_, end) = ends.into_iter().find(|(begin, _)| rest.starts_with(begin))?;
    Some(rest.find(end).map(|at| at + end.len()))
}

enum Tag<'t> {
    Open { name: &'t str, attributes: Vec<(&'t str, &'t str)>, form: Form },
    Close(&'t str),
}

#[derive(PartialEq, Eq)]
enum Form {
    Begun,
    Whole,
}

/// The tag that begins here, and its length.
fn tag(text: &str) -> Option<(Tag<'_>, usize)> {
    let mut rest = text.strip_prefix('<')?;
    if let Some(closing) = rest.strip_prefix('/') {
        let end = closing.find('>')?;
        let name = named(closing[..end].trim_end())?;
        return Some((Tag::Close(name), end + 3));
    }
    let end = rest.find(|c: char| c.is_whitespace() || c == '>' || c == '/')?;
    let name = named(&rest[..end])?;
    rest = &rest[end..];
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        let form = match (rest.strip_prefix("/>"), rest.strip_prefix('>')) {
            (Some(after), _) => Some((Form::Whole, after)),
            (None, Some(after)) => Some((Form::Begun, after)),
            (None, None) => None,
        };
        if let Some((form, after)) = form {
            let length = text.len() - after.len();
            return Some((Tag::Open { name, attributes, form }, length));
        }
        let (key, after) = rest.split_once('=')?;
        let key = named(key.trim_end())?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| "\"'".contains(*c))?;
        let (value, after) = after[1..].split_once(quote)?;
        attributes.push((key, value));
        rest = after;
    }
}

fn named(text: &str) -> Option<&str> {
    let fine = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
    (!text.is_empty() && text.chars().all(fine)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMMY: &str = r#"<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<!-- <action name="never" /> -->
<resource-agent name="Dummy" version="1.0">
<longdesc lang="en">What <![CDATA[ a < b ]]> it does.</longdesc>
<parameters><parameter name="state" unique='1'><content type="string" default=""/></parameter>
</parameters>
<actions>
<action name="start"        timeout="20s" />
<action name="stop"         timeout="500ms" />
<action name="monitor"      timeout="20" interval="10s" depth="0" />
<action name="meta-data"    timeout="5s" />
</actions>
</resource-agent>
"#;

    #[test]
    fn a_description_names_its_actions_and_the_limits_that_it_advises() {
        let found = read(DUMMY).unwrap();
        assert_eq!(found.flaws("Dummy"), []);
        assert_eq!(found.advised("stop"), Some(Span::millis(500)));
        assert_eq!(found.advised("monitor"), Some(Span::secs(20)));
        assert_eq!(found.advised("never"), None, "a comment is no action");
        assert_eq!(found.flaws("Other"), [Flaw::OtherName("Dummy".to_owned())]);
        let less = DUMMY.replace("<action name=\"stop\"", "<action name=\"halt\"");
        assert_eq!(read(&less).unwrap().flaws("Dummy"), [Flaw::NoAction("stop")]);
    }

    #[test]
    fn what_is_no_xml_is_told_with_its_line() {
        let flaw = |text: &str| read(text).unwrap_err();
        assert_eq!(flaw("usage: dummy start|stop\n"), Flaw::NoXml { line: 1 });
        assert_eq!(flaw(&DUMMY.replace("</actions>", "")), Flaw::NoXml { line: 14 });
        assert_eq!(flaw(&DUMMY.replace("</resource-agent>", "")), Flaw::NoXml { line: 13 });
        assert_eq!(flaw(&DUMMY.replace("timeout=\"20s\"", "timeout=20s")), Flaw::NoXml { line: 9 });
        assert_eq!(flaw(&DUMMY.replace("resource-agent", "agent")), Flaw::NotAnAgent);
        assert_eq!(flaw(&format!("{DUMMY}<more/>")), Flaw::NoXml { line: 15 });
    }

    #[test]
    fn any_text_is_read_or_refused_and_never_a_panic() {
        for at in (0..DUMMY.len()).filter(|at| DUMMY.is_char_boundary(*at)) {
            let cut = [&DUMMY[..at], "\u{7d66}<", &DUMMY[at..]].concat();
            drop(read(&cut));
            drop(read(&DUMMY[..at]));
        }
    }
}
