//! Where a daemon runs and for whom: what it is told once, at its start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsugi_host::enclosed::User;
use tsugi_service_rules::limits;
use tsugi_service_rules::worker::pool;
use tsugi_vocabulary::{Epoch, GroupName, NodeName, Span};
use tsugi_worker::Environment;

use crate::groups::Groups;

/// What is the same for every volume that this process serves.
#[derive(Clone, Debug)]
pub struct Around {
    /// The group.
    pub group: GroupName,
    /// This node.
    pub node: NodeName,
    /// What its programs are told of where they run.
    pub environment: Environment,
    /// Whose rights its programs have.
    pub user: User,
    /// The command line of a worker, without the words that say what it holds.
    pub worker: Vec<String>,
    /// Where its workers have their private folders; all in it is removed.
    pub workers: PathBuf,
    /// What the workers of a service are to be like, where its package says nothing else.
    pub pool: pool::Settings,
    /// Memory that a worker may hold, in MiB, where its package says nothing else.
    pub memory_mib: u64,
    /// How much its engine holds at once.
    pub calls: limits::Limits,
    /// How long running calls have before a move rolls them back.
    pub grace: Span,
    /// The database that keeps the store, where the volume does not.
    pub database: Option<Database>,
    /// The way to services of other groups, where one is said.
    pub groups: Option<Arc<Groups>>,
}

/// A database that several members of a group share.
#[derive(Clone)]
pub struct Database {
    /// The server, with its password.
    pub server: String,
    /// Which member this is; empty where the group has one.
    pub member: String,
    /// Calls at a time that it is asked for.
    pub sessions: usize,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("member", &self.member).finish_non_exhaustive()
    }
}

/// One ownership of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The volume.
    pub volume: PathBuf,
    /// The ownership.
    pub epoch: Epoch,
}

impl Hold {
    /// Where its store is.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        store(&self.volume)
    }
}

/// Where the store of a volume is.
#[must_use]
pub fn store(volume: &Path) -> PathBuf {
    volume.join("store")
}
