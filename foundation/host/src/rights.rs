//! Which of root's capabilities hands and guardian keep; the agent has none at all.

use std::io;

use crate::sys;

/// The kernel's numbers of the capabilities that anybody here keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Privilege {
    /// Write below directories that belong to others.
    DacOverride = 1,
    /// Look below directories that belong to others.
    DacReadSearch = 2,
    /// Kill processes of other users.
    Kill = 5,
    /// Add and remove addresses.
    NetAdmin = 12,
    /// Probe for and announce addresses.
    NetRaw = 13,
    /// Get more locked memory after the lock.
    IpcLock = 14,
    /// See who uses a volume.
    SysPtrace = 19,
    /// Mount, unmount, shut a file system down.
    SysAdmin = 21,
    /// Reset the machine.
    SysBoot = 22,
}

/// What the hands keep in every thread but the one that starts programs: those may have all
/// that root has, and a program that gained rights by its `exec` would outlive the hands.
pub const OF_HANDS: &[Privilege] = &[
    Privilege::DacOverride,
    Privilege::DacReadSearch,
    Privilege::Kill,
    Privilege::NetAdmin,
    Privilege::NetRaw,
    Privilege::SysPtrace,
    Privilege::SysAdmin,
    Privilege::SysBoot,
];

/// What the guardian keeps.
pub const OF_GUARDIAN: &[Privilege] = &[
    Privilege::DacOverride,
    Privilege::DacReadSearch,
    Privilege::Kill,
    Privilege::NetAdmin,
    Privilege::IpcLock,
    Privilege::SysPtrace,
    Privilege::SysAdmin,
    Privilege::SysBoot,
];

/// The calling thread, and every thread it starts, has no others from now on.
///
/// # Errors
/// The kernel refuses.
pub fn keep_only(kept: &[Privilege]) -> io::Result<()> {
    sys::limit_capabilities(mask(kept))
}

/// The kernel's bits of `rights`.
#[must_use]
pub fn mask(rights: &[Privilege]) -> u64 {
    rights.iter().fold(0, |mask, right| mask | 1 << *right as u32)
}
