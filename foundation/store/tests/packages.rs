//! The rows of packages, on SQLite.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tempfile::TempDir;
use tsugi_store::suite;
use tsugi_store::{Op, Package, Packages, Sqlite, Stands, Trouble, Value};

const FIRST: [u8; 32] = [1; 32];
const SECOND: [u8; 32] = [2; 32];
const OTHER: [u8; 32] = [3; 32];

fn sqlite(folder: &TempDir, epoch: u64) -> Sqlite {
    Sqlite::open(folder.path(), &suite::claim(epoch, 1)).unwrap()
}

fn package(id: [u8; 32], name: &str, stands: Stands, at: i64) -> Package {
    let services = vec!["ONE".to_owned(), "TWO".to_owned()];
    Package { id, name: name.to_owned(), services, stands, at }
}

fn keep(store: &mut Sqlite, id: [u8; 32], name: &str) {
    store.keep_package(&package(id, name, Stands::Kept, 7)).unwrap();
}

fn stands(store: &mut Sqlite) -> Vec<([u8; 32], Stands)> {
    store.packages().unwrap().into_iter().map(|package| (package.id, package.stands)).collect()
}

#[test]
fn of_one_name_one_package_is_current_and_the_one_before_it_former() {
    let folder = TempDir::new().unwrap();
    let mut store = sqlite(&folder, 1);
    assert_eq!(store.packages().unwrap(), []);
    for (id, name) in [(FIRST, "srv"), (SECOND, "srv"), (OTHER, "other")] {
        keep(&mut store, id, name);
    }
    // A row is not written over by a second one.
    keep(&mut store, FIRST, "another");
    for id in [FIRST, OTHER, SECOND] {
        store.make_package_current(&id, 9, |_| Ok::<_, Trouble>(())).unwrap();
    }
    drop(store);
    let mut store = sqlite(&folder, 2);
    let all = store.packages().unwrap();
    let of = |id, name, stands| package(id, name, stands, 9);
    let expected = [
        of(OTHER, "other", Stands::Current),
        of(FIRST, "srv", Stands::Former),
        of(SECOND, "srv", Stands::Current),
    ];
    assert_eq!(all, expected);
    store.delete_package(&FIRST).unwrap();
    assert_eq!(stands(&mut store), [(OTHER, Stands::Current), (SECOND, Stands::Current)]);
}

#[test]
fn what_is_made_with_a_package_is_there_with_it_or_neither_is() {
    let folder = TempDir::new().unwrap();
    let mut store = sqlite(&folder, 1);
    for id in [FIRST, SECOND] {
        keep(&mut store, id, "srv");
    }
    let table = Op::Define { text: "CREATE TABLE app (n INTEGER)".to_owned() };
    let row = |n| Op::sql("INSERT INTO app VALUES (?1)", [Value::Integer(n)]);
    let made = |store: &mut Sqlite, id, ops: &[Op]| {
        store.make_package_current(id, 9, |unit| unit.run(ops).map(drop))
    };
    let refused = made(&mut store, &FIRST, &[table.clone(), row(1), Op::sql("nothing", [])]);
    assert!(matches!(refused, Err(Trouble::Refused(_))), "{refused:?}");
    assert_eq!(stands(&mut store), [(FIRST, Stands::Kept), (SECOND, Stands::Kept)]);
    let reader = store.reader().unwrap();
    assert!(reader.query("SELECT n FROM app", &[]).is_err(), "the table went with it");
    made(&mut store, &FIRST, &[table, row(1)]).unwrap();
    assert_eq!(reader.query("SELECT n FROM app", &[]).unwrap(), [[Value::Integer(1)]]);
    let refused = made(&mut store, &SECOND, &[row(2), Op::sql("nothing", [])]);
    assert!(refused.is_err());
    assert_eq!(stands(&mut store), [(SECOND, Stands::Kept), (FIRST, Stands::Current)]);
    assert_eq!(reader.query("SELECT n FROM app", &[]).unwrap(), [[Value::Integer(1)]]);
    let unknown = made(&mut store, &OTHER, &[row(3)]);
    assert!(matches!(unknown, Err(Trouble::Refused(_))), "{unknown:?}");
    assert_eq!(reader.query("SELECT n FROM app", &[]).unwrap(), [[Value::Integer(1)]]);
}

#[test]
fn who_only_looks_is_told_whose_store_it_is_and_which_packages_it_has() {
    let folder = TempDir::new().unwrap();
    assert_eq!(Sqlite::look(folder.path()).unwrap(), None, "there is none yet");
    let mut store = sqlite(&folder, 7);
    keep(&mut store, FIRST, "srv");
    store.make_package_current(&FIRST, 9, |_| Ok::<_, Trouble>(())).unwrap();
    for open in [true, false] {
        let looked = Sqlite::look(folder.path()).unwrap().unwrap();
        assert_eq!((looked.group.as_str(), looked.epoch), ("orders", suite::claim(7, 1).epoch));
        let all: Vec<_> = looked.packages.iter().map(|one| (one.id, one.stands, one.at)).collect();
        assert_eq!(all, [(FIRST, Stands::Current, 9)], "open: {open}");
        if open {
            drop(std::mem::replace(&mut store, sqlite(&TempDir::new().unwrap(), 1)));
        }
    }
    assert_eq!(sqlite(&folder, 7).packages().unwrap().len(), 1, "nothing was changed");
}
