//! What a package says of itself: its services, their modules, files and data, and every part with
//! its length and hash.

pub mod acts;
mod check;
mod file;
mod path;
pub mod quotas;

use serde::{Deserialize, Serialize};
use tsugi_record::code_page::CodePage;

use crate::digest::Digest;
use crate::limits::MANIFEST_MOST;
use crate::refused::{Measure, Refused};

pub use acts::{Effects, Order};
pub(crate) use check::is_name;
pub use file::{Duplicates, Key, Piece};
pub use path::{PartPath, PathRefused};
pub use quotas::Quotas;

/// The format that is written and read.
pub const FORMAT: u32 = 1;
/// What the manifest is called in an archive and in a folder.
pub const MANIFEST: &str = "manifest.toml";
/// What a package itself is called while it is being unpacked.
pub const PACKAGE: &str = "package.tar";
/// Paths that no part may have.
const OWN: [&str; 2] = [MANIFEST, PACKAGE];

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// What people call the package.
    pub name: String,
    /// The statements that make the tables of its programs, where they have any. They are run
    /// each time the package becomes current, so they say `if not exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<PartPath>,
    /// COBOL modules.
    #[serde(default, rename = "module", skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Module>,
    /// Services; at least one.
    #[serde(default, rename = "service", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Files that the modules work with.
    #[serde(default, rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// What is loaded when a file is made.
    #[serde(default, rename = "data", skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Data>,
    /// Every part, in the order of their paths.
    #[serde(default, rename = "part", skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A COBOL module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// What it is called by, its case kept.
    pub entry: String,
    /// The shared object.
    pub object: PartPath,
    /// What it was compiled from, copybooks in it.
    pub source: PartPath,
    /// How its source is written in bytes, as it was given to the compiler.
    pub code_page: CodePage,
    /// What it was compiled as.
    pub dialect: Dialect,
    /// What COMMIT and ROLLBACK do in it.
    pub commits: Commits,
    /// Files that have to be there before it is called: it, or what it calls, opens them and does
    /// not make them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// What COMMIT and ROLLBACK of a program do: a call is one unit of work, which its end commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commits {
    /// A source that has one is refused.
    Refused,
    /// They do nothing.
    Nothing,
}

/// Which COBOL (`-std` of GnuCOBOL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// `-std=default`.
    Default,
    /// `-std=mf`.
    Mf,
    /// `-std=ibm`.
    Ibm,
}

impl Dialect {
    /// What it changes in a record.
    #[must_use]
    pub fn of_records(self) -> tsugi_record::dialect::Dialect {
        match self {
            Self::Default => tsugi_record::dialect::Dialect::DEFAULT,
            Self::Mf => tsugi_record::dialect::Dialect::MF,
            Self::Ibm => tsugi_record::dialect::Dialect::IBM,
        }
    }

    /// The option of the compiler.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Default => "-std=default",
            Self::Mf => "-std=mf",
            Self::Ibm => "-std=ibm",
        }
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What callers call it.
    pub name: String,
    /// What answers it.
    pub program: Program,
    /// How its calls become records. Without one a body is handed over as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<PartPath>,
    /// Where it acts.
    #[serde(default, skip_serializing_if = "Effects::are_usual")]
    pub effects: Effects,
    /// Whether its calls are kept in order.
    #[serde(default, skip_serializing_if = "Order::is_usual")]
    pub order: Order,
    /// The service of its group that says what became of its unknown calls: it only reads. Without
    /// one an operator does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<String>,
    /// How much it may use.
    #[serde(default, skip_serializing_if = "Quotas::are_none")]
    pub quotas: Quotas,
}

/// What answers a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// A COBOL module, by its entry.
    Cobol(String),
    /// A shared library.
    Library(PartPath),
    /// A command.
    Command(PartPath),
}

/// A file that a COBOL module works with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name in the store: what ASSIGN says.
    pub name: String,
    /// ORGANIZATION.
    pub organization: Organization,
    /// Bytes of its shortest record.
    pub shortest: u32,
    /// Bytes of its longest record.
    pub longest: u32,
    /// How many records it may have; 1 to [`quotas::RECORDS_MOST`]. Without one nobody counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
    /// Its keys, the primary first.
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
}

