//! Watched programs in requests and answers.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, Span};

use super::Utc;

/// The run of a group that a request comes from: its scripts know which started them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The group.
    pub group: String,
    /// Its epoch; none is whichever it has now.
    pub epoch: Option<Epoch>,
}

/// What is run under a watch id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The service of the group that it is; what is run is then none of the request's.
    #[serde(default)]
    pub service: Option<String>,
    /// The program and its arguments.
    pub run: Vec<String>,
    /// Where it starts.
    pub dir: Option<String>,
    /// The user it runs as.
    pub user: Option<String>,
    /// What its end means.
    pub at_end: AtEnd,
}

/// What the end of a watched program means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum AtEnd {
    /// It is written down.
    Log,
    /// The group has failed, and its configuration says what follows.
    Fail,
    /// The group has failed, and another node takes it over.
    TakeOver,
    /// It is started again.
    Restart {
        /// How often.
        times: u32,
        /// The period in which so many count; none counts all of them.
        within: Option<Span>,
        /// How long after its end.
        wait: Span,
        /// How long after its last start at the earliest.
        interval: Span,
        /// What is run again.
        #[serde(default)]
        again: Again,
    },
}

/// What is run again when a watched program has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// The program.
    #[default]
    Program,
    /// The scripts of its group.
    Scripts,
}

/// The watched programs of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// By id.
    pub programs: Vec<Program>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its id, in capitals.
    pub id: String,
    /// Its group.
    pub group: String,
    /// The node that runs the group.
    pub node: String,
    /// The name it runs under, as in the name of its log.
    pub slot: String,
    /// What is run.
    pub load: Load,
    /// How it stands.
    pub state: State,
    /// How it ended, or why it was not started.
    pub detail: Option<String>,
    /// Who suspended the watch.
    pub held: Option<Held>,
}

/// How a watched program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being started.
    Starting,
    /// It runs.
    Up,
    /// It ended and is started again soon.
    Resting,
    /// It was not started.
    Refused,
    /// It ended, and nothing follows.
    Ended,
    /// Its end is a failure of the group.
    Failed,
    /// It is being ended.
    Ending,
    /// It was told to end and did.
    Gone,
    /// It was told to end and had to be killed.
    Killed,
    /// Only the node that runs the group knows.
    Elsewhere,
}

/// A watch that is suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Utc,
}
