//! What the runtime does for the core: drafts to the ledger, the ledger to the core.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tsugi_cluster_rules::lease::voter_list::{Seat, VoterChange};
use tsugi_cluster_rules::node::{Event, Fate};
use tsugi_cluster_rules::record::{Draft, Record};
use tsugi_host::service::{self, Word};
use tsugi_ledger::{Failure, Ledger, Outcome, View, Voter, VoterId};
use tsugi_messages::Language;
use tsugi_vocabulary::{Generation, NodeName};

use super::book::Book;
use super::complaint::of_storage;
use super::register::Register;
use crate::core::{Post, Proposal};
use crate::{logbook, records};

/// A draft that is not answered in this time may or may not be in the ledger. The core then looks
/// and proposes anew; the conditions of a draft keep it from taking effect twice. Shorter than a
/// lease: a leader that is lost with a draft must not hold a takeover up.
const PATIENCE: Duration = Duration::from_millis(150);

/// The record of a view, decoded; the last good one is kept if a value cannot be read, and the
/// node then says that its ledger is unreadable instead of guessing.
pub(super) struct Reader {
    known: Arc<Record>,
}

impl Reader {
    pub(super) fn new(known: Arc<Record>) -> Self {
        Self { known }
    }

    pub(super) fn read(&mut self, view: &View) -> Result<Arc<Record>, records::Unreadable> {
        let record = Arc::new(records::record(view, &self.known)?);
        self.known = Arc::clone(&record);
        Ok(record)
    }
}

/// Puts drafts to the ledger, each in its own task, and tells the core what became of them.
pub(super) async fn propose(
    ledger: Arc<dyn Ledger>,
    mut drafts: mpsc::UnboundedReceiver<Proposal>,
    post: Post,
) {
    while let Some(Proposal { number, draft }) = drafts.recv().await {
        let (ledger, post) = (Arc::clone(&ledger), post.clone());
        tokio::spawn(async move {
            let fate = commit(&*ledger, &draft).await;
            post.event(Event::Proposed { proposal: number, fate });
        });
    }
}

/// Has the ledger change its voters, one after the other. What comes of it shows in the record;
/// what came to nothing is ordered again (L6), so a refusal needs no answer.
pub(super) async fn change_voters(
    ledger: Arc<dyn Ledger>,
    mut changes: mpsc::UnboundedReceiver<(VoterChange, Generation)>,
) {
    while let Some(mut newest) = changes.recv().await {
        // A new voter may take long to catch up; what was ordered meanwhile was ordered again.
        while let Ok(later) = changes.try_recv() {
            newest = later;
        }
        let (change, known) = newest;
        let _ordered_again = match change {
            VoterChange::Add(Seat { node, voter }) => {
                ledger.add_voter(Voter { id: VoterId(voter), node }, known).await
            }
            VoterChange::Remove(Seat { voter, .. }) => {
                ledger.remove_voter(VoterId(voter), known).await
            }
        };
    }
}

/// Puts one draft to the ledger, and waits no longer than a lease allows.
pub(super) async fn commit(ledger: &dyn Ledger, draft: &Draft) -> Fate {
    tokio::time::timeout(PATIENCE, put(ledger, draft)).await.unwrap_or(Fate::Unknown)
}

/// Puts one draft to the ledger. A format that the cluster has not agreed on yet is as good as no
/// answer: it may be agreed on later.
pub async fn put(ledger: &dyn Ledger, draft: &Draft) -> Fate {
    let view = ledger.view();
    let Ok(record) = records::record(&view, &Record::default()) else { return Fate::Unknown };
    let Ok(change) = records::change(draft, &view, &record) else { return Fate::Overtaken };
    match ledger.commit(change).await {
        Ok(Outcome::Committed(index)) => Fate::Taken(index),
        Ok(Outcome::Refused { .. }) => Fate::Overtaken,
        Ok(Outcome::TooNew { .. }) | Err(_) => Fate::Unknown,
    }
}

/// Tells the core each time the ledger has moved on here.
pub(super) async fn follow(ledger: Arc<dyn Ledger>, mut reader: Reader, post: Post) {
    let mut applied = ledger.watch();
    loop {
        match reader.read(&ledger.view()) {
            Ok(record) => post.event(Event::Applied(record)),
            // The core goes on with the last record it could read; nothing new is started on it.
            Err(records::Unreadable { key, why, .. }) => {
                logbook::say(&tsugi_messages::record_unreadable(&key, &why));
            }
        }
        if applied.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps what is needed before the ledger can be reached up to what it says: where everybody
/// listens, and the founding record.
pub(super) async fn catch_up(
    ledger: Arc<dyn Ledger>,
    (book, register, me): (Arc<Book>, Arc<Register>, NodeName),
) {
    let mut applied = ledger.watch();
    let mut seen = None;
    loop {
        let view = ledger.view();
        let now = (view.version("config"), view.voters.generation);
        if seen != Some(now)
            && let Ok(record) = records::record(&view, &Record::default())
        {
            book.learn(&record);
            register.catch_up(&view, &record, &me).await;
            seen = Some(now);
        }
        if applied.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the core who leads the ledger.
pub(super) async fn lead(ledger: Arc<dyn Ledger>, post: Post) {
    let mut leadership = ledger.leadership_watch();
    let mut applied = ledger.watch();
    loop {
        let now = *leadership.borrow_and_update();
        let leader = now.leader.and_then(|id| node_of(&ledger.view(), id));
        let unnamed = now.leader.is_some() && leader.is_none();
        post.event(Event::Leader { term: now.term, leader });
        // The first leader is elected before the list of voters is applied here.
        let ended = tokio::select! {
            changed = leadership.changed() => changed.is_err(),
            changed = applied.changed(), if unnamed => changed.is_err(),
        };
        if ended {
            return;
        }
    }
}

/// Told to stop, the node hands everything over before it ends.
pub(super) async fn leave_on_signal(post: Post) {
    use tokio::signal::unix::{SignalKind, signal};
    // Without the right to listen to signals the node ends as if it had lost power.
    let Ok(mut term) = signal(SignalKind::terminate()) else { return };
    let Ok(mut int) = signal(SignalKind::interrupt()) else { return };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    service::say(Word::Stopping);
    post.event(Event::Leave);
}

/// Ends the core when this copy of the ledger can no longer be used (I17), and says why: another
/// start reads what is on the disk.
pub(super) async fn end_with(
    ledger: Arc<dyn Ledger>,
    (node, language): (NodeName, Language),
    post: Post,
) {
    let mut failed = ledger.failed();
    let Ok(failure) = failed.wait_for(Option::is_some).await.map(|failure| failure.clone()) else {
        return;
    };
    if let Some(Failure::Storage(storage)) = failure {
        logbook::tell(Some(of_storage(&storage, node.as_str())), language);
    }
    post.send(crate::core::Letter::StepAside);
}

fn node_of(view: &View, id: tsugi_ledger::VoterId) -> Option<NodeName> {
    view.voters.list.get(&id).cloned()
}
