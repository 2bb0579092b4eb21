//! What is said at the control socket of the copies of mirrored volumes, as commands of the rules.

use tsugi_cluster_rules::command::Command;
use tsugi_cluster_rules::mirror::Says;
use tsugi_cluster_rules::record::Record;
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::{MirrorOf, Operation};

use super::change::{Tried, group, node};
use crate::mirror;

/// What is said of the copies of a mirror; none of what is something else.
pub(super) fn command(what: &Operation, record: &Record) -> Tried<Option<Command>> {
    let (group, says) = match what {
        Operation::MirrorAlone { of } => (group_of(record, of)?, Says::Alone),
        Operation::MirrorAlike { group: name, mark } => {
            (group(record, name)?, Says::Alike { mark: *mark })
        }
        Operation::MirrorThere { group: name, newest, mark } => {
            let newest = node(record, newest)?;
            (group(record, name)?, Says::There { newest, mark: *mark })
        }
        Operation::MirrorChosen { group: name } => (group(record, name)?, Says::Chosen),
        _ => return Ok(None),
    };
    Ok(Some(Command::MirrorSays { group, says }))
}

/// The group whose mirrored volumes are meant. DRBD knows nothing of groups.
fn group_of(record: &Record, of: &MirrorOf) -> Tried<GroupName> {
    match of {
        MirrorOf::Group(name) => group(record, name),
        MirrorOf::Resource(drbd) => {
            let groups = record.spec().into_iter().flat_map(|spec| &spec.groups);
            let mut with = groups.filter(|(_, its)| mirror::of(its).any(|(name, _)| name == drbd));
            let found = with.next().map(|(group, _)| group.clone());
            found.map_or_else(|| group(record, drbd), Ok)
        }
    }
}
