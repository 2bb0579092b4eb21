//! The two books: where they stand, and which pages they have.

use std::fs;
use std::path::{Path, PathBuf};

use super::page::Page;

/// One book, in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Book {
    /// In English.
    En,
    /// In Japanese.
    Ja,
}

impl Book {
    /// Both.
    pub const ALL: [Self; 2] = [Self::En, Self::Ja];

    /// The locale under which its commands are run.
    pub const fn locale(self) -> &'static str {
        match self {
            Self::En => "en_US.UTF-8",
            Self::Ja => "ja_JP.UTF-8",
        }
    }

    fn folder(self) -> PathBuf {
        let name = match self {
            Self::En => "en",
            Self::Ja => "ja",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(name)
    }

    /// A page as it is written.
    pub fn text(self, file: &str) -> String {
        let path = self.folder().join("src").join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A page, read.
    pub fn page(self, file: &str) -> Page {
        Page::read(&self.text(file)).unwrap_or_else(|what| panic!("{self:?} {file}: {what}"))
    }

    /// The pages in the order of the table of contents.
    pub fn summary(self) -> Vec<String> {
        assert!(self.folder().join("book.toml").exists(), "{self:?} has no book.toml");
        let text = self.text("SUMMARY.md");
        let links = text.lines().filter_map(|line| line.split_once("](")?.1.split_once(')'));
        links.map(|(file, _)| file.to_owned()).collect()
    }

    /// The pages that are there.
    pub fn files(self) -> Vec<String> {
        let source = self.folder().join("src");
        let (mut out, mut folders) = (Vec::new(), vec![source.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder of pages").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&source).expect("it is in there").to_str();
                out.push(name.expect("plain").to_owned());
            }
        }
        out.retain(|name| name != "SUMMARY.md");
        out
    }
}
