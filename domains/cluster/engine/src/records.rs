//! How the typed record stands in the ledger: one key a noun, values of format 1.
//!
//! | key | value |
//! | --- | --- |
//! | `config` | the applied configuration |
//! | `node/NAME`, `group/NAME` | what is known of each |
//! | `gone/NAME` | a node that was taken out for good: its number is not given out again |
//! | `restored` | who kept the ledger before this one was made from a backup |
//! | `stretch` | the newest order to stretch the time-outs |
//! | `failure-test` | the newest failure test |
//! | `plan/head`, `plan/NNNNNNNNNNNN` | the newest plan, and each plan by generation |
//! | `event/TTTTTTTTTTTTT-NAME-HASH-N` | what happened, by wall time in milliseconds |
//! | `audit/head`, `audit/NNNNNNNNNNNN` | the end of the audit chain, and each of its entries |
//! | `command/ID` | the audit entry of a command, so that it has no second effect |
//!
//! A value is one byte, the format (1), and JSON. Fields are only added (I20).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tsugi_cluster_rules::plan::Plan;
use tsugi_cluster_rules::record::{
    AppliedConfig, AuditRecord, Draft, EntryName, EventRecord, Gone, Happening, Record, Versioned,
    Write,
};
use tsugi_ledger::{Change, Entry, Key, View};
use tsugi_vocabulary::{Epoch, GroupName, Index, NodeName, Wall};

use crate::config::hex;

/// The format of every value that this version writes.
pub const FORMAT: u8 = 1;
/// How many plans are kept.
const PLANS: usize = 500;
/// How many events are kept.
const EVENTS: usize = 4000;

/// A value in the ledger cannot be read: it is damaged or of a format that came later.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's entry {key} cannot be read: {why}")]
pub struct Unreadable {
    /// Which entry.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// Why a draft was not put to the ledger: what it was decided on has changed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what this was decided on has changed")]
pub struct Overtaken;

/// One link of the audit chain: an entry and the hash of everything before it (SEC18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct AuditLink {
    /// Its place, from 1.
    pub number: u64,
    /// SHA-256 of the link before, in hexadecimal; zeros for the first.
    pub before: String,
    /// The entry.
    pub entry: AuditRecord,
    /// SHA-256 over number, `before` and the entry.
    pub hash: String,
}

/// Reads the record out of a view. What has not changed since `known` is taken from there.
///
/// # Errors
/// A value that cannot be read; there is no default for one.
pub fn record(view: &View, known: &Record) -> Result<Record, Unreadable> {
    let mut record = Record {
        incarnation: view.incarnation,
        applied: view.applied,
        membership: view.voters.generation,
        voters: view.voters.list.iter().map(|(id, node)| (node.clone(), id.0)).collect(),
        highest_voter: view.voters.highest.0,
        gone: BTreeMap::new(),
        restored: None,
        stretch: None,
        failure_test: None,
        config: None,
        nodes: BTreeMap::new(),
        groups: BTreeMap::new(),
        plan: None,
    };
    if let Some(entry) = view.get("config") {
        let version = known.config.as_ref().map(|c| c.version);
        let config: AppliedConfigHead = value("config", entry)?;
        record.config = match &known.config {
            Some(c) if version == Some(config.version) && c.hash == config.hash => {
                Some(Arc::clone(c))
            }
            Some(_) | None => Some(Arc::new(value::<AppliedConfig>("config", entry)?)),
        };
    }
    if let Some(entry) = view.get("plan/head") {
        let head: PlanHead = value("plan/head", entry)?;
        record.plan = match &known.plan {
            Some(p) if p.generation == head.generation => Some(Arc::clone(p)),
            Some(_) | None => Some(Arc::new(value::<Plan>("plan/head", entry)?)),
        };
    }
    for (key, entry) in view.entries.under("node/") {
        let name = NodeName::new(&key.as_str()["node/".len()..]).map_err(|e| bad(key, &e))?;
        let old = known.nodes.get(&name);
        record.nodes.insert(name, versioned(key, entry, old)?);
    }
    for (key, entry) in view.entries.under("gone/") {
        let name = NodeName::new(&key.as_str()["gone/".len()..]).map_err(|e| bad(key, &e))?;
        record.gone.insert(name, value(key.as_str(), entry)?);
    }
    if let Some(entry) = view.get("restored") {
        record.restored = Some(Arc::new(value("restored", entry)?));
    }
    if let Some(entry) = view.get("stretch") {
        record.stretch = Some(Arc::new(value("stretch", entry)?));
    }
    if let Some(entry) = view.get("failure-test") {
        record.failure_test = Some(Arc::new(value("failure-test", entry)?));
    }
    for (key, entry) in view.entries.under("group/") {
        let name = GroupName::new(&key.as_str()["group/".len()..]).map_err(|e| bad(key, &e))?;
        let old = known.groups.get(&name);
        record.groups.insert(name, versioned(key, entry, old)?);
    }
    Ok(record)
}

