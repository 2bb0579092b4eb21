//! Who asks resolvers about unknown calls: a thread beside the core, which knows the rules of that
//! and the front of the engine. What it knows is memory; an engine that dies finds its unknown
//! calls in the store and asks again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::inquiry::{
    self, Event, FIRST, IN_VIEW, Kept, Order, State, Verdict, verdict,
};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::Ending;
use tsugi_store::{self as store, Reply};
use tsugi_vocabulary::{Moment, Span};

use crate::calls::{Answer, Calls, Resolved};
use crate::clock;

/// Unknown calls, by the service that they are of.
pub(crate) type Inquiries = BTreeMap<ServiceNumber, Vec<Inquiry>>;

/// An unknown call about which a resolver is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Its id.
    pub id: CallId,
    /// Where the question stands.
    pub state: State,
    /// What came of the last question, in words of programs; empty before the first has an answer.
    pub said: String,
}

impl Inquiry {
    /// In how long its resolver is asked again; none while he is being asked.
    #[must_use]
    pub fn again_in(&self) -> Option<Span> {
        match self.state {
            State::Waits { at, .. } => Some(at.since(clock::now())),
            State::Asked { .. } | State::Keeping { .. } => None,
        }
    }
}

/// The longest that is shown of what a resolver has said, in characters.
const SAID_MOST: usize = 200;

/// Starts it, where a service names a resolver.
///
/// # Errors
/// No thread could be started.
pub(crate) fn start(
    calls: &Calls,
    resolvers: BTreeMap<ServiceNumber, Arc<str>>,
) -> std::io::Result<Option<JoinHandle<()>>> {
    if resolvers.is_empty() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (tells, told) = watch::channel(());
    calls.tells(tells);
    let shown = calls.inquiries.clone();
    let mut inquirer = Inquirer {
        calls: calls.clone(),
        services: resolvers.into_iter().map(|(of, by)| (of, Service::of(by))).collect(),
        going: JoinSet::new(),
        shown,
    };
    let thread = std::thread::Builder::new().name("inquirer".to_owned());
    thread.spawn(move || runtime.block_on(inquirer.work(told))).map(Some)
}

/// Whether the unknown calls of a service are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    /// They are not, and need not be before this moment comes; none: until it is said that they
    /// have changed.
    Until(Option<Moment>),
    /// They are.
    Now,
    /// They are, and have changed since that was begun.
    NowAndAgain,
}

/// A service that names a resolver.
struct Service {
    resolver: Arc<str>,
    all: inquiry::Inquiries,
    listed: Listed,
    /// What came of the last question about each.
    said: BTreeMap<CallId, String>,
    /// The replies that are being kept.
    replies: BTreeMap<CallId, Arc<Reply>>,
}

impl Service {
    fn of(resolver: Arc<str>) -> Self {
        Self {
            resolver,
            all: inquiry::Inquiries::default(),
            listed: Listed::Until(Some(clock::now())),
            said: BTreeMap::new(),
            replies: BTreeMap::new(),
        }
    }

    fn wake_at(&self) -> Option<Moment> {
        let lists = match self.listed {
            Listed::Until(at) => at,
            Listed::Now | Listed::NowAndAgain => None,
        };
        self.all.wake_at().into_iter().chain(lists).min()
    }
}

/// What came of an errand.
enum Came {
    Listed(ServiceNumber, Option<Vec<CallId>>),
    Answered(ServiceNumber, CallId, Answered),
    Kept(ServiceNumber, CallId, Kept),
}

/// What came of a question.
enum Answered {
    Said(Verdict, String, Option<Arc<Reply>>),
    /// It is not unknown any more.
    Decided,
}

struct Inquirer {
    calls: Calls,
    services: BTreeMap<ServiceNumber, Service>,
    going: JoinSet<Came>,
    shown: Arc<Mutex<Inquiries>>,
}

impl Inquirer {
    /// Until the engine is gone.
    async fn work(&mut self, mut told: watch::Receiver<()>) {
        loop {
            self.step();
            let wake = self.services.values().filter_map(Service::wake_at).min();
            let rest = wake.map(|at| Duration::from_nanos(at.since(clock::now()).0));
            let sleep = async {
                match rest {
                    Some(rest) => tokio::time::sleep(rest).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = told.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.services.values_mut().for_each(|service| {
                        service.listed = match service.listed {
                            Listed::Until(_) => Listed::Until(Some(clock::now())),
                            Listed::Now | Listed::NowAndAgain => Listed::NowAndAgain,
                        };
                    });
                }
                Some(came) = self.going.join_next() => {
                    if let Ok(came) = came {
                        self.hear(came);
                    }
                }
                () = sleep => {}
            }
        }
    }

    /// Does what is due.
    fn step(&mut self) {
        let now = clock::now();
        let numbers: Vec<ServiceNumber> = self.services.keys().copied().collect();
        for number in numbers {
            let Some(service) = self.services.get_mut(&number) else { continue };
            if matches!(service.listed, Listed::Until(Some(at)) if at <= now) {
                service.listed = Listed::Now;
                let calls = self.calls.clone();
                self.going.spawn(async move { Came::Listed(number, calls.unknown(number).await) });
            }
            self.tell(number, Event::Woken);
        }
        self.show();
    }

