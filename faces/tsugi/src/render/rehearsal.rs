//! A drill beside the running group: as lines, and as one page.

use tsugi_messages::{Language, Phrase, phrase};
use tsugi_vocabulary::Wall;
use tsugi_wire::control::drill::{Drills, Fault, Part, Rehearsal};
use tsugi_wire::control::{Utc, Words};

use super::drill::proven;
use super::drill_page::{self as page, BETWEEN, Bar, OUT, START, STOP};
use super::{moment, plain, second};
use crate::out::Out;

/// How it went, and what is proven.
pub fn rehearsal(out: &Out, drills: &Drills, newest: &Rehearsal) -> Vec<String> {
    let text = |phrase: Phrase| phrase.text(out.language);
    let heading = heading(drills, newest, second(newest.began));
    let mut lines = vec![text(heading)];
    lines.extend(newest.parts.iter().map(|part| text(part_words(part, out.language))));
    lines.extend(newest.fault.iter().map(|fault| text(fault_words(fault, out.language))));
    lines.push(match &newest.outcome {
        Some(outcome) => out.words(outcome),
        None => text(phrase::rehearsal_goes_on(second(until(newest)))),
    });
    lines.extend(proven(out, drills));
    lines
}

/// Whether a level could be drilled.
pub fn could(out: &Out, level: &str, refusal: Option<&Words>) -> String {
    match refusal {
        None => phrase::rehearsal_could(level).text(out.language),
        Some(why) => phrase::rehearsal_could_not(level, out.words(why)).text(out.language),
    }
}

/// The whole page: no scripts, nothing from elsewhere, a picture in it.
pub fn rehearsal_page(language: Language, drills: &Drills, newest: &Rehearsal) -> String {
    let say = |phrase: Phrase| page::escaped(&phrase.text(language));
    let title = say(heading(drills, newest, moment(newest.began)));
    let rows = [
        (phrase::heading_reason(), newest.reason.clone()),
        (phrase::heading_person(), newest.by.clone()),
        (phrase::rehearsal_heading_limit(), page::milliseconds(newest.limit_ms, language)),
        (phrase::heading_command(), newest.id.clone()),
    ];
    let mut all = page::head(language, &title, (newest.outcome.as_ref(), &rows));
    if let Some(fault) = &newest.fault {
        all.push_str(&format!("<p>{}</p>\n", say(fault_words(fault, language))));
    }
    if !newest.parts.is_empty() {
        all.push_str(&picture(newest, language));
    }
    all.push_str(&page::proven(drills, language));
    all.push_str("</body>\n</html>\n");
    all
}

/// What was done, one after the other.
fn picture(newest: &Rehearsal, language: Language) -> String {
    let mut at = 0;
    let mut bars = Vec::new();
    for part in &newest.parts {
        let (name, millis) = (plain(&part.what, language), part.millis);
        bars.push(Bar { name, from: at, millis, colour: colour(&part.part) });
        at += millis;
    }
    page::drawn(&bars, (at.max(1), 0), language) + "</svg>\n"
}

fn colour(part: &str) -> &'static str {
    match part {
        "start" | "monitor" => START,
        "stop" | "drop" => STOP,
        "read" => OUT,
        _ => BETWEEN,
    }
}

fn heading(drills: &Drills, newest: &Rehearsal, moment: String) -> Phrase {
    phrase::rehearsal_heading(&drills.group, &newest.level, &newest.to, &newest.by, moment)
}

fn until(newest: &Rehearsal) -> Utc {
    Utc(Wall(newest.began.0.0.saturating_add(newest.limit_ms)))
}

fn part_words(part: &Part, language: Language) -> Phrase {
    phrase::rehearsal_part(plain(&part.what, language), part.millis)
}

fn fault_words(fault: &Fault, language: Language) -> Phrase {
    phrase::rehearsal_fault_at(plain(&fault.at, language), plain(&fault.how, language))
}
