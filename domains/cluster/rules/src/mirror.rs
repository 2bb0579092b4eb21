//! A volume that DRBD mirrors to another node: when it may be made primary, and when it is whole.
//!
//! Nothing here forces DRBD: it refuses a second primary and a copy that it knows to be old by
//! itself. What it cannot know is whether a copy whose other side it does not hear is the newest.

use serde::{Deserialize, Serialize};

use crate::desk::{ScriptEvent, Told};

mod copies;
mod let_go;
mod tend;

pub use copies::{Copies, Fencing, Known, Promotion, Refused, Says, claim};
pub use let_go::{Begun, LetGo, let_go};
pub use tend::{FROZEN_FOR, IfMounted, Place, Seen, Tend, tend};

/// How the mirror of a volume stands on one node, in DRBD's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// `Connected`, `WFConnection`, `StandAlone`, `SyncSource`, …
    pub connection: String,
    /// `Primary` or `Secondary`, here.
    pub role: String,
    /// The same of the other side; `Unknown` while it is not heard.
    pub peer_role: String,
    /// `UpToDate`, `Inconsistent`, `Outdated`, `Diskless`, …, here.
    pub disk: String,
    /// The same of the other side; `DUnknown` while it is not heard.
    pub peer_disk: String,
    /// How much of it the two sides do not have alike, in bytes.
    pub out_of_sync: u64,
    /// Whether what is written to it here is carried out.
    #[serde(default)]
    pub io: Io,
}

/// Whether what is written to a mirror is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Io {
    /// It is.
    #[default]
    Flows,
    /// It waits for an answer of DRBD's handler, or for a person.
    Frozen,
}

impl Mirror {
    /// Whether both sides have everything, and hear each other.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.connection == "Connected" && self.disk == UP_TO_DATE && self.peer_disk == UP_TO_DATE
    }

    /// Whether it is primary here.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.role == PRIMARY
    }

    /// Whether the copy here has everything, as far as DRBD knows.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.disk == UP_TO_DATE
    }

    /// Whether the other side is heard.
    #[must_use]
    pub fn linked(&self) -> bool {
        self.peer_role != "Unknown"
    }

    /// Whether the other side is heard, and has everything.
    fn is_there(&self) -> bool {
        self.linked() && self.peer_disk == UP_TO_DATE
    }
}

const UP_TO_DATE: &str = "UpToDate";
const PRIMARY: &str = "Primary";

/// What is known of the other side where it is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The cluster takes the group over because the owner is lost: it does not come.
    Lost,
    /// Nothing: it may come a moment later, with newer data than are here.
    Awaited,
    /// The ledger says that this copy was written alone last: whatever comes has nothing newer.
    Older,
    /// The ledger says that the other copy was written alone last: what is here is old.
    Newer,
}

