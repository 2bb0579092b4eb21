//! Files that have to be there before a service takes a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_service_rules::call::Event;
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::refusal::Refusal;
use tsugi_store::{Store, Trouble, file};
use tsugi_vocabulary::{Moment, Span};

use super::hall::{Hall, Todo};
use super::{Core, left};
use crate::clock;
use crate::fatal::Fatal;
use crate::files::Needed;

/// How long is waited before a store that could not be looked into is looked into again.
pub(super) const PAUSE: Span = Span::millis(100);

/// When the store is looked into for files, and which services lack one.
#[derive(Default)]
pub(super) struct Lacking {
    /// Files were made or taken away: it is looked from this moment on.
    pub(super) at: Option<Moment>,
    /// Services that are closed, and what their callers are told.
    pub(super) closed: BTreeMap<ServiceNumber, Refusal>,
}

impl Core {
    /// Closes each service that lacks a file, and opens those again that lack none any more.
    pub(super) fn look_for_files(&mut self) -> Result<(), Fatal> {
        self.hall.lacking.at = None;
        let needed = self.hall.needed();
        if needed.is_empty() {
            return Ok(());
        }
        let lacking = match missing(&mut *self.store, &needed) {
            Ok(lacking) => lacking,
            Err(trouble) => {
                let why = trouble.to_string();
                left(trouble)?;
                self.hall.lacking.at = Some(clock::now() + PAUSE);
                let away = |(number, _): (ServiceNumber, _)| {
                    (number, Refusal::StoreAway { why: why.clone() })
                };
                needed.into_iter().map(away).collect()
            }
        };
        self.abandon()?;
        self.hall.lack(lacking);
        Ok(())
    }
}

/// What the callers of each service that lacks a file are told.
pub(super) fn missing(
    store: &mut (impl Store + ?Sized),
    needed: &[(ServiceNumber, Vec<Arc<str>>)],
) -> Result<BTreeMap<ServiceNumber, Refusal>, Trouble> {
    let mut unit = store.aside()?;
    let mut lacking = BTreeMap::new();
    for (number, names) in needed {
        let mut missing = Vec::new();
        for name in names {
            if file::Files::of(&mut *unit).find(name)?.is_none() {
                missing.push(&**name);
            }
        }
        if !missing.is_empty() {
            let why = format!("missing files: {}", missing.join(", "));
            lacking.insert(*number, Refusal::NotDeployed { why: why.into() });
        }
    }
    Ok(lacking)
}

impl Hall {
    /// Which files each service needs before its first call.
    pub(super) fn needed(&self) -> Vec<(ServiceNumber, Vec<Arc<str>>)> {
        let of = |(number, desk): (&ServiceNumber, &super::pools::Desk)| {
            let all = desk.files.all().iter().filter(|file| file.needed == Needed::Before);
            let names: Vec<Arc<str>> = all.map(|file| file.name.clone()).collect();
            (!names.is_empty()).then_some((*number, names))
        };
        self.desks.iter().filter_map(of).collect()
    }

    /// Only what lacked files is opened again; what somebody else has closed stays so.
    pub(super) fn lack(&mut self, lacking: BTreeMap<ServiceNumber, Refusal>) {
        let before = std::mem::replace(&mut self.lacking.closed, lacking);
        for (number, told) in before {
            if let Some(ground) = self.grounds.get_mut(&number)
                && ground.open.as_ref() == Err(&told)
            {
                ground.open = Ok(());
            }
        }
        for (number, refusal) in &self.lacking.closed {
            if let Some(ground) = self.grounds.get_mut(number)
                && ground.open.is_ok()
            {
                ground.open = Err(refusal.clone());
            }
        }
        self.todo.push_back(Todo::Table(Event::Woken));
    }

    /// Whether the store is to be looked into now.
    pub(super) fn may_lack(&self) -> bool {
        self.lacking.at.is_some_and(|at| at <= clock::now())
    }
}
