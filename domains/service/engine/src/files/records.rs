//! The records of a file as the store keeps them, behind what `tsugi-files` asks of records.

use tsugi_files::records::{Entry, Held, Records, Seek};
use tsugi_store::Trouble;
use tsugi_store::file::{self, Was};

/// Why the store has not answered.
#[derive(Debug)]
pub enum Unkept {
    /// The unit of work is gone.
    Trouble(Trouble),
    /// Rows contradict each other: the file is damaged.
    Damaged,
}

impl From<Trouble> for Unkept {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// The records of one file, in a unit of work.
pub struct InStore<'a>(pub file::Records<'a>);

fn column(number: usize) -> Result<i64, Unkept> {
    i64::try_from(number).map_err(|_| Unkept::Damaged)
}

fn place(place: u64) -> Result<i64, Unkept> {
    i64::try_from(place).map_err(|_| Unkept::Damaged)
}

fn seek<K, T>(
    seek: Seek<K>,
    of: impl FnOnce(K) -> Result<T, Unkept>,
) -> Result<file::Seek<T>, Unkept> {
    Ok(match seek {
        Seek::First => file::Seek::First,
        Seek::Last => file::Seek::Last,
        Seek::AtLeast(at) => file::Seek::AtLeast(of(at)?),
        Seek::Above(at) => file::Seek::Above(of(at)?),
        Seek::Below(at) => file::Seek::Below(of(at)?),
        Seek::AtMost(at) => file::Seek::AtMost(of(at)?),
    })
}

fn found(entry: file::Entry) -> Result<Entry, Unkept> {
    let place = u64::try_from(entry.place).map_err(|_| Unkept::Damaged)?;
    Ok(Entry { key: entry.key, place, primary: entry.of })
}

fn kept(entry: &Entry) -> Result<file::Entry, Unkept> {
    let (key, of) = (entry.key.clone(), entry.primary.clone());
    Ok(file::Entry { key, place: place(entry.place)?, of })
}

impl Records for InStore<'_> {
    type Error = Unkept;

    fn record(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Unkept> {
        Ok(self.0.record(key)?)
    }

    fn seek(&mut self, from: Seek<&[u8]>) -> Result<Option<Held>, Unkept> {
        let held = self.0.seek(seek(from, Ok)?)?;
        Ok(held.map(|held| Held { key: held.key, record: held.record }))
    }

    fn put(&mut self, key: &[u8], record: &[u8]) -> Result<(), Unkept> {
        Ok(self.0.put(key, record)?)
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Unkept> {
        match self.0.remove(key)? {
            Was::There => Ok(()),
            Was::Missing => Err(Unkept::Damaged),
        }
    }

    fn seek_entry(
        &mut self,
        number: usize,
        from: Seek<(&[u8], u64)>,
    ) -> Result<Option<Entry>, Unkept> {
        let from = seek(from, |(key, at)| Ok((key, place(at)?)))?;
        self.0.seek_entry(column(number)?, from)?.map(found).transpose()
    }

    fn entry_of(&mut self, number: usize, primary: &[u8]) -> Result<Option<Entry>, Unkept> {
        self.0.entry_of(column(number)?, primary)?.map(found).transpose()
    }

    fn put_entry(&mut self, number: usize, entry: &Entry) -> Result<(), Unkept> {
        match self.0.put_entry(column(number)?, &kept(entry)?)? {
            Was::Missing => Ok(()),
            Was::There => Err(Unkept::Damaged),
        }
    }

    fn remove_entry(&mut self, number: usize, entry: &Entry) -> Result<(), Unkept> {
        Ok(self.0.remove_entry(column(number)?, &kept(entry)?)?)
    }

    fn is_full(&mut self) -> Result<bool, Unkept> {
        Ok(self.0.is_full()?)
    }
}
