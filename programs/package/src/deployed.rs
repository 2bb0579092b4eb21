//! A package that was deployed, read again from the shelf: what its services run, with every hash
//! looked at again, so that nothing runs that somebody has changed since.

use std::fs::{self, File as OpenFile};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::archive::mode;
use crate::digest::{Digest, Hashing};
use crate::fit::Fitting;
use crate::interface::Interface;
use crate::limits::MANIFEST_MOST;
use crate::manifest::{Data, Effects, MANIFEST, Manifest, Order, Part, Program, Quotas, Role};
use crate::refused::{Doing, Failed, Measure, Refused, Trouble};
use crate::shelf::Shelf;

/// A package whose services can be run.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Its id.
    pub id: Digest,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its services, in the order of the manifest.
    pub services: Vec<Ready>,
}

/// A service that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What callers call it.
    pub name: String,
    /// What answers it.
    pub program: Runs,
    /// How its calls become records; none where bodies are handed over as they are.
    pub interface: Option<Interface>,
    /// Where it acts.
    pub effects: Effects,
    /// Whether its calls are kept in order.
    pub order: Order,
    /// How much it may use.
    pub quotas: Quotas,
}

/// What answers a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// An entry of a COBOL module.
    Cobol {
        /// The entry.
        entry: String,
        /// The module.
        object: PathBuf,
    },
    /// A shared library.
    Library(PathBuf),
    /// A command.
    Command(PathBuf),
}

impl Deployed {
    /// Reads it again. Every part but data is hashed; data are, when they are opened.
    ///
    /// # Errors
    /// Something is not as it was deployed, or cannot be read.
    pub fn load(shelf: &Shelf, id: Digest) -> Result<Self, Trouble> {
        let folder = shelf.place(id);
        let manifest = manifest(shelf, id)?;
        nothing_else(&folder, &manifest)?;
        let mut fitting = Fitting::default();
        for part in &manifest.parts {
            let Some(role) = manifest.role(&part.path) else { continue };
            if role == Role::Data {
                continue;
            }
            let bytes = same(&folder, part, role)?;
            fitting.look(&manifest, part, role, &bytes)?;
        }
        let interfaces = fitting.interfaces(&manifest)?;
        let services = manifest.services.iter().zip(interfaces).map(|(service, interface)| Ready {
            name: service.name.clone(),
            program: runs(&folder, &manifest, &service.program),
            interface,
            effects: service.effects,
            order: service.order,
            quotas: service.quotas,
        });
        let services = services.collect();
        Ok(Self { id, folder, manifest, services })
    }

    /// A service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Ready> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The hash of a service's interface; none where it has none.
    #[must_use]
    pub fn interface(&self, service: &str) -> Option<Digest> {
        let service = self.manifest.services.iter().find(|one| one.name == service)?;
        self.manifest.part(service.interface.as_ref()?).map(|part| part.sha256)
    }

    /// Every COBOL module: its entry and where it lies.
    pub fn modules(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let object = |module: &crate::manifest::Module| self.folder.join(module.object.as_str());
        self.manifest.modules.iter().map(move |module| (module.entry.as_str(), object(module)))
    }

    /// The files that have to be there before a service is called. Without one its program would be
    /// told only by a status that it may not look at.
    #[must_use]
    pub fn needs(&self, service: &str) -> &[String] {
        let service = self.manifest.services.iter().find(|one| one.name == service);
        let module = match service.map(|service| &service.program) {
            Some(Program::Cobol(entry)) => self.manifest.module(entry),
            Some(Program::Library(_) | Program::Command(_)) | None => None,
        };
        module.map_or(&[][..], |module| &module.needs)
    }

    /// The service that says what became of the unknown calls of this one, where one is named.
    #[must_use]
    pub fn resolver(&self, service: &str) -> Option<&str> {
        let service = self.manifest.services.iter().find(|one| one.name == service)?;
        service.resolve.as_deref()
    }

    /// Opens data to be loaded, once they were hashed: what is read is what was hashed, as long as
    /// nobody writes to the file meanwhile.
    ///
    /// # Errors
    /// They are not as they were deployed, or cannot be read.
    pub fn data(&self, data: &Data) -> Result<OpenFile, Trouble> {
        self::data(&self.folder, &self.manifest, data)
    }
}

/// Opens data of a package in this folder, once they were hashed.
pub(crate) fn data(folder: &Path, manifest: &Manifest, data: &Data) -> Result<OpenFile, Trouble> {
    let path = data.part.to_string();
    let missing = || Refused::NotThere { path: path.clone() };
    let part = manifest.part(&data.part).ok_or_else(missing)?;
    let mut file = plain_file(folder, &path, mode(Some(Role::Data)))?;
    let at = folder.join(&path);
    let (found, length) = Digest::of_all(&mut file).map_err(Failed::at(Doing::Read, &at))?;
    is_listed(part, found, length)?;
    file.seek(SeekFrom::Start(0)).map_err(Failed::at(Doing::Read, &at))?;
    Ok(file)
}

