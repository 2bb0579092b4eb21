//! What every back end must do, as tests. A back end fulfils [`Stand`] and calls [`all`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tsugi_vocabulary::{Generation, Index, NodeName};

use crate::{Backup, Change, Failure, Floor, Key, Ledger, Outcome, Voter, VotersRefused};

/// A future of the suite.
pub type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A back end on its test stand: three voters `a`, `b`, `c` of one new ledger.
pub trait Stand: Send + Sync {
    /// The ledger as the `n`-th voter holds it.
    fn handle(&self, n: usize) -> Arc<dyn Ledger>;
    /// Ends the `n`-th voter as a power loss would and starts it again from its disk.
    fn restart(&mut self, n: usize) -> Step<'_, ()>;
    /// A further voter that keeps nothing yet, for `node`; its ledger once it was added.
    fn another(&mut self, node: NodeName) -> Step<'_, (Voter, Arc<dyn Ledger>)>;
    /// A new ledger restored from `backup`, kept by `node` alone.
    fn restored(&self, backup: Backup, floor: Floor, node: NodeName) -> Step<'_, Arc<dyn Ledger>>;
}

/// Everything, each on a new stand.
pub async fn all<S: Stand>(stand: impl AsyncFn() -> S) {
    a_change_is_seen_by_every_voter(&stand().await).await;
    of_two_changes_on_one_version_one_is_refused(&stand().await).await;
    no_count_is_lost_between_three_writers(&stand().await).await;
    a_watcher_sees_every_change_once_and_in_order(&stand().await).await;
    a_barrier_shows_what_was_committed_elsewhere(&stand().await).await;
    a_newer_format_waits_for_its_level(&stand().await).await;
    what_is_too_large_is_refused(&stand().await).await;
    what_was_committed_outlives_every_restart(&mut stand().await).await;
    a_voter_joins_catches_up_and_leaves(&mut stand().await).await;
    a_restored_ledger_begins_above_everything_seen(&stand().await).await;
}

fn key(text: &str) -> Key {
    Key::new(text).expect("keys of the suite are well formed")
}

/// How long anything may take that is waited for: far more than it should.
pub const LONG: Duration = Duration::from_secs(60);

/// Commits until there is an answer: leaders change while a stand warms up.
pub async fn commit(ledger: &dyn Ledger, change: Change) -> Outcome {
    let begun = Instant::now();
    while begun.elapsed() < LONG {
        match ledger.commit(change.clone()).await {
            Ok(outcome) => return outcome,
            // Without conditions it may be written twice: the same value stands there again.
            Err(Failure::Unknown) if change.conditions.is_empty() => {}
            Err(Failure::NoLeader) => tokio::time::sleep(Duration::from_millis(25)).await,
            Err(other) => panic!("commit: {other}"),
        }
    }
    panic!("no leader for long")
}

/// Waits until `ledger` has applied `index`.
pub async fn applied(ledger: &dyn Ledger, index: Index) {
    let mut watch = ledger.watch();
    let reached = watch.wait_for(|applied| *applied >= index);
    let reached = tokio::time::timeout(LONG, reached).await;
    reached.expect("applied in time").expect("the ledger still runs");
}

async fn a_change_is_seen_by_every_voter(stand: &impl Stand) {
    let change = Change::new().write(key("group/PAY"), vec![1, 42]);
    let index = commit(&*stand.handle(0), change).await.committed().expect("no conditions");
    for n in 0..3 {
        let ledger = stand.handle(n);
        applied(&*ledger, index).await;
        let view = ledger.view();
        let entry = view.get("group/PAY").expect("the entry is there");
        assert_eq!((entry.version, &*entry.value), (index, [1, 42].as_slice()));
    }
}

async fn of_two_changes_on_one_version_one_is_refused(stand: &impl Stand) {
    let place = key("owner/PAY");
    let first = Change::new().when_absent(place.clone()).write(place.clone(), vec![1, 1]);
    let second = Change::new().when_absent(place.clone()).write(place.clone(), vec![1, 2]);
    let (one, two) = (stand.handle(1), stand.handle(2));
    let (one, two) = tokio::join!(commit(&*one, first), commit(&*two, second));
    let won = one.committed().or(two.committed()).expect("one of them takes effect");
    let refused = if one.committed().is_some() { two } else { one };
    let expected = Outcome::Refused { key: place, expected: Index(0), found: won };
    assert_eq!(refused, expected);
}

