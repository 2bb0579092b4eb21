//! A deploy on the real store, stopped before each of its steps.

use tempfile::TempDir;
use tsugi_package::archive::Content;
use tsugi_package::assembly::{Answered, Assembly, By, Native};
use tsugi_package::deployed::Deployed;
use tsugi_package::manifest::{
    Data as Loads, Effects, File, Form, Order as Asks, Organization, PartPath, Quotas,
};
use tsugi_store::file::Files;
use tsugi_store::{Sqlite, Store as _};

use super::*;

/// A volume with a store and a shelf, and packages to deploy on it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn volume(&self) -> PathBuf {
        self.0.path().join("volume")
    }

    /// A package of one command, which says this, and of a file with this name and one record.
    fn package(&self, says: &str) -> (PathBuf, Digest) {
        self.package_of(says, None)
    }

    /// As [`package`](Self::package); the file may have so many records.
    fn package_of(&self, says: &str, most: Option<u64>) -> (PathBuf, Digest) {
        let text = format!("#!/bin/sh\necho {says}\n").into_bytes();
        let services = [Answered {
            name: "SAY",
            by: By::Command(Native { content: Content::Bytes(text), interface: None }),
            effects: Effects::Store,
            order: Asks::None,
            quotas: Quotas::default(),
        }];
        let assembly =
            Assembly { name: "srv01", modules: &[], services: &services, data: &[], tables: None };
        let to = self.0.path().join(format!("{says}.tsugi"));
        let mut draft = assembly.draft().expect("a draft");
        let part = PartPath::new(&format!("data/{says}")).expect("a path");
        let (organization, form) = (Organization::Sequential, Form::Records);
        let name = || says.to_owned();
        let (shortest, longest, keys) = (3, 3, Vec::new());
        draft.manifest.files =
            vec![File { name: name(), organization, shortest, longest, most, keys }];
        draft.manifest.data = vec![Loads { file: name(), part: part.clone(), form }];
        draft.contents.insert(part, Content::Bytes(b"abcdef".to_vec()));
        (to.clone(), draft.write(&to).expect("written").id)
    }

    /// How many records a file of the store has, if it is there.
    fn records(&self, name: &str) -> Option<u64> {
        let (_, mut store) = self.open();
        let mut unit = store.aside().expect("a unit of work");
        let mut files = Files::of(&mut *unit);
        let file = files.find(name).expect("it can be read")?;
        Some(files.records(&file).count().expect("it can be read"))
    }

    /// How many records a file of the store may have.
    fn most(&self, name: &str) -> Option<i64> {
        let (_, mut store) = self.open();
        let mut unit = store.aside().expect("a unit of work");
        let file = Files::of(&mut *unit).find(name).expect("it can be read");
        file.expect("it is there").most
    }

    fn open(&self) -> (Shelf, Sqlite) {
        std::fs::create_dir_all(self.volume()).expect("made");
        let looked = Sqlite::look(&rows::store(&self.volume())).expect("it can be read");
        let group = "ESSRV01".parse().expect("a name");
        let opened = loop {
            // A process that another test has just forked has its lock until it is another program.
            match rows::open(&self.volume(), (looked.as_ref(), &group)) {
                Err(OpenRefused::InUse(_)) => std::thread::yield_now(),
                opened => break opened.expect("it opens"),
            }
        };
        (Shelf::open(&rows::shelf(&self.volume())).expect("a shelf"), opened)
    }

    /// Deploys, stopped before the step of this number; whether it came to its end.
    fn deploy(&self, package: &Path, mut steps: usize) -> bool {
        let (shelf, mut store) = self.open();
        let mut go = |_: Next<'_>| match steps.checked_sub(1) {
            Some(left) => {
                steps = left;
                Go::On
            }
            None => Go::Stop,
        };
        match deployed((&shelf, &mut store), package, &mut go) {
            Ok((_, ended)) => {
                let failed = ended.told.iter().any(|told| matches!(told, Told::Failed(_)));
                assert!(!failed, "{ended:?}");
                true
            }
            Err(Unended::Stopped) => false,
            Err(other) => panic!("{other}"),
        }
    }

    /// Which packages there are, as the next run finds them once what was broken off is cleared.
    fn found(&self) -> BTreeMap<Digest, Stands> {
        let (shelf, mut store) = self.open();
        let mut all = shelf.ids().expect("it can be read");
        all.extend(store.packages().expect("rows").into_iter().map(|known| Digest(known.id)));
        for id in all {
            let mut rows = InStore(&mut store);
            let go = &mut |_: Next<'_>| Go::On;
            Deployment { shelf: &shelf, rows: &mut rows, go }.open(id).expect("it is cleared");
        }
        let rows = store.packages().expect("rows");
        let known: BTreeMap<_, _> =
            rows.into_iter().map(|known| (Digest(known.id), known.stands)).collect();
        for id in known.keys() {
            Deployed::load(&shelf, *id).expect("what has a row is whole");
        }
        let shelved = shelf.ids().expect("it can be read");
        assert_eq!(shelved, known.keys().copied().collect::<Vec<_>>(), "nothing else is left");
        known
    }
}

