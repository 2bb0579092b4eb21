//! The client and what it is for: an engine on a store behind a door, and takeovers between two.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsugi_client::{Address, Failure, Request, Settings, SoFar, Why};
use tsugi_door::{Deployed, Door, Open, Order, Settings as OfDoor};
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Said};
use tsugi_service_engine::{Engine, Opened, SameBytes, Service, Settings as OfEngine};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::worker::pool;
use tsugi_store::{OpenRefused, Sqlite, Value, suite};
use tsugi_vocabulary::{Epoch, Span};

use crate::{client_with, late};

/// Counts; `"hold"` waits until it is let go, `"panic"` ends its program, `"refuse"` refuses.
#[derive(Default)]
struct Counter {
    held: Mutex<bool>,
    moved: Condvar,
}

impl Counter {
    fn hold(&self, held: bool) {
        *self.held.lock().expect("no program panics with it") = held;
        self.moved.notify_all();
    }
}

impl Program for Counter {
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        let body = String::from_utf8_lossy(call.given.first()).into_owned();
        assert_ne!(body, "\"panic\"", "it was told to");
        if body == "\"refuse\"" {
            return Err(Undo::Refused("no".to_owned()));
        }
        if body == "\"hold\"" {
            let mut held = self.held.lock().expect("no program panics with it");
            while *held {
                held = self.moved.wait(held).expect("no program panics with it");
            }
        }
        let outcome = desk.run(suite::add(1))?.map_err(Undo::Failed)?;
        let Value::Integer(value) = outcome.rows[0][0] else { panic!("{outcome:?}") };
        let body = format!("{{\"counter\":{value}}}");
        Ok(Said { content_type: "application/json".to_owned(), body: body.into() })
    }
}

/// A store, and the doors of two nodes, of which one at most is open.
struct Group {
    folder: TempDir,
    program: Arc<Counter>,
    doors: [Door; 2],
    epoch: u64,
}

impl Group {
    fn new() -> Self {
        let folder = TempDir::new_in("/dev/shm").expect("a folder in memory");
        suite::founded_in(folder.path());
        let door = |node: &str| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let settings = OfDoor::on_loopback(node.parse().expect("a name"));
            Door::open(listener, &settings).expect("it opens")
        };
        Self { folder, program: Arc::default(), doors: [door("alpha"), door("beta")], epoch: 10 }
    }

    /// The next engine, behind the door of this node.
    fn start(&mut self, node: usize) -> Engine {
        self.epoch += 1;
        let store = loop {
            match Sqlite::open(self.folder.path(), &suite::claim(self.epoch, 1)) {
                // A process that another test has just forked may have its lock.
                Err(OpenRefused::InUse(_)) => std::thread::yield_now(),
                opened => break opened.expect("it opens"),
            }
        };
        let mut workers = pool::Settings { start: 2, spare: 0, ..pool::Settings::default() };
        workers.limits.call = Span::secs(30);
        let service = Service {
            number: ServiceNumber(3),
            name: "counter".into(),
            workers,
            interface: Arc::new(SameBytes),
            nursery: Box::new(Threads(self.program.clone())),
        };
        let settings = OfEngine::alone(Epoch { incarnation: 1, counter: self.epoch });
        let word = Box::new(|fatal| panic!("last word: {fatal}"));
        let opened = Opened::sqlite(store).expect("it opens");
        let engine = Engine::start(opened, vec![service], settings.clone(), word);
        let engine = engine.expect("it starts");
        let any = serde_json::json!({});
        let deployed = Deployed {
            name: "counter".to_owned(),
            summary: String::new(),
            body: any.clone(),
            reply: any,
            effects: Effects::Store,
            order: Order::None,
        };
        self.doors[node].sign().open(Open::new(engine.calls(), &settings, vec![deployed]));
        engine
    }

    fn settings(&self) -> Settings {
        let at = |door: &Door| Address::read(&door.address().to_string()).expect("it is one");
        Settings { at_once: 16, ..Settings::of(self.doors.iter().map(at).collect()) }
    }

    /// What the number is in the store.
    fn value(&self) -> u64 {
        let store = rusqlite::Connection::open(self.folder.path().join("store.db"));
        let value = store
            .expect("it opens")
            .query_row("SELECT value FROM counter", [], |row| row.get::<_, u64>(0));
        value.expect("it is there")
    }
}

