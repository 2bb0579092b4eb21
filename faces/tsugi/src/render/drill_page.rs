//! The report of a drill as one page: no scripts, nothing from elsewhere, a picture in it.

use tsugi_messages::{Language, Phrase, phrase};
use tsugi_wire::control::Words;
use tsugi_wire::control::drill::{Drill, Drills, Phase, Way};

use super::{moment, plain};

/// The picture in pixels: its width, where its bars begin, and what a row takes.
const WIDTH: u64 = 760;
const LEFT: u64 = 180;
const ROW: u64 = 26;

const STYLE: &str = "body{font-family:sans-serif;max-width:56em;margin:2em auto;color:#222}\
    table{border-collapse:collapse}td,th{padding:.2em .8em;border:1px solid #bbb;text-align:left}\
    svg{margin:.5em 0 1.5em}svg text{font-size:13px;fill:#222}";
pub(super) const STOP: &str = "#b5651d";
pub(super) const BETWEEN: &str = "#999999";
pub(super) const START: &str = "#2d6a8a";
pub(super) const OUT: &str = "#444444";
const LINE: &str = "#c00000";

/// The whole page.
pub fn drill_page(language: Language, drills: &Drills, drill: &Drill) -> String {
    let say = |phrase: Phrase| escaped(&phrase.text(language));
    let title = say(phrase::drill_heading(&drills.group, &drill.by, moment(drill.began)));
    let rows = [
        (phrase::heading_reason(), drill.reason.clone()),
        (phrase::heading_person(), drill.by.clone()),
        (phrase::drill_heading_line(), milliseconds(drill.line_ms, language)),
        (phrase::drill_heading_until(), moment(drill.until)),
        (phrase::heading_command(), drill.id.clone()),
    ];
    let mut page = head(language, &title, (drill.outcome.as_ref(), &rows));
    for way in &drill.ways {
        let told = super::drill::way_words(way, drill.line_ms);
        page.push_str(&format!("<h2>{}</h2>\n{}", say(told), picture(way, drill, language)));
    }
    page.push_str(&proven(drills, language));
    page.push_str("</body>\n</html>\n");
    page
}

/// The beginning of a page: what came of it, and who ordered it how.
pub(super) fn head(
    language: Language,
    title: &str,
    (outcome, rows): (Option<&Words>, &[(Phrase, String)]),
) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        language.code()
    );
    if let Some(outcome) = outcome {
        page.push_str(&format!("<p><strong>{}</strong></p>\n", words(outcome, language)));
    }
    page.push_str("<table>\n");
    for (name, value) in rows {
        let name = escaped(&name.text(language));
        page.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", escaped(value)));
    }
    page.push_str("</table>\n");
    page
}

