//! The bytes of a whole view, in snapshots and backups.

use std::sync::Arc;

use tsugi_vocabulary::Generation;

use super::{Reader, Unreadable, Writer};
use crate::{Entry, View, Voters};

pub(crate) fn write_view(to: &mut Writer, view: &View) {
    to.u64(view.incarnation).index(view.applied).u16(view.feature_level);
    let voters = &view.voters;
    to.u64(voters.generation.0).index(voters.since).voter(voters.highest);
    to.count(voters.list.len());
    for (id, node) in &voters.list {
        to.voter(*id).text(node.as_str());
    }
    to.count(view.entries.len());
    for (key, entry) in view.entries.iter() {
        to.key(key).index(entry.version).bytes(&entry.value);
    }
}

pub(crate) fn read_view(from: &mut Reader<'_>) -> Result<View, Unreadable> {
    let (incarnation, applied) = (from.u64()?, from.index()?);
    let mut view = View { incarnation, applied, feature_level: from.u16()?, ..View::default() };
    view.voters = Voters {
        generation: Generation(from.u64()?),
        since: from.index()?,
        highest: from.voter()?,
        ..Voters::default()
    };
    for _ in 0..from.count()? {
        let id = from.voter()?;
        view.voters.list.insert(id, from.node()?);
    }
    for _ in 0..from.count()? {
        let key = from.key()?;
        let entry = Entry { version: from.index()?, value: Arc::from(from.bytes()?) };
        view.entries.put(&key, Some(entry));
    }
    Ok(view)
}
