//! Reading beside units of work, whose statements are ended from another thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tsugi_store::suite;
use tsugi_store::{Op, Outcome, PostgresReader, Trouble, Value};

use crate::server::Server;

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
    SELECT count(*) FROM n";

fn number(read: &Outcome) -> i64 {
    let Value::Integer(number) = read.rows[0][0] else { panic!("{read:?}") };
    number
}

/// The word that ends a statement goes to the server by a connection of its own, and may get there
/// when that statement has ended.
#[test]
fn what_ends_a_statement_ends_no_other_and_the_next_call_reads() {
    let server = Server::new();
    let mut stand = server.database();
    let store = suite::founded(&mut stand);
    let address = stand.address(server.folder.path());
    let mut reader = PostgresReader::new(&address, &suite::claim(5, 50));
    let one = || Op::sql("SELECT 1", vec![]);
    for round in 1..=40 {
        let (over, cancel) = (AtomicBool::new(false), reader.interrupt());
        let told = thread::scope(|scope| {
            // As often as it can be told: some words are under way when the statement ends.
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(round % 4));
                while !over.load(Ordering::SeqCst) {
                    cancel.now();
                    // Often, so that some words are under way when the statement ends, and yet
                    // such that the server takes connections.
                    thread::sleep(Duration::from_micros(500));
                }
            });
            let told = reader.view(&Op::sql(ENDLESS, vec![]));
            over.store(true, Ordering::SeqCst);
            told
        });
        let ended = |told| matches!(told, Err(Trouble::Refused(error)) if error.code == "57014");
        assert!(ended(told), "round {round}: it is said that it was ended");
        assert!(ended(reader.view(&one())), "round {round}: another moment is not shown");
        reader.release();
        assert_eq!(number(&reader.view(&one()).expect("the next call reads")), 1, "{round}");
        reader.release();
    }
    drop(store);
}
