//! Why a package is not taken, and what could not be done with one.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::Digest;
use crate::interface::Unfit;
use crate::manifest::PathRefused;
use crate::module::NoModule;

/// Why a package is refused. Nothing of it was unpacked. Numbered for ever; the first that holds
/// is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Refused {
    /// 1 It does not begin with a manifest: it is no package, or its beginning is damaged.
    #[error("1 it does not begin with a manifest")]
    NoManifest,
    /// 2 It is written in another format; only [`crate::manifest::FORMAT`] is read.
    #[error("2 its format is {found}")]
    Format {
        /// What it says.
        found: u32,
    },
    /// 3 The manifest cannot be read.
    #[error("3 line {line} of its manifest: {says}")]
    Manifest {
        /// Its line, the first is 1; 0 where it is about the whole.
        line: usize,
        /// What is wrong.
        says: String,
    },
    /// 4 A part, or an entry of the archive, has a path that leads elsewhere or cannot be written.
    #[error("4 the path {path}: {why:?}")]
    Path {
        /// The path, what cannot be shown replaced.
        path: String,
        /// Why.
        why: PathRefused,
    },
    /// 5 Two parts or two entries have one path.
    #[error("5 {path} is there twice")]
    SamePath {
        /// The path.
        path: String,
    },
    /// 6 The parts are not in the order of their paths.
    #[error("6 {path} is not in its place")]
    Order {
        /// The first that is not in its place.
        path: String,
    },
    /// 7 One path is both a part and the folder of another.
    #[error("7 {path} is a part and a folder")]
    PartAndFolder {
        /// The path.
        path: String,
    },
    /// 8 More than is held.
    #[error("8 {what:?} is {found}, at most {most}")]
    TooLarge {
        /// What.
        what: Measure,
        /// How much.
        found: u64,
        /// The most.
        most: u64,
    },
    /// 9 An entry is no plain file: a link, a folder, a device, an extension of the format.
    #[error("9 {path} is no plain file but of type {found}")]
    Kind {
        /// Its path.
        path: String,
        /// The letter of its type.
        found: char,
    },
    /// 10 The manifest lists what is not in the archive.
    #[error("10 {path} is listed and not there")]
    NotThere {
        /// The part.
        path: String,
    },
    /// 11 The archive has what the manifest does not list.
    #[error("11 {path} is there and not listed")]
    NotListed {
        /// The entry.
        path: String,
    },
    /// 12 A part has another length than the manifest says.
    #[error("12 {path} has {found} bytes, {listed} are listed")]
    Length {
        /// The part.
        path: String,
        /// Bytes by the manifest.
        listed: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// 13 The bytes of a part are not those of the manifest.
    #[error("13 {path} has the hash {found}, {listed} is listed")]
    Hash {
        /// The part.
        path: String,
        /// By the manifest.
        listed: Digest,
        /// Of what is there.
        found: Digest,
    },
    /// 14 An entry says more of its file than a package does: a mode, an owner, a time.
    #[error("14 {path} says more of its file than a package does")]
    Header {
        /// The entry.
        path: String,
    },
    /// 15 The archive ends too early, or is damaged.
    #[error("15 it ends behind {bytes} bytes, or is damaged there")]
    Damaged {
        /// Bytes up to the place.
        bytes: u64,
    },
    /// 16 Something stands behind the end.
    #[error("16 something stands behind its end")]
    Behind,
    /// 17 The manifest uses a part that it does not list.
    #[error("17 {by} uses {path}, which is not listed")]
    NoSuchPart {
        /// What uses it.
        by: String,
        /// The part.
        path: String,
    },
    /// 18 A part that nothing uses, or that two use as different things.
    #[error("18 {path} is used as nothing, or as two things")]
    Use {
        /// The part.
        path: String,
    },
    /// 19 A name that is none, or that is there twice.
    #[error("19 the name {name} of {what:?}")]
    Name {
        /// Of what.
        what: Named,
        /// The name.
        name: String,
    },
    /// 20 A service names a module, or data name a file, that the manifest does not have.
    #[error("20 {by} names {name}, which is not there")]
    NoSuch {
        /// What names it.
        by: String,
        /// What is named.
        name: String,
    },
    /// 21 There is no service in it.
    #[error("21 it has no service")]
    NoService,
    /// 22 It is not the package that was asked for.
    #[error("22 it is {found}, {expected} was expected")]
    OtherPackage {
        /// The id that was expected.
        expected: Digest,
        /// Its id.
        found: Digest,
    },
    /// 23 A module is none of ours, or not the one that the manifest says.
    #[error("23 {entry}: {why}")]
    Module {
        /// Its entry.
        entry: String,
        /// Why.
        why: NoModule,
    },
    /// 24 The source of a module is none.
    #[error("24 {entry}: {why:?}")]
    Source {
        /// The module's entry.
        entry: String,
        /// Why; none where it is no text.
        why: Option<Box<tsugi_record::refused::Refused>>,
    },
    /// 25 An interface does not fit the source of its module, or one of no source is none.
    #[error("25 {service}: {why}")]
    Interface {
        /// The service.
        service: String,
        /// Why.
        why: Box<Unfit>,
    },
    /// 26 A service that is answered by COBOL has no interface.
    #[error("26 {service} has no interface and needs one")]
    WithInterface {
        /// The service.
        service: String,
    },
    /// 27 A shared library is no library of services.
    #[error("27 {service}: {why}")]
    Library {
        /// The service.
        service: String,
        /// Why.
        why: NoModule,
    },
    /// 28 There can be no such file, or its data are no records of it.
    #[error("28 the file {name}: {why}")]
    File {
        /// The file.
        name: String,
        /// Why.
        why: String,
    },
    /// 29 The statements that make tables are none: each ends with a semicolon at a line's end.
    #[error("29 {path} is not UTF-8, or its last statement does not end")]
    Tables {
        /// The part.
        path: String,
    },
    /// 30 A service cannot have so much, or so little.
    #[error("30 {service}: {quota} cannot be {found}")]
    Quota {
        /// The service.
        service: String,
        /// Of what.
        quota: String,
        /// What the manifest says.
        found: u64,
    },
    /// 31 A service only reads, and its calls are to be kept in order: they run beside each other.
    #[error("31 {service}: it only reads, and calls that only read are in no order")]
    OrderOfReads {
        /// The service.
        service: String,
    },
    /// 32 A service only reads, and did not in a package before: replies and calls of unknown
    /// outcome that are kept of that one would be told to nobody who calls again.
    #[error("32 {service} only reads, and did not in the package {package}: give it another name")]
    NowReads {
        /// The service.
        service: String,
        /// What the package before is called.
        package: String,
    },
    /// 33 A service names who says what became of its unknown calls, and has none, or that one does
    /// not only read: it would be carried out again and again.
    #[error(
        "33 {service}: not {resolver}: only what acts outside names one, and one that only reads"
    )]
    Resolver {
        /// The service.
        service: String,
        /// Whom it names.
        resolver: String,
    },
}

