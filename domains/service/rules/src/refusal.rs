//! Refusals: numbered for ever, ordered by precedence; the first that holds is the answer.
//!
//! A stored answer beats everything from [`Refusal::Busy`] on: a service that is blocked, full or
//! moving still tells what it has. It does not beat [`Refusal::TooLarge`] and
//! [`Refusal::DoesNotFit`]: without its content nobody knows whether a call is the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::Moment;

use crate::id::{Incarnation, Serial, Watermark};
use crate::worker::life::{Exit, Why};

/// Why nobody answers the calls of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// What whoever has looked at it says.
    Found(String),
    /// Its workers were given up.
    GivenUp {
        /// Why the last of them is none any more.
        why: Why,
        /// How its process has ended.
        exit: Exit,
        /// Its own last words; empty where it had none.
        said: String,
    },
}

impl From<String> for Cause {
    fn from(found: String) -> Self {
        Self::Found(found)
    }
}

impl From<&str> for Cause {
    fn from(found: &str) -> Self {
        Self::Found(found.to_owned())
    }
}

/// In words of programs; sentences are made of it by whoever speaks with people.
impl fmt::Display for Cause {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(found) => to.write_str(found),
            Self::GivenUp { why, exit, said } => {
                write!(to, "{}", why.word())?;
                match exit {
                    Exit::Code(code) => write!(to, ", code {code}")?,
                    Exit::Signal(signal) => write!(to, ", signal {signal}")?,
                }
                if said.is_empty() { Ok(()) } else { write!(to, ": {said}") }
            }
        }
    }
}

/// Why a call was refused. Nothing of it was carried out by the attempt that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Refusal {
    /// 1 The id, a header or the body cannot be read, or contradicts what the client told before.
    Malformed(Malformed),
    /// 2 No store is open here: no volume was handed over, the last moment passed, or a newer
    /// epoch has it. Another node may have it.
    NotOpenHere,
    /// 3 No such service, or an operation that this version only reserves.
    NoSuchService {
        /// What was asked for.
        service: String,
    },
    /// 4 No such call of this identity. Whether another has it is never told.
    NotFound,
    /// 5 The body is too large.
    TooLarge {
        /// Its bytes.
        size: u64,
        /// The most.
        most: u64,
    },
    /// 6 A value does not fit its field.
    DoesNotFit {
        /// Which field.
        field: String,
        /// Why.
        why: String,
    },
    /// 7 It was confirmed or its time is over, and its answer is no longer kept.
    Expired(Expired),
    /// 8 The id belongs to a call of another content.
    OtherBody,
    /// 9 It was interrupted and acts outside the store: nobody knows whether it was carried out.
    Unknown,
    /// 10 It was carried out; its answer is no longer kept.
    Forgotten,
    /// 11 It is being carried out and cannot be waited for: by another node, too often at once,
    /// or contended again and again. Or it may have been, and nobody can say now whether it is the
    /// same: of none of these it is told that nothing was done.
    Busy(Busy),
    /// 12 The group is going to another node.
    Moving,
    /// 13 The service is blocked.
    Blocked {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// 14 The service has no package that can run.
    NotDeployed {
        /// Why.
        why: Cause,
    },
    /// 15 The store takes nothing: full, read-only, or gone.
    StoreAway {
        /// Why.
        why: String,
    },
    /// 16 The service's workers were given up.
    NoWorker {
        /// Why.
        why: Cause,
    },
    /// 17 Too many calls of the client are unconfirmed or pending.
    WindowFull {
        /// The lowest serial without an answer, as the client tells.
        lowest: Serial,
        /// How many serials from it on are taken.
        most: u64,
    },
    /// 18 The store has no room for another client.
    TooManyClients {
        /// The most.
        most: u64,
    },
    /// 19 Too many calls wait.
    Full(Full),
    /// 20 Its deadline would pass, or passed, before its program began.
    TooLate {
        /// The deadline.
        deadline: Moment,
    },
    /// 21 To a program: a service that it calls is calling it.
    Cycle {
        /// Which.
        service: String,
    },
    /// 22 To a program: services call each other too deep.
    TooDeep {
        /// The most.
        most: usize,
    },
    /// 23 To a program: it holds the one writer and would wait for another store.
    HoldsWriter,
    /// 24 An operator's decision on a call that is not open: it has its end already.
    Decided,
    /// 25 To a program: it, or one that waits for it, only reads and would call a service that
    /// writes.
    OnlyReads {
        /// Which.
        service: String,
    },
    /// 26 To a program: it would call a service that acts outside the store, of which has to be
    /// known for good that it has begun.
    ActsOutside {
        /// Which.
        service: String,
    },
}

