//! A service that acts outside the store may name another one that says what became of its unknown
//! calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Said};
use tsugi_service_engine::{Answer, Calls, Engine, Refused, Resolved, SameBytes, Service};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::inquiry::State;
use tsugi_service_rules::worker::pool;
use tsugi_store::suite;
use tsugi_vocabulary::Span;

use crate::support::{Gates, Puppets, Stand, asked, done, id, text, workers};

on_both! {
    a_resolver_says_that_a_call_was_carried_out_and_its_reply_is_told_for_ever,
    a_call_that_was_not_carried_out_by_its_resolver_runs_at_its_next_arrival,
    who_cannot_tell_leaves_it_unknown_and_an_operator_decides_before_him,
    an_engine_that_ends_while_its_resolver_is_asked_asks_again,
    a_resolver_that_writes_is_asked_nothing,
}

/// The service that acts outside, and the one that says what became of its calls.
const PAYS: ServiceNumber = ServiceNumber(5);
const ASKS: ServiceNumber = ServiceNumber(6);

/// The id, the epoch, the attempt and the body.
type By = (String, u64, u32, Vec<u8>);

/// Says what it is told to say; passes the gate `asked`.
struct Partner {
    gates: Arc<Gates>,
    says: Mutex<&'static str>,
    asked: AtomicUsize,
    /// The keys and the body that it was asked with last.
    by: Mutex<Option<By>>,
}

impl Partner {
    fn new(stand: &Stand, says: &'static str) -> Arc<Self> {
        let (gates, asked) = (stand.gates.clone(), AtomicUsize::new(0));
        Arc::new(Self { gates, says: Mutex::new(says), asked, by: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so often.
    async fn was_asked(&self, many: usize) {
        until(|| self.asked() >= many).await;
    }
}

impl Program for Partner {
    fn run(&self, call: &Begin, _: &mut Desk<'_>) -> Result<Said, Undo> {
        let keys = (call.id.clone(), call.epoch, call.attempt, call.given.first().to_vec());
        *self.by.lock().unwrap() = Some(keys);
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gates.pass("asked");
        let says = *self.says.lock().unwrap();
        match says {
            "panic" => panic!("as it was told to"),
            says if says.starts_with("paid") => {
                Ok(Said { content_type: "text/plain".to_owned(), body: says.into() })
            }
            says => Err(Undo::Refused(says.to_owned())),
        }
    }
}

/// Looks again and again, for as long as a machine that is busy may take.
async fn until(mut is: impl FnMut() -> bool) {
    let waits = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits).await.expect("it comes to that");
}

fn service<P: Program>(
    (name, number): (&str, ServiceNumber),
    effects: Effects,
    of: Arc<P>,
) -> Service {
    let workers = pool::Settings { effects, ..workers(2) };
    let nursery = Box::new(Threads(of));
    Service { number, name: name.into(), workers, interface: Arc::new(SameBytes), nursery }
}

fn engine_by(stand: &mut Stand, pays: Service, partner: &Arc<Partner>, of: Effects) -> Engine {
    let more = vec![pays, service(("asks", ASKS), of, partner.clone())];
    let resolvers = BTreeMap::from([(PAYS, Arc::from("asks"))]);
    stand.engine_beside(more, |settings| settings.resolvers = resolvers).0
}

fn engine(stand: &mut Stand, partner: &Arc<Partner>) -> Engine {
    let pays = service(("pays", PAYS), Effects::Outside, stand.program.clone());
    engine_by(stand, pays, partner, Effects::None)
}

async fn pay(calls: &Calls, serial: u64, body: &str) -> Answer {
    let asked = asked(id(serial), 1, body);
    calls.call(tsugi_service_engine::Asked { service: "pays".to_owned(), ..asked }).await
}

async fn over(engine: Engine, grace: Span) {
    tokio::task::spawn_blocking(move || engine.hand_over(grace)).await.unwrap();
}

/// Ends an engine while its service is at call 1.
async fn interrupted(stand: &mut Stand, partner: &Arc<Partner>) {
    let first = engine(stand, partner);
    stand.gates.shut("begin");
    let calls = first.calls();
    let held = tokio::spawn(async move { pay(&calls, 1, "ten").await });
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("begin", 1)).await.unwrap();
    over(first, Span::ZERO).await;
    assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Moving));
    stand.gates.open("begin");
    assert_eq!(partner.asked(), 0, "nothing was unknown");
}

/// Until the call is not unknown any more.
async fn decided(calls: &Calls) -> Answer {
    let unknown = Answer::Refused(Refused::Unknown);
    loop {
        match calls.fetch(id(1)).await {
            answer if answer == unknown => tokio::time::sleep(Duration::from_millis(2)).await,
            answer => return answer,
        }
    }
}

async fn a_resolver_says_that_a_call_was_carried_out_and_its_reply_is_told_for_ever(
    mut stand: Stand,
) {
    let partner = Partner::new(&stand, "paid 10");
    interrupted(&mut stand, &partner).await;
    let (epoch, runs) = (stand.epoch, stand.runs());
    let second = engine(&mut stand, &partner);
    let calls = second.calls();
    let told = tokio::time::timeout(Duration::from_secs(30), decided(&calls)).await.unwrap();
    assert_eq!(text(&told), "paid 10");
    let by = partner.by.lock().unwrap().clone().unwrap();
    assert_eq!(by, (id(1).whole(), epoch, 1, b"ten".to_vec()), "as the service was told them");
    assert_eq!(text(&pay(&calls, 1, "ten").await), "paid 10");
    assert_eq!(pay(&calls, 1, "eleven").await, Answer::Refused(Refused::OtherBody));
    until(|| calls.inquiries(PAYS).is_empty()).await;
    over(second, Span::secs(1)).await;
    let third = engine(&mut stand, &partner);
    assert_eq!(text(&pay(&third.calls(), 1, "ten").await), "paid 10");
    assert_eq!((stand.runs(), partner.asked()), (runs, 1), "it is decided");
    over(third, Span::secs(1)).await;
}

