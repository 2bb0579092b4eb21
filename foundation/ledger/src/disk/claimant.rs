//! The thread that writes what a node claims and reads what the other does. It is nobody else's, so
//! a disk that hangs holds up nothing but the vote of the disk.

use std::sync::mpsc::{self, Sender};
use std::thread;

use tsugi_vocabulary::{Claims, NodeName};

use super::claims::ClaimBlocks;
use super::store::Store;
use crate::StorageFailure;

/// What came of one writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claiming {
    /// The number of what was written.
    pub number: u64,
    /// What the other node claims, read after the writing was durable; none if it never wrote.
    pub shows: Result<Option<Claims>, StorageFailure>,
}

/// Writes the claims of one node, in the order in which they are given. It ends with its last
/// handle, or after a writing that failed: nobody knows what of that one stands, or will.
#[derive(Clone, Debug)]
pub struct Claimant {
    jobs: Sender<Claims>,
}

impl Claimant {
    /// Starts the thread. `answer` is called in it, once for each writing that was begun.
    ///
    /// # Errors
    /// [`StorageFailure::Io`] if the system has no thread left.
    pub fn start<S: Store>(
        mut blocks: ClaimBlocks<S>,
        node: &NodeName,
        mut answer: impl FnMut(Claiming) + Send + 'static,
    ) -> Result<Self, StorageFailure> {
        let (jobs, queue) = mpsc::channel::<Claims>();
        let work = move || {
            for claims in queue {
                let number = claims.number;
                let written = blocks.write(&claims);
                let broken = written.is_err();
                let shows = written.and_then(|()| blocks.other());
                answer(Claiming { number, shows });
                if broken {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("claims-disk".to_owned()).spawn(work);
        started.map(|_| Self { jobs }).map_err(|error| {
            let what = format!("no thread: {error}");
            StorageFailure::Io { file: node.to_string(), what }
        })
    }

    /// Has `claims` written, and the other's read after that. Nothing is answered any more after a
    /// writing that failed.
    pub fn write(&self, claims: Claims) {
        // Without an answer there is no vote, which is what a disk that failed gives.
        let _gone = self.jobs.send(claims);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Result};
    use std::sync::mpsc::{Receiver, sync_channel};

    use tsugi_vocabulary::BootId;

    use super::*;
    use crate::disk::platter::Platter;
    use crate::{ClusterId, View, disk};

    /// A platter that hangs at every writing until it is let go, with its fate.
    struct Hanging(Platter, Receiver<Result<()>>);

    impl Store for Hanging {
        fn name(&self) -> String {
            self.0.name()
        }
        fn size(&mut self) -> Result<u64> {
            self.0.size()
        }
        fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
            self.0.read(at, into)
        }
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
            self.1.recv().map_err(Error::other)??;
            self.0.write(at, bytes)
        }
        fn settle(&mut self) -> Result<()> {
            self.0.settle()
        }
    }

    fn claims(number: u64) -> Claims {
        Claims { number, boot: BootId(1), ..Claims::default() }
    }

    #[test]
    fn a_disk_that_hangs_holds_up_nobody_and_a_failed_writing_is_the_last() {
        let nodes = [NodeName::new("a").unwrap(), NodeName::new("b").unwrap()];
        let mut platter = Platter::default();
        let whose = (ClusterId(1), BootId(2));
        disk::found(&mut platter, whose, &nodes, &View::founded(1)).unwrap();
        let (go, waits) = sync_channel(0);
        let store = Hanging(platter, waits);
        let blocks = ClaimBlocks::open(store, ClusterId(1), &nodes[0]).unwrap();
        let (tell, told) = mpsc::channel();
        let answer = move |claiming| tell.send(claiming).unwrap();
        let claimant = Claimant::start(blocks, &nodes[0], answer).unwrap();
        claimant.write(claims(1));
        claimant.write(claims(2));
        claimant.write(claims(3));
        assert!(told.try_recv().is_err(), "it hangs, and this thread goes on");
        for _copy in 0..2 {
            go.send(Ok(())).unwrap();
        }
        assert_eq!(told.recv().unwrap(), Claiming { number: 1, shows: Ok(None) });
        go.send(Ok(())).unwrap();
        go.send(Err(Error::other("gone"))).unwrap();
        let failed = told.recv().unwrap();
        assert_eq!(failed.number, 2);
        assert!(matches!(failed.shows, Err(StorageFailure::Io { .. })), "{failed:?}");
        assert!(told.recv().is_err(), "the third is not begun");
        claimant.write(claims(4));
    }
}
