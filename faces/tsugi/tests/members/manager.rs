//! What a service manager is told of a node, by the protocol of systemd.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::site::Site;

/// What stands in its place and only listens.
struct Systemd(UnixDatagram);

impl Systemd {
    fn listens(site: &mut Site) -> Self {
        let path = site.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(40))).expect("it is taken");
        site.surround("NOTIFY_SOCKET", path.to_str().expect("plain"));
        Self(socket)
    }

    /// What it is told next, one datagram.
    #[track_caller]
    fn told(&self) -> String {
        let mut text = [0; 512];
        let length = self.0.recv(&mut text).expect("it is told something");
        String::from_utf8(text[..length].to_vec()).expect("text")
    }
}

#[test]
fn the_watchdog_of_the_service_manager_is_armed_and_fed_by_the_lease_loop() {
    let mut site = Site::new();
    let manager = Systemd::listens(&mut site);
    let file = site.configure(&["a", "b", "c"]);
    site.start("a");
    assert_eq!(manager.told().trim(), "READY=1", "it answers before it belongs anywhere");
    site.tsugi("a", &["init", file.to_str().unwrap()]);
    let armed = "WATCHDOG_USEC=10000000\nWATCHDOG=1";
    assert_eq!(manager.told().trim(), armed, "and is not watched before there is a loop");
    assert_eq!(manager.told().trim(), "WATCHDOG=1");
    site.kill_agent("a");
    // Another agent answers and goes round, whichever it comes to first.
    let mut awaited = BTreeSet::from(["READY=1".to_owned(), armed.to_owned()]);
    while !awaited.is_empty() {
        awaited.remove(manager.told().trim());
    }
    assert_eq!(manager.told().trim(), "WATCHDOG=1");
    site.stop("a");
    let rest: Vec<String> = std::iter::from_fn(|| {
        manager.0.set_nonblocking(true).ok()?;
        let mut text = [0; 512];
        let length = manager.0.recv(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..length]).trim().to_owned())
    })
    .collect();
    assert_eq!(rest.last().map(String::as_str), Some("WATCHDOG_USEC=0"), "{}", site.log("a"));
}

/// The values of a key of a unit, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_units_start_commands_that_exist_and_leave_groups_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    let unit = |name: &str| fs::read_to_string(folder.join(name)).expect("a unit");
    let node = unit("tsugi.service");
    assert_eq!(values(&node, "Type"), ["notify"]);
    assert_eq!(values(&node, "NotifyAccess"), ["all"], "it is the agent that speaks");
    assert_eq!(values(&node, "KillMode"), ["process"], "groups are ended by their guardian");
    let stop: u64 = values(&node, "TimeoutStopSec")[0].parse().expect("seconds");
    assert!(stop > 10, "longer than a node may take to hand over");
    for unit in [node, unit("tsugi-metrics.service")] {
        let start = values(&unit, "ExecStart");
        let words = start[0].strip_prefix("/usr/bin/tsugi ").expect("of this program");
        let mut help: Vec<&str> = words.split(' ').take_while(|w| !w.starts_with('-')).collect();
        help.push("--help");
        let site = Site::new();
        let (code, out, err) = site.ask("a", &help);
        assert_eq!(code, Some(0), "{words}: {err}");
        let options = words.split(' ').filter(|word| word.starts_with("--"));
        options.for_each(|option| assert!(out.contains(option), "{option} of {words}"));
    }
}
