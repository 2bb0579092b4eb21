//! `tsugi node recover-majority`: most voters are gone for good, and a person has one that is left
//! keep the ledger alone. It is made anew from that node's own copy, as a later life of the ledger;
//! its agent does not run meanwhile.
//!
//! In which steps it takes its place, and what an interrupted one leaves: [`super::anew`]. What is
//! waited for afterwards, and who is refused: [`tsugi_cluster_rules::restore::recovered`].

use std::collections::BTreeSet;
use std::path::PathBuf;

use tsugi_cluster_rules::record::{GroupRecord, Record, Versioned, Write};
use tsugi_cluster_rules::restore::{self, Keeper, Loss};
use tsugi_ledger::{Backup, ClusterId, Floor, LastCopy, View, VoterId};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{Epoch, GroupName, Index, NodeName, Wall};
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::version::Protocol;

use super::anew::{self, AnewRefused, Author, How, Placing, because};
use super::contact;
use super::founding::own_certificate;
use super::shared_disk;
use crate::control::Person;
use crate::records;

/// What is to be recovered, without whom, and who says so.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The data directory of the node that is left.
    pub data_dir: PathBuf,
    /// The names of the nodes that are gone for good, as they were typed.
    pub lost: BTreeSet<String>,
    /// Who says so, and why.
    pub author: Author,
    /// For real, or only to see.
    pub how: How,
    /// What this node speaks.
    pub speaks: Protocol,
}

/// What this node keeps, for a person to compare with what the other nodes that are left keep: of
/// one incarnation the highest term and then the highest place is the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The node.
    pub node: NodeName,
    /// Which life of the ledger it keeps.
    pub incarnation: u64,
    /// The term of its last entry.
    pub term: u64,
    /// The place of its last entry. What the others committed after it is lost.
    pub place: Index,
    /// Who kept the ledger, as it knows.
    pub voters: BTreeSet<NodeName>,
    /// When it last heard a leader, and with it a majority; none if that was never noted.
    pub heard: Option<Wall>,
    /// Each group with its owner and epoch as it knows them: they may have changed since.
    pub groups: Vec<(GroupName, Option<NodeName>, Epoch)>,
    /// Whether it can have nodes join.
    pub tokens: Tokens,
}

/// Where tokens can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Here: this node has the key of the authority.
    Here,
    /// Not here.
    Elsewhere,
}

/// What there is to recover.
struct Ground {
    me: NodeName,
    identity: ClusterIdentity,
    copy: LastCopy,
    record: Record,
    /// The highest incarnation that any copy here is of.
    incarnation: u64,
}

/// Recovers, or says what would be, after `show` was called with what this node keeps.
///
/// # Errors
/// [`AnewRefused`]; nothing was changed, or the command has to be given again.
pub fn recover(what: &Recovery, show: impl FnOnce(&Survey)) -> Result<Message, AnewRefused> {
    let failed = |error: &dyn std::fmt::Display| {
        let why = messages::majority_not_recovered(what.data_dir.display(), error);
        AnewRefused::Failed(Box::new(why))
    };
    let person = anew::person();
    anew::become_owner(&what.data_dir).map_err(|error| failed(&error))?;
    let _alone = anew::alone(&what.data_dir, failed)?;
    let ground = ground(what)?;
    show(&survey(what, &ground));
    let lost = lost(what, &ground)?;
    refuse_answers(what, &ground, &lost)?;
    let view = made_anew((what, &person), (&ground, &lost)).map_err(|error| failed(&error))?;
    let record = records::record(&view, &Record::default()).map_err(|error| failed(&error))?;
    let (incarnation, names) = (view.incarnation, joined(&lost));
    if what.how == How::DryRun {
        return Ok(messages::majority_would(&ground.me, incarnation, names));
    }
    let (data_dir, cluster) = (&*what.data_dir, ground.copy.owner.cluster);
    let placing = Placing { data_dir, cluster, view: &view, record: &record };
    placing.carry_out().map_err(|error| failed(&error))?;
    Ok(messages::majority_recovered(&ground.me, incarnation, names))
}

