//! Why something that a node does to its machine was not done.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName};

/// Why a request was not carried out. Nothing of it is left behind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Failure {
    /// The lease that the request stands on is not armed (any more).
    #[error("the guardian is not armed for {group} under {epoch}")]
    NotArmed {
        /// The group.
        group: GroupName,
        /// The epoch of the request.
        epoch: Epoch,
    },
    /// No link has this name.
    #[error("no link is called {link}")]
    NoLink {
        /// The name.
        link: String,
    },
    /// The link has no carrier or is set down.
    #[error("the link {link} is down")]
    LinkDown {
        /// The name.
        link: String,
    },
    /// The address is on another link of this node.
    #[error("the address is on the link {link} of this node")]
    OnOtherLink {
        /// That link.
        link: String,
    },
    /// The source of a volume is missing or of the wrong kind.
    #[error("the source of the volume cannot be used: {why}")]
    Source {
        /// What is wrong with it.
        why: String,
    },
    /// The volume is already mounted on this node, somewhere else.
    #[error("the volume is already mounted on {dir}")]
    MountedElsewhere {
        /// Where.
        dir: PathBuf,
    },
    /// Something else is mounted there.
    #[error("something else is mounted on {dir}")]
    PlaceTaken {
        /// Where.
        dir: PathBuf,
    },
    /// Processes of the group or users of the volume are still there.
    #[error("processes are still there: {pids:?}")]
    StillThere {
        /// Their pids.
        pids: Vec<u32>,
    },
    /// The program is not one of ours or has ended.
    #[error("there is no such program")]
    NoProgram,
    /// The program could not be started.
    #[error("the program could not be started: {step}: {}", errno_text(*.errno))]
    NotStarted {
        /// The step that failed.
        step: String,
        /// The error number of the system.
        errno: i32,
    },
    /// The request needs a privilege that the hands do not have.
    #[error("this needs root")]
    NeedsRoot,
    /// The request breaks a rule of its form.
    #[error("the request is malformed: {why}")]
    Malformed {
        /// Which rule.
        why: String,
    },
    /// Too many slow requests run already.
    #[error("too many requests run already")]
    Busy,
    /// The disk has no room left for what had to be written.
    #[error("the disk is full at {at}")]
    DiskFull {
        /// What could not be written.
        at: PathBuf,
    },
    /// The disk refuses to work: an I/O error, a damaged or a read-only file system. What was
    /// not yet synced to it counts as lost.
    #[error("the disk fails at {at}: {}", errno_text(*.errno))]
    DiskFails {
        /// What could not be read or written.
        at: PathBuf,
        /// The error number of the system.
        errno: i32,
    },
    /// It was done but what was wanted is not so.
    #[error("it was done without effect: {what}")]
    NoEffect {
        /// What is not so.
        what: String,
    },
    /// A call of the system failed.
    #[error("{step}: {}", errno_text(*.errno))]
    System {
        /// What was called.
        step: String,
        /// The error number of the system.
        errno: i32,
    },
}

fn errno_text(errno: i32) -> &'static str {
    nix::errno::Errno::from_raw(errno).desc()
}

impl Failure {
    /// A failed call.
    #[must_use]
    pub fn system(step: &str, error: &std::io::Error) -> Self {
        Self::System { step: step.to_owned(), errno: error.raw_os_error().unwrap_or(0) }
    }

    /// A failed call on what is at `at`: a disk that is full or broken is told by name.
    #[must_use]
    pub fn disk(step: &str, at: &std::path::Path, error: &std::io::Error) -> Self {
        // What is no text cannot be told.
        let at = PathBuf::from(at.to_string_lossy().into_owned());
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::DiskFull { at },
            Some(errno @ (libc::EIO | libc::EROFS | libc::EUCLEAN | libc::EBADMSG)) => {
                Self::DiskFails { at, errno }
            }
            Some(_) | None => Self::system(step, error),
        }
    }
}
