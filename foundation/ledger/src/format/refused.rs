//! The bytes of why a change of the voters was refused.

use tsugi_vocabulary::Generation;

use super::{Reader, Unreadable, Writer};
use crate::VotersRefused;

pub(crate) fn write_voters_refused(to: &mut Writer, refused: &VotersRefused) {
    match refused {
        VotersRefused::Used { id, next } => to.u8(1).voter(*id).voter(*next),
        VotersRefused::NodeHasVoter { node, id } => to.u8(2).text(node).voter(*id),
        VotersRefused::Unknown { id } => to.u8(3).voter(*id),
        VotersRefused::Last { id } => to.u8(4).voter(*id),
        VotersRefused::Busy => to.u8(5),
        VotersRefused::Behind { id } => to.u8(6).voter(*id),
        VotersRefused::Changed { now } => to.u8(7).u64(now.0),
    };
}

pub(crate) fn read_voters_refused(from: &mut Reader<'_>) -> Result<VotersRefused, Unreadable> {
    Ok(match from.u8()? {
        1 => VotersRefused::Used { id: from.voter()?, next: from.voter()? },
        2 => VotersRefused::NodeHasVoter { node: from.text("node")?.to_owned(), id: from.voter()? },
        3 => VotersRefused::Unknown { id: from.voter()? },
        4 => VotersRefused::Last { id: from.voter()? },
        5 => VotersRefused::Busy,
        6 => VotersRefused::Behind { id: from.voter()? },
        7 => VotersRefused::Changed { now: Generation(from.u64()?) },
        found => return Err(Unreadable::Form { what: "refusal", found }),
    })
}
