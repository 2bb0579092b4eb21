//! Voters of one process on one image file, each past the cache.
#![expect(clippy::unwrap_used, reason = "what fails on a stand of tests fails the test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tsugi_ledger::disk::{DiskLedger, DiskSeat, Layout, Pace, SharedDisk, found};
use tsugi_ledger::suite::{self, Stand, Step};
use tsugi_ledger::{Backup, Change, ClusterId, Failure, Floor, Key, Ledger, View, Voter, VoterId};
use tsugi_vocabulary::{BootId, Index, NodeName, Span};

pub const CLUSTER: ClusterId = ClusterId(0x7375_6769);

/// Quick, and so patient that a machine that stands still for a moment deposes nobody.
pub const CALM: Pace =
    Pace { beat: Span::millis(2), silence: Span::secs(4), patience: Span::secs(20) };
/// So quick that leaders are replaced while a test waits.
pub const QUICK: Pace =
    Pace { beat: Span::millis(2), silence: Span::millis(150), patience: Span::secs(20) };

static LIVES: AtomicU64 = AtomicU64::new(1);

pub fn life() -> BootId {
    BootId(u128::from(LIVES.fetch_add(1, Ordering::Relaxed)))
}

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub fn put(key: &str, value: u8) -> Change {
    Change::new().write(Key::new(key).unwrap(), vec![1, value])
}

/// A ledger that was just founded, kept by the nodes of these names.
pub fn fresh(names: &[&str]) -> View {
    let mut view = View::founded(1);
    view.applied = Index(1);
    let list = names.iter().zip(1..).map(|(name, id)| (VoterId(id), node(name)));
    view.voters.become_list(Index(1), list.collect());
    view
}

/// An image that is ready for the nodes of `seats`, with `view`.
pub fn image(directory: &Path, name: &str, seats: &[&str], view: &View) -> PathBuf {
    let path = directory.join(name);
    std::fs::File::create(&path).unwrap().set_len(Layout::least(seats.len())).unwrap();
    let nodes: Vec<NodeName> = seats.iter().map(|name| node(name)).collect();
    let mut disk = SharedDisk::open(&path).unwrap();
    found(&mut disk, (CLUSTER, life()), &nodes, view).unwrap();
    path
}

pub async fn open(image: &Path, name: &str, pace: Pace) -> Result<DiskLedger, Failure> {
    let seat = DiskSeat { cluster: CLUSTER, node: node(name), life: life(), pace };
    DiskLedger::open(SharedDisk::open(image).unwrap(), seat).await
}

/// Waits until `ledger` shows that it leads.
pub async fn leads(ledger: &DiskLedger) {
    let wait = async {
        while !ledger.leadership().me {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(suite::LONG, wait).await.unwrap();
}

pub struct OneDisk {
    directory: TempDir,
    image: PathBuf,
    names: Vec<&'static str>,
    ledgers: Vec<DiskLedger>,
    pace: Pace,
}

impl OneDisk {
    /// Nodes of these names at one new disk, with a seat for `d` beside.
    pub async fn with(names: &[&'static str], pace: Pace) -> Self {
        let directory = TempDir::new().unwrap();
        let seats = [names, &["d"]].concat();
        let image = image(directory.path(), "image", &seats, &fresh(names));
        let mut ledgers = Vec::new();
        for name in names {
            ledgers.push(open(&image, name, pace).await.unwrap());
        }
        Self { directory, image, names: names.to_vec(), ledgers, pace }
    }

    pub fn image(&self) -> &Path {
        &self.image
    }

    pub fn ledger(&self, n: usize) -> &DiskLedger {
        &self.ledgers[n]
    }

    /// The node that leads, once one does.
    pub async fn leader(&self) -> usize {
        loop {
            let leads = (0..self.ledgers.len()).find(|n| self.ledgers[*n].leadership().me);
            match leads {
                Some(n) => return n,
                None => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
            }
        }
    }
}

impl Stand for OneDisk {
    fn handle(&self, n: usize) -> Arc<dyn Ledger> {
        Arc::new(self.ledgers[n].clone())
    }

    fn restart(&mut self, n: usize) -> Step<'_, ()> {
        Box::pin(async move {
            self.ledgers[n].stop().await;
            self.ledgers[n] = open(&self.image, self.names[n], self.pace).await.unwrap();
        })
    }

    fn another(&mut self, node: NodeName) -> Step<'_, (Voter, Arc<dyn Ledger>)> {
        Box::pin(async move {
            let ledger = open(&self.image, node.as_str(), self.pace).await.unwrap();
            let id = ledger.view().voters.next();
            (Voter { id, node }, Arc::new(ledger) as Arc<dyn Ledger>)
        })
    }

    fn restored(&self, backup: Backup, floor: Floor, node: NodeName) -> Step<'_, Arc<dyn Ledger>> {
        Box::pin(async move {
            let view = backup.restored(floor, node.clone());
            let image = image(self.directory.path(), "restored", &[node.as_str()], &view);
            let ledger = open(&image, node.as_str(), self.pace).await.unwrap();
            Arc::new(ledger) as Arc<dyn Ledger>
        })
    }
}
