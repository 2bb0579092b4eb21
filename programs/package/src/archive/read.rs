//! Examines a package: all that its manifest says is compared with all that is there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tar::{Entry, EntryType};

use super::{BLOCK, blocks, header};
use crate::digest::{Digest, Hashing};
use crate::limits::{MANIFEST_MOST, PROGRAM_MOST};
use crate::manifest::{MANIFEST, Manifest, Part, PartPath, Role};
use crate::refused::{Doing, Failed, Measure, Refused, Trouble};

/// A package that was examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its id: the hash of its manifest's bytes.
    pub id: Digest,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest's bytes.
    pub text: Vec<u8>,
    /// Where each part's bytes begin in the file, in the order of the manifest.
    pub places: Vec<u64>,
}

/// Looks at the parts of a package while it is examined: those that are no data are given whole,
/// once their hash is right.
pub type Look<'a> = &'a mut dyn FnMut(&Manifest, &Part, Role, &[u8]) -> Result<(), Refused>;

/// A file and what was read of it; what the machine says is kept apart from what is wrong with the
/// package.
struct Counted {
    file: File,
    bytes: u64,
    failed: Option<io::Error>,
}

impl Counted {
    fn open(path: &Path) -> Result<Self, Failed> {
        let file = File::open(path).map_err(Failed::at(Doing::Read, path))?;
        Ok(Self { file, bytes: 0, failed: None })
    }

    /// What was found, unless the machine could not read.
    fn ended<T>(self, path: &Path, found: Result<T, Refused>) -> Result<T, Trouble> {
        match self.failed {
            Some(why) => Err(Failed::at(Doing::Read, path)(why).into()),
            None => Ok(found?),
        }
    }
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.file.read(to) {
            Ok(read) => {
                self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
                Ok(read)
            }
            Err(error) => {
                let kind = error.kind();
                if kind != io::ErrorKind::Interrupted {
                    self.failed = Some(error);
                }
                Err(kind.into())
            }
        }
    }
}

/// The id and the manifest of a package, from its beginning alone.
///
/// # Errors
/// It has no manifest, or one that is refused; or it cannot be read.
pub fn identify(path: &Path) -> Result<(Digest, Manifest), Trouble> {
    let mut counted = Counted::open(path)?;
    let found = beginning(&mut counted);
    counted.ended(path, found)
}

fn beginning(counted: &mut Counted) -> Result<(Digest, Manifest), Refused> {
    let mut archive = tar::Archive::new(counted);
    let mut entries = archive.entries().map_err(|_| Refused::NoManifest)?.raw(true);
    let text = manifest_text(entries.next())?;
    Ok((Digest::of(&text), Manifest::read(&text)?))
}

/// Examines all of a package. `look` is given each part that is no data.
///
/// # Errors
/// The first thing that is not as the manifest says, or that `look` refuses; or it cannot be read.
pub fn examine(path: &Path, look: Look<'_>) -> Result<Examined, Trouble> {
    let mut counted = Counted::open(path)?;
    let found = whole(&mut counted, look);
    counted.ended(path, found)
}

fn whole(counted: &mut Counted, look: Look<'_>) -> Result<Examined, Refused> {
    let mut archive = tar::Archive::new(&mut *counted);
    let mut entries = archive.entries().map_err(|_| Refused::NoManifest)?.raw(true);
    let text = manifest_text(entries.next())?;
    let manifest = Manifest::read(&text)?;
    let mut at = blocks(u64::try_from(text.len()).unwrap_or(u64::MAX));
    let mut seen = BTreeSet::from([MANIFEST.to_owned()]);
    let mut places = Vec::new();
    for part in &manifest.parts {
        let Some(entry) = entries.next() else {
            return Err(Refused::NotThere { path: part.path.to_string() });
        };
        let mut entry = entry.map_err(|_| Refused::Damaged { bytes: at })?;
        is_the_part(&entry, part, &manifest, &seen)?;
        the_bytes(&mut entry, part, (&manifest, at), look)?;
        places.push(at + BLOCK);
        seen.insert(part.path.to_string());
        at += blocks(part.bytes);
    }
    if let Some(entry) = entries.next() {
        let entry = entry.map_err(|_| Refused::Damaged { bytes: at })?;
        return Err(not_the_part(&entry, &manifest, &seen));
    }
    the_end(counted, at)?;
    Ok(Examined { id: Digest::of(&text), manifest, text, places })
}

