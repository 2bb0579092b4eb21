//! `status`: whether anything needs a person, then only what does, in 80 × 24.

use tsugi_messages::{Phrase, phrase};
use tsugi_wire::control::report::{Group, Need, Status};

use super::{columns, hanging, moment};
use crate::out::{Observed, Out};

/// The screen's height.
const ROWS: usize = 24;

/// Where a status comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The agent has just said so.
    Agent,
    /// It is the last record, so many seconds old.
    LastRecord(u64),
}

impl Source {
    /// How old it is, coarsely; nothing for an agent's own word.
    pub fn tens_of_seconds(self) -> Option<u64> {
        match self {
            Self::Agent => None,
            Self::LastRecord(seconds) => Some(seconds / 10),
        }
    }
}

/// The lines of a status.
pub fn status(out: &Out, status: &Status, observed: &Observed, source: Source) -> Vec<String> {
    let cells = columns();
    let mut lines = hanging("", &headline(out, status, source), cells);
    let seen = phrase::status_observed(&observed.by, moment(observed.at)).text(out.language);
    let mut room = ROWS - 3 - lines.len();
    let mut left = status.needs.len();
    for need in &status.needs {
        let block = block(out, need, cells);
        if block.len() + usize::from(left > 1) > room {
            break;
        }
        room -= block.len();
        left -= 1;
        lines.extend(block);
    }
    if left > 0 {
        lines.push(phrase::status_more(left).text(out.language));
        room = room.saturating_sub(1);
    }
    for note in &status.notes {
        let block = hanging("-  ", &out.words(note), cells);
        if block.len() > room {
            break;
        }
        room -= block.len();
        lines.extend(block);
    }
    lines.push(seen);
    lines
}

/// The first line.
fn headline(out: &Out, status: &Status, source: Source) -> String {
    let running: Vec<&str> =
        status.groups.iter().filter(|g| g.state == "running").map(|g| g.name.as_str()).collect();
    let is_coming = |g: &&Group| ["starting", "moving", "failed"].contains(&g.state.as_str());
    let coming: Vec<&str> =
        status.groups.iter().filter(is_coming).map(|g| g.name.as_str()).take(5).collect();
    let lost = status.votes.heard < status.votes.needed;
    let needs = match (source, status.needs.len()) {
        (Source::LastRecord(seconds), _) => {
            phrase::status_agent_down(age(seconds).text(out.language))
        }
        (Source::Agent, _) if lost => {
            phrase::status_no_majority(age(lost_for(status)).text(out.language))
        }
        (Source::Agent, 1) => phrase::status_needs_you_one(),
        (Source::Agent, 2..) => phrase::status_needs_you(status.needs.len()),
        (Source::Agent, 0) if status.groups.is_empty() => phrase::status_no_groups(),
        (Source::Agent, 0) if !coming.is_empty() => phrase::status_on_its_way(coming.join(", ")),
        (Source::Agent, 0) if running.is_empty() => phrase::status_calm_and_none_runs(),
        (Source::Agent, 0) if running.len() > 5 => phrase::status_nothing_needs_you(running.len()),
        (Source::Agent, 0) => phrase::status_nothing_needs_you(running.join(", ")),
    };
    needs.text(out.language)
}

/// How old a record is, in two units at most.
pub(super) fn age(seconds: u64) -> Phrase {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0..=2) => phrase::age_seconds(seconds),
        (0, 0, _) => phrase::age_minutes(minutes),
        (0, _, _) => phrase::age_hours(hours, minutes % 60),
        (_, _, _) => phrase::age_days(days, hours % 24),
    }
}

/// For how long there has been no majority: the voter that would make one has been silent since.
fn lost_for(status: &Status) -> u64 {
    let mut silences: Vec<u64> = status.nodes.iter().filter_map(|n| n.silent_ms).collect();
    silences.sort_unstable();
    let missing = status.votes.needed.saturating_sub(status.votes.heard);
    let missing = usize::try_from(missing).unwrap_or(0);
    silences.get(missing.saturating_sub(1)).copied().unwrap_or(0) / 1000
}

/// One need with its reason and the command to run next.
pub(super) fn block(out: &Out, need: &Need, cells: usize) -> Vec<String> {
    let mut lines = hanging(&format!("{}  ", need.severity), &out.line(&need.what), cells);
    if let Some(because) = &need.because {
        lines.extend(hanging("   ", &out.words(because), cells));
    }
    if let Some(next) = &need.next {
        let next = phrase::next_command(next).text(out.language);
        lines.extend(hanging("   ", &next, cells));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsugi_messages::Language;

    #[test]
    fn an_age_is_told_in_units_that_a_person_can_grasp() {
        let told = |seconds| age(seconds).text(Language::En);
        let ages = [7, 179, 180, 3_599, 12_907, 90_000].map(told);
        assert_eq!(ages, ["7 s", "179 s", "3 min", "59 min", "3 h 35 min", "1 d 1 h"]);
        assert_eq!(age(12_907).text(Language::Ja), "3時間35分");
    }
}
