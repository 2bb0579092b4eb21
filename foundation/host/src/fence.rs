//! What this machine can do to itself when nothing else stops a group.

use nix::sys::reboot::{RebootMode, reboot};
use serde::{Deserialize, Serialize};

use crate::watchdog::Watchdog;

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

/// What a node can do to fence itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capability {
    /// A hardware watchdog, and reboot.
    Watchdog,
    /// Reboot only: a kernel that hangs is not reset.
    Reboot,
    /// Reboot only, and the watchdog that it has cannot be used.
    BrokenWatchdog,
    /// Only its own processes: it cannot fence itself.
    #[default]
    None,
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

/// What this node can do to itself; looked at once at its start, before anything is guarded.
#[must_use]
pub fn capability(fence: &Fence, watchdog: Option<&mut Watchdog>) -> Capability {
    let reboot = *fence == Fence::Machine && may_reboot();
    match (watchdog.map(Watchdog::try_out), reboot) {
        (Some(Ok(())), _) => Capability::Watchdog,
        (Some(Err(_)), true) => Capability::BrokenWatchdog,
        (None, true) => Capability::Reboot,
        (Some(Err(_)) | None, false) => Capability::None,
    }
}

/// The right to reboot, among the rights of a process as the kernel lists them.
const SYS_BOOT: u64 = 1 << 22;

/// Whether this process has the right to reboot: root in a container often has not.
fn may_reboot() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    rights(&status) & SYS_BOOT != 0
}

fn rights(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

/// Reboots the machine at once without writing anything out. In a pid namespace of its own the
/// kernel ends just that.
pub fn reset_machine(reason: &str) {
    drop(std::fs::write("/dev/kmsg", format!("<2>tsugi: reset: {reason}\n")));
    // Returns only where the right is missing.
    reboot(RebootMode::RB_AUTOBOOT).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_without_the_right_to_reboot_cannot_fence_the_machine() {
        let all = "Name:\ttsugi\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n";
        assert_ne!(rights(all) & SYS_BOOT, 0);
        let less = all.replacen("000001ffffffffff", "000001ffffbfffff", 1);
        assert_eq!(rights(&less) & SYS_BOOT, 0);
        assert_eq!(rights("nothing of the kind"), 0, "what is not known is not had");
    }

    #[test]
    fn a_node_that_may_kill_processes_only_cannot_fence_itself() {
        assert_eq!(capability(&Fence::Processes, None), Capability::None);
        let mut missing = Watchdog::at("/no/such/device".into());
        assert_eq!(capability(&Fence::Processes, Some(&mut missing)), Capability::None);
    }
}
