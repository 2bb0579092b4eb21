//! Why an agent did not start, or could not go on, as a message of its own for each kind.

use std::io::ErrorKind;

use tsugi_ledger::{Failure, StorageFailure};
use tsugi_messages::{self as messages, Message};
use tsugi_wire::boot::BootFailure;
use tsugi_wire::files::FileFailure;
use tsugi_wire::identity::IdentityFailure;

use super::anew::is_half_done;
use super::founding::FoundingFailure;
use super::ledger_link::LinkFailure;
use super::start::{AgentConfig, AgentFailure};

/// The message of a failure on this node.
#[must_use]
pub fn complaint(failure: &AgentFailure, config: &AgentConfig) -> Message {
    let node = super::start::own_name(config)
        .map_or_else(|_| config.name.clone().unwrap_or("-".to_owned()), |n| n.to_string());
    match failure {
        AgentFailure::SecondAgent(path) => messages::agent_directory_in_use(path.display()),
        AgentFailure::Founding(FoundingFailure::File(file))
        | AgentFailure::Boot(BootFailure::File(file))
        | AgentFailure::File(file) => of_file(file, &node),
        AgentFailure::Identity(identity) => of_identity(identity, config),
        AgentFailure::Ledger(LinkFailure::Identity(identity)) => of_identity(identity, config),
        AgentFailure::Ledger(LinkFailure::Ledger(Failure::Storage(StorageFailure::Lost {
            ..
        }))) if is_half_done(&config.data_dir) => {
            messages::ledger_half_made(config.data_dir.display(), &node)
        }
        AgentFailure::Ledger(LinkFailure::Ledger(Failure::Storage(storage))) => {
            of_storage(storage, &node)
        }
        AgentFailure::Ledger(LinkFailure::SharedDisk(storage)) => {
            super::shared_disk::unusable(storage, &node)
        }
        AgentFailure::Promise(path) => messages::ledger_damaged(path.display(), &node, failure),
        AgentFailure::Unreadable(unreadable) => {
            messages::record_unreadable(&unreadable.key, &unreadable.why)
        }
        AgentFailure::Removed { node, place } => messages::node_removed_here(node, place.display()),
        AgentFailure::CannotWrite => {
            messages::disk_write_failed(config.data_dir.display(), &node, failure)
        }
        AgentFailure::Founding(_)
        | AgentFailure::Boot(BootFailure::NotANumber { .. })
        | AgentFailure::NoName(_)
        | AgentFailure::Bind { .. }
        | AgentFailure::Hands(_)
        | AgentFailure::Ledger(_)
        | AgentFailure::System(_) => messages::agent_did_not_start(&node, failure),
    }
}

fn of_file(failure: &FileFailure, node: &str) -> Message {
    match failure {
        FileFailure::Refused { path, source, .. } if source.kind() == ErrorKind::StorageFull => {
            messages::disk_full(path.display(), node)
        }
        FileFailure::Refused { path, source, .. } => {
            messages::disk_write_failed(path.display(), node, source)
        }
        FileFailure::Mode { path, found, .. } => {
            messages::identity_open_to_others(path.display(), format!("{found:04o}"))
        }
        FileFailure::Owner { path, .. }
        | FileFailure::NotPlain { path, .. }
        | FileFailure::TooLarge { path }
        | FileFailure::NotText { path } => messages::identity_unreadable(path.display(), failure),
    }
}

fn of_identity(failure: &IdentityFailure, config: &AgentConfig) -> Message {
    match failure {
        IdentityFailure::File(FileFailure::Mode { path, found, .. }) => {
            messages::identity_open_to_others(path.display(), format!("{found:04o}"))
        }
        _ => messages::identity_unreadable(config.pki_dir.display(), failure),
    }
}

/// A disk that does not keep the ledger.
pub(super) fn of_storage(failure: &StorageFailure, node: &str) -> Message {
    match failure {
        StorageFailure::Damaged { file, what } => messages::ledger_damaged(file, node, what),
        StorageFailure::Missing { file }
        | StorageFailure::Exists { file }
        | StorageFailure::Lost { file, .. }
        | StorageFailure::Foreign { file, .. } => messages::ledger_damaged(file, node, failure),
        StorageFailure::InUse { file } => messages::agent_directory_in_use(file),
        StorageFailure::TooNew { file, found, .. } => messages::ledger_format_unknown(file, found),
        StorageFailure::Full { file } => messages::disk_full(file, node),
        StorageFailure::Io { file, what } => messages::disk_sync_failed(file, node, what),
    }
}
