//! What is read of the copies as a proof.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use tsugi_cluster_rules::drill::rehearsal::{FaultKind, Part};

use super::brief::{Brief, Volume};
use super::log::{Log, Stopped, kind, refused};
use super::{bounded, programs};

/// So much is read of one file where no command of the configuration reads them.
const OF_EACH: u64 = 64 << 10;
/// And of all together.
const OF_ALL: u64 = 256 << 20;
/// So many files are looked at.
const FILES: u64 = 1_000_000;

/// Runs what the configuration names as its proof; without one, the files are counted and read.
pub(super) fn read(brief: &Brief, until: Instant, log: &mut Log) -> Result<(), Stopped> {
    let mut proven = false;
    for program in &brief.programs {
        let Some(proof) = &program.proof else { continue };
        proven = true;
        let command = programs::command(program, proof);
        log.part((Part::Read, &program.name), || {
            programs::own_folder(program)?;
            bounded::run(command, until).map_err(kind)
        })?;
    }
    if proven {
        return Ok(());
    }
    for volume in &brief.volumes {
        log.part((Part::Read, &volume.name), || look(volume, until))?;
    }
    Ok(())
}

/// Every file is there, and the beginning of each can be read.
fn look(volume: &Volume, until: Instant) -> Result<(), (FaultKind, String)> {
    let about = |path: &Path| refused(&path.display().to_string());
    let root = fs::metadata(&volume.mount).map_err(about(&volume.mount))?.dev();
    let mut open = vec![volume.mount.clone()];
    let (mut files, mut bytes) = (0_u64, 0_u64);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).map_err(about(&dir))? {
            let entry = entry.map_err(about(&dir))?;
            let path = entry.path();
            let found = entry.metadata().map_err(about(&path))?;
            files += 1;
            if Instant::now() >= until {
                return Err((FaultKind::Slow, String::new()));
            }
            if files > FILES {
                return Ok(());
            }
            if found.is_dir() && found.dev() == root {
                open.push(path);
            } else if found.is_file() && bytes < OF_ALL {
                bytes += beginning(&path).map_err(about(&path))?;
            }
        }
    }
    Ok(())
}

fn beginning(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?.take(OF_EACH);
    let mut chunk = vec![0; OF_EACH as usize];
    let mut all = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(all),
            Ok(length) => all += length as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
