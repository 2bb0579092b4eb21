//! Measures three voters of one process: a commit, a read, the loss of the leader.
//! `cargo run --release -p tsugi-ledger --example measure --features suite`

use std::time::{Duration, Instant};

use tsugi_ledger::{
    Change, ClusterId, Key, Ledger, RaftLedger, Seat, Switchboard, Timing, Voter, VoterId,
};
use tsugi_vocabulary::NodeName;

fn quantiles(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!("{what}: p50 {:?}  p99 {:?}  max {:?}", at(50), at(99), at(100));
}

fn put(n: usize) -> Change {
    let key = Key::new(&format!("k/{}", n % 200)).expect("a key");
    Change::new().write(key, vec![1; 256])
}

async fn leader(ledgers: &[RaftLedger]) -> usize {
    loop {
        if let Some(n) = ledgers.iter().position(|ledger| ledger.leadership().me) {
            return n;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let timing = match std::env::args().nth(1).as_deref() {
        Some("fast") => Timing::FAST,
        _ => Timing::DEFAULT,
    };
    let root = tempfile::TempDir::new().expect("a directory");
    let voter =
        |n: u64| Voter { id: VoterId(n), node: NodeName::new(&format!("n{n}")).expect("a name") };
    let voters: Vec<_> = (1..=3).map(voter).collect();
    let seat = |voter: &Voter| Seat {
        directory: root.path().join(voter.node.as_str()),
        cluster: ClusterId(1),
        voter: voter.clone(),
        timing,
    };
    let board = Switchboard::new();
    let mut ledgers = Vec::new();
    for voter in voters.iter().rev() {
        let line = board.line(voter.id);
        let ledger = if voter.id == VoterId(1) {
            RaftLedger::found(seat(voter), &voters, line).await.expect("founded")
        } else {
            RaftLedger::join(seat(voter), line).await.expect("joined")
        };
        board.plug(&ledger);
        ledgers.insert(0, ledger);
    }
    let first = leader(&ledgers).await;
    for (what, n) in [("commit on the leader", first), ("commit on a follower", (first + 1) % 3)] {
        let mut times = Vec::new();
        for round in 0..2_000 {
            let begin = Instant::now();
            ledgers[n].commit(put(round)).await.expect("committed");
            times.push(begin.elapsed());
        }
        quantiles(what, times);
    }
    let mut times = Vec::new();
    for _ in 0..500 {
        let begin = Instant::now();
        ledgers[(first + 1) % 3].barrier().await.expect("a barrier");
        times.push(begin.elapsed());
    }
    quantiles("barrier on a follower", times);
    let begin = Instant::now();
    let many: Vec<_> = (0..200).map(|n| tokio::spawn(ledgers[n % 3].commit(put(n)))).collect();
    for one in many {
        one.await.expect("ran").expect("committed");
    }
    println!("200 commits at once: {:?}", begin.elapsed());
    let mut times = Vec::new();
    for _ in 0..8 {
        let old = leader(&ledgers).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        board.unplug(voters[old].id);
        let begin = Instant::now();
        let stopped = ledgers[old].clone();
        let stopping = tokio::spawn(async move { stopped.stop().await });
        let new = loop {
            let others = (0..3).find(|n| *n != old && ledgers[*n].leadership().me);
            match others {
                Some(n) => break n,
                None => tokio::time::sleep(Duration::from_micros(500)).await,
            }
        };
        ledgers[new].commit(put(0)).await.expect("committed");
        times.push(begin.elapsed());
        stopping.await.expect("stopped");
        let line = board.line(voters[old].id);
        ledgers[old] = RaftLedger::open(seat(&voters[old]), line).await.expect("opened");
        board.plug(&ledgers[old]);
    }
    quantiles("leader lost to next commit", times);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    println!("three voters in one process: {rss}");
    let cpu = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<u64> =
            stat.split_whitespace().skip(13).take(2).filter_map(|n| n.parse().ok()).collect();
        fields.iter().sum::<u64>()
    };
    let before = cpu();
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("idle 10 s, three voters: {} ms of CPU", (cpu() - before) * 10);
}
