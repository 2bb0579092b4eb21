//! The log and the state machine pass the Raft library's own tests of a storage.

use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::file::{File, Owner};
use super::log::{Loaded, Log};
use super::machine::{self, Machine};
use super::store::Store;
use super::types::{StorageError, Types};
use crate::{ClusterId, VoterId};

struct Builder;

impl StoreBuilder<Types, Log, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError> {
        let directory = TempDir::new().unwrap();
        let owner = Owner { cluster: ClusterId(1), voter: VoterId(1) };
        let file = File::create(&directory.path().join("ledger"), owner).unwrap();
        let loaded = Loaded::from(&file).unwrap();
        let (placed, state) = machine::load(&file).unwrap();
        let store = Store::start(file);
        let log = Log::new(loaded, store.clone());
        Ok((directory, log, Machine::new(placed, state, store)))
    }
}

#[test]
fn the_storage_passes_the_tests_of_the_raft_library() {
    Suite::test_all(Builder).unwrap();
}
