//! The guides: every command of every page, in the order in which it stands there, on real nodes.
//!
//! A page names its scene and what happens in between in comments (`<!-- scene: … -->`,
//! `<!-- then: … -->`), both from closed lists. What it shows of an output has to be in the real
//! one; three dots stand for anything. Files that it shows are the files that are used.

#[path = "guides/book.rs"]
mod book;
#[path = "guides/page.rs"]
mod page;
#[path = "guides/place.rs"]
mod place;
#[path = "guides/play.rs"]
mod play;
#[path = "guides/scene.rs"]
mod scene;

use book::Book;
use page::Step;

/// Declares a test of each page and the list of all.
macro_rules! pages {
    ($($name:ident => $file:literal),* $(,)?) => {
        const PAGES: &[&str] = &[$($file),*];

        $(
            #[test]
            fn $name() {
                play::in_both_languages($file);
            }
        )*
    };
}

pages! {
    how_to_read_it => "about.md",
    a_first_cluster_on_three_machines => "first.md",
    from_the_package_at_every_boot => "package.md",
    two_machines_and_a_witness => "witness.md",
    from_old_scripts => "migration.md",
    old_commands_and_words => "words.md",
    woken_at_night => "night.md",
    a_group_moved => "night/moved.md",
    a_group_was_given_up => "night/given-up.md",
    one_more_loss_stops_everything => "night/one-more-loss.md",
    no_majority => "night/no-majority.md",
    a_node_does_not_come_back => "night/gone.md",
    a_silent_node_waits_for_a_person => "night/confirm-off.md",
    a_start_fails_half_way => "night/start-fails.md",
    a_stop_hangs => "night/stop-hangs.md",
    the_disk_is_full_or_failed => "night/disk.md",
    a_configuration_differs => "night/configuration.md",
    before_maintenance => "night/maintenance.md",
    drills_and_parity => "night/drills.md",
}

#[test]
fn each_book_names_every_page_once_and_every_page_is_tested() {
    for book in Book::ALL {
        let named = book.summary();
        assert_eq!(named, PAGES, "{book:?}: SUMMARY.md against the tests");
        let mut there = book.files();
        there.sort();
        let mut named = named;
        named.sort();
        assert_eq!(there, named, "{book:?}: the pages that are there against SUMMARY.md");
    }
}

#[test]
fn both_books_show_the_same_scenes_files_and_commands_in_the_same_order() {
    for file in PAGES {
        let [en, ja] = Book::ALL.map(|book| book.page(file));
        assert_eq!(en.scene, ja.scene, "{file}");
        let of = |page: &page::Page| page.steps.iter().map(Step::bare).collect::<Vec<_>>();
        for (one, other) in of(&en).into_iter().zip(of(&ja)) {
            assert_eq!(one, other, "{file}");
        }
        assert_eq!(en.steps.len(), ja.steps.len(), "{file}: one has more than the other");
    }
}

#[test]
fn a_page_that_nobody_could_play_is_refused() {
    let scene = "<!-- scene: no cluster -->\n";
    for (page, said) in [
        ("```console\n$ tsugi status\n```\n".to_owned(), "no scene"),
        (format!("{scene}<!-- the: node1 loses its power -->\n"), "no comment"),
        (format!("{scene}```bash\ntsugi status\n```\n"), "nobody tests"),
        (format!("{scene}```console\n# somewhere\n$ tsugi status\n```\n"), "names no node"),
        (format!("{scene}```console\nnothing needs you\n```\n"), "before any command"),
        (format!("{scene}```console\n$ tsugi status # exits badly\n```\n"), "which code"),
    ] {
        let refused = page::Page::read(&page).err();
        assert!(refused.as_ref().is_some_and(|what| what.contains(said)), "{page}: {refused:?}");
    }
    assert!(scene::Scene::of("three nodes on the moon").is_none());
    assert!(scene::Then::of("node1 is tired").is_none());
}

#[test]
fn an_answer_that_is_not_as_shown_is_found() {
    let page = "<!-- scene: no cluster -->\n```console\n$ tsugi plan # exits 10\n\
                TSUG10616-I ... differs\n  from ...\n```\n";
    let page = page::Page::read(page).expect("it can be played");
    let [Step::Command(command)] = page.steps.as_slice() else { panic!("one command") };
    let right = "TSUG10616-I /etc/tsugi/tsugi.toml differs from configuration 1\n";
    assert_eq!(play::wrong(command, (10, right)), None, "however its lines are broken");
    assert!(play::wrong(command, (0, right)).is_some(), "another code");
    assert!(play::wrong(command, (10, &right.replace("616", "617"))).is_some(), "another number");
    assert!(play::wrong(command, (10, "from TSUG10616-I differs")).is_some(), "another order");
}

#[test]
fn every_configuration_that_a_page_shows_is_valid() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tsugi.toml");
    for (book, page) in Book::ALL.iter().flat_map(|book| PAGES.iter().map(move |p| (book, p))) {
        for text in book.page(page).configurations() {
            std::fs::write(&file, &text).expect("a file");
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_tsugi"))
                .args(["config", "validate"])
                .arg(&file)
                .output()
                .expect("the binary was built");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{book:?} {page}: {said}\n{text}");
        }
    }
}

#[test]
fn the_service_that_a_page_shows_starts_a_node_with_options_that_exist() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tsugi"))
        .args(["node", "run", "--help"])
        .output()
        .expect("the binary was built");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let mut seen = 0;
    for book in Book::ALL {
        for shown in PAGES.iter().flat_map(|page| book.page(page).shown("ini")) {
            let starts = shown.lines().find_map(|line| line.strip_prefix("ExecStart="));
            let words = starts.expect("a service starts something").split_whitespace();
            let words: Vec<&str> = words.collect();
            assert_eq!(words[..3], ["/usr/local/bin/tsugi", "node", "run"], "{book:?}");
            let options = words.iter().filter(|word| word.starts_with("--"));
            for option in options {
                assert!(help.contains(option), "{option} is no option: {help}");
            }
            seen += 1;
        }
    }
    assert!(seen >= Book::ALL.len(), "each book shows how a node becomes a service");
}
