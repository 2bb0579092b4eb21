//! When this node last heard who leads its ledger, for when its agent does not run: how old its
//! copy may be. It is the time of a file that is never synced: after a loss of power it is older.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tsugi_ledger::Ledger;
use tsugi_vocabulary::Wall;

/// The file in the data directory.
const FILE: &str = "leader-heard";
/// How often it is noted; so much later it may have been.
const EVERY: Duration = Duration::from_secs(10);

/// Notes it for as long as the agent runs.
pub(super) async fn keep(ledger: Arc<dyn Ledger>, data_dir: PathBuf) {
    let mut leads = ledger.leadership_watch();
    loop {
        if leads.borrow_and_update().leader.is_some() {
            // Without the note nothing is said of it.
            let _unsaid = note(&data_dir, SystemTime::now());
        }
        // Time that has passed, or another leader: both are noted.
        if let Ok(Err(_ended)) = tokio::time::timeout(EVERY, leads.changed()).await {
            return;
        }
    }
}

fn note(data_dir: &Path, at: SystemTime) -> io::Result<()> {
    let file = File::options().create(true).append(true).open(data_dir.join(FILE))?;
    file.set_modified(at)
}

/// When it last was, as far as it was noted.
pub(super) fn last(data_dir: &Path) -> Option<Wall> {
    let at = std::fs::metadata(data_dir.join(FILE)).ok()?.modified().ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_leader_was_last_heard_is_known_without_an_agent() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(last(place.path()), None, "never noted");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        note(place.path(), at(1_800_000_000)).unwrap();
        note(place.path(), at(1_800_000_010)).unwrap();
        assert_eq!(last(place.path()), Some(Wall(1_800_000_010_000)));
    }
}
