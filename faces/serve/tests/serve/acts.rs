//! What a package says of its service: where it acts, and whether its calls are kept in order. The
//! service is a command in shell that leaves a line outside of the store for each of its calls.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tsugi_package::manifest::{Effects, Order, Program, Quotas, Service};
use tsugi_serve::control::{Asked, OfService, Told, Which};

use crate::daemon::{Answer, BOUND, Caller, Daemon, own_address};
use crate::volume::{COMMAND, Volume, path};

/// Its words are `look`, `write` and `hold`; each is left outside before anything else is done.
const SCRIPT: &str = r#"#!/bin/sh
set -eu
number() { printf '%s\n' "$line" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
words() { printf '%s\n' "$line" | sed -n 's/.*"parameters":\["\([A-Za-z0-9 ]*\)"\].*/\1/p'; }

run() {
  turn=$(number turn)
  said=$(words)
  printf '%s\n' "$said" >>'@LEFT@'
  sql="select value from counter where name = 'a'"
  case $said in
  hold*) while [ ! -e '@GATE@' ]; do sleep 0.01; done ;;
  write*) sql="update counter set value = value + 1 where name = 'a' returning value" ;;
  esac
  printf '{"ask":{"turn":%s,"operations":[{"do":{"sql":{"text":"%s"}}}]}}\n' "$turn" "$sql"
  while read -r line; do
    case $line in
    '{"begin":'*) ahead="$ahead$line
" ;;
    '{"leave":'*) leaving=yes ;;
    *) break ;;
    esac
  done
  value=$(printf '%s\n' "$line" | sed -n 's/.*"rows":\[\[\([0-9]*\)\]\].*/\1/p')
  if [ -n "$value" ]; then
    printf '{"done":{"turn":%s,"replies":[{"parameters":["%s"]}]}}\n' "$turn" "$value"
  else
    why=$(printf '%s\n' "$line" | sed -n 's/.*"text":"\([^"\\]*\).*/\1/p')
    printf '{"failed":{"turn":%s,"class":"abort","code":1,"text":"%s"}}\n' "$turn" "$why"
  fi
}

printf '{"hello":{"versions":{"lowest":1,"highest":1},"pid":%s,"runs":"command"}}\n' "$$"
read -r line
printf '{"ready":{}}\n'
ahead= leaving=
while :; do
  if [ -n "$ahead" ]; then
    line=${ahead%%"
"*}
    ahead=${ahead#*"
"}
  elif [ -n "$leaving" ] || ! read -r line; then
    exit 0
  fi
  case $line in
  '{"begin":'*) run ;;
  '{"leave":'*) leaving=yes ;;
  esac
done
"#;

/// Says what stands in a file, and leaves beside it what it was asked with. Its words are those of
/// a partner: an answer, or why there is none.
const RESOLVER: &str = r#"#!/bin/sh
set -eu
printf '{"hello":{"versions":{"lowest":1,"highest":1},"pid":%s,"runs":"command"}}\n' "$$"
read -r line
printf '{"ready":{}}\n'
while read -r line; do
  case $line in
  '{"leave":'*) exit 0 ;;
  '{"begin":'*) ;;
  *) continue ;;
  esac
  printf '%s\n' "$line" >>'@SAYS@.asked'
  turn=$(printf '%s\n' "$line" | sed -n 's/.*"turn":\([0-9]*\).*/\1/p')
  says=$(cat '@SAYS@')
  case $says in
  [0-9]*) printf '{"done":{"turn":%s,"replies":[{"parameters":["%s"]}]}}\n' "$turn" "$says" ;;
  *) printf '{"failed":{"turn":%s,"class":"abort","code":1,"text":"%s"}}\n' "$turn" "$says" ;;
  esac
done
"#;

/// A volume with the service, and what it has left outside.
struct Place {
    volume: Volume,
    left: PathBuf,
    gate: PathBuf,
    /// Whom its package names for unknown calls.
    asks: Option<&'static str>,
}

impl Place {
    fn new(effects: Effects, order: Order) -> Self {
        Self::naming(None, effects, order)
    }

    fn naming(asks: Option<&'static str>, effects: Effects, order: Order) -> Self {
        let volume = Volume::new();
        let (left, gate) = (volume.path().join("left"), volume.path().join("gate"));
        fs::write(&left, "").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
        let place = Self { volume, left, gate, asks };
        place.deploy(effects, order);
        place
    }