/// What of a call contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// The id cannot be read.
    Id,
    /// A header cannot be read.
    Header,
    /// The body cannot be read.
    Body,
    /// The lowest serial without an answer is above the call's own.
    LowestAboveOwn,
    /// A call that is pending is said to be answered.
    AnsweredWhilePending {
        /// Which; none where it is the call under the key itself.
        serial: Option<Serial>,
    },
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expired {
    /// Its client has confirmed it, or its retention is over.
    Watermark(Watermark),
    /// That life of the client is over, and all before it.
    Floor(Incarnation),
}

/// Why a call that is pending cannot be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Busy {
    /// Another node of the group runs it.
    Elsewhere,
    /// This engine runs it: what is kept of it is changed once it has ended.
    Here,
    /// As many wait for it as may.
    Joined,
    /// It met others again and again.
    Contended,
    /// A body is kept under its id that was read by an interface which is not known here any more.
    /// Nobody can say whether they are the same until that is known again.
    NotComparable,
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Full {
    /// The queue of the service.
    Queue,
    /// The engine, by number of calls.
    Calls,
    /// The engine, by bytes of bodies.
    Bytes,
    /// The engine, by questions to its store.
    Seeking,
    /// The engine, by callers that wait.
    Waiting,
}

/// The codes of gRPC that callers are told, with their numbers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GrpcCode {
    /// What is asked cannot be understood.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// The id is used for something else.
    AlreadyExists = 6,
    /// There is no room for it.
    ResourceExhausted = 8,
    /// Something else has to happen first.
    FailedPrecondition = 9,
    /// It met something that goes on.
    Aborted = 10,
    /// It may be tried again.
    Unavailable = 14,
}

/// Whether a refused call may be tried again under its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: it will be refused again.
    No,
    /// Yes, here.
    Here,
    /// Yes, at whoever has the store.
    Elsewhere,
    /// Yes, once somebody has decided on it.
    OnceDecided,
    /// Yes, with a later deadline.
    NewDeadline,
}

impl Refusal {
    /// Its number; never reused.
    #[must_use]
    pub const fn number(&self) -> u16 {
        match self {
            Self::Malformed(_) => 1,
            Self::NotOpenHere => 2,
            Self::NoSuchService { .. } => 3,
            Self::NotFound => 4,
            Self::TooLarge { .. } => 5,
            Self::DoesNotFit { .. } => 6,
            Self::Expired(_) => 7,
            Self::OtherBody => 8,
            Self::Unknown => 9,
            Self::Forgotten => 10,
            Self::Busy(_) => 11,
            Self::Moving => 12,
            Self::Blocked { .. } => 13,
            Self::NotDeployed { .. } => 14,
            Self::StoreAway { .. } => 15,
            Self::NoWorker { .. } => 16,
            Self::WindowFull { .. } => 17,
            Self::TooManyClients { .. } => 18,
            Self::Full(_) => 19,
            Self::TooLate { .. } => 20,
            Self::Cycle { .. } => 21,
            Self::TooDeep { .. } => 22,
            Self::HoldsWriter => 23,
            Self::Decided => 24,
            Self::OnlyReads { .. } => 25,
            Self::ActsOutside { .. } => 26,
        }
    }