fn counter(reply: &tsugi_client::Reply) -> u64 {
    crate::counter(&reply.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mf_10_calls_go_on_from_one_node_to_the_other_and_each_is_carried_out_once() {
    let mut group = Group::new();
    let mut engine = group.start(0);
    let client = client_with(group.settings());
    let (callers, each) = (16, 40);
    let calling: Vec<_> = (0..callers)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut counters = Vec::new();
                for _ in 0..each {
                    let request = Request::json("counter", "1");
                    let reply = client.call(&request, late()).await.expect("it is answered");
                    counters.push((counter(&reply), reply.node.expect("a door says its node")));
                }
                counters
            })
        })
        .collect();
    for to in [1, 0, 1] {
        // Some calls at each: the number itself says how far they are.
        let far = group.value() + 60;
        while group.value() < far {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        group.doors[1 - to].sign().close();
        tokio::task::block_in_place(|| engine.hand_over(Span::millis(100)));
        engine = group.start(to);
    }
    let (mut counters, mut nodes) = (BTreeSet::new(), BTreeSet::new());
    for one in calling {
        for (value, node) in one.await.expect("no caller panics") {
            counters.insert(value);
            nodes.insert(node);
        }
    }
    let all = callers * each;
    assert_eq!(counters, (1..=all).collect(), "each value came back once");
    assert_eq!((group.value(), client.lowest()), (all, all + 1));
    assert_eq!(nodes.len(), 2, "both nodes have answered");
    tokio::task::block_in_place(|| engine.hand_over(Span::secs(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_end_of_a_real_call_is_told_as_what_it_is() {
    let mut group = Group::new();
    let engine = group.start(1);
    let quick = Settings { silence: Duration::from_millis(100), ..group.settings() };
    let client = client_with(quick);
    let call = |service: &str, body: &'static str, for_ms: u64| {
        let (client, request) = (client.clone(), Request::json(service, body));
        let deadline = Instant::now() + Duration::from_millis(for_ms);
        async move { client.call(&request, deadline).await }
    };
    let Err(Failure::Ended(reply)) = call("counter", "\"panic\"", 20_000).await else {
        panic!("its program ended");
    };
    assert_eq!(reply.ending.as_deref(), Some("abnormal-end"));
    let refused = call("counter", "\"refuse\"", 20_000).await.expect("its program has answered");
    assert_eq!(refused.ending.as_deref(), Some("refused"));
    let Err(Failure::Refused(problem, _)) = call("nothing", "1", 20_000).await else {
        panic!("there is no such service");
    };
    assert_eq!((problem.status, problem.retry.as_str()), (404, "never"));
    assert!(problem.id.starts_with("TSUG201"), "{problem:?}");

    group.program.hold(true);
    let Err(Failure::NotKnown(held)) = call("counter", "\"hold\"", 500).await else {
        panic!("it runs");
    };
    assert_eq!((held.so_far, held.why), (SoFar::MayBeDone, Why::Deadline));
    assert!(held.course.tries > 1, "each try was told that it is pending");
    let id = held.id.clone();
    let beside = client.lowest();
    group.program.hold(false);
    let reply = client.again(*held, late()).await.expect("it is let go");
    assert_eq!(counter(&reply), 1);
    let fetched = client.fetch(&id, late()).await.expect("it is kept");
    assert_eq!(fetched.body, reply.body, "byte for byte");
    client.confirm(&id, late()).await.expect("it is there");
    assert_eq!((client.lowest(), group.value()), (beside + 1, 1));
    assert_eq!(counter(&call("counter", "1", 20_000).await.expect("it is answered")), 2);
    tokio::task::block_in_place(|| engine.hand_over(Span::secs(1)));
}
