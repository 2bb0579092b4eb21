//! Records in memory: the reference.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tsugi_files::records::{Entry, Held, Records, Seek};

/// The records of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    entries: BTreeMap<(usize, Vec<u8>, u64), Vec<u8>>,
    pub quota: Option<usize>,
}

impl Memory {
    /// All it holds, to be compared.
    pub fn content(&self) -> (Vec<Held>, Vec<(usize, Entry)>) {
        let held =
            |(key, record): (&Vec<u8>, &Vec<u8>)| Held { key: key.clone(), record: record.clone() };
        let entry = |((number, key, place), primary): (&(usize, Vec<u8>, u64), &Vec<u8>)| {
            (*number, Entry { key: key.clone(), place: *place, primary: primary.clone() })
        };
        (self.records.iter().map(held).collect(), self.entries.iter().map(entry).collect())
    }
}

/// The one element of an order that is meant; `all` ascends.
fn pick<T, K: Ord>(
    mut all: impl DoubleEndedIterator<Item = T>,
    key: impl Fn(&T) -> K,
    seek: Seek<K>,
) -> Option<T> {
    match seek {
        Seek::First => all.next(),
        Seek::Last => all.next_back(),
        Seek::AtLeast(at) => all.find(|one| key(one) >= at),
        Seek::Above(at) => all.find(|one| key(one) > at),
        Seek::Below(at) => all.rfind(|one| key(one) < at),
        Seek::AtMost(at) => all.rfind(|one| key(one) <= at),
    }
}

impl Records for Memory {
    type Error = Infallible;

    fn record(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.records.get(key).cloned())
    }

    fn seek(&mut self, seek: Seek<&[u8]>) -> Result<Option<Held>, Infallible> {
        let found = pick(self.records.iter(), |(key, _)| key.as_slice(), seek);
        Ok(found.map(|(key, record)| Held { key: key.clone(), record: record.clone() }))
    }

    fn put(&mut self, key: &[u8], record: &[u8]) -> Result<(), Infallible> {
        self.records.insert(key.to_vec(), record.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Infallible> {
        self.records.remove(key);
        Ok(())
    }

    fn seek_entry(
        &mut self,
        number: usize,
        seek: Seek<(&[u8], u64)>,
    ) -> Result<Option<Entry>, Infallible> {
        let of = self.entries.iter().filter(|((of, _, _), _)| *of == number);
        let found = pick(of, |((_, key, place), _)| (key.as_slice(), *place), seek);
        Ok(found.map(|((_, key, place), primary)| Entry {
            key: key.clone(),
            place: *place,
            primary: primary.clone(),
        }))
    }

    fn entry_of(&mut self, number: usize, primary: &[u8]) -> Result<Option<Entry>, Infallible> {
        let found = self.entries.iter().find(|((of, _, _), at)| *of == number && *at == primary);
        Ok(found.map(|((_, key, place), primary)| Entry {
            key: key.clone(),
            place: *place,
            primary: primary.clone(),
        }))
    }

    fn put_entry(&mut self, number: usize, entry: &Entry) -> Result<(), Infallible> {
        let row = (number, entry.key.clone(), entry.place);
        let there = self.entries.insert(row, entry.primary.clone());
        assert_eq!(there, None, "a row is written twice: {entry:?}");
        Ok(())
    }

    fn remove_entry(&mut self, number: usize, entry: &Entry) -> Result<(), Infallible> {
        let gone = self.entries.remove(&(number, entry.key.clone(), entry.place));
        assert_eq!(gone.as_ref(), Some(&entry.primary), "another row is taken away: {entry:?}");
        Ok(())
    }

    fn is_full(&mut self) -> Result<bool, Infallible> {
        Ok(self.quota.is_some_and(|quota| self.records.len() >= quota))
    }
}
