//! A ledger made anew on a node whose agent does not run, and put in the place of the one that the
//! node kept: from a backup (`restore`), or from its own copy (`recover`).
//!
//! The steps are durable one before the next. After the first nothing has changed; until the last
//! the node does not start, and the command is given again: it reads what was put aside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use tokio::task::JoinSet;
use tsugi_cluster_rules::record::{AuditRecord, Draft, Record};
use tsugi_ledger::{ClusterId, LastCopy, RaftLedger, StorageFailure, View};
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{Index, NodeName, Wall};
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::tls::Tls;
use tsugi_wire::version::Protocol;

use super::aside;
use super::belonging::{NOTE, look_at};
use super::founding::{Founding, Part};
use super::start::AgentFailure;
use crate::control::Person;
use crate::records;

/// Where the new ledger is made, and the note beside it.
const NEW: [&str; 2] = ["ledger.restoring", "ledger.restoring.kept"];
/// How long the other nodes are given to say that they run.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing is.
    DryRun,
    /// It is.
    ForReal,
}

/// Why no ledger was made anew.
#[derive(Debug)]
pub enum AnewRefused {
    /// As the person is told; another try as it is ends the same.
    Because(Box<Message>),
    /// There is no such file.
    NoFile(Box<Message>),
    /// The system refused.
    Failed(Box<Message>),
}

pub(super) fn because(message: Message) -> AnewRefused {
    AnewRefused::Because(Box::new(message))
}

/// Whose word it is, as the audit keeps it.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// Why.
    pub reason: String,
    /// The command as it was typed.
    pub words: String,
    /// Its id.
    pub command: String,
    /// Where it was typed.
    pub origin: String,
}

impl Author {
    /// The line of the audit: `person` is asked for before this process becomes another user.
    pub(super) fn audit(&self, person: &Person, record: &Record, at: Wall) -> AuditRecord {
        AuditRecord {
            at,
            command: self.command.clone(),
            person: person.0.clone(),
            origin: self.origin.clone(),
            words: self.words.clone(),
            reason: self.reason.clone(),
            decided_on: record.generation(),
            outcome: "accepted".to_owned(),
        }
    }
}

/// The person behind this process.
pub(super) fn person() -> Person {
    Person::behind(geteuid().as_raw(), i32::try_from(std::process::id()).ok())
}

/// The agent is the owner of the data directory, and so is whoever works in it for the agent: a
/// superuser becomes that user, and what is made then belongs to the right one.
pub(super) fn become_owner(data_dir: &Path) -> io::Result<()> {
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

/// Keeps the agent out of the data directory, which must not run there.
pub(super) fn alone(
    data_dir: &Path,
    failed: impl Fn(&dyn std::fmt::Display) -> AnewRefused,
) -> Result<nix::fcntl::Flock<fs::File>, AnewRefused> {
    super::start::lock(data_dir).map_err(|error| match error {
        AgentFailure::SecondAgent(path) => {
            because(messages::agent_directory_in_use(path.display()))
        }
        error => failed(&error),
    })
}

/// Those of `others` whose agents answer at their addresses.
pub(super) fn answering(
    identity: &ClusterIdentity,
    others: BTreeMap<NodeName, Vec<SocketAddr>>,
    speaks: Protocol,
) -> io::Result<BTreeSet<NodeName>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tls = Arc::new(Tls::new(identity, speaks).map_err(io::Error::other)?);
    runtime.block_on(async {
        let mut looks = JoinSet::new();
        for (node, addresses) in others {
            let tls = Arc::clone(&tls);
            looks.spawn(async move {
                let look = look_at(&tls, &node, addresses);
                let answer = tokio::time::timeout(LIMIT, look).await;
                answer.ok().flatten().map(|_| node)
            });
        }
        Ok(looks.join_all().await.into_iter().flatten().collect())
    })
}

