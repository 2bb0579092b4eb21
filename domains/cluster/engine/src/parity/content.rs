//! Files: whether they can be run, whose they are, and the hash of what is in them.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tsugi_cluster_rules::parity::Fact;

use super::machine::Account;
use crate::config::hex;

/// A larger file is not read: it is data, and reading it would cost more than it tells.
pub(super) const MOST_READ: u64 = 16 << 20;

/// What tells that a file was not written since.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// The hashes of an earlier look: a file that was not written since is not read again.
#[derive(Debug, Default)]
pub struct Hashes {
    former: BTreeMap<PathBuf, (Stamp, String)>,
    now: BTreeMap<PathBuf, (Stamp, String)>,
}

impl Hashes {
    /// Begins another look: what the last one did not ask for is forgotten.
    pub(super) fn turn(&mut self) {
        self.former = std::mem::take(&mut self.now);
    }

    /// The hash of what is in a file; none if there is more than is read.
    fn of(&mut self, path: &Path, found: &Metadata) -> io::Result<Option<String>> {
        let stamp = (
            found.dev(),
            found.ino(),
            found.len(),
            (found.mtime(), found.mtime_nsec()),
            (found.ctime(), found.ctime_nsec()),
        );
        let known = self.former.get(path).filter(|(then, _)| *then == stamp);
        let hash = match known {
            Some((_, hash)) => Some(hash.clone()),
            None => hash(plain(path)?)?,
        };
        if let Some(hash) = &hash {
            self.now.insert(path.to_path_buf(), (stamp, hash.clone()));
        }
        Ok(hash)
    }
}

/// Opens a file; for what is none by then, as a pipe or a device, nobody waits.
fn plain(path: &Path) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a file")),
    }
}

/// The text of a file of the system.
pub(super) fn text(path: impl AsRef<Path>) -> io::Result<String> {
    io::read_to_string(plain(path.as_ref())?)
}

pub(super) fn there(mark: impl ToString) -> Fact {
    Fact::There { mark: mark.to_string() }
}

/// Whose a file is, and who may do what with it.
pub(super) fn rights(found: &Metadata) -> String {
    format!("{:04o} {}:{}", found.mode() & 0o7777, found.uid(), found.gid())
}

/// A file that is run: whether who runs it may, and the hash of what is in it.
pub(super) fn program(
    hashes: &mut Hashes,
    path: &Path,
    user: Option<&Account>,
) -> io::Result<Fact> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.mode() & runs(&found, user) == 0 {
        return Ok(Fact::NotExecutable);
    }
    content_of(hashes, path, &found)
}

/// The bits of which one lets this user run a file; it gets no further groups than its own.
fn runs(found: &Metadata, user: Option<&Account>) -> u32 {
    let Some(user) = user.filter(|user| user.uid != 0) else { return 0o111 };
    match (found.uid(), found.gid()) {
        (owner, _) if owner == user.uid => 0o100,
        (_, group) if group == user.gid => 0o010,
        _ => 0o001,
    }
}

/// A file that is read.
pub(super) fn content(hashes: &mut Hashes, path: &Path) -> io::Result<Fact> {
    content_of(hashes, path, &fs::metadata(path)?)
}

fn content_of(hashes: &mut Hashes, path: &Path, found: &Metadata) -> io::Result<Fact> {
    let rights = rights(found);
    if !found.is_file() {
        return Ok(there(format_args!("not a file {rights}")));
    }
    let bytes = found.len();
    // What not everybody may read may be a password: not even its hash is printed.
    if found.mode() & 0o004 == 0 {
        return Ok(there(format_args!("not read: {bytes} bytes {rights}")));
    }
    let unread = || there(format_args!("not read: {bytes} bytes {rights} {}", found.mtime()));
    if bytes > MOST_READ {
        return Ok(unread());
    }
    let hash = hashes.of(path, found)?;
    Ok(hash.map_or_else(unread, |hash| there(format_args!("{hash} {rights}"))))
}

/// The hash of what is in a file, read piece by piece; none if there is more than is read.
fn hash(file: File) -> io::Result<Option<String>> {
    let mut file = file.take(MOST_READ + 1);
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            more => hash.update(&piece[..more]),
        }
    }
    // One byte more than is read was left to be taken.
    Ok((file.limit() > 0).then(|| hex(hash.finalize())))
}
