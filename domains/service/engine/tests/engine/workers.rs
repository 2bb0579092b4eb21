//! Workers that are processes: what one of them does ends one call, never the engine.

use std::time::Duration;

use tsugi_service_engine::worker::pipe::{Package, Processes};
use tsugi_service_engine::{Answer, Engine, Refused};
use tsugi_service_rules::worker::pool;
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::programs::{Lines, command, python, ward};
use crate::support::{SERVICE, Stand, call, id, text, workers};

on_both! {
    a_process_counts_and_reads_more_rows_than_fit,
    whatever_a_worker_does_one_call_ends_and_the_engine_goes_on,
    lines_of_the_log_end_no_call_and_need_no_writer,
    a_worker_is_replaced_after_so_many_calls,
    a_program_that_never_starts_is_given_up_with_its_reason,
}

fn engine(stand: &mut Stand, settings: pool::Settings, package: Package) -> Engine {
    let processes = Processes::new(ward(stand.folder.path()), package);
    stand.engine_with(settings, Box::new(processes), |_| {}).0
}

async fn a_process_counts_and_reads_more_rows_than_fit(mut stand: Stand) {
    let engine = engine(&mut stand, workers(1), python());
    let calls = engine.calls();
    let all: Vec<_> = (1..=20)
        .map(|n| {
            let calls = calls.clone();
            tokio::spawn(async move { text(&call(&calls, n, "a").await).parse::<i64>().unwrap() })
        })
        .collect();
    let mut told = Vec::new();
    for one in all {
        told.push(one.await.unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (1..=20).collect::<Vec<_>>());
    assert_eq!(text(&call(&calls, 21, "many").await), "10000 more 3 none");
    // A statement that means nothing, a key that is there, and a table that is not the program's.
    assert_eq!(text(&call(&calls, 22, "mistakes").await), "42 22 37");
    assert_eq!(stand.value(), 22);
    engine.hand_over(Span::secs(2));
}

async fn whatever_a_worker_does_one_call_ends_and_the_engine_goes_on(mut stand: Stand) {
    let mut settings = workers(1);
    settings.spare = 1;
    settings.limits.call = Span::millis(1500);
    let engine = engine(&mut stand, settings, python());
    let calls = engine.calls();
    let ends = [
        ("exit", Ending::Abnormal, r#"{"ended":{"code":3}}"#),
        ("signal", Ending::Abnormal, r#"{"ended":{"signal":11}}"#),
        ("loop", Ending::TimeLimit, r#""time-limit""#),
        ("never", Ending::TimeLimit, r#""time-limit""#),
        ("nonsense", Ending::Abnormal, r#""broke-protocol""#),
        ("closes", Ending::Abnormal, r#""closed""#),
        ("floods", Ending::Abnormal, r#""flood""#),
        ("aborts", Ending::Refused, r#"{"failed":"abort"}"#),
    ];
    for (serial, (body, ending, abnormal)) in (1..).zip(ends) {
        let first = call(&calls, serial, body).await;
        let Answer::Reply(reply) = &first else { panic!("{body}: {first:?}") };
        assert_eq!(reply.ending, ending, "{body}: {}", text(&first));
        assert!(text(&first).contains(abnormal), "{body}: {}", text(&first));
        assert_eq!(call(&calls, serial, body).await, first, "{body}: it is final");
    }
    let exit = text(&call(&calls, 1, "exit").await);
    assert!(exit.contains("these are my last words"), "{exit}");
    assert!(text(&call(&calls, 8, "aborts").await).contains("no money"));
    assert_eq!(stand.value(), 0, "nothing of them is kept");
    assert_eq!(text(&call(&calls, 9, "a").await), "1");
    engine.hand_over(Span::secs(2));
}

async fn lines_of_the_log_end_no_call_and_need_no_writer(mut stand: Stand) {
    let lines = Lines::default();
    let package = lines.of(python());
    let engine = engine(&mut stand, workers(1), package);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "logs").await), "logged");
    let line = format!("{} 1 a line", id(1).whole());
    assert_eq!(lines.all(), [line.clone(), line]);
    engine.hand_over(Span::secs(2));
}

async fn a_worker_is_replaced_after_so_many_calls(mut stand: Stand) {
    let settings = pool::Settings { recycle: 3, ..workers(1) };
    let engine = engine(&mut stand, settings, python());
    let calls = engine.calls();
    let mut pids = Vec::new();
    for serial in 1..=7 {
        let told = text(&call(&calls, serial, "who").await);
        let (value, pid) = told.split_once(' ').unwrap();
        assert_eq!(value, serial.to_string());
        pids.push(pid.to_owned());
    }
    assert!(pids[..3].iter().all(|pid| *pid == pids[0]), "{pids:?}");
    assert!(pids[3..6].iter().all(|pid| *pid == pids[3]), "{pids:?}");
    assert!(pids[0] != pids[3] && pids[3] != pids[6], "{pids:?}");
    engine.hand_over(Span::secs(2));
}

async fn a_program_that_never_starts_is_given_up_with_its_reason(mut stand: Stand) {
    let program = "import sys; sys.stderr.write('no table of rates\\n'); sys.exit(7)";
    let package = command(&["python3", "-c", program]);
    let engine = engine(&mut stand, workers(1), package);
    let calls = engine.calls();
    let told = tokio::time::timeout(Duration::from_secs(20), call(&calls, 1, "a")).await.unwrap();
    let Answer::Refused(Refused::NoWorker { why }) = told else { panic!("{told:?}") };
    assert_eq!(why.to_string(), "ended-at-start, code 7: no table of rates");
    calls.set_open(SERVICE, Ok(()));
    let told = tokio::time::timeout(Duration::from_secs(5), call(&calls, 1, "a")).await.unwrap();
    assert_eq!(told, Answer::Refused(Refused::NoWorker { why }), "it has no workers for that");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn a_program_of_another_version_is_not_deployed() {
    let mut stand = Stand::new();
    let said = r#"{"hello":{"versions":{"lowest":9,"highest":9},"pid":1,"runs":"command"}}"#;
    let program = format!("import time; print('{said}', flush=True); time.sleep(60)");
    let package = command(&["python3", "-c", &program]);
    let engine = engine(&mut stand, workers(1), package);
    let calls = engine.calls();
    let told = tokio::time::timeout(Duration::from_secs(20), call(&calls, 1, "a")).await.unwrap();
    assert!(matches!(told, Answer::Refused(Refused::NotDeployed { .. })), "{told:?}");
    engine.hand_over(Span::secs(2));
}