/// The first fields of a configuration: enough to know whether it is the one we have.
#[derive(serde::Deserialize)]
struct AppliedConfigHead {
    version: u64,
    hash: String,
}

/// The same for a plan.
#[derive(serde::Deserialize)]
struct PlanHead {
    generation: tsugi_vocabulary::Generation,
}

/// Turns a draft into a change of the ledger.
///
/// # Errors
/// [`Overtaken`] if `view` shows already that a condition does not hold.
pub fn change(draft: &Draft, view: &View, record: &Record) -> Result<Change, Overtaken> {
    let mut change = Change::new();
    for (name, version) in &draft.conditions {
        let key = entry_key(name);
        if record.version(name) != *version {
            return Err(Overtaken);
        }
        change = change.when(key.clone(), view.version(key.as_str()));
    }
    let mut audit = Chain::at(view);
    for (n, write) in draft.writes.iter().enumerate() {
        change = match write {
            Write::Config(c) => change.write(key("config"), encode(&**c)),
            Write::Node(n, r) => change.write(node_key(n), encode(&**r)),
            Write::NodeGone(n) => node_gone(change, record, n),
            Write::Restored(r) => change.write(key("restored"), encode(&**r)),
            Write::Stretch(s) => change.write(key("stretch"), encode(&**s)),
            Write::FailureTest(t) => change.write(key("failure-test"), encode(&**t)),
            Write::Group(g, r) => change.write(group_key(g), encode(&**r)),
            Write::GroupGone(g) => change.remove(group_key(g)),
            Write::Plan(p) => {
                let change = prune(change, view, "plan/", PLANS);
                change
                    .write(key("plan/head"), encode(&**p))
                    .write(key(&format!("plan/{:012}", p.generation.0)), encode(&**p))
            }
            Write::Event(e) => {
                let change = prune(change, view, "event/", EVENTS);
                let same = |w: &&Write| matches!(w, Write::Event(other) if other == e);
                let n = draft.writes[..n].iter().filter(same).count();
                let (key, bytes) = (event_key(e, n), encode(e));
                // A node that was cut off tells again what it had no answer to; once is enough, and
                // the first place stays, also where this view does not reach so far yet.
                match view.get(key.as_str()) {
                    Some(_) => change,
                    None => change.when_absent(key.clone()).write(key, bytes),
                }
            }
            Write::Audit(a) => audit.append(change, a),
        };
    }
    Ok(change)
}

/// The plans that are kept, each with its entry, oldest first.
///
/// # Errors
/// A plan that cannot be read.
pub fn plans(view: &View) -> Result<Vec<Versioned<Plan>>, Unreadable> {
    let numbered = |k: &Key| k.as_str() != "plan/head";
    let plans = view.entries.under("plan/").filter(|(k, _)| numbered(k));
    plans.map(|(k, e)| versioned(k, e, None)).collect()
}

/// The events that are kept, each with its entry, oldest first: by entry, because the clocks that
/// wrote them may have stepped.
///
/// # Errors
/// An event that cannot be read.
pub fn events(view: &View) -> Result<Vec<Versioned<EventRecord>>, Unreadable> {
    events_since(view, Index(0))
}

