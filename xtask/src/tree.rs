//! The files of the house, read once; a check sees nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::rust::Source;

/// Folders that hold nothing a person wrote.
const SKIPPED: [&str; 2] = ["target", ".git"];
/// Larger files are listed and not read.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Where the workspace stands.
pub fn root() -> PathBuf {
    let own = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| "xtask".to_owned());
    Path::new(&own).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Paths from the root, with `/`, and what stands in them.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
}

impl Tree {
    /// Reads a tree from disk.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.enter(root, "")?;
        Ok(tree)
    }

    /// A tree that stands nowhere, for tests.
    #[cfg(test)]
    pub fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let mut tree = Self::default();
        for (path, content) in files {
            tree.add(path.to_owned(), content.to_owned());
        }
        tree
    }

    fn enter(&mut self, folder: &Path, name: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let own = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            let path = if name.is_empty() { own.clone() } else { format!("{name}/{own}") };
            if kind.is_dir() && !SKIPPED.contains(&own.as_str()) {
                self.enter(&entry.path(), &path)?;
            } else if kind.is_file() {
                let small = entry.metadata().is_ok_and(|m| m.len() <= READ_BYTES_MAX);
                let content = if small { fs::read(entry.path())? } else { Vec::new() };
                self.add(path, String::from_utf8(content).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, content: String) {
        if is_rust(&path) {
            self.sources.insert(path.clone(), Source::read(&content));
        }
        self.files.insert(path, content);
    }

    /// Every path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The content of a file.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Files whose names end so.
    pub fn ending(&self, end: &'static str) -> impl Iterator<Item = (&str, &str)> {
        let wanted = move |(path, _): &(&str, &str)| path.ends_with(end);
        self.files.iter().map(|(p, c)| (p.as_str(), c.as_str())).filter(wanted)
    }

    /// Every file of Rust.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(path, source)| (path.as_str(), source))
    }

    /// Every folder with a file in it, at any depth.
    pub fn folders(&self) -> BTreeSet<&str> {
        let mut out = BTreeSet::new();
        for path in self.paths() {
            let mut rest = path;
            while let Some((folder, _)) = rest.rsplit_once('/') {
                out.insert(folder);
                rest = folder;
            }
        }
        out
    }

    /// The manifests of the workspace's crates.
    pub fn manifests(&self) -> impl Iterator<Item = (&str, toml::Table)> {
        let parsed = |(path, content): (&'_ str, &str)| {
            content.parse::<toml::Table>().ok().map(|table| (path.to_owned(), table))
        };
        let found: Vec<_> = self.ending("/Cargo.toml").filter_map(parsed).collect();
        found.into_iter().filter_map(|(path, table)| {
            self.files.get_key_value(&path).map(|(path, _)| (path.as_str(), table))
        })
    }
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Whether a whole file is test code.
pub fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("_tests.rs") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_finds_itself() {
        let tree = Tree::read(&root()).expect("the root can be read");
        assert!(tree.file("xtask/src/tree.rs").is_some());
        assert!(tree.folders().contains("xtask/src"));
        assert!(tree.manifests().any(|(path, _)| path == "xtask/Cargo.toml"));
    }
}
