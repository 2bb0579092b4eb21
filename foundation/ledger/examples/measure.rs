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

/// Three voters on one switchboard.
struct Bench {
    root: tempfile::TempDir,
    board: Switchboard,
    timing: Timing,
    voters: Vec<Voter>,
    ledgers: Vec<RaftLedger>,
}

impl Bench {
    async fn new(timing: Timing) -> Self {
        let root = tempfile::TempDir::new().expect("a directory");
        let node = |n: u64| NodeName::new(&format!("n{n}")).expect("a name");
        let voters = (1..=3).map(|n| Voter { id: VoterId(n), node: node(n) }).collect();
        let board = Switchboard::new();
        let mut bench = Self { root, board, timing, voters, ledgers: Vec::new() };
        for n in (0..3).rev() {
            let line = bench.board.line(bench.voters[n].id);
            let ledger = if n == 0 {
                RaftLedger::found(bench.seat(n), &bench.voters, line).await.expect("founded")
            } else {
                RaftLedger::join(bench.seat(n), line).await.expect("joined")
            };
            bench.board.plug(&ledger);
            bench.ledgers.insert(0, ledger);
        }
        bench
    }

    fn seat(&self, n: usize) -> Seat {
        Seat {
            directory: self.root.path().join(self.voters[n].node.as_str()),
            cluster: ClusterId(1),
            voter: self.voters[n].clone(),
            timing: self.timing,
        }
    }

    async fn commits(&self) {
        let first = leader(&self.ledgers).await;
        let places = [("commit on the leader", first), ("on a follower", (first + 1) % 3)];
        for (what, n) in places {
            let mut times = Vec::new();
            for round in 0..2_000 {
                let begin = Instant::now();
                self.ledgers[n].commit(put(round)).await.expect("committed");
                times.push(begin.elapsed());
            }
            quantiles(what, times);
        }
        let mut times = Vec::new();
        for _ in 0..500 {
            let begin = Instant::now();
            self.ledgers[(first + 1) % 3].barrier().await.expect("a barrier");
            times.push(begin.elapsed());
        }
        quantiles("barrier on a follower", times);
        let begin = Instant::now();
        let commit = |n: usize| tokio::spawn(self.ledgers[n % 3].commit(put(n)));
        let many: Vec<_> = (0..200).map(commit).collect();
        for one in many {
            one.await.expect("ran").expect("committed");
        }
        println!("200 commits at once: {:?}", begin.elapsed());
    }

    async fn lose_the_leader(&mut self) -> Duration {
        let old = leader(&self.ledgers).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.board.unplug(self.voters[old].id);
        let begin = Instant::now();
        let stopped = self.ledgers[old].clone();
        let stopping = tokio::spawn(async move { stopped.stop().await });
        let new = loop {
            match (0..3).find(|n| *n != old && self.ledgers[*n].leadership().me) {
                Some(n) => break n,
                None => tokio::time::sleep(Duration::from_micros(500)).await,
            }
        };
        self.ledgers[new].commit(put(0)).await.expect("committed");
        let elapsed = begin.elapsed();
        stopping.await.expect("stopped");
        let line = self.board.line(self.voters[old].id);
        self.ledgers[old] = RaftLedger::open(self.seat(old), line).await.expect("opened");
        self.board.plug(&self.ledgers[old]);
        elapsed
    }
}

/// Processor time of this process in clock ticks of 10 ms.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    stat.split_whitespace().skip(13).take(2).filter_map(|n| n.parse::<u64>().ok()).sum()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let fast = std::env::args().nth(1).as_deref() == Some("fast");
    let mut bench = Bench::new(if fast { Timing::FAST } else { Timing::DEFAULT }).await;
    bench.commits().await;
    let mut times = Vec::new();
    for _ in 0..8 {
        times.push(bench.lose_the_leader().await);
    }
    quantiles("leader lost to next commit", times);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    println!("three voters in one process: {rss}");
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("idle 10 s, three voters: {} ms of CPU", (ticks() - before) * 10);
}