#[test]
fn after_a_death_before_any_step_there_is_all_of_a_package_or_nothing() {
    let place = Place::new();
    let ((first, one), (second, two)) = (place.package("one"), place.package("two"));
    assert!(place.deploy(&first, usize::MAX));
    let mut steps = 0;
    let (mut nothing, mut kept) = (0, 0);
    loop {
        let ended = place.deploy(&second, steps);
        let found = place.found();
        let made = found.get(&two) == Some(&Stands::Current);
        assert_eq!(place.records("two"), made.then_some(2), "a file comes with its package");
        match (found.get(&one), found.get(&two)) {
            (Some(Stands::Current), None) => nothing += 1,
            (Some(Stands::Current), Some(Stands::Kept)) => kept += 1,
            (Some(Stands::Former), Some(Stands::Current)) if ended => break,
            other => panic!("{other:?} after {steps} steps"),
        }
        assert!(!ended, "it has ended and is not current");
        // Begun anew, as an operator does who finds it not done.
        let (shelf, mut store) = place.open();
        let mut rows = InStore(&mut store);
        let go = &mut |_: Next<'_>| Go::On;
        let mut deployment = Deployment { shelf: &shelf, rows: &mut rows, go };
        if found.contains_key(&two) {
            deployment.on(two, State::Kept, Event::Old).expect("it is taken away");
        }
        steps += 1;
    }
    assert!(nothing > 8 && kept > 0, "{nothing} steps without a trace, {kept} with a row");
    assert_eq!(place.found().len(), 2);
}

#[test]
fn a_deploy_goes_back_to_a_former_package_and_keeps_three_of_them() {
    let place = Place::new();
    let all: Vec<_> = ["a", "b", "c", "d", "e"].map(|says| place.package(says)).into();
    for (file, _) in &all {
        assert!(place.deploy(file, usize::MAX));
    }
    let stands = |found: &BTreeMap<Digest, Stands>, at: usize| found.get(&all[at].1).copied();
    let found = place.found();
    assert_eq!(stands(&found, 0), None, "it is too old");
    assert_eq!(stands(&found, 4), Some(Stands::Current));
    assert_eq!(found.values().filter(|stands| **stands == Stands::Former).count(), 3);
    assert!(place.deploy(&all[3].0, usize::MAX));
    let found = place.found();
    assert_eq!(stands(&found, 3), Some(Stands::Current));
    assert_eq!(stands(&found, 4), Some(Stands::Former));
}

#[test]
fn a_file_has_the_quota_of_the_package_that_is_current_and_none_with_more_records_is_loaded() {
    let place = Place::new();
    let (package, _) = place.package_of("one", Some(2));
    assert!(place.deploy(&package, usize::MAX));
    assert_eq!((place.records("one"), place.most("one")), (Some(2), Some(2)));
    let (package, _) = place.package_of("one", Some(7));
    assert!(place.deploy(&package, usize::MAX));
    assert_eq!((place.records("one"), place.most("one")), (Some(2), Some(7)));
    let (package, _) = place.package_of("one", None);
    assert!(place.deploy(&package, usize::MAX));
    assert_eq!((place.records("one"), place.most("one")), (Some(2), None));

    let (package, _) = place.package_of("two", Some(1));
    let (shelf, mut store) = place.open();
    let ended = deployed((&shelf, &mut store), &package, &mut |_: Next<'_>| Go::On);
    let told = match ended {
        Ok((_, ended)) => format!("{ended:?}"),
        Err(why) => why.to_string(),
    };
    assert!(told.contains("record 2: the file may have 1 records"), "{told}");
    drop((shelf, store));
    assert_eq!(place.records("two"), None, "nothing of it was made");
}
