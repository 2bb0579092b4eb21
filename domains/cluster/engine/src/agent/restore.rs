//! `tsugi restore`: a ledger made anew from a backup, on a node whose agent does not run.
//!
//! In which steps it takes its place, and what an interrupted one leaves: [`super::anew`].

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tsugi_cluster_rules::record::{Record, Write};
use tsugi_cluster_rules::restore::{self, Keeper, Newest};
use tsugi_ledger::{Backup, BackupRefused, ClusterId, Floor, View};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{NodeName, Wall};
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::version::Protocol;

use super::anew::{self, AnewRefused, Author, How, Placing, because};
use super::founding::own_certificate;
use super::shared_disk;
use crate::control::Person;
use crate::records;

/// What is to be restored, where, and who says so.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The backup.
    pub file: PathBuf,
    /// The data directory of the node.
    pub data_dir: PathBuf,
    /// Who says so, and why.
    pub author: Author,
    /// For real, or only to see.
    pub how: How,
    /// What this node speaks.
    pub speaks: Protocol,
}

/// What there is to restore from and onto.
struct Ground {
    me: NodeName,
    identity: ClusterIdentity,
    backup: Backup,
    record: Record,
    newest: Option<(View, Record)>,
}

/// Restores, or says what would be; the message says what was done.
///
/// # Errors
/// [`AnewRefused`]; nothing was changed, or the restore has to be given again.
pub fn restore(what: &Restore) -> Result<Message, AnewRefused> {
    let failed = |error: &dyn std::fmt::Display| {
        AnewRefused::Failed(Box::new(messages::restore_failed(what.data_dir.display(), error)))
    };
    let person = anew::person();
    let bytes = fs::read(&what.file).map_err(|error| {
        let why = messages::restore_backup_unusable(what.file.display(), error);
        AnewRefused::NoFile(Box::new(why))
    })?;
    anew::become_owner(&what.data_dir).map_err(|error| failed(&error))?;
    let _alone = anew::alone(&what.data_dir, failed)?;
    let ground = ground(what, &bytes)?;
    let running = running_nodes(&ground, what.speaks).map_err(|error| failed(&error))?;
    if !running.is_empty() {
        let running: Vec<&str> = running.iter().map(NodeName::as_str).collect();
        return Err(because(messages::restore_others_run(running.join(", "))));
    }
    let view = made_anew((what, &person), &ground).map_err(|error| failed(&error))?;
    let record = records::record(&view, &Record::default()).map_err(|error| failed(&error))?;
    let awaited = tsugi_cluster_rules::lease::former_voters_out_there(&record);
    let awaited: Vec<&str> = awaited.into_iter().map(NodeName::as_str).collect();
    let (file, waits) = (what.file.display(), awaited.join(", "));
    if what.how == How::DryRun {
        return Ok(messages::restore_would(file, view.incarnation, waits));
    }
    let (data_dir, cluster) = (&*what.data_dir, ground.backup.cluster);
    let placing = Placing { data_dir, cluster, view: &view, record: &record };
    placing.carry_out().map_err(|error| failed(&error))?;
    Ok(messages::restore_done(file, view.incarnation, waits))
}

fn ground(what: &Restore, bytes: &[u8]) -> Result<Ground, AnewRefused> {
    let unusable = |why: &dyn std::fmt::Display| {
        because(messages::restore_backup_unusable(what.file.display(), why))
    };
    let backup = Backup::from_bytes(bytes).map_err(|why: BackupRefused| unusable(&why))?;
    let record = records::record(&backup.view, &Record::default());
    let record = record.map_err(|why| unusable(&why))?;
    let pki = what.data_dir.join("pki");
    let identity = ClusterIdentity::load(&pki)
        .map_err(|why| because(messages::identity_unreadable(pki.display(), why)))?;
    if identity.cluster.id.0 != backup.cluster.0 {
        return Err(unusable(&"it is of another cluster"));
    }
    let me = identity.subject.name.clone();
    let on_disk = record.spec().is_some_and(|spec| spec.ledger.is_on_disk());
    if on_disk || shared_disk::is_named(&what.data_dir) {
        return Err(because(messages::ledger_disk_not_made_anew("tsugi restore")));
    }
    if !record.spec().is_some_and(|spec| spec.nodes.contains_key(&me)) {
        return Err(unusable(&format!("its configuration names no node {me}")));
    }
    let newest = newest(&what.data_dir, backup.cluster).and_then(|view| {
        let record = records::record(&view, &Record::default()).ok()?;
        Some((view, record))
    });
    Ok(Ground { me, identity, backup, record, newest })
}

/// The newest copy of the ledger that this node kept. When that one cannot be read, an older one
/// that can is of no use: what it says of the voters may be over.
fn newest(data_dir: &Path, cluster: ClusterId) -> Option<View> {
    let newest = anew::kept_here(data_dir, cluster)?.into_iter().next()?.view;
    newest.get("config").is_some().then_some(newest)
}

/// The other nodes whose agents answer: while one runs, the former ledger may be alive.
fn running_nodes(ground: &Ground, speaks: Protocol) -> io::Result<BTreeSet<NodeName>> {
    let spec = ground.record.spec().map(|spec| spec.nodes.clone()).unwrap_or_default();
    let others = spec.into_iter().filter(|(node, _)| *node != ground.me);
    let others = others.map(|(node, its)| (node, its.addresses)).collect();
    anew::answering(&ground.identity, others, speaks)
}

/// The ledger made anew, with its first entry.
fn made_anew((what, person): (&Restore, &Person), ground: &Ground) -> Result<View, String> {
    let now = tsugi_host::clock::wall();
    let view = ground.backup.restored(floor(ground, now), ground.me.clone());
    let voter = view.voters.of(&ground.me).map_or(0, |id| id.0);
    let newest = ground.newest.as_ref();
    let newest = newest.map_or(Newest::Lost, |(_, record)| Newest::Kept(record));
    let certificate = own_certificate(&ground.identity);
    let keeper = Keeper { node: &ground.me, voter, certificate: &certificate };
    let draft = restore::restored(&ground.record, newest, keeper);
    let draft = draft.write(Write::Audit(what.author.audit(person, &ground.record, now)));
    anew::with_first_entry(view, &draft)
}

/// What the new life must stand above: all that this node ever saw, and its own clock.
fn floor(ground: &Ground, now: Wall) -> Floor {
    let given = tsugi_ledger::VoterId(ground.record.next_voter().saturating_sub(1));
    let clock = Floor { wall_seconds: now.0 / 1000, voter: given, ..Floor::default() };
    let Some((view, record)) = &ground.newest else { return clock };
    let given = record.next_voter().max(ground.record.next_voter()).saturating_sub(1);
    Floor {
        incarnation: view.incarnation,
        applied: view.applied,
        generation: view.voters.generation,
        voter: view.voters.highest.max(tsugi_ledger::VoterId(given)),
        ..clock
    }
}