impl Peer {
    /// Of a start that is told so. A node whose group has failed, or whose links are down, is
    /// there: what it wrote alone is no matter of a takeover, and comes over or is waited for.
    #[must_use]
    pub fn of(told: &Told) -> Self {
        if let Some(peer) = told.promotion.known.into() {
            return peer;
        }
        match (told.event, told.reason) {
            (
                ScriptEvent::Failover,
                "node-silent" | "one-way" | "power-lost" | "frozen" | "was-cut-off",
            ) => Self::Lost,
            (ScriptEvent::Failover | ScriptEvent::Start | ScriptEvent::Recover, _) => Self::Awaited,
        }
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is primary.
    Done,
    /// It is made primary.
    Promote,
    /// It is looked at again a moment later; what is told if it stays so.
    Wait(Obstacle),
    /// It is not made primary, and waiting would not help.
    Refuse(Obstacle),
}

/// What keeps a copy from being made primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "String")]
pub enum Obstacle {
    /// The copy is not up to date.
    NotUpToDate,
    /// DRBD connects no more: the two sides were written apart, or somebody parted them.
    StandsAlone,
    /// The other side is not heard, and may have newer data.
    PeerUnknown,
    /// The other side is primary.
    PeerIsPrimary,
    /// DRBD has no such resource up.
    NotUp,
    /// DRBD refused. What a later version names is this too.
    Refused,
    /// It is held open by somebody, and stays primary.
    HeldOpen,
    /// The ledger says that the other side was written alone since.
    Older,
    /// The group rests on DRBD's fencing, and DRBD is not configured so.
    NotFenced,
}

impl From<String> for Obstacle {
    fn from(word: String) -> Self {
        match word.as_str() {
            "not-up-to-date" => Self::NotUpToDate,
            "stands-alone" => Self::StandsAlone,
            "peer-unknown" => Self::PeerUnknown,
            "peer-is-primary" => Self::PeerIsPrimary,
            "not-up" => Self::NotUp,
            "held-open" => Self::HeldOpen,
            "older" => Self::Older,
            "not-fenced" => Self::NotFenced,
            _ => Self::Refused,
        }
    }
}

/// What follows where the volume is to be mounted here. A copy that is primary already, because it
/// never was released or a person made it so, is looked at like any other.
///
/// DRBD remembers that a copy was written alone, and of two that were so both remember it: that
/// makes neither the newest.
#[must_use]
pub fn next(mirror: &Mirror, peer: Peer) -> Next {
    if mirror.connection == "StandAlone" {
        return Next::Refuse(Obstacle::StandsAlone);
    }
    match mirror.disk.as_str() {
        UP_TO_DATE => {}
        // It is becoming something else, or the other side makes it up to date.
        "Attaching" | "Negotiating" => return Next::Wait(Obstacle::NotUpToDate),
        // Whole, but DRBD does not know whether it is the newest. The ledger does.
        "Consistent" if !mirror.linked() && peer == Peer::Older && !mirror.is_primary() => {
            return Next::Promote;
        }
        "Inconsistent" | "Outdated" | "Consistent" => {
            return match (mirror.linked(), peer) {
                (true, _) | (false, Peer::Awaited | Peer::Older) => {
                    Next::Wait(Obstacle::NotUpToDate)
                }
                (false, Peer::Newer) => Next::Wait(Obstacle::Older),
                (false, Peer::Lost) => Next::Refuse(Obstacle::NotUpToDate),
            };
        }
        _ => return Next::Refuse(Obstacle::NotUpToDate),
    }
    if mirror.peer_role == PRIMARY {
        return Next::Wait(Obstacle::PeerIsPrimary);
    }
    match (mirror.is_primary(), mirror.linked(), peer) {
        (true, true, _) => Next::Done,
        (true, false, Peer::Lost | Peer::Awaited | Peer::Older) => Next::Done,
        // Whoever made it primary, or left it so: the older copy is not mounted for that. A person
        // who keeps it tells the ledger.
        (true | false, false, Peer::Newer) => Next::Wait(Obstacle::Older),
        (false, true, _) | (false, false, Peer::Lost | Peer::Older) => Next::Promote,
        (false, false, Peer::Awaited) => Next::Wait(Obstacle::PeerUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Before, Disk};
    use crate::reason::Cause;
    use crate::start_kind::StartKind;
    use tsugi_vocabulary::{NodeName, ResourceName, Span};

    fn mirror(connection: &str, (role, peer_role): (&str, &str), disk: &str) -> Mirror {
        let peer_disk = if peer_role == "Unknown" { "DUnknown" } else { UP_TO_DATE };
        Mirror {
            connection: connection.to_owned(),
            role: role.to_owned(),
            peer_role: peer_role.to_owned(),
            disk: disk.to_owned(),
            peer_disk: peer_disk.to_owned(),
            out_of_sync: 0,
            io: Io::Flows,
        }
    }

    const SECONDARIES: (&str, &str) = ("Secondary", "Secondary");
    const ALONE: (&str, &str) = ("Secondary", "Unknown");

    const PEERS: [Peer; 4] = [Peer::Awaited, Peer::Lost, Peer::Older, Peer::Newer];

    #[test]
    fn a_mirror_whose_sides_hear_each_other_is_made_primary_and_never_beside_another_primary() {
        for peer in PEERS {
            let at = |roles| next(&mirror("Connected", roles, UP_TO_DATE), peer);
            assert_eq!(at(SECONDARIES), Next::Promote);
            for role in ["Primary", "Secondary"] {
                assert_eq!(at((role, "Primary")), Next::Wait(Obstacle::PeerIsPrimary));
            }
            assert_eq!(at(("Primary", "Secondary")), Next::Done);
        }
    }

    #[test]
    fn a_copy_whose_other_side_is_not_heard_waits_unless_that_is_lost_or_a_person_made_it_primary()
    {
        let lonely = mirror("WFConnection", ALONE, UP_TO_DATE);
        assert_eq!(next(&lonely, Peer::Awaited), Next::Wait(Obstacle::PeerUnknown));
        assert_eq!(next(&lonely, Peer::Lost), Next::Promote);
        let chosen = mirror("WFConnection", ("Primary", "Unknown"), UP_TO_DATE);
        assert_eq!(next(&chosen, Peer::Awaited), Next::Done);
    }

    #[test]
    fn a_copy_that_is_not_up_to_date_is_neither_made_primary_nor_mounted_as_one() {
        for disk in ["Inconsistent", "Outdated", "Consistent", "Diskless", "Failed", "Whatever"] {
            for roles in [SECONDARIES, ALONE, ("Primary", "Secondary"), ("Primary", "Unknown")] {
                for peer in PEERS {
                    let connection = if roles == ALONE { "WFConnection" } else { "SyncTarget" };
                    let found = next(&mirror(connection, roles, disk), peer);
                    // DRBD does not know whether it is the newest, and the ledger does.
                    if (disk, roles, peer) == ("Consistent", ALONE, Peer::Older) {
                        assert_eq!(found, Next::Promote);
                        continue;
                    }
                    let known = match found {
                        Next::Wait(obstacle) | Next::Refuse(obstacle) => Some(obstacle),
                        Next::Done | Next::Promote => None,
                    };
                    let told = [Some(Obstacle::NotUpToDate), Some(Obstacle::Older)];
                    assert!(told.contains(&known), "{disk} {roles:?}: {found:?}");
                }
            }
        }
        let lost = |disk| next(&mirror("WFConnection", ALONE, disk), Peer::Lost);
        // Nobody is left who could bring it up to date.
        assert_eq!(lost("Outdated"), Next::Refuse(Obstacle::NotUpToDate));
        assert_eq!(lost("Negotiating"), Next::Wait(Obstacle::NotUpToDate));
    }

    #[test]
    fn only_a_node_that_is_lost_is_not_waited_for() {
        let node = NodeName::new("a").expect("a name");
        let told = |event, cause: &Cause| Told {
            kind: StartKind::Restart,
            event,
            disk: Disk::Success,
            reason: cause.word(),
            before: Before::Unclean,
            promotion: Promotion::default(),
        };
        let silent = Cause::NodeSilent { node: node.clone(), silence: Span::secs(1) };
        for cause in [silent, Cause::PowerLost { node: node.clone() }] {
            assert_eq!(Peer::of(&told(ScriptEvent::Failover, &cause)), Peer::Lost);
            assert_eq!(Peer::of(&told(ScriptEvent::Start, &cause)), Peer::Awaited);
        }
        let resource = ResourceName::new("server").expect("a name");
        let died = Cause::ProcessDied { node, resource, how: "exit 1".into() };
        for cause in [died, Cause::ClusterStart] {
            assert_eq!(Peer::of(&told(ScriptEvent::Failover, &cause)), Peer::Awaited);
        }
    }

    #[test]
    fn two_sides_that_were_written_apart_are_a_persons_to_join() {
        for peer in PEERS {
            for role in ["Secondary", "Primary"] {
                let apart = mirror("StandAlone", (role, "Unknown"), UP_TO_DATE);
                assert_eq!(next(&apart, peer), Next::Refuse(Obstacle::StandsAlone));
            }
        }
    }

    #[test]
    fn the_copy_that_was_written_alone_last_is_made_primary_alone_and_an_older_one_never() {
        for disk in [UP_TO_DATE, "Consistent"] {
            let alone = mirror("WFConnection", ALONE, disk);
            assert_eq!(next(&alone, Peer::Older), Next::Promote, "{disk}");
            assert_eq!(next(&alone, Peer::Newer), Next::Wait(Obstacle::Older), "{disk}");
        }
        // DRBD has brought it up to date, whatever the ledger still says.
        let linked = mirror("Connected", SECONDARIES, UP_TO_DATE);
        assert_eq!(next(&linked, Peer::Newer), Next::Promote);
        // Left so by somebody who lost the group, or forced: no older copy is mounted for that.
        let left = mirror("WFConnection", ("Primary", "Unknown"), UP_TO_DATE);
        assert_eq!(next(&left, Peer::Newer), Next::Wait(Obstacle::Older));
        assert_eq!(next(&left, Peer::Older), Next::Done);
    }

    #[test]
    fn a_mirror_is_whole_when_both_sides_are_connected_and_up_to_date() {
        assert!(mirror("Connected", SECONDARIES, UP_TO_DATE).is_whole());
        assert!(!mirror("WFConnection", ALONE, UP_TO_DATE).is_whole());
        assert!(!mirror("SyncSource", SECONDARIES, UP_TO_DATE).is_whole());
        assert!(!mirror("Connected", SECONDARIES, "Diskless").is_whole());
    }
}
