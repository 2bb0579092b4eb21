//! The store of a volume, and why nothing was done in it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use tsugi_messages as messages;
use tsugi_service_engine::files::moving::Unmoved;
use tsugi_store::{OpenRefused, Sqlite};
use tsugi_vocabulary::GroupName;

use crate::ask::Agents;
use crate::exit::Exit;
use crate::run::service::refused::No;
use crate::run::service::{rows, volume};

/// A store that is open here, and so nowhere else.
pub(super) struct Opened {
    pub volume: PathBuf,
    pub group: GroupName,
    pub store: Sqlite,
}

/// Opens the store of a volume, which takes nothing over; a store is not made by it.
pub(super) fn open(agents: &Agents, at: &Path) -> Result<Opened, No> {
    let (volume, group, looked) = volume::find(agents, (&Some(at.to_owned()), &None))?;
    let (Some(group), Some(looked)) = (group, looked) else {
        let message = messages::volume_without_store(volume.display());
        return Err(No { exit: Exit::NotFound, problems: vec![(0, message)] });
    };
    match rows::open(&volume, (Some(&looked), &group)) {
        Ok(store) => Ok(Opened { volume, group, store }),
        Err(OpenRefused::InUse(_)) => {
            Err(No::whole(messages::volume_in_use(volume.display(), group)))
        }
        Err(other) => Err(No::whole(messages::store_not_opened(volume.display(), other))),
    }
}

/// What a store did not do.
pub(super) fn failed(volume: &Path, why: impl Display) -> No {
    let message = messages::files_not_read(volume.display(), why);
    No { exit: Exit::Failed, problems: vec![(0, message)] }
}

/// There is no file of this name, or the store did not do it.
pub(super) fn unmoved(volume: &Path, why: &Unmoved) -> No {
    match why {
        Unmoved::Missing(name) => {
            let message = messages::file_not_there(name, volume.display());
            No { exit: Exit::NotFound, problems: vec![(0, message)] }
        }
        other => failed(volume, other),
    }
}

/// Bytes of a key as COBOL writes them.
pub(super) fn literal(bytes: &[u8]) -> String {
    let plain = bytes.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'"');
    match plain {
        true => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        false => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("X\"{digits}\"")
        }
    }
}
