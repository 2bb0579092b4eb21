//! What the agent answers: facts with the keys of their words. The command line prints them as
//! text or, with `--json`, as they are; fields are only added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::listing::Listing;
use super::{Utc, Words};

/// How everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name; none before `init`.
    pub cluster: Option<String>,
    /// What needs a person, the worst first.
    pub needs: Vec<Need>,
    /// What is weaker than it could be by somebody's choice; nobody has to act.
    pub notes: Vec<Words>,
    /// The votes.
    pub votes: Votes,
    /// Every machine.
    pub nodes: Vec<Node>,
    /// Every group.
    pub groups: Vec<Group>,
    /// The generation of the newest plan.
    pub generation: u64,
    /// The applied configuration.
    pub config: Option<ConfigHead>,
    /// Everything, row by row, in the status words of the former product.
    #[serde(default)]
    pub listing: Listing,
    /// That the time-outs are stretched, if they are.
    #[serde(default)]
    pub stretch: Option<Stretch>,
}

/// Something that a person should do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// `E` if service stands still or may double, `W` if it goes on.
    pub severity: String,
    /// The group, node or cluster it is about.
    pub about: String,
    /// What it is.
    pub what: Words,
    /// More words to it: a first cause, a reason.
    pub because: Option<Words>,
    /// The command to run next.
    pub next: Option<String>,
}

/// What should be mended before anything fails, and which settings are proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// What was found.
    pub findings: Vec<Need>,
    /// Every setting on which a takeover rests.
    pub settings: Vec<Setting>,
}

/// One setting, and whether anything has shown that it does what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The group or node it is of.
    pub about: String,
    /// Its key and value.
    pub setting: String,
    /// Whether it is proven.
    pub proven: bool,
    /// By what, or why not.
    pub because: Words,
}

/// Which node could take which group now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parity {
    /// For every group and every node that may run it.
    pub verdicts: Vec<CouldTake>,
    /// What the node that was asked has itself, for one that cannot be asked to compare with.
    pub inventory: Value,
}

/// Whether one node could take one group now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouldTake {
    /// The group.
    pub group: String,
    /// The node.
    pub node: String,
    /// The node that it was compared with.
    pub against: Option<String>,
    /// `yes`, `no` or `unknown`.
    pub could: String,
    /// What speaks against it.
    pub gaps: Vec<ParityGap>,
}

/// One thing that speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityGap {
    /// What it is about: `kind:name`.
    pub item: String,
    /// What is wrong with it.
    pub what: Words,
}

/// The time-outs are stretched for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// By what they are multiplied.
    pub ratio: u32,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Utc,
    /// When it ends by itself.
    pub until: Utc,
    /// How long it takes now until the work of a lost node may be continued.
    pub takes_over_within_ms: u64,
}

/// Who votes and who is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    /// How many voters there are.
    pub of: u64,
    /// How many of them are heard, this one among them.
    pub heard: u64,
    /// How many are a majority.
    pub needed: u64,
    /// Who leads the ledger, if that is known.
    pub leader: Option<String>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `node` or `witness`.
    pub role: String,
    /// `up`, `isolated`, `missing`, `left`, `unknown`.
    pub state: String,
    /// `in-service`, `drained`, `leaving`.
    pub intent: String,
    /// For how long it has not been heard.
    pub silent_ms: Option<u64>,
    /// Whether it leads the ledger.
    pub leads: bool,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its interfaces that are known: `up` or `down`.
    pub links: BTreeMap<String, String>,
    /// The groups it owns.
    pub groups: Vec<String>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// `running`, `starting`, `stopping`, `moving`, `failed`, `stopped`, `given-up`, `waiting`,
    /// `down`.
    pub state: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Its owner.
    pub owner: Option<String>,
    /// The highest epoch given out.
    pub epoch: String,
    /// Why its owner has it.
    pub cause: Option<Words>,
    /// The cause as data.
    pub cause_data: Option<Value>,
    /// How long its lease still runs; only known to its owner.
    pub lease_ms: Option<u64>,
    /// Its nodes, best first.
    pub prefer: Vec<String>,
    /// The directions in which a drill has last seen a move of it hold.
    #[serde(default)]
    pub proven: Vec<super::drill::Proven>,
}

/// The applied configuration without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigHead {
    /// Counts the applied configurations.
    pub version: u64,
    /// SHA-256 of the text.
    pub hash: String,
    /// Whether it undoes itself unless it is confirmed, and within how many milliseconds.
    pub unconfirmed_within_ms: Option<u64>,
    /// When one that waits for its confirmation was applied.
    #[serde(default)]
    pub unconfirmed_since: Option<Utc>,
    /// When it undoes itself.
    #[serde(default)]
    pub undone_at: Option<Utc>,
    /// The language of messages, if it names one.
    #[serde(default)]
    pub language: Option<String>,
}

/// Why groups are as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The answers, by group.
    pub groups: Vec<WhyGroup>,
    /// The node that was asked about.
    #[serde(default)]
    pub node: Option<WhyNode>,
}

/// Why a node has what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyNode {
    /// The node.
    pub node: String,
    /// How it stands, and what it runs.
    pub stands: Vec<Words>,
    /// What it cannot take now, of the groups that name it and run elsewhere or nowhere.
    pub cannot_take: Vec<CannotTake>,
    /// The command to run next, if one would change anything.
    pub next: Option<String>,
}

/// A group that a node cannot take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannotTake {
    /// The group.
    pub group: String,
    /// The first reason.
    pub why: Words,
}

