//! How a node lets go of a mirror that is frozen, or only has a role to give up.
//!
//! What is frozen holds up whoever unmounts it, and to let it go on would answer what the other
//! side does not have. So it loses the link and its disk, and what waits fails; once nothing uses
//! it any more, DRBD takes it up again as the older copy, which it is by its own marks.

use super::{Io, Mirror};

/// Whether a node has begun to take the link and the disk from a mirror. It is written down before
/// the first step and forgotten after the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has not: how the mirror stands is DRBD's or a person's matter.
    No,
    /// It has, in this run or in one that did not end.
    Yes,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// Nothing.
    Done,
    /// It is looked at again a moment later.
    Wait,
    /// It loses the link: without a disk it would write over it, to what is another's by now.
    Disconnect,
    /// It loses its disk.
    Detach,
    /// What waits fails, as there is neither link nor disk.
    Fail,
    /// It is made secondary, once nothing here uses it.
    Demote,
    /// It gets its disk and the link again.
    TakeUp,
}

/// What follows for a mirror as it stands here; none if DRBD has it not up. It is asked anew after
/// every step, so that whoever comes after one that was killed goes on from there.
#[must_use]
pub fn let_go(mirror: Option<&Mirror>, begun: Begun) -> LetGo {
    match (mirror, begun) {
        (None, Begun::No) => LetGo::Done,
        (None, Begun::Yes) => LetGo::TakeUp,
        (Some(mirror), begun) => match (mirror.is_primary(), begun, mirror.io) {
            (false, Begun::No, Io::Flows | Io::Frozen) => LetGo::Done,
            (false, Begun::Yes, Io::Flows | Io::Frozen) => LetGo::TakeUp,
            (true, Begun::No, Io::Flows) => LetGo::Demote,
            (true, Begun::No | Begun::Yes, Io::Frozen) | (true, Begun::Yes, Io::Flows) => {
                sever(mirror)
            }
        },
    }
}

/// Never what waits before there is no disk: to let it go on with one would answer it.
fn sever(mirror: &Mirror) -> LetGo {
    match (mirror.connection.as_str(), mirror.disk.as_str(), mirror.io) {
        ("Disconnecting" | "TearDown", ..) => LetGo::Wait,
        ("StandAlone", "Failed" | "Detaching", _) => LetGo::Wait,
        ("StandAlone", "Diskless", Io::Frozen) => LetGo::Fail,
        ("StandAlone", "Diskless", Io::Flows) => LetGo::Demote,
        ("StandAlone", ..) => LetGo::Detach,
        _ => LetGo::Disconnect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(connection: &str, role: &str, disk: &str, io: Io) -> Mirror {
        Mirror {
            connection: connection.to_owned(),
            role: role.to_owned(),
            peer_role: "Unknown".to_owned(),
            disk: disk.to_owned(),
            peer_disk: "DUnknown".to_owned(),
            out_of_sync: 0,
            io,
        }
    }

    #[test]
    fn what_is_frozen_loses_link_and_disk_before_what_waits_fails() {
        let mut stands = mirror("WFConnection", "Primary", "UpToDate", Io::Frozen);
        let mut begun = Begun::No;
        let mut done = Vec::new();
        // Each step is the first one of somebody who knows only how it stands.
        for _ in 0..9 {
            let step = let_go(Some(&stands), begun);
            done.push(step);
            match step {
                LetGo::Disconnect => {
                    begun = Begun::Yes;
                    stands.connection = "Disconnecting".to_owned();
                }
                LetGo::Wait if stands.connection == "Disconnecting" => {
                    stands.connection = "StandAlone".to_owned();
                }
                LetGo::Detach => stands.disk = "Failed".to_owned(),
                LetGo::Wait => stands.disk = "Diskless".to_owned(),
                LetGo::Fail => stands.io = Io::Flows,
                LetGo::Demote => stands.role = "Secondary".to_owned(),
                LetGo::TakeUp => {
                    begun = Begun::No;
                    stands = mirror("WFConnection", "Secondary", "UpToDate", Io::Flows);
                }
                LetGo::Done => break,
            }
        }
        let (wait, up) = (LetGo::Wait, LetGo::TakeUp);
        let before = [LetGo::Disconnect, wait, LetGo::Detach, wait, LetGo::Fail];
        assert_eq!(done, [&before[..], &[LetGo::Demote, up, LetGo::Done]].concat());
    }

    #[test]
    fn nothing_that_waits_is_let_go_on_while_it_has_a_disk_or_a_link() {
        for connection in ["Connected", "WFConnection", "StandAlone", "SyncSource", "Timeout"] {
            for disk in ["UpToDate", "Consistent", "Inconsistent", "Outdated", "Failed", "Diskless"]
            {
                for begun in [Begun::No, Begun::Yes] {
                    let frozen = mirror(connection, "Primary", disk, Io::Frozen);
                    let severed = (connection, disk) == ("StandAlone", "Diskless");
                    let fails = let_go(Some(&frozen), begun) == LetGo::Fail;
                    assert_eq!(fails, severed, "{connection} {disk}");
                }
            }
        }
    }

    #[test]
    fn what_nobody_has_begun_to_sever_is_left_to_drbd_and_to_people() {
        for disk in ["UpToDate", "Diskless"] {
            for connection in ["Connected", "StandAlone"] {
                let secondary = mirror(connection, "Secondary", disk, Io::Flows);
                assert_eq!(let_go(Some(&secondary), Begun::No), LetGo::Done);
                assert_eq!(let_go(Some(&secondary), Begun::Yes), LetGo::TakeUp);
                let primary = mirror(connection, "Primary", disk, Io::Flows);
                assert_eq!(let_go(Some(&primary), Begun::No), LetGo::Demote);
            }
        }
        assert_eq!(let_go(None, Begun::No), LetGo::Done);
        assert_eq!(let_go(None, Begun::Yes), LetGo::TakeUp, "ended between down and up");
    }
}
