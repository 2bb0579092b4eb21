//! `drill`: how it goes, how it ended, what is proven.

use tsugi_messages::{Phrase, phrase};
use tsugi_wire::control::drill::{Drill, Drills, Rehearsed, Way};
use tsugi_wire::control::report::Need;

use super::status::block;
use super::{columns, second};
use crate::out::Out;

/// The newest drill of a group, and what is proven.
pub fn drill(out: &Out, drills: &Drills) -> Vec<String> {
    let text = |phrase: Phrase| phrase.text(out.language);
    let group = &drills.group;
    let mut lines = match &drills.newest {
        None => vec![text(phrase::drill_never(group))],
        Some(drill) => {
            let began = second(drill.began);
            let mut lines = vec![text(phrase::drill_heading(group, &drill.by, began))];
            lines.extend(drill.ways.iter().map(|way| text(way_words(way, drill.line_ms))));
            lines.push(match &drill.outcome {
                Some(outcome) => out.words(outcome),
                None => text(phrase::drill_goes_on(second(drill.until))),
            });
            lines
        }
    };
    lines.extend(proven(out, drills));
    lines
}

/// How long a way took the group out of service, or that it did not get there.
pub fn way_words(way: &Way, line: u64) -> Phrase {
    match (way.gap_ms, way.start_ms) {
        (Some(gap), Some(_)) => phrase::drill_way(&way.from, &way.to, gap, line),
        (Some(gap), None) => phrase::drill_way_turned(&way.from, &way.to, gap, line),
        (None, _) => phrase::drill_way_open(&way.from, &way.to),
    }
}

/// When each direction was last proven.
pub fn proven(out: &Out, drills: &Drills) -> Vec<String> {
    let text = |phrase: Phrase| phrase.text(out.language);
    let shown = drills.rehearsed.iter().map(|shown| text(shown_words(shown)));
    if drills.proven.is_empty() {
        let nothing = text(phrase::drill_nothing_proven(&drills.group));
        return std::iter::once(nothing).chain(shown).collect();
    }
    let one = |proven: &tsugi_wire::control::drill::Proven| {
        text(phrase::drill_last_proven(&proven.from, &proven.to, second(proven.at), proven.gap_ms))
    };
    drills.proven.iter().map(one).chain(shown).collect()
}

/// When a level beside the running group was last proven.
pub fn shown_words(shown: &Rehearsed) -> Phrase {
    phrase::rehearsal_shown(&shown.level, &shown.to, second(shown.at), shown.took_ms)
}

/// What should be mended before.
pub fn findings(out: &Out, findings: &[Need]) -> Vec<String> {
    findings.iter().flat_map(|finding| block(out, finding, columns())).collect()
}

/// What is told when a drill comes into a state.
pub fn drill_state(out: &Out, group: &str, drill: &Drill) -> Vec<String> {
    let text = |phrase: Phrase| phrase.text(out.language);
    let Some(way) = drill.ways.first() else { return Vec::new() };
    match drill.state.as_str() {
        "going" => vec![text(phrase::drill_state_going(group, &way.from, &way.to))],
        "there" => vec![text(way_words(way, drill.line_ms))],
        "returning" => drill.because.iter().map(|because| out.words(because)).collect(),
        _ => Vec::new(),
    }
}
