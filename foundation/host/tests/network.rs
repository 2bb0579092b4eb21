//! Floating addresses between two network namespaces: the node's and a neighbour's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::IpAddr;
use std::process::{Command, Stdio};

use support::*;
use tsugi_host::Host;
use tsugi_host::clock;
use tsugi_host::guardian::message::{Arm, Notice, Order};
use tsugi_host::link::{Carrier, Link, Watcher};
use tsugi_host::request::{
    Answer, Failure, PROBE_LONGEST, Purpose, Release, Report, Request, Right,
};
use tsugi_vocabulary::{GroupName, Span};

/// A neighbour with the end `b0` of a cable whose other end `a0` is the node's.
struct Lan {
    node: Node,
    neighbour: Leash,
}

const V4: &str = "10.77.0.100";
const V6: &str = "fd77::100";

impl Lan {
    fn build() -> Self {
        let node = Node::start(&["private"]);
        let mut stay = Command::new(env!("CARGO_BIN_EXE_tsugi-host-node"));
        let neighbour = Leash(stay.arg("stay").stdin(Stdio::null()).spawn().unwrap());
        let lan = Self { node, neighbour };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        until("the neighbour has its own network", || {
            let link = std::fs::read_link(format!("/proc/{}/ns/net", lan.neighbour.0.id()));
            link.ok().filter(|link| *link != own)
        });
        lan.at_neighbour(&format!(
            "ip link add b0 type veth peer name a0 netns {}",
            lan.node.pid()
        ));
        lan.at_neighbour("ip addr add 10.77.0.2/24 dev b0");
        lan.at_neighbour("ip addr add fd77::2/64 dev b0 nodad");
        lan.at_neighbour("ip link set b0 up");
        lan.here("ip addr add 10.77.0.1/24 dev a0");
        lan.here("ip addr add fd77::1/64 dev a0 nodad");
        lan.here("ip link set a0 up");
        lan.here("ip link add a1 type veth peer name z1");
        lan.here("ip link set z1 up");
        lan.here("ip link set a1 up");
        lan.here("ip link set lo up");
        lan.until_it_hears();
        lan
    }

    /// The kernel brings the ends of a cable up, and lets an IPv6 address listen for who asks for
    /// it, a moment after it was told to.
    fn until_it_hears(&self) {
        until("both ends are up", || {
            let up = |link: String| link.contains("state UP");
            (up(self.here("ip link show a0")) && up(self.at_neighbour("ip link show b0")))
                .then_some(())
        });
        until("the neighbour hears who asks for its address", || {
            let groups = self.at_neighbour("ip maddr show dev b0");
            groups.contains("ff02::1:ff00:2").then_some(())
        });
    }

    fn here(&self, line: &str) -> String {
        inside(self.node.pid(), line)
    }

    fn at_neighbour(&self, line: &str) -> String {
        inside(self.neighbour.0.id(), line)
    }

    fn add(&mut self, right: Right, link: &str, address: &str) -> Result<Answer, Failure> {
        let address: IpAddr = address.parse().unwrap();
        let prefix = if address.is_ipv4() { 24 } else { 64 };
        let link = link.to_owned();
        self.node.ask(&Request::AddAddress { right, link, address, prefix })
    }

    fn remove(&mut self, address: &str) -> Result<Answer, Failure> {
        self.node.ask(&Request::RemoveAddress { address: address.parse().unwrap() })
    }

    fn probe(&mut self, address: &str) -> Result<Answer, Failure> {
        let (link, address) = ("a0".to_owned(), address.parse().unwrap());
        self.node.ask(&Request::Probe { link, address, wait: Span::millis(10) })
    }

    fn announce(&mut self, address: &str) {
        let (link, address) = ("a0".to_owned(), address.parse().unwrap());
        let announce = Request::Announce { link, address };
        assert_eq!(self.node.ask(&announce), Ok(Answer::Done));
    }

    fn mac(&self, here: &str) -> String {
        let line = self.here(&format!("ip -o link show {here}"));
        let mut words = line.split_whitespace().skip_while(|word| *word != "link/ether");
        words.nth(1).unwrap().to_owned()
    }
}

