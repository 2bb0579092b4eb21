//! Operators' commands: each is refused with the first rule that speaks against it, or becomes
//! one ledger entry with its effect, its plan and its line in the audit.
//!
//! Every rule is asked; of those that refuse, the one with the lowest number answers, so the
//! precedence is the numbering and nothing else.

mod config;
mod drill;
mod effect;
mod failure;
mod group;
mod mirror;
mod monitor;
mod node;
mod stretch;
mod watch;

use std::collections::BTreeSet;

use tsugi_vocabulary::{Generation, GroupName, NodeName, Span, Wall};

use crate::drill::failure::{Failure, Verdict};
use crate::drill::{Back, Depth};
use crate::mirror::Says;
use crate::monitors::MonitorId;
use crate::mutant::{any_planted, mutant};
use crate::plan::Situation;
use crate::planner::{self, Planned, Weight};
use crate::record::{AppliedConfig, AuditRecord, Draft, Order, Record, Write};
use crate::refusal::Refusal;
use crate::start_kind::StartOption;
use crate::watch::Load;
use effect::Effect;

pub use drill::Lines;
pub use watch::Run;

/// What an operator asks for. A group may be named by the parallel group that it is a member of:
/// then all its members are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run it; on this node, if one is named.
    GroupStart {
        /// Which.
        group: GroupName,
        /// What it inherits.
        option: StartOption,
        /// Where.
        node: Option<NodeName>,
    },
    /// Stop it and keep it stopped.
    GroupStop {
        /// Which.
        group: GroupName,
    },
    /// Hand it over; to the next node that can take it, if none is named.
    GroupMove {
        /// Which.
        group: GroupName,
        /// Where to.
        to: Option<NodeName>,
    },
    /// Leave it alone (L9).
    GroupPause {
        /// Which.
        group: GroupName,
        /// Until when; none is until resumed.
        until: Option<Wall>,
    },
    /// Leave every group alone: the cluster is suspended (CL-34).
    AllPause {
        /// Until when; none is until resumed.
        until: Option<Wall>,
    },
    /// End every pause.
    AllResume {
        /// What is said of owners that are lost.
        vouch: Vouch,
    },
    /// End a pause.
    GroupResume {
        /// Which.
        group: GroupName,
        /// What is said of an owner that is lost.
        vouch: Vouch,
    },
    /// Forget its failures, and where an operator put it.
    GroupClear {
        /// Which.
        group: GroupName,
    },
    /// Try a takeover: it goes to another node and comes back by itself.
    GroupDrill {
        /// Which.
        group: GroupName,
        /// Where to; to the next node that can take it, if none is named.
        to: Option<NodeName>,
        /// How far it may go.
        lines: Lines,
    },
    /// Show on another node what it could do with a copy; the group is not touched.
    GroupRehearse {
        /// Which.
        group: GroupName,
        /// On which node; on the next that can take it, if none is named.
        on: Option<NodeName>,
        /// What is to be shown.
        depth: Depth,
        /// For how long it may take.
        limit: Span,
    },
    /// The group of a drill goes back now.
    DrillBack {
        /// Which.
        group: GroupName,
        /// Why.
        because: Back,
        /// For how long it was out of service so far, if that was seen.
        gap: Option<Span>,
    },
    /// One step of a plan of tests by which a group is moved, and comes back (PH-17): a drill, in
    /// a cluster that is for tests only.
    TestMove {
        /// Which.
        group: GroupName,
        /// Where to; to the next node that can take it, if none is named.
        to: Option<NodeName>,
        /// How far it may go.
        lines: Lines,
    },
    /// Make something fail on purpose, and put it right again (PH-17).
    FailureTest {
        /// What.
        failure: Failure,
        /// How long after the order what is to follow has to be there.
        within: Span,
    },
    /// What a failure test has put out of service comes back.
    FailureTestBack {
        /// What came of it so far.
        verdict: Verdict,
    },
    /// A failure test is over.
    FailureTestEnd {
        /// What came of it.
        verdict: Verdict,
    },
    /// Have a program started and watched under an id, in the group that this node runs.
    ProcLoad {
        /// The group, and the run of it that asks.
        run: Run,
        /// The id, as it was given.
        id: String,
        /// What.
        load: Box<Load>,
    },
    /// End the watch over a program, and then the program.
    ProcKill {
        /// The run of a group that asks, if one does.
        run: Option<Run>,
        /// The id.
        id: String,
        /// How long it may take to end by itself.
        within: Span,
    },
    /// Suspend the watch over a program.
    ProcHold {
        /// The run of a group that asks, if one does.
        run: Option<Run>,
        /// The id.
        id: String,
    },
    /// Take the watch over a program up again.
    ProcWatch {
        /// The run of a group that asks, if one does.
        run: Option<Run>,
        /// The id.
        id: String,
    },
    /// The owner of a group says which copy of its mirrored volumes is written.
    MirrorSays {
        /// Of which group.
        group: GroupName,
        /// What.
        says: Says,
    },
    /// Do not have one monitor asked.
    MonitorSuspend {
        /// Of which group.
        group: GroupName,
        /// Which.
        id: MonitorId,
        /// Until when; none is until resumed.
        until: Option<Wall>,
    },
    /// Have it asked again.
    MonitorResume {
        /// Of which group.
        group: GroupName,
        /// Which.
        id: MonitorId,
    },
    /// Every heartbeat and monitor time-out is longer for a limited time (CL-35).
    Stretch {
        /// By what it is multiplied.
        ratio: u32,
        /// For how long.
        within: Span,
    },
    /// They are as they were.
    StretchEnd,
    /// A node of the configuration joins.
    NodeJoin {
        /// Which.
        node: NodeName,
        /// The fingerprint of its certificate.
        certificate: String,
        /// Its number among the voters.
        number: Number,
        /// Who kept the former life of the ledger as far as it knew, if it comes in from there.
        former: BTreeSet<NodeName>,
    },
    /// Its groups move away and none comes.
    NodeDrain {
        /// Which.
        node: NodeName,
    },
    /// It may own groups again.
    NodeUndrain {
        /// Which.
        node: NodeName,
    },
    /// It shuts down.
    NodeLeave {
        /// Which.
        node: NodeName,
    },
    /// It is gone for good.
    NodeRemove {
        /// Which.
        node: NodeName,
    },
    /// It was named lost and has come back: it has put its own copy of the former ledger aside.
    NodeStoodAside {
        /// Which.
        node: NodeName,
        /// The fingerprint of its certificate, which is refused from then on.
        certificate: String,
    },
    /// Its device switches it off (L7).
    NodeFence {
        /// Which.
        node: NodeName,
    },
    /// The operator vouches that the machine is off (L7).
    NodeConfirmOff {
        /// Which.
        node: NodeName,
    },
    /// Another configuration for all nodes.
    ConfigApply {
        /// The configuration; its version is set here.
        config: Box<AppliedConfig>,
    },
    /// The applied configuration stays.
    ConfigConfirm,
    /// The configuration before the unconfirmed one comes back.
    ConfigUndo {
        /// That configuration; its version is set here.
        config: Box<AppliedConfig>,
    },
}

