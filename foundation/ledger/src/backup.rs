//! A backup: the whole ledger at one place as one file, and how it becomes a ledger again.

use sha2::{Digest, Sha256};
use tsugi_vocabulary::{Generation, Index, NodeName};

use crate::format::{FORMAT, Reader, Unreadable, Writer, read_view, write_view};
use crate::{ClusterId, View, VoterId};

const MAGIC: &[u8; 8] = b"TSUGILB\n";
const HASH: usize = 32;

/// The whole ledger at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The ledger at that place.
    pub view: View,
}

/// Why a file is not a backup that can be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupRefused {
    /// It does not begin as a backup does.
    #[error("this is not a backup of a ledger")]
    Other,
    /// Its hash differs: it was cut or changed.
    #[error("the backup was cut or changed after it was written")]
    Changed,
    /// It cannot be read.
    #[error("the backup cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
}

/// What a restored ledger must stand above. Whoever restores asks every node that answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// The highest incarnation that any node reports.
    pub incarnation: u64,
    /// The highest place that any node reports.
    pub applied: Index,
    /// The highest generation of the voters that any node reports.
    pub generation: Generation,
    /// The highest voter that any node reports.
    pub voter: VoterId,
    /// The clock on the wall in seconds: a node that does not answer has seen less, unless its
    /// ledger was restored on a later day by this clock.
    pub wall_seconds: u64,
}

impl Backup {
    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Writer::new();
        write_view(&mut body, &self.view);
        let body = body.done();
        let mut file = Writer::new();
        file.raw(MAGIC).u8(FORMAT).u128(self.cluster.0);
        file.u64(self.view.incarnation).index(self.view.applied);
        let hash = Sha256::new().chain_update(file.so_far()).chain_update(&body).finalize();
        file.raw(&hash).raw(&body);
        file.done()
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// [`BackupRefused`] if they are not exactly what [`Backup::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BackupRefused> {
        let mut from = Reader::new(bytes);
        if from.raw(MAGIC.len()).map_err(|_| BackupRefused::Other)? != MAGIC {
            return Err(BackupRefused::Other);
        }
        from.format()?;
        let cluster = ClusterId(from.u128()?);
        let (incarnation, applied) = (from.u64()?, from.index()?);
        let header = &bytes[..bytes.len() - from.left()];
        let hash = from.raw(HASH)?;
        let body = from.raw(from.left())?;
        if Sha256::new().chain_update(header).chain_update(body).finalize().as_slice() != hash {
            return Err(BackupRefused::Changed);
        }
        let mut from = Reader::new(body);
        let view = read_view(&mut from)?;
        from.end()?;
        if (view.incarnation, view.applied) != (incarnation, applied) {
            return Err(BackupRefused::Changed);
        }
        Ok(Self { cluster, view })
    }

    /// The view a restored ledger begins with: kept by `node` alone, under a number and in an
    /// incarnation that no node has seen, so that no epoch, place or vote is given out twice.
    #[must_use]
    pub fn restored(&self, floor: Floor, node: NodeName) -> View {
        let mut view = self.view.clone();
        let above = view.incarnation.max(floor.incarnation).max(floor.wall_seconds);
        view.incarnation = above + 1;
        view.applied = Index(view.applied.max(floor.applied).0 + 1);
        view.voters.highest = view.voters.highest.max(floor.voter);
        view.voters.generation = view.voters.generation.max(floor.generation);
        let id = view.voters.next();
        view.voters.become_list(view.applied, [(id, node)].into());
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Command, Key};

    fn backup() -> Backup {
        let mut view = View::founded(7);
        let change = Change::new().write(Key::new("group/PAY").unwrap(), vec![1, 2, 3]);
        view.apply(Index(4), &Command::Change(change));
        Backup { cluster: ClusterId(9), view }
    }

    #[test]
    fn a_backup_is_read_as_it_was_written() {
        assert_eq!(Backup::from_bytes(&backup().to_bytes()), Ok(backup()));
    }

    #[test]
    fn a_backup_with_any_byte_changed_or_cut_is_refused() {
        let bytes = backup().to_bytes();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(Backup::from_bytes(&changed).is_err(), "byte {place}");
            assert!(Backup::from_bytes(&bytes[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn a_restored_ledger_stands_above_everything_any_node_has_seen() {
        let node = NodeName::new("a").unwrap();
        let floor = Floor {
            incarnation: 40,
            applied: Index(90),
            generation: Generation(6),
            voter: VoterId(8),
            wall_seconds: 30,
        };
        let view = backup().restored(floor, node.clone());
        assert_eq!((view.incarnation, view.applied), (41, Index(91)));
        assert_eq!(view.voters.generation, Generation(7));
        assert_eq!(view.voters.list.keys().copied().collect::<Vec<_>>(), vec![VoterId(9)]);
        let late = Floor { wall_seconds: 1_800_000_000, ..floor };
        assert_eq!(backup().restored(late, node.clone()).incarnation, 1_800_000_001);
        assert_eq!(backup().restored(Floor::default(), node).incarnation, 8);
    }
}
