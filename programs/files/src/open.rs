//! OPEN and DELETE FILE: what comes of them, by what is known of the file.

use crate::definition::{Definition, Organization};
use crate::status::Status;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// To read.
    Input,
    /// To write it anew.
    Output,
    /// I-O: to read and to change.
    InputOutput,
    /// To write on behind its end.
    Extend,
}

/// Whether SELECT says OPTIONAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optional {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Whether the store has the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has none.
    Missing,
    /// It has one that is as the program says.
    Fits,
    /// It has one with another organization, longest record or keys.
    Differs,
}

impl Presence {
    /// What the store has, by what the program says and what the file catalogue says, if it has the
    /// file. The shortest record is not compared: programs may differ in it.
    #[must_use]
    pub fn of(program: &Definition, catalogue: Option<&Definition>) -> Self {
        let Some(catalogue) = catalogue else { return Self::Missing };
        let same = program.organization() == catalogue.organization()
            && program.lengths().max == catalogue.lengths().max
            && program.keys() == catalogue.keys();
        if same { Self::Fits } else { Self::Differs }
    }
}

/// What the service may do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Only read it.
    Read,
    /// Change it as well.
    Change,
}

/// What becomes of a file with other attributes at OPEN OUTPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recreate {
    /// It stays as it is.
    Refused,
    /// It is made anew with the program's.
    Allowed,
}

/// Other opens of the file in the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// None, or they share it.
    Share,
    /// One that excludes this one, or one that this one would exclude.
    Exclude,
}

/// What is known of a file that a file set of the service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whether it is there.
    pub presence: Presence,
    /// What the service may do.
    pub rights: Rights,
    /// What OPEN OUTPUT may do.
    pub recreate: Recreate,
    /// Who else has it open.
    pub others: Others,
}

/// A file by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// No file set of the service has this name.
    Nowhere,
    /// One has.
    In(Known),
}

/// Which records an opened file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Those it had.
    Kept,
    /// None: it is made, as a new generation; what it had becomes garbage.
    Made,
    /// None, and none can be written: an OPTIONAL file that is not there.
    Absent,
}

/// What comes of an OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The file stays closed.
    Refused(Status),
    /// It is open.
    Done(Status, Opened),
}

/// What comes of OPEN, of a file that this program has closed.
#[must_use]
pub const fn open(
    organization: Organization,
    mode: Mode,
    optional: Optional,
    named: Named,
) -> Opening {
    let known = match named {
        Named::Nowhere => return Opening::Refused(Status::NoSuchName),
        Named::In(known) => known,
    };
    match known.others {
        Others::Exclude => return Opening::Refused(Status::Excluded),
        Others::Share => {}
    }
    match (known.rights, mode) {
        (Rights::Read, Mode::Output | Mode::InputOutput | Mode::Extend) => {
            return Opening::Refused(Status::NotPermitted);
        }
        (Rights::Read, Mode::Input) | (Rights::Change, _) => {}
    }
    match (known.presence, mode) {
        (Presence::Missing, _) => missing(organization, mode, optional),
        (Presence::Fits, Mode::Input | Mode::Extend) => Opening::Done(Status::Done, Opened::Kept),
        (Presence::Fits, Mode::Output) => Opening::Done(Status::Done, Opened::Made),
        (Presence::Fits, Mode::InputOutput) => match organization {
            // Lines have no fixed place that could be written again.
            Organization::LineSequential => Opening::Refused(Status::NotPermitted),
            Organization::Sequential | Organization::Indexed | Organization::Relative => {
                Opening::Done(Status::Done, Opened::Kept)
            }
        },
        (Presence::Differs, Mode::Output) => match known.recreate {
            Recreate::Allowed => Opening::Done(Status::Done, Opened::Made),
            Recreate::Refused => Opening::Refused(Status::OtherAttributes),
        },
        (Presence::Differs, Mode::Input | Mode::InputOutput | Mode::Extend) => {
            Opening::Refused(Status::OtherAttributes)
        }
    }
}

const fn missing(organization: Organization, mode: Mode, optional: Optional) -> Opening {
    match (mode, optional, organization) {
        // GnuCOBOL tells only of lines that an OPTIONAL file was not there to be written anew.
        (Mode::Output, Optional::Yes, Organization::LineSequential) => {
            Opening::Done(Status::OptionalMissing, Opened::Made)
        }
        (
            Mode::Output,
            Optional::Yes,
            Organization::Sequential | Organization::Indexed | Organization::Relative,
        )
        | (Mode::Output, Optional::No, _) => Opening::Done(Status::Done, Opened::Made),
        (Mode::Input | Mode::InputOutput | Mode::Extend, Optional::No, _) => {
            Opening::Refused(Status::Missing)
        }
        (Mode::InputOutput, Optional::Yes, Organization::LineSequential) => {
            Opening::Refused(Status::NotPermitted)
        }
        (Mode::Input, Optional::Yes, _) => Opening::Done(Status::OptionalMissing, Opened::Absent),
        (Mode::InputOutput | Mode::Extend, Optional::Yes, _) => {
            Opening::Done(Status::OptionalMissing, Opened::Made)
        }
    }
}

/// What comes of DELETE FILE, of a file that this program has closed: the file is taken away with
/// [`Status::Done`] only.
#[must_use]
pub const fn delete_file(named: Named) -> Status {
    let known = match named {
        Named::Nowhere => return Status::NoSuchName,
        Named::In(known) => known,
    };
    match (known.others, known.rights, known.presence) {
        (Others::Exclude, _, _) => Status::Excluded,
        (Others::Share, Rights::Read, _) => Status::NotPermitted,
        (Others::Share, Rights::Change, Presence::Missing) => Status::Missing,
        (Others::Share, Rights::Change, Presence::Fits | Presence::Differs) => Status::Done,
    }
}