async fn a_call_that_was_not_carried_out_by_its_resolver_runs_at_its_next_arrival(
    mut stand: Stand,
) {
    let partner = Partner::new(&stand, "not-carried-out");
    interrupted(&mut stand, &partner).await;
    let runs = stand.runs();
    let second = engine(&mut stand, &partner);
    let calls = second.calls();
    let told = tokio::time::timeout(Duration::from_secs(30), decided(&calls)).await.unwrap();
    assert_eq!(told, Answer::Refused(Refused::NotFound));
    assert_eq!(stand.runs(), runs, "it is not run by itself");
    assert_eq!(text(&pay(&calls, 1, "ten").await), "1");
    over(second, Span::secs(1)).await;
}

async fn who_cannot_tell_leaves_it_unknown_and_an_operator_decides_before_him(mut stand: Stand) {
    let partner = Partner::new(&stand, "the partner is away");
    interrupted(&mut stand, &partner).await;
    let second = engine(&mut stand, &partner);
    let calls = second.calls();
    let shown = |of: &Calls| {
        let all = of.inquiries(PAYS);
        all.first().map(|one| (one.id, one.state, one.said.clone()))
    };
    let waits = |of: &Calls| match shown(of) {
        Some((of, State::Waits { asked, .. }, said)) => (of == id(1) && asked > 0).then_some(said),
        _ => None,
    };
    until(|| waits(&calls).is_some()).await;
    assert_eq!(waits(&calls).as_deref(), Some("the partner is away"));
    assert_eq!(calls.fetch(id(1)).await, Answer::Refused(Refused::Unknown));
    // A resolver that ends abnormally decides nothing either; he is asked again after a pause.
    *partner.says.lock().unwrap() = "panic";
    partner.was_asked(2).await;
    until(|| waits(&calls).is_some()).await;
    assert_eq!(calls.fetch(id(1)).await, Answer::Refused(Refused::Unknown));
    // While he is asked once more an operator decides.
    *partner.says.lock().unwrap() = "paid 10";
    stand.gates.shut("asked");
    partner.was_asked(3).await;
    let said = Resolved::Answered(Box::new(suite::reply("paid 17", 5)));
    assert_eq!(calls.resolve(id(1), said).await, Answer::Changed);
    stand.gates.open("asked");
    until(|| calls.inquiries(PAYS).is_empty()).await;
    assert_eq!(text(&pay(&calls, 1, "ten").await), "paid 17", "the first that is durable stands");
    over(second, Span::secs(1)).await;
}

async fn an_engine_that_ends_while_its_resolver_is_asked_asks_again(mut stand: Stand) {
    let partner = Partner::new(&stand, "paid 10");
    interrupted(&mut stand, &partner).await;
    stand.gates.shut("asked");
    let second = engine(&mut stand, &partner);
    partner.was_asked(1).await;
    over(second, Span::ZERO).await;
    stand.gates.open("asked");
    let third = engine(&mut stand, &partner);
    let calls = third.calls();
    let told = tokio::time::timeout(Duration::from_secs(30), decided(&calls)).await.unwrap();
    assert_eq!((text(&told), partner.asked()), ("paid 10".to_owned(), 2));
    over(third, Span::secs(1)).await;
}

#[tokio::test]
async fn what_becomes_unknown_while_its_engine_goes_on_is_asked_about_at_once() {
    let mut stand = Stand::new();
    let partner = Partner::new(&stand, "paid 10");
    let puppets = Puppets::default();
    let workers = pool::Settings { effects: Effects::Outside, ..workers(1) };
    let nursery = Box::new(puppets.clone());
    let interface = Arc::new(SameBytes);
    let pays = Service { number: PAYS, name: "pays".into(), workers, interface, nursery };
    let engine = engine_by(&mut stand, pays, &partner, Effects::None);
    let calls = engine.calls();
    let held = tokio::spawn({
        let calls = calls.clone();
        async move { pay(&calls, 1, "ten").await }
    });
    let (ear, begin) = tokio::task::spawn_blocking(move || puppets.begun()).await.unwrap();
    // Its end finds no room, and what it did has happened.
    stand.counts.full.store(1, Ordering::SeqCst);
    ear.hear(done(&begin));
    assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Unknown));
    let told = tokio::time::timeout(Duration::from_secs(30), decided(&calls)).await.unwrap();
    assert_eq!((text(&told), partner.asked()), ("paid 10".to_owned(), 1));
    over(engine, Span::secs(1)).await;
}

async fn a_resolver_that_writes_is_asked_nothing(mut stand: Stand) {
    let partner = Partner::new(&stand, "paid 10");
    interrupted(&mut stand, &partner).await;
    let pays = service(("pays", PAYS), Effects::Outside, stand.program.clone());
    let second = engine_by(&mut stand, pays, &partner, Effects::Store);
    let calls = second.calls();
    until(|| calls.inquiries(PAYS).first().is_some_and(|one| !one.said.is_empty())).await;
    assert_eq!(calls.inquiries(PAYS)[0].said, "no-such-service");
    assert_eq!(calls.fetch(id(1)).await, Answer::Refused(Refused::Unknown));
    assert_eq!(partner.asked(), 0);
    over(second, Span::secs(1)).await;
}
