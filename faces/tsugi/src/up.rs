//! `tsugi up`: a whole cluster on one machine, to try it.

mod calls;
mod place;
mod service;
mod trial;
mod watch;

use std::path::PathBuf;

use tsugi_messages as messages;

use crate::args::{Trial, Up};
use crate::exit::Exit;
use crate::out::Out;
use place::{Place, Taken};

/// `tsugi up …`.
pub fn up(up: &Up, out: &Out) -> Exit {
    match &up.trial {
        Some(Trial::Kill { node }) => with_trial(out, |place| trial::kill(place, node, out)),
        Some(Trial::Start { node }) => with_trial(out, |place| trial::start(place, node, out)),
        Some(Trial::Freeze { node }) => with_trial(out, |place| trial::freeze(place, node, out)),
        None => match Place::take() {
            Ok(place) => watch::run(place, up, out),
            Err(Taken::By { path, pid }) => {
                out.tell(&messages::up_already_runs(path.display(), pid));
                Exit::Refused
            }
            Err(Taken::System(error)) => {
                out.tell(&messages::internal_failure("tsugi up", error));
                Exit::Failed
            }
        },
    }
}

/// Only on a cluster that `up` started and that still runs.
fn with_trial(out: &Out, act: impl FnOnce(&Place) -> Exit) -> Exit {
    if let Some(place) = Place::running() {
        return act(&place);
    }
    out.tell(&messages::up_not_running());
    Exit::NotFound
}

/// The run directories of the nodes of a trial cluster that runs on this machine, to be asked
/// one after the other.
pub fn run_dirs() -> Vec<PathBuf> {
    Place::running().map(|p| p.names().map(|n| p.run_dir(n)).collect()).unwrap_or_default()
}
