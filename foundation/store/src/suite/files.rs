//! What a unit of work does with files of records.

use std::collections::BTreeMap;

use super::model::Chance;
use super::*;
use crate::file::{
    Entry, File, Files, Held, LONGEST_KEY, LONGEST_RECORD, Records, Seek, Shape, Was,
};

const NAME: &str = "STOCK";

fn shape(kind: i64) -> Shape {
    Shape { kind, shortest: 1, longest: 80, keys: vec![1, 0, 255] }
}

/// Does something with the files of a store, durably.
fn kept<T>(store: &mut dyn Store, what: impl FnOnce(Files<'_>) -> Result<T, Trouble>) -> T {
    let mut unit = store.aside().expect("it begins");
    let done = what(Files::of(&mut *unit)).expect("it works");
    unit.keep().expect("it is kept");
    store.commit().expect("it commits");
    done
}

/// A store with one file.
fn filed(stand: &mut dyn Stand) -> (Box<dyn Store>, File) {
    let mut store = founded(stand);
    let was = kept(&mut *store, |mut files| files.make(NAME, &shape(2), 1));
    assert_eq!(was, Was::Missing);
    let file = there(&mut *store).expect("it is there");
    (store, file)
}

/// The file as it is now.
fn there(store: &mut dyn Store) -> Option<File> {
    kept(store, |mut files| files.find(NAME))
}

fn with<T>(
    store: &mut dyn Store,
    file: &File,
    what: impl FnOnce(&mut Records<'_>) -> Result<T, Trouble>,
) -> T {
    kept(store, |files| what(&mut files.records(file)))
}

fn held(key: &[u8], record: &[u8]) -> Held {
    Held { key: key.to_vec(), record: record.to_vec() }
}

fn entry(key: &[u8], place: i64, of: &[u8]) -> Entry {
    Entry { key: key.to_vec(), place, of: of.to_vec() }
}

pub(super) fn a_file_is_made_once_and_goes_with_its_records(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    assert_eq!((file.name.as_str(), &file.shape, file.most), (NAME, &shape(2), None));
    let again = kept(&mut *store, |mut files| files.make(NAME, &shape(3), 2));
    assert_eq!((again, there(&mut *store).as_ref()), (Was::There, Some(&file)));
    with(&mut *store, &file, |records| records.put(b"a", b"one"));
    // Made anew it has another shape and no records; the old ones are swept away in portions.
    for n in 0..5_u8 {
        with(&mut *store, &file, |records| {
            records.put(&[n], b"record")?;
            records.put_entry(1, &entry(&[n], 0, &[n]))
        });
    }
    let renewed = kept(&mut *store, |mut files| files.renew(&file, &shape(3), 3));
    assert_eq!(there(&mut *store), Some(renewed.clone()));
    assert_eq!(renewed.shape, shape(3));
    assert_ne!(renewed.generation, file.generation);
    assert_eq!(with(&mut *store, &renewed, |records| records.seek(Seek::First)), None);
    assert_eq!(with(&mut *store, &renewed, |records| records.count()), 0);
    with(&mut *store, &renewed, |records| records.put(b"a", b"two"));
    assert_eq!(with(&mut *store, &renewed, |records| records.count()), 1);
    assert_eq!((rows_of(&mut *store, "record"), rows_of(&mut *store, "entry")), (7, 5));
    let mut portions = 0;
    while kept(&mut *store, |mut files| files.sweep(2)) == Was::There {
        portions += 1;
    }
    assert_eq!(portions, 4, "three for six rows, one that ends it");
    assert_eq!((rows_of(&mut *store, "record"), rows_of(&mut *store, "entry")), (1, 0));
    assert_eq!(
        with(&mut *store, &renewed, |records| records.record(b"a")),
        Some(b"two".to_vec()),
        "what is swept is of nobody"
    );
    kept(&mut *store, |mut files| files.remove(&renewed));
    assert_eq!(there(&mut *store), None);
    while kept(&mut *store, |mut files| files.sweep(100)) == Was::There {}
    assert_eq!((rows_of(&mut *store, "record"), rows_of(&mut *store, "generation")), (0, 0));
    kept(&mut *store, |mut files| {
        files.make("B", &shape(1), 1)?;
        files.make("A", &shape(1), 1)
    });
    let names = kept(&mut *store, |mut files| files.all()).into_iter().map(|file| file.name);
    assert_eq!(names.collect::<Vec<_>>(), ["A", "B"]);
}

pub(super) fn records_come_and_go_with_their_unit_of_work(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    let id = call(serial(1, 1), 1);
    let mut work = begun(&mut *store, &id);
    Files::of(&mut *work).records(&file).put(b"a", b"one").expect("it works");
    drop(work);
    store.abandon().expect("it works");
    assert_eq!(rows_of(&mut *store, "record"), 0, "it was dropped");
    let mut work = begun(&mut *store, &id);
    added(&mut *work, 1);
    Files::of(&mut *work).records(&file).put(b"a", b"one").expect("it works");
    {
        let mut inner = work.nested().expect("it works");
        Files::of(&mut *inner).records(&file).put(b"b", b"two").expect("it works");
    }
    let mut records = Files::of(&mut *work).records(&file);
    assert_eq!(records.record(b"b").expect("it works"), None, "the inner one was dropped");
    assert_eq!(records.record(b"a").expect("it works"), Some(b"one".to_vec()));
    work.undo().expect("it works");
    let mut records = Files::of(&mut *work).records(&file);
    assert_eq!(records.record(b"a").expect("it works"), None, "it was undone");
    records.put(b"c", b"three").expect("it works");
    work.finish(&reply("", 1)).expect("it works");
    store.commit().expect("it works");
    let all = with(&mut *store, &file, |records| records.seek(Seek::First));
    assert_eq!(all, Some(held(b"c", b"three")));
    assert_eq!((rows_of(&mut *store, "record"), value(&mut *store)), (1, 0));
    // A file that was made goes with its unit, too.
    let mut aside = store.aside().expect("it begins");
    Files::of(&mut *aside).make("OTHER", &shape(1), 1).expect("it works");
    drop(aside);
    store.abandon().expect("it works");
    assert_eq!(rows_of(&mut *store, "file"), 1);
}

pub(super) fn a_program_reads_files_by_no_statement_that_changes_them(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    with(&mut *store, &file, |records| records.put(b"a", b"one"));
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    for text in [
        "DELETE FROM tsugi_record",
        "UPDATE tsugi_file SET generation = 0",
        "DELETE FROM tsugi_entry",
        "DELETE FROM tsugi_generation",
    ] {
        let told = work.run(&[Op::sql(text, vec![])]);
        assert!(matches!(told, Err(Trouble::Refused(_))), "{text}: {told:?}");
    }
}

pub(super) fn the_longest_keys_and_records_come_back(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    let mut chance = Chance::new(7);
    let mut bytes = |length: usize| -> Vec<u8> {
        (0..length).map(|_| u8::try_from(chance.below(256)).expect("a byte")).collect()
    };
    let (key, value, record) = (bytes(LONGEST_KEY), bytes(LONGEST_KEY), vec![7; LONGEST_RECORD]);
    with(&mut *store, &file, |records| {
        records.put(&key, &record)?;
        records.put(&[], &[])?;
        records.put_entry(1, &entry(&value, 0, &key))
    });
    with(&mut *store, &file, |records| {
        assert_eq!(records.seek(Seek::Last)?.expect("it is there").record.len(), LONGEST_RECORD);
        assert_eq!(records.seek(Seek::First)?, Some(held(&[], &[])));
        assert_eq!(records.entry_of(1, &key)?, Some(entry(&value, 0, &key)));
        Ok(())
    });
}

pub(super) fn a_file_has_no_more_records_than_it_may(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    with(&mut *store, &file, |records| records.put(b"a", b"one"));
    assert!(!with(&mut *store, &file, |records| records.is_full()));
    kept(&mut *store, |mut files| files.limit(&file, Some(2)));
    let file = there(&mut *store).expect("it is there");
    assert_eq!((file.most, file.records), (Some(2), 1), "what was there is counted");
    with(&mut *store, &file, |records| {
        assert!(!records.is_full()?);
        records.put(b"a", b"another")?;
        assert!(!records.is_full()?, "one was replaced");
        records.put(b"b", b"two")?;
        assert!(records.is_full()?);
        assert_eq!(records.remove(b"z")?, Was::Missing);
        assert!(records.is_full()?, "nothing was taken away");
        assert_eq!(records.remove(b"a")?, Was::There);
        assert!(!records.is_full()?);
        Ok(())
    });
    let renewed = kept(&mut *store, |mut files| files.renew(&file, &shape(2), 2));
    assert!(!with(&mut *store, &renewed, |records| {
        records.put(b"a", b"one")?;
        records.is_full()
    }));
}

pub(super) fn an_entry_has_one_place_and_a_record_one_entry(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    with(&mut *store, &file, |records| {
        assert_eq!(records.put_entry(1, &entry(b"x", 1, b"a"))?, Was::Missing);
        assert_eq!(records.put_entry(1, &entry(b"x", 1, b"b"))?, Was::There, "its place");
        assert_eq!(records.put_entry(1, &entry(b"x", 2, b"a"))?, Was::There, "its record");
        assert_eq!(records.put_entry(2, &entry(b"x", 1, b"a"))?, Was::Missing, "another key");
        records.remove_entry(1, &entry(b"x", 1, b"a"))?;
        assert_eq!(records.put_entry(1, &entry(b"x", 1, b"b"))?, Was::Missing);
        assert_eq!(records.entry_of(1, b"a")?, None);
        Ok(())
    });
}

/// A file in memory, too simple to be wrong.
#[derive(Default)]
struct Model {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    entries: BTreeMap<(Vec<u8>, i64), Vec<u8>>,
}

/// The element of an order that is meant.
fn pick<K: Ord + Clone, V: Clone>(all: &BTreeMap<K, V>, seek: &Seek<K>) -> Option<(K, V)> {
    let found = match seek {
        Seek::First => all.iter().next(),
        Seek::Last => all.iter().next_back(),
        Seek::AtLeast(at) => all.range(at..).next(),
        Seek::Above(at) => all.iter().find(|(key, _)| *key > at),
        Seek::Below(at) => all.range(..at).next_back(),
        Seek::AtMost(at) => all.range(..=at).next_back(),
    };
    found.map(|(key, value)| (key.clone(), value.clone()))
}

fn each<K: Clone>(at: &K) -> [Seek<K>; 6] {
    let at = || at.clone();
    let (least, most) = (Seek::AtLeast(at()), Seek::AtMost(at()));
    [Seek::First, Seek::Last, least, Seek::Above(at()), Seek::Below(at()), most]
}

fn borrowed<'a, K, B: Copy>(seek: &'a Seek<K>, lend: impl Fn(&'a K) -> B) -> Seek<B> {
    match seek {
        Seek::First => Seek::First,
        Seek::Last => Seek::Last,
        Seek::AtLeast(at) => Seek::AtLeast(lend(at)),
        Seek::Above(at) => Seek::Above(lend(at)),
        Seek::Below(at) => Seek::Below(lend(at)),
        Seek::AtMost(at) => Seek::AtMost(lend(at)),
    }
}

/// Short keys of few bytes: many that are equal, or begin with each other.
fn key(chance: &mut Chance) -> Vec<u8> {
    let bytes = [0, 1, b'a', 0x7f, 0x80, 0xff];
    let length = chance.below(4);
    (0..length).map(|_| bytes[usize::try_from(chance.below(6)).expect("small")]).collect()
}

pub(super) fn look_ups_find_what_a_model_finds(stand: &mut dyn Stand) {
    let (mut store, file) = filed(stand);
    let (mut chance, mut model) = (Chance::new(11), Model::default());
    // Another file and another key have rows all around: they are never found.
    let other = kept(&mut *store, |mut files| {
        files.make("OTHER", &shape(2), 1)?;
        files.find("OTHER")
    });
    let other = other.expect("it was made");
    for round in 0..12 {
        let mut unit = store.aside().expect("it begins");
        for _ in 0..20 {
            let (key, value) = (key(&mut chance), key(&mut chance));
            let place = chance.below(3);
            let mut beside = Files::of(&mut *unit).records(&other);
            beside.put(&key, b"other").expect("it works");
            let mut records = Files::of(&mut *unit).records(&file);
            if chance.below(3) == 0 {
                let was = records.remove(&key).expect("it works");
                assert_eq!(was == Was::There, model.records.remove(&key).is_some());
                let entry = records.entry_of(1, &key).expect("it works");
                let own = model.entries.iter().find(|(_, of)| **of == key);
                let own = own.map(|((value, place), of)| entry_of(value, *place, of));
                assert_eq!(entry, own);
                if let Some(entry) = entry {
                    records.remove_entry(1, &entry).expect("it works");
                    model.entries.remove(&(entry.key, entry.place));
                }
            } else {
                records.put(&key, &value).expect("it works");
                model.records.insert(key.clone(), value.clone());
                let taken = model.entries.contains_key(&(value.clone(), place))
                    || model.entries.values().any(|of| *of == key);
                let was = records.put_entry(1, &entry_of(&value, place, &key)).expect("it works");
                assert_eq!(was == Was::There, taken);
                if !taken {
                    model.entries.insert((value.clone(), place), key.clone());
                }
                records.put_entry(2, &entry_of(&key, place, &key)).expect("it works");
            }
            found(&mut records, &model, (&key, &value, place));
        }
        if round % 3 == 0 {
            // What a unit of work did not keep is not found by the next one.
            drop(unit);
            store.abandon().expect("it works");
            model = as_stored(&mut *store, &file);
        } else {
            unit.keep().expect("it is kept");
            store.commit().expect("it commits");
        }
    }
    assert!(model.records.len() > 20, "{}", model.records.len());
}

fn entry_of(key: &[u8], place: i64, of: &[u8]) -> Entry {
    entry(key, place, of)
}

/// Every look-up from a key finds what the model finds.
fn found(records: &mut Records<'_>, model: &Model, (key, value, place): (&[u8], &[u8], i64)) {
    for at in [key.to_vec(), value.to_vec()] {
        assert_eq!(records.record(&at).expect("it works"), model.records.get(&at).cloned());
        for seek in each(&at) {
            let found = records.seek(borrowed(&seek, |key| key.as_slice())).expect("it works");
            let own = pick(&model.records, &seek).map(|(key, record)| Held { key, record });
            assert_eq!(found, own, "{seek:?}");
        }
        for seek in each(&(at, place)) {
            let lent = borrowed(&seek, |(key, place)| (key.as_slice(), *place));
            let found = records.seek_entry(1, lent).expect("it works");
            let own = pick(&model.entries, &seek);
            let own = own.map(|((key, place), of)| Entry { key, place, of });
            assert_eq!(found, own, "{seek:?}");
        }
    }
}

/// All of a file, walked through from its first record on.
fn as_stored(store: &mut dyn Store, file: &File) -> Model {
    with(store, file, |records| {
        let mut model = Model::default();
        let mut next = records.seek(Seek::First)?;
        while let Some(Held { key, record }) = next {
            next = records.seek(Seek::Above(&key))?;
            model.records.insert(key, record);
        }
        let mut next = records.seek_entry(1, Seek::First)?;
        while let Some(Entry { key, place, of }) = next {
            next = records.seek_entry(1, Seek::Above((&key, place)))?;
            model.entries.insert((key, place), of);
        }
        Ok(model)
    })
}

/// So many records and entries, to be looked up in, and files around theirs.
pub fn filled(store: &mut dyn Store, count: u32) {
    kept(store, |mut files| {
        for n in 0..count / 10 {
            files.make(&format!("F{n}"), &shape(2), 1)?;
        }
        files.make(NAME, &shape(2), 1)
    });
    let file = there(store).expect("it is there");
    with(store, &file, |records| {
        for n in 0..count {
            let key = n.to_be_bytes();
            records.put(&key, b"record")?;
            records.put_entry(1, &entry(&key[2..], i64::from(n), &key))?;
        }
        Ok(())
    });
}

/// The statements that look one row up, and how many parameters each has.
#[must_use]
pub fn look_ups() -> Vec<(&'static str, usize)> {
    crate::statement::LOOK_UPS.to_vec()
}