async fn no_count_is_lost_between_three_writers(stand: &impl Stand) {
    let counter = key("counter");
    let count = async |ledger: Arc<dyn Ledger>| {
        let mut done = 0;
        while done < 20 {
            let view = ledger.view();
            let (version, old) = match view.get("counter") {
                Some(entry) => (entry.version, entry.value[1]),
                None => (Index(0), 0),
            };
            let change = Change::new().when(counter.clone(), version);
            match commit(&*ledger, change.write(counter.clone(), vec![1, old + 1])).await {
                Outcome::Committed(index) => {
                    done += 1;
                    applied(&*ledger, index).await;
                }
                Outcome::Refused { found, .. } => applied(&*ledger, found).await,
                Outcome::TooNew { .. } => panic!("format 1 is never too new"),
            }
        }
    };
    tokio::join!(count(stand.handle(0)), count(stand.handle(1)), count(stand.handle(2)));
    let ledger = stand.handle(0);
    ledger.barrier().await.expect("a barrier");
    assert_eq!(ledger.view().get("counter").expect("it is there").value[1], 60);
}

async fn a_watcher_sees_every_change_once_and_in_order(stand: &impl Stand) {
    let ledger = stand.handle(2);
    // What the first leader finds is read whole: changes are told one by one from then on.
    let first = commit(&*ledger, Change::new().write(key("first"), vec![1, 0])).await;
    applied(&*ledger, first.committed().expect("no conditions")).await;
    let mut seen = ledger.view().applied;
    let begin = seen;
    let mut told = Vec::new();
    let mut written = Vec::new();
    for n in 0..30_u8 {
        let change = Change::new().write(key(&format!("n/{}", n % 7)), vec![1, n]);
        let change = change.write(key("all"), vec![1, n]);
        let index = commit(&*stand.handle(usize::from(n) % 3), change).await;
        written.push((index.committed().expect("no conditions"), n % 7));
        if n % 4 == 0 {
            applied(&*ledger, written[written.len() - 1].0).await;
            for change in ledger.changes_since(seen).expect("still remembered") {
                seen = change.index;
                told.push(change);
            }
        }
    }
    applied(&*ledger, written[written.len() - 1].0).await;
    told.extend(ledger.changes_since(seen).expect("still remembered"));
    let told: Vec<_> = told.into_iter().filter(|change| !change.keys.is_empty()).collect();
    let expected: Vec<_> = written
        .iter()
        .map(|(index, n)| crate::Applied {
            index: *index,
            keys: vec![key("all"), key(&format!("n/{n}"))],
        })
        .collect();
    assert_eq!(told, expected);
    assert!(told.iter().all(|change| change.index > begin));
}

async fn a_barrier_shows_what_was_committed_elsewhere(stand: &impl Stand) {
    for n in 0..12_u8 {
        let writer = stand.handle(usize::from(n) % 3);
        let reader = stand.handle(usize::from(n + 1) % 3);
        let index = commit(&*writer, Change::new().write(key("x"), vec![1, n])).await;
        reader.barrier().await.expect("a barrier");
        assert!(reader.view().applied >= index.committed().expect("no conditions"));
        assert_eq!(reader.view().get("x").expect("it is there").value[1], n);
    }
}

async fn a_newer_format_waits_for_its_level(stand: &impl Stand) {
    let ledger = stand.handle(1);
    let change = Change::new().write(key("new"), vec![2, 0]);
    let refused = Outcome::TooNew { key: key("new"), format: 2, level: 1 };
    assert_eq!(commit(&*ledger, change.clone()).await, refused);
    let raised = ledger.raise_level(2).await.expect("raised");
    assert!(raised.committed().is_some());
    assert!(commit(&*ledger, change).await.committed().is_some());
    ledger.barrier().await.expect("a barrier");
    assert_eq!(ledger.view().feature_level, 2);
}

async fn what_is_too_large_is_refused(stand: &impl Stand) {
    let large = vec![1; crate::LARGEST_CHANGE + 1];
    let answer = stand.handle(0).commit(Change::new().write(key("x"), large)).await;
    assert!(matches!(answer, Err(Failure::TooLarge { part: "bytes", .. })), "{answer:?}");
}

