//! The first process of the namespaces of a drill: what it mounts, binds and starts nobody else
//! sees, and all of it ends with it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount, umount2};
use nix::unistd::AccessFlags;
use tsugi_cluster_rules::drill::Depth;
use tsugi_cluster_rules::drill::rehearsal::{FaultKind, Part};

use super::brief::{Brief, Volume};
use super::log::{Log, Stopped, kind, refused};
use super::{bounded, programs, reading};

/// Where what runs listens.
const RUN: &str = "/run";
/// So much is looked through there at most.
const MANY: usize = 100_000;
const NONE: Option<&str> = None;

/// Shows what is to be shown.
pub(super) fn show(brief: &Brief, copies: &[PathBuf], until: Instant, log: &mut Log) {
    // What went wrong stands in the log.
    shown(brief, copies, until, log).ok();
}

fn shown(brief: &Brief, copies: &[PathBuf], until: Instant, log: &mut Log) -> Result<(), Stopped> {
    log.part((Part::Mount, "/"), || cut_off(brief))?;
    // Attached images go with their last user: they are held until all is over.
    let mut held = Vec::new();
    for (volume, copy) in brief.volumes.iter().zip(copies) {
        let device = log.part((Part::Mount, &volume.name), || block(copy, &mut held))?;
        if let Some(device) = &device {
            log.part((Part::Check, &volume.name), || check(device, volume, until))?;
        }
        let from = device.as_deref().unwrap_or(copy);
        let of = (brief, device.is_some());
        log.part((Part::Mount, &volume.name), || put(from, volume, of))?;
    }
    match brief.depth {
        Depth::Read => reading::read(brief, until, log),
        Depth::Isolate => programs::run(brief, until, log),
    }
}

/// Ends with whoever made this, however that ended: it holds the other end of the input.
pub(super) fn end_with_the_caller() {
    std::thread::spawn(|| {
        let mut nothing = [0];
        while let Ok(1..) = io::stdin().read(&mut nothing) {}
        // As the first process of its namespace it takes all others with it.
        std::process::exit(1);
    });
}

/// Nothing that is mounted from here on is seen outside, and what is asked by a path is not there.
fn cut_off(brief: &Brief) -> Result<(), (FaultKind, String)> {
    let all = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let system = |what: &str| {
        let what = what.to_owned();
        move |error: nix::Error| refused(&what)(error.into())
    };
    mount(NONE, "/", NONE, all, NONE).map_err(system("mount"))?;
    for place in &brief.held_off {
        // As often as something is mounted there; most are mounted on another node.
        while umount2(place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).is_ok() {}
    }
    let bare = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), bare, NONE).map_err(system("/proc"))?;
    run_without_sockets(brief)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let empty = |dir: &Path| mount(Some("drill"), dir, Some("tmpfs"), flags, Some("mode=0755"));
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        mount(Some("drill"), shared, Some("tmpfs"), flags, Some("mode=1777"))
            .map_err(system("/dev/shm"))?;
    }
    fs::create_dir_all(&brief.run_dir).map_err(refused("mkdir"))?;
    empty(&brief.run_dir).map_err(system("tmpfs"))?;
    tsugi_host::apart::raise_loopback(&brief.addresses).map_err(refused("lo"))
}

/// `/run` as it is, but for what is written to it from here and for everything that listens there:
/// a script that asks the machine's own services for something must not reach them.
fn run_without_sockets(brief: &Brief) -> Result<(), (FaultKind, String)> {
    let over = brief.folder.join("over");
    let failed = refused(RUN);
    let (up, work) = (over.join("up"), over.join("work"));
    let made = fs::create_dir_all(&over);
    made.map_err(&failed)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("drill"), &over, Some("tmpfs"), flags, NONE).map_err(|e| failed(e.into()))?;
    [&up, &work].into_iter().try_for_each(fs::create_dir).map_err(&failed)?;
    let files = mounted_files();
    let options = format!("lowerdir={RUN},upperdir={},workdir={}", up.display(), work.display());
    mount(Some("drill"), RUN, Some("overlay"), flags, Some(options.as_str()))
        .map_err(|error| failed(error.into()))?;
    for (path, file) in &files {
        let from = format!("/proc/self/fd/{}", file.as_raw_fd());
        mount(Some(from.as_str()), path, NONE, MsFlags::MS_BIND, NONE)
            .map_err(|error| failed(error.into()))?;
    }
    let mut open = vec![PathBuf::from(RUN)];
    let mut seen = 0;
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            seen += 1;
            if seen > MANY {
                return Err((FaultKind::Unable, RUN.to_owned()));
            }
            if kind.is_socket() || kind.is_fifo() {
                fs::remove_file(entry.path()).map_err(&failed)?;
            } else if kind.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// The files below it that are mounted by themselves: what lies over it does not show those.
fn mounted_files() -> Vec<(PathBuf, File)> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let below = places.filter(|place| place.starts_with("/run/")).map(PathBuf::from);
    let file = |path: PathBuf| {
        let file = path.is_file().then(|| File::open(&path).ok()).flatten()?;
        Some((path, file))
    };
    below.filter_map(file).collect()
}

