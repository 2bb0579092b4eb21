//! What a node sees to at the mirrors of groups, beside their start and stop.

use tsugi_vocabulary::NodeName;

use super::{Copies, Mirror, PRIMARY, Says, UP_TO_DATE};
use crate::reason::Nature;
use crate::record::{GroupRecord, Ownership};

/// Whose a group is, as the mirror of one of its volumes on one node is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This node's, which took it over from one that was lost.
    Taken,
    /// This node's otherwise.
    Mine,
    /// Another node's.
    Others,
    /// Nobody's: a person may be at work on it.
    Nobodys,
}

impl Place {
    /// Of a group on the node `me`.
    #[must_use]
    pub fn of(entry: &GroupRecord, me: &NodeName) -> Self {
        match &entry.ownership {
            Ownership::Nobody => Self::Nobodys,
            Ownership::Owned { node, .. } if node != me => Self::Others,
            Ownership::Owned { cause, .. } if cause.nature() == Nature::Loss => Self::Taken,
            Ownership::Owned { .. } => Self::Mine,
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tend {
    /// The ledger is told.
    Say(Says),
    /// It is made secondary: what a guardian has released has nobody else to do so.
    Demote,
    /// DRBD is to connect again: it gave up because both sides were primary when the lost one
    /// came back.
    Connect,
}

/// What is to be done about one mirror here.
#[must_use]
pub fn tend(mirror: &Mirror, place: Place, (copies, me): (&Copies, &NodeName)) -> Option<Tend> {
    if mirror.role != PRIMARY {
        return None;
    }
    match place {
        Place::Nobodys => None,
        Place::Others => Some(Tend::Demote),
        Place::Taken | Place::Mine => {
            let here = mirror.disk == UP_TO_DATE;
            let alike = here && mirror.linked() && mirror.peer_disk == UP_TO_DATE;
            match &copies.newest {
                Some(_) if alike => Some(Tend::Say(Says::Alike { mark: copies.mark })),
                None if here && !alike => Some(Tend::Say(Says::Alone)),
                Some(node) if mirror.connection == "StandAlone" && place == Place::Taken => {
                    (node == me).then_some(Tend::Connect)
                }
                Some(_) | None => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(connection: &str, (role, peer_role): (&str, &str), peer_disk: &str) -> Mirror {
        Mirror {
            connection: connection.to_owned(),
            role: role.to_owned(),
            peer_role: peer_role.to_owned(),
            disk: UP_TO_DATE.to_owned(),
            peer_disk: peer_disk.to_owned(),
            out_of_sync: 0,
        }
    }

    fn me() -> NodeName {
        NodeName::new("a").expect("a name")
    }

    fn newest(name: &str) -> Copies {
        let newest = Some(NodeName::new(name).expect("a name"));
        Copies { newest, mark: 3, fenced: None }
    }

    const WHOLE: (&str, &str) = ("Primary", "Secondary");
    const ALONE: (&str, &str) = ("Primary", "Unknown");

    #[test]
    fn who_writes_alone_says_so_once_and_takes_it_back_when_the_other_has_all_of_it() {
        let alone = mirror("WFConnection", ALONE, "DUnknown");
        let whole = mirror("Connected", WHOLE, UP_TO_DATE);
        let of = |mirror: &Mirror, copies: &Copies| tend(mirror, Place::Mine, (copies, &me()));
        assert_eq!(of(&alone, &Copies::default()), Some(Tend::Say(Says::Alone)));
        assert_eq!(of(&alone, &newest("a")), None);
        assert_eq!(of(&whole, &newest("a")), Some(Tend::Say(Says::Alike { mark: 3 })));
        assert_eq!(of(&whole, &Copies::default()), None);
        // Heard, and without a disk, or still being brought up to date.
        for disk in ["Diskless", "Inconsistent"] {
            let behind = mirror("Connected", WHOLE, disk);
            assert_eq!(of(&behind, &Copies::default()), Some(Tend::Say(Says::Alone)));
            assert_eq!(of(&behind, &newest("a")), None);
        }
    }

    #[test]
    fn a_role_that_a_guardian_left_behind_is_given_up_once_the_group_is_anothers() {
        let primary = mirror("Connected", WHOLE, UP_TO_DATE);
        let at = |place| tend(&primary, place, (&Copies::default(), &me()));
        assert_eq!(at(Place::Others), Some(Tend::Demote));
        // A person who makes a file system has made it primary as well.
        assert_eq!(at(Place::Nobodys), None);
        assert_eq!(at(Place::Mine), None);
        let secondary = mirror("Connected", ("Secondary", "Primary"), UP_TO_DATE);
        assert_eq!(tend(&secondary, Place::Others, (&Copies::default(), &me())), None);
    }

    #[test]
    fn only_who_took_over_from_a_lost_node_has_drbd_connect_again() {
        let apart = mirror("StandAlone", ALONE, "DUnknown");
        let at = |place, copies: &Copies| tend(&apart, place, (copies, &me()));
        assert_eq!(at(Place::Taken, &newest("a")), Some(Tend::Connect));
        // A person disconnected it.
        assert_eq!(at(Place::Mine, &newest("a")), None);
        assert_eq!(at(Place::Taken, &newest("b")), None);
    }
}
