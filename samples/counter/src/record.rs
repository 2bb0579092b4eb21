//! The bytes of one record of the journal: a head with a checksum, then lines of text.
//!
//! A record holds a batch of replies (or, as the first record of a file, everything that is
//! kept). Text, because an operator with a damaged volume can read it with what every machine has.

use crate::checksum::checksum;
use crate::kept::{CallId, Reply};

/// What stands in front of every record.
const MAGIC: [u8; 4] = *b"tgC1";
/// Magic, length of the body, place of the record, checksum.
pub(crate) const HEAD: usize = 4 + 4 + 8 + 4;
/// Records begin at multiples of this, so that a search for a later one is short.
const ALIGN: usize = 8;

/// One line of a record's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The last number given when the file was begun.
    Start { number: u64 },
    /// Calls of this client up to this serial were answered and are no longer kept.
    Dropped { client: String, serial: u64 },
    /// A reply.
    Given(Reply),
}

impl Entry {
    fn write(&self, body: &mut String) {
        use std::fmt::Write as _;
        let written = match self {
            Self::Start { number } => writeln!(body, "start {number}"),
            Self::Dropped { client, serial } => writeln!(body, "dropped {client} {serial}"),
            Self::Given(reply) => writeln!(
                body,
                "given {} {} {} {}",
                reply.number, reply.call.client, reply.call.serial, reply.line
            ),
        };
        written.expect("a string takes every line");
    }

    fn read(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "start" => Some(Self::Start { number: rest.parse().ok()? }),
            "dropped" => {
                let (client, serial) = rest.split_once(' ')?;
                Some(Self::Dropped { client: client.into(), serial: serial.parse().ok()? })
            }
            "given" => {
                let mut words = rest.splitn(4, ' ');
                let number = words.next()?.parse().ok()?;
                let client = words.next()?.to_owned();
                let serial = words.next()?.parse().ok()?;
                let line = words.next()?.to_owned();
                Some(Self::Given(Reply { call: CallId { client, serial }, number, line }))
            }
            _ => None,
        }
    }
}

/// What stands at one place of the file.
#[derive(Debug)]
pub(crate) enum Found {
    /// A whole record and the place behind it.
    Whole { entries: Vec<Entry>, next: usize },
    /// Nothing was written here yet.
    Empty,
    /// Something that is no whole record.
    Torn,
}

/// The bytes of a record that will stand at `place` (its offset: an old record left over at
/// another place is never taken for a new one).
pub(crate) fn encode(entries: &[Entry], place: usize) -> Vec<u8> {
    let mut body = String::new();
    for entry in entries {
        entry.write(&mut body);
    }
    let length = u32::try_from(body.len()).expect("a record is far below 4 GiB").to_le_bytes();
    let place = (place as u64).to_le_bytes();
    let sum = checksum(&[&MAGIC, &length, &place, body.as_bytes()]).to_le_bytes();
    let mut bytes = Vec::with_capacity(HEAD + body.len() + ALIGN);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&place);
    bytes.extend_from_slice(&sum);
    bytes.extend_from_slice(body.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
    bytes
}

/// Reads what stands at `place` of `file`.
pub(crate) fn decode(file: &[u8], place: usize) -> Found {
    let rest = file.get(place..).unwrap_or_default();
    if rest.iter().take(HEAD).all(|byte| *byte == 0) {
        return Found::Empty;
    }
    read_whole(rest, place).unwrap_or(Found::Torn)
}

fn read_whole(rest: &[u8], place: usize) -> Option<Found> {
    let length_bytes: [u8; 4] = rest.get(4..8)?.try_into().ok()?;
    let place_bytes: [u8; 8] = rest.get(8..16)?.try_into().ok()?;
    let sum: [u8; 4] = rest.get(16..HEAD)?.try_into().ok()?;
    let length = u32::from_le_bytes(length_bytes) as usize;
    let body = rest.get(HEAD..HEAD.checked_add(length)?)?;
    let known = rest.starts_with(&MAGIC) && u64::from_le_bytes(place_bytes) == place as u64;
    let expected = checksum(&[&MAGIC, &length_bytes, &place_bytes, body]);
    if !known || u32::from_le_bytes(sum) != expected {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let entries = text.lines().map(Entry::read).collect::<Option<Vec<_>>>()?;
    Some(Found::Whole { entries, next: place + (HEAD + length).next_multiple_of(ALIGN) })
}

/// Whether a whole record stands anywhere behind `place`. Records are written one after another,
/// each durable before the next: if there is a later one, the bad one was damaged, not torn.
pub(crate) fn later_record(file: &[u8], place: usize) -> bool {
    (place + ALIGN..file.len())
        .step_by(ALIGN)
        .any(|at| file[at..].starts_with(&MAGIC) && matches!(decode(file, at), Found::Whole { .. }))
}
