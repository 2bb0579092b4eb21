//! Who may do what: modes of sockets and directories, rights of the agent, one node a directory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send as send_bytes,
    socket,
};
use support::*;
use tsugi_host::Host;
use tsugi_host::hands::Hands;
use tsugi_host::request::{Purpose, Request};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn sec11_sockets_have_their_modes_whatever_the_umask_and_after_a_crash() {
    if !root() {
        return;
    }
    let dir = tempfile::TempDir::new().unwrap();
    for life in ["first", "after a crash"] {
        let node = start_process(dir.path(), &["umask=0", "user=65534", "agent=sleep 98781"]);
        let run = dir.path().join("run");
        let agents = until("an agent", || {
            let agents = children(node.0.id());
            agents.into_iter().find(|pid| command_line(*pid).starts_with("sleep\098781"))
        });
        for socket in ["hands.sock", "guardian.sock"] {
            let path = run.join(socket);
            assert_eq!(mode(&path), 0o660, "{socket}, {life}");
            let owner = fs::metadata(&path).unwrap();
            assert_eq!((owner.uid(), owner.gid()), (0, 65534), "{socket}, {life}");
        }
        assert_eq!(mode(&run), 0o755, "{life}");
        assert_eq!(mode(&run.join("agent")), 0o755, "{life}");
        assert_eq!(fs::metadata(run.join("agent")).unwrap().uid(), 65534, "{life}");
        assert_eq!(mode(&dir.path().join("data")), 0o750, "{life}");
        send(node.0.id(), Signal::SIGKILL);
        until("the agent ends with the hands", || (!lives(agents)).then_some(()));
    }
}

#[test]
fn sec10_the_agent_has_no_capability_and_cannot_gain_one() {
    if !root() {
        return;
    }
    let dir = tempfile::TempDir::new().unwrap();
    let node = start_process(dir.path(), &["user=65534", "agent=sleep 98782"]);
    let status = until("an agent", || {
        let agents = children(node.0.id());
        let agent =
            agents.into_iter().find(|pid| command_line(*pid).starts_with("sleep\098782"))?;
        fs::read_to_string(format!("/proc/{agent}/status")).ok()
    });
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once('\t').unwrap().1.to_owned()
    };
    assert_eq!(field("Uid:"), "65534\t65534\t65534\t65534");
    assert_eq!(field("Groups:").trim(), "");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(&field(set), 16), Ok(0), "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    let agent = field("Pid:");
    let stat = fs::read_to_string(format!("/proc/{agent}/stat")).unwrap();
    let after_name: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!((after_name[37], after_name[38]), ("10", "1"), "its first thread is FIFO");
}

#[test]
fn sec10_an_agent_that_stays_root_has_no_capability_either() {
    if !root() {
        return;
    }
    let dir = tempfile::TempDir::new().unwrap();
    let sleep = sleep();
    let node = start_process(dir.path(), &[&format!("agent={sleep}")]);
    let status = until("an agent", || {
        let agents = children(node.0.id());
        let agent = agents.into_iter().find(|pid| command_line(*pid).starts_with("sleep\0"))?;
        fs::read_to_string(format!("/proc/{agent}/status")).ok()
    });
    for line in status.lines().filter(|line| line.starts_with("Cap")) {
        let (set, bits) = line.split_once(":\t").unwrap();
        // The bounding set gives nothing to who can gain nothing.
        assert!(set == "CapBnd" || u64::from_str_radix(bits, 16) == Ok(0), "{line}");
    }
    assert!(status.contains("NoNewPrivs:\t1"));
    send(node.0.id(), Signal::SIGKILL);
    until("it ends with the hands", || named(&sleep).is_empty().then_some(()));
}

#[test]
fn sec9_the_hands_have_no_network_socket() {
    let node = Node::start(&[]);
    let tables = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"];
    let mut inodes = Vec::new();
    for table in tables {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        inodes.extend(text.split_whitespace().map(str::to_owned));
    }
    for pid in [node.pid(), node.guardian_pid()] {
        for open in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = fs::read_link(open.unwrap().path()).unwrap_or_default();
            let target = target.to_string_lossy().into_owned();
            let socket = target.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']'));
            assert!(!socket.is_some_and(|inode| inodes.iter().any(|i| i == inode)), "{target}");
        }
    }
}

#[test]
fn with_an_agent_of_their_own_the_hands_talk_to_nobody_else() {
    let dir = tempfile::TempDir::new().unwrap();
    let _node = start_process(dir.path(), &["agent=sleep 98783"]);
    let mut stranger = until("the hands listen", || Hands::connect(&dir.path().join("run")).ok());
    until("they hang up", || {
        let asked = stranger.ask(&Request::List).is_err();
        (asked || stranger.next_report().is_err()).then_some(())
    });
}

#[test]
fn a_second_node_in_the_same_directory_is_refused_and_the_first_goes_on() {
    let mut node = Node::start(&[]);
    let mut second = start_process(node.dir.path(), &[]);
    assert_eq!(second.0.wait().unwrap().code(), Some(70));
    let id = node.spawn(shell(free(), Purpose::Start, "echo here"));
    assert_eq!(node.ended(id).tail, b"here\n");
    assert!(Hands::connect(&node.path("run")).is_ok(), "its socket is still there");
}

#[test]
fn an_agent_that_dies_is_started_again_and_one_that_gives_up_ends_the_node() {
    let dir = tempfile::TempDir::new().unwrap();
    let node = start_process(dir.path(), &["agent=sleep 98784"]);
    let agent = || {
        let agents = children(node.0.id());
        agents.into_iter().find(|pid| command_line(*pid).starts_with("sleep\098784"))
    };
    let first = until("an agent", agent);
    send(first, Signal::SIGKILL);
    until("another agent", || agent().filter(|pid| *pid != first));
    let dir = tempfile::TempDir::new().unwrap();
    let script = dir.path().join("give-up");
    fs::write(&script, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut node = start_process(dir.path(), &[&format!("agent={}", script.display())]);
    assert_eq!(node.0.wait().unwrap().code(), Some(3));
}

#[test]
fn sec5_nonsense_on_the_sockets_is_hung_up_on_and_changes_nothing() {
    let mut node = Node::start(&[]);
    let run = node.path("run");
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) as usize
    };
    for round in 0..400 {
        let name = if round % 2 == 0 { "hands.sock" } else { "guardian.sock" };
        let kind = SockType::SeqPacket;
        let socket = socket(AddressFamily::Unix, kind, SockFlag::empty(), None).unwrap();
        connect(socket.as_raw_fd(), &UnixAddr::new(&run.join(name)).unwrap()).unwrap();
        let length = 1 + random() % 3000;
        let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        // The right version, so that what follows is read; of a kind that there is not.
        bytes[0] = 1;
        if let Some(kind) = bytes.get_mut(if round % 2 == 0 { 9 } else { 1 }) {
            *kind |= 0x80;
        }
        send_bytes(socket.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL).unwrap();
        let mut answer = [0; 64];
        let heard = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty());
        assert!(matches!(heard, Ok(0) | Err(nix::errno::Errno::ECONNRESET)), "{heard:?}");
    }
    assert!(node.list().programs.is_empty());
    node.arm(60_000, &[], Vec::new());
}