    fn hear(&mut self, came: Came) {
        match came {
            Came::Listed(number, found) => self.on_listed(number, found),
            Came::Answered(number, id, Answered::Said(verdict, said, reply)) => {
                let Some(service) = self.services.get_mut(&number) else { return };
                service.said.insert(id, said);
                service.replies.extend(reply.map(|reply| (id, reply)));
                self.tell(number, Event::Said(id, verdict));
            }
            Came::Answered(number, id, Answered::Decided) => {
                self.tell(number, Event::Kept(id, Kept::Decided));
            }
            Came::Kept(number, id, kept) => {
                self.tell(number, Event::Kept(id, kept));
                let Some(service) = self.services.get_mut(&number) else { return };
                // There may be more than are looked at.
                if let (Listed::Until(at), None) = (&mut service.listed, service.all.all().next()) {
                    at.get_or_insert(clock::now());
                }
            }
        }
    }

    fn on_listed(&mut self, number: ServiceNumber, found: Option<Vec<CallId>>) {
        let Some(service) = self.services.get_mut(&number) else { return };
        let now = clock::now();
        service.listed = match (service.listed, &found) {
            (Listed::NowAndAgain, _) => Listed::Until(Some(now)),
            (Listed::Until(_) | Listed::Now, Some(_)) => Listed::Until(None),
            // The store is away, or the engine is going.
            (Listed::Until(_) | Listed::Now, None) => Listed::Until(Some(now + FIRST)),
        };
        if let Some(found) = found {
            debug_assert!(found.len() <= IN_VIEW, "no more are asked for");
            self.tell(number, Event::Found(found));
        }
    }

    /// Tells the rules, and does what they order.
    fn tell(&mut self, number: ServiceNumber, event: Event) {
        let Some(service) = self.services.get_mut(&number) else { return };
        let mut orders = Vec::new();
        service.all.step(clock::now(), event, &mut orders);
        for order in orders {
            let (calls, resolver) = (self.calls.clone(), service.resolver.clone());
            match order {
                Order::Ask(id) => {
                    self.going.spawn(async move {
                        Came::Answered(number, id, asked(&calls, id, &resolver).await)
                    });
                }
                Order::Keep(id, verdict) => {
                    let reply = service.replies.remove(&id);
                    self.going.spawn(async move {
                        let kept = match decided(number, verdict, reply.as_deref()) {
                            Some(said) => kept(&calls.resolve(id, said).await),
                            None => Kept::Not,
                        };
                        Came::Kept(number, id, kept)
                    });
                }
            }
        }
    }

    /// Lets others see it.
    fn show(&mut self) {
        let mut shown = self.shown.lock().expect("nobody dies with the lock");
        for (number, service) in &mut self.services {
            let all = service.all.all();
            let of = all.map(|(id, state)| {
                let said = service.said.get(&id).cloned().unwrap_or_default();
                Inquiry { id, state, said }
            });
            let of: Vec<Inquiry> = of.collect();
            service.said.retain(|id, _| of.iter().any(|inquiry| inquiry.id == *id));
            shown.insert(*number, of);
        }
    }
}

/// Asks about one call.
async fn asked(calls: &Calls, id: CallId, resolver: &str) -> Answered {
    let cannot = |why: String| Answered::Said(Verdict::CannotTell, why, None);
    let request = match calls.request(id).await {
        Some(Some(request)) => request,
        Some(None) => return Answered::Decided,
        None => return cannot("store-away".to_owned()),
    };
    match calls.inquire(id, resolver, &request).await {
        Answer::Reply(reply) => {
            let words = words(&reply);
            let ending = match reply.ending {
                store::Ending::Done => Ending::Done,
                store::Ending::Refused => Ending::Refused,
                store::Ending::Abnormal => Ending::Abnormal,
                store::Ending::TimeLimit => Ending::TimeLimit,
            };
            match verdict(ending, &words) {
                Verdict::CarriedOut => {
                    Answered::Said(Verdict::CarriedOut, String::new(), Some(reply))
                }
                other => Answered::Said(other, words, None),
            }
        }
        Answer::Refused(refusal) => cannot(refusal.word().to_owned()),
        Answer::Pending | Answer::Changed => cannot("time-limit".to_owned()),
    }
}

/// The words of a program that has not ended in order.
fn words(reply: &Reply) -> String {
    if reply.ending == store::Ending::Done {
        return String::new();
    }
    let known: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = known["text"].as_str().unwrap_or_default().trim();
    text.chars().take(SAID_MOST).collect()
}

/// What an unknown call counts as from now on; none where nothing was decided.
fn decided(service: ServiceNumber, verdict: Verdict, reply: Option<&Reply>) -> Option<Resolved> {
    match verdict {
        Verdict::CarriedOut => Some(Resolved::Answered(Box::new(Reply {
            service: i64::from(service.0),
            // The core knows which interface its call was read by; no run of its program said so.
            interface: 0,
            attempt: 0,
            at: clock::wall_ms(),
            ..reply?.clone()
        }))),
        Verdict::NotCarriedOut => Some(Resolved::NotCarriedOut),
        Verdict::CannotTell => None,
    }
}

fn kept(answer: &Answer) -> Kept {
    match answer {
        Answer::Changed => inquiry::kept(Ok(())),
        Answer::Refused(refusal) => inquiry::kept(Err(refusal)),
        // Nobody is told either of what is decided.
        Answer::Reply(_) | Answer::Pending => inquiry::kept(Err(&Refusal::NotOpenHere)),
    }
}