pub(super) fn proven(drills: &Drills, language: Language) -> String {
    let say = |phrase: Phrase| escaped(&phrase.text(language));
    if drills.proven.is_empty() && drills.rehearsed.is_empty() {
        return format!("<p>{}</p>\n", say(phrase::drill_nothing_proven(&drills.group)));
    }
    let item = |p: &tsugi_wire::control::drill::Proven| {
        let told = phrase::drill_last_proven(&p.from, &p.to, moment(p.at), p.gap_ms);
        format!("<li>{}</li>\n", say(told))
    };
    let shown = |shown| format!("<li>{}</li>\n", say(super::drill::shown_words(shown)));
    let items: String =
        drills.proven.iter().map(item).chain(drills.rehearsed.iter().map(shown)).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// One bar of the picture.
pub(super) struct Bar {
    pub name: String,
    pub from: u64,
    pub millis: u64,
    pub colour: &'static str,
}

/// What was stopped, what lay between, what was started, and all of it against the stop line.
fn bars(way: &Way, language: Language) -> Vec<Bar> {
    let sum = |phases: &[Phase]| phases.iter().map(|phase| phase.millis).sum::<u64>();
    let stopped = sum(&way.stop);
    let start = way.start_ms.unwrap_or_else(|| sum(&way.start));
    let gap = way.gap_ms.unwrap_or(stopped + start).max(stopped + start);
    let begin = gap - start;
    let mut bars = Vec::new();
    let mut at = 0;
    for phase in &way.stop {
        let (name, millis) = (phrase::drill_stop_of(&phase.resource), phase.millis);
        bars.push(Bar { name: name.text(language), from: at, millis, colour: STOP });
        at += millis;
    }
    if way.gap_ms.is_some() {
        let name = phrase::drill_between().text(language);
        bars.push(Bar { name, from: at, millis: begin - at, colour: BETWEEN });
    }
    // Resources that do not need each other start side by side: only all of it is known then.
    let in_turn = sum(&way.start) <= start;
    at = begin;
    for phase in &way.start {
        let name = phrase::drill_start_of(&phase.resource).text(language);
        bars.push(Bar { name, from: at, millis: phase.millis, colour: START });
        at += if in_turn { phase.millis } else { 0 };
    }
    // For how long it was out of service is not known of a way that did not end.
    if way.gap_ms.is_some() {
        let name = phrase::drill_out_of_service().text(language);
        bars.push(Bar { name, from: 0, millis: gap, colour: OUT });
    }
    bars
}

fn picture(way: &Way, drill: &Drill, language: Language) -> String {
    if way.gap_ms.is_none() && way.start_ms.is_none() && way.stop.is_empty() {
        return String::new();
    }
    let bars = bars(way, language);
    let longest = bars.iter().map(|bar| bar.from + bar.millis).max().unwrap_or(0);
    // A gap far below the stop line would be a dot: then the line stands outside of the picture.
    let scale = if longest * 5 < drill.line_ms { longest } else { longest.max(drill.line_ms) };
    let x = |millis: u64| place(millis, scale);
    let mut svg = drawn(&bars, (scale, 1), language);
    let label = phrase::drill_heading_line().text(language);
    let label = format!("{label} {}", milliseconds(drill.line_ms, language));
    let (at, end) = (x(drill.line_ms), ROW * bars.len() as u64);
    if scale >= drill.line_ms {
        svg.push_str(&format!(
            "<line x1=\"{at}\" y1=\"0\" x2=\"{at}\" y2=\"{end}\" stroke=\"{LINE}\" \
             stroke-dasharray=\"4 3\"/>\n"
        ));
    }
    svg.push_str(&format!(
        "<text x=\"{LEFT}\" y=\"{}\">{}</text>\n</svg>\n",
        end + ROW - 9,
        escaped(&label)
    ));
    svg
}

fn place(millis: u64, scale: u64) -> u64 {
    LEFT + millis.min(scale) * (WIDTH - LEFT - 90) / scale.max(1)
}

/// The bars as the beginning of a picture, with so many rows left below them.
pub(super) fn drawn(bars: &[Bar], (scale, below): (u64, u64), language: Language) -> String {
    let height = ROW * (bars.len() as u64 + below);
    let mut svg = format!(
        "<svg role=\"img\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n"
    );
    for (row, bar) in (0_u64..).zip(bars) {
        let (y, from) = (row * ROW, place(bar.from, scale));
        let to = place(bar.from + bar.millis, scale);
        let (text, width) = (y + ROW - 9, (to - from).max(1));
        let after = milliseconds(bar.millis, language);
        svg.push_str(&format!(
            "<text x=\"0\" y=\"{text}\">{}</text>\n\
             <rect x=\"{from}\" y=\"{}\" width=\"{width}\" height=\"{}\" fill=\"{}\"/>\n\
             <text x=\"{}\" y=\"{text}\">{}</text>\n",
            escaped(&bar.name),
            y + 4,
            ROW - 8,
            bar.colour,
            from + width + 4,
            escaped(&after),
        ));
    }
    svg
}

pub(super) fn milliseconds(millis: u64, language: Language) -> String {
    phrase::drill_millis(millis).text(language)
}

pub(super) fn words(words: &Words, language: Language) -> String {
    escaped(&plain(words, language))
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
