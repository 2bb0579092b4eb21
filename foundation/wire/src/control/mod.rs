//! What the command line asks of the agent of its machine over the control socket, and the answers.
//!
//! One connection carries one [`Ask`] and one [`Answer`], each a length and JSON ([`talk`]).
//! Answers hold no words of any language: what people read is the key of a message or phrase of
//! the catalogue with its values ([`Words`]), and the face fills it in.

pub mod drill;
pub mod gauges;
pub mod listing;
pub mod report;
pub mod talk;
mod utc;
pub mod watched;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Generation, Span};

pub use utc::Utc;

/// The version of these requests and answers. Fields are only added.
pub const VERSION: u16 = 1;

/// A message or phrase of the catalogue with its values, in no language.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Words {
    /// The id of a message, or the key of a phrase.
    pub id: String,
    /// Values by the name of the variable.
    pub values: BTreeMap<String, String>,
}

/// Whether every node looks, before a configuration is applied, what it has of what that needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// They look, and what they find new keeps it from being applied.
    #[default]
    First,
    /// A person takes it as it is.
    Skipped,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// [`VERSION`] of the asker.
    pub version: u16,
    /// What is asked.
    pub request: Request,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// How everything stands.
    Status,
    /// Why a group or node is as it is; `None` asks for all that is not well.
    Why {
        /// A group's or a node's name.
        of: Option<String>,
    },
    /// The last takeover or move: cause, decision, steps, effects.
    Explain {
        /// Of this group only.
        group: Option<String>,
        /// How many before the last one.
        back: u64,
    },
    /// What should be mended before anything fails, and which settings are proven.
    Doctor,
    /// What happened.
    History {
        /// Of this group or node only.
        of: Option<String>,
        /// At most so many, the newest.
        most: u64,
    },
    /// What would happen.
    WhatIf {
        /// If this were so.
        suppose: Suppose,
    },
    /// What a configuration would do if it were applied.
    Plan {
        /// The file's text.
        text: String,
    },
    /// The watched programs.
    Programs,
    /// The newest drill of a group, and what is proven of it.
    Drill {
        /// The group.
        group: String,
    },
    /// The newest failure test.
    FailureTest,
    /// Which node could take which group now: this node looks, and asks the others to.
    Parity {
        /// This group only.
        group: Option<String>,
        /// This node only.
        node: Option<String>,
    },
    /// Times and counts of this node, for a monitoring system.
    Gauges,
    /// Something is to be changed.
    Change(Change),
    /// The applied configuration.
    ConfigShow,
    /// Who did what.
    AuditList {
        /// At most so many, the newest.
        most: u64,
    },
    /// Whether the audit chain is whole.
    AuditVerify,
    /// The ledger as the bytes of one file, into a file of this machine.
    Backup {
        /// Where.
        path: String,
    },
}

/// What is supposed in a `whatif`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "suppose", rename_all = "kebab-case")]
pub enum Suppose {
    /// A node loses its power.
    NodeLost {
        /// The node.
        node: String,
    },
    /// A node is drained.
    Drain {
        /// The node.
        node: String,
    },
    /// A group is stopped.
    Stop {
        /// The group.
        group: String,
    },
    /// A group is moved.
    Move {
        /// The group.
        group: String,
        /// Where.
        to: String,
    },
    /// An interface of a node goes down.
    LinkDown {
        /// The node.
        node: String,
        /// The interface.
        link: String,
    },
}

/// Something that is to be changed, and what the audit keeps of the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The command's id; a second one with the same id has no effect.
    pub command: String,
    /// The words of the command as they were typed.
    pub words: String,
    /// The reason; empty if none was given.
    pub reason: String,
    /// The terminal or client it comes from.
    pub origin: String,
    /// The generation that the person decided on; none takes the newest at arrival.
    pub decided_on: Option<Generation>,
    /// Carried out, or only looked at.
    pub how: How,
    /// What.
    pub what: Operation,
}

/// Which mirrored volumes are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MirrorOf {
    /// Those of this group.
    Group(String),
    /// Those of the group of which one is this resource of DRBD.
    Resource(String),
}

/// Whether a change is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It is.
    ForReal,
    /// It is only said what would happen.
    DryRun,
}

/// In place of a group's name, where a change may be for all of them; no group can be called so.
pub const ALL_GROUPS: &str = "*";

