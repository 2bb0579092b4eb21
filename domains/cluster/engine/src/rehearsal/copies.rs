//! The copies of the volumes: made and taken away in the sight of the whole machine, because what
//! makes a snapshot needs it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tsugi_cluster_rules::drill::rehearsal::{FaultKind, Part};

use super::bounded;
use super::brief::{Brief, Volume};
use super::log::{Log, Stopped, kind, refused};

/// The most that is copied of a directory without a command of its own.
const PLAIN_BYTES: u64 = 8 << 30;
/// What always stays free of a file system, in bytes, where a tenth of it is more: a node with a
/// large disk that is nine tenths full goes on all the same.
const KEPT: u64 = 4 << 30;
/// And the most files.
const PLAIN_FILES: u64 = 1_000_000;
/// How long what takes one copy away may take.
pub(super) const DROP_LIMIT: Duration = Duration::from_secs(30);
/// After a drop that failed.
const AGAIN: Duration = Duration::from_millis(300);
/// The longest line that names a copy.
const LONGEST: usize = 4096;
/// The file of the directories that were made to mount on.
const MADE: &str = "made";
/// The folder of plain copies.
const PLAIN: &str = "copy";

/// Makes them: where each is, in the order of the volumes.
pub(super) fn make(brief: &Brief, until: Instant, log: &mut Log) -> Result<Vec<PathBuf>, Stopped> {
    let mut out = Vec::new();
    for volume in &brief.volumes {
        out.push(log.part((Part::Copy, &volume.name), || match &volume.copy {
            Some(copy) => {
                let command = command(brief, volume, &copy.copy);
                let printed = bounded::run(command, until).map_err(kind)?;
                let copy = named(&printed)?;
                match is_the_original(&copy, volume) {
                    true => Err((FaultKind::Original, copy.display().to_string())),
                    false => Ok(copy),
                }
            }
            None => plain(brief, volume, until),
        })?);
    }
    Ok(out)
}

/// Takes them away, whether or not they were made; what could not be taken away is told.
pub(super) fn drop_all(brief: &Brief, log: &mut Log) {
    for volume in brief.volumes.iter().rev() {
        let Some(drop) = volume.copy.as_ref().and_then(|copy| copy.drop.as_ref()) else { continue };
        let dropped = || {
            let end = Instant::now() + DROP_LIMIT;
            loop {
                match bounded::run(command(brief, volume, drop), end) {
                    // What used it may have been killed only now, and still writes out.
                    Err(_) if Instant::now() + AGAIN < end => std::thread::sleep(AGAIN),
                    outcome => return outcome.map_err(kind),
                }
            }
        };
        // The others go all the same.
        log.part((Part::Drop, &volume.name), dropped).ok();
    }
    let plain = brief.folder.join(PLAIN);
    if plain.exists() {
        let mut command = Command::new("/bin/rm");
        command.args(["-rf", "--one-file-system", "--"]).arg(&plain);
        let removed = || bounded::run(command, Instant::now() + DROP_LIMIT).map_err(kind);
        log.part((Part::Drop, PLAIN), removed).ok();
    }
    unmake_places(brief);
}

/// Notes which directories are made to mount on, and makes them.
pub(super) fn make_places(brief: &Brief) -> Result<(), std::io::Error> {
    let missing = |volume: &Volume| {
        let all = volume.mount.ancestors().take_while(|dir| !dir.exists());
        all.map(Path::to_path_buf).collect::<Vec<_>>()
    };
    let mut made: Vec<PathBuf> = brief.volumes.iter().flat_map(missing).collect();
    made.sort();
    made.dedup();
    let bytes = crate::records::encode(&made);
    let noted = tsugi_wire::files::replace(&brief.folder.join(MADE), &bytes);
    noted.map_err(std::io::Error::other)?;
    made.iter().try_for_each(|dir| fs::create_dir(dir).or_else(there_already))
}

