//! Whether this machine can reset itself: asked by the hands at their start.

use serde::{Deserialize, Serialize};

use super::Fence;
use crate::watchdog::Watchdog;

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
pub(super) fn may_reboot() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    rights(&status) & SYS_BOOT != 0
}

fn rights(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
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