/// The statements of a package in this folder that make its tables, once they were hashed.
pub(crate) fn tables(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, Trouble> {
    let Some(path) = &manifest.tables else { return Ok(Vec::new()) };
    let missing = || Refused::NotThere { path: path.to_string() };
    let part = manifest.part(path).ok_or_else(missing)?;
    let bytes = same(folder, part, Role::Tables)?;
    let text = String::from_utf8(bytes).ok();
    let all = text.and_then(|text| crate::tables::statements(&text));
    all.ok_or_else(|| Refused::Tables { path: path.to_string() }.into())
}

/// What a package says of itself, whatever has become of its parts.
///
/// # Errors
/// It is not as it was deployed, or cannot be read.
pub fn manifest(shelf: &Shelf, id: Digest) -> Result<Manifest, Trouble> {
    let text = plain(&shelf.place(id), MANIFEST, 0o644, MANIFEST_MOST)?.1;
    let found = Digest::of(&text);
    if found != id {
        return Err(Refused::OtherPackage { expected: id, found }.into());
    }
    Ok(Manifest::read(&text)?)
}

/// The interface of every service of a package that has one, with the hash of its text, whatever
/// has become of its programs: bodies are read by it that were given while they ran.
///
/// # Errors
/// What says it is not as it was deployed, or cannot be read.
pub fn interfaces(shelf: &Shelf, id: Digest) -> Result<Vec<(String, Digest, Interface)>, Trouble> {
    let folder = shelf.place(id);
    let manifest = manifest(shelf, id)?;
    let mut fitting = Fitting::default();
    for part in &manifest.parts {
        let Some(role @ (Role::Source | Role::Interface)) = manifest.role(&part.path) else {
            continue;
        };
        fitting.look(&manifest, part, role, &same(&folder, part, role)?)?;
    }
    let interfaces = fitting.interfaces(&manifest)?;
    let each = manifest.services.iter().zip(interfaces).filter_map(|(service, interface)| {
        let part = manifest.part(service.interface.as_ref()?)?;
        Some((service.name.clone(), part.sha256, interface?))
    });
    Ok(each.collect())
}

fn runs(folder: &Path, manifest: &Manifest, program: &Program) -> Runs {
    match program {
        Program::Cobol(entry) => {
            let object = manifest.module(entry).map(|module| module.object.as_str());
            let object = folder.join(object.unwrap_or_default());
            Runs::Cobol { entry: entry.clone(), object }
        }
        Program::Library(path) => Runs::Library(folder.join(path.as_str())),
        Program::Command(path) => Runs::Command(folder.join(path.as_str())),
    }
}

fn is_listed(part: &Part, found: Digest, length: u64) -> Result<(), Refused> {
    let path = part.path.to_string();
    if length != part.bytes {
        return Err(Refused::Length { path, listed: part.bytes, found: length });
    }
    if found != part.sha256 {
        return Err(Refused::Hash { path, listed: part.sha256, found });
    }
    Ok(())
}

/// The bytes of a part, which are those of the manifest.
fn same(folder: &Path, part: &Part, role: Role) -> Result<Vec<u8>, Trouble> {
    let (length, bytes) = plain(folder, part.path.as_str(), mode(Some(role)), part.bytes)?;
    is_listed(part, Digest::of(&bytes), length)?;
    Ok(bytes)
}

/// A file's length and its bytes, at most so many and one.
fn plain(folder: &Path, path: &str, mode: u32, most: u64) -> Result<(u64, Vec<u8>), Trouble> {
    let file = plain_file(folder, path, mode)?;
    let at = folder.join(path);
    let mut bytes = Vec::new();
    let mut through = Hashing::new(file.take(most.saturating_add(1)));
    through.read_to_end(&mut bytes).map_err(Failed::at(Doing::Read, &at))?;
    let (_, length) = through.told();
    if path == MANIFEST && length > most {
        return Err(Refused::TooLarge { what: Measure::Manifest, found: length, most }.into());
    }
    Ok((length, bytes))
}

/// Opens a file that is one, and may be used as it was deployed; no link is followed to it.
fn plain_file(folder: &Path, path: &str, mode: u32) -> Result<OpenFile, Trouble> {
    let at = folder.join(path);
    let mut options = OpenFile::options();
    // What is looked at is what was opened, and opening a pipe waits for nobody.
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let kind = |found| Refused::Kind { path: path.to_owned(), found };
    let file = match options.open(&at) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Refused::NotThere { path: path.to_owned() }.into());
        }
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(kind('2').into()),
        Err(error) => return Err(Failed::at(Doing::Read, &at)(error).into()),
    };
    let found = file.metadata().map_err(Failed::at(Doing::Read, &at))?;
    if !found.is_file() {
        let letter = if found.file_type().is_fifo() { '6' } else { '5' };
        return Err(kind(letter).into());
    }
    if found.permissions().mode() & 0o7777 != mode {
        return Err(Refused::Header { path: path.to_owned() }.into());
    }
    Ok(file)
}

/// Nothing lies in the folder that the manifest does not list, and no folder is a link.
fn nothing_else(folder: &Path, manifest: &Manifest) -> Result<(), Trouble> {
    let mut open = vec![String::new()];
    while let Some(inside) = open.pop() {
        let at = folder.join(&inside);
        for entry in fs::read_dir(&at).map_err(Failed::at(Doing::Read, &at))? {
            let entry = entry.map_err(Failed::at(Doing::Read, &at))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            let kind = entry.file_type().map_err(Failed::at(Doing::Read, &at))?;
            let parts = || manifest.parts.iter().map(|part| &part.path);
            if kind.is_dir() && parts().any(|part| part.folders().any(|above| above == path)) {
                open.push(path);
            } else if path != MANIFEST && !parts().any(|part| part.as_str() == path) {
                return Err(Refused::NotListed { path }.into());
            }
        }
    }
    Ok(())
}
