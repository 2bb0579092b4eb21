//! Commands that are called by the names of old runbooks.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tsugi_messages::{self as messages, phrase};
use tsugi_wire::control::{Reply, Request};

use super::read;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::old_names::{self, NotInstalled, Now, OldName};
use crate::out::Out;

/// Says what the command is now; what is left to do are the new words, if it is not done here.
pub fn old_name(out: &Out, old: &OldName, words: &[OsString]) -> ControlFlow<Exit, Vec<OsString>> {
    let now = match old.now(words) {
        Ok(now) => now,
        Err(misuse) => {
            let detail = misuse.words().text(out.language);
            out.tell(&messages::usage_wrong(detail, old.usage));
            return ControlFlow::Break(Exit::Usage);
        }
    };
    out.say(&phrase::old_name_now(old.name, now.spelled()));
    match now {
        Now::OwnerOf(group) => ControlFlow::Break(owner_of(out, &group)),
        Now::Command(words) => {
            let program = OsString::from("tsugi");
            ControlFlow::Continue(
                [program].into_iter().chain(words.into_iter().map(OsString::from)).collect(),
            )
        }
    }
}

/// Prints the node that runs a group, and nothing else.
fn owner_of(out: &Out, group: &str) -> Exit {
    let named = std::env::var_os("TSUGI_RUN_DIR").map(PathBuf::from);
    let agents = Agents::find(named.as_deref());
    let status = match read::ask(&agents, out, (&Request::Status, "clpgrp -n")) {
        Ok((Reply::Status(status), _)) => status,
        Ok(_) => return Exit::Failed,
        Err(exit) => return exit,
    };
    let Some(found) = status.groups.iter().find(|g| g.name == group) else {
        let known = status.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>().join(", ");
        out.tell(&messages::refused_unknown_group(group, known));
        return Exit::NotFound;
    };
    let Some(owner) = &found.owner else {
        out.say(&phrase::waited_stopped(group));
        return Exit::Failed;
    };
    out.lines([owner.clone()]);
    Exit::Done
}

/// `compat install DIR`.
pub fn install(out: &Out, dir: &Path) -> Exit {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            out.tell(&messages::internal_failure("tsugi compat install", error));
            return Exit::Failed;
        }
    };
    match old_names::install(dir, &program) {
        Ok(places) => {
            out.lines(places.iter().map(|place| place.display().to_string()));
            Exit::Done
        }
        Err(NotInstalled::Taken(place)) => {
            out.tell(&messages::old_name_taken(place.display()));
            Exit::Refused
        }
        Err(NotInstalled::Failed(place, error)) => {
            out.tell(&messages::old_name_failed(place.display(), error));
            Exit::Failed
        }
    }
}
