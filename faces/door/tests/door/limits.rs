//! What a door takes, and what it does with those who take too long.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{Caller, Stand, get, keyed};

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_read_and_the_connection_closed() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    let long = keyed("a", "1").replace("Content-Length: 1", "Content-Length: 3000000");
    caller.write(&long);
    let refused = caller.read().expect("it is told before the rest is sent");
    assert_eq!(refused.problem(), (413, "TSUG20110-E".to_owned(), "never".to_owned()));
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(caller.is_ended());
    // Who says nothing of its size is cut off at the limit.
    let mut caller = Caller::new(door.address());
    let head = keyed("a", "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    caller.write(&head);
    for _ in 0..17 {
        caller.write(format!("10000\r\n{}\r\n", "x".repeat(0x10000)));
    }
    assert_eq!(caller.read().expect("an answer").problem().0, 413);
    // In pieces, under the limit.
    let mut caller = Caller::new(door.address());
    caller.write(&head);
    for piece in ["3\r\n\"ab\r\n", "1\r\nc\r\n", "1\r\n\"\r\n", "0\r\n\r\n"] {
        caller.write(piece);
    }
    assert_eq!(caller.read().expect("an answer").status, 200);
    assert_eq!(caller.ask(keyed("a", "\"abc\"")).status, 200, "the same body");
    assert_eq!(stand.runs(), 1);
}

#[test]
fn who_is_slow_is_cut() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| {
        settings.limits.head = Duration::from_millis(200);
        settings.limits.body = Duration::from_millis(100);
        settings.limits.idle = Duration::from_millis(400);
    });
    let mut silent = Caller::new(door.address());
    let mut head = Caller::new(door.address());
    head.write("GET /ready HTT");
    let mut idle = Caller::new(door.address());
    assert_eq!(idle.ask(get("/ready")).status, 200);
    let mut body = Caller::new(door.address());
    body.write(keyed("a", "12").strip_suffix("2").unwrap());
    let told = body.read().expect("it is told");
    assert_eq!(told.problem(), (408, "TSUG20207-E".to_owned(), "same-id".to_owned()));
    assert!(silent.is_ended() && head.is_ended() && idle.is_ended() && body.is_ended());
    assert_eq!(stand.runs(), 0);
}

#[test]
fn who_does_not_read_what_he_is_told_is_cut() {
    let mut stand = Stand::new();
    let (_engine, door) =
        stand.door_with(|settings| settings.limits.idle = Duration::from_millis(200));
    let mut caller = Caller::new(door.address());
    let long = keyed("a", "\"long\"");
    assert_eq!(caller.ask(&long).body.len(), 100_000 + r#"{"count":1,"more":""}"#.len());
    // More than all buffers between the two hold.
    caller.write(long.repeat(400));
    while door.connections() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(stand.runs(), 1);
}

#[test]
fn a_call_may_take_longer_than_a_slow_caller() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| {
        settings.limits.head = Duration::from_millis(40);
        settings.limits.body = Duration::from_millis(40);
        settings.limits.idle = Duration::from_millis(40);
    });
    stand.program.gate.shut();
    let mut waits = Caller::new(door.address());
    waits.write(keyed("a", "\"hold\""));
    stand.program.gate.reached(1);
    // Another who is idle is cut meanwhile: so the time of the first would be over as well.
    let mut idle = Caller::new(door.address());
    assert_eq!(idle.ask(get("/ready")).status, 200);
    assert!(idle.is_ended());
    stand.program.gate.open();
    assert_eq!(waits.read().map(|came| came.status), Some(200));
}

#[test]
fn beyond_its_number_of_connections_the_one_idle_longest_gives_way() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| settings.limits.connections = 3);
    let mut callers: Vec<_> = (0..3).map(|_| Caller::new(door.address())).collect();
    for caller in &mut callers {
        assert_eq!(caller.ask(get("/ready")).status, 200);
    }
    let mut next = Caller::new(door.address());
    assert_eq!(next.ask(get("/ready")).status, 200);
    assert!(callers[0].is_ended());
    assert_eq!(callers[1].ask(get("/ready")).status, 200);
    assert_eq!(door.connections(), 3);
}

