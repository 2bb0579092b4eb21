//! A disk of a rehearsal: what is seen of it, and what of that outlives its own power loss.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, PoisonError};

use super::store::{BLOCK, Store};

/// Bytes that are cheap to tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    digest: u64,
    bytes: Arc<[u8]>,
}

impl Hash for Block {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl std::ops::Deref for Block {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        let mut digest = std::hash::DefaultHasher::new();
        // Most of it is zeros.
        for (at, chunk) in bytes.chunks(64).enumerate() {
            if *chunk != [0; 64][..chunk.len()] {
                (at, chunk).hash(&mut digest);
            }
        }
        Self { digest: digest.finish(), bytes: bytes.into() }
    }
}

/// The blocks that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Platter {
    seen: BTreeMap<u64, Block>,
    durable: BTreeMap<u64, Block>,
}

/// How much of a write reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Nothing.
    Lost,
    /// The first sector.
    Torn,
    /// All of it.
    Whole,
}

/// What is wanted of the disk next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    Size,
    Read(u64, usize),
    Write(u64, Block),
    Settle,
}

/// What the disk has answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Io {
    Size(u64),
    Read(Block),
    Done,
    Failed,
}

impl Platter {
    /// Fills `into` from `at` on.
    fn peek(&self, at: u64, into: &mut [u8]) {
        for (block, part) in (at / BLOCK as u64..).zip(into.chunks_mut(BLOCK)) {
            match self.seen.get(&block) {
                Some(bytes) => part.copy_from_slice(&bytes[..part.len()]),
                None => part.fill(0),
            }
        }
    }

    /// Shows as much of a write as reaches the disk; it is not durable yet.
    pub(crate) fn show(&mut self, at: u64, bytes: &[u8], reach: Reach) {
        let sector = 512.min(bytes.len());
        let bytes = match reach {
            Reach::Lost => &[],
            Reach::Torn => &bytes[..sector],
            Reach::Whole => bytes,
        };
        for (block, part) in (at / BLOCK as u64..).zip(bytes.chunks(BLOCK)) {
            let mut whole = self.seen.get(&block).map_or(vec![0; BLOCK], |old| old.to_vec());
            whole[..part.len()].copy_from_slice(part);
            self.seen.insert(block, whole.into());
        }
    }

    /// Carries out a write as far as that, for good.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8], reach: Reach) {
        self.show(at, bytes, reach);
        for block in (at / BLOCK as u64..).take(bytes.len().div_ceil(BLOCK)) {
            if let Some(seen) = self.seen.get(&block) {
                self.durable.insert(block, seen.clone());
            }
        }
    }

    /// Makes durable what is seen.
    pub(crate) fn settle_all(&mut self) {
        self.durable.clone_from(&self.seen);
    }

    /// Its own power is lost: what was not durable is gone.
    pub(crate) fn lose(&mut self) {
        self.seen.clone_from(&self.durable);
    }

    pub(crate) fn answer(&mut self, want: &Want) -> Io {
        match want {
            Want::Size => Io::Size(1 << 40),
            Want::Read(at, length) => {
                let mut bytes = vec![0; *length];
                self.peek(*at, &mut bytes);
                Io::Read(bytes.into())
            }
            Want::Write(at, bytes) => {
                self.put(*at, bytes, Reach::Whole);
                Io::Done
            }
            Want::Settle => {
                self.settle_all();
                Io::Done
            }
        }
    }
}

/// A store that answers from what was answered before, and stops at what is wanted next: so what
/// reads and writes in one go can be walked through answer by answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replay {
    pub(crate) past: VecDeque<Io>,
    pub(crate) want: Arc<Mutex<Option<Want>>>,
}

impl Replay {
    fn next(&mut self, want: Want) -> Result<Io> {
        let mut waits = self.want.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.is_none()
            && let Some(io) = self.past.pop_front()
        {
            return Ok(io);
        }
        waits.get_or_insert(want);
        Err(Error::new(ErrorKind::WouldBlock, "it waits"))
    }

    fn done(&mut self, want: Want) -> Result<()> {
        match self.next(want)? {
            Io::Done => Ok(()),
            Io::Size(_) | Io::Read(_) | Io::Failed => Err(ErrorKind::InvalidData.into()),
        }
    }
}

impl Store for Replay {
    fn name(&self) -> String {
        "the platter".to_owned()
    }

    fn size(&mut self) -> Result<u64> {
        match self.next(Want::Size)? {
            Io::Size(size) => Ok(size),
            Io::Read(_) | Io::Done | Io::Failed => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        match self.next(Want::Read(at, into.len()))? {
            Io::Read(bytes) => {
                into.copy_from_slice(&bytes);
                Ok(())
            }
            Io::Size(_) | Io::Done | Io::Failed => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.done(Want::Write(at, bytes.to_vec().into()))
    }

    fn settle(&mut self) -> Result<()> {
        self.done(Want::Settle)
    }
}

/// The platter itself as a store, for what runs in one go.
impl Store for Platter {
    fn name(&self) -> String {
        "the platter".to_owned()
    }

    fn size(&mut self) -> Result<u64> {
        Ok(1 << 40)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        self.peek(at, into);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.put(at, bytes, Reach::Whole);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.settle_all();
        Ok(())
    }
}

/// A platter that several use at once, or that is looked at after it was used.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Platter>>);

#[cfg(test)]
impl Shared {
    pub(crate) fn of(platter: Platter) -> Self {
        Self(Arc::new(Mutex::new(platter)))
    }

    /// What `act` makes of the platter that all of them use.
    pub(crate) fn at<T>(&self, act: impl FnOnce(&mut Platter) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
impl Store for Shared {
    fn name(&self) -> String {
        self.at(|platter| platter.name())
    }

    fn size(&mut self) -> Result<u64> {
        self.at(Store::size)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        self.at(|platter| platter.read(at, into))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.at(|platter| platter.write(at, bytes))
    }

    fn settle(&mut self) -> Result<()> {
        self.at(Store::settle)
    }
}
