//! What a node sees to at the mirrors of groups, beside their start and stop.

use tsugi_vocabulary::{NodeName, Span};

use super::{Begun, Copies, Io, Mirror, Says};
use crate::reason::Nature;
use crate::record::{GroupRecord, Ownership};

/// How long an owner that the ledger names as the newest is left frozen: so long DRBD's handler may
/// take to answer, and no longer if it ended without an answer.
pub const FROZEN_FOR: Span = Span::secs(10);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tend {
    /// The ledger is told.
    Say(Says),
    /// It is made secondary, and what was begun to let go of it is ended: what a guardian has
    /// released has nobody else to do so.
    Demote(IfMounted),
    /// DRBD is to connect again: it gave up because both sides were primary when the lost one
    /// came back.
    Connect,
    /// The ledger is asked once more, and then DRBD goes on with what waits: its handler ended
    /// without an answer.
    Resume,
}

/// What becomes of a mirror that is to be given up and is found mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMounted {
    /// It is left as it is, and given up once nobody has it mounted: its group was not let go of
    /// here, or a person may have mounted it since.
    Left,
    /// It is given up all the same: the group is another node's, and its own mount, of which link
    /// and disk are gone, is all that can be left here.
    GivenUp,
}

/// One mirror here.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// How it stands; none if DRBD has it not up.
    pub mirror: Option<&'a Mirror>,
    /// Whether somebody here has begun to let go of it, and did not end it.
    pub begun: Begun,
    /// For how long it has been seen frozen while the ledger named this node as the newest.
    pub frozen: Span,
    /// The node that has the other side; none if that cannot be told.
    pub other: Option<&'a NodeName>,
}

/// What is to be done about one mirror here.
#[must_use]
pub fn tend(seen: Seen<'_>, place: Place, (copies, me): (&Copies, &NodeName)) -> Option<Tend> {
    let alike = || Tend::Say(Says::Alike { mark: copies.mark });
    match (place, seen.begun, seen.mirror) {
        (Place::Others, Begun::Yes, _) => Some(Tend::Demote(IfMounted::GivenUp)),
        (Place::Nobodys, Begun::Yes, _) => Some(Tend::Demote(IfMounted::Left)),
        // Its next start ends what was begun, before it makes it primary.
        (Place::Taken | Place::Mine, Begun::Yes, _) | (_, Begun::No, None) => None,
        (Place::Others, Begun::No, Some(mirror)) => {
            mirror.is_primary().then_some(Tend::Demote(IfMounted::Left))
        }
        (Place::Nobodys, Begun::No, Some(mirror)) => {
            let parted = copies.newest.is_some() && mirror.is_whole();
            (parted && !mirror.is_primary()).then(alike)
        }
        (Place::Taken | Place::Mine, Begun::No, Some(mirror)) if mirror.is_primary() => {
            owner(mirror, seen, (place, copies, me))
        }
        (Place::Taken | Place::Mine, Begun::No, Some(_)) => None,
    }
}

/// What the owner of a group says and does about a mirror that is primary here.
fn owner(
    mirror: &Mirror,
    seen: Seen<'_>,
    (place, copies, me): (Place, &Copies, &NodeName),
) -> Option<Tend> {
    let mark = copies.mark;
    match (mirror.is_up_to_date(), mirror.is_there()) {
        (true, true) => copies.newest.as_ref().map(|_| Tend::Say(Says::Alike { mark })),
        (true, false) => match &copies.newest {
            None => Some(Tend::Say(Says::Alone)),
            Some(node) if node != me => None,
            Some(_) if is_left_frozen(mirror, seen.frozen) => Some(Tend::Resume),
            Some(_) => {
                let apart = mirror.connection == "StandAlone" && place == Place::Taken;
                apart.then_some(Tend::Connect)
            }
        },
        // It writes over the link, and the disk here misses it.
        (false, true) => {
            let other = seen.other?;
            let said = copies.newest.as_ref() == Some(other);
            (!said).then(|| Tend::Say(Says::There { newest: other.clone(), mark }))
        }
        (false, false) => None,
    }
}

