//! Disks that are full, that fail, or that hold something else than was written.

use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{SAYS, mark, not_wholly_owned, roles, says, until, write_entries};
use crate::Trouble;
use crate::host::{LOG, Order, STATE};
use crate::kernel;
use crate::stage::Stage;

const FULL: &str = "TSUG80201-E";
const FAILS: [&str; 2] = ["TSUG80202-E", "TSUG80203-E"];
const DAMAGED: &str = "TSUG80102-E";
/// What is read and written of a disk at once.
const PAGE: usize = 4096;
/// The file that takes what room there is.
const FILL: &str = "/var/lib/tsugi/fill";
/// The ledger's files in the directory of a node.
const LEDGER: &str = "/var/lib/tsugi/ledger";

/// The disk of the owner is full to the last block.
pub(super) fn full(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, second, third] = roles(stage)?;
    let from = mark(stage, owner);
    let host = &stage.site.hosts[owner];
    let fill = format!("cat /dev/zero > {FILL}; sync {FILL}; true");
    host.run(&["sh", "-c", &fill], SAYS)?;
    let said = until(SAYS, || {
        write_entries(stage, second, third);
        stage.site.hosts[owner].read(LOG).is_ok_and(|log| log[from..].contains(FULL))
    });
    let mut wrong = Vec::new();
    if !said {
        wrong.push(format!("{} never said {FULL}", stage.site.hosts[owner].name));
    }
    wrong.extend(not_wholly_owned(stage));
    stage.site.hosts[owner].run(&["rm", FILL], SAYS)?;
    Ok(wrong)
}

/// The disk of the owner takes nothing any more: every write and every flush is an error.
pub(super) fn sync_fails(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, second, third] = roles(stage)?;
    let from = mark(stage, owner);
    kernel::cut_power_of_file_system(&stage.site.hosts[owner].place(STATE)?)?;
    let said = until(SAYS, || {
        write_entries(stage, second, third);
        let log = stage.site.hosts[owner].read(LOG).unwrap_or_default();
        FAILS.iter().any(|id| log.get(from..).unwrap_or_default().contains(id))
    });
    let mut wrong = Vec::new();
    if !said {
        let log = stage.site.hosts[owner].read(LOG).unwrap_or_default();
        let name = &stage.site.hosts[owner].name;
        wrong.push(format!("{name} never said {FAILS:?}: {}", log.get(from..).unwrap_or_default()));
    }
    wrong.extend(not_wholly_owned(stage));
    // Nobody can repair such a disk while it is in use.
    stage.site.hosts[owner].power_off()?;
    Ok(wrong)
}

/// The ledger's file of a node holds something else than what the node wrote.
pub(super) fn ledger_damaged(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [_, _, third] = roles(stage)?;
    stage.site.hosts[third].order(&Order::Stop)?;
    let about = std::fs::metadata(stage.site.hosts[third].place(LEDGER)?)?;
    let owner = (about.uid(), about.gid());
    let kept = damage(&stage.site.hosts[third].place(LEDGER)?)?;
    let from = mark(stage, third);
    stage.product.start(&mut stage.site.hosts[third])?;
    let mut wrong = Vec::new();
    wrong.extend(says(stage, third, from, DAMAGED));
    wrong.extend(not_wholly_owned(stage));
    stage.site.hosts[third].order(&Order::Stop)?;
    // What the node made of the damaged files belongs to no ledger.
    for entry in std::fs::read_dir(stage.site.hosts[third].place(LEDGER)?)? {
        std::fs::remove_file(entry?.path())?;
    }
    for (place, sound) in kept {
        std::fs::write(&place, sound)?;
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600))?;
        std::os::unix::fs::chown(&place, Some(owner.0), Some(owner.1))?;
    }
    stage.product.start(&mut stage.site.hosts[third])?;
    Ok(wrong)
}

/// Writes over a part of every file of a ledger, as a disk does that mixes its blocks up. Gives
/// back what was in them.
fn damage(ledger: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Trouble> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(ledger)? {
        let place = entry?.path();
        let sound = std::fs::read(&place)?;
        let file = std::fs::OpenOptions::new().write(true).open(&place)?;
        // The first page says only what kind of file it is.
        for page in (1..sound.len() / PAGE).map(|page| (page * PAGE) as u64) {
            file.write_all_at(&[0x5a; PAGE], page)?;
        }
        kept.push((place, sound));
    }
    if kept.iter().all(|(_, sound)| sound.len() < 2 * PAGE) {
        return Err(Trouble::Failed("the ledger is too small to be damaged".into()));
    }
    Ok(kept)
}