#[test]
fn what_is_no_request_is_answered_so_and_closed() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let long = format!("GET /ready HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(20_000));
    let many: String = (0..200).map(|n| format!("H{n}: 1\r\n")).collect();
    let many = format!("GET /ready HTTP/1.1\r\n{many}\r\n");
    let both =
        keyed("a", "1").replace("Content-Length: 1", "Content-Length: 1\r\nContent-Length: 2");
    for (request, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET /ready HTTP/1.1\r\nbad header\r\n\r\n", 400),
        ("GET /ready HTTP/9.9\r\n\r\n", 400),
        (long.as_str(), 431),
        (many.as_str(), 431),
        (both.as_str(), 400),
    ] {
        let mut caller = Caller::new(door.address());
        caller.write(request);
        let came = caller.read().map(|came| came.status);
        assert_eq!(came, Some(status), "{:.60}", request);
        assert!(caller.is_ended(), "{:.60}", request);
    }
    assert_eq!((stand.runs(), door.connections() < 8), (0, true));
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    let all: String = (0..20).map(|n| keyed(&format!("k{n}"), "1")).collect();
    caller.write(all + &keyed("k7", "1"));
    let counts: Vec<_> = (0..20).map(|_| caller.read().expect("an answer")).collect();
    let wanted = |n: usize| format!("{{\"count\":{},\"more\":\"\"}}", n + 1);
    for (n, came) in counts.iter().enumerate() {
        assert_eq!((came.status, came.text()), (200, wanted(n)));
    }
    assert_eq!(caller.read().expect("an answer").body, counts[7].body);
    assert_eq!(stand.value(), 20);
}

#[test]
fn a_door_that_is_closed_lets_answers_out_and_nobody_in() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    let address = door.address();
    let mut waits = Caller::new(address);
    waits.write(keyed("a", "\"hold\""));
    let mut idle = Caller::new(address);
    assert_eq!(idle.ask(get("/ready")).status, 200);
    stand.program.gate.reached(1);
    let closing = std::thread::spawn(move || door.close(Duration::from_secs(20)));
    assert!(idle.is_ended());
    while std::net::TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    stand.program.gate.open();
    assert_eq!(waits.read().map(|came| came.status), Some(200));
    assert!(waits.is_ended());
    closing.join().expect("it closes");
}

#[test]
fn a_door_that_is_closed_without_grace_cuts_who_waits() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    let mut waits = Caller::new(door.address());
    waits.write(keyed("a", "\"hold\""));
    stand.program.gate.reached(1);
    door.close(Duration::ZERO);
    assert!(waits.is_ended());
    stand.program.gate.open();
}

/// What this process has of memory, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number") * 4096
}

#[test]
fn idle_connections_are_held_cheaply_and_do_not_stand_in_the_way() {
    let full = std::env::var_os("TSUGI_FULL_COUNTS").is_some();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux has it");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("as many as it may have");
    // Both ends are in this process, beside other tests.
    let may = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(700) / 2;
    let many = if full { may.min(10_000) } else { 300 };
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| settings.limits.connections = many + 1);
    let mut caller = Caller::new(door.address());
    assert_eq!(caller.ask(keyed("first", "1")).status, 200);
    let before = resident();
    let mut idle = Vec::new();
    for _ in 0..many {
        let mut stream = std::net::TcpStream::connect(door.address()).expect("it is let in");
        stream.write_all(get("/ready").as_bytes()).expect("it is taken");
        let mut answer = [0; 512];
        assert!(stream.read(&mut answer).expect("an answer") > 0);
        idle.push(stream);
    }
    assert_eq!(door.connections(), many + 1);
    let each = resident().saturating_sub(before) / many;
    assert!(each < 40 << 10, "{each} bytes each");
    assert_eq!(caller.ask(keyed("last", "1")).status, 200);
    drop(idle);
    while door.connections() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(caller.ask(keyed("last", "1")).status, 200);
}

#[test]
fn a_door_of_several_threads_is_one_door() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| settings.threads = 3);
    let address = door.address();
    let ask = move |n: usize| {
        std::thread::spawn(move || {
            let mut caller = Caller::new(address);
            for call in 0..20 {
                assert_eq!(caller.ask(keyed(&format!("{n}-{call}"), "1")).status, 200);
            }
            caller
        })
    };
    let callers: Vec<_> = (0..12).map(ask).collect();
    let callers: Vec<_> = callers.into_iter().map(|one| one.join().expect("it ends")).collect();
    assert_eq!((door.connections(), stand.value()), (12, 240));
    door.close(Duration::from_secs(20));
    assert!(callers.into_iter().all(|mut caller| caller.is_ended()));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_body_that_breaks_off_is_no_call() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    caller.write(keyed("a", "\"abc\"").strip_suffix("c\"").unwrap());
    caller.leave();
    let mut caller = Caller::new(door.address());
    caller.write(keyed("a", "").replace("Content-Length: 0", "Transfer-Encoding: chunked"));
    caller.write("nonsense\r\n");
    assert_eq!(caller.read().expect("an answer").problem().1, "TSUG20104-E");
    assert!(caller.is_ended());
    let other = Caller::new(door.address()).ask(keyed("a", "2"));
    assert_eq!((other.status, stand.runs()), (200, 1), "the id is still free");
}
