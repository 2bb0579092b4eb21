//! What this machine can do to itself when nothing else stops a group.

pub mod able;

use std::path::Path;

use nix::sys::reboot::{RebootMode, reboot};

use crate::watchdog;

/// Where the kernel is asked for what touches no device.
const AT_ONCE: &str = "/proc/sysrq-trigger";

/// What a reset does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fence {
    /// Reset the machine: reboot at once without sync, with a watchdog behind it that bites if
    /// there is one. In a pid namespace of its own this ends that namespace and nothing else.
    Machine,
    /// Kill the hands, the guardian, the agent and every program, and nothing else: for a
    /// cluster on one machine and for nodes that do not run as root.
    #[default]
    Processes,
}

impl Fence {
    /// As one word, for the environment of the guardian.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Processes => "processes",
        }
    }

    /// Reads [`Fence::word`]; anything else is the harmless one.
    #[must_use]
    pub fn of(word: &str) -> Self {
        if word == "machine" { Self::Machine } else { Self::Processes }
    }
}

/// What a reset still writes on disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Nothing: no processor of the machine goes on.
    Abrupt,
    /// What the node has mounted, as the kernel outlives it: in a container, or where only its
    /// processes end.
    WritesOut,
}

impl Reset {
    /// What it is with this fence, as far as this process may do it.
    #[must_use]
    pub fn of(fence: &Fence) -> Self {
        let own = *fence == Fence::Machine && watchdog::own_machine();
        if own && able::may_reboot() && Path::new(AT_ONCE).exists() {
            Self::Abrupt
        } else {
            Self::WritesOut
        }
    }
}

/// Reboots the machine at once without writing anything out. In a pid namespace of its own the
/// kernel ends just that.
///
/// The call for it shuts every device down before, and a disk that hangs holds that up for minutes.
/// So a machine that is the node's own is first asked to reboot as by its keyboard, which touches
/// no device.
pub fn reset_machine(reason: &str) {
    drop(std::fs::write("/dev/kmsg", format!("<2>tsugi: reset: {reason}\n")));
    if Reset::of(&Fence::Machine) == Reset::Abrupt {
        drop(std::fs::write(AT_ONCE, "b"));
    }
    // Returns only where the right is missing.
    reboot(RebootMode::RB_AUTOBOOT).ok();
}