/// The block device of a copy: itself, or what an image is attached to; none for a directory.
fn block(copy: &Path, held: &mut Vec<File>) -> Result<Option<PathBuf>, (FaultKind, String)> {
    let about = fs::metadata(copy).map_err(refused(&copy.display().to_string()))?;
    if about.is_dir() {
        return Ok(None);
    }
    if about.file_type().is_block_device() {
        return Ok(Some(copy.to_path_buf()));
    }
    let (device, open) = tsugi_host::loop_device::attach(copy).map_err(refused("loop"))?;
    held.push(open);
    Ok(Some(device))
}

/// The file systems of a volume, and how a copy of one is mounted beside the other.
const FILE_SYSTEMS: [(&str, Option<&str>); 2] =
    [("ext4", Some("errors=remount-ro")), ("xfs", Some("nouuid"))];

/// Has the file system end what its journal has begun, and then looks whether it is sound; nothing
/// is mended.
fn check(device: &Path, volume: &Volume, until: Instant) -> Result<(), (FaultKind, String)> {
    let kind_of = match mount_block(device, &volume.mount, MsFlags::empty()) {
        // What only can be read has to have ended what it began before it was copied.
        Err(READ_ONLY) => mount_block(device, &volume.mount, MsFlags::MS_RDONLY),
        mounted => mounted,
    };
    let kind_of = kind_of.map_err(of_device(device))?;
    umount(&volume.mount).map_err(|error| refused("umount")(error.into()))?;
    let (program, words): (&str, &[&str]) = match kind_of {
        "xfs" => ("/usr/sbin/xfs_repair", &["-n"]),
        _ => ("/sbin/e2fsck", &["-f", "-n"]),
    };
    if !Path::new(program).exists() {
        return Err((FaultKind::Unable, program.to_owned()));
    }
    let mut command = Command::new(program);
    command.args(words).arg(device).env_clear().env("LANG", "C.UTF-8");
    bounded::run(command, until).map(drop).map_err(kind)
}

/// What cannot be mounted because nobody can write to it.
const READ_ONLY: Errno = Errno::EROFS;

/// Mounts a block device as what it is; a device that can only be read is told as [`READ_ONLY`].
fn mount_block(device: &Path, dir: &Path, more: MsFlags) -> Result<&'static str, Errno> {
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME | more;
    for (name, options) in FILE_SYSTEMS {
        match mount(Some(device), dir, Some(name), flags, options) {
            Ok(()) => return Ok(name),
            // It is not that, or this kernel does not know it.
            Err(Errno::EINVAL | Errno::ENODEV) => {}
            Err(Errno::EACCES | Errno::EROFS) => return Err(READ_ONLY),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EOPNOTSUPP)
}

fn of_device(device: &Path) -> impl FnOnce(Errno) -> (FaultKind, String) {
    let failed = refused(&device.display().to_string());
    move |error| failed(error.into())
}

/// Mounts a copy where programs look for the volume.
fn put(
    from: &Path,
    volume: &Volume,
    (brief, block): (&Brief, bool),
) -> Result<(), (FaultKind, String)> {
    let only = match brief.depth {
        Depth::Read => MsFlags::MS_RDONLY,
        Depth::Isolate => MsFlags::empty(),
    };
    let put = match block {
        true => mount_block(from, &volume.mount, only).map(drop),
        false => bind(from, &volume.mount, only),
    };
    match (put, brief.depth) {
        (Err(READ_ONLY), Depth::Isolate) => written_over(from, volume, (brief, block)),
        (put, _) => put.map_err(of_device(&volume.mount)),
    }
}

/// Binds the copy of a directory. One that is to be written and cannot be is told as [`READ_ONLY`].
fn bind(from: &Path, to: &Path, only: MsFlags) -> Result<(), Errno> {
    if only.is_empty() {
        nix::unistd::access(from, AccessFlags::W_OK)?;
    }
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)?;
    let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(NONE, to, NONE, again | only, NONE)
}

/// So much of the memory may be written over one copy: half of what has to be free.
const WRITTEN_MOST: &str = "mode=0755,size=6%";

/// Lays what programs write over a copy that only can be read: it is in memory, and gone with the
/// drill.
fn written_over(
    from: &Path,
    volume: &Volume,
    (brief, block): (&Brief, bool),
) -> Result<(), (FaultKind, String)> {
    let place = brief.folder.join("written").join(&volume.name);
    let failed = refused(&volume.mount.display().to_string());
    let system = |error: Errno| failed(error.into());
    let [low, up, work] = ["low", "up", "work"].map(|name| place.join(name));
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    fs::create_dir_all(&place).map_err(&failed)?;
    mount(Some("drill"), &place, Some("tmpfs"), flags, Some(WRITTEN_MOST)).map_err(system)?;
    [&low, &up, &work].into_iter().try_for_each(fs::create_dir).map_err(&failed)?;
    match block {
        true => mount_block(from, &low, MsFlags::MS_RDONLY).map(drop),
        false => bind(from, &low, MsFlags::MS_RDONLY),
    }
    .map_err(system)?;
    // The top is the directory's own: a program looks at whose it is.
    let whose = fs::metadata(&low).map_err(&failed)?;
    chown(&up, Some(whose.uid()), Some(whose.gid())).map_err(&failed)?;
    fs::set_permissions(&up, whose.permissions()).map_err(&failed)?;
    let [low, up, work] = [low, up, work].map(|path| path.display().to_string());
    let options = format!("lowerdir={low},upperdir={up},workdir={work}");
    mount(Some("drill"), &volume.mount, Some("overlay"), flags, Some(options.as_str()))
        .map_err(system)
}
