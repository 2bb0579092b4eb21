//! What the store's statements are worth on PostgreSQL without an engine: clients of the store,
//! each in a thread with a session of its own, carry out the same unit of work.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use tsugi_store::{
    Begun, Call, Client, Content, Ending, Id, Op, Postgres, Reply, Serial, Store as _, Value,
};

use super::engine::{KEYS_EACH, claim, key, keys};
use super::peers::Server;
use super::{BESIDE, SPAN};
use crate::Figure;

const COUNT: &str = "update counter set value = value + 1 where key = ?1 returning value";

/// As many clients as call the engine at once.
pub fn run(server: &Server) -> Figure {
    server.make_counter(keys());
    let address = server.address();
    let first = Postgres::open(&address, &claim()).expect("it opens");
    let rest = (1..BESIDE).map(|_| Postgres::another(&address, &claim()).expect("it opens"));
    let sessions: Vec<Postgres> = std::iter::once(first).chain(rest).collect();
    let (start, begun) = (Barrier::new(BESIDE), Instant::now());
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let work = |(number, session)| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                client(number, session, begun + SPAN)
            })
        };
        let all: Vec<_> = sessions.into_iter().enumerate().map(work).collect();
        all.into_iter().flat_map(|one| one.join().expect("it ends")).collect()
    });
    let span = begun.elapsed();
    assert_eq!(server.counted(), times.len() as u64, "lost or doubled");
    Figure::of("PostgreSQL, statements of a call", BESIDE, times, span)
}

fn client(number: usize, mut session: Postgres, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut digest = *b"floor...floor...";
    digest[8..].copy_from_slice(&(number as u64).to_be_bytes());
    for serial in 1.. {
        let at = Instant::now();
        if at >= until {
            break;
        }
        let client = Client { digest, incarnation: 1 };
        let own = i64::try_from(serial).expect("they are few");
        let id = Id::Serial(Serial::new(client, own, own).expect("a client counts so"));
        let call = Call { id, content: Content([7; 16]) };
        let Begun::New(mut work) = session.begin(&call).expect("the server is there") else {
            panic!("nobody has called it");
        };
        let row = key(1, number, serial).to_string();
        let counted = work.run(&[Op::sql(COUNT, vec![Value::Text(row)])]).expect("it counts");
        let Value::Integer(value) = counted[0].rows[0][0] else { panic!("{counted:?}") };
        assert_eq!(value, i64::try_from(serial.div_ceil(KEYS_EACH)).unwrap_or(0));
        work.finish(&reply(value)).expect("the server is there");
        times.push(at.elapsed());
    }
    times
}

fn reply(value: i64) -> Reply {
    Reply {
        ending: Ending::Done,
        service: 1,
        interface: 1,
        attempt: 1,
        at: 0,
        status: 200,
        content_type: "application/json".to_owned(),
        body: value.to_string().into(),
    }
}
