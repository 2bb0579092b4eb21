//! Looks up what this node has of what its groups need. It runs where it is asked, as who asks,
//! and changes nothing; what to make of it is decided in the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::User;
use sha2::{Digest as _, Sha256};
use tsugi_cluster_rules::parity::{Fact, Gap, Inventory, Item, Wrong, items};
use tsugi_cluster_rules::spec::ClusterSpec;
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{GroupName, NodeName};

use crate::config::hex;
use crate::errand::{OCF_ROOT, PATH};

/// A larger file is not read: it is data, and reading it would cost more than it tells.
const MOST_READ: u64 = 16 << 20;

/// What `me` has of what these groups need.
#[must_use]
pub fn look(
    (spec, hash): (&ClusterSpec, &str),
    me: &NodeName,
    of: impl Fn(&GroupName) -> Asked,
) -> Inventory {
    let mut inventory = Inventory {
        node: me.clone(),
        config: hash.to_owned(),
        groups: BTreeMap::new(),
        facts: BTreeMap::new(),
        needed: BTreeSet::new(),
    };
    for (name, group) in spec.groups.iter().filter(|(name, _)| of(name) == Asked::Yes) {
        let all = items(spec, group, me);
        if all.is_empty() {
            continue;
        }
        let names = all.iter().map(Item::name).collect();
        inventory.groups.insert(name.clone(), names);
        for item in all {
            if item.is_needed() {
                inventory.needed.insert(item.name());
            }
            inventory.facts.entry(item.name()).or_insert_with(|| fact(&item));
        }
    }
    inventory
}

/// Whether a group is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is.
    Yes,
    /// It is not.
    No,
}

fn there(mark: impl ToString) -> Fact {
    Fact::There { mark: mark.to_string() }
}

fn fact(item: &Item) -> Fact {
    let found = match item {
        Item::Program { path, user } => program(Path::new(path), user.as_deref()),
        Item::File(path) => content(Path::new(path)),
        Item::Agent(agent) => {
            let folder = Path::new(OCF_ROOT).join("resource.d");
            program(&folder.join(agent.provider()).join(agent.kind()), None)
        }
        Item::Fence(agent) => fence(agent),
        // A password is not read, not even for its hash.
        Item::Secret(path) => fs::metadata(path).map(|_| there("there")),
        Item::User(name) => user(name),
        Item::Device(path) => device(Path::new(path)),
        Item::Mount(path) => fs::metadata(path).map(|found| match found.is_dir() {
            true => there("directory"),
            false => Fact::Unreadable { why: "not a directory".to_owned() },
        }),
        Item::Space(path) => space(Path::new(path)),
        Item::Link(name) => {
            fs::metadata(Path::new("/sys/class/net").join(name)).map(|_| there("there"))
        }
        Item::Limit(name) => limit(name),
        Item::Version => Ok(there(env!("CARGO_PKG_VERSION"))),
        Item::Zone => content(Path::new("/etc/localtime")),
    };
    found.unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Fact::Missing,
        _ => Fact::Unreadable { why: error.to_string() },
    })
}

/// A file that is run: whether who runs it may, and the hash of what is in it.
fn program(path: &Path, user: Option<&str>) -> io::Result<Fact> {
    let found = fs::metadata(path)?;
    // A user that is not there is named as itself.
    let user = user.map(User::from_name).transpose()?.flatten();
    if !found.is_file() || found.mode() & runs(&found, user.as_ref()) == 0 {
        return Ok(Fact::NotExecutable);
    }
    content_of(path, &found)
}

/// The bits of which one lets this user run a file; it gets no further groups than its own.
fn runs(found: &Metadata, user: Option<&User>) -> u32 {
    let Some(user) = user.filter(|user| !user.uid.is_root()) else { return 0o111 };
    match (found.uid(), found.gid()) {
        (owner, _) if owner == user.uid.as_raw() => 0o100,
        (_, group) if group == user.gid.as_raw() => 0o010,
        _ => 0o001,
    }
}

fn content(path: &Path) -> io::Result<Fact> {
    content_of(path, &fs::metadata(path)?)
}

fn content_of(path: &Path, found: &Metadata) -> io::Result<Fact> {
    if !found.is_file() {
        return Ok(there("not a file"));
    }
    // What not everybody may read may be a password: not even its hash is printed.
    if found.mode() & 0o004 == 0 {
        let (owner, group, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
        let bytes = found.len();
        return Ok(there(format_args!("not read: {bytes} bytes, {owner}:{group}, {mode:04o}")));
    }
    if found.len() > MOST_READ {
        return Ok(unread(found));
    }
    Ok(hash(File::open(path)?)?.map_or_else(|| unread(found), there))
}

/// A file that is too large to be read, by what its directory says of it.
fn unread(found: &Metadata) -> Fact {
    there(format_args!("not read: {} bytes, modified {}", found.len(), found.mtime()))
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

fn fence(agent: &str) -> io::Result<Fact> {
    let places = PATH.split(':').map(|folder| Path::new(folder).join(agent));
    let whole = agent.starts_with('/').then(|| PathBuf::from(agent));
    let found = whole.into_iter().chain(places).find(|path| path.exists());
    found.map_or(Ok(Fact::Missing), |path| program(&path, None))
}

fn user(name: &str) -> io::Result<Fact> {
    Ok(match User::from_name(name)? {
        Some(user) => there(format_args!("{}:{}", user.uid, user.gid)),
        None => Fact::Missing,
    })
}

fn device(path: &Path) -> io::Result<Fact> {
    let found = fs::metadata(path)?;
    Ok(match found.file_type().is_block_device() {
        true => there("block device"),
        false => there(format_args!("file of {} bytes", found.len())),
    })
}

fn space(path: &Path) -> io::Result<Fact> {
    let found = statvfs(path)?;
    let percent = found.blocks_available().saturating_mul(100) / found.blocks().max(1);
    Ok(Fact::Free { percent })
}

/// The limit that programs of who asks have here, which a service inherits likewise.
fn limit(name: &str) -> io::Result<Fact> {
    let resource = match name {
        "nofile" => Resource::RLIMIT_NOFILE,
        "nproc" => Resource::RLIMIT_NPROC,
        "memlock" => Resource::RLIMIT_MEMLOCK,
        _ => Resource::RLIMIT_STACK,
    };
    let (_, hard) = getrlimit(resource)?;
    Ok(there(hard))
}

/// A gap as a message: found on `here`, and compared with `other`.
#[must_use]
pub fn message(gap: &Gap, (here, other): (&NodeName, &NodeName)) -> Message {
    let Gap { group, item, what } = gap;
    match what {
        Wrong::Missing => messages::parity_missing(group, here, item),
        Wrong::NotExecutable => messages::parity_not_executable(group, here, item),
        Wrong::Unreadable(why) => messages::parity_unreadable(group, here, item, why),
        Wrong::Full(percent) => messages::parity_full(group, here, item, percent),
        Wrong::Differs { here: mine, there } => {
            messages::parity_differs(group, item, mine, other, there)
        }
        Wrong::NotCompared => messages::parity_not_compared(group, other),
    }
}

#[cfg(test)]
mod tests;
