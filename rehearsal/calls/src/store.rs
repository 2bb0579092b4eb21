//! The two stores: one on a volume, whose last writes a power loss takes, and one on a server,
//! whose sessions go on without the engine that began them.

use std::collections::BTreeMap;

use tsugi_service_rules::call::Attempt;
use tsugi_service_rules::epoch::Owner;
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::mutant::mutant;

use crate::rows::{Rows, Write};

/// Where the work is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On a volume, by one writer.
    Volume,
    /// On a server, by a session a run.
    Server,
}

/// A session on the server, with its unit of work.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The run of the engine that began it.
    pub(crate) owner: Owner,
    /// Of which call.
    pub(crate) of: (CallId, Attempt),
    /// What it has written and not committed.
    pub(crate) writes: Vec<Write>,
    /// When it is gone, if it was told to end.
    pub(crate) gone: Option<u64>,
}

/// A store.
#[derive(Default)]
pub(crate) struct Store {
    /// What readers see.
    pub(crate) rows: Rows,
    /// What a power loss leaves.
    pub(crate) durable: Rows,
    /// What is written and not synced: a power loss leaves any prefix.
    suffix: Vec<Vec<Write>>,
    /// Whether readers see the suffix already.
    seen: bool,
    /// The sessions of a server.
    pub(crate) sessions: BTreeMap<u64, Session>,
    next_session: u64,
    /// A claim that readers see and nobody has synced, as a planted fault leaves it.
    claimed: Vec<Write>,
}

impl Store {
    /// A commit is written and not synced.
    pub(crate) fn write(&mut self, unit: Vec<Write>) {
        self.suffix.push(unit);
    }

    /// What is written is made durable, and only then seen; says what that was.
    pub(crate) fn sync(&mut self) -> Result<Vec<Write>, String> {
        self.settle()?;
        let seen = std::mem::take(&mut self.seen);
        let all: Vec<Write> = std::mem::take(&mut self.suffix).into_iter().flatten().collect();
        for write in &all {
            self.durable.apply(*write)?;
            if !seen {
                self.rows.apply(*write)?;
            }
        }
        Ok(all)
    }

    /// A sync failed: so many of the commits that are written can be read again, and the system
    /// will not say again that the rest could not.
    pub(crate) fn tear(&mut self, left: usize) {
        self.suffix.truncate(left);
    }

    /// The power is lost; so many of the commits that are written are left.
    pub(crate) fn lose_power(&mut self, left: usize) -> Result<Vec<Write>, String> {
        self.suffix.truncate(left);
        self.claimed.clear();
        self.seen = true;
        let all = self.sync()?;
        self.rows = self.durable.clone();
        Ok(all)
    }

    /// How many commits are written and not synced.
    pub(crate) fn unsynced(&self) -> usize {
        self.suffix.len()
    }

    /// An engine opens the file: what is written there is read, and synced before it is told.
    pub(crate) fn recover(&mut self) -> Result<Vec<Write>, String> {
        if !mutant("wal-not-synced-at-open") {
            return self.sync();
        }
        if !self.seen {
            for write in self.suffix.iter().flatten() {
                self.rows.apply(*write)?;
            }
        }
        self.seen = !self.suffix.is_empty();
        Ok(Vec::new())
    }

    /// Writes whose the store is, and does not sync it.
    pub(crate) fn claim_unsynced(&mut self, unit: &[Write]) -> Result<(), String> {
        self.claimed.extend(unit);
        unit.iter().try_for_each(|write| self.rows.apply(*write))
    }

    fn settle(&mut self) -> Result<(), String> {
        let claimed = std::mem::take(&mut self.claimed);
        claimed.into_iter().try_for_each(|write| self.durable.apply(write))
    }

    /// Writes and syncs at once.
    pub(crate) fn commit(&mut self, unit: &[Write]) -> Result<(), String> {
        self.settle()?;
        for write in unit {
            self.durable.apply(*write)?;
            self.rows.apply(*write)?;
        }
        Ok(())
    }

    /// Opens a session.
    pub(crate) fn session(&mut self, owner: Owner, of: (CallId, Attempt)) -> u64 {
        self.next_session += 1;
        let session = Session { owner, of, writes: Vec::new(), gone: None };
        self.sessions.insert(self.next_session, session);
        self.next_session
    }

    /// The session of a run of an engine.
    pub(crate) fn session_of(&self, owner: Owner, of: (CallId, Attempt)) -> Option<u64> {
        let is = |session: &Session| session.owner == owner && session.of == of;
        self.sessions.iter().find(|(_, session)| is(session)).map(|(number, _)| *number)
    }

    /// Whether another session has put a row under this id and has not ended.
    pub(crate) fn is_claimed(&self, id: CallId, by: u64) -> bool {
        self.sessions.iter().any(|(number, session)| *number != by && session.of.0 == id)
    }
}