/// ORGANIZATION of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Organization {
    /// INDEXED.
    Indexed,
    /// RELATIVE.
    Relative,
    /// SEQUENTIAL.
    Sequential,
    /// LINE SEQUENTIAL.
    LineSequential,
}

/// Data that are loaded when their file is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The file, by its name in the store.
    pub file: String,
    /// The records.
    pub part: PartPath,
    /// How they stand there.
    pub form: Form,
}

/// How records stand in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One behind the other, each of the file's record length.
    Records,
    /// A line each.
    Lines,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where it stands.
    pub path: PartPath,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Digest,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A COBOL module.
    Module,
    /// What a module was compiled from.
    Source,
    /// An interface.
    Interface,
    /// A shared library.
    Library,
    /// A command.
    Command,
    /// Data.
    Data,
    /// Statements that make tables.
    Tables,
}

impl Manifest {
    /// Reads one, and checks that it agrees with itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if found > MANIFEST_MOST {
            let (what, most) = (Measure::Manifest, MANIFEST_MOST);
            return Err(Refused::TooLarge { what, found, most });
        }
        let whole = |says: &str| Refused::Manifest { line: 0, says: says.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| whole("it is not UTF-8"))?;
        let wrong = |error: toml::de::Error| {
            let line = error.span().map_or(0, |at| line_of(text, at.start));
            Refused::Manifest { line, says: error.message().to_owned() }
        };
        let table: toml::Table = toml::from_str(text).map_err(wrong)?;
        // Another format may have other fields: it is told before they are.
        if let Some(found) = table.get("format").and_then(toml::Value::as_integer)
            && found != i64::from(FORMAT)
        {
            return Err(Refused::Format { found: u32::try_from(found).unwrap_or(0) });
        }
        let manifest: Self = toml::from_str(text).map_err(wrong)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// As it is written: equal manifests have equal bytes.
    #[must_use]
    pub fn written(&self) -> String {
        toml::to_string(self).expect("a manifest has only what TOML has")
    }

    /// A part.
    #[must_use]
    pub fn part(&self, path: &PartPath) -> Option<&Part> {
        self.parts.iter().find(|part| part.path == *path)
    }

    /// A module.
    #[must_use]
    pub fn module(&self, entry: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.entry == entry)
    }

    /// The first service that only reads here, and did not in a package before: what is kept of
    /// its calls would be told to nobody.
    #[must_use]
    pub fn now_reads(&self, before: &Self) -> Option<Refused> {
        let mut reads = self.services.iter().filter(|now| now.effects == Effects::Reads);
        reads.find_map(|now| before.acted(&now.name))
    }

    /// Why a service of this name may not only read after this package: it acts here.
    #[must_use]
    pub fn acted(&self, name: &str) -> Option<Refused> {
        let acts = |of: &&Service| of.name == name && of.effects != Effects::Reads;
        let service = self.services.iter().find(acts)?.name.clone();
        Some(Refused::NowReads { service, package: self.name.clone() })
    }

    /// What each part is used as, and by what, in the order of the manifest.
    pub(crate) fn uses(&self) -> Vec<(&PartPath, Role, &str)> {
        let mut out = Vec::new();
        for module in &self.modules {
            out.push((&module.object, Role::Module, module.entry.as_str()));
            out.push((&module.source, Role::Source, module.entry.as_str()));
        }
        for service in &self.services {
            let name = service.name.as_str();
            match &service.program {
                Program::Cobol(_) => {}
                Program::Library(path) => out.push((path, Role::Library, name)),
                Program::Command(path) => out.push((path, Role::Command, name)),
            }
            out.extend(service.interface.iter().map(|path| (path, Role::Interface, name)));
        }
        out.extend(self.data.iter().map(|data| (&data.part, Role::Data, data.file.as_str())));
        out.extend(self.tables.iter().map(|path| (path, Role::Tables, self.name.as_str())));
        out
    }

    /// What a part is.
    #[must_use]
    pub fn role(&self, path: &PartPath) -> Option<Role> {
        self.uses().into_iter().find(|(used, ..)| *used == path).map(|(_, role, _)| role)
    }
}

/// The line of a place in a text, the first is 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