async fn what_was_committed_outlives_every_restart(stand: &mut impl Stand) {
    for n in 0..3_u8 {
        let change = Change::new().write(key(&format!("r/{n}")), vec![1, n]);
        commit(&*stand.handle(0), change).await;
        let before = stand.handle(usize::from(n)).view();
        stand.restart(usize::from(n)).await;
        let after = stand.handle(usize::from(n)).view();
        assert!(after.applied >= before.applied, "a view never goes back");
        for (key, entry) in before.entries.iter() {
            assert_eq!(after.get(key.as_str()), Some(entry));
        }
    }
    for n in 0..3 {
        stand.restart(n).await;
    }
    let index = commit(&*stand.handle(2), Change::new().write(key("last"), vec![1])).await;
    for n in 0..3 {
        let ledger = stand.handle(n);
        applied(&*ledger, index.committed().expect("no conditions")).await;
        assert_eq!(ledger.view().entries.under("r/").count(), 3);
    }
}

async fn a_voter_joins_catches_up_and_leaves(stand: &mut impl Stand) {
    for n in 0..50_u8 {
        commit(&*stand.handle(0), Change::new().write(key(&format!("j/{n}")), vec![1, n])).await;
    }
    let (voter, fourth) = stand.another(NodeName::new("d").expect("a name")).await;
    let ledger = stand.handle(1);
    ledger.barrier().await.expect("a barrier");
    let before = ledger.view().voters.generation;
    let stale = ledger.add_voter(voter.clone(), before.next()).await;
    let changed = VotersRefused::Changed { now: before };
    assert_eq!(stale, Err(Failure::Voters(changed)), "decided on another list");
    let index = ledger.add_voter(voter.clone(), before).await.expect("added");
    applied(&*fourth, index).await;
    assert_eq!(fourth.view().entries.under("j/").count(), 50);
    assert_eq!(fourth.view().voters.generation, before.next());
    assert_eq!(fourth.view().voters.list.len(), 4);
    ledger.barrier().await.expect("a barrier");
    let again = ledger.add_voter(voter.clone(), before.next()).await;
    let next = crate::VoterId(voter.id.0 + 1);
    let used = VotersRefused::Used { id: voter.id, next };
    assert_eq!(again, Err(Failure::Voters(used.clone())));
    let index = ledger.remove_voter(voter.id, before.next()).await.expect("taken away");
    applied(&*ledger, index).await;
    let last = Generation(before.0 + 2);
    assert_eq!(ledger.view().voters.generation, last);
    assert_eq!(ledger.add_voter(voter.clone(), last).await, Err(Failure::Voters(used)));
    let unknown = VotersRefused::Unknown { id: voter.id };
    assert_eq!(ledger.remove_voter(voter.id, last).await, Err(Failure::Voters(unknown)));
}

async fn a_restored_ledger_begins_above_everything_seen(stand: &impl Stand) {
    let ledger = stand.handle(1);
    commit(&*ledger, Change::new().write(key("kept"), vec![1, 7])).await;
    let bytes = ledger.backup().await.expect("a backup");
    commit(&*ledger, Change::new().write(key("later"), vec![1, 8])).await;
    ledger.barrier().await.expect("a barrier");
    let seen = ledger.view();
    let floor = Floor {
        incarnation: seen.incarnation,
        applied: seen.applied,
        generation: seen.voters.generation,
        voter: seen.voters.highest,
        wall_seconds: 1_000,
    };
    let backup = Backup::from_bytes(&bytes).expect("a backup is readable");
    let node = NodeName::new("a").expect("a name");
    let restored = stand.restored(backup, floor, node).await;
    let index = commit(&*restored, Change::new().write(key("new"), vec![1])).await;
    let view = restored.view();
    assert_eq!(view.incarnation, 1_001);
    assert!(index.committed().expect("no conditions") > seen.applied);
    assert!(view.get("kept").is_some() && view.get("later").is_none());
    assert!(view.voters.generation > seen.voters.generation);
    assert!(view.voters.list.keys().all(|id| *id > seen.voters.highest));
}
