//! What runs and what does not, and what a daemon says of it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tsugi_package::manifest::Quotas;
use tsugi_serve::control::{Asked, Limits, Told, Which, Workers};
use tsugi_serve::log;

use crate::daemon::{Caller, Daemon, command, outcome, own_address, workers};
use crate::volume::{GROUP, Volume};

/// How long a worker may take to be born on a busy machine.
const BORN: Duration = Duration::from_secs(10);

#[test]
fn a_package_that_was_changed_is_closed_by_name_and_the_others_go_on() {
    let volume = Volume::new();
    let damaged = volume.deploy("srv02", &["ECHO"]);
    let part = volume.part(damaged, "libraries/ECHO.so");
    let mut bytes = fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&part, bytes).unwrap();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let mut caller = Caller::connect(daemon.address).unwrap();
    let refused = caller.call("ECHO", 1, "hello").unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("TSUG20119"), "{refused:?}");
    assert_eq!(caller.call("COUNTER", 2, "add a").unwrap().body, "1");
    let absent = caller.call("NOBODY", 3, "hello").unwrap();
    assert_eq!(absent.status, 404, "{absent:?}");
    let status = daemon.status();
    let of = |name: &str| status.services.iter().find(|of| of.name == name).unwrap();
    let closed = of("ECHO").closed.clone().expect("it is closed");
    assert_eq!(closed.word, "not-deployed");
    assert!(closed.why.contains("libraries/ECHO.so"), "{closed:?}");
    let nobody = Workers { ready: 0, busy: 0, starting: 0, ending: 0 };
    assert_eq!((of("ECHO").workers, of("ECHO").id.clone()), (nobody, damaged.to_string()));
    assert!(of("COUNTER").closed.is_none() && of("COUNTER").workers.ready > 0);
    let console = fs::read_to_string(volume.path().join("log").join(log::NAME)).unwrap();
    assert!(console.contains("TSUG20602-E"), "{console}");
    // Who opens it does not make it run.
    assert_eq!(daemon.ask(&Asked::Open { service: "ECHO".to_owned() }), Told::Done);
    assert_eq!(caller.call("ECHO", 1, "hello").unwrap().status, 503);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_volume_may_be_named_from_where_the_daemon_is_started() {
    let volume = Volume::new();
    let (at, folder) = (own_address(), volume.path().parent().unwrap());
    let name = volume.path().file_name().unwrap();
    workers(volume.path());
    let mut relative = command(&["--group", GROUP, "--node", "n1", "--epoch", "e1.1"]);
    relative.arg("--volume").arg(name).arg("--workers").arg(Path::new(name).join("workers"));
    relative.args(["--listen", &at.to_string()]).current_dir(folder);
    let daemon = Daemon::of(relative, at, &volume);
    let mut caller = Caller::connect(daemon.address).unwrap();
    // Its worker is in a folder of its own and finds its library all the same.
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, "1");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_deployed_service_calls_another_one_of_its_group() {
    let volume = Volume::new();
    volume.deploy("srv02", &["ECHO"]);
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let mut caller = Caller::connect(daemon.address).unwrap();
    assert_eq!(caller.call("COUNTER", 1, "call ECHO").unwrap().body, "hello");
    let cycle = caller.call("COUNTER", 2, "call COUNTER").unwrap();
    assert!(cycle.body.contains("62 cycle"), "{cycle:?}");
    let (by, reason) = ("ops".to_owned(), "month's end".to_owned());
    let block = Asked::Block { service: "ECHO".to_owned(), by, reason };
    assert_eq!(daemon.ask(&block), Told::Done);
    let blocked = caller.call("COUNTER", 3, "call ECHO").unwrap();
    assert!(blocked.body.contains("60 blocked"), "{blocked:?}");
    assert_eq!(caller.call("COUNTER", 4, "add a").unwrap().body, "1", "and it goes on");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_service_is_blocked_and_opened_by_an_operator() {
    let volume = Volume::new();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let mut caller = Caller::connect(daemon.address).unwrap();
    let first = caller.call("COUNTER", 1, "add a").unwrap();
    let service = || "COUNTER".to_owned();
    let (by, reason) = ("ops".to_owned(), "month's end".to_owned());
    let block = Asked::Block { service: service(), by, reason };
    assert_eq!(daemon.ask(&block), Told::Done);
    let refused = caller.call("COUNTER", 2, "add a").unwrap();
    assert!(refused.status == 503 && refused.body.contains("TSUG20118"), "{refused:?}");
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, first.body, "it is stored");
    let closed = daemon.status().services[0].closed.clone().unwrap();
    assert_eq!((closed.by.as_deref(), &*closed.why), (Some("ops"), "month's end"));
    // It outlives the daemon, also one that is killed.
    daemon.kill();
    let daemon = Daemon::ready(&volume, own_address(), "e1.2");
    let mut caller = Caller::connect(daemon.address).unwrap();
    assert_eq!(caller.call("COUNTER", 2, "add a").unwrap().status, 503);
    assert_eq!(daemon.status().services[0].closed, Some(closed));
    assert_eq!(daemon.ask(&Asked::Open { service: service() }), Told::Done);
    assert_eq!(caller.call("COUNTER", 2, "add a").unwrap().body, "2");
    let no = daemon.ask(&Asked::Open { service: "NOBODY".to_owned() });
    assert_eq!(no, Told::NoSuchService);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_operator_says_what_a_call_of_unknown_outcome_was_answered() {
    let volume = Volume::new();
    for serial in [5, 6] {
        volume.leave_unknown(serial, "add a");
    }
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let mut caller = Caller::connect(daemon.address).unwrap();
    let unknown = caller.call("COUNTER", 5, "add a").unwrap();
    assert!(unknown.body.contains("TSUG20114"), "{unknown:?}");
    let decide = |serial: u64, reply: Option<&str>| {
        let (id, identity) = (format!("test:1.{serial}"), Some("loopback".to_owned()));
        let reply = reply.map(str::to_owned);
        daemon.ask(&Asked::Resolve { call: Which { id, identity }, reply })
    };
    let unread = decide(5, Some("17 and"));
    assert!(matches!(unread, Told::NotUnderstood { .. }), "{unread:?}");
    assert_eq!(decide(5, Some("17")), Told::Done);
    assert_eq!(decide(6, None), Told::Done);
    let said = caller.call("COUNTER", 5, "add a").unwrap();
    assert_eq!((said.status, &*said.body), (200, "17"), "{said:?}");
    assert_eq!(caller.call("COUNTER", 5, "add b").unwrap().status, 422, "another call");
    assert_eq!(caller.call("COUNTER", 6, "add a").unwrap().body, "1", "it is carried out");
    let again = decide(5, Some("18"));
    assert!(matches!(&again, Told::Refused { word, .. } if word == "decided"), "{again:?}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_stop_is_a_hand_over_and_the_next_life_keeps_the_log_of_the_one_before() {
    let volume = Volume::new();
    let address = own_address();
    let daemon = Daemon::ready(&volume, address, "e1.1");
    let mut caller = Caller::connect(address).unwrap();
    let first = caller.call("COUNTER", 1, "add a").unwrap();
    assert!(first.head.contains("tsugi-node: n1"), "{first:?}");
    assert_eq!(daemon.stop(), Some(0));
    let folder = volume.path().join("log");
    let was = fs::read_to_string(folder.join(log::NAME)).unwrap();
    assert!(was.contains("a is 1, 1 changed"), "what its program has logged: {was}");
    assert!(was.lines().last().unwrap().contains("TSUG20609-I"), "{was}");
    let daemon = Daemon::ready(&volume, address, "e1.2");
    assert_eq!(fs::read_to_string(folder.join(log::FORMER)).unwrap(), was);
    let mut caller = Caller::connect(address).unwrap();
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, first.body);
    assert_eq!(volume.value(), 1);
    drop(daemon);
}

#[test]
fn an_older_epoch_is_refused_and_leaves_the_volume_as_it_is() {
    let volume = Volume::new();
    drop(Daemon::ready(&volume, own_address(), "e1.7"));
    let console = volume.path().join("log").join(log::NAME);
    let was = fs::read(&console).unwrap();
    let mut command = Daemon::start(&volume, own_address(), "e1.6");
    let ended = outcome(&mut command);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG20604-E") && said.contains("e1.7"), "{said}");
    assert!(ended.stdout.is_empty(), "it was never ready");
    assert_eq!(fs::read(&console).unwrap(), was, "the owner's log stays under its name");
    let daemon = Daemon::ready(&volume, own_address(), "e1.7");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn mf_11_an_address_that_is_not_here_is_refused_with_a_clear_message() {
    let volume = Volume::new();
    // 192.0.2.0/24 is set aside for documents: no machine holds it.
    let mut command = Daemon::start(&volume, "192.0.2.77:7902".parse().unwrap(), "e1.1");
    let ended = outcome(command.args(["--plain"]));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG20610-E") && said.contains("192.0.2.77:7902"), "{said}");
    assert!(!volume.path().join("log").exists(), "nothing was touched");
}

#[test]
fn the_daemon_of_a_group_is_small() {
    let volume = Volume::new();
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    let mut callers: Vec<Caller> =
        (0..64).map(|_| Caller::connect(daemon.address).unwrap()).collect();
    for (serial, caller) in (1..).zip(&mut callers) {
        assert_eq!(caller.call("COUNTER", serial, "add a").unwrap().status, 200);
    }
    let memory = daemon.memory();
    assert!(memory < 100 << 10, "{memory} KB");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn who_comes_from_this_machine_is_known_only_where_nobody_else_comes_in() {
    let volume = Volume::new();
    let door = |daemon: &Daemon| {
        let status = daemon.status();
        (status.transport, status.loopback)
    };
    let daemon = Daemon::ready(&volume, own_address(), "e1.1");
    assert_eq!(door(&daemon), ("plain-on-loopback".to_owned(), "known".to_owned()));
    assert_eq!(daemon.stop(), Some(0));
    let tokens = volume.path().join("tokens");
    // The SHA-256 of `secret`.
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    fs::write(&tokens, format!("ann {hash}\n")).unwrap();
    let tokens = ["--tokens", tokens.to_str().unwrap()];
    for (transport, words) in [
        ("plain-on-loopback", &tokens[..]),
        ("plain-anywhere", &[&tokens[..], &["--plain"]].concat()),
        ("plain-anywhere", &["--plain"]),
    ] {
        let address = own_address();
        let mut command = Daemon::start(&volume, address, "e1.2");
        command.args(words);
        let daemon = Daemon::of(command, address, &volume);
        assert_eq!(door(&daemon), (transport.to_owned(), "unknown".to_owned()), "{words:?}");
        let mut caller = Caller::connect(daemon.address).unwrap();
        let refused = caller.call("COUNTER", 1, "add a").unwrap();
        assert_eq!(refused.status, 401, "{refused:?}");
        assert_eq!(daemon.stop(), Some(0));
    }
    assert_eq!(volume.value(), 0);
}

#[test]
fn a_socket_that_cannot_be_made_is_refused_before_anything_is_answered() {
    let volume = Volume::new();
    let (file, long) = (volume.path().join("notes"), volume.path().join("n".repeat(120)));
    fs::write(&file, "mine").unwrap();
    for path in [&file, &long] {
        let mut command = Daemon::start(&volume, own_address(), "e1.1");
        let ended = outcome(command.arg("--control").arg(path));
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("--control") && !said.contains("TSUG20601"), "{said}");
        assert!(!volume.path().join("log").exists(), "no log was begun");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_daemon_takes_all_descriptors_it_may_have_and_keeps_some_for_itself() {
    let volume = Volume::new();
    let address = own_address();
    let command = Daemon::start(&volume, address, "e1.1");
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -Sn 100 && ulimit -Hn 700 && exec \"$0\" \"$@\""]);
    limited.arg(command.get_program()).args(command.get_args()).env("LANG", "C.UTF-8");
    let daemon = Daemon::of(limited, address, &volume);
    // Each is idle once it was answered: beyond the number, the one idle longest gives way.
    let mut callers = Vec::new();
    for serial in 1..=500 {
        let mut caller = Caller::connect(address).unwrap();
        assert_eq!(caller.call("NOBODY", serial, "x").unwrap().status, 404);
        callers.push(caller);
    }
    let (now, most) = daemon.descriptors();
    assert_eq!(most, 700);
    assert!((444..600).contains(&now), "{now}");
    assert_eq!(callers[499].call("COUNTER", 501, "add a").unwrap().body, "1");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn mf_15_the_repository_of_a_region_has_one_opener_and_a_second_is_refused_by_name() {
    let volume = Volume::new();
    let first = Daemon::ready(&volume, own_address(), "e1.1");
    let mut caller = Caller::connect(first.address).unwrap();
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, "1");
    // Also one that is entitled by a later epoch waits for the end of who has it open.
    for epoch in ["e1.1", "e1.2"] {
        let ended = outcome(&mut Daemon::start(&volume, own_address(), epoch));
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("TSUG20605-E") && said.contains("group pay"), "{said}");
        assert!(said.contains(&volume.path().display().to_string()), "{said}");
        assert!(ended.stdout.is_empty(), "it was never ready");
    }
    assert_eq!(caller.call("COUNTER", 2, "add a").unwrap().body, "2", "the first goes on");
    assert_eq!(first.stop(), Some(0));
    let next = Daemon::ready(&volume, own_address(), "e1.2");
    assert_eq!(next.stop(), Some(0), "there is nobody else now");
}

/// A process with this mark; ended when dropped.
struct Marked(std::process::Child);

impl Marked {
    fn start(mark: &str) -> Self {
        let mut command = std::process::Command::new("/bin/sleep");
        Self(command.arg("1000").env("TSUGI_MARK", mark).spawn().unwrap())
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn mf_03_a_start_ends_what_a_former_life_has_left_and_nothing_of_a_region_whose_name_begins_so() {
    let volume = Volume::new();
    let folder = crate::daemon::workers(volume.path());
    let own = tsugi_package::Digest::of(folder.as_os_str().as_encoded_bytes()).to_string();
    let place = |group: &str| format!("serve-{group}-{}", &own[..8]);
    let mut left =
        [1, 3].map(|life| Marked::start(&format!("7-ab.pay.p{life}.{}.9.", place("pay"))));
    let mut others = [
        format!("7-ab.pay0.p3.{}.9.", place("pay0")),
        format!("7-ab.pa.p3.{}.9.", place("pa")),
        // The same region on another node of this machine, and a program of its own.
        format!("7-abc.pay.p3.{}.9.", place("pay")),
        "7-ab.pay.p2.".to_owned(),
    ]
    .map(|mark| Marked::start(&mark));
    fs::create_dir_all(folder.join("9")).unwrap();
    fs::write(folder.join("9/core"), "what a worker has left").unwrap();
    let mut command = Daemon::start(&volume, own_address(), "e1.1");
    // As its node starts it the fourth time: the number is of the life, the rest is the region's.
    command.env("TSUGI_MARK", "7-ab.pay.p4.");
    let daemon = Daemon::of(command, own_address(), &volume);
    assert!(left.iter_mut().all(|one| !one.runs()), "what was left is ended");
    assert!(others.iter_mut().all(Marked::runs), "and nobody else is");
    assert!(!folder.join("9/core").exists(), "its folder is new");
    // Its own workers are known by the mark of the node that has started it.
    // It is ready before they are: they are waited for.
    let end = Instant::now() + BORN;
    while tsugi_marks("7-ab.pay.p4.serve-pay-").is_empty() {
        assert!(Instant::now() < end, "whoever kills the group does not find them");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(daemon.stop(), Some(0));
}

/// Processes whose mark begins so.
fn tsugi_marks(mark: &str) -> Vec<u32> {
    let wanted = format!("TSUGI_MARK={mark}").into_bytes();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|one| one.file_name().to_str()?.parse().ok());
    let has = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|word| word.starts_with(&wanted))
    };
    pids.filter(has).collect()
}

#[test]
fn a_service_may_use_what_its_package_says_and_else_what_its_group_does() {
    let volume = Volume::new();
    let quotas = Quotas { workers: Some(2), call_ms: Some(400), memory_mib: Some(128) };
    volume.deploy_within("srv01", &["COUNTER"], quotas);
    volume.deploy("srv02", &["ECHO"]);
    let address = own_address();
    let mut command = Daemon::start(&volume, address, "e1.1");
    command.args(["--queue", "7", "--body", "100", "--memory", "256", "--call-limit", "5000"]);
    let daemon = Daemon::of(command, address, &volume);
    let status = daemon.status();
    let of = |name: &str| status.services.iter().find(|of| of.name == name).unwrap().limits;
    let own = Limits { workers: 2, call_ms: 400, memory_mib: 128, queue: 7, body: 100 };
    assert_eq!(of("COUNTER"), own);
    let groups = Limits { workers: 1, call_ms: 5_000, memory_mib: 256, ..own };
    assert_eq!(of("ECHO"), groups);
    let mut caller = Caller::connect(address).unwrap();
    // Its program is told how long it has.
    let left: u64 = caller.call("COUNTER", 1, "left").unwrap().body.parse().unwrap();
    assert!(left <= 400, "{left}");
    let long = caller.call("COUNTER", 2, &format!("add {}", "a".repeat(100))).unwrap();
    assert_eq!(long.status, 413, "{long:?}");
    assert_eq!(daemon.stop(), Some(0));
}
