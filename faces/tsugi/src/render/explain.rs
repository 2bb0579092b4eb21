//! `why`, `explain`, `history`, `whatif` and `plan` as text.

use tsugi_messages::{Column, Table, phrase};
use tsugi_wire::control::Words;
use tsugi_wire::control::report::{
    Explain, History, Moment, Outlook, Story, Why, WhyGroup, WhyNode,
};

use super::{columns, hanging, moment};
use crate::out::Out;

/// The lines of a why.
pub fn why(out: &Out, why: &Why, of: Option<&str>) -> Vec<String> {
    let mut lines = why.node.as_ref().map_or_else(Vec::new, |node| why_node(out, node));
    if why.groups.is_empty() {
        let nothing = of.map_or_else(phrase::status_no_groups, phrase::why_nothing_here);
        lines.push(nothing.text(out.language));
    }
    for group in &why.groups {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(why_group(out, group));
    }
    lines
}

fn why_node(out: &Out, node: &WhyNode) -> Vec<String> {
    let mut lines = vec![node.node.clone()];
    for words in &node.stands {
        lines.extend(hanging("  ", &out.words(words), columns()));
    }
    if !node.cannot_take.is_empty() {
        lines.push(format!("  {}", phrase::why_cannot_take().text(out.language)));
    }
    for against in &node.cannot_take {
        let text = format!("{}: {}", against.group, out.words(&against.why));
        lines.extend(hanging("    ", &text, columns()));
    }
    if let Some(next) = &node.next {
        lines.push(format!("  {}", phrase::next_command(next).text(out.language)));
    }
    lines
}

fn why_group(out: &Out, group: &WhyGroup) -> Vec<String> {
    let cells = columns();
    let mut lines = vec![group.group.clone()];
    for words in &group.stands {
        lines.extend(hanging("  ", &out.words(words), cells));
    }
    if let Some(cause) = &group.cause {
        let text = phrase::explain_first_cause(out.words(cause)).text(out.language);
        lines.extend(hanging("  ", &text, cells));
    }
    lines.extend(rejected(out, &group.rejected));
    if let Some(next) = &group.next {
        lines.push(format!("  {}", phrase::next_command(next).text(out.language)));
    }
    lines
}

fn rejected(out: &Out, rejected: &[Words]) -> Vec<String> {
    if rejected.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("  {}", phrase::explain_rejected().text(out.language))];
    for words in rejected {
        lines.extend(hanging("    ", &out.words(words), columns()));
    }
    lines
}

/// The lines of an explain: the same from every node, for they come from the ledger alone.
pub fn explain(out: &Out, explain: &Explain) -> Vec<String> {
    let Some(story) = &explain.story else {
        return vec![phrase::explain_nothing_yet().text(out.language)];
    };
    let cells = columns();
    let nobody = || "-".to_owned();
    let (from, to) = (story.from.clone(), story.to.clone());
    let title = phrase::explain_title(
        &story.group,
        from.unwrap_or_else(nobody),
        to.unwrap_or_else(nobody),
        &story.epoch,
    );
    let mut lines = hanging("", &title.text(out.language), cells);
    let cause = phrase::explain_first_cause(out.words(&story.cause)).text(out.language);
    lines.extend(hanging("", &cause, cells));
    lines.extend(part(out, &phrase::explain_sightings().text(out.language), &story.sightings));
    lines.extend(decision(out, story));
    lines.extend(part(out, &phrase::explain_steps().text(out.language), &story.steps));
    lines.extend(part(out, &phrase::explain_effects().text(out.language), &story.effects));
    if let Some(millis) = story.without_service_ms {
        lines.push(phrase::explain_without_service(millis).text(out.language));
    }
    lines
}

fn decision(out: &Out, story: &Story) -> Vec<String> {
    let heading = phrase::explain_decision().text(out.language);
    let mut lines = part(out, &heading, std::slice::from_ref(&story.decision));
    lines.extend(rejected(out, &story.rejected));
    lines
}

fn part(out: &Out, heading: &str, moments: &[Moment]) -> Vec<String> {
    if moments.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading.to_owned()];
    for one in moments {
        let mark = format!("  {}  {:<8}  ", moment(one.at), one.by);
        lines.extend(hanging(&mark, &out.words(&one.what), columns()));
    }
    lines
}

/// The lines of a history.
pub fn history(out: &Out, history: &History) -> Vec<String> {
    let mut table = Table::new([Column::Left; 4]);
    for line in &history.lines {
        let epoch = line.epoch.clone().unwrap_or_default();
        table.row([moment(line.at), line.by.clone(), epoch, out.words(&line.what)]);
    }
    table.lines(usize::MAX)
}

/// The lines of what would happen.
pub fn outlook(out: &Out, outlook: &Outlook) -> Vec<String> {
    let cells = columns();
    let mut lines = Vec::new();
    if let Some(suppose) = &outlook.suppose {
        lines.push(out.words(suppose));
    }
    for words in &outlook.config {
        lines.extend(hanging("  ", &out.words(words), cells));
    }
    if !outlook.majority {
        lines.push(format!("  {}", phrase::whatif_majority_lost().text(out.language)));
    }
    for group in &outlook.groups {
        lines.extend(hanging("  ", &out.words(&group.what), cells));
        for words in &group.rejected {
            lines.extend(hanging("      ", &out.words(words), cells));
        }
    }
    for words in &outlook.notes {
        lines.extend(hanging("  ", &out.words(words), cells));
    }
    if outlook.groups.is_empty() && outlook.majority {
        let nothing = match outlook.config.is_empty() {
            true => phrase::whatif_nothing(),
            false => phrase::plan_no_effect(),
        };
        lines.push(format!("  {}", nothing.text(out.language)));
    }
    lines
}
