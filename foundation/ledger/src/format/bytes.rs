//! Numbers, texts and bytes, one after the other.

use tsugi_vocabulary::{Index, NodeName};

use crate::{Key, VoterId};

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes end too early.
    #[error("it ends too early")]
    Short,
    /// There are bytes after the end.
    #[error("{0} bytes follow its end")]
    Long(usize),
    /// A byte that chooses between forms has no meaning.
    #[error("{what} {found} has no meaning")]
    Form {
        /// What the byte chooses.
        what: &'static str,
        /// The byte.
        found: u8,
    },
    /// A text is not of its kind.
    #[error("{what} is not well formed")]
    Text {
        /// What it should be.
        what: &'static str,
    },
    /// The checksum differs.
    #[error("its checksum differs")]
    Sum,
    /// A later version wrote it.
    #[error("it has format {found}, this version reads up to {known}")]
    TooNew {
        /// Its format.
        found: u8,
        /// The newest format that is known.
        known: u8,
    },
}

#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn so_far(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u128(&mut self, value: u128) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.u32(u32::try_from(count).expect("what is written is bounded far below 4 GiB"))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn index(&mut self, index: Index) -> &mut Self {
        self.u64(index.0)
    }

    pub(crate) fn voter(&mut self, id: VoterId) -> &mut Self {
        self.u64(id.0)
    }

    pub(crate) fn key(&mut self, key: &Key) -> &mut Self {
        self.text(key.as_str())
    }
}

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Unreadable> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Unreadable> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Unreadable> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Unreadable> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Unreadable> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// A count of things of which each takes at least one byte.
    pub(crate) fn count(&mut self) -> Result<usize, Unreadable> {
        let count = self.u32()? as usize;
        if count > self.0.len() { Err(Unreadable::Short) } else { Ok(count) }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = self.count()?;
        self.raw(length)
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Unreadable::Text { what })
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, Unreadable> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(Unreadable::Form { what, found }),
        }
    }

    pub(crate) fn index(&mut self) -> Result<Index, Unreadable> {
        Ok(Index(self.u64()?))
    }

    pub(crate) fn voter(&mut self) -> Result<VoterId, Unreadable> {
        Ok(VoterId(self.u64()?))
    }

    pub(crate) fn key(&mut self) -> Result<Key, Unreadable> {
        Key::new(self.text("key")?).map_err(|_| Unreadable::Text { what: "key" })
    }

    pub(crate) fn node(&mut self) -> Result<NodeName, Unreadable> {
        NodeName::new(self.text("node")?).map_err(|_| Unreadable::Text { what: "node" })
    }

    pub(crate) fn format(&mut self) -> Result<u8, Unreadable> {
        match self.u8()? {
            found if found > super::FORMAT => {
                Err(Unreadable::TooNew { found, known: super::FORMAT })
            }
            0 => Err(Unreadable::Form { what: "format", found: 0 }),
            known => Ok(known),
        }
    }

    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn end(self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(Unreadable::Long(self.0.len())) }
    }
}
