//! The steps of a call, each of which its engine may not survive: what the rules order, and what is
//! durable before anybody knows of it.

use tsugi_service_rules::call::{Answer, Order};
use tsugi_service_rules::epoch::fence;
use tsugi_service_rules::sitting;

use crate::store::Kind;

/// A step; an engine is killed once it is taken and before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The server's store is looked at, before any call.
    Look,
    /// The own session on the server is named.
    Name,
    /// The own epoch is in the store; on a server sessions of others may be there.
    Raise,
    /// The sessions of others are told to end.
    End,
    /// Its bytes are here.
    Arrive,
    /// The store is asked for it.
    Find,
    /// Its body is to be read by a former interface.
    Decode,
    /// That it will act outside is ordered to be written.
    Start,
    /// That it will act outside is durable, and nobody has been told.
    Started,
    /// A worker has it.
    Run,
    /// The transaction of its sitting is begun.
    Begin,
    /// Its unit of work is open on the volume.
    Open,
    /// Its row is claimed on the server.
    Claim,
    /// Its program has worked, and its answer is on its way to the table.
    Work,
    /// Its answer is to be kept.
    Keep,
    /// Its answer is inserted.
    Insert,
    /// Its savepoint is released.
    Release,
    /// The commit is written, or on its way to the server.
    Commit,
    /// The commit is durable, and nobody has been told.
    Durable,
    /// The writer has heard of the commit, and the table has not.
    Kept,
    /// Its caller is told its answer.
    Tell,
    /// Its caller is told something else.
    TellElse,
    /// Its unit of work is rolled back to its begin.
    RollBackTo,
    /// All of its sitting is rolled back.
    RollBack,
    /// Its answer could not be inserted.
    NotInserted,
    /// It has held up others, and is to run alone.
    TurnOut,
    /// Its sitting is gone.
    Gone,
    /// Its sitting found the disk full.
    Full,
    /// It is ended without being run again.
    GiveUp,
    /// It is rolled back with its worker.
    Drop,
    /// The worker of a call that acted outside is ended.
    Kill,
    /// That it is unknown is ordered to be written.
    KeepUnknown,
    /// That it is unknown is durable, and nobody has been told.
    Unknown,
    /// What its commit has left is to be looked up.
    Clear,
    /// What is kept of it is ordered to be changed.
    Change,
    /// What is kept of it is changed, and nobody has been told.
    Changed,
    /// Of a move: what is not written yet of it is not written.
    LeaveUnwritten,
}

/// All of them.
pub const STEPS: &[Step] = &[
    Step::Look,
    Step::Name,
    Step::Raise,
    Step::End,
    Step::Arrive,
    Step::Find,
    Step::Decode,
    Step::Start,
    Step::Started,
    Step::Run,
    Step::Begin,
    Step::Open,
    Step::Claim,
    Step::Work,
    Step::Keep,
    Step::Insert,
    Step::Release,
    Step::Commit,
    Step::Durable,
    Step::Kept,
    Step::Tell,
    Step::TellElse,
    Step::RollBackTo,
    Step::RollBack,
    Step::NotInserted,
    Step::TurnOut,
    Step::Gone,
    Step::Full,
    Step::GiveUp,
    Step::Drop,
    Step::Kill,
    Step::KeepUnknown,
    Step::Unknown,
    Step::Clear,
    Step::Change,
    Step::Changed,
    Step::LeaveUnwritten,
];

/// Those that few calls come to: they are waited for as often as all together.
pub const RARE: &[Step] = &[
    Step::Decode,
    Step::Drop,
    Step::Full,
    Step::GiveUp,
    Step::Gone,
    Step::Kill,
    Step::LeaveUnwritten,
    Step::NotInserted,
    Step::TurnOut,
];

/// How an engine ends at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its process is killed.
    Process,
    /// Its node loses power.
    Power,
}