fn joined(nodes: &BTreeSet<NodeName>) -> String {
    nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

fn ground(what: &Recovery) -> Result<Ground, AnewRefused> {
    let pki = what.data_dir.join("pki");
    let identity = ClusterIdentity::load(&pki)
        .map_err(|why| because(messages::identity_unreadable(pki.display(), why)))?;
    let unusable = |why: &dyn std::fmt::Display| {
        because(messages::no_copy_to_recover(what.data_dir.display(), why))
    };
    let me = identity.subject.name.clone();
    if shared_disk::is_named(&what.data_dir) {
        return Err(because(messages::ledger_disk_not_made_anew("tsugi node recover-majority")));
    }
    let copies = anew::kept_here(&what.data_dir, ClusterId(identity.cluster.id.0));
    let copies = copies.ok_or_else(|| unusable(&"the newest copy cannot be read"))?;
    let incarnation = copies.iter().map(|copy| copy.view.incarnation).max().unwrap_or(0);
    // Of an attempt that was interrupted it is the copy that was put aside.
    let copy = match anew::is_half_done(&what.data_dir) {
        true => copies.into_iter().next().ok_or_else(|| unusable(&"none was put aside"))?,
        false => anew::in_place(&what.data_dir).map_err(|why| unusable(&why))?,
    };
    if copy.owner.cluster.0 != identity.cluster.id.0 {
        return Err(unusable(&"it is of another cluster"));
    }
    if copy.view.voters.of(&me) != Some(copy.owner.voter) {
        return Err(unusable(&"it is not that of a voter"));
    }
    let record = records::record(&copy.view, &Record::default()).map_err(|why| unusable(&why))?;
    if !record.spec().is_some_and(|spec| spec.nodes.contains_key(&me)) {
        return Err(unusable(&format!("its configuration names no node {me}")));
    }
    Ok(Ground { me, identity, copy, record, incarnation })
}

fn survey(what: &Recovery, ground: &Ground) -> Survey {
    let group = |(name, entry): (&GroupName, &Versioned<GroupRecord>)| {
        (name.clone(), entry.value.owner().cloned(), entry.value.epoch)
    };
    Survey {
        node: ground.me.clone(),
        incarnation: ground.copy.view.incarnation,
        term: ground.copy.term,
        place: ground.copy.view.applied,
        voters: ground.record.voters.keys().cloned().collect(),
        heard: contact::last(&what.data_dir),
        groups: ground.record.groups.iter().map(group).collect(),
        tokens: match ground.identity.authority {
            Some(_) => Tokens::Here,
            None => Tokens::Elsewhere,
        },
    }
}

/// The nodes that were named, if the majority is gone with them.
fn lost(what: &Recovery, ground: &Ground) -> Result<BTreeSet<NodeName>, AnewRefused> {
    match restore::loss(&ground.record, &ground.me, &what.lost) {
        Loss::OfTheMajority => {
            Ok(what.lost.iter().filter_map(|name| NodeName::new(name).ok()).collect())
        }
        Loss::Unknown(names) => {
            let names: Vec<String> = names.into_iter().collect();
            Err(because(messages::lost_name_wrong(names.join(", "))))
        }
        Loss::StillThere(nodes) => Err(because(messages::majority_is_there(joined(&nodes)))),
    }
}

/// While a node that is not this one runs, nothing is lost with it, or its copy may be newer.
fn refuse_answers(
    what: &Recovery,
    ground: &Ground,
    lost: &BTreeSet<NodeName>,
) -> Result<(), AnewRefused> {
    let spec = ground.record.spec().map(|spec| spec.nodes.clone()).unwrap_or_default();
    let others = spec.into_iter().filter(|(node, _)| *node != ground.me);
    let others = others.map(|(node, its)| (node, its.addresses)).collect();
    let running = anew::answering(&ground.identity, others, what.speaks).map_err(|error| {
        let why = messages::majority_not_recovered(what.data_dir.display(), error);
        AnewRefused::Failed(Box::new(why))
    })?;
    let (named, left): (BTreeSet<NodeName>, BTreeSet<NodeName>) =
        running.into_iter().partition(|node| lost.contains(node));
    if !named.is_empty() {
        return Err(because(messages::lost_nodes_answer(joined(&named))));
    }
    if !left.is_empty() {
        return Err(because(messages::survivors_run(joined(&left))));
    }
    Ok(())
}

/// The ledger made anew, with its first entry.
fn made_anew(
    (what, person): (&Recovery, &Person),
    (ground, lost): (&Ground, &BTreeSet<NodeName>),
) -> Result<View, String> {
    let now = tsugi_host::clock::wall();
    let (cluster, view) = (ground.copy.owner.cluster, ground.copy.view.clone());
    let floor = Floor {
        incarnation: ground.incarnation,
        voter: VoterId(ground.record.next_voter().saturating_sub(1)),
        wall_seconds: now.0 / 1000,
        ..Floor::default()
    };
    let view = Backup { cluster, view }.restored(floor, ground.me.clone());
    let voter = view.voters.of(&ground.me).map_or(0, |id| id.0);
    let certificate = own_certificate(&ground.identity);
    let keeper = Keeper { node: &ground.me, voter, certificate: &certificate };
    let draft = restore::recovered(&ground.record, lost, keeper);
    let draft = draft.write(Write::Audit(what.author.audit(person, &ground.record, now)));
    anew::with_first_entry(view, &draft)
}

#[cfg(test)]
mod tests;