#[test]
fn an_address_is_added_answers_at_once_and_is_removed() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    for (address, ping) in [(V4, "ping"), (V6, "ping -6")] {
        assert_eq!(lan.add(free(), "a0", address), Ok(Answer::Done));
        let shown = lan.here("ip -o addr show dev a0");
        let line = shown.lines().find(|line| line.contains(address)).expect("it is there");
        assert!(!line.contains("tentative"), "{line}");
        assert_eq!(lan.add(free(), "a0", address), Ok(Answer::Done), "twice is once");
        if Command::new("ping").arg("-V").output().is_ok() {
            lan.at_neighbour(&format!("{ping} -c 1 -W 1 {address}"));
        }
        assert!(lan.node.list().addresses.contains(&("a0".into(), address.parse().unwrap())));
        assert_eq!(lan.remove(address), Ok(Answer::Done));
        assert!(!lan.here("ip -o addr show").contains(address));
        assert_eq!(lan.remove(address), Ok(Answer::Done), "one that is nowhere is removed");
    }
}

#[test]
fn the_first_address_of_a_network_is_removed_without_the_others() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    for address in ["10.78.0.1", "10.78.0.2"] {
        assert_eq!(lan.add(free(), "a0", address), Ok(Answer::Done));
    }
    assert_eq!(lan.remove("10.78.0.1"), Ok(Answer::Done));
    assert!(lan.here("ip -o addr show dev a0").contains("10.78.0.2/24"));
}

#[test]
fn an_address_that_somebody_put_on_two_links_is_removed_from_both() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    for (address, bits) in [(V4, 24), (V6, 64)] {
        for link in ["a0", "a1"] {
            lan.here(&format!("ip addr add {address}/{bits} dev {link}"));
        }
        assert_eq!(lan.remove(address), Ok(Answer::Done));
        assert!(!lan.here("ip -o addr show").contains(address), "{address}");
    }
}

#[test]
fn a_link_that_is_missing_or_down_or_another_that_has_the_address_is_named() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    let missing = Failure::NoLink { link: "nic9".into() };
    assert_eq!(lan.add(free(), "nic9", V4), Err(missing));
    lan.add(free(), "a0", V4).unwrap();
    assert_eq!(lan.add(free(), "a1", V4), Err(Failure::OnOtherLink { link: "a0".into() }));
    lan.at_neighbour("ip link set b0 down");
    let down = Failure::LinkDown { link: "a0".into() };
    assert_eq!(lan.add(free(), "a0", V6), Err(down), "no carrier");
    assert_eq!(lan.remove(V4), Ok(Answer::Done), "removed from a link that is down");
    assert_eq!(lan.add(free(), "a1", V4), Ok(Answer::Done), "it moves to the next link");
}

#[test]
fn a_probe_finds_who_has_the_address_and_nobody_otherwise() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    for (free_one, taken) in [(V4, "10.77.0.2"), (V6, "fd77::2")] {
        assert_eq!(lan.probe(free_one), Ok(Answer::Probed { conflict: None }));
        let Ok(Answer::Probed { conflict: Some(mac) }) = lan.probe(taken) else {
            panic!("{taken} is taken")
        };
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        assert!(lan.at_neighbour("ip link show b0").contains(&mac));
    }
    let wait = PROBE_LONGEST + Span::millis(1);
    let too_long = Request::Probe { link: "a0".into(), address: V4.parse().unwrap(), wait };
    assert!(matches!(lan.node.ask(&too_long), Err(Failure::Malformed { .. })));
}

#[test]
fn an_announcement_replaces_what_the_neighbours_believed() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    let wrong = "02:00:00:00:00:99";
    for address in [V4, V6] {
        lan.at_neighbour(&format!(
            "ip neigh replace {address} lladdr {wrong} dev b0 nud reachable"
        ));
        lan.add(free(), "a0", address).unwrap();
        assert!(lan.at_neighbour(&format!("ip neigh show {address}")).contains(wrong));
        lan.announce(address);
        let right = lan.mac("a0");
        until("the neighbour believes it", || {
            let seen = lan.at_neighbour(&format!("ip neigh show {address}"));
            seen.contains(&right).then_some(())
        });
    }
}