    /// Its word, as JSON has it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotOpenHere => "not-open-here",
            Self::NoSuchService { .. } => "no-such-service",
            Self::NotFound => "not-found",
            Self::TooLarge { .. } => "too-large",
            Self::DoesNotFit { .. } => "does-not-fit",
            Self::Expired(_) => "expired",
            Self::OtherBody => "other-body",
            Self::Unknown => "unknown",
            Self::Forgotten => "forgotten",
            Self::Busy(_) => "busy",
            Self::Moving => "moving",
            Self::Blocked { .. } => "blocked",
            Self::NotDeployed { .. } => "not-deployed",
            Self::StoreAway { .. } => "store-away",
            Self::NoWorker { .. } => "no-worker",
            Self::WindowFull { .. } => "window-full",
            Self::TooManyClients { .. } => "too-many-clients",
            Self::Full(_) => "full",
            Self::TooLate { .. } => "too-late",
            Self::Cycle { .. } => "cycle",
            Self::TooDeep { .. } => "too-deep",
            Self::HoldsWriter => "holds-writer",
            Self::Decided => "decided",
            Self::OnlyReads { .. } => "only-reads",
            Self::ActsOutside { .. } => "acts-outside",
        }
    }

    /// Its HTTP status; none of what only programs are told.
    #[must_use]
    pub const fn http(&self) -> Option<u16> {
        match self {
            Self::Malformed(_) => Some(400),
            Self::NoSuchService { .. } | Self::NotFound => Some(404),
            Self::TooLarge { .. } => Some(413),
            Self::DoesNotFit { .. } | Self::OtherBody => Some(422),
            Self::Expired(_) | Self::Forgotten => Some(410),
            Self::Unknown | Self::Busy(_) | Self::Decided => Some(409),
            Self::NotOpenHere
            | Self::Moving
            | Self::Blocked { .. }
            | Self::NotDeployed { .. }
            | Self::StoreAway { .. }
            | Self::NoWorker { .. }
            | Self::TooManyClients { .. }
            | Self::Full(_) => Some(503),
            Self::WindowFull { .. } => Some(429),
            Self::TooLate { .. } => Some(504),
            Self::Cycle { .. }
            | Self::TooDeep { .. }
            | Self::HoldsWriter
            | Self::OnlyReads { .. }
            | Self::ActsOutside { .. } => None,
        }
    }

    /// Its code in gRPC; none of what only programs are told.
    #[must_use]
    pub const fn grpc(&self) -> Option<GrpcCode> {
        match self {
            Self::Malformed(_) | Self::DoesNotFit { .. } => Some(GrpcCode::InvalidArgument),
            Self::NoSuchService { .. } | Self::NotFound => Some(GrpcCode::NotFound),
            Self::OtherBody => Some(GrpcCode::AlreadyExists),
            Self::Expired(_) | Self::Forgotten | Self::NotDeployed { .. } | Self::Decided => {
                Some(GrpcCode::FailedPrecondition)
            }
            Self::Unknown | Self::Busy(_) => Some(GrpcCode::Aborted),
            Self::TooLarge { .. }
            | Self::WindowFull { .. }
            | Self::TooManyClients { .. }
            | Self::Full(_) => Some(GrpcCode::ResourceExhausted),
            Self::NotOpenHere
            | Self::Moving
            | Self::Blocked { .. }
            | Self::StoreAway { .. }
            | Self::NoWorker { .. } => Some(GrpcCode::Unavailable),
            Self::TooLate { .. } => Some(GrpcCode::DeadlineExceeded),
            Self::Cycle { .. }
            | Self::TooDeep { .. }
            | Self::HoldsWriter
            | Self::OnlyReads { .. }
            | Self::ActsOutside { .. } => None,
        }
    }

    /// Whether it may be tried again under the same id.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::NotOpenHere | Self::Moving => Retry::Elsewhere,
            Self::Unknown => Retry::OnceDecided,
            Self::TooLate { .. } => Retry::NewDeadline,
            Self::Busy(_)
            | Self::Blocked { .. }
            | Self::NotDeployed { .. }
            | Self::StoreAway { .. }
            | Self::NoWorker { .. }
            | Self::WindowFull { .. }
            | Self::TooManyClients { .. }
            | Self::Full(_) => Retry::Here,
            Self::Malformed(_)
            | Self::NoSuchService { .. }
            | Self::NotFound
            | Self::TooLarge { .. }
            | Self::DoesNotFit { .. }
            | Self::Expired(_)
            | Self::OtherBody
            | Self::Forgotten
            | Self::Cycle { .. }
            | Self::TooDeep { .. }
            | Self::HoldsWriter
            | Self::OnlyReads { .. }
            | Self::ActsOutside { .. }
            | Self::Decided => Retry::No,
        }
    }
}
