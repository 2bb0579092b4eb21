//! The entries of one moment: an ordered map whose copies share what did not change.
//!
//! Chunks of at most 64 entries stand in order behind one list. A clone is one pointer; a write
//! after a clone copies one chunk and the list, so a reader may hold a view as long as it wants.

use std::sync::Arc;

use tsugi_vocabulary::Index;

use crate::{Key, Value};

const CHUNK: usize = 64;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place of its last change.
    pub version: Index,
    /// Its bytes.
    pub value: Value,
}

type Chunk = Arc<Vec<(Key, Entry)>>;

/// An ordered map from keys to entries, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    // No chunk is empty; keys rise within a chunk and from chunk to chunk.
    chunks: Arc<Vec<Chunk>>,
    length: usize,
}

enum Place {
    Found(usize, usize),
    Absent(usize, usize),
}

impl Entries {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn place(&self, key: &str) -> Place {
        let after = self
            .chunks
            .partition_point(|chunk| chunk.first().is_some_and(|(first, _)| first.as_str() <= key));
        let chunk = after.saturating_sub(1);
        let Some(entries) = self.chunks.get(chunk) else { return Place::Absent(0, 0) };
        match entries.binary_search_by(|(other, _)| other.as_str().cmp(key)) {
            Ok(at) => Place::Found(chunk, at),
            Err(at) => Place::Absent(chunk, at),
        }
    }

    /// The entry of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match self.place(key) {
            Place::Found(chunk, at) => Some(&self.chunks[chunk][at].1),
            Place::Absent(..) => None,
        }
    }

    /// The version of `key`; `Index(0)` if there is no entry.
    #[must_use]
    pub fn version(&self, key: &str) -> Index {
        self.get(key).map_or(Index(0), |entry| entry.version)
    }

    /// Every entry in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, entry)| (key, entry))
    }

    /// The entries whose key begins with `prefix`, in order.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
        let (chunk, at) = match self.place(prefix) {
            Place::Found(chunk, at) | Place::Absent(chunk, at) => (chunk, at),
        };
        let first = self.chunks.get(chunk).into_iter().flat_map(move |c| c[at..].iter());
        let rest = self.chunks.iter().skip(chunk + 1).flat_map(|c| c.iter());
        first
            .chain(rest)
            .take_while(move |(key, _)| key.as_str().starts_with(prefix))
            .map(|(key, entry)| (key, entry))
    }

    /// Puts an entry, or takes it away.
    pub(crate) fn put(&mut self, key: &Key, entry: Option<Entry>) {
        match (self.place(key.as_str()), entry) {
            (Place::Found(chunk, at), Some(entry)) => self.chunk(chunk)[at].1 = entry,
            (Place::Found(chunk, at), None) => {
                self.chunk(chunk).remove(at);
                self.length -= 1;
                if self.chunks[chunk].is_empty() {
                    Arc::make_mut(&mut self.chunks).remove(chunk);
                }
            }
            (Place::Absent(..), None) => {}
            (Place::Absent(chunk, at), Some(entry)) => {
                self.length += 1;
                if self.chunks.is_empty() {
                    Arc::make_mut(&mut self.chunks).push(Arc::new(Vec::new()));
                }
                self.chunk(chunk).insert(at, (key.clone(), entry));
                self.split(chunk);
            }
        }
    }

    fn chunk(&mut self, chunk: usize) -> &mut Vec<(Key, Entry)> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[chunk])
    }

    fn split(&mut self, chunk: usize) {
        if self.chunks[chunk].len() <= CHUNK {
            return;
        }
        let entries = self.chunk(chunk);
        let upper = entries.split_off(entries.len() / 2);
        Arc::make_mut(&mut self.chunks).insert(chunk + 1, Arc::new(upper));
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(version: u64) -> Entry {
        Entry { version: Index(version), value: Arc::from([1].as_slice()) }
    }

    proptest! {
        #[test]
        fn entries_agree_with_an_ordinary_map(
            steps in proptest::collection::vec((0_u16..400, any::<bool>()), 0..900)
        ) {
            let mut ours = Entries::default();
            let mut map = BTreeMap::new();
            for (place, (number, keep)) in steps.into_iter().enumerate() {
                let key = Key::new(&format!("k{}/{number:03}", number % 3)).unwrap();
                let new = keep.then(|| entry(place as u64 + 1));
                ours.put(&key, new.clone());
                match new {
                    Some(new) => map.insert(key, new),
                    None => map.remove(&key),
                };
            }
            prop_assert!(ours.iter().eq(map.iter()));
            prop_assert_eq!(ours.len(), map.len());
            let under: Vec<_> = map.iter().filter(|(k, _)| k.as_str().starts_with("k1/")).collect();
            prop_assert_eq!(ours.under("k1/").collect::<Vec<_>>(), under);
            for (key, entry) in &map {
                prop_assert_eq!(ours.get(key.as_str()), Some(entry));
            }
        }
    }

    #[test]
    fn a_copy_keeps_its_entries_when_the_original_changes() {
        let mut ours = Entries::default();
        let key = Key::new("a").unwrap();
        ours.put(&key, Some(entry(1)));
        let copy = ours.clone();
        ours.put(&key, Some(entry(2)));
        assert_eq!(copy.version("a"), Index(1));
        assert_eq!(ours.version("a"), Index(2));
    }
}