impl Step {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Name => "name",
            Self::Raise => "raise",
            Self::End => "end sessions",
            Self::Arrive => "arrive",
            Self::Find => "find",
            Self::Decode => "decode",
            Self::Start => "start",
            Self::Started => "started",
            Self::Run => "run",
            Self::Begin => "begin",
            Self::Open => "open",
            Self::Claim => "claim",
            Self::Work => "work",
            Self::Keep => "keep",
            Self::Insert => "insert",
            Self::Release => "release",
            Self::Commit => "commit",
            Self::Durable => "durable",
            Self::Kept => "kept",
            Self::Tell => "tell",
            Self::TellElse => "tell else",
            Self::RollBackTo => "roll back to",
            Self::RollBack => "roll back",
            Self::NotInserted => "not inserted",
            Self::TurnOut => "turn out",
            Self::Gone => "gone",
            Self::Full => "full",
            Self::GiveUp => "give up",
            Self::Drop => "drop",
            Self::Kill => "kill",
            Self::KeepUnknown => "keep unknown",
            Self::Unknown => "unknown",
            Self::Clear => "clear",
            Self::Change => "change",
            Self::Changed => "changed",
            Self::LeaveUnwritten => "leave unwritten",
        }
    }

    /// Whether it is taken on a store of this kind.
    pub(crate) const fn is_of(self, kind: Kind) -> bool {
        match self {
            Self::Look | Self::Name | Self::End | Self::Claim | Self::Clear => {
                matches!(kind, Kind::Server)
            }
            Self::Begin
            | Self::Open
            | Self::Insert
            | Self::Release
            | Self::Kept
            | Self::RollBackTo
            | Self::RollBack
            | Self::NotInserted
            | Self::TurnOut
            | Self::Gone
            | Self::Full
            | Self::GiveUp => matches!(kind, Kind::Volume),
            Self::Raise
            | Self::Arrive
            | Self::Find
            | Self::Decode
            | Self::Start
            | Self::Started
            | Self::Run
            | Self::Work
            | Self::Keep
            | Self::Commit
            | Self::Durable
            | Self::Tell
            | Self::TellElse
            | Self::Drop
            | Self::Kill
            | Self::KeepUnknown
            | Self::Unknown
            | Self::Change
            | Self::Changed
            | Self::LeaveUnwritten => true,
        }
    }

    /// The step that an order of the table is; none where the process ends with it.
    pub(crate) fn of_table(order: &Order) -> Option<Self> {
        Some(match order {
            Order::Find(_) => Self::Find,
            Order::Answer(_, _, Answer::Reply(_)) => Self::Tell,
            Order::Answer(_, _, Answer::Pending | Answer::Changed | Answer::Refused(_)) => {
                Self::TellElse
            }
            Order::Decode(..) => Self::Decode,
            Order::Start { .. } => Self::Start,
            Order::Run(..) => Self::Run,
            Order::Keep { .. } => Self::Keep,
            Order::GiveUp(..) => Self::GiveUp,
            Order::RollBack(..) => Self::Drop,
            Order::Kill(..) => Self::Kill,
            Order::KeepUnknown(_) => Self::KeepUnknown,
            Order::Clear(_) => Self::Clear,
            Order::Change(..) => Self::Change,
            Order::LeaveUnwritten(_) => Self::LeaveUnwritten,
            Order::Drained | Order::End => return None,
        })
    }

    /// The step that an order of the writer is; none where nothing of a call is in it.
    pub(crate) fn of_writer(order: &sitting::Order) -> Option<Self> {
        Some(match order {
            sitting::Order::Begin => Self::Begin,
            sitting::Order::Open(_) => Self::Open,
            sitting::Order::RollBackTo(_) => Self::RollBackTo,
            sitting::Order::Insert(_) => Self::Insert,
            sitting::Order::Release(_) => Self::Release,
            sitting::Order::Commit => Self::Commit,
            sitting::Order::RollBack => Self::RollBack,
            sitting::Order::NotInserted(_) => Self::NotInserted,
            sitting::Order::Kept(_) => Self::Kept,
            sitting::Order::TurnedOut(_) => Self::TurnOut,
            sitting::Order::Gone(..) => Self::Gone,
            sitting::Order::Full(_) => Self::Full,
            // A word to a program, which is none of the engine's memory; or its end.
            sitting::Order::TellProgram(_)
            | sitting::Order::Superseded(_)
            | sitting::Order::EndProcess
            | sitting::Order::Idle
            | sitting::Order::Closed => return None,
        })
    }

    /// The step that an order of an opening is; none once it is open, or refused.
    pub(crate) fn of_fence(order: &fence::Order) -> Option<Self> {
        Some(match order {
            fence::Order::Look => Self::Look,
            fence::Order::Name => Self::Name,
            fence::Order::Raise => Self::Raise,
            fence::Order::Clear => Self::End,
            fence::Order::Open | fence::Order::Refuse(_) => return None,
        })
    }
}
