//! What a node kept of a cluster, or of another life of its ledger, put aside; never deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder in the data directory; each time has a numbered folder of its own in it.
pub const ASIDE: &str = "aside";
/// What belongs to the ledger in a data directory: the copy itself, and the note beside it.
pub const LEDGER: [&str; 2] = ["ledger", "ledger.kept"];

/// Moves those of `what` that are there out of the way, durably, one by one in this order; where
/// they are then. What a former attempt moved is in an earlier folder.
///
/// # Errors
/// The system refused; what was moved until then is aside.
pub fn put(data_dir: &Path, what: &[PathBuf]) -> io::Result<PathBuf> {
    let aside = data_dir.join(ASIDE);
    fs::create_dir_all(&aside)?;
    let taken = |n: &u64| aside.join(n.to_string()).exists();
    let number = (1..).find(|n| !taken(n)).unwrap_or(u64::MAX);
    let folder = aside.join(number.to_string());
    fs::create_dir(&folder)?;
    sync(&aside)?;
    sync(data_dir)?;
    for path in what.iter().filter(|path| path.exists()) {
        let name = path.file_name().unwrap_or_default();
        fs::rename(path, folder.join(name))?;
        sync(&folder)?;
        sync(path.parent().unwrap_or(data_dir))?;
    }
    Ok(folder)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_put_aside_each_time_in_a_folder_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let ledger = LEDGER.map(|name| place.path().join(name));
        let keep = |text: &str| {
            fs::create_dir(&ledger[0]).unwrap();
            fs::write(ledger[0].join("ledger.db"), text).unwrap();
        };
        keep("first");
        fs::write(&ledger[1], "voter 2").unwrap();
        let first = put(place.path(), &ledger).unwrap();
        assert!(!ledger[0].exists() && !ledger[1].exists());
        keep("second");
        let second = put(place.path(), &ledger).unwrap();
        let read = |folder: &Path| fs::read_to_string(folder.join("ledger/ledger.db")).unwrap();
        assert_eq!((read(&first), read(&second)), ("first".to_owned(), "second".to_owned()));
        assert_eq!(fs::read_to_string(first.join("ledger.kept")).unwrap(), "voter 2");
    }
}
