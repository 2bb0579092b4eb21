//! What came of a command: the audit keeps a word, people read a sentence.

use tsugi_messages::{Language, Phrase, phrase};

/// The sentence. What a later version has written stands as it is.
pub fn outcome(kept: &str, language: Language) -> String {
    if kept == "accepted" {
        return phrase::audit_accepted().text(language);
    }
    let word = kept.strip_prefix("refused ").and_then(|rest| rest.split_once(": "));
    match word.and_then(|(_number, word)| because(word)) {
        Some(because) => phrase::audit_refused(because.text(language)).text(language),
        None => kept.to_owned(),
    }
}

/// The words of the refusals, which never change.
fn because(word: &str) -> Option<Phrase> {
    Some(match word {
        "repeated" => phrase::audit_repeated(),
        "stale-view" => phrase::audit_stale_view(),
        "no-such-group" => phrase::audit_no_such_group(),
        "no-such-node" => phrase::audit_no_such_node(),
        "reason-required" => phrase::audit_reason_required(),
        "paused" => phrase::audit_paused(),
        "not-paused" => phrase::audit_not_paused(),
        "already-so" => phrase::audit_already_so(),
        "cannot-take" => phrase::audit_cannot_take(),
        "nobody-can-take" => phrase::audit_nobody_can_take(),
        "start" => phrase::audit_start(),
        "moving" => phrase::audit_moving(),
        "last-majority" => phrase::audit_last_majority(),
        "still-owns" => phrase::audit_still_owns(),
        "no-third-vote" => phrase::audit_no_third_vote(),
        "node-is-up" => phrase::audit_node_is_up(),
        "not-running" => phrase::audit_not_running(),
        "owner-lost" => phrase::audit_owner_lost(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_command_is_told_in_the_readers_language() {
        assert_eq!(outcome("accepted", Language::Ja), "受け付けた");
        assert_eq!(outcome("refused 2: stale-view", Language::Ja), "拒んだ(古い状態を見て決めた)");
        assert_eq!(
            outcome("refused 5: reason-required", Language::En),
            "refused (no reason was given)"
        );
    }

    #[test]
    fn what_a_later_version_wrote_stands_as_it_is() {
        for kept in ["refused 99: too-late", "put off", ""] {
            assert_eq!(outcome(kept, Language::En), kept);
        }
    }
}
