//! The ledger by Raft passes the suite, and stays whole when voters and links are lost.

mod stand;

use std::time::{Duration, Instant};

use stand::Three;
use tsugi_ledger::{ClusterId, Failure, Ledger, RaftLedger, StorageFailure, VoterId, suite};
use tsugi_vocabulary::Generation;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_by_raft_passes_the_suite() {
    suite::all(async || Three::founded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_replaced_and_nothing_committed_is_lost() {
    let mut three = Three::founded().await;
    let old = three.leader().await;
    let index = suite::commit(three.ledger(old), stand::put("a", 1)).await.committed().unwrap();
    three.stop(old).await;
    let new = three.leader().await;
    assert_ne!(old, new);
    suite::applied(three.ledger(new), index).await;
    suite::commit(three.ledger(new), stand::put("b", 2)).await.committed().unwrap();
    three.start(old).await;
    let both = suite::commit(three.ledger(old), stand::put("c", 3)).await.committed().unwrap();
    suite::applied(three.ledger(old), both).await;
    assert_eq!(three.value(old, "a"), Some(1));
    assert_eq!(three.value(old, "b"), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_cut_off_returns_without_disturbing_the_leader() {
    let three = Three::founded_calmly().await;
    let leader = three.leader().await;
    let follower = (leader + 1) % 3;
    suite::commit(three.ledger(leader), stand::put("a", 1)).await;
    let term = three.term(leader);
    three.switchboard.isolate(three.id(follower));
    // Long enough for it to ask the others whether they hear a leader.
    tokio::time::sleep(stand::CALM.silence().to_std() * 2).await;
    three.switchboard.heal();
    for n in 0..20 {
        let outcome = three.ledger(leader);
        let outcome = Ledger::commit(outcome, stand::put("b", n)).await;
        assert!(outcome.expect("never without a leader").committed().is_some());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(three.leader().await, leader);
    assert_eq!(three.term(leader), term, "no election took place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_a_majority_says_that_it_does_not_lead() {
    let three = Three::founded_calmly().await;
    let old = three.leader().await;
    three.switchboard.isolate(three.id(old));
    three.until(|three| !three.leads(old)).await;
    let answer = Ledger::commit(three.ledger(old), stand::put("a", 1)).await;
    assert_eq!(answer, Err(Failure::NoLeader));
    let new = three.leader().await;
    assert_ne!(new, old);
    three.switchboard.heal();
    let index = suite::commit(three.ledger(old), stand::put("a", 2)).await.committed().unwrap();
    suite::applied(three.ledger(old), index).await;
    assert_eq!(three.leader().await, new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hears_nobody_is_replaced_though_it_is_heard() {
    let three = Three::founded().await;
    let old = three.leader().await;
    for other in (0..3).filter(|n| *n != old) {
        three.switchboard.cut(three.id(other), three.id(old));
    }
    let new = three.another_leader(old).await;
    suite::commit(three.ledger(new), stand::put("a", 1)).await.committed().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_connections_died_is_replaced_though_its_datagrams_are_heard() {
    let three = Three::founded().await;
    let old = three.leader().await;
    let datagrams =
        tokio::spawn(stand::datagrams((0..3).map(|n| three.ledger(n).clone()).collect()));
    suite::commit(three.ledger(old), stand::put("a", 1)).await.committed().unwrap();
    three.switchboard.isolate(three.id(old));
    let new = three.another_leader(old).await;
    suite::commit(three.ledger(new), stand::put("a", 2)).await.committed().unwrap();
    datagrams.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_full_power_cut_a_leader_is_elected_and_everything_is_there() {
    let mut three = Three::founded().await;
    for n in 0..10 {
        suite::commit(three.ledger(0), stand::put(&format!("k/{n}"), n)).await;
    }
    let before: Vec<_> = (0..3).map(|n| three.applied(n)).collect();
    for n in 0..3 {
        three.stop(n).await;
    }
    for (n, before) in before.into_iter().enumerate() {
        three.start(n).await;
        assert!(three.applied(n) >= before, "a view never goes back");
    }
    let index = suite::commit(three.ledger(1), stand::put("k/10", 10)).await.committed().unwrap();
    for n in 0..3 {
        suite::applied(three.ledger(n), index).await;
        assert_eq!(three.count(n, "k/"), 11);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_far_behind_gets_a_snapshot() {
    let mut three = Three::founded().await;
    let leader = three.leader().await;
    let behind = (leader + 1) % 3;
    three.stop(behind).await;
    for n in 0..100_u32 {
        let change = stand::put(&format!("k/{}", n % 50), (n % 251) as u8);
        suite::commit(three.ledger(leader), change).await.committed().unwrap();
    }
    three.ledger(leader).compact().await;
    three.start(behind).await;
    let index = suite::commit(three.ledger(leader), stand::put("end", 1)).await.committed();
    suite::applied(three.ledger(behind), index.unwrap()).await;
    assert_eq!(three.count(behind, "k/"), 50);
    assert_eq!(three.view(behind).entries, three.view(leader).entries);
    assert_eq!(three.view(behind).voters, three.view(leader).voters);
    let after = tsugi_vocabulary::Index(1);
    let forgotten = Ledger::changes_since(three.ledger(behind), after);
    assert!(forgotten.is_err(), "what came as a whole is not listed change by change");
    three.stop(behind).await;
    three.start(behind).await;
    assert_eq!(three.count(behind, "k/"), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_whose_disk_fails_says_so_and_another_leads() {
    let mut three = Three::founded().await;
    let old = three.leader().await;
    let index = suite::commit(three.ledger(old), stand::put("a", 1)).await.committed().unwrap();
    three.ledger(old).break_disk().await;
    let answer = three.ledger(old).commit(stand::put("b", 1)).await;
    assert!(matches!(answer, Err(Failure::Unknown | Failure::Storage(_))), "{answer:?}");
    let mut failed = three.ledger(old).failed();
    let told = failed.wait_for(Option::is_some).await.unwrap().clone();
    assert!(matches!(told, Some(Failure::Storage(StorageFailure::Io { .. }))), "{told:?}");
    assert!(!three.leads(old));
    let again = three.ledger(old).commit(stand::put("b", 1)).await;
    assert_eq!(again.err(), told, "it is not tried again");
    three.another_leader(old).await;
    three.stop(old).await;
    three.start(old).await;
    assert!(three.applied(old) >= index, "what was acknowledged is there");
    suite::commit(three.ledger(old), stand::put("c", 1)).await.committed().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_itself_can_be_taken_away() {
    let three = Three::founded().await;
    let old = three.leader().await;
    let removed = three.ledger(old).remove_voter(three.id(old), Generation(1)).await;
    let other = (old + 1) % 3;
    suite::applied(three.ledger(other), removed.unwrap()).await;
    assert_eq!(three.view(other).voters.list.len(), 2);
    three.another_leader(old).await;
    suite::commit(three.ledger(other), stand::put("a", 1)).await.committed().unwrap();
    assert!(!three.leads(old));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_another_cluster_voter_or_version_is_refused() {
    let three = Three::founded().await;
    let (first, second) = (three.ledger(0), three.id(1));
    let probe = Three::probe(stand::CLUSTER, second, three.id(0));
    let answered = first.handle(probe.clone()).await;
    let refusals = [
        Three::probe(ClusterId(1), second, three.id(0)),
        Three::probe(stand::CLUSTER, second, VoterId(77)),
        probe[..probe.len() - 1].to_vec(),
        [&[2], &probe[1..]].concat(),
    ];
    let mut seen = Vec::new();
    for message in refusals {
        let refused = first.handle(message).await;
        assert_ne!(refused[..2], answered[..2]);
        seen.push(refused);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each is refused for a reason of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_that_lost_its_file_does_not_come_back_under_its_number() {
    let mut three = Three::founded().await;
    let lost = (three.leader().await + 1) % 3;
    three.stop(lost).await;
    std::fs::remove_dir_all(three.directories[lost].path().join("ledger")).unwrap();
    let gone = |failure: &Failure| matches!(failure, Failure::Storage(StorageFailure::Lost { .. }));
    assert!(three.try_start(lost).await.is_err_and(|failure| gone(&failure)));
    assert!(three.try_join(lost).await.is_err_and(|failure| gone(&failure)));
    assert!(three.try_join(lost).await.is_err_and(|failure| gone(&failure)), "nor the next time");
    let keeper = (lost + 1) % 3;
    three.ledger(keeper).remove_voter(three.id(lost), Generation(1)).await.unwrap();
    let node = tsugi_vocabulary::NodeName::new("b2").unwrap();
    let (voter, ledger) = suite::Stand::another(&mut three, node).await;
    let index = three.ledger(keeper).add_voter(voter.clone(), Generation(2)).await.unwrap();
    suite::applied(&*ledger, index).await;
    assert!(ledger.view().voters.list.contains_key(&voter.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_does_not_run_still_says_how_far_it_came() {
    let mut three = Three::founded().await;
    let leader = three.leader().await;
    let index = suite::commit(three.ledger(leader), stand::put("a", 7)).await.committed().unwrap();
    let running = RaftLedger::last_view(&three.directories[leader].path().join("ledger"));
    assert!(matches!(running, Err(StorageFailure::InUse { .. })), "{running:?}");
    three.stop(leader).await;
    let view = RaftLedger::last_view(&three.directories[leader].path().join("ledger")).unwrap();
    assert!(view.applied >= index);
    assert_eq!(view.get("a").unwrap().value[1], 7);
    assert_eq!(view.voters, three.view((leader + 1) % 3).voters);
    let nothing = tempfile::TempDir::new().unwrap();
    let missing = RaftLedger::last_view(nothing.path());
    assert!(matches!(missing, Err(StorageFailure::Missing { .. })), "{missing:?}");
}

/// Adds a fourth voter while the leader is lost after so many of its messages, and waits until the
/// others have a leader and the change is done. Whether the leader was lost on the way at all.
async fn a_change_whose_leader_is_lost(after: u32) -> bool {
    let mut four = Three::founded().await;
    let old = four.leader().await;
    let (voter, ledger) =
        suite::Stand::another(&mut four, tsugi_vocabulary::NodeName::new("d").expect("a name"))
            .await;
    four.switchboard.fuse(four.id(old), after);
    let adding = four.ledger(old).add_voter(voter.clone(), Generation(1));
    let asked = tokio::spawn(adding);
    let settled = |four: &Three| four.switchboard.has_blown() || asked.is_finished();
    four.until(settled).await;
    if !four.switchboard.has_blown() {
        return false;
    }
    let left: Vec<usize> = (0..4).filter(|n| *n != old).collect();
    // What was half done is finished by whoever leads next, though nobody asks for it.
    four.until(|four| left.iter().any(|n| four.leads(*n))).await;
    four.until(|four| !left.iter().any(|n| four.ledger(*n).is_between_lists())).await;
    let begun = Instant::now();
    while begun.elapsed() < suite::LONG {
        if left.iter().any(|n| four.leads(*n)) {
            let one = four.ledger(left[0]);
            let known = one.view().voters.generation;
            // Refused as long as the former change is not done: then that one is finished.
            let _refused = one.add_voter(voter.clone(), known).await;
            if ledger.view().voters.list.len() == 4 {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let list = &ledger.view().voters.list;
    assert_eq!(list.len(), 4, "lost after {after} messages: {list:?}");
    let outcome = suite::commit(&*ledger, stand::put("a", 1)).await;
    let index = outcome.committed().expect("nothing forbids it");
    for n in left {
        suite::applied(four.ledger(n), index).await;
        assert_eq!(four.view(n).voters, ledger.view().voters);
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_voters_is_finished_whenever_its_leader_is_lost() {
    let mut lost = 0;
    for first in (1..=32).step_by(8) {
        let mut tries = tokio::task::JoinSet::new();
        (first..first + 8)
            .for_each(|after| drop(tries.spawn(a_change_whose_leader_is_lost(after))));
        lost += tries.join_all().await.into_iter().filter(|lost| *lost).count();
    }
    assert!(lost > 8, "{lost} times the leader was lost on the way");
}