/// Those of later entries than `since`.
///
/// # Errors
/// An event that cannot be read.
pub fn events_since(view: &View, since: Index) -> Result<Vec<Versioned<EventRecord>>, Unreadable> {
    let later = view.entries.under("event/").filter(|(_, e)| e.version > since);
    let mut events = later
        .map(|(k, e)| versioned(k, e, None).or_else(|unread| untold(e, unread)))
        .collect::<Result<Vec<_>, Unreadable>>()?;
    events.sort_by_key(|event| event.version);
    Ok(events)
}

/// The audit chain, oldest first.
///
/// # Errors
/// A link that cannot be read.
pub fn audit(view: &View) -> Result<Vec<AuditLink>, Unreadable> {
    let numbered = |k: &Key| k.as_str() != "audit/head";
    view.entries
        .under("audit/")
        .filter(|(k, _)| numbered(k))
        .map(|(k, e)| value(k.as_str(), e))
        .collect()
}

/// Whether a command with this id is in the audit already (I21).
#[must_use]
pub fn command_known(view: &View, id: &str) -> bool {
    Key::new(&format!("command/{id}")).is_ok_and(|k| view.get(k.as_str()).is_some())
}

/// The first link whose hash does not follow from what stands before it. The chain begins with
/// number 1: a link that is missing before the first is found as well.
#[must_use]
pub fn audit_break(links: &[AuditLink]) -> Option<u64> {
    let mut before = (0, "0".repeat(64));
    for link in links {
        let follows = before.1 == link.before && before.0 + 1 == link.number;
        if !follows || link_hash(link.number, &link.before, &link.entry) != link.hash {
            return Some(link.number);
        }
        before = (link.number, link.hash.clone());
    }
    None
}

/// The same for the chain that `view` holds, whose end must be the head: a link that was taken
/// away from the end is found too, by the number it had.
///
/// # Errors
/// A link that cannot be read.
pub fn audit_broken_at(view: &View, links: &[AuditLink]) -> Result<Option<u64>, Unreadable> {
    if let Some(number) = audit_break(links) {
        return Ok(Some(number));
    }
    let head = view.get("audit/head").map(|e| value::<AuditLink>("audit/head", e)).transpose()?;
    let last = links.last().map_or(0, |l| l.number);
    Ok((head.as_ref() != links.last()).then_some(last + 1))
}

/// A node that is gone leaves its number behind, which nobody gets again.
fn node_gone(change: Change, record: &Record, name: &NodeName) -> Change {
    let change = change.remove(node_key(name));
    match record.nodes.get(name) {
        Some(node) => change.write(gone_key(name), encode(&Gone::of(&node.value))),
        None => change,
    }
}

struct Chain {
    number: u64,
    head: String,
    at: Index,
}

impl Chain {
    fn at(view: &View) -> Self {
        let head: Option<AuditLink> =
            view.get("audit/head").and_then(|e| value("audit/head", e).ok());
        let at = view.version("audit/head");
        match head {
            Some(link) => Self { number: link.number, head: link.hash, at },
            None => Self { number: 0, head: "0".repeat(64), at },
        }
    }

    fn append(&mut self, change: Change, entry: &AuditRecord) -> Change {
        self.number += 1;
        let before = std::mem::take(&mut self.head);
        let hash = link_hash(self.number, &before, entry);
        self.head.clone_from(&hash);
        let link = AuditLink { number: self.number, before, entry: entry.clone(), hash };
        let bytes = encode(&link);
        let command = key(&format!("command/{}", plain(&entry.command)));
        change
            .when(key("audit/head"), self.at)
            .write(key("audit/head"), bytes.clone())
            .write(key(&format!("audit/{:012}", self.number)), bytes)
            .write(command, encode(&self.number))
    }
}

fn link_hash(number: u64, before: &str, entry: &AuditRecord) -> String {
    let mut hash = Sha256::new();
    hash.update(number.to_be_bytes());
    hash.update(before.as_bytes());
    hash.update(serde_json::to_vec(entry).expect("an audit entry is plain data"));
    hex(hash.finalize())
}

