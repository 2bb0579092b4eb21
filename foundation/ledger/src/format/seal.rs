//! A record of its own: format, body, checksum.

use super::{FORMAT, Reader, Unreadable, Writer, crc32c};

/// Wraps `body` as a record of its own: format, body, checksum over `context` and both.
pub(crate) fn seal(context: &[u8], body: &[u8]) -> Vec<u8> {
    let mut to = Writer::new();
    to.u8(FORMAT).raw(body);
    let sum = crc32c(&[context, to.so_far()].concat());
    to.u32(sum);
    to.done()
}

/// The body of a record that [`seal`] made in the same context.
pub(crate) fn unseal<'a>(context: &[u8], record: &'a [u8]) -> Result<&'a [u8], Unreadable> {
    let (sealed, sum) = record.split_last_chunk::<4>().ok_or(Unreadable::Short)?;
    if crc32c(&[context, sealed].concat()) != u32::from_le_bytes(*sum) {
        return Err(Unreadable::Sum);
    }
    let mut from = Reader::new(sealed);
    from.format()?;
    from.raw(from.left())
}
