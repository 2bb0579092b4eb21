//! The logbook: what an agent tells its log, each line a message of the catalogue.
//!
//! Two sources: the events that the ledger keeps, and what changed from one picture of the agent
//! to the next. It reads and never decides; a line that is lost with the log is still in the
//! ledger, where `history` finds it.

mod event;
mod journal;
mod turn;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{EventRecord, Record, Versioned};
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_cluster_rules::unit::UnitName;
use tsugi_ledger::Ledger;
use tsugi_messages::{Language, Message, Recorded};
use tsugi_vocabulary::{Index, NodeName};
use tsugi_wire::control::Words;

pub use journal::catalogue;

use crate::control::view::words::{Deed, cause};
use crate::standing::Standing;
use crate::{mounts, parity, records};
use journal::Journal;

/// The journal that standard error goes to.
static JOURNAL: LazyLock<Option<Journal>> = LazyLock::new(|| Journal::behind(std::io::stderr()));

/// How often each message was told since this process began.
static TOLD: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// How long changes are gathered: an idle node writes nothing and hardly wakes.
const BREATH: Duration = Duration::from_millis(200);

/// The language of this node's log: of the applied configuration, else of the environment.
#[must_use]
pub fn language(record: &Record) -> Language {
    let configured = record.spec().and_then(|spec| spec.language.as_deref());
    let here = Language::here(None, configured).or_else(|_| Language::here(None, None));
    here.unwrap_or_default()
}

/// The first line of an agent.
pub fn begin(me: &NodeName, version: &str, started: u64, language: Language) {
    tell(Some(tsugi_messages::agent_started(me, version, started)), language);
}

/// Tells standard error what happens until the agent ends.
pub async fn keep(ledger: Arc<dyn Ledger>, mut standing: watch::Receiver<Arc<Standing>>) {
    let mut before = Arc::new(turn::untold(&standing.borrow_and_update()));
    let mut told = records::events(&ledger.view()).map_or(Index(0), |events| newest(&events));
    while standing.changed().await.is_ok() {
        let now = Arc::clone(&standing.borrow_and_update());
        let language = language(&now.record);
        for message in turn::messages(&before, &now, language) {
            tell(Some(message), language);
        }
        if now.record.applied != before.record.applied {
            let events = records::events_since(&ledger.view(), told).unwrap_or_default();
            let here = (&now.me, &*now.record);
            for event in &events {
                tell(event::message(&event.value, &now.record, language), language);
                tell(event::interruption(&event.value, here, language), language);
                tell(event::beyond_reach(&event.value, here), language);
                let starters = |unit: &UnitName| parity::starters(Path::new("/"), unit);
                tell(event::started_unasked(&event.value, here, starters), language);
                let protected = |group: &GroupSpec| mounts::protected(Path::new("/"), group);
                tell(event::slow_to_mount(&event.value, here, protected), language);
            }
            told = told.max(newest(&events));
        }
        before = now;
        tokio::time::sleep(BREATH).await;
    }
}

/// The entry up to which these were told: a time would not do, clocks step.
fn newest(events: &[Versioned<EventRecord>]) -> Index {
    events.last().map_or(Index(0), |event| event.version)
}

/// Tells one thing at once, before there is a record whose language it could be in.
pub fn say(message: &Message) {
    line(message, language(&Record::default()));
}

/// Tells it, if there is anything to tell.
pub(crate) fn tell(message: Option<Message>, language: Language) {
    if let Some(message) = message {
        line(&message, language);
    }
}

fn line(message: &Message, language: Language) {
    let journal = JOURNAL.as_ref();
    // What a journal does not take stands in its stream like any line; one that is full takes
    // nothing there either, and whoever wrote to it would wait.
    match journal.map(|journal| journal.tell(message, language)) {
        Some(Ok(())) => {}
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
        Some(Err(_)) | None => eprintln!("{}", message.line(language)),
    }
    *told().entry(message.id()).or_default() += 1;
}

/// How often each message was told since this process began, by id.
#[must_use]
pub fn counts() -> BTreeMap<&'static str, u64> {
    told().clone()
}

fn told() -> MutexGuard<'static, BTreeMap<&'static str, u64>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The words of a cause, to stand inside of a message.
fn because(first: &Cause, deed: Deed, language: Language) -> String {
    words(&cause(first, deed), language)
}

/// What the control socket would answer, to stand inside of a line.
pub(crate) fn words(words: &Words, language: Language) -> String {
    Recorded { id: words.id.clone(), values: words.values.clone() }.words(language)
}
