//! The daemon that runs a group's services: which one is meant, what it is asked, and what is said
//! where it does not answer.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsugi_messages::{self as messages, Message};
use tsugi_serve::control::{self, Asked, Status, Told};
use tsugi_wire::control::Words;
use tsugi_wire::control::report::{No, Refused};

use super::volume;
use crate::args::Running;
use crate::ask::{Agents, person};
use crate::exit::Exit;
use crate::out::{Observed, Out};
use crate::run::read;

/// How long a daemon may take to answer: a change waits for the store's disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message as it goes into what programs read.
pub(super) fn words(message: &Message) -> Words {
    let recorded = message.recorded();
    Words { id: recorded.id, values: recorded.values }
}

/// A no of this kind, by its message.
pub(super) fn no(kind: No, message: &Message) -> Box<Refused> {
    let (what, next) = (words(message), message.next());
    Box::new(Refused { kind, rule: 0, what, because: Vec::new(), next })
}

/// Tells a no, and how it ends the command.
pub(super) fn tell(out: &Out, no: &Refused) -> Exit {
    read::no(out, no, &Observed::here())
}

/// Where the daemon is asked that is meant.
pub(super) fn find(agents: &Agents, at: &Running) -> Result<PathBuf, Box<Refused>> {
    if let Some(path) = &at.control {
        return Ok(path.clone());
    }
    if let Some(volume) = &at.volume {
        return Ok(control::on_volume(volume));
    }
    if let Some(group) = &at.group {
        let unknown = || no(No::Refused, &messages::group_volume_unknown(group));
        let volume = volume::of_group(agents, group).map_err(|_| unknown())?;
        return Ok(control::on_volume(&volume));
    }
    only(control::here().unwrap_or_default())
}

/// The one that there is.
fn only(all: Vec<PathBuf>) -> Result<PathBuf, Box<Refused>> {
    let folder = |path: &PathBuf| path.parent().unwrap_or(path).display().to_string();
    match all.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(no(No::NoMajority, &messages::daemon_not_here())),
        several => {
            let volumes: Vec<_> = several.iter().map(folder).collect();
            Err(no(No::Refused, &messages::daemons_are_several(volumes.join(", "))))
        }
    }
}

/// What a daemon has answered.
pub(super) fn ask(path: &Path, asked: &Asked) -> Result<Told, Box<Refused>> {
    match control::ask(path, asked, PATIENCE) {
        Ok(Told::NotOpen) => Err(no(No::NotFound, &messages::daemon_holds_nothing(path.display()))),
        Ok(Told::NotUnderstood { what }) => {
            Err(no(No::Failed, &messages::daemon_understands_not(path.display(), what)))
        }
        Ok(told) => Ok(told),
        Err(why) => Err(silence(path, asked, &why)),
    }
}

/// How it stands.
pub(super) fn status(path: &Path) -> Result<Status, Box<Refused>> {
    match ask(path, &Asked::Status {})? {
        Told::Status(status) => Ok(status),
        other => {
            let what = format!("{other:?}");
            Err(no(No::Failed, &messages::daemon_understands_not(path.display(), what)))
        }
    }
}

/// Why there is no answer. What was asked may be carried out once it was sent.
fn silence(path: &Path, asked: &Asked, why: &io::Error) -> Box<Refused> {
    let path = path.display();
    match why.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            no(No::NoMajority, &messages::daemon_not_reached(path, why))
        }
        ErrorKind::PermissionDenied => {
            no(No::NotPermitted, &messages::daemon_not_permitted(person(), path))
        }
        _ => {
            let kind = match asked {
                Asked::Status {} => No::NoMajority,
                Asked::Block { .. }
                | Asked::Open { .. }
                | Asked::Resolve { .. }
                | Asked::Forget { .. } => No::StillRunning,
            };
            no(kind, &messages::daemon_is_silent(path, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_daemons_none_is_guessed() {
        let one = || PathBuf::from("/u01/serve.sock");
        assert_eq!(only(vec![one()]), Ok(one()));
        let none = only(Vec::new()).expect_err("there is none");
        assert_eq!((none.kind, &*none.what.id), (No::NoMajority, "TSUG20701-E"));
        let two = only(vec![one(), "/u02/serve.sock".into()]).expect_err("which?");
        assert_eq!((two.kind, &*two.what.id), (No::Refused, "TSUG20702-E"));
        assert!(two.what.values.values().any(|text| text == "/u01, /u02"), "{two:?}");
    }
}