/// Takes the oldest entries under `prefix` away when there are too many.
fn prune(mut change: Change, view: &View, prefix: &str, most: usize) -> Change {
    let kept = view.entries.under(prefix).filter(|(k, _)| !k.as_str().ends_with("/head"));
    let mut keys: Vec<(Index, &Key)> = kept.map(|(k, e)| (e.version, k)).collect();
    let surplus = keys.len().saturating_sub(most);
    if surplus > 0 {
        // The oldest by entry: a key may carry the time of a clock that had stepped.
        keys.sort_unstable();
    }
    for (_, key) in keys.into_iter().take(surplus) {
        change = change.remove(key.clone());
    }
    change
}

fn versioned<T: DeserializeOwned>(
    key: &Key,
    entry: &Entry,
    old: Option<&Versioned<T>>,
) -> Result<Versioned<T>, Unreadable> {
    match old {
        Some(old) if old.version == entry.version => {
            Ok(Versioned { version: old.version, value: Arc::clone(&old.value) })
        }
        Some(_) | None => {
            let value = Arc::new(value::<T>(key.as_str(), entry)?);
            Ok(Versioned { version: entry.version, value })
        }
    }
}

/// An event of which it cannot be read what it is: when it was and whose can be told.
fn untold(entry: &Entry, unread: Unreadable) -> Result<Versioned<EventRecord>, Unreadable> {
    /// Any version writes these.
    #[derive(serde::Deserialize)]
    struct Frame {
        at: Wall,
        by: NodeName,
        group: Option<GroupName>,
        epoch: Option<Epoch>,
    }
    let Ok(Frame { at, by, group, epoch }) = decode(&entry.value) else { return Err(unread) };
    let Unreadable { key, why } = unread;
    let what = match is_of_a_later_version(&why) {
        true => Happening::Unknown,
        false => Happening::Damaged { key, why },
    };
    let value = Arc::new(EventRecord { at, by, group, epoch, what });
    Ok(Versioned { version: entry.version, value })
}

/// Whether a later version may have written what cannot be read for this reason. Such a one adds
/// fields, which are passed over, and words; it leaves out nothing and changes no type (I20).
fn is_of_a_later_version(why: &str) -> bool {
    why.starts_with("unknown variant")
}

fn value<T: DeserializeOwned>(key: &str, entry: &Entry) -> Result<T, Unreadable> {
    decode(&entry.value).map_err(|why| Unreadable { key: key.to_owned(), why })
}

/// The bytes of a value.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, value).expect("records are plain data");
    bytes
}

/// Reads the bytes of a value.
///
/// # Errors
/// What is wrong with them, for people.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&FORMAT, json)) => serde_json::from_slice(json).map_err(|e| e.to_string()),
        Some((format, _)) => Err(format!("format {format}, this version reads {FORMAT}")),
        None => Err("empty".to_owned()),
    }
}

fn bad(key: &Key, why: &dyn std::fmt::Display) -> Unreadable {
    Unreadable { key: key.to_string(), why: why.to_string() }
}

fn plain(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let kept: String = text.chars().filter(fits).take(100).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

fn key(text: &str) -> Key {
    Key::new(text).expect("made of names and numbers")
}

fn node_key(name: &NodeName) -> Key {
    key(&format!("node/{name}"))
}

fn gone_key(name: &NodeName) -> Key {
    key(&format!("gone/{name}"))
}

fn group_key(name: &GroupName) -> Key {
    key(&format!("group/{name}"))
}

/// The same event told twice has the same key; `n` counts its like before it in one draft.
fn event_key(event: &EventRecord, n: usize) -> Key {
    let hash = Sha256::digest(encode(event));
    let hash = hex(&hash[..4]);
    key(&format!("event/{:013}-{}-{hash}-{n}", event.at.0, event.by))
}

fn entry_key(name: &EntryName) -> Key {
    match name {
        EntryName::Config => key("config"),
        EntryName::Node(n) => node_key(n),
        EntryName::Group(g) => group_key(g),
        EntryName::Plan => key("plan/head"),
        EntryName::Audit => key("audit/head"),
    }
}

#[cfg(test)]
mod tests;
