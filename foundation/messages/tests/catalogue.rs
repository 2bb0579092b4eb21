//! What must hold of every line of the catalogue.

use std::collections::BTreeSet;

use tsugi_messages::{Entry, Variable, all, phrases};

/// The names in braces, in the order of their first use.
fn names(text: &str) -> BTreeSet<&str> {
    let pieces = text.split('{').skip(1);
    pieces.filter_map(|piece| piece.split_once('}')).map(|(name, _)| name).collect()
}

fn declared(variables: &[Variable]) -> BTreeSet<&'static str> {
    variables.iter().map(|v| v.name).collect()
}

fn has_kana_or_kanji(text: &str) -> bool {
    text.chars().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c) || ('一'..='龯').contains(&c))
}

fn each(check: impl Fn(&Entry) -> Result<(), String>) {
    let wrong: Vec<_> = all().iter().filter_map(|e| check(e).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_number_is_well_formed_and_given_once() {
    let areas = ['1', '2', '7', '8', '9'];
    each(|entry| {
        let letters = entry.id.strip_prefix("TSUG").unwrap_or_default();
        let (digits, kind) = letters.split_once('-').unwrap_or_default();
        let five = digits.len() == 5 && digits.chars().all(|c| c.is_ascii_digit());
        let good = five && digits.starts_with(areas) && ["E", "W", "I"].contains(&kind);
        if good { Ok(()) } else { Err(format!("{}: not TSUGnnnnn-E|W|I", entry.id)) }
    });
    let numbers: BTreeSet<_> = all().iter().map(Entry::number).collect();
    assert_eq!(numbers.len(), all().len(), "a number is given twice with different letters");
}

#[test]
fn every_text_is_in_both_languages() {
    each(|entry| {
        for (what, both) in
            [("text", entry.text), ("system", entry.system), ("operator", entry.operator)]
        {
            if !has_kana_or_kanji(both.ja) {
                return Err(format!("{}: {what} has no Japanese", entry.id));
            }
            if both.en.is_empty() || has_kana_or_kanji(both.en) {
                return Err(format!("{}: {what} has no English", entry.id));
            }
        }
        Ok(())
    });
    for phrase in phrases() {
        assert!(!phrase.text.ja.is_empty(), "{}: no Japanese", phrase.key);
        assert!(!phrase.text.en.is_empty(), "{}: no English", phrase.key);
        assert!(!has_kana_or_kanji(phrase.text.en), "{}: Japanese in English", phrase.key);
    }
}

#[test]
fn both_languages_say_every_variable() {
    each(|entry| {
        let declared = declared(entry.variables);
        for text in [entry.text.ja, entry.text.en] {
            if names(text) != declared {
                return Err(format!("{}: {declared:?} declared, but: {text}", entry.id));
            }
        }
        Ok(())
    });
    for phrase in phrases() {
        let declared = declared(phrase.variables);
        assert_eq!(names(phrase.text.ja), declared, "{}", phrase.key);
        assert_eq!(names(phrase.text.en), declared, "{}", phrase.key);
    }
}

#[test]
fn explanations_and_next_commands_use_only_variables_that_exist() {
    each(|entry| {
        let declared = declared(entry.variables);
        let texts = [entry.system.ja, entry.system.en, entry.operator.ja, entry.operator.en];
        for text in texts.into_iter().chain(entry.next) {
            if !names(text).is_subset(&declared) {
                return Err(format!("{}: unknown variable in: {text}", entry.id));
            }
        }
        Ok(())
    });
}

#[test]
fn every_next_command_is_a_command_of_tsugi() {
    each(|entry| match entry.next {
        Some(next) if !next.starts_with("tsugi ") => Err(format!("{}: {next}", entry.id)),
        Some(_) | None => Ok(()),
    });
}

#[test]
fn a_function_takes_at_most_five_values() {
    each(|entry| match entry.variables.len() {
        0..=5 => Ok(()),
        many => Err(format!("{}: {many} variables", entry.id)),
    });
}

#[test]
fn the_area_of_a_message_is_the_first_digit_of_its_number() {
    let files = [
        ("1", include_str!("../catalogue/cluster.toml")),
        ("2", include_str!("../catalogue/calls.toml")),
        ("2", include_str!("../catalogue/serve.toml")),
        ("7", include_str!("../catalogue/security.toml")),
        ("8", include_str!("../catalogue/store.toml")),
        ("9", include_str!("../catalogue/internal.toml")),
    ];
    for (digit, file) in files {
        let table: toml::Table = file.parse().expect("built from the same file");
        for (key, entry) in table {
            let id = entry["id"].as_str().expect("built from the same file");
            assert_eq!(id.get(4..5), Some(digit), "[{key}] {id} stands in the wrong file");
        }
    }
}

#[test]
fn no_line_of_the_catalogue_is_wider_than_a_log_line_can_be_read() {
    each(|entry| match entry.text.en.len() {
        0..=160 => Ok(()),
        long => Err(format!("{}: {long} characters", entry.id)),
    });
}
