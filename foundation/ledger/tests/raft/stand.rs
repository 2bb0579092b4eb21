//! Three voters of one process, each with a directory of its own.
#![expect(clippy::unwrap_used, reason = "what fails on a stand of tests fails the test")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsugi_ledger::suite::{self, Stand, Step};
use tsugi_ledger::{
    Backup, Change, ClusterId, Failure, Floor, Following, Key, Ledger, RaftLedger, Seat,
    Switchboard, Timing, View, Voter, VoterId,
};
use tsugi_vocabulary::{Index, NodeName, Span};

pub const CLUSTER: ClusterId = ClusterId(0x7375_6769);

/// The times of a calm stand.
pub const CALM: Timing = Timing { lease: Span::secs(4) };

pub struct Three {
    pub switchboard: Switchboard,
    pub directories: Vec<TempDir>,
    /// Those of ledgers made from backups.
    restored: Mutex<Vec<TempDir>>,
    voters: Vec<Voter>,
    ledgers: Vec<RaftLedger>,
    timing: Timing,
}

pub fn put(key: &str, value: u8) -> Change {
    Change::new().write(Key::new(key).unwrap(), vec![1, value])
}

/// Tells every voter all the time who leads, and the leader who follows, as heartbeats do.
pub async fn datagrams(ledgers: Vec<RaftLedger>) {
    let ago = Span::millis(1);
    loop {
        for leader in ledgers.iter().filter(|ledger| ledger.leadership().me) {
            let (id, term) = (leader.voter().id, leader.leadership().term);
            for other in ledgers.iter().filter(|other| other.voter().id != id) {
                other.heard_leader(id, term);
                let says = Following { term, applied: other.view().applied, ago };
                if other.leadership().leader == Some(id) {
                    leader.heard_follower(other.voter().id, says);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn voter(id: u64, node: &str) -> Voter {
    Voter { id: VoterId(id), node: NodeName::new(node).unwrap() }
}

impl Three {
    fn seat(&self, n: usize) -> Seat {
        Seat {
            directory: self.directories[n].path().join("ledger"),
            cluster: CLUSTER,
            voter: self.voters[n].clone(),
            timing: self.timing,
        }
    }

    /// Three voters of a new ledger, with a leader.
    pub async fn founded() -> Self {
        Self::founded_at(Timing::DEFAULT).await
    }

    /// The same with times so long that a machine that stands still for a moment elects nobody:
    /// for what has to go on under the leader that there is.
    pub async fn founded_calmly() -> Self {
        Self::founded_at(CALM).await
    }

    async fn founded_at(timing: Timing) -> Self {
        let voters = vec![voter(1, "a"), voter(2, "b"), voter(3, "c")];
        let directories = (0..3).map(|_| TempDir::new().unwrap()).collect();
        let switchboard = Switchboard::new();
        let (ledgers, restored) = (Vec::new(), Mutex::default());
        let mut three = Self { switchboard, directories, restored, voters, ledgers, timing };
        for n in (0..3).rev() {
            let line = three.switchboard.line(three.voters[n].id);
            let ledger = if n == 0 {
                RaftLedger::found(three.seat(n), &three.voters, line).await.unwrap()
            } else {
                RaftLedger::join(three.seat(n), line).await.unwrap()
            };
            three.switchboard.plug(&ledger);
            three.ledgers.insert(0, ledger);
        }
        three.leader().await;
        let ready = suite::commit(three.ledger(0), put("ready", 1)).await.committed().unwrap();
        for n in 0..3 {
            suite::applied(three.ledger(n), ready).await;
        }
        three
    }

    pub fn id(&self, n: usize) -> VoterId {
        self.voters[n].id
    }

    pub fn ledger(&self, n: usize) -> &RaftLedger {
        &self.ledgers[n]
    }

    pub fn view(&self, n: usize) -> Arc<View> {
        self.ledgers[n].view()
    }

    pub fn applied(&self, n: usize) -> Index {
        self.view(n).applied
    }

    pub fn term(&self, n: usize) -> u64 {
        self.ledgers[n].leadership().term
    }

    pub fn leads(&self, n: usize) -> bool {
        self.ledgers[n].leadership().me
    }

    pub fn count(&self, n: usize, prefix: &str) -> usize {
        self.view(n).entries.under(prefix).count()
    }

    pub fn value(&self, n: usize, key: &str) -> Option<u8> {
        self.view(n).get(key).map(|entry| entry.value[1])
    }

    /// Waits for `condition`, with a bound.
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        self.find(|three| condition(three).then_some(())).await;
    }

    /// Waits until there is what is looked for, with a bound. What it tells was so when it looked:
    /// on a slow machine it may be otherwise the next time.
    pub async fn find<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(begun.elapsed() < suite::LONG, "the condition did not come about");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The one that leads, once there is one.
    pub async fn leader(&self) -> usize {
        self.find(|three| (0..3).find(|n| three.leads(*n))).await
    }

    /// One that leads and is not `old`, once there is one.
    pub async fn another_leader(&self, old: usize) -> usize {
        self.find(|three| (0..3).find(|n| *n != old && three.leads(*n))).await
    }

    /// Ends the `n`-th voter.
    pub async fn stop(&mut self, n: usize) {
        self.switchboard.unplug(self.voters[n].id);
        self.ledgers[n].stop().await;
    }

    /// Starts the `n`-th voter from its disk.
    pub async fn start(&mut self, n: usize) {
        self.try_start(n).await.unwrap();
    }

    /// Starts the `n`-th voter from its disk, or says why not.
    pub async fn try_start(&mut self, n: usize) -> Result<(), Failure> {
        let line = self.switchboard.line(self.voters[n].id);
        self.ledgers[n] = RaftLedger::open(self.seat(n), line).await?;
        self.switchboard.plug(&self.ledgers[n]);
        Ok(())
    }

    /// Starts the `n`-th voter as one that keeps nothing yet, or says why not.
    pub async fn try_join(&mut self, n: usize) -> Result<(), Failure> {
        let line = self.switchboard.line(self.voters[n].id);
        self.ledgers[n] = RaftLedger::join(self.seat(n), line).await?;
        Ok(())
    }

    /// The message *do you hear a leader?*, as bytes.
    pub fn probe(cluster: ClusterId, from: VoterId, to: VoterId) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(cluster.0.to_le_bytes());
        bytes.extend(from.0.to_le_bytes());
        bytes.extend(to.0.to_le_bytes());
        bytes.push(4);
        bytes
    }
}

impl Stand for Three {
    fn handle(&self, n: usize) -> Arc<dyn Ledger> {
        Arc::new(self.ledgers[n].clone())
    }

    fn restart(&mut self, n: usize) -> Step<'_, ()> {
        Box::pin(async move {
            self.stop(n).await;
            self.start(n).await;
        })
    }

    fn another(&mut self, node: NodeName) -> Step<'_, (Voter, Arc<dyn Ledger>)> {
        Box::pin(async move {
            let voter = Voter { id: VoterId(self.voters.len() as u64 + 1), node };
            self.voters.push(voter.clone());
            self.directories.push(TempDir::new().unwrap());
            let seat = self.seat(self.voters.len() - 1);
            let ledger = RaftLedger::join(seat, self.switchboard.line(voter.id)).await.unwrap();
            self.switchboard.plug(&ledger);
            self.ledgers.push(ledger.clone());
            let ledger: Arc<dyn Ledger> = Arc::new(ledger);
            (voter, ledger)
        })
    }

    fn restored(&self, backup: Backup, floor: Floor, node: NodeName) -> Step<'_, Arc<dyn Ledger>> {
        Box::pin(async move {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("ledger");
            let owner = RaftLedger::restore(&path, &backup, floor, node.clone()).unwrap();
            let voter = Voter { id: owner.voter, node };
            let timing = Timing::DEFAULT;
            let seat = Seat { directory: path, cluster: owner.cluster, voter, timing };
            let line = Switchboard::new().line(owner.voter);
            let ledger = RaftLedger::open(seat, line).await.unwrap();
            self.restored.lock().unwrap().push(directory);
            let ledger: Arc<dyn Ledger> = Arc::new(ledger);
            ledger
        })
    }
}