    fn deploy(&self, effects: Effects, order: Order) {
        let quotas = Quotas { workers: Some(3), call_ms: Some(60_000), memory_mib: None };
        let program = Program::Command(path(COMMAND));
        let name = "PAY".to_owned();
        let asks = self.asks.map(str::to_owned).filter(|_| effects == Effects::Outside);
        let (interface, resolve) = (None, asks);
        let says = Service { name, program, interface, effects, order, resolve, quotas };
        let text = SCRIPT.replace("@LEFT@", self.left.to_str().unwrap());
        let text = text.replace("@GATE@", self.gate.to_str().unwrap());
        self.volume.deploy_command("srv02", says, &text);
    }

    /// Deploys the command that says what became of unknown calls, as a package of its own.
    fn deploy_resolver(&self) {
        let (name, program) = ("ASKPAY".to_owned(), Program::Command(path(COMMAND)));
        let (effects, order, resolve) = (Effects::Reads, Order::None, None);
        let (interface, quotas) = (None, Quotas::default());
        let says = Service { name, program, interface, effects, order, resolve, quotas };
        let text = RESOLVER.replace("@SAYS@", self.says().to_str().unwrap());
        self.volume.deploy_command("srv03", says, &text);
    }

    /// What that says: a line each for the id and the body of a call, and the answer.
    fn says(&self) -> PathBuf {
        self.volume.path().join("says")
    }

    fn ready(&self, epoch: &str) -> Daemon {
        Daemon::ready(&self.volume, own_address(), epoch)
    }