/// Why one group is as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyGroup {
    /// The group.
    pub group: String,
    /// How it stands, and what holds it there.
    pub stands: Vec<Words>,
    /// Why its owner has it.
    pub cause: Option<Words>,
    /// Every other node and the first reason against it.
    pub rejected: Vec<Words>,
    /// The command to run next, if one would change anything.
    pub next: Option<String>,
}

/// One takeover or move as a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explain {
    /// The story; none if there has been no takeover and no move yet.
    pub story: Option<Story>,
}

/// The chain: sighting, decision, steps, effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The group.
    pub group: String,
    /// Who had it before, if anyone.
    pub from: Option<String>,
    /// Who has it then, if anyone.
    pub to: Option<String>,
    /// The epoch it was given out under.
    pub epoch: String,
    /// The plan that decided.
    pub generation: u64,
    /// The first cause.
    pub cause: Words,
    /// The first cause as data.
    pub cause_data: Value,
    /// What was seen.
    pub sightings: Vec<Moment>,
    /// What was chosen.
    pub decision: Moment,
    /// Every other node and the first reason against it.
    pub rejected: Vec<Words>,
    /// What was done.
    pub steps: Vec<Moment>,
    /// What came of it.
    pub effects: Vec<Moment>,
    /// From the first sign of the cause until the group was in service again.
    pub without_service_ms: Option<u64>,
}

/// One thing at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Utc,
    /// Who wrote it.
    pub by: String,
    /// What.
    pub what: Words,
}

/// What happened, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The lines.
    pub lines: Vec<HistoryLine>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// When.
    pub at: Utc,
    /// Who wrote it.
    pub by: String,
    /// The group it is about.
    pub group: Option<String>,
    /// The epoch it is about.
    pub epoch: Option<String>,
    /// What.
    pub what: Words,
    /// The event as data.
    pub data: Value,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// What is supposed, if anything is.
    pub suppose: Option<Words>,
    /// What would become of each group that changes.
    pub groups: Vec<GroupOutlook>,
    /// What would change in the configuration.
    pub config: Vec<Words>,
    /// Whether a majority would be left.
    pub majority: bool,
    /// What should be known before.
    #[serde(default)]
    pub notes: Vec<Words>,
}

impl Outlook {
    /// Nothing would change.
    #[must_use]
    pub fn nothing() -> Self {
        let (groups, config, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { suppose: None, groups, config, majority: true, notes }
    }
}

/// What would become of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOutlook {
    /// The group.
    pub group: String,
    /// What would become of it.
    pub what: Words,
    /// Every node that was considered and not chosen.
    pub rejected: Vec<Words>,
}

/// A change that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Its id, as the audit has it.
    pub command: String,
    /// What was done.
    pub what: Words,
    /// The entry of the ledger it is, if it is one.
    pub index: Option<u64>,
    /// Something that is told once and kept nowhere, as a token.
    pub secret: Option<String>,
    /// The plan that it became.
    #[serde(default)]
    pub generation: Option<u64>,
    /// What is to come of it, for whoever waits.
    #[serde(default)]
    pub goals: Vec<Goal>,
    /// What somebody has yet to say before it stays.
    #[serde(default)]
    pub waits_for: Option<Waits>,
    /// Whether nothing was changed, because everything is as it was asked for.
    #[serde(default)]
    pub already_so: bool,
    /// What is weaker from now on.
    #[serde(default)]
    pub notes: Vec<Words>,
}

impl Done {
    /// Something that is done once it is told.
    #[must_use]
    pub fn at_once(command: &str, what: Words) -> Self {
        Self {
            command: command.to_owned(),
            what,
            index: None,
            secret: None,
            generation: None,
            goals: Vec::new(),
            waits_for: None,
            already_so: false,
            notes: Vec::new(),
        }
    }
}

/// What a change is to lead to, for one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// The group.
    pub group: String,
    /// How it is to stand.
    #[serde(flatten)]
    pub wants: Wants,
}

/// How a group is to stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wants", rename_all = "kebab-case")]
pub enum Wants {
    /// It runs on this node, or on any.
    Running {
        /// The node.
        node: Option<String>,
    },
    /// It runs nowhere.
    Stopped,
    /// It is no longer on this node.
    Away {
        /// The node.
        node: String,
    },
    /// It is watched again.
    Watched,
}

/// Something that waits for a person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// What for.
    pub what: Words,
    /// The command that gives the word.
    pub next: Option<String>,
}

/// The applied configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Version and hash.
    pub head: ConfigHead,
    /// The file's text.
    pub text: String,
}

/// Who did what, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The lines.
    pub lines: Vec<AuditLine>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Its place in the chain.
    pub number: u64,
    /// When.
    pub at: Utc,
    /// Who.
    pub person: String,
    /// From where.
    pub origin: String,
    /// The words.
    pub words: String,
    /// The reason.
    pub reason: String,
    /// The generation it was decided on.
    pub decided_on: u64,
    /// What came of it.
    pub outcome: String,
    /// The command's id.
    pub command: String,
    /// The hash of the chain up to here.
    pub hash: String,
}

/// Whether the audit chain is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the last one.
    pub hash: String,
    /// The first entry that does not follow from those before it.
    pub broken_at: Option<u64>,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What kind of no it is.
    pub kind: No,
    /// The number of the rule that refused; 0 if none did.
    pub rule: u16,
    /// The words.
    pub what: Words,
    /// More words: the reasons, node by node.
    pub because: Vec<Words>,
    /// The command to run next.
    pub next: Option<String>,
}

/// The kinds of no, each an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum No {
    /// It was tried and failed.
    Failed,
    /// A rule refused it; nothing was changed.
    Refused,
    /// There is no such thing.
    NotFound,
    /// It is not finished; it may still be carried out.
    StillRunning,
    /// No majority can be reached.
    NoMajority,
    /// This person may not.
    NotPermitted,
}
