//! What was done in a drill beside the running group, and what went wrong.

use std::time::Instant;

use tsugi_cluster_rules::drill::rehearsal::{Done, Fault, FaultKind, Part, Showed};

use super::bounded::Wrong;

/// What was done so far.
#[derive(Debug)]
pub(super) struct Log {
    pub showed: Showed,
}

/// Something went wrong, and it stands in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopped;

impl Log {
    pub fn new() -> Self {
        Self { showed: Showed { parts: Vec::new(), fault: None } }
    }

    /// Does one part with one resource, and takes its time.
    pub fn part<T>(
        &mut self,
        (part, resource): (Part, &str),
        act: impl FnOnce() -> Result<T, (FaultKind, String)>,
    ) -> Result<T, Stopped> {
        let began = Instant::now();
        let outcome = act();
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.showed.parts.push(Done { part, resource: resource.to_owned(), millis });
        outcome.map_err(|(kind, detail)| {
            let resource = resource.to_owned();
            self.showed.fault.get_or_insert(Fault { part, resource, kind, detail });
            Stopped
        })
    }
}

/// The limit of all of it is the last word on what is slow.
pub(super) fn kind(wrong: Wrong) -> (FaultKind, String) {
    match wrong {
        Wrong::Failed(how) => (FaultKind::Failed, how),
        Wrong::Slow => (FaultKind::Slow, String::new()),
    }
}

/// What the system refused.
pub(super) fn refused(what: &str) -> impl Fn(std::io::Error) -> (FaultKind, String) + use<> {
    let what = what.to_owned();
    move |error| (FaultKind::Failed, format!("{what}: {error}"))
}