fn manifest_text<R: Read>(entry: Option<io::Result<Entry<'_, R>>>) -> Result<Vec<u8>, Refused> {
    let Some(Ok(mut entry)) = entry else { return Err(Refused::NoManifest) };
    if *entry.path_bytes() != *MANIFEST.as_bytes() {
        return Err(Refused::NoManifest);
    }
    plain(&entry)?;
    let bytes = entry.size();
    if bytes > MANIFEST_MOST {
        let (what, most) = (Measure::Manifest, MANIFEST_MOST);
        return Err(Refused::TooLarge { what, found: bytes, most });
    }
    if entry.header().as_bytes() != header(MANIFEST, bytes, None).as_bytes() {
        return Err(Refused::Header { path: MANIFEST.to_owned() });
    }
    let mut text = Vec::new();
    let read = entry.read_to_end(&mut text).unwrap_or(0);
    if u64::try_from(read) != Ok(bytes) {
        return Err(Refused::Damaged { bytes: BLOCK + u64::try_from(read).unwrap_or(0) });
    }
    Ok(text)
}

/// The path of an entry as it can be shown.
fn shown<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).chars().take(200).collect()
}

fn plain<R: Read>(entry: &Entry<'_, R>) -> Result<(), Refused> {
    let kind = entry.header().entry_type();
    if kind == EntryType::Regular {
        return Ok(());
    }
    let found = match char::from(kind.as_byte()) {
        '\0' => '0',
        letter => letter,
    };
    Err(Refused::Kind { path: shown(entry), found })
}

/// Why an entry is not the one that the manifest has next.
fn not_the_part<R: Read>(
    entry: &Entry<'_, R>,
    manifest: &Manifest,
    seen: &BTreeSet<String>,
) -> Refused {
    let path = shown(entry);
    if let Err(refused) = plain(entry) {
        return refused;
    }
    match PartPath::new(&path) {
        Err(why) => Refused::Path { path, why },
        Ok(_) if seen.contains(&path) => Refused::SamePath { path },
        Ok(known) if manifest.part(&known).is_none() => Refused::NotListed { path },
        Ok(_) => Refused::Order { path },
    }
}

fn is_the_part<R: Read>(
    entry: &Entry<'_, R>,
    part: &Part,
    manifest: &Manifest,
    seen: &BTreeSet<String>,
) -> Result<(), Refused> {
    plain(entry)?;
    if *entry.path_bytes() != *part.path.as_str().as_bytes() {
        return Err(match not_the_part(entry, manifest, seen) {
            // It comes later: what should be here is missing.
            Refused::Order { .. } => Refused::NotThere { path: part.path.to_string() },
            refused => refused,
        });
    }
    let path = part.path.to_string();
    if entry.size() != part.bytes {
        return Err(Refused::Length { path, listed: part.bytes, found: entry.size() });
    }
    let expected = header(part.path.as_str(), part.bytes, manifest.role(&part.path));
    if entry.header().as_bytes() != expected.as_bytes() {
        return Err(Refused::Header { path });
    }
    Ok(())
}

fn the_bytes<R: Read>(
    entry: &mut Entry<'_, R>,
    part: &Part,
    (manifest, at): (&Manifest, u64),
    look: Look<'_>,
) -> Result<(), Refused> {
    let role = manifest.role(&part.path);
    let whole = role.filter(|role| *role != Role::Data && part.bytes <= PROGRAM_MOST);
    let mut bytes = Vec::new();
    let mut through = Hashing::new(entry);
    let read = match whole {
        Some(_) => through.read_to_end(&mut bytes).map(|_| ()),
        None => io::copy(&mut through, &mut io::sink()).map(|_| ()),
    };
    let (found, length) = through.told();
    if read.is_err() || length != part.bytes {
        return Err(Refused::Damaged { bytes: at + BLOCK + length });
    }
    if found != part.sha256 {
        let (path, listed) = (part.path.to_string(), part.sha256);
        return Err(Refused::Hash { path, listed, found });
    }
    whole.map_or(Ok(()), |role| look(manifest, part, role, &bytes))
}

/// Two empty blocks behind the last part, and nothing else.
fn the_end(counted: &mut Counted, at: u64) -> Result<(), Refused> {
    let end = at + 2 * BLOCK;
    // So much more than the end is enough to know.
    let left = (end + 1).saturating_sub(counted.bytes);
    let read = io::copy(&mut counted.by_ref().take(left), &mut io::sink());
    match (read, counted.bytes.cmp(&end)) {
        (Ok(_), std::cmp::Ordering::Equal) => Ok(()),
        (Ok(_), std::cmp::Ordering::Greater) => Err(Refused::Behind),
        _ => Err(Refused::Damaged { bytes: counted.bytes }),
    }
}
