//! `status --long`: everything, row by row, in the status words of the former product (CL-36).

use tsugi_messages::{Column, Phrase, Table, phrase};
use tsugi_wire::control::listing::{PartRow, StatusWord};
use tsugi_wire::control::report::Status;

use super::columns;
use crate::out::Out;

/// How much of a status people are shown; programs always get all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// What needs a person.
    Short,
    /// Everything.
    Long,
}

/// The tables below the lines of a status.
pub fn listing(out: &Out, status: &Status) -> Vec<String> {
    let all = &status.listing;
    let name = status.cluster.as_deref().unwrap_or("-");
    let word = |word: StatusWord| word_of(word).text(out.language);
    let mut lines = vec![String::new()];
    lines.extend(table(
        out,
        [phrase::heading_cluster(), phrase::heading_state()],
        [[name.to_owned(), word(all.cluster)]],
    ));
    let nodes = all.nodes.iter().map(|row| [row.name.clone(), word(row.status)]);
    lines.extend(table(out, [phrase::heading_node(), phrase::heading_state()], nodes));
    let ways = all.heartbeats.iter();
    let ways = ways.map(|row| [row.node.clone(), row.address.clone(), word(row.status)]);
    let heading = [phrase::heading_heartbeat(), phrase::heading_address(), phrase::heading_state()];
    lines.extend(table(out, heading, ways));
    let node = |row: &Option<String>| row.clone().unwrap_or_else(|| "-".to_owned());
    let groups = all.groups.iter();
    let groups = groups.map(|row| [row.name.clone(), node(&row.node), word(row.status)]);
    let heading = [phrase::heading_group(), phrase::heading_node(), phrase::heading_state()];
    lines.extend(table(out, heading, groups));
    let part = |row: &PartRow| {
        let PartRow { group, name, kind, node, status } = row;
        [name.clone(), group.clone(), kind.clone(), node.clone(), word(*status)]
    };
    for (heading, rows) in
        [(phrase::heading_resource(), &all.resources), (phrase::heading_monitor(), &all.monitors)]
    {
        let (group, kind) = (phrase::heading_group(), phrase::heading_kind());
        let heading = [heading, group, kind, phrase::heading_node(), phrase::heading_state()];
        lines.extend(table(out, heading, rows.iter().map(part)));
    }
    lines
}

/// A table and a blank line; without rows nothing at all.
fn table<const N: usize>(
    out: &Out,
    heading: [Phrase; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<String> {
    let mut table = Table::new([Column::Left; N]);
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Vec::new();
    }
    table.row(heading.map(|word| word.text(out.language)));
    for row in rows {
        table.row(row);
    }
    let mut lines = table.lines(columns());
    lines.push(String::new());
    lines
}

/// The word as the former product prints it, in both languages.
fn word_of(word: StatusWord) -> Phrase {
    match word {
        StatusWord::Normal => phrase::word_normal(),
        StatusWord::Caution => phrase::word_caution(),
        StatusWord::Error => phrase::word_error(),
        StatusWord::Suspend => phrase::word_suspend(),
        StatusWord::Unknown => phrase::word_unknown(),
        StatusWord::Unused => phrase::word_unused(),
        StatusWord::Online => phrase::word_online(),
        StatusWord::Offline => phrase::word_offline(),
        StatusWord::OnlinePending => phrase::word_online_pending(),
        StatusWord::OfflinePending => phrase::word_offline_pending(),
        StatusWord::OnlineFailure => phrase::word_online_failure(),
        StatusWord::OfflineFailure => phrase::word_offline_failure(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsugi_messages::Language;

    #[test]
    fn cl_36_the_status_words_are_those_of_the_former_product_in_both_languages() {
        for language in [Language::En, Language::Ja] {
            let words = StatusWord::ALL.map(|word| word_of(word).text(language));
            assert_eq!(
                words.join(", "),
                "Normal, Caution, Error, Suspend, Unknown, Unused, Online, Offline, \
                 Online Pending, Offline Pending, Online Failure, Offline Failure"
            );
        }
    }
}