/// The copies of this cluster's ledger that this node kept: in its place, or put aside, the newest
/// first. None when the newest cannot be read: what an older one says may be over.
pub(super) fn kept_here(data_dir: &Path, cluster: ClusterId) -> Option<Vec<LastCopy>> {
    let folders = fs::read_dir(data_dir.join(aside::ASIDE)).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> =
        folders.map(|folder| folder.path().join(aside::LEDGER[0])).collect();
    let is = |place: &Path, owner: &str| {
        RaftLedger::owner_in(place).is_ok_and(|found| found.to_string() == owner)
    };
    let mut copies: Vec<LastCopy> = Vec::new();
    match in_place(data_dir) {
        Ok(copy) => copies.push(copy),
        // The note is of the ledger that was being made, which nobody has seen.
        Err(StorageFailure::Lost { owner, .. }) if is(&data_dir.join(NEW[0]), &owner) => {}
        Err(StorageFailure::Lost { owner, .. }) => {
            let last = folders.iter().find(|place| is(place, &owner))?;
            copies.push(RaftLedger::last_copy(last).ok()?);
        }
        Err(StorageFailure::Missing { .. }) => {}
        Err(_) => return None,
    }
    copies.extend(folders.iter().filter_map(|place| RaftLedger::last_copy(place).ok()));
    copies.retain(|copy| copy.owner.cluster == cluster);
    copies.sort_by_key(|copy| std::cmp::Reverse((copy.view.incarnation, copy.view.applied)));
    Some(copies)
}

/// The copy in its place.
pub(super) fn in_place(data_dir: &Path) -> Result<LastCopy, StorageFailure> {
    RaftLedger::last_copy(&data_dir.join(aside::LEDGER[0]))
}

/// Whether a ledger was being made anew in this directory, and the last step is missing.
pub(super) fn is_half_done(data_dir: &Path) -> bool {
    let there = |name: &str| data_dir.join(name).exists();
    there(NEW[0]) && !there(aside::LEDGER[0])
}

/// The view with `draft` as its first entry.
pub(super) fn with_first_entry(mut view: View, draft: &Draft) -> Result<View, String> {
    let record = records::record(&view, &Record::default()).map_err(|error| error.to_string())?;
    let change = records::change(draft, &view, &record).map_err(|error| error.to_string())?;
    let at = Index(view.applied.0 + 1);
    let (outcome, _) = view.apply(at, &tsugi_ledger::Command::Change(change));
    match outcome.committed() {
        Some(_) => Ok(view),
        None => Err(format!("{outcome:?}")),
    }
}

/// What comes into its place, and where.
pub(super) struct Placing<'a> {
    pub data_dir: &'a Path,
    pub cluster: ClusterId,
    pub view: &'a View,
    pub record: &'a Record,
}

/// A step of putting a new ledger in place. Each is durable before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The new one is made beside the old one. Until here nothing has changed.
    Make,
    /// The old one is put aside. The note that there was one stays: with it and without a ledger
    /// the node does not start, neither empty nor as a founder.
    PutAside,
    /// The founding record says the new number; a way in that was begun is over.
    SayNumber,
    /// The note beside the ledger names the new one.
    MoveNote,
    /// The new ledger takes its place: the node starts with it.
    TakePlace,
}

impl Step {
    pub const ALL: [Self; 5] =
        [Self::Make, Self::PutAside, Self::SayNumber, Self::MoveNote, Self::TakePlace];
}

impl Placing<'_> {
    /// All steps; whatever an attempt that was interrupted has left is no hindrance.
    pub fn carry_out(&self) -> Result<(), String> {
        Step::ALL.into_iter().try_for_each(|step| self.step(step))
    }

    pub fn step(&self, step: Step) -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let dir = self.data_dir;
        let [made, made_note] = NEW.map(|name| dir.join(name));
        let [ledger, note] = aside::LEDGER.map(|name| dir.join(name));
        match step {
            Step::Make => {
                // What another attempt was making: nobody has seen it.
                clear(&made, &made_note).map_err(|error| told(&error))?;
                RaftLedger::begin(&made, self.cluster, self.view).map_err(|error| told(&error))?;
            }
            Step::PutAside => {
                aside::put(dir, std::slice::from_ref(&ledger)).map_err(|error| told(&error))?;
            }
            Step::SayNumber => {
                let part = Founding::read(dir).map_or(Part::Joiner, |founding| founding.part);
                let founding = Founding::of_record(self.view, self.record);
                let founding = founding.map_err(|error| told(&error))?;
                Founding { part, ..founding }.write(dir).map_err(|error| told(&error))?;
                // It would have put aside what was just made.
                let _none = fs::remove_file(dir.join(NOTE));
            }
            Step::MoveNote => fs::rename(&made_note, &note).map_err(|error| told(&error))?,
            Step::TakePlace => fs::rename(&made, &ledger).map_err(|error| told(&error))?,
        }
        fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| told(&error))
    }
}

fn clear(made: &Path, note: &Path) -> io::Result<()> {
    if made.exists() {
        fs::remove_dir_all(made)?;
    }
    if note.exists() { fs::remove_file(note) } else { Ok(()) }
}
