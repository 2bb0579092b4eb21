//! `tsugi restore`: a ledger made anew from a backup, on a node whose agent does not run.
//!
//! Steps, each durable before the next: the new ledger is written beside the old one; the old one
//! is put aside; the new one takes its place; the founding record says the new number. Before the
//! second step an interrupted restore has changed nothing; after it the node does not start until
//! the restore is given again, and that one knows what the first put aside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use tokio::task::JoinSet;
use tsugi_cluster_rules::record::{AuditRecord, Draft, Record, Write};
use tsugi_cluster_rules::restore::{self, Keeper, Newest};
use tsugi_ledger::{Backup, BackupRefused, Floor, RaftLedger, StorageFailure, View};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{Index, NodeName, Wall};
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::tls::Tls;
use tsugi_wire::version::Protocol;

use super::aside;
use super::belonging::{NOTE, look_at};
use super::founding::{Founding, Part, own_certificate};
use super::start::AgentFailure;
use crate::control::Person;
use crate::records;

/// Where the new ledger is made.
const NEW: [&str; 2] = ["ledger.restoring", "ledger.restoring.kept"];
/// How long the other nodes are given to say that they run.
const LIMIT: Duration = Duration::from_secs(3);

/// What is to be restored, where, and who says so.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The backup.
    pub file: PathBuf,
    /// The data directory of the node.
    pub data_dir: PathBuf,
    /// Why.
    pub reason: String,
    /// The command as it was typed.
    pub words: String,
    /// Its id.
    pub command: String,
    /// Where it was typed.
    pub origin: String,
    /// For real, or only to see.
    pub how: How,
    /// What this node speaks.
    pub speaks: Protocol,
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing is.
    DryRun,
    /// It is.
    ForReal,
}

/// Why nothing was restored.
#[derive(Debug)]
pub enum RestoreRefused {
    /// As the person is told; another try as it is ends the same.
    Because(Box<Message>),
    /// There is no such file.
    NoFile(Box<Message>),
    /// The system refused.
    Failed(Box<Message>),
}

