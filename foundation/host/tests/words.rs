//! What the service manager of the machine is told, and by whom.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeVal;
use support::*;
use tsugi_host::request::Purpose;

const READY: &str = "READY=1\nWATCHDOG_USEC=0";
const ASLEEP: &str = "WATCHDOG_USEC=0";
const STOPPING: &str = "STOPPING=1";

/// What stands in the place of a service manager and only listens.
struct Listens(UnixDatagram);

impl Listens {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        setsockopt(&socket, sockopt::PassCred, &true).unwrap();
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(15, 0)).unwrap();
        Self(socket)
    }

    /// What it is told next, and by which process.
    fn told(&self) -> (String, u32) {
        let mut text = [0; 512];
        let mut parts = [IoSliceMut::new(&mut text)];
        let mut space = nix::cmsg_space!(UnixCredentials);
        let flags = MsgFlags::empty();
        let came = recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut space), flags).unwrap();
        let by = came.cmsgs().unwrap().find_map(|control| match control {
            ControlMessageOwned::ScmCredentials(who) => Some(who.pid().cast_unsigned()),
            _ => None,
        });
        let length = came.bytes;
        (String::from_utf8(text[..length].to_vec()).unwrap(), by.unwrap())
    }
}

/// Hands under a service manager.
fn hands(dir: &Path, (socket, watchdog): (&str, Option<&str>), options: &[&str]) -> Leash {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi-host-node"));
    command.arg("hands").arg(dir.join("run")).arg(dir.join("data")).args(options);
    command.env("NOTIFY_SOCKET", socket).envs(watchdog.map(|limit| ("WATCHDOG_USEC", limit)));
    Leash(command.stdin(Stdio::null()).spawn().unwrap())
}

fn speaker() -> String {
    format!("agent={} speak", env!("CARGO_BIN_EXE_tsugi-host-node"))
}

#[test]
fn the_main_process_alone_speaks_and_says_only_its_fixed_texts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = Listens::at(&SocketAddr::from_pathname(&path).unwrap());
    let under = (path.to_str().unwrap(), Some("30000000"));
    let hands = hands(dir.path(), under, &[&speaker()]);
    let alive = "WATCHDOG=1\nWATCHDOG_USEC=30000000";
    // Each agent ends in an error, and the next one says the same.
    let mut told = BTreeSet::new();
    let mut agents = 0;
    while agents < 2 {
        let (text, by) = manager.told();
        assert_eq!(by, hands.0.id(), "{text}");
        agents += usize::from(text == ASLEEP);
        told.insert(text);
    }
    assert!(told.contains(READY) && told.contains(ASLEEP), "{told:?}");
    let known = [READY, alive, STOPPING, ASLEEP];
    assert!(told.iter().all(|text| known.contains(&text.as_str())), "{told:?}");
}

#[test]
fn a_service_without_a_watchdog_and_with_an_abstract_socket_is_told_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("tsugi-words-{}", mark());
    let manager = Listens::at(&SocketAddr::from_abstract_name(&name).unwrap());
    let _hands = hands(dir.path(), (&format!("@{name}"), None), &[&speaker()]);
    let mut told = BTreeSet::new();
    while !told.contains(ASLEEP) {
        told.insert(manager.told().0);
    }
    assert!(told.contains(READY), "{told:?}");
    let known = [READY, "WATCHDOG=1\nWATCHDOG_USEC=0", STOPPING, ASLEEP];
    assert!(told.iter().all(|text| known.contains(&text.as_str())), "{told:?}");
}

#[test]
fn no_child_of_the_hands_learns_where_the_service_manager_listens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let _manager = Listens::at(&SocketAddr::from_pathname(&path).unwrap());
    let mut node = Node::under(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let id = node.spawn(shell(free(), Purpose::Service, "exec sleep 1000"));
    for pid in [node.guardian_pid(), id.pid] {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let text = String::from_utf8_lossy(&environment).into_owned();
        assert!(!text.contains("NOTIFY_SOCKET"), "{text}");
        assert!(text.contains("TSUGI_"), "it was started: {text}");
    }
}