/// Which number a joining node gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// The one it was founded with, if that was never handed out.
    OfTheFounding,
    /// One that nobody ever had.
    New,
}

/// What an operator says of the owner of a paused group that is lost. Its guardian is disarmed
/// while the pause stands (L9): if it is not off, it may run the group still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vouch {
    /// Nothing.
    #[default]
    Nothing,
    /// It is off.
    OwnerIsOff,
}

/// A command as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// What is asked for.
    pub command: Command,
    /// The same in the operator's words.
    pub words: String,
    /// The person: the user of the socket's peer, and the login behind it.
    pub person: String,
    /// Where it came from.
    pub origin: String,
    /// Its id; the same id twice is the same command.
    pub command_id: String,
    /// The plan generation that the person decided on.
    pub decided_on: Generation,
    /// The reason given; empty if none.
    pub reason: String,
    /// When.
    pub at: Wall,
    /// What the audit knows of this id.
    pub before: Before,
}

impl Issued {
    /// What a node does by itself of what a person has ordered: in the name of that person, under
    /// the id of the order and of this part of it.
    pub(crate) fn by_itself(
        situation: &Situation<'_>,
        (command, words): (Command, String),
        (order, part): (&Order, &str),
    ) -> Self {
        Self {
            command,
            words,
            person: order.by.clone(),
            origin: situation.by.to_string(),
            command_id: format!("{}-{part}", order.command),
            decided_on: situation.record.generation(),
            reason: order.reason.clone(),
            at: situation.at,
            before: Before::New,
        }
    }
}

/// What the audit knows of a command's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    New,
    /// It was carried out.
    CarriedOut,
}

/// Decides on a command. The draft holds the effect, the plan that follows from it and the line
/// in the audit, all or nothing.
///
/// # Errors
/// The refusal with the lowest number of those that hold; nothing changes.
pub fn decide(situation: &Situation<'_>, issued: &Issued) -> Result<Draft, Refusal> {
    planned(situation, issued).and_then(|planned| planned.draft.ok_or(NO_CONFIGURATION))
}

/// Without a configuration there is neither a group nor a node that a command could name.
const NO_CONFIGURATION: Refusal = Refusal::NoSuchGroup { group: String::new() };

