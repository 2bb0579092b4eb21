//! Undoes an apply that nobody confirmed in time.
//!
//! The moment is in the ledger, so that another leader, or all nodes after a restart, undo it at
//! the same time or at once. A clock that was set back only delays it by what this leader waits.

use std::time::Duration;

use tokio::time::Instant;
use tsugi_cluster_rules::record::{AppliedConfig, Unconfirmed};
use tsugi_messages as messages;
use tsugi_vocabulary::{Span, Wall};
use tsugi_wire::control::report::No;
use tsugi_wire::control::{Change, How, Operation, Reply};

use super::person::Person;
use super::{Services, change};
use crate::logbook;

/// How often is looked, and how long is waited after a rule has refused.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often an apply that is not confirmed is looked at.
    pub look: Duration,
    /// How long is waited before it is tried again.
    pub again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { look: Duration::from_secs(1), again: Duration::from_secs(30) }
    }
}

/// What is known of the apply that waits.
struct Seen {
    version: u64,
    since: Instant,
    not_before: Option<Instant>,
}

/// Runs beside [`super::serve`] on every node and acts only on the one that leads the ledger.
pub async fn keep_or_undo(services: Services, pace: Pace) {
    let mut seen: Option<Seen> = None;
    let mut standing = services.view.standing.clone();
    loop {
        if waiting(&services).is_none() {
            // At rest there is nothing to count down, so there is no clock either.
            if standing.changed().await.is_err() {
                return;
            }
            seen = None;
            continue;
        }
        tokio::time::sleep(pace.look).await;
        let Some(config) = waiting(&services) else { continue };
        let Some(unconfirmed) = &config.unconfirmed else { continue };
        let known = seen.take().filter(|known| known.version == config.version);
        let fresh = || Seen { version: config.version, since: Instant::now(), not_before: None };
        let known = seen.insert(known.unwrap_or_else(fresh));
        let held = known.not_before.is_some_and(|at| Instant::now() < at);
        if held || !is_over(unconfirmed, known.since.elapsed().into(), change::wall()) {
            continue;
        }
        let undo = undo(&config, unconfirmed);
        let person = Person("tsugi".to_owned());
        if let Reply::No(refused) = change::change(&services, &undo, &person).await
            && refused.kind == No::Refused
        {
            known.not_before = Some(Instant::now() + pace.again);
            let language = logbook::language(&services.view.standing.borrow().record);
            let why = logbook::words(&refused.what, language);
            eprintln!("{}", messages::config_undo_refused(config.version, why).line(language));
        }
    }
}

/// The configuration that waits for its confirmation, if this node is the one to undo it.
fn waiting(services: &Services) -> Option<std::sync::Arc<AppliedConfig>> {
    let standing = services.view.standing.borrow();
    let leads = standing.leader.as_ref() == Some(&standing.me);
    standing.record.config.clone().filter(|c| leads && c.unconfirmed.is_some())
}

/// Whether the time to confirm is over, for one who has known of it for so long.
fn is_over(unconfirmed: &Unconfirmed, known_for: Span, now: Wall) -> bool {
    let by_the_wall = unconfirmed.undone_at().is_some_and(|at| at <= now);
    by_the_wall || known_for >= unconfirmed.within
}

/// Each try is a command of its own: one that a rule has refused is in the audit by its id.
fn undo(config: &AppliedConfig, unconfirmed: &Unconfirmed) -> Change {
    let version = config.version;
    Change {
        command: format!("undo-of-configuration-{version}-{}", change::wall().0),
        words: format!("tsugi undo {version}"),
        reason: "not confirmed".to_owned(),
        origin: "tsugi".to_owned(),
        decided_on: None,
        how: How::ForReal,
        what: Operation::Undo { text: unconfirmed.back_to.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_at_the_moment_in_the_ledger_whoever_leads_then() {
        let mut one = Unconfirmed {
            back_to: String::new(),
            within: Span::secs(300),
            since: Some(Wall(1_000)),
        };
        assert!(!is_over(&one, Span::ZERO, Wall(300_999)));
        assert!(is_over(&one, Span::ZERO, Wall(301_000)), "a leader that has just begun");
        assert!(is_over(&one, Span::secs(300), Wall(5)), "a clock that was set back");
        one.since = None;
        assert!(!is_over(&one, Span::secs(299), Wall(u64::MAX)));
        assert!(is_over(&one, Span::secs(300), Wall(0)));
    }
}