fn because(message: Message) -> RestoreRefused {
    RestoreRefused::Because(Box::new(message))
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
/// [`RestoreRefused`]; nothing was changed, or the restore has to be given again.
pub fn restore(what: &Restore) -> Result<Message, RestoreRefused> {
    let failed = |error: &dyn std::fmt::Display| {
        RestoreRefused::Failed(Box::new(messages::restore_failed(what.data_dir.display(), error)))
    };
    let person = Person::behind(geteuid().as_raw(), i32::try_from(std::process::id()).ok());
    let bytes = fs::read(&what.file).map_err(|error| {
        let why = messages::restore_backup_unusable(what.file.display(), error);
        RestoreRefused::NoFile(Box::new(why))
    })?;
    become_owner(&what.data_dir).map_err(|error| failed(&error))?;
    let _alone = super::start::lock(&what.data_dir).map_err(|error| match error {
        AgentFailure::SecondAgent(path) => {
            because(messages::agent_directory_in_use(path.display()))
        }
        error => failed(&error),
    })?;
    let ground = ground(what, &bytes)?;
    let running = running_nodes(&ground, what.speaks).map_err(|error| failed(&error))?;
    if !running.is_empty() {
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
    put_in_place(what, &ground, (&view, &record)).map_err(|error| failed(&error))?;
    Ok(messages::restore_done(file, view.incarnation, waits))
}

/// The agent is the owner of the data directory, and so is whoever works in it for the agent: a
/// superuser becomes that user, and what is made then belongs to the right one.
fn become_owner(data_dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(data_dir)?;
    if !geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    setgroups(&[gid])?;
    setresgid(gid, gid, gid)?;
    Ok(setresuid(uid, uid, uid)?)
}

fn ground(what: &Restore, bytes: &[u8]) -> Result<Ground, RestoreRefused> {
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
    if !record.spec().is_some_and(|spec| spec.nodes.contains_key(&me)) {
        return Err(unusable(&format!("its configuration names no node {me}")));
    }
    let newest = newest(&what.data_dir).and_then(|view| {
        let record = records::record(&view, &Record::default()).ok()?;
        Some((view, record))
    });
    Ok(Ground { me, identity, backup, record, newest })
}

/// The newest copy of the ledger that this node kept: in its place, or put aside by a restore that
/// was interrupted. When that one cannot be read, an older one that can is of no use: what it
/// says of the voters may be over.
fn newest(data_dir: &Path) -> Option<View> {
    let in_place = data_dir.join(aside::LEDGER[0]);
    let aside = fs::read_dir(data_dir.join(aside::ASIDE)).into_iter().flatten().flatten();
    let aside: Vec<PathBuf> = aside.map(|folder| folder.path().join(aside::LEDGER[0])).collect();
    let mut views: Vec<View> = Vec::new();
    match RaftLedger::last_view(&in_place) {
        Ok(view) => views.push(view),
        Err(StorageFailure::Lost { owner, .. }) => {
            let it = |place: &&PathBuf| {
                RaftLedger::owner_in(place).is_ok_and(|found| found.to_string() == owner)
            };
            views.push(RaftLedger::last_view(aside.iter().find(it)?).ok()?);
        }
        Err(StorageFailure::Missing { .. }) => {}
        Err(_) => return None,
    }
    views.extend(aside.iter().filter_map(|place| RaftLedger::last_view(place).ok()));
    let newest = views.into_iter().max_by_key(|view| (view.incarnation, view.applied))?;
    newest.get("config").is_some().then_some(newest)
}

/// The other nodes whose agents answer: while one runs, the former ledger may be alive.
fn running_nodes(ground: &Ground, speaks: Protocol) -> io::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tls = Arc::new(Tls::new(&ground.identity, speaks).map_err(io::Error::other)?);
    let spec = ground.record.spec().map(|spec| spec.nodes.clone()).unwrap_or_default();
    runtime.block_on(async {
        let mut looks = JoinSet::new();
        for (node, its) in spec.into_iter().filter(|(node, _)| *node != ground.me) {
            let tls = Arc::clone(&tls);
            looks.spawn(async move {
                let look = look_at(&tls, &node, its.addresses);
                let answer = tokio::time::timeout(LIMIT, look).await;
                answer.ok().flatten().map(|_| node.to_string())
            });
        }
        let mut running: Vec<String> = looks.join_all().await.into_iter().flatten().collect();
        running.sort();
        Ok(running)
    })
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
    let draft = draft.write(Write::Audit(audit((what, person), &ground.record, now)));
    with_first_entry(view, &draft)
}

fn with_first_entry(mut view: View, draft: &Draft) -> Result<View, String> {
    let record = records::record(&view, &Record::default()).map_err(|error| error.to_string())?;
    let change = records::change(draft, &view, &record).map_err(|error| error.to_string())?;
    let at = Index(view.applied.0 + 1);
    let (outcome, _) = view.apply(at, &tsugi_ledger::Command::Change(change));
    match outcome.committed() {
        Some(_) => Ok(view),
        None => Err(format!("{outcome:?}")),
    }
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

fn audit((what, person): (&Restore, &Person), record: &Record, at: Wall) -> AuditRecord {
    AuditRecord {
        at,
        command: what.command.clone(),
        person: person.0.clone(),
        origin: what.origin.clone(),
        words: what.words.clone(),
        reason: what.reason.clone(),
        decided_on: record.generation(),
        outcome: "accepted".to_owned(),
    }
}

fn put_in_place(
    what: &Restore,
    ground: &Ground,
    (view, record): (&View, &Record),
) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let dir = &what.data_dir;
    let [made, made_kept] = NEW.map(|name| dir.join(name));
    let [ledger, kept] = aside::LEDGER.map(|name| dir.join(name));
    // What an interrupted restore was making: nobody has seen it.
    clear(&made, &made_kept).map_err(|error| told(&error))?;
    RaftLedger::begin(&made, ground.backup.cluster, view).map_err(|error| told(&error))?;
    // The note that there was one stays: with it and without a ledger the node does not start,
    // neither empty nor as a founder.
    aside::put(dir, std::slice::from_ref(&ledger)).map_err(|error| told(&error))?;
    fs::rename(&made_kept, &kept).map_err(|error| told(&error))?;
    fs::rename(&made, &ledger).map_err(|error| told(&error))?;
    let part = Founding::read(dir).map_or(Part::Joiner, |founding| founding.part);
    let founding = Founding::of_record(view, record).map_err(|error| told(&error))?;
    Founding { part, ..founding }.write(dir).map_err(|error| told(&error))?;
    // It would have put aside what was just made.
    let _none = fs::remove_file(dir.join(NOTE));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| told(&error))
}

fn clear(made: &Path, note: &Path) -> io::Result<()> {
    if made.exists() {
        fs::remove_dir_all(made)?;
    }
    if note.exists() { fs::remove_file(note) } else { Ok(()) }
}
