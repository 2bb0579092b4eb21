//! Turns one act of the rules into requests to the hands, and their answers into one outcome.
//!
//! An errand is a list of steps done one after the other, each with a limit. It never waits: it
//! is told reports and the time. What runs here is known by resource in the [`roster::Roster`].

mod again;
mod book;
mod detour;
mod findings;
mod folder;
pub(crate) mod how;
mod ocf;
mod recipe;
mod roster;
#[cfg(test)]
pub(crate) mod stand_in;
mod volume;

pub use book::{Errands, Finished};
pub(crate) use recipe::{asking, of_a_rehearsal};
pub use roster::Roster;

use std::path::PathBuf;
use std::sync::Arc;

use tsugi_cluster_rules::desk::Act;
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::hands::AGENT_DIR;
use tsugi_host::request::{Limits, Output, Program, Purpose, Request, Right, Source, Unmounting};
use tsugi_vocabulary::{Epoch, GroupName, ResourceName, Span};

/// One act to carry out.
#[derive(Clone, Debug)]
pub struct Job {
    /// The group.
    pub group: GroupName,
    /// The epoch it is done under.
    pub epoch: Epoch,
    /// The rules' number for it.
    pub act: u64,
    /// What.
    pub what: Act,
    /// The group's configuration.
    pub spec: Arc<GroupSpec>,
}

/// What every program of a node is started with, whatever its group.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// This node's name, told to programs.
    pub node: String,
    /// Where this node's agent is asked, told to programs.
    pub run_dir: PathBuf,
    /// Where the output of programs goes.
    pub log_dir: PathBuf,
    /// The directory a relative volume source is taken from.
    pub data_dir: PathBuf,
    /// `PATH` of programs; their environment is built from empty.
    pub path: String,
    /// Where resource agents and what they share are: `/usr/lib/ocf`.
    pub ocf_root: PathBuf,
    /// The cluster that it belongs to: part of what is registered with the storage of volumes.
    pub cluster: u128,
    /// This program, which also asks what a monitor without a command asks.
    pub tsugi: String,
    /// The user id of the agent.
    pub agent_uid: u32,
    /// How a volume is first asked back.
    pub unmounting: Unmounting,
    /// That of the hands, and of the programs for which no user is configured.
    pub hands_uid: u32,
}

impl Surroundings {
    /// Where resource agents keep what must not outlive the machine.
    #[must_use]
    pub fn ocf_files(&self) -> PathBuf {
        // Of the directory of the sockets only this part is the agent's to write in.
        self.run_dir.join(AGENT_DIR).join("ocf")
    }

    /// A program beside all groups: without a lease, in a group that only the hands know by this
    /// name, killed at its limit; the end of what it printed is told with its end.
    pub(crate) fn aside(
        &self,
        (group, name): (&str, &str),
        (argv, limit): (Vec<String>, Span),
        keep: u32,
    ) -> Option<Program> {
        let env = [("PATH", self.path.as_str()), ("LANG", "C.UTF-8")];
        Some(Program {
            right: Right::Free { group: GroupName::new(group).ok()?, epoch: Epoch::NONE },
            name: ResourceName::new(name).ok()?,
            purpose: Purpose::Monitor,
            argv,
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            dir: None,
            user: None,
            limits: Limits::default(),
            output: Output::Tail { keep },
            time_limit: Some(limit),
        })
    }
}

/// One step of an errand.
#[derive(Clone, Debug)]
enum Step {
    /// Ask the hands; the answer must be good.
    Ask(Request),
    /// Ask the network whether somebody has the address; a conflict is a failure.
    Probe(Request),
    /// Start the service program of a resource and note it in the roster.
    Start(Request),
    /// Wait until this line stands in the output file of the resource's program.
    Ready { resource: ResourceName, file: PathBuf, line: String, from: u64, within: Span },
    /// Run a script to its end; its exit code must be 0.
    Script(Request),
    /// Run a program to its end; whatever comes of it, the next step follows.
    Try(Request),
    /// Run a check to its end; if its exit code is 0, the next step is left out.
    Unless(Request),
    /// Check and mend an ext4: exit code 1 says that something was mended, 8 that it is none (an
    /// xfs checks itself when it is mounted); then the mount says what is wrong, if anything.
    Check(Request),
    /// Make a mirrored volume primary or secondary; its exit code says what keeps it from that.
    Mirror(Request),
    /// Take a volume that its storage keeps for one node; its exit code says what keeps it from
    /// that.
    Reserve(Request),
    /// Call the resource agent of a resource; its exit code is judged by the table of the rules.
    Call { call: ocf::Call, request: Request },
    /// Ask the program of a resource to end, wait, then kill it.
    End { resource: ResourceName, within: Span },
    /// The same for every watched program of the group, one after the other.
    EndRest { within: Span },
    /// Wait before the next step.
    Rest { time: Span },
    /// Look at what runs here and answer the resources of the group that are up.
    Look,
}

/// `PATH` of the programs that are run here: what looks for them before looks in the same places.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where resource agents and what they share are.
pub const OCF_ROOT: &str = "/usr/lib/ocf";
/// Before the line in which a resource agent says why it ended so.
pub(crate) const REASON: &str = "ocf-exit-reason:";

/// How long the hands may take to answer a request that is not a program.
const ANSWER_LIMIT: Span = Span::secs(20);
/// How long a killed program may take to be gone.
const KILL_LIMIT: Span = Span::secs(2);
/// How often the output of a program is looked at for the line that says it is ready: a start
/// that has taken long is not asked as often.
const READY_LOOK: (Span, Span) = (Span::micros(500), Span::millis(50));
/// A monitor that prints more than this floods.
const FLOOD: u64 = 1 << 20;
/// The largest log of one program; one older file is kept beside it.
const LOG_LIMIT: u64 = 8 << 20;

/// A block device is mounted as it is, anything else as an image through a loop device; what is
/// not there is refused by the hands with its name. A path elsewhere may lie on a share whose
/// server answers nothing, and leases are kept here: whether it leads to a device the hands see.
fn source(surroundings: &Surroundings, text: &str) -> Source {
    use std::os::unix::fs::FileTypeExt as _;
    let path = surroundings.data_dir.join(text);
    let here = path.starts_with("/dev");
    let block = |path| std::fs::metadata(path).is_ok_and(|m| m.file_type().is_block_device());
    if here && block(&path) { Source::Device(path) } else { Source::Image(path) }
}

#[cfg(test)]
mod tests;
