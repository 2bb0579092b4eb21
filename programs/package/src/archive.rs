//! A package as one file: an uncompressed archive (tar) of the manifest and the parts, in the order
//! of the manifest. Equal contents make equal bytes: an entry says path, length and mode, no more.

mod read;
mod write;

use tar::{EntryType, Header};

use crate::manifest::Role;

pub use read::{Examined, Look, examine, identify};
pub use write::{Content, Draft, Written};

/// Bytes of a block of an archive.
const BLOCK: u64 = 512;

/// The header of an entry, all of it.
fn header(path: &str, bytes: u64, role: Option<Role>) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(path).expect("a path of a part is short, and leads nowhere else");
    header.set_size(bytes);
    header.set_mode(mode(role));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    header
}

/// Who may do what with a part: only a command is ever executed.
pub(crate) fn mode(role: Option<Role>) -> u32 {
    match role {
        Some(Role::Command) => 0o755,
        Some(
            Role::Module
            | Role::Source
            | Role::Interface
            | Role::Library
            | Role::Data
            | Role::Tables,
        )
        | None => 0o644,
    }
}

/// The blocks of an entry, its header counted, in bytes.
fn blocks(bytes: u64) -> u64 {
    BLOCK.saturating_add(bytes.div_ceil(BLOCK).saturating_mul(BLOCK))
}
