//! Services in every spelling that call another one: one suite, with real workers.

use std::path::Path;
use std::sync::Arc;

use tsugi_service_engine::worker::pipe::{Package, Processes, Ward};
use tsugi_service_engine::{Asked, Calls, Engine, Interface, SameBytes, Service};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::worker::pool;
use tsugi_vocabulary::Span;

use crate::appfile::{PARAMETERS, counted, declared, initialize};
use crate::programs::{Cut, cobol, command, library, python, rust, ward};
use crate::records::{COUNTING, counting, records};
use crate::support::{Stand, asked, id, opened, text, workers};

const CALLER_C: &str = "../../../programs/program/examples/caller.c";
const CALLER_COBOL: &str = include_str!("../../../../../programs/cobol/samples/CALLER.cbl");
const WAYS: &str = include_str!("WAYS.cbl");

fn example(name: &str) -> String {
    format!("{}/../../../programs/worker/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The caller in every spelling, by the name of its service.
fn callers(folder: &Path) -> Vec<(&'static str, Package, Arc<dyn Interface>)> {
    let same = || -> Arc<dyn Interface> { Arc::new(SameBytes) };
    let cut = Arc::new(Cut(&[8, 20, 2, 80]));
    let parameters: (&str, &[u32]) = ("CALLER", &[8, 20, 2, 80]);
    vec![
        ("in-c", library(folder, CALLER_C, "CALLER"), same()),
        ("in-rust", rust("caller_in_rust", "CALLER"), same()),
        ("in-py", command(&["python3", &example("caller.py")]), same()),
        ("in-sh", command(&["sh", &example("caller.sh")]), same()),
        ("in-cobol", cobol(folder, CALLER_COBOL, parameters), cut),
    ]
}

fn service(number: u32, name: &str, ward: &Ward, of: (Package, Arc<dyn Interface>)) -> Service {
    let mut settings = pool::Settings { spare: 1, most: 4, ..workers(1) };
    settings.limits.start = Span::secs(60);
    Service {
        number: ServiceNumber(number),
        name: name.into(),
        workers: settings,
        interface: of.1,
        nursery: Box::new(Processes::new(ward.clone(), of.0)),
    }
}

fn engine(stand: &mut Stand, more: Vec<Service>) -> Engine {
    stand.engine_beside(more, |_| {}).0
}

/// Has the caller of this spelling call a service: what that one was told.
async fn has_called(calls: &Calls, serial: u64, by: &str, (service, body): (&str, &str)) -> String {
    let cobol = by == "in-cobol";
    let body = match cobol {
        true => format!("{service:8}{body:20}  {:80}", ""),
        false => format!("{service} {body}"),
    };
    let asked = Asked { service: by.to_owned(), ..asked(id(serial), 1, &body) };
    let told = text(&calls.call(asked.clone()).await);
    assert_eq!(text(&calls.call(asked).await), told, "{by}: it is stored");
    if cobol { format!("{} {}", &told[28..30], told[30..].trim_end()) } else { told }
}

on_both!(
    in_every_spelling_whom_a_program_calls_is_part_of_its_call,
    a_module_that_is_called_remembers_nothing_of_a_caller_that_was_undone,
    a_reply_that_its_caller_cannot_be_told_is_undone,
);

pub async fn in_every_spelling_whom_a_program_calls_is_part_of_its_call(mut stand: Stand) {
    let ward = ward(stand.folder.path());
    let mut more = vec![service(9, "adds", &ward, (python(), Arc::new(SameBytes)))];
    let folder = stand.folder.path().to_owned();
    let names: Vec<&str> = callers(&folder)
        .into_iter()
        .zip(10..)
        .map(|((name, package, interface), number)| {
            more.push(service(number, name, &ward, (package, interface)));
            name
        })
        .collect();
    let engine = engine(&mut stand, more);
    let calls = engine.calls();
    let (mut serial, mut value) = (0, 0);
    for name in names {
        let mut ask = async |of: (&str, &str)| {
            serial += 1;
            has_called(&calls, serial, name, of).await
        };
        assert_eq!(ask(("adds", "a")).await, format!("00 {}", value + 2), "{name}");
        value += 2;
        assert_eq!(stand.value(), value, "{name}: both are kept");
        assert_eq!(ask(("adds", "aborts")).await, "61 refused: no money", "{name}");
        value += 1;
        assert_eq!(stand.value(), value, "{name}: the other is undone, and it went on");
        let ended = ask(("adds", "exit")).await;
        assert!(ended.starts_with("61 abnormal {"), "{name}: {ended}");
        value += 1;
        assert_eq!(stand.value(), value, "{name}");
        let cycle = ask((name, "a")).await;
        assert!(cycle.starts_with("62 cycle"), "{name}: {cycle}");
        let none = ask(("nobody", "a")).await;
        assert!(none.starts_with("60 no-such-service"), "{name}: {none}");
        value += 2;
        assert_eq!(ask(("adds", "a")).await, format!("00 {}", value + 2), "{name}");
        value += 2;
    }
    assert_eq!(stand.value(), value);
    engine.hand_over(Span::secs(2));
}

pub async fn a_module_that_is_called_remembers_nothing_of_a_caller_that_was_undone(
    mut stand: Stand,
) {
    let ward = ward(stand.folder.path());
    let module = cobol(stand.folder.path(), WAYS, ("WAYS", &[10, 4]));
    let mut ways = service(9, "ways", &ward, (module, Arc::new(Cut(&[10, 4]))));
    // One worker: which of two remembers an earlier call is none of this.
    ways.workers.spare = 0;
    let mut more = vec![ways];
    more.push(crate::nested::actor(&stand, 10, "a"));
    let engine = engine(&mut stand, more);
    let calls = engine.calls();
    let ask = async |serial: u64, body: &str| {
        let asked = Asked { service: "a".to_owned(), ..asked(id(serial), 1, body) };
        text(&calls.call(asked).await)
    };
    assert_eq!(ask(1, "ways count;ways count").await, "[0001] [0002]");
    assert_eq!(stand.value(), 2);
    assert!(ask(2, "ways count;refuse").await.contains("no"));
    assert_eq!(stand.value(), 2, "its rows go with its caller");
    assert_eq!(ask(3, "ways count").await, "[0001]", "and so does its WORKING-STORAGE");
    let stop = ask(4, "ways count;ways stop;ways count").await;
    assert_eq!(stop, r#"[0002] 61 abnormal {"failed":"stop-run"}: STOP RUN 7 [0001]"#);
    assert_eq!(stand.value(), 5);
    let unfit = ask(5, "call ways count").await;
    assert!(unfit.starts_with("61 ") || unfit.starts_with("60 "), "{unfit}");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn files_of_a_module_that_is_called_are_part_of_its_callers_call() {
    let mut stand = Stand::new();
    initialize(&mut opened(stand.folder.path(), 9));
    let ward = ward(stand.folder.path());
    let package = cobol(stand.folder.path(), COUNTING, ("CBLAPP01", &PARAMETERS));
    let package = Package { files: declared(), ..package };
    let interface = Arc::new(records(counting()));
    let mut more = vec![service(9, "srv01", &ward, (package, interface))];
    more.push(crate::nested::actor(&stand, 10, "a"));
    let engine = engine(&mut stand, more);
    let calls = engine.calls();
    let ask = async |service: &str, serial: u64, body: &str| {
        let asked = Asked { service: service.to_owned(), ..asked(id(serial), 1, body) };
        text(&calls.call(asked).await)
    };
    assert!(ask("srv01", 1, "{}").await.ends_with(r#""lk_counter":0}"#));
    assert_eq!(ask("a", 2, "add;app;app").await, "1 [0] [0]");
    assert!(ask("a", 3, "add;app;refuse").await.contains("no"));
    let next = ask("srv01", 4, "{}").await;
    assert!(next.ends_with(r#""lk_counter":3}"#), "{next}: the file went back with its caller");
    let unfit = ask("a", 5, "call srv01 x").await;
    assert!(unfit.starts_with("60 does-not-fit"), "{unfit}");
    engine.hand_over(Span::secs(2));
    assert_eq!(stand.value(), 1);
    assert_eq!(counted(&mut opened(stand.folder.path(), 100)), 4);
}

pub async fn a_reply_that_its_caller_cannot_be_told_is_undone(mut stand: Stand) {
    let ward = ward(stand.folder.path());
    let caller = command(&["python3", &example("caller.py")]);
    let mut more = vec![service(9, "in-py", &ward, (caller, Arc::new(SameBytes)))];
    more.push(crate::nested::actor(&stand, 10, "a"));
    let engine = engine(&mut stand, more);
    let calls = engine.calls();
    let told = has_called(&calls, 1, "in-py", ("a", "add;long 2000000")).await;
    assert_eq!(told, "34 a reply of more than 1048576 bytes");
    assert_eq!(stand.value(), 1, "its own is kept");
    engine.hand_over(Span::secs(2));
}