#[test]
fn at_the_deadline_the_guardian_takes_the_addresses() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    lan.node.arm(60_000, &[V4, V6], Vec::new());
    lan.add(lease(), "a0", V4).unwrap();
    lan.add(lease(), "a0", V6).unwrap();
    lan.node.shorten(300, &[V4, V6], Vec::new());
    let Notice::Released { release: Release::Complete, took, .. } = lan.node.notice() else {
        panic!("not released")
    };
    eprintln!("two addresses released in {took}");
    let shown = lan.here("ip -o addr show");
    assert!(!shown.contains(V4) && !shown.contains(V6), "{shown}");
    assert!(shown.contains("10.77.0.1"), "the node keeps its own: {shown}");
    lan.here(&format!("ip addr add {V4}/24 dev a0"));
    let announce =
        Request::Announce { link: "a0".into(), address: V4.parse().expect("an address") };
    let refused = Err(Failure::NotArmed { group: group(), epoch: epoch() });
    assert_eq!(lan.node.ask(&announce), refused, "a delayed announcement is not made");
    lan.remove(V4).unwrap();
    let late = lan.add(lease(), "a0", V4);
    assert_eq!(late, Err(Failure::NotArmed { group: group(), epoch: epoch() }));
    assert!(!lan.here("ip -o addr show").contains(V4));
}

#[test]
fn when_the_hands_are_killed_the_guardian_takes_the_addresses() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    lan.node.arm(60_000, &[V4], Vec::new());
    lan.add(lease(), "a0", V4).unwrap();
    // The namespace lives on in a process that looks on.
    let mut look = Command::new("nsenter");
    let look = look.args(["-t", &lan.node.pid().to_string(), "-n", "sleep", "1000"]);
    let onlooker = Leash(look.stdin(Stdio::null()).spawn().unwrap());
    let own = std::fs::read_link(format!("/proc/{}/ns/net", lan.node.pid())).unwrap();
    until("the onlooker is inside", || {
        let seen = std::fs::read_link(format!("/proc/{}/ns/net", onlooker.0.id())).ok()?;
        (seen == own).then_some(())
    });
    send(lan.node.pid(), nix::sys::signal::Signal::SIGKILL);
    until("the address is gone", || {
        (!inside(onlooker.0.id(), "ip -o addr show").contains(V4)).then_some(())
    });
}

#[test]
fn without_root_an_address_is_refused_by_name() {
    let mut node = if root() { Node::start(&["as=65534"]) } else { Node::start(&[]) };
    let add = Request::AddAddress {
        right: free(),
        link: "lo".into(),
        address: V4.parse().unwrap(),
        prefix: 32,
    };
    assert_eq!(node.ask(&add), Err(Failure::NeedsRoot));
}

#[test]
fn a_link_that_loses_its_carrier_is_seen_without_polling() {
    if !root() {
        return;
    }
    let here = nix::sched::CloneFlags::CLONE_NEWNET;
    // A thread of its own may have a network of its own.
    let watch = std::thread::spawn(move || {
        nix::sched::unshare(here).unwrap();
        let ip = |line: &str| {
            assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "{line}");
        };
        ip("link add c0 type veth peer name c1");
        ip("address add 10.77.99.1/24 dev c0");
        ip("link set c0 up");
        ip("link set c1 up");
        let mut watcher = Watcher::open().unwrap();
        let c0 = |links: &[Link]| links.iter().find(|l| l.name == "c0").unwrap().carries();
        assert!(c0(&watcher.links()));
        let mut expect = |line: &str, carrier: Carrier| {
            ip(line);
            until(line, || {
                let seen = watcher.look().unwrap();
                seen.contains(&("c0".to_owned(), carrier)).then_some(())
            });
        };
        expect("link set c1 down", Carrier::Down);
        expect("link set c1 up", Carrier::Up);
        // Asked for, it is told at once: without the kernel having told of it.
        let mut asked = Watcher::open().unwrap();
        let names = ["c0".to_owned()].into();
        ip("link set c1 down");
        assert_eq!(asked.look_at(&names).unwrap(), [("c0".to_owned(), Carrier::Down)]);
        assert_eq!(asked.look_at(&names).unwrap(), []);
        let held = ["10.77.99.1", "10.77.99.2"].map(|address| address.parse().unwrap());
        assert_eq!(asked.carry(&held).unwrap(), [Carrier::Down, Carrier::Gone]);
        ip("link set c1 up");
        assert_eq!(asked.look_at(&names).unwrap(), [("c0".to_owned(), Carrier::Up)]);
        assert_eq!(asked.carry(&held).unwrap(), [Carrier::Up, Carrier::Gone]);
        assert_eq!(asked.look_at(&["lo".to_owned()].into()).unwrap(), []);
        expect("link del c0", Carrier::Gone);
    });
    watch.join().unwrap();
}