fn there_already(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn unmake_places(brief: &Brief) {
    let noted = fs::read(brief.folder.join(MADE)).unwrap_or_default();
    let made: Vec<PathBuf> = crate::records::decode(&noted).unwrap_or_default();
    for dir in made.iter().rev() {
        // What is in use by now is not empty, or it is mounted on.
        fs::remove_dir(dir).ok();
    }
}

/// A command of the configuration, run with the rights of the hands like a start script.
fn command(brief: &Brief, volume: &Volume, argv: &[String]) -> Command {
    let mut command = Command::new(argv.first().map_or("", String::as_str));
    command.args(argv.iter().skip(1)).env_clear().current_dir("/");
    command.envs([
        ("PATH", brief.path.as_str()),
        ("LANG", "C.UTF-8"),
        ("TSUGI_NODE", &brief.node),
        ("TSUGI_GROUP", &brief.group),
        ("TSUGI_RESOURCE", &volume.name),
        ("TSUGI_REASON", "drill"),
    ]);
    command
}

/// The one line that names a copy.
fn named(printed: &str) -> Result<PathBuf, (FaultKind, String)> {
    let line = printed.strip_suffix('\n').unwrap_or(printed);
    let path = PathBuf::from(line);
    let well = path.is_absolute() && !line.contains('\n') && line.len() <= LONGEST;
    if well && path.exists() {
        return Ok(path);
    }
    let shown: String = line.chars().filter(|c| !c.is_control()).take(80).collect();
    Err((FaultKind::Failed, format!("\"{shown}\"")))
}

/// Whether what was given as a copy is what it should be one of: it would be written to.
fn is_the_original(copy: &Path, volume: &Volume) -> bool {
    let Ok(its) = fs::metadata(copy) else { return false };
    let same = |other: &Path| {
        fs::metadata(other).is_ok_and(|other| match its.file_type().is_block_device() {
            true => other.file_type().is_block_device() && other.rdev() == its.rdev(),
            false => (other.dev(), other.ino()) == (its.dev(), its.ino()),
        })
    };
    same(&volume.mount) || volume.source.as_deref().is_some_and(same)
}

/// A plain copy of a directory, if it is no more than this and there is room for it.
fn plain(brief: &Brief, volume: &Volume, until: Instant) -> Result<PathBuf, (FaultKind, String)> {
    let (bytes, files) = size(&volume.mount, until)?;
    if bytes > PLAIN_BYTES || files > PLAIN_FILES {
        let most = format!("{} > {} MiB", bytes >> 20, PLAIN_BYTES >> 20);
        let many = format!("{files} > {PLAIN_FILES}");
        let told = if bytes > PLAIN_BYTES { most } else { many };
        return Err((FaultKind::Room, told));
    }
    let into = brief.folder.join(PLAIN).join(&volume.name);
    fs::create_dir_all(&into).map_err(refused("mkdir"))?;
    let about = nix::sys::statvfs::statvfs(&into);
    let about = about.map_err(|error| refused("statvfs")(error.into()))?;
    let block = about.fragment_size();
    let (free, all) = (about.blocks_available() * block, about.blocks() * block);
    fits(bytes, (free, all)).map_err(|told| (FaultKind::Room, told))?;
    let mut command = Command::new("/bin/cp");
    command.args(["-a", "--one-file-system", "--"]);
    command.arg(volume.mount.join(".")).arg(&into).env_clear().env("LANG", "C.UTF-8");
    bounded::run(command, until).map_err(kind)?;
    Ok(into)
}

/// Whether so many bytes may be written where so many are free of so many: a tenth of all stays
/// free, at most [`KEPT`], because the node has to go on. If not: what is needed, and what may be
/// had.
pub(super) fn fits(bytes: u64, (free, all): (u64, u64)) -> Result<(), String> {
    const MIB: u64 = 1 << 20;
    let kept = (all / 10).min(KEPT);
    if bytes <= free.saturating_sub(kept) {
        return Ok(());
    }
    // Nothing that is needed is told as none, and nothing that may not be had as some.
    let (needed, kept) = (bytes.div_ceil(MIB), kept.div_ceil(MIB));
    Err(format!("{needed} MiB > {} - {kept} MiB", free / MIB))
}

/// The bytes and files below a directory; it is not counted much further than what is copied.
fn size(dir: &Path, until: Instant) -> Result<(u64, u64), (FaultKind, String)> {
    let root = fs::symlink_metadata(dir).map_err(refused(&dir.display().to_string()))?;
    let (mut bytes, mut files) = (0_u64, 0_u64);
    let mut open = vec![dir.to_path_buf()];
    while let Some(next) = open.pop() {
        if Instant::now() >= until {
            return Err((FaultKind::Slow, String::new()));
        }
        let entries = fs::read_dir(&next).map_err(refused(&next.display().to_string()))?;
        for entry in entries.flatten() {
            // It may be gone by now: the volume is in use.
            let Ok(about) = entry.metadata() else { continue };
            files += 1;
            bytes += about.blocks() * 512;
            if about.is_dir() && about.dev() == root.dev() {
                open.push(entry.path());
            }
        }
        if bytes > PLAIN_BYTES || files > PLAIN_FILES {
            break;
        }
    }
    Ok((bytes, files))
}
