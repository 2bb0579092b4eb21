//! The ledger in memory passes the suite.

use std::sync::Arc;

use tsugi_ledger::suite::{self, Stand, Step};
use tsugi_ledger::{Backup, ClusterId, Floor, Ledger, Memory, Voter, VoterId};
use tsugi_vocabulary::NodeName;

struct OneProcess(Memory);

fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("a name")
}

impl Stand for OneProcess {
    fn handle(&self, n: usize) -> Arc<dyn Ledger> {
        Arc::new(self.0.handle(VoterId(n as u64 + 1)))
    }

    fn restart(&mut self, _: usize) -> Step<'_, ()> {
        Box::pin(async {})
    }

    fn another(&mut self, node: NodeName) -> Step<'_, (Voter, Arc<dyn Ledger>)> {
        let id = self.0.view().voters.next();
        let ledger: Arc<dyn Ledger> = Arc::new(self.0.handle(id));
        Box::pin(async move { (Voter { id, node }, ledger) })
    }

    fn restored(&self, backup: Backup, floor: Floor, node: NodeName) -> Step<'_, Arc<dyn Ledger>> {
        let ledger: Arc<dyn Ledger> = Arc::new(Memory::restored(&backup, floor, node));
        Box::pin(async move { ledger })
    }
}

#[tokio::test]
async fn the_ledger_in_memory_passes_the_suite() {
    suite::all(async || {
        let ledger = Memory::founded(ClusterId(1), &Voter { id: VoterId(1), node: node("a") });
        for (id, name) in [(2, "b"), (3, "c")] {
            let voter = Voter { id: VoterId(id), node: node(name) };
            ledger.add_voter(voter, ledger.view().voters.generation).await.unwrap();
        }
        OneProcess(ledger)
    })
    .await;
}
