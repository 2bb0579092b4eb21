//! What this machine can do to itself when nothing else stops a group.

/// What a reset does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fence {
    /// Reset the machine: reboot at once without sync, and a watchdog behind it if there is
    /// one. In a pid namespace of its own this ends that namespace and nothing else.
    Machine,
    /// Kill the hands, the guardian, the agent and every program, and nothing else: for a
    /// cluster on one machine and for nodes that do not run as root.
    #[default]
    Processes,
}

/// What a node can do to fence itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capability {
    /// A hardware watchdog, and reboot.
    Watchdog,
    /// Reboot only: a kernel that hangs is not reset.
    Reboot,
    /// Only its own processes: it cannot fence itself.
    #[default]
    None,
}
