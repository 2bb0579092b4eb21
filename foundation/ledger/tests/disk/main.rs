//! The ledger on a shared disk passes the suite, and stays whole when nodes and the disk fail.

mod stand;

use stand::{CALM, OneDisk, QUICK};
use tsugi_ledger::disk::{Pace, SharedDisk, Store, found};
use tsugi_ledger::suite::{self, Stand};
use tsugi_ledger::{ClusterId, Failure, Ledger, StorageFailure};
use tsugi_vocabulary::Span;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_on_a_shared_disk_passes_the_suite() {
    suite::all(async || OneDisk::with(&["a", "b", "c"], CALM).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_machines_goes_on_alone_with_everything_that_was_committed() {
    let two = OneDisk::with(&["a", "b"], QUICK).await;
    let lost = two.leader().await;
    let left = 1 - lost;
    for n in 0..20_u8 {
        let change = stand::put(&format!("k/{n}"), n);
        suite::commit(two.ledger(usize::from(n) % 2), change).await.committed().expect("done");
    }
    two.ledger(lost).stop().await;
    let index = suite::commit(two.ledger(left), stand::put("alone", 1)).await.committed();
    let view = two.ledger(left).view();
    assert!(view.applied >= index.expect("no conditions"));
    assert_eq!(view.entries.under("k/").count(), 20);
    stand::leads(two.ledger(left)).await;
}

/// With beats an hour apart, each step below is taken because somebody was told of the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_told_of_a_writing_need_not_wait_for_its_beat() {
    let rare = |silence| Pace { beat: Span::secs(3600), silence, ..CALM };
    let directory = tempfile::TempDir::new().expect("a directory");
    let image = stand::image(directory.path(), "image", &["a", "b"], &stand::fresh(&["a", "b"]));
    // Whoever leads after another waits for no beat of its own.
    let first = stand::open(&image, "b", QUICK).await.expect("it opens");
    stand::leads(&first).await;
    first.stop().await;
    let a = stand::open(&image, "a", rare(Span::ZERO)).await.expect("it opens");
    let lead = async {
        while !a.leadership().me {
            a.look();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(suite::LONG, lead).await.expect("in time");
    let b = stand::open(&image, "b", rare(Span::secs(3600))).await.expect("it opens");
    let (mut of_a, mut of_b) = (a.written(), b.written());
    let passed_on = async {
        loop {
            tokio::select! {
                told = of_b.changed() => told.map(|()| a.look()),
                told = of_a.changed() => told.map(|()| b.look()),
            }
            .expect("both are there");
        }
    };
    let asked = suite::commit(&b, stand::put("x", 1));
    tokio::select! {
        outcome = asked => assert!(outcome.committed().is_some()),
        () = passed_on => {}
    }
    let asked = suite::commit(&a, stand::put("y", 1));
    assert!(asked.await.committed().is_some());
    of_a.changed().await.expect("an entry is told of as well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_end_is_demanded_fails_and_only_in_that_life() {
    let mut two = OneDisk::with(&["a", "b"], QUICK).await;
    let victim = two.leader().await;
    let other = 1 - victim;
    let name = stand::node(["a", "b"][victim]);
    let mut failed = two.ledger(victim).failed();
    let life = two.ledger(victim).life();
    two.ledger(other).demand_end(name, life).await.expect("written");
    let told = tokio::time::timeout(suite::LONG, failed.wait_for(Option::is_some)).await;
    assert_eq!(*told.expect("in time").expect("told"), Some(Failure::Poisoned));
    let known = two.ledger(victim).leadership();
    assert_eq!((known.leader, known.me), (None, false), "nobody tells it any more who leads");
    two.restart(victim).await;
    suite::commit(two.ledger(victim), stand::put("again", 1)).await.committed().expect("done");
    assert_eq!(*two.ledger(victim).failed().borrow(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demand_stands_in_every_later_word_until_it_is_withdrawn() {
    let two = OneDisk::with(&["a", "b"], QUICK).await;
    let (one, name, life) = (two.ledger(0), stand::node("d"), stand::life());
    let seat = || tsugi_ledger::disk::DiskSeat {
        cluster: stand::CLUSTER,
        node: name.clone(),
        life,
        pace: QUICK,
    };
    let image = || SharedDisk::open(two.image()).expect("it opens");
    one.demand_end(name.clone(), life).await.expect("written");
    for n in 0..3 {
        suite::commit(one, stand::put("k", n)).await.committed().expect("done");
    }
    // That life comes after the demand, and after what was said since.
    let ended = async |ledger: Result<tsugi_ledger::disk::DiskLedger, Failure>| match ledger {
        Err(failure) => Some(failure),
        Ok(ledger) => {
            let mut failed = ledger.failed();
            let told = tokio::time::timeout(suite::LONG, failed.wait_for(Option::is_some)).await;
            told.expect("in time").expect("told").clone()
        }
    };
    let met = tsugi_ledger::disk::DiskLedger::open(image(), seat()).await;
    assert_eq!(ended(met).await, Some(Failure::Poisoned));
    one.withdraw_demand(name.clone()).await.expect("written");
    let again = tsugi_ledger::disk::DiskLedger::open(image(), seat()).await.expect("it opens");
    again.barrier().await.expect("it reads");
    suite::commit(one, stand::put("k", 9)).await.committed().expect("done");
    again.barrier().await.expect("it reads");
    assert_eq!(*again.failed().borrow(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_voter_any_more_leaves_the_lead_to_one_that_is() {
    let mut two = OneDisk::with(&["a", "b"], QUICK).await;
    let removed = two.leader().await;
    let voters = two.ledger(removed).view().voters.clone();
    let id = voters.of(&stand::node(["a", "b"][removed])).expect("it has a vote");
    // Whether the answer comes is not the question: whoever leads by then carries it out.
    two.ledger(removed).remove_voter(id, voters.generation).await.expect("done");
    stand::leads(two.ledger(1 - removed)).await;
    // Nor does it try when the other is gone for a while.
    two.restart(1 - removed).await;
    stand::leads(two.ledger(1 - removed)).await;
    assert!(!two.ledger(removed).leadership().me);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_of_the_same_node_ends_the_first() {
    let two = OneDisk::with(&["a", "b"], CALM).await;
    let mut failed = two.ledger(0).failed();
    let second = stand::open(two.image(), "a", CALM).await.expect("it takes the seat");
    let told = tokio::time::timeout(suite::LONG, failed.wait_for(Option::is_some)).await;
    let told = told.expect("in time").expect("told").clone();
    assert!(matches!(told, Some(Failure::Storage(StorageFailure::InUse { .. }))), "{told:?}");
    suite::commit(&second, stand::put("x", 1)).await.committed().expect("done");
}

#[tokio::test]
async fn a_disk_with_anything_on_it_is_not_made_ready() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let view = stand::fresh(&["a", "b"]);
    let image = stand::image(directory.path(), "image", &["a", "b"], &view);
    let mut disk = SharedDisk::open(&image).expect("it opens");
    let nodes = [stand::node("a"), stand::node("b")];
    let again = found(&mut disk, (stand::CLUSTER, stand::life()), &nodes, &view);
    assert!(matches!(again, Err(StorageFailure::Exists { .. })), "{again:?}");
    disk.write(0, &[b'x'; 2 * tsugi_ledger::disk::BLOCK]).expect("it writes");
    let other = found(&mut disk, (stand::CLUSTER, stand::life()), &nodes, &view);
    assert!(matches!(other, Err(StorageFailure::Foreign { .. })), "{other:?}");
    std::fs::File::create(&image).and_then(|file| file.set_len(1 << 20)).expect("a small one");
    let mut disk = SharedDisk::open(&image).expect("it opens");
    let small = found(&mut disk, (stand::CLUSTER, stand::life()), &nodes, &view);
    assert!(matches!(small, Err(StorageFailure::Full { .. })), "{small:?}");
}

#[tokio::test]
async fn a_disk_of_another_cluster_or_node_is_refused() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let image = stand::image(directory.path(), "image", &["a"], &stand::fresh(&["a"]));
    let unknown = stand::open(&image, "z", CALM).await.map(drop);
    let foreign = |answer: &Result<(), Failure>| {
        matches!(answer, Err(Failure::Storage(StorageFailure::Foreign { .. })))
    };
    assert!(foreign(&unknown), "{unknown:?}");
    let seat = tsugi_ledger::disk::DiskSeat {
        cluster: ClusterId(1),
        node: stand::node("a"),
        life: stand::life(),
        pace: CALM,
    };
    let disk = SharedDisk::open(&image).expect("it opens");
    let other = tsugi_ledger::disk::DiskLedger::open(disk, seat).await.map(drop);
    assert!(foreign(&other), "{other:?}");
    let empty = directory.path().join("empty");
    std::fs::File::create(&empty).and_then(|file| file.set_len(1 << 26)).expect("an empty one");
    let missing = stand::open(&empty, "a", CALM).await.map(drop);
    let missing = matches!(missing, Err(Failure::Storage(StorageFailure::Missing { .. })));
    assert!(missing);
}

/// A disk that hangs as long as it is told to.
struct Hanging(SharedDisk, std::sync::Arc<tokio::sync::Mutex<()>>);

impl Hanging {
    fn wait(&self) {
        drop(self.1.blocking_lock());
    }
}

impl Store for Hanging {
    fn name(&self) -> String {
        self.0.name()
    }
    fn size(&mut self) -> std::io::Result<u64> {
        self.0.size()
    }
    fn read(&mut self, at: u64, into: &mut [u8]) -> std::io::Result<()> {
        self.wait();
        self.0.read(at, into)
    }
    fn write(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.wait();
        self.0.write(at, bytes)
    }
    fn settle(&mut self) -> std::io::Result<()> {
        self.wait();
        self.0.settle()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_hangs_is_replaced_and_its_late_write_changes_nothing() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let image = stand::image(directory.path(), "image", &["a", "b"], &stand::fresh(&["a", "b"]));
    let hang = std::sync::Arc::new(tokio::sync::Mutex::new(()));
    let seat = tsugi_ledger::disk::DiskSeat {
        cluster: stand::CLUSTER,
        node: stand::node("a"),
        life: stand::life(),
        pace: QUICK,
    };
    let disk = SharedDisk::open(&image).expect("it opens");
    let hanging = Hanging(disk, std::sync::Arc::clone(&hang));
    let first = tsugi_ledger::disk::DiskLedger::open(hanging, seat).await.expect("it opens");
    suite::commit(&first, stand::put("x", 1)).await.committed().expect("done");
    stand::leads(&first).await;
    let other = stand::open(&image, "b", QUICK).await.expect("it opens");
    let hung = hang.lock().await;
    let late = first.commit(stand::put("x", 2));
    suite::commit(&other, stand::put("x", 3)).await.committed().expect("done");
    assert!(!first.leadership().me, "what was not confirmed lately is not shown");
    drop(hung);
    // It was never written, or it was and nobody counts it: the first finds out by reading.
    let outcome = late.await;
    first.barrier().await.expect("it reads again");
    other.barrier().await.expect("it reads");
    assert_eq!(first.view().entries, other.view().entries);
    let value = other.view().get("x").expect("it is there").value[1];
    match outcome {
        // It was still in the queue and went to the new leader.
        Ok(outcome) => assert!(outcome.committed().is_some() && value == 2),
        Err(Failure::NoLeader) => assert_eq!(value, 3, "nothing took effect"),
        Err(Failure::Unknown) => assert!(matches!(value, 2 | 3), "{value}"),
        Err(other) => panic!("{other}"),
    }
}

/// A disk whose writes hang as long as they are told to.
struct Unwritten(Hanging);

impl Store for Unwritten {
    fn name(&self) -> String {
        self.0.name()
    }
    fn size(&mut self) -> std::io::Result<u64> {
        self.0.size()
    }
    fn read(&mut self, at: u64, into: &mut [u8]) -> std::io::Result<()> {
        self.0.0.read(at, into)
    }
    fn write(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write(at, bytes)
    }
    fn settle(&mut self) -> std::io::Result<()> {
        self.0.0.settle()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_shows_what_took_effect_before_it_has_written_anything() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let image = stand::image(directory.path(), "image", &["a", "b"], &stand::fresh(&["a", "b"]));
    let other = stand::open(&image, "b", CALM).await.expect("it opens");
    suite::commit(&other, stand::put("x", 1)).await.committed().expect("done");
    let hang = std::sync::Arc::new(tokio::sync::Mutex::new(()));
    let hung = hang.lock().await;
    let disk = SharedDisk::open(&image).expect("it opens");
    let disk = Unwritten(Hanging(disk, std::sync::Arc::clone(&hang)));
    let seat = tsugi_ledger::disk::DiskSeat {
        cluster: stand::CLUSTER,
        node: stand::node("a"),
        life: stand::life(),
        pace: QUICK,
    };
    let begun = tsugi_ledger::disk::DiskLedger::open(disk, seat).await.expect("it reads");
    assert!(begun.view().get("x").is_some());
    drop(hung);
    suite::commit(&begun, stand::put("y", 1)).await.committed().expect("it takes part");
}
