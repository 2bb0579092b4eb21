//! The applied state: in memory, shown to readers, and kept on disk as a snapshot from which the
//! committed log is applied again at a start.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, StorageIOError};
use tsugi_vocabulary::{Index, NodeName};

use super::file::{File, damaged};
use super::log::as_io;
use super::records::{
    read_log_id_option, read_meta, read_stored, write_log_id_option, write_meta, write_stored,
};
use super::store::{Store, Write};
use super::types::{
    Batch, Entry, LogId, Member, Membership, Outcomes, SnapshotMeta, StorageError,
    StoredMembership, Types,
};
use crate::format::{Reader, Unreadable, Writer, read_view, seal, unseal, write_view};
use crate::published::Published;
use crate::{Applied, Key, StorageFailure, View, VoterId};

/// How many bytes of a snapshot are written between two other writes.
const PART: usize = 128 << 10;

/// The state at one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl State {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        write_log_id_option(&mut to, self.applied.as_ref());
        write_stored(&mut to, &self.membership);
        write_view(&mut to, &self.view);
        seal(b"state", &to.done())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader::new(unseal(b"state", bytes)?);
        let applied = read_log_id_option(&mut from)?;
        let membership = read_stored(&mut from)?;
        let state = Self { view: read_view(&mut from)?, applied, membership };
        from.end()?;
        Ok(state)
    }

    /// Applies what follows the state in a log.
    pub(crate) fn catch_up<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let from = self.applied.map_or(0, |id| id.index + 1);
        for entry in entries.filter(|entry| entry.log_id.index >= from) {
            let _answers = self.apply(entry, &mut Vec::new());
        }
    }

    fn apply(&mut self, entry: &Entry, changes: &mut Vec<Applied>) -> Outcomes {
        let index = Index(entry.log_id.index);
        self.applied = Some(entry.log_id);
        self.view.applied = index;
        let mut keys: Vec<Key> = Vec::new();
        let mut outcomes = Outcomes::default();
        match &entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(Batch(commands)) => {
                for command in commands {
                    let (outcome, written) = self.view.apply(index, command);
                    outcomes.0.push(outcome);
                    keys.extend(written);
                }
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                if let Some(list) = settled(membership) {
                    self.view.voters.become_list(index, list);
                }
            }
        }
        keys.sort();
        keys.dedup();
        changes.push(Applied { index, keys });
        outcomes
    }
}

/// The voters, unless the membership is on its way from one list to the next.
fn settled(membership: &Membership) -> Option<BTreeMap<VoterId, NodeName>> {
    let [config] = membership.get_joint_config().as_slice() else { return None };
    let node = |id: &u64| {
        let name = membership.get_node(id).map_or("", |member| member.node.as_str());
        // A voter without a usable name still counts: majorities rest on the list.
        NodeName::new(name).or_else(|_| NodeName::new(&format!("voter-{id}")))
    };
    let list = config.iter().map(|id| (VoterId(*id), node(id).expect("digits make a name")));
    Some(list.collect())
}

/// The membership whose only list is `list`.
pub(crate) fn membership(list: &BTreeMap<VoterId, NodeName>) -> Membership {
    let member = |node: &NodeName| Member { node: node.to_string() };
    let nodes: BTreeMap<u64, Member> = list.iter().map(|(id, node)| (id.0, member(node))).collect();
    Membership::new(vec![nodes.keys().copied().collect()], nodes)
}

/// Where a snapshot stands in the file, and what it is of.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    slot: u8,
    parts: u64,
    length: u64,
    meta: SnapshotMeta,
}

impl Placed {
    fn record(&self) -> Vec<u8> {
        let mut to = Writer::new();
        to.u8(self.slot).u64(self.parts).u64(self.length);
        write_meta(&mut to, &self.meta);
        seal(b"snapshot", &to.done())
    }

    fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader::new(body);
        let (slot, parts, length) = (from.u8()?, from.u64()?, from.u64()?);
        let meta = read_meta(&mut from)?;
        from.end().map(|()| Self { slot, parts, length, meta })
    }

    fn load(&self, file: &File) -> Result<Vec<u8>, StorageFailure> {
        let parts: Vec<Vec<u8>> = file.sql(|connection| {
            let query = "SELECT bytes FROM part WHERE slot = ?1 AND part < ?2 ORDER BY part";
            let mut query = connection.prepare_cached(query)?;
            query.query_map((self.slot, self.parts), |row| row.get(0))?.collect()
        })?;
        let bytes = parts.concat();
        if bytes.len() as u64 == self.length {
            Ok(bytes)
        } else {
            Err(damaged(file.path(), "the snapshot", &Unreadable::Short))
        }
    }
}

