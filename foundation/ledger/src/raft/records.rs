//! The bytes of what Raft keeps and sends: places, votes, memberships, entries.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{CommittedLeaderId, EntryPayload};

use super::types::{Batch, Entry, LogId, Member, Membership, SnapshotMeta, StoredMembership, Vote};
use crate::format::{Reader, Unreadable, Writer, read_command, write_command};

pub(crate) fn write_log_id(to: &mut Writer, id: &LogId) {
    to.u64(id.leader_id.term).u64(id.leader_id.node_id).u64(id.index);
}

pub(crate) fn read_log_id(from: &mut Reader<'_>) -> Result<LogId, Unreadable> {
    let leader = CommittedLeaderId::new(from.u64()?, from.u64()?);
    Ok(LogId::new(leader, from.u64()?))
}

pub(crate) fn write_log_id_option(to: &mut Writer, id: Option<&LogId>) {
    match id {
        None => {
            to.u8(0);
        }
        Some(id) => write_log_id(to.u8(1), id),
    }
}

pub(crate) fn read_log_id_option(from: &mut Reader<'_>) -> Result<Option<LogId>, Unreadable> {
    if from.flag("place")? { read_log_id(from).map(Some) } else { Ok(None) }
}

pub(crate) fn write_vote(to: &mut Writer, vote: &Vote) {
    to.u64(vote.leader_id.term).u64(vote.leader_id.node_id).u8(u8::from(vote.committed));
}

pub(crate) fn read_vote(from: &mut Reader<'_>) -> Result<Vote, Unreadable> {
    let (term, node) = (from.u64()?, from.u64()?);
    let committed = from.flag("vote")?;
    Ok(if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) })
}

pub(crate) fn write_membership(to: &mut Writer, membership: &Membership) {
    let configs = membership.get_joint_config();
    to.count(configs.len());
    for config in configs {
        to.count(config.len());
        for id in config {
            to.u64(*id);
        }
    }
    to.count(membership.nodes().count());
    for (id, member) in membership.nodes() {
        to.u64(*id).text(&member.node);
    }
}

pub(crate) fn read_membership(from: &mut Reader<'_>) -> Result<Membership, Unreadable> {
    let mut configs = Vec::new();
    for _ in 0..from.count()? {
        let mut config = BTreeSet::new();
        for _ in 0..from.count()? {
            config.insert(from.u64()?);
        }
        configs.push(config);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..from.count()? {
        let id = from.u64()?;
        nodes.insert(id, Member { node: from.text("node")?.to_owned() });
    }
    if configs.iter().flatten().any(|id| !nodes.contains_key(id)) {
        return Err(Unreadable::Text { what: "membership" });
    }
    Ok(Membership::new(configs, nodes))
}

pub(crate) fn write_stored(to: &mut Writer, stored: &StoredMembership) {
    write_log_id_option(to, stored.log_id().as_ref());
    write_membership(to, stored.membership());
}

pub(crate) fn read_stored(from: &mut Reader<'_>) -> Result<StoredMembership, Unreadable> {
    let id = read_log_id_option(from)?;
    Ok(StoredMembership::new(id, read_membership(from)?))
}

pub(crate) fn write_meta(to: &mut Writer, meta: &SnapshotMeta) {
    write_log_id_option(to, meta.last_log_id.as_ref());
    write_stored(to, &meta.last_membership);
    to.text(&meta.snapshot_id);
}

pub(crate) fn read_meta(from: &mut Reader<'_>) -> Result<SnapshotMeta, Unreadable> {
    Ok(SnapshotMeta {
        last_log_id: read_log_id_option(from)?,
        last_membership: read_stored(from)?,
        snapshot_id: from.text("snapshot")?.to_owned(),
    })
}

pub(crate) fn write_entry(to: &mut Writer, entry: &Entry) {
    write_log_id(to, &entry.log_id);
    match &entry.payload {
        EntryPayload::Blank => {
            to.u8(0);
        }
        EntryPayload::Normal(batch) => {
            to.u8(1).count(batch.0.len());
            for command in &batch.0 {
                write_command(to, command);
            }
        }
        EntryPayload::Membership(membership) => write_membership(to.u8(2), membership),
    }
}

pub(crate) fn read_entry(from: &mut Reader<'_>) -> Result<Entry, Unreadable> {
    let log_id = read_log_id(from)?;
    let payload = match from.u8()? {
        0 => EntryPayload::Blank,
        1 => {
            let mut commands = Vec::new();
            for _ in 0..from.count()? {
                commands.push(read_command(from)?);
            }
            EntryPayload::Normal(Batch(commands))
        }
        2 => EntryPayload::Membership(read_membership(from)?),
        found => return Err(Unreadable::Form { what: "entry", found }),
    };
    Ok(Entry { log_id, payload })
}