/// What has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Bytes of the manifest.
    Manifest,
    /// How many parts.
    Parts,
    /// Bytes of a part.
    Part,
    /// Bytes of all parts that are no data.
    Programs,
    /// Bytes of all.
    Package,
    /// How many services, modules or files.
    Named,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// The package.
    Package,
    /// A module.
    Module,
    /// A service.
    Service,
    /// A file.
    File,
    /// The file that data are loaded into: there are data for it twice.
    Data,
}

/// A call of the system that failed. What was there before is still there.
#[derive(Debug, thiserror::Error)]
#[error("{doing:?} {}: {why}", path.display())]
pub struct Failed {
    /// What was being done.
    pub doing: Doing,
    /// With which path.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub why: std::io::Error,
}

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// Read it.
    Read,
    /// Write it.
    Write,
    /// Make its folder.
    MakeFolder,
    /// Make it durable.
    Sync,
    /// Give it another name.
    Rename,
    /// Take it away.
    Remove,
    /// Start it.
    Start,
}

impl Failed {
    /// For `map_err`.
    pub(crate) fn at(doing: Doing, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |why| Self { doing, path, why }
    }
}

/// A package was not taken, or something failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It is refused: doing it again changes nothing.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Something failed: it can be done again.
    #[error(transparent)]
    Failed(#[from] Failed),
}
