//! How much a package holds.

/// The longest manifest, in bytes.
pub const MANIFEST_MOST: u64 = 1 << 20;
/// The most parts.
pub const PARTS_MOST: usize = 1000;
/// The longest path of a part, in bytes: what the header of an archive holds without an extension.
pub const PATH_MOST: usize = 100;
/// The most folders above a part.
pub const FOLDERS_MOST: usize = 4;
/// The largest part that is a program, in bytes; it is read whole.
pub const PROGRAM_MOST: u64 = 64 << 20;
/// The largest part that is a source or an interface, in bytes: it is held and parsed whole. A
/// longer source is not imported either.
pub const TEXT_MOST: u64 = tsugi_record::source::SOURCE_MAX as u64;
/// All parts that are no data, in bytes.
pub const PROGRAMS_MOST: u64 = 256 << 20;
/// The largest part that is data, in bytes.
pub const DATA_MOST: u64 = 4 << 30;
/// The largest package, in bytes.
pub const PACKAGE_MOST: u64 = 8 << 30;
/// The most services of a package, modules of it, and files that it declares.
pub const NAMED_MOST: usize = 200;
