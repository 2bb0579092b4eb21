//! The caller of a trial: calls the service at a steady pace through the client that applications
//! use, each call once, under the same id until it is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tsugi_client::{Address, Client, ClientName, Life, Request, Settings};
use tsugi_counter::Summary;
use tsugi_counter::caller::{Answered, Tally};

use super::service::{Program, SERVICE};

/// How long a call is asked again: longer than any fault that a trial shows.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the last calls may take once no new ones are made.
const LAST_CALLS: Duration = Duration::from_secs(5);
/// How long one try waits. Everybody is on this machine: who says nothing for so long is frozen.
const SILENCE: Duration = Duration::from_millis(250);
const GRACE: Duration = Duration::from_millis(100);
const DIAL: Duration = Duration::from_millis(100);
/// The longest pause between two tries: the gap that is shown is to be the service's.
const PAUSE: Duration = Duration::from_millis(20);

/// The answer of the report's service.
#[derive(Deserialize)]
struct Said {
    lk_datetime: String,
    lk_pgmname: String,
    lk_hostname: String,
    lk_counter: u64,
}

/// Who calls, where, and how often a second.
pub struct Caller<'a> {
    pub to: SocketAddr,
    pub name: &'a str,
    pub rate: u32,
    pub program: Program,
}

impl Caller<'_> {
    /// Calls until `stop` says so, then waits a few seconds for what has no answer. Each answer is
    /// handed to `take` once.
    ///
    /// # Errors
    /// The system gives no runtime.
    pub fn call_until(
        &self,
        stop: impl Fn() -> bool,
        take: impl FnMut(&Answered),
    ) -> std::io::Result<Summary> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("calls")
            .enable_all()
            .build()?;
        let mut run = Run { tally: Tally::default(), open: JoinSet::new(), take };
        let unanswered = runtime.block_on(self.all(&mut run, stop));
        // What still asks behind ends with this process.
        runtime.shutdown_background();
        let mut summary = run.tally.summary(unanswered);
        summary.program = self.program.word().to_owned();
        Ok(summary)
    }

    fn client(&self) -> Client {
        let address = Address::read(&self.to.to_string()).expect("a number and a port");
        let settings = Settings {
            silence: SILENCE,
            grace: GRACE,
            dial: DIAL,
            longest_pause: PAUSE,
            ..Settings::of(vec![address])
        };
        let name = ClientName::new(self.name).expect("it is a name");
        // The store of a trial is new, so nobody of this name has called before.
        let life = Life::given(1, 1).expect("they are in range");
        Client::new(name, life, settings).expect("there is an address")
    }

    /// How many calls were begun and have no answer.
    async fn all<F: FnMut(&Answered)>(&self, run: &mut Run<F>, stop: impl Fn() -> bool) -> u64 {
        let (client, request) = (self.client(), Request::json(SERVICE, "{}"));
        let mut next = interval(Duration::from_secs(1) / self.rate.max(1));
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut serial, mut failed) = (0_u64, 0_u64);
        while !stop() {
            tokio::select! {
                _ = next.tick() => {
                    serial += 1;
                    let (client, request) = (client.clone(), request.clone());
                    run.open.spawn(async move { (serial, called(&client, &request).await) });
                }
                Some(ended) = run.open.join_next() => failed += run.note(ended),
            }
        }
        let end = Instant::now() + LAST_CALLS;
        while !run.open.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            match timeout(left, run.open.join_next()).await {
                Ok(Some(ended)) => failed += run.note(ended),
                Ok(None) | Err(_) => break,
            }
        }
        failed + u64::try_from(run.open.len()).unwrap_or(u64::MAX)
    }
}

/// What has come of the calls so far.
struct Run<F> {
    tally: Tally,
    open: JoinSet<(u64, Option<Said>)>,
    take: F,
}

impl<F: FnMut(&Answered)> Run<F> {
    /// How many calls it was that will have no answer.
    fn note(&mut self, ended: Result<(u64, Option<Said>), tokio::task::JoinError>) -> u64 {
        let Ok((serial, Some(said))) = ended else { return 1 };
        let (date, time) = said.lk_datetime.split_once(' ').unwrap_or((&said.lk_datetime, ""));
        let answered = Answered {
            number: said.lk_counter,
            node: said.lk_hostname,
            date: date.to_owned(),
            time: time.to_owned(),
            program: said.lk_pgmname,
            serial,
        };
        self.tally.note(&answered);
        (self.take)(&answered);
        0
    }
}

async fn called(client: &Client, request: &Request) -> Option<Said> {
    let reply = client.call(request, Instant::now() + DEADLINE).await.ok()?;
    serde_json::from_slice(&reply.body).ok()
}
