//! An entry of the catalogue as text.

use tsugi_messages::{Entry, Phrase, phrase};

use super::{columns, hanging};
use crate::out::Out;

/// What a message means, what the system did, what the operator does.
pub fn message(out: &Out, entry: &Entry) -> Vec<String> {
    let cells = columns();
    let say = |phrase: Phrase| phrase.text(out.language);
    let mut lines = hanging("", &format!("{} {}", entry.id, entry.text.of(out.language)), cells);
    lines.push(say(phrase::message_system()));
    lines.extend(hanging("  ", entry.system.of(out.language), cells));
    lines.push(say(phrase::message_operator()));
    lines.extend(hanging("  ", entry.operator.of(out.language), cells));
    if !entry.variables.is_empty() {
        lines.push(say(phrase::message_variables()));
        for variable in entry.variables {
            let mark = format!("  {{{}}}  ", variable.name);
            lines.extend(hanging(&mark, variable.meaning.of(out.language), cells));
        }
    }
    let facts = [
        (phrase::message_next(), entry.next),
        (phrase::message_formerly(), entry.formerly),
        (phrase::message_since(), Some(entry.since)),
    ];
    for (heading, fact) in facts {
        lines.extend(fact.map(|fact| format!("{}: {fact}", say(heading))));
    }
    lines
}

/// One line for each message.
pub fn messages(out: &Out, entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| format!("{} {}", e.id, e.text.of(out.language))).collect()
}