/// The changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Operation {
    /// Found a cluster on this node.
    Init {
        /// The configuration file's text.
        text: String,
    },
    /// Make this node one of the cluster that the token is from.
    Join {
        /// The one-time token.
        token: String,
    },
    /// Make a one-time token for a node.
    Token {
        /// The node.
        node: String,
        /// How long it is good.
        good_for: Span,
    },
    /// Take a node out of the cluster for good.
    Leave {
        /// The node.
        node: String,
    },
    /// Move everything off a node and keep it free.
    Drain {
        /// The node.
        node: String,
    },
    /// Let a drained node own groups again.
    Undrain {
        /// The node.
        node: String,
    },
    /// Start a group.
    Start {
        /// The group.
        group: String,
        /// Where, if it is said.
        on: Option<String>,
        /// What it inherits.
        option: StartOption,
    },
    /// Stop a group.
    Stop {
        /// The group.
        group: String,
    },
    /// Move a group.
    Move {
        /// The group.
        group: String,
        /// Where, if it is said.
        to: Option<String>,
    },
    /// Try a takeover of a group: it goes to another node and comes back by itself.
    Drill {
        /// The group.
        group: String,
        /// Where, if it is said.
        to: Option<String>,
        /// For how long after the order, before it goes back by itself.
        window: Span,
        /// For how long it may be out of service in one direction.
        gap: Span,
    },
    /// Show on another node what it could do with a copy; the group is not touched.
    Rehearse {
        /// The group.
        group: String,
        /// On which node, if it is said.
        on: Option<String>,
        /// What is to be shown.
        level: drill::Beside,
        /// For how long it may take.
        limit: Span,
    },
    /// Make something fail on purpose; the cluster puts it right by itself. Only where the
    /// configuration says that the cluster is for tests.
    FailureTest {
        /// What.
        failure: drill::Failure,
        /// How long after the order what is to follow has to be there.
        within: Span,
    },
    /// Have the group of a drill go back now.
    DrillBack {
        /// The group.
        group: String,
    },
    /// Leave a group alone.
    Pause {
        /// The group.
        group: String,
        /// For how long; none until resumed.
        hold: Option<Span>,
    },
    /// Watch a paused group again.
    Resume {
        /// The group.
        group: String,
        /// What is said of an owner that is lost.
        #[serde(default)]
        vouch: Vouch,
    },
    /// Forget a group's failures, and where an operator put it.
    Clear {
        /// The group.
        group: String,
    },
    /// Have a program started and watched.
    Load {
        /// In which group.
        run: watched::Run,
        /// Under which id.
        id: String,
        /// What.
        load: Box<watched::Load>,
    },
    /// End the watch over a program, then the program.
    Kill {
        /// The run of a group that asks, if one does.
        run: Option<watched::Run>,
        /// The id.
        id: String,
        /// How long it may take to end by itself.
        within: Span,
    },
    /// Suspend the watch over a program.
    Hold {
        /// The run of a group that asks, if one does.
        run: Option<watched::Run>,
        /// The id.
        id: String,
    },
    /// Take the watch over a program up again.
    Watch {
        /// The run of a group that asks, if one does.
        run: Option<watched::Run>,
        /// The id.
        id: String,
    },
    /// Write down that this node writes the mirrored volumes of its group alone, if it may.
    MirrorAlone {
        /// The group, or the name that DRBD has for one of its volumes.
        of: MirrorOf,
    },
    /// Write down that all copies of them are alike.
    MirrorAlike {
        /// The group.
        group: String,
        /// The word of the ledger after which that was seen.
        mark: u64,
    },
    /// Write down that what this node writes to them only the other node's copy has.
    MirrorThere {
        /// The group.
        group: String,
        /// The other node.
        newest: String,
        /// The word of the ledger after which that was seen.
        mark: u64,
    },
    /// Write down that a person keeps this node's copy of them, whichever was written last.
    MirrorChosen {
        /// The group.
        group: String,
    },
    /// Do not have one monitor asked.
    SuspendMonitor {
        /// Of which group.
        group: String,
        /// Of which resource.
        resource: String,
        /// Its name, if it has one.
        monitor: Option<String>,
        /// For how long; none until resumed.
        hold: Option<Span>,
    },
    /// Have it asked again.
    ResumeMonitor {
        /// Of which group.
        group: String,
        /// Of which resource.
        resource: String,
        /// Its name, if it has one.
        monitor: Option<String>,
    },
    /// Make a configuration the applied one, on all nodes or none.
    Apply {
        /// The file's text.
        text: String,
        /// Undo it unless it is confirmed within this time.
        confirm_within: Option<Span>,
        /// Whether the nodes look first.
        #[serde(default)]
        verify: Verify,
    },
    /// Keep what was applied.
    Confirm,
    /// Make every heartbeat and monitor time-out longer for a limited time.
    Stretch {
        /// By what they are multiplied.
        ratio: u32,
        /// For how long.
        within: Span,
    },
    /// Have them as they were.
    StretchEnd,
    /// Go back to the configuration before one that was not confirmed in time.
    Undo {
        /// That file's text.
        text: String,
    },
    /// Have a node switched off by its device.
    Fence {
        /// The node.
        node: String,
    },
    /// Say that a silent node has no power: its groups may be taken.
    ConfirmOff {
        /// The node.
        node: String,
    },
}

/// What an operator wants a start to inherit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartOption {
    /// As the table decides.
    #[default]
    None,
    /// Nothing.
    Fresh,
    /// What there is.
    Inherit,
}

/// What an operator says of the lost owner of a paused group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vouch {
    /// Nothing.
    #[default]
    Nothing,
    /// It is off.
    OwnerIsOff,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`VERSION`] of the answerer.
    pub version: u16,
    /// When the answer was true.
    pub observed_at: Utc,
    /// The node that it was true on.
    pub observed_by: String,
    /// The answer.
    pub reply: Reply,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(report::Status),
    /// To [`Request::Programs`].
    Programs(watched::Programs),
    /// To [`Request::Drill`].
    Drill(drill::Drills),
    /// To [`Request::FailureTest`]; none where there was none yet.
    FailureTest {
        /// The newest one.
        newest: Option<drill::FailureTest>,
    },
    /// To [`Request::Why`].
    Why(report::Why),
    /// To [`Request::Explain`].
    Explain(report::Explain),
    /// To [`Request::Doctor`].
    Doctor(report::Doctor),
    /// To [`Request::History`].
    History(report::History),
    /// To [`Request::WhatIf`] and [`Request::Plan`], and to a change that is not carried out.
    Outlook(report::Outlook),
    /// To a change that was carried out.
    Done(report::Done),
    /// To [`Request::ConfigShow`].
    Config(report::Config),
    /// To [`Request::AuditList`].
    Audit(report::Audit),
    /// To [`Request::AuditVerify`].
    Verified(report::Verified),
    /// To [`Request::Parity`].
    Parity(report::Parity),
    /// To [`Request::Gauges`].
    Gauges(gauges::Gauges),
    /// To anything that was not done.
    No(report::Refused),
}
