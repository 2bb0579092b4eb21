//! What came of failure tests: as lines, and as one page.

use std::collections::BTreeMap;

use serde::Serialize;
use tsugi_messages::{Language, Phrase, phrase};
use tsugi_wire::control::Utc;

use super::drill_page::{self as page, escaped, milliseconds};
use super::moment;

/// One test of a plan, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its place in the plan, from 1.
    pub number: usize,
    /// Its line in the file, if there is one.
    pub line: Option<usize>,
    /// Its name, as the plan has it.
    pub test: String,
    /// What it does, in words.
    #[serde(serialize_with = "in_english")]
    pub what: Phrase,
    /// What the plan says to it.
    pub comment: String,
    /// How long what is to follow may take.
    pub within_ms: u64,
    /// What came of it.
    pub result: Came,
    /// Why it was not passed.
    #[serde(serialize_with = "perhaps_in_english")]
    pub why: Option<Phrase>,
    /// The id of its command in the audit, if it had one.
    pub command: Option<String>,
    /// When it began.
    pub began: Option<Utc>,
    /// How long it took until all was as before.
    pub took_ms: Option<u64>,
    /// For how long each group was out of service, as far as the history tells.
    pub out_of_service_ms: BTreeMap<String, u64>,
}

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// What was to follow has followed in time, and all is as before.
    Passed,
    /// It has not.
    Failed,
    /// One before it failed, or it was only shown.
    NotRun,
    /// It cannot be run in this cluster.
    LeftOut,
}

/// The data of a report are the same in every language.
fn in_english<S: serde::Serializer>(phrase: &Phrase, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&phrase.text(Language::En))
}

fn perhaps_in_english<S: serde::Serializer>(
    phrase: &Option<Phrase>,
    to: S,
) -> Result<S::Ok, S::Error> {
    phrase.as_ref().map(|phrase| phrase.text(Language::En)).serialize(to)
}

/// One test with what came of it; one that was not run, as it would be.
pub fn failure_test_lines(outcome: &Outcome, language: Language) -> Vec<String> {
    let (number, what) = (outcome.number, outcome.what.text(language));
    let took = outcome.took_ms.unwrap_or_default();
    let why = || outcome.why.as_ref().map_or_else(String::new, |why| why.text(language));
    let first = match outcome.result {
        Came::Passed => phrase::test_passed(number, what, took),
        Came::Failed => phrase::test_failed(number, what, took, why()),
        Came::NotRun => phrase::test_shown(number, what, outcome.within_ms),
        Came::LeftOut => phrase::test_skipped(number, what, why()),
    };
    let gaps = outcome.out_of_service_ms.iter();
    let gaps = gaps.map(|(group, millis)| phrase::test_out_of_service(group, *millis));
    std::iter::once(first).chain(gaps).map(|line| line.text(language)).collect()
}

/// The whole page: no scripts, nothing from elsewhere.
pub fn failure_tests_page(
    language: Language,
    (title, began): (&Phrase, Utc),
    (reason, outcomes): (&str, &[Outcome]),
) -> String {
    let say = |phrase: Phrase| escaped(&phrase.text(language));
    let rows = [
        (phrase::heading_reason(), reason.to_owned()),
        (phrase::heading_test_began(), moment(began)),
    ];
    let title = escaped(&title.text(language));
    let mut all = page::head(language, &title, (None, &rows));
    let heads = [
        phrase::heading_test_what(),
        phrase::heading_test_verdict(),
        phrase::heading_test_took(),
        phrase::heading_test_out(),
        phrase::heading_command(),
    ];
    let heads: String = heads.map(|head| format!("<th>{}</th>", say(head))).concat();
    all.push_str(&format!("<table>\n<tr><th></th>{heads}</tr>\n"));
    for outcome in outcomes {
        all.push_str(&row(outcome, language));
    }
    all.push_str("</table>\n</body>\n</html>\n");
    all
}

fn row(outcome: &Outcome, language: Language) -> String {
    let say = |phrase: &Phrase| escaped(&phrase.text(language));
    let result = match outcome.result {
        Came::Passed => phrase::test_word_passed(),
        Came::Failed => phrase::test_word_failed(),
        Came::NotRun => phrase::test_word_not_run(),
        Came::LeftOut => phrase::test_word_skipped(),
    };
    let mut result = say(&result);
    if let Some(why) = &outcome.why {
        result.push_str(&format!("<br>{}", say(why)));
    }
    let mut what = format!("<strong>{}</strong> {}", escaped(&outcome.test), say(&outcome.what));
    if !outcome.comment.is_empty() {
        what.push_str(&format!("<br>{}", escaped(&outcome.comment)));
    }
    let took = outcome.took_ms.map_or_else(String::new, |millis| milliseconds(millis, language));
    let out = |(group, millis): (&String, &u64)| {
        format!("{} {}", escaped(group), escaped(&milliseconds(*millis, language)))
    };
    let out: Vec<String> = outcome.out_of_service_ms.iter().map(out).collect();
    let command = escaped(outcome.command.as_deref().unwrap_or_default());
    format!(
        "<tr><td>{}</td><td>{what}</td><td>{result}</td><td>{}</td><td>{}</td><td>{command}</td>\
         </tr>\n",
        outcome.number,
        escaped(&took),
        out.join("<br>"),
    )
}
