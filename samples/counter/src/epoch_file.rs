//! The newest epoch that ever opened the volume: an older owner that comes late is refused.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tsugi_vocabulary::Epoch;

use crate::checksum::checksum;
use crate::{CounterError, Doing};

/// The file's name on the volume.
pub const NAME: &str = "epoch";
/// One sector: it is written whole or not at all.
const SIZE: usize = 512;

/// Reads `e3.17` or `3.17`.
///
/// # Errors
/// When the text is no epoch.
pub fn parse(text: &str) -> Result<Epoch, CounterError> {
    let bare = text.strip_prefix('e').unwrap_or(text);
    bare.split_once('.')
        .and_then(|(incarnation, counter)| {
            Some(Epoch { incarnation: incarnation.parse().ok()?, counter: counter.parse().ok()? })
        })
        .ok_or_else(|| CounterError::Usage(format!("TSUGI_EPOCH: {text:?} is no epoch")))
}

/// Refuses when the volume in `dir` was opened under a higher epoch than `own`; else writes `own`
/// there, durably.
///
/// # Errors
/// A newer epoch on the volume, a damaged file, or a failing disk.
pub fn claim(dir: &Path, own: Epoch) -> Result<(), CounterError> {
    let path = dir.join(NAME);
    let name = || path.display().to_string();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .doing(|| format!("open {}", name()))?;
    let mut sector = vec![0; SIZE];
    let length = file.read_at(&mut sector, 0).doing(|| format!("read {}", name()))?;
    let written = sector[..length].iter().any(|byte| *byte != 0);
    let found = if written { read(&sector, &path)? } else { Epoch::NONE };
    if found > own {
        return Err(CounterError::Superseded { found: found.to_string(), own: own.to_string() });
    }
    if found == own {
        return Ok(());
    }
    file.write_all_at(&sector_of(own), 0).doing(|| format!("write {}", name()))?;
    file.sync_all().doing(|| format!("fsync {}", name()))?;
    if !written {
        sync_directory(dir)?;
    }
    Ok(())
}

fn sector_of(epoch: Epoch) -> Vec<u8> {
    let text = format!("{}.{}", epoch.incarnation, epoch.counter);
    let mut sector = format!("{text} {:08x}\n", checksum(&[text.as_bytes()])).into_bytes();
    sector.resize(SIZE, b' ');
    sector
}

fn read(sector: &[u8], path: &Path) -> Result<Epoch, CounterError> {
    let damaged = || CounterError::Damaged {
        path: path.display().to_string(),
        why: "does not hold an epoch with its checksum".into(),
    };
    let text = std::str::from_utf8(sector).map_err(|_| damaged())?;
    let (epoch, sum) = text.trim_matches(['\0', ' ', '\n']).split_once(' ').ok_or_else(damaged)?;
    if format!("{:08x}", checksum(&[epoch.as_bytes()])) != sum {
        return Err(damaged());
    }
    parse(epoch).map_err(|_| damaged())
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_directory(dir: &Path) -> Result<(), CounterError> {
    let name = || format!("fsync {}", dir.display());
    File::open(dir).doing(name)?.sync_all().doing(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_owner_is_refused_by_the_volume() {
        let dir = tempfile::tempdir().unwrap();
        let epoch = |text| parse(text).unwrap();
        claim(dir.path(), epoch("e1.4")).unwrap();
        claim(dir.path(), epoch("e1.4")).unwrap();
        let refused = claim(dir.path(), epoch("e1.3"));
        assert!(matches!(refused, Err(CounterError::Superseded { .. })), "{refused:?}");
        claim(dir.path(), epoch("e2.1")).unwrap();
        assert!(claim(dir.path(), epoch("e1.9")).is_err());
    }

    #[test]
    fn a_damaged_epoch_is_an_error_and_not_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path(), parse("1.4").unwrap()).unwrap();
        let path = dir.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] = b'0';
        std::fs::write(&path, bytes).unwrap();
        let refused = claim(dir.path(), parse("1.5").unwrap());
        assert!(matches!(refused, Err(CounterError::Damaged { .. })), "{refused:?}");
    }
}