/// The snapshot a file holds, and the state it is of.
pub(crate) fn load(file: &File) -> Result<(Option<Placed>, State), StorageFailure> {
    let Some(placed) = file.note("snapshot", Placed::read)? else {
        return Ok((None, State { view: View::founded(1), ..State::default() }));
    };
    let state = State::from_bytes(&placed.load(file)?);
    let state = state.map_err(|why| damaged(file.path(), "the snapshot", &why))?;
    Ok((Some(placed), state))
}

/// The writes that put `state` as the first snapshot into a new file.
pub(crate) fn first_snapshot(state: &State) -> Vec<Write> {
    let bytes = state.to_bytes();
    let placed = Placed {
        slot: 0,
        parts: bytes.chunks(PART).count() as u64,
        length: bytes.len() as u64,
        meta: meta_of(state),
    };
    let mut writes: Vec<Write> = (0..).zip(bytes.chunks(PART)).map(|p| part(0, p)).collect();
    writes.push(Write::Snapshot { slot: 0, note: placed.record() });
    writes
}

fn part(slot: u8, (part, bytes): (u64, &[u8])) -> Write {
    Write::Part { slot, part, bytes: bytes.to_vec() }
}

fn meta_of(state: &State) -> SnapshotMeta {
    let id = state.applied.map_or_else(|| "empty".to_owned(), |id| id.to_string());
    SnapshotMeta {
        last_log_id: state.applied,
        last_membership: state.membership.clone(),
        snapshot_id: id,
    }
}

/// The state machine of one voter.
pub(crate) struct Machine {
    state: State,
    published: Arc<Published>,
    shelf: Shelf,
}

/// Where snapshots are kept.
#[derive(Clone)]
struct Shelf {
    store: Store,
    placed: Arc<tokio::sync::Mutex<Option<Placed>>>,
}

impl Shelf {
    async fn put(&self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), StorageFailure> {
        let mut placed = self.placed.lock().await;
        let slot = placed.as_ref().map_or(0, |placed| 1 - placed.slot.min(1));
        self.store.durable(Write::Clear { slot }).await?;
        for numbered in (0..).zip(bytes.chunks(PART)) {
            self.store.durable(part(slot, numbered)).await?;
        }
        let (parts, length) = (bytes.chunks(PART).count() as u64, bytes.len() as u64);
        let new = Placed { slot, parts, length, meta: meta.clone() };
        self.store.durable(Write::Snapshot { slot, note: new.record() }).await?;
        *placed = Some(new);
        Ok(())
    }

    async fn get(&self) -> Result<Option<(SnapshotMeta, Vec<u8>)>, StorageFailure> {
        let placed = self.placed.lock().await;
        let Some(current) = placed.clone() else { return Ok(None) };
        let meta = current.meta.clone();
        let bytes = self.store.read(move |file| current.load(file)).await?;
        Ok(Some((meta, bytes)))
    }
}

impl Machine {
    pub(crate) fn new(placed: Option<Placed>, state: State, store: Store) -> Self {
        let published = Arc::new(Published::new(state.view.clone()));
        let placed = Arc::new(tokio::sync::Mutex::new(placed));
        Self { state, published, shelf: Shelf { store, placed } }
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.state.applied, self.state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcomes>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut changes = Vec::new();
        let outcomes =
            entries.into_iter().map(|entry| self.state.apply(&entry, &mut changes)).collect();
        self.published.advance(self.state.view.clone(), changes);
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { state: self.state.clone(), shelf: self.shelf.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let wrong =
            |error: &std::io::Error| StorageIOError::read_snapshot(Some(meta.signature()), error);
        let state = State::from_bytes(&bytes)
            .map_err(|why| wrong(&std::io::Error::new(std::io::ErrorKind::InvalidData, why)))?;
        let kept = self.shelf.put(meta, &bytes).await;
        kept.map_err(|failure| wrong(&as_io(&failure)))?;
        self.state = state;
        self.state.applied = meta.last_log_id;
        self.state.membership = meta.last_membership.clone();
        self.published.replace(self.state.view.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let kept = self.shelf.get().await;
        let kept = kept.map_err(|failure| StorageIOError::read_snapshot(None, &as_io(&failure)))?;
        Ok(kept.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

/// Makes a snapshot of the state as it was when the builder was made.
pub(crate) struct Builder {
    state: State,
    shelf: Shelf,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let (meta, bytes) = (meta_of(&self.state), self.state.to_bytes());
        let kept = self.shelf.put(&meta, &bytes).await;
        kept.map_err(|failure| {
            StorageIOError::write_snapshot(Some(meta.signature()), &as_io(&failure))
        })?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}