/// Whether it waits for an answer that does not come.
fn is_left_frozen(mirror: &Mirror, frozen: Span) -> bool {
    mirror.io == Io::Frozen && !mirror.linked() && frozen > FROZEN_FOR
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::UP_TO_DATE;

    fn mirror(connection: &str, (role, peer_role): (&str, &str), peer_disk: &str) -> Mirror {
        Mirror {
            connection: connection.to_owned(),
            role: role.to_owned(),
            peer_role: peer_role.to_owned(),
            disk: UP_TO_DATE.to_owned(),
            peer_disk: peer_disk.to_owned(),
            out_of_sync: 0,
            io: Io::Flows,
        }
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).expect("a name")
    }

    fn newest(name: &str) -> Copies {
        Copies { newest: Some(node(name)), mark: 3, fenced: None }
    }

    /// Of a mirror between a, which looks, and b.
    fn at(mirror: &Mirror, place: Place, copies: &Copies) -> Option<Tend> {
        of(Some(mirror), (Begun::No, Span::ZERO), place, copies)
    }

    fn of(
        mirror: Option<&Mirror>,
        (begun, frozen): (Begun, Span),
        place: Place,
        copies: &Copies,
    ) -> Option<Tend> {
        let other = node("b");
        let seen = Seen { mirror, begun, frozen, other: Some(&other) };
        tend(seen, place, (copies, &node("a")))
    }

    const PLACES: [Place; 4] = [Place::Taken, Place::Mine, Place::Others, Place::Nobodys];
    const WHOLE: (&str, &str) = ("Primary", "Secondary");
    const ALONE: (&str, &str) = ("Primary", "Unknown");
    const ALIKE: Option<Tend> = Some(Tend::Say(Says::Alike { mark: 3 }));

    #[test]
    fn who_writes_alone_says_so_once_and_takes_it_back_when_the_other_has_all_of_it() {
        let alone = mirror("WFConnection", ALONE, "DUnknown");
        let whole = mirror("Connected", WHOLE, UP_TO_DATE);
        let of = |mirror: &Mirror, copies: &Copies| at(mirror, Place::Mine, copies);
        assert_eq!(of(&alone, &Copies::default()), Some(Tend::Say(Says::Alone)));
        assert_eq!(of(&alone, &newest("a")), None);
        assert_eq!(of(&whole, &newest("a")), ALIKE);
        assert_eq!(of(&whole, &Copies::default()), None);
        // Heard, and without a disk, or still being brought up to date.
        for disk in ["Diskless", "Inconsistent"] {
            let behind = mirror("Connected", WHOLE, disk);
            assert_eq!(of(&behind, &Copies::default()), Some(Tend::Say(Says::Alone)));
            assert_eq!(of(&behind, &newest("a")), None);
        }
    }

    #[test]
    fn an_owner_that_writes_over_the_link_alone_names_the_other_copy() {
        for disk in ["Diskless", "Inconsistent", "Failed"] {
            let mut over = mirror("Connected", WHOLE, UP_TO_DATE);
            over.disk = disk.to_owned();
            let there = Some(Tend::Say(Says::There { newest: node("b"), mark: 3 }));
            assert_eq!(at(&over, Place::Mine, &newest("a")), there, "{disk}");
            let new = Says::There { newest: node("b"), mark: 0 };
            assert_eq!(at(&over, Place::Taken, &Copies::default()), Some(Tend::Say(new)));
            assert_eq!(at(&over, Place::Mine, &newest("b")), None, "it is said");
            over.peer_role = "Unknown".to_owned();
            assert_eq!(at(&over, Place::Mine, &newest("a")), None, "there is nothing to write to");
        }
        let whole = mirror("Connected", WHOLE, UP_TO_DATE);
        assert_eq!(at(&whole, Place::Mine, &newest("b")), ALIKE, "its disk has all of it again");
    }

    #[test]
    fn of_a_group_that_is_stopped_the_word_is_taken_back_once_both_copies_are_whole() {
        let whole = mirror("Connected", ("Secondary", "Secondary"), UP_TO_DATE);
        for name in ["a", "b"] {
            assert_eq!(at(&whole, Place::Nobodys, &newest(name)), ALIKE);
        }
        assert_eq!(at(&whole, Place::Nobodys, &Copies::default()), None);
        let parted = mirror("WFConnection", ("Secondary", "Unknown"), "DUnknown");
        let syncing = mirror("SyncSource", ("Secondary", "Secondary"), "Inconsistent");
        for apart in [parted, syncing] {
            assert_eq!(at(&apart, Place::Nobodys, &newest("a")), None);
        }
        // Whose it is says so itself.
        assert_eq!(at(&whole, Place::Others, &newest("a")), None);
    }

    #[test]
    fn an_owner_that_nobody_answers_goes_on_once_the_ledger_names_it_for_long_enough() {
        let mut frozen = mirror("WFConnection", ALONE, "DUnknown");
        frozen.io = Io::Frozen;
        let (soon, late) = (FROZEN_FOR, FROZEN_FOR + Span(1));
        let after = |mirror: &Mirror, frozen, place, copies: &Copies| {
            of(Some(mirror), (Begun::No, frozen), place, copies)
        };
        for place in [Place::Mine, Place::Taken] {
            assert_eq!(after(&frozen, soon, place, &newest("a")), None, "it may be answered yet");
            assert_eq!(after(&frozen, late, place, &newest("a")), Some(Tend::Resume));
            assert_eq!(after(&frozen, late, place, &newest("b")), None, "its copy is the older");
            let unsaid = Some(Tend::Say(Says::Alone));
            assert_eq!(after(&frozen, late, place, &Copies::default()), unsaid);
        }
        // Not of whoever lost the group, nor of what is not frozen or hears the other side.
        for place in [Place::Others, Place::Nobodys] {
            assert_ne!(after(&frozen, late, place, &newest("a")), Some(Tend::Resume));
        }
        let flows = mirror("WFConnection", ALONE, "DUnknown");
        let mut heard = mirror("Connected", WHOLE, "Inconsistent");
        heard.io = Io::Frozen;
        for other in [flows, heard] {
            assert_eq!(after(&other, late, Place::Mine, &newest("a")), None);
        }
    }

    #[test]
    fn a_role_that_a_guardian_left_behind_is_given_up_once_the_group_is_anothers() {
        let primary = mirror("Connected", WHOLE, UP_TO_DATE);
        let at = |place| at(&primary, place, &Copies::default());
        assert_eq!(at(Place::Others), Some(Tend::Demote(IfMounted::Left)));
        // A person who makes a file system has made it primary as well.
        assert_eq!(at(Place::Nobodys), None);
        assert_eq!(at(Place::Mine), None);
        let secondary = mirror("Connected", ("Secondary", "Primary"), UP_TO_DATE);
        let begun = |begun| of(Some(&secondary), (begun, Span::ZERO), Place::Others, &newest("a"));
        assert_eq!(begun(Begun::No), None);
        let ends = Some(Tend::Demote(IfMounted::GivenUp));
        assert_eq!(begun(Begun::Yes), ends, "it has no disk, or no link");
    }

    #[test]
    fn what_somebody_began_to_let_go_of_is_ended_also_when_drbd_has_it_not_up() {
        for place in PLACES {
            let ends = match place {
                Place::Others => Some(Tend::Demote(IfMounted::GivenUp)),
                // A person may have mounted it meanwhile.
                Place::Nobodys => Some(Tend::Demote(IfMounted::Left)),
                Place::Taken | Place::Mine => None,
            };
            let at = |begun| of(None, (begun, Span::ZERO), place, &Copies::default());
            assert_eq!(at(Begun::Yes), ends);
            assert_eq!(at(Begun::No), None);
        }
    }

    #[test]
    fn only_who_took_over_from_a_lost_node_has_drbd_connect_again() {
        let apart = mirror("StandAlone", ALONE, "DUnknown");
        assert_eq!(at(&apart, Place::Taken, &newest("a")), Some(Tend::Connect));
        // A person disconnected it.
        assert_eq!(at(&apart, Place::Mine, &newest("a")), None);
        assert_eq!(at(&apart, Place::Taken, &newest("b")), None);
    }
}