/// The same with its plan, for a dry run.
///
/// # Errors
/// As [`decide`].
pub fn planned(situation: &Situation<'_>, issued: &Issued) -> Result<Planned, Refusal> {
    let mut effect = Effect::new(situation, issued);
    if issued.before == Before::CarriedOut {
        effect.refuse(Refusal::Repeated { command: issued.command_id.clone() });
    }
    let newest = situation.record.generation();
    if issued.decided_on != newest && !mutant("stale-view-accepted") {
        effect.refuse(Refusal::StaleView { decided_on: issued.decided_on, newest });
    }
    match &issued.command {
        Command::GroupStart { group, option, node } => {
            group::start(&mut effect, group, *option, node.as_ref());
        }
        Command::GroupStop { group } => group::stop(&mut effect, group),
        Command::GroupMove { group, to } => group::relocate(&mut effect, group, to.as_ref()),
        Command::GroupPause { group, until } => group::pause(&mut effect, group, *until),
        Command::AllPause { until } => group::pause_all(&mut effect, *until),
        Command::AllResume { vouch } => group::resume_all(&mut effect, *vouch),
        Command::GroupResume { group, vouch } => group::resume(&mut effect, group, *vouch),
        Command::GroupClear { group } => group::clear(&mut effect, group),
        Command::GroupDrill { group, to, lines } => {
            drill::begin(&mut effect, group, to.as_ref(), *lines);
        }
        Command::GroupRehearse { group, on, depth, limit } => {
            drill::rehearse(&mut effect, group, on.as_ref(), (*depth, *limit));
        }
        Command::TestMove { group, to, lines } => {
            failure::relocate(&mut effect, group, to.as_ref(), *lines);
        }
        Command::FailureTest { failure, within } => failure::begin(&mut effect, failure, *within),
        Command::FailureTestBack { verdict } => failure::back(&mut effect, *verdict),
        Command::FailureTestEnd { verdict } => failure::end(&mut effect, *verdict),
        Command::DrillBack { group, because, gap } => {
            drill::back(&mut effect, group, (*because, *gap));
        }
        Command::ProcLoad { run, id, load } => watch::load(&mut effect, (run, id), load),
        Command::ProcKill { run, id, within } => {
            watch::kill(&mut effect, (run.as_ref(), id), *within);
        }
        Command::ProcHold { run, id } => watch::hold(&mut effect, (run.as_ref(), id)),
        Command::ProcWatch { run, id } => watch::watch(&mut effect, (run.as_ref(), id)),
        Command::MirrorSays { group, says } => mirror::say(&mut effect, group, says),
        Command::MonitorSuspend { group, id, until } => {
            monitor::suspend(&mut effect, (group, id), *until);
        }
        Command::MonitorResume { group, id } => monitor::resume(&mut effect, group, id),
        Command::Stretch { ratio, within } => stretch::begin(&mut effect, *ratio, *within),
        Command::StretchEnd => stretch::end(&mut effect),
        Command::NodeJoin { node, certificate, number, former } => {
            node::join(&mut effect, node, (certificate, *number));
            node::bring_list(&mut effect, former);
        }
        Command::NodeDrain { node } => node::drain(&mut effect, node),
        Command::NodeUndrain { node } => node::undrain(&mut effect, node),
        Command::NodeLeave { node } => node::leave(&mut effect, node),
        Command::NodeRemove { node } => node::remove(&mut effect, node),
        Command::NodeStoodAside { node, certificate } => {
            node::stood_aside(&mut effect, node, certificate);
        }
        Command::NodeFence { node } => node::fence(&mut effect, node),
        Command::NodeConfirmOff { node } => node::confirm_off(&mut effect, node),
        Command::ConfigApply { config } => config::apply(&mut effect, config),
        Command::ConfigConfirm => config::confirm(&mut effect),
        Command::ConfigUndo { config } => config::undo(&mut effect, config),
    }
    let planned = effect.carry_out()?;
    let faults = crate::check::check(situation.record, &planned);
    debug_assert!(faults.is_empty() || any_planted(), "{:?} breaks {faults:?}", issued.command);
    Ok(planned)
}

/// The entry that keeps a refused command in the audit.
#[must_use]
pub fn refused(issued: &Issued, refusal: &Refusal) -> Draft {
    let outcome = format!("refused {}: {}", refusal.number(), refusal.word());
    Draft::default().write(Write::Audit(audit(issued, outcome)))
}

fn audit(issued: &Issued, outcome: String) -> AuditRecord {
    AuditRecord {
        at: issued.at,
        command: issued.command_id.clone(),
        person: issued.person.clone(),
        origin: issued.origin.clone(),
        words: issued.words.clone(),
        reason: issued.reason.clone(),
        decided_on: issued.decided_on,
        outcome,
    }
}

fn order(issued: &Issued) -> Order {
    Order {
        by: issued.person.clone(),
        reason: issued.reason.clone(),
        at: issued.at,
        command: issued.command_id.clone(),
    }
}

/// The plan that follows from a command's own changes.
fn plan_after(
    situation: &Situation<'_>,
    record: &Record,
    asked: &std::collections::BTreeMap<GroupName, planner::Asked>,
) -> Planned {
    let after = Situation { record, ..situation.clone() };
    planner::plan_asked(&after, asked, Weight::Always)
}