/// Arms all of them until the same moment.
fn arm_all(node: &mut Node, groups: &[(GroupName, IpAddr)], time: Span) {
    let deadline = clock::now() + time;
    for (group, address) in groups {
        node.tell(&Order::Arm(Arm {
            group: group.clone(),
            epoch: epoch(),
            deadline,
            allowed: Span::secs(5),
            addresses: vec![*address],
            volumes: Vec::new(),
        }));
        assert!(matches!(node.notice(), Notice::Armed { .. }));
    }
}

#[test]
fn two_hundred_groups_are_started_and_released_together() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    let node = &mut lan.node;
    let began = clock::now();
    let groups: Vec<(GroupName, IpAddr)> = (1..=200)
        .map(|n| {
            let group = GroupName::new(&format!("g{n}")).unwrap();
            (group, IpAddr::from([10, 77, 1, n]))
        })
        .collect();
    arm_all(node, &groups, Span::secs(60));
    let armed = clock::now();
    let (mut asked, sleeping) = (0, mark());
    for (group, address) in &groups {
        let right = Right::Lease { group: group.clone(), epoch: epoch() };
        let (link, address, prefix) = ("a0".to_owned(), *address, 32);
        let add = Request::AddAddress { right: right.clone(), link, address, prefix };
        node.hands.ask(&add).unwrap();
        let mut program = shell(right, Purpose::Service, "");
        program.argv = vec!["/bin/sleep".into(), sleeping.clone()];
        node.hands.ask(&Request::Spawn(program)).unwrap();
        asked += 2;
    }
    let mut done = 0;
    until("all are started", || {
        while let Some(report) = node.hands.next_report().unwrap() {
            let Report::Answer { outcome, .. } = report else { panic!("{report:?}") };
            assert!(outcome.is_ok(), "{outcome:?}");
            done += 1;
        }
        (done == asked).then_some(())
    });
    eprintln!("armed in {}, started in {}", armed.since(began), clock::now().since(armed));
    for (group, _) in &groups {
        node.tell(&Order::Disarm { group: group.clone(), epoch: epoch() });
        assert!(matches!(node.notice(), Notice::Disarmed { .. }));
    }
    arm_all(node, &groups, Span::secs(4));
    let mut longest = Span::ZERO;
    for _ in &groups {
        let Notice::Released { release: Release::Complete, took, .. } = node.notice() else {
            panic!("not released")
        };
        longest = longest.max(took);
    }
    eprintln!("all released in {longest}");
    assert!(named(&format!("sleep {sleeping}")).is_empty());
    assert!(!lan.here("ip -o addr show").contains("10.77.1."));
}

#[test]
fn ph_08_when_one_of_two_links_is_cut_the_address_moves_to_the_other_of_the_same_node() {
    if !root() {
        return;
    }
    let mut lan = Lan::build();
    lan.node.arm(60_000, &[V4, V6], Vec::new());
    lan.add(lease(), "a0", V4).unwrap();
    lan.add(lease(), "a0", V6).unwrap();
    let network = std::fs::File::open(format!("/proc/{}/ns/net", lan.node.pid())).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (ready, watching) = std::sync::mpsc::channel();
    // The agent's watch on the links, in the network of the node.
    let watch = std::thread::spawn(move || {
        nix::sched::setns(&network, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let mut watcher = Watcher::open().unwrap();
        ready.send(()).unwrap();
        until("a0 is down", || {
            let seen = watcher.look().unwrap();
            seen.contains(&("a0".to_owned(), Carrier::Down)).then_some(())
        });
        tell.send(watcher.links()).unwrap();
    });
    watching.recv().unwrap();
    lan.at_neighbour("ip link set b0 down");
    let links = told.recv().unwrap();
    watch.join().unwrap();
    let next = links.iter().find(|link| link.name.starts_with('a') && link.carries());
    let next = next.expect("a1 carries").name.clone();
    for address in [V4, V6] {
        let elsewhere = Err(Failure::OnOtherLink { link: "a0".into() });
        assert_eq!(lan.add(lease(), &next, address), elsewhere, "never on two links at once");
        lan.remove(address).unwrap();
        assert_eq!(lan.add(lease(), &next, address), Ok(Answer::Done));
        assert!(lan.here("ip -o addr show dev a1").contains(address));
        assert!(!lan.here("ip -o addr show dev a0").contains(address));
    }
}
