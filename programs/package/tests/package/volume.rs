//! A group's volume: a shelf, the rows of its store, and files from which packages come.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tsugi_package::Digest;
use tsugi_package::archive::{Content, Draft};
use tsugi_package::deploy::{Deployment, Ended, Go, Next, Rows, RowsFailed, Unended, Whole};
use tsugi_package::manifest::{MANIFEST, Manifest, Program};
use tsugi_package::shelf::{Shelf, Step};
use tsugi_service_rules::package::{Data, File, Order, Row, State};

use super::path;

/// What the store has; it is durable once a call has returned.
#[derive(Default)]
pub struct Table {
    pub rows: BTreeMap<Digest, Row>,
    /// How often the data of each package were loaded.
    pub loaded: BTreeMap<Digest, u32>,
    /// What the next calls of this kind answer.
    pub fails: Option<Order>,
}

impl Table {
    fn fails(&self, order: Order) -> Result<(), RowsFailed> {
        match self.fails {
            Some(fails) if fails == order => Err(RowsFailed { says: "full".to_owned() }),
            _ => Ok(()),
        }
    }
}

impl Rows for Table {
    fn row(&mut self, id: Digest) -> Result<Row, RowsFailed> {
        Ok(self.rows.get(&id).copied().unwrap_or(Row::None))
    }

    fn keep(&mut self, id: Digest, _: &Manifest) -> Result<(), RowsFailed> {
        self.fails(Order::Keep)?;
        self.rows.insert(id, Row::Kept);
        Ok(())
    }

    fn make(&mut self, id: Digest, whole: Whole<'_>, data: Data) -> Result<(), RowsFailed> {
        self.fails(Order::Make(data))?;
        assert_whole(whole.folder, whole.manifest);
        for row in self.rows.values_mut().filter(|row| **row == Row::Current) {
            *row = Row::Former;
        }
        self.rows.insert(id, Row::Current);
        if data == Data::OfNewFiles {
            *self.loaded.entry(id).or_default() += 1;
        }
        Ok(())
    }

    fn delete(&mut self, id: Digest) -> Result<(), RowsFailed> {
        self.fails(Order::DeleteRow)?;
        self.rows.remove(&id);
        Ok(())
    }
}

/// Every part is there as the manifest says, and nothing else is.
pub fn assert_whole(folder: &Path, manifest: &Manifest) {
    let mut expected: Vec<PathBuf> = vec![folder.join(MANIFEST)];
    for part in &manifest.parts {
        let at = folder.join(part.path.as_str());
        let bytes = fs::read(&at).unwrap();
        assert_eq!(Digest::of(&bytes), part.sha256, "{}", at.display());
        expected.push(at);
    }
    expected.sort();
    assert_eq!(files(folder), expected);
}

/// Every file below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let at = entry.unwrap().path();
        if at.is_dir() { out.extend(files(&at)) } else { out.push(at) }
    }
    out.sort();
    out
}

pub struct Volume {
    pub folder: TempDir,
    pub shelf: Shelf,
    pub table: Table,
}

impl Volume {
    pub fn new() -> Self {
        let folder = TempDir::new_in("/dev/shm").unwrap();
        let shelf = Shelf::open(&folder.path().join("packages")).unwrap();
        Self { folder, shelf, table: Table::default() }
    }

    /// A package beside the volume, whose command says this.
    pub fn source(&self, says: &str) -> PathBuf {
        let mut draft: Draft = super::draft();
        draft.manifest.services[0].program = Program::Command(path("commands/count"));
        draft.contents.remove(&path("libraries/count.so"));
        for (part, says) in [("commands/echo", says), ("commands/count", "1")] {
            let command = Content::Bytes(format!("#!/bin/sh\necho {says}\n").into_bytes());
            draft.contents.insert(path(part), command);
        }
        let to = self.folder.path().join(says);
        draft.write(&to).unwrap();
        to
    }

    pub fn deploy(&mut self, source: &Path) -> Result<(Digest, Ended), Unended> {
        self.deploy_while(source, &mut |_| Go::On)
    }

    pub fn deploy_while(
        &mut self,
        source: &Path,
        go: &mut dyn FnMut(Next<'_>) -> Go,
    ) -> Result<(Digest, Ended), Unended> {
        self.deployment(go).deploy(source)
    }

    pub fn deployment<'a>(&'a mut self, go: &'a mut dyn FnMut(Next<'_>) -> Go) -> Deployment<'a> {
        Deployment { shelf: &self.shelf, rows: &mut self.table, go }
    }

    /// Another process opens the store: where every package stands then. What is there of each is
    /// all or nothing.
    pub fn reopen(&mut self) -> BTreeMap<Digest, State> {
        let mut ids = self.shelf.ids().unwrap();
        ids.extend(self.table.rows.keys());
        let mut out = BTreeMap::new();
        for id in ids {
            let ended = self.deployment(&mut |_| Go::On).open(id).unwrap();
            out.insert(id, ended.state);
        }
        for (id, state) in &out {
            let place = self.shelf.place(*id);
            match state {
                State::Absent => assert_eq!(self.shelf.found(*id).unwrap(), File::None),
                _ => {
                    let text = fs::read(place.join(MANIFEST)).unwrap();
                    assert_eq!(Digest::of(&text), *id);
                    assert_whole(&place, &Manifest::read(&text).unwrap());
                }
            }
        }
        let whole = out.values().filter(|state| **state != State::Absent).count();
        let names = fs::read_dir(self.folder.path().join("packages")).unwrap().count();
        assert_eq!(names, whole, "something is left on the shelf");
        out
    }
}

/// What a step leaves that is broken off in the middle.
pub fn half(step: &Step) {
    match step {
        Step::Copy { to, .. } | Step::Unpack { to, .. } | Step::Write { to, .. } => {
            step.take().unwrap();
            let length = fs::metadata(to).unwrap().len();
            fs::OpenOptions::new().write(true).open(to).unwrap().set_len(length / 2).unwrap();
        }
        Step::Clear(folder) if folder.exists() => {
            let all = files(folder);
            all.iter().take(all.len().div_ceil(2)).for_each(|file| fs::remove_file(file).unwrap());
        }
        // One call of the system: it is done or it is not.
        Step::Clear(_)
        | Step::MakeFolder(_)
        | Step::Remove(_)
        | Step::Sync(_)
        | Step::Rename { .. } => {}
    }
}
