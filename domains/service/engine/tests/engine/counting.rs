//! The program of the verification report, unchanged: it counts on, whatever kills its worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tsugi_service_engine::worker::pipe::{Package, Processes};
use tsugi_service_engine::{Answer, Calls, Engine};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::appfile::{PARAMETERS, counted, declared, initialize};
use crate::contained::processes_in;
use crate::programs::{cobol, ward};
use crate::records::{COUNTING, counting, records};
use crate::support::{Stand, asked, life, opened, text, workers};

fn engine(stand: &mut Stand, package: &Package) -> Engine {
    let own = Processes::new(ward(stand.folder.path()), package.clone());
    stand.engine_with(workers(1), Box::new(own), |_| {}).0
}

/// Calls in a life of the client: nothing is confirmed, and a life has so many serials.
const LIFE: u64 = 1_000;

async fn call(calls: &Calls, number: u64, body: &str) -> Answer {
    let serial = Serial::new((number - 1) % LIFE + 1).unwrap();
    let id = CallId::Counted { life: life(number.div_ceil(LIFE)), serial };
    calls.call(asked(id, 1, body)).await
}

/// How many calls came to which end.
#[derive(Debug, Default)]
struct Came {
    done: u64,
    killed: u64,
}

impl Came {
    /// A call that was done has the next number, and one that was killed has taken none.
    fn takes(&mut self, told: &Answer) {
        let Answer::Reply(reply) = told else { panic!("{told:?}") };
        let said = text(told);
        if reply.ending == Ending::Done {
            assert!(said.ends_with(&format!(r#""lk_counter":{}}}"#, self.done)), "{said}");
            assert!(said.contains(r#""lk_pgmname":"CBLAPP01""#), "{said}");
            self.done += 1;
        } else {
            assert_eq!(reply.ending, Ending::Abnormal, "{said}");
            assert!(said.contains(r#"{"ended":{"signal":9}}"#), "{said}");
            self.killed += 1;
        }
    }
}

/// A call whose worker is killed after so many microseconds; held until then, or not.
async fn killed(calls: &Calls, serial: u64, (stand, after): (&Stand, u64)) -> Answer {
    let all = processes_in(stand.folder.path());
    let each = |signal| {
        for pid in &all {
            // It may have ended as it was told.
            kill(Pid::from_raw(*pid), signal).ok();
        }
    };
    let held = after.is_multiple_of(2);
    if held {
        each(Signal::SIGSTOP);
    }
    let told = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, serial, "{}").await }
    });
    tokio::task::yield_now().await;
    let until = Instant::now() + Duration::from_micros(if held { 5_000 } else { after });
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    each(Signal::SIGKILL);
    told.await.unwrap()
}

#[tokio::test]
async fn mf_10_the_reports_program_counts_on_whatever_kills_its_worker() {
    let mut stand = Stand::new();
    initialize(&mut opened(stand.folder.path(), 9));
    stand.interface = Arc::new(records(counting()));
    let package = cobol(stand.folder.path(), COUNTING, ("CBLAPP01", &PARAMETERS));
    let package = Package { files: declared(), content_type: None, ..package };
    let running = engine(&mut stand, &package);
    let calls = running.calls();
    let full = std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1");
    let (least, most) = if full { (1_000, 10_000) } else { (8, 200) };
    let (mut came, mut all) = (Came::default(), Vec::new());
    while came.killed < least {
        let serial = all.len() as u64 + 1;
        assert!(serial < most, "none of them is met in its call: {came:?}");
        let told = match serial % 2 {
            1 => call(&calls, serial, "{}").await,
            _ => killed(&calls, serial, (&stand, serial * 37 % 3_000)).await,
        };
        came.takes(&told);
        all.push(told);
    }
    let last = all.len() as u64 + 1;
    let told = call(&calls, last, "{}").await;
    came.takes(&told);
    all.push(told);
    running.hand_over(Span::secs(2));
    let running = engine(&mut stand, &package);
    let calls = running.calls();
    for (serial, told) in (1..).zip(&all) {
        assert_eq!(call(&calls, serial, "{}").await, *told, "the next engine tells the same");
    }
    running.hand_over(Span::secs(2));
    let mut store = opened(stand.folder.path(), 100);
    assert_eq!(counted(&mut store), came.done, "each has counted once");
}
