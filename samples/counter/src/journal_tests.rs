//! What the journal gives back after each kind of end.

use super::*;

fn line(number: u64, call: &CallId) -> String {
    format!("{number} n1 {} {}", call.client, call.serial)
}

fn call(serial: u64) -> CallId {
    CallId { client: "c".into(), serial }
}

fn open(dir: &Path) -> Result<Journal, CounterError> {
    Journal::open(dir, 64, Durability::Synced)
}

fn begun(dir: &Path) -> Journal {
    Journal::create(dir).unwrap();
    open(dir).unwrap()
}

fn number_of(journal: &mut Journal, serial: u64) -> String {
    let answers = journal.answer(&[call(serial)], &line).unwrap();
    match answers.into_iter().next().unwrap() {
        Answer::Line(line) => line,
        Answer::Forgotten => "forgotten".into(),
    }
}

#[test]
fn a_retry_after_takeover_gets_the_same_reply_and_no_second_number() {
    let dir = tempfile::tempdir().unwrap();
    let first = {
        let mut journal = begun(dir.path());
        number_of(&mut journal, 1);
        number_of(&mut journal, 2)
    };
    let other_node = |number: u64, call: &CallId| format!("{number} n2 {} {}", call.client, 9);
    let mut journal = open(dir.path()).unwrap();
    let again = journal.answer(&[call(2)], &other_node).unwrap();
    assert_eq!(again, [Answer::Line(first)]);
    assert_eq!(journal.number(), 2);
    assert_eq!(number_of(&mut journal, 3), "3 n1 c 3");
}

#[test]
fn a_retry_beside_its_own_first_try_gets_one_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begun(dir.path());
    let answers = journal.answer(&[call(1), call(1), call(2)], &line).unwrap();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(journal.number(), 2);
}

#[test]
fn a_torn_last_record_is_cut_off_and_the_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = {
        let mut journal = begun(dir.path());
        number_of(&mut journal, 1);
        let before = journal.place;
        number_of(&mut journal, 2);
        (before, journal.place)
    };
    let path = dir.path().join(NAME);
    for torn_at in before + 1..after {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[torn_at..after].fill(0);
        let torn = tempfile::tempdir().unwrap();
        std::fs::write(torn.path().join(NAME), bytes).unwrap();
        let mut journal = open(torn.path()).unwrap();
        let whole = journal.number() == 2; // only the padding was cut
        assert!(whole || journal.number() == 1, "torn at {torn_at}");
        number_of(&mut journal, 3);
        assert_eq!(open(torn.path()).unwrap().number(), if whole { 3 } else { 2 });
    }
}

#[test]
fn a_damaged_record_in_the_middle_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let place = {
        let mut journal = begun(dir.path());
        let place = journal.place;
        number_of(&mut journal, 1);
        number_of(&mut journal, 2);
        place
    };
    let path = dir.path().join(NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[place + record::HEAD + 2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(open(dir.path()), Err(CounterError::Damaged { .. })));
}

#[test]
fn a_missing_or_emptied_journal_is_an_error_and_not_zero() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open(dir.path()), Err(CounterError::Io { .. })));
    std::fs::write(dir.path().join(NAME), vec![0; 4096]).unwrap();
    assert!(matches!(open(dir.path()), Err(CounterError::Damaged { .. })));
    Journal::create(dir.path()).unwrap();
    assert!(open(dir.path()).is_err(), "create must not replace what is there");
}

#[test]
fn a_full_file_is_renewed_with_all_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begun(dir.path());
    journal.size = journal.place + 4096;
    for serial in 1..=300 {
        number_of(&mut journal, serial);
    }
    let mut journal = open(dir.path()).unwrap();
    assert_eq!(journal.number(), 300);
    assert_eq!(number_of(&mut journal, 300), "300 n1 c 300");
    assert_eq!(number_of(&mut journal, 1), "forgotten");
    assert_eq!(journal.number(), 300);
}

#[test]
fn a_failing_disk_ends_the_answering() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begun(dir.path());
    journal.file = OpenOptions::new().read(true).open(dir.path().join(NAME)).unwrap();
    assert!(journal.answer(&[call(1)], &line).is_err());
}