    /// What its calls have left, in the order in which they began.
    fn left(&self) -> Vec<String> {
        fs::read_to_string(&self.left).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits until so many of its calls have begun.
    fn begun(&self, many: usize) {
        let since = Instant::now();
        while self.left().len() < many {
            assert!(since.elapsed() < BOUND, "{:?}", self.left());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn open_gate(&self) {
        fs::write(&self.gate, "").unwrap();
    }
}

/// A call on a connection of its own; none where the daemon has gone.
fn calls(daemon: &Daemon, serial: u64, body: &'static str) -> JoinHandle<Option<Answer>> {
    let mut caller = Caller::connect(daemon.address).unwrap();
    thread::spawn(move || caller.call("PAY", serial, body).ok())
}

fn pay(daemon: &Daemon) -> OfService {
    daemon.status().services.into_iter().find(|of| of.name == "PAY").unwrap()
}

fn resolve(daemon: &Daemon, serial: u64, reply: Option<&str>) -> Told {
    let (id, identity) = (format!("test:1.{serial}"), Some("loopback".to_owned()));
    daemon.ask(&Asked::Resolve { call: Which { id, identity }, reply: reply.map(str::to_owned) })
}

fn get(daemon: &Daemon, what: &str) -> Answer {
    let mut caller = Caller::connect(daemon.address).unwrap();
    caller.say(format!("GET {what} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    caller.answer().unwrap()
}

#[test]
fn what_acts_outside_and_is_killed_in_the_middle_is_unknown_until_an_operator_decides() {
    let place = Place::new(Effects::Outside, Order::None);
    let daemon = place.ready("e1.1");
    assert_eq!((&*pay(&daemon).effects, &*pay(&daemon).order), ("outside", "none"));
    let held = [calls(&daemon, 1, "hold 1"), calls(&daemon, 2, "hold 2")];
    place.begun(2);
    daemon.kill();
    assert!(held.into_iter().all(|held| held.join().unwrap().is_none()), "nobody was told");
    place.open_gate();
    // Whatever daemon comes, and whatever its package says by then.
    for epoch in ["e1.2", "e1.3", "e1.4"] {
        if epoch == "e1.4" {
            place.deploy(Effects::Store, Order::None);
        }
        let daemon = place.ready(epoch);
        let mut caller = Caller::connect(daemon.address).unwrap();
        for (serial, body) in [(1, "hold 1"), (2, "hold 2")] {
            let unknown = caller.call("PAY", serial, body).unwrap();
            assert!(unknown.body.contains("TSUG20114"), "{unknown:?}");
            let unknown = get(&daemon, &format!("/call/test:1.{serial}"));
            assert!(unknown.body.contains("TSUG20114"), "{unknown:?}");
        }
        assert_eq!(daemon.stop(), Some(0));
    }
    assert_eq!(place.left().len(), 2, "it is never run again by itself");
    let daemon = place.ready("e1.5");
    let mut caller = Caller::connect(daemon.address).unwrap();
    assert_eq!(resolve(&daemon, 1, Some("17")), Told::Done);
    assert_eq!(resolve(&daemon, 2, None), Told::Done);
    assert_eq!(caller.call("PAY", 1, "hold 1").unwrap().body, "17");
    assert_eq!(place.left().len(), 2);
    assert_eq!(caller.call("PAY", 2, "hold 2").unwrap().body, "0", "it was not carried out");
    assert_eq!(place.left().len(), 3);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_acts_in_the_store_only_and_is_killed_in_the_middle_is_run_again() {
    let place = Place::new(Effects::Store, Order::None);
    let daemon = place.ready("e1.1");
    let held = calls(&daemon, 1, "hold 1");
    place.begun(1);
    daemon.kill();
    assert!(held.join().unwrap().is_none(), "nobody was told");
    place.open_gate();
    let daemon = place.ready("e1.2");
    assert_eq!(calls(&daemon, 1, "hold 1").join().unwrap().unwrap().body, "0");
    assert_eq!(place.left(), ["hold 1", "hold 1"]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_only_reads_keeps_no_reply_and_writes_nothing() {
    let place = Place::new(Effects::Reads, Order::None);
    let daemon = place.ready("e1.1");
    assert_eq!(pay(&daemon).effects, "reads");
    let mut caller = Caller::connect(daemon.address).unwrap();
    assert_eq!(caller.call("PAY", 5, "look").unwrap().body, "0");
    assert_eq!(caller.call("COUNTER", 6, "add a").unwrap().body, "1");
    assert_eq!(caller.call("PAY", 5, "look").unwrap().body, "1", "a retry reads again");
    let refused = caller.call("PAY", 7, "write").unwrap();
    assert!(refused.body.contains("only reads may not write"), "{refused:?}");
    assert_eq!(get(&daemon, "/call/test:1.5").status, 404);
    assert!(get(&daemon, "/openapi.json").body.contains(r#""x-tsugi-effects":"reads""#));
    assert_eq!(place.volume.value(), 1);
    assert_eq!(daemon.stop(), Some(0));
    let kept = "SELECT count(*) FROM tsugi_reply";
    let kept: i64 = place.volume.behind().query_row(kept, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "the counter's");
}

/// A call that says by what it is kept in order.
fn in_order(daemon: &Daemon, key: &str, by: &str, body: &str) -> JoinHandle<Answer> {
    let mut caller = Caller::connect(daemon.address).unwrap();
    let request = format!(
        "POST /call/PAY HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {key}\r\nTsugi-Order: {by}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    caller.say(request.as_bytes()).unwrap();
    thread::spawn(move || caller.answer().unwrap())
}

/// Until so many calls of the service have come and have no answer.
fn pending(daemon: &Daemon, many: usize) {
    let since = Instant::now();
    while pay(daemon).pending < many {
        assert!(since.elapsed() < BOUND, "{:?}", pay(daemon));
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn calls_are_kept_in_order_where_their_service_asks_for_it_and_nowhere_else() {
    for (order, last) in [(Order::Told, "hold 2"), (Order::None, "hold 3")] {
        let place = Place::new(Effects::Store, order);
        let daemon = place.ready("e1.1");
        assert_eq!(pay(&daemon).order, order.word());
        let first = in_order(&daemon, "k1", "x", "hold 1");
        place.begun(1);
        let second = in_order(&daemon, "k2", "x", "hold 2");
        pending(&daemon, 2);
        if order == Order::None {
            place.begun(2);
        }
        // Of another key: it is not held up, though it came later.
        let third = in_order(&daemon, "k3", "y", "hold 3");
        place.begun(if order == Order::None { 3 } else { 2 });
        place.open_gate();
        for call in [first, second, third] {
            assert_eq!(call.join().unwrap().body, "0");
        }
        assert_eq!(place.left().last().map(String::as_str), Some(last), "{order:?}");
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn a_service_that_has_acted_does_not_become_one_that_only_reads() {
    let place = Place::new(Effects::Reads, Order::None);
    // It may begin to act: of what has only read nothing is kept that could be untrue.
    place.deploy(Effects::Outside, Order::None);
    let daemon = place.ready("e1.1");
    let written = calls(&daemon, 1, "write").join().unwrap().unwrap();
    assert_eq!((&*written.body, pay(&daemon).closed), ("1", None));
    assert_eq!(daemon.stop(), Some(0));
    // A retry of that call would be told what can be read now.
    place.deploy(Effects::Reads, Order::None);
    let daemon = place.ready("e1.2");
    let closed = pay(&daemon).closed.expect("it is closed");
    assert!(closed.why.starts_with("32 ") && closed.why.contains("srv02"), "{closed:?}");
    assert_eq!(calls(&daemon, 1, "write").join().unwrap().unwrap().status, 503);
    assert_eq!(get(&daemon, "/call/test:1.1").body, "1", "what was answered is told");
    assert_eq!(daemon.stop(), Some(0));
    place.deploy(Effects::Outside, Order::None);
    let daemon = place.ready("e1.3");
    assert_eq!(calls(&daemon, 1, "write").join().unwrap().unwrap().body, "1");
    assert_eq!(place.volume.value(), 1);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_unknown_call_is_decided_by_the_service_that_its_package_names() {
    let place = Place::naming(Some("ASKPAY"), Effects::Outside, Order::None);
    place.deploy_resolver();
    let says = |words: &str| {
        let new = place.volume.path().join("new");
        fs::write(&new, words).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(&new, place.says()).unwrap();
    };
    let asked = place.volume.path().join("says.asked");
    fs::write(&asked, "").unwrap();
    fs::set_permissions(&asked, fs::Permissions::from_mode(0o666)).unwrap();
    says("no line to the bank");
    let daemon = place.ready("e1.1");
    assert_eq!(pay(&daemon).resolve.as_deref(), Some("ASKPAY"));
    let held = [calls(&daemon, 1, "hold 1"), calls(&daemon, 2, "hold 2")];
    place.begun(2);
    daemon.kill();
    assert!(held.into_iter().all(|held| held.join().unwrap().is_none()), "nobody was told");
    place.open_gate();

    let daemon = place.ready("e1.2");
    let since = Instant::now();
    let told = |of: &OfService| of.unknown.iter().filter(|one| !one.said.is_empty()).count();
    while told(&pay(&daemon)) < 2 {
        assert!(since.elapsed() < BOUND, "{:?}", pay(&daemon));
        thread::sleep(Duration::from_millis(5));
    }
    let shown = pay(&daemon);
    assert_eq!(shown.unknown_calls, 2);
    for one in &shown.unknown {
        assert_eq!((one.said.as_str(), one.asked > 0), ("no line to the bank", true), "{one:?}");
        assert!(one.again_ms.is_none_or(|ms| ms <= 60_000), "{one:?}");
    }
    let lines = fs::read_to_string(&asked).unwrap();
    let first = lines.lines().find(|line| line.contains("hold 1")).expect("it was asked");
    assert!(first.contains(r#""attempt":1"#) && first.contains(&shown.unknown[0].call), "{first}");
    let mut caller = Caller::connect(daemon.address).unwrap();
    let unknown = caller.call("PAY", 1, "hold 1").unwrap();
    assert!(unknown.body.contains("TSUG20114"), "{unknown:?}");

    // The first is an operator's; the line to the bank comes back for the second.
    assert_eq!(resolve(&daemon, 1, Some("99")), Told::Done);
    says("17");
    while pay(&daemon).unknown_calls > 0 {
        assert!(since.elapsed() < BOUND, "{:?}", pay(&daemon));
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(caller.call("PAY", 1, "hold 1").unwrap().body, "99");
    assert_eq!(caller.call("PAY", 2, "hold 2").unwrap().body, "17");
    daemon.kill();
    let daemon = place.ready("e1.3");
    let mut caller = Caller::connect(daemon.address).unwrap();
    assert_eq!(caller.call("PAY", 2, "hold 2").unwrap().body, "17", "it is kept");
    assert_eq!(place.left().len(), 2, "none of them has run again");
    assert_eq!(daemon.stop(), Some(0));
}
