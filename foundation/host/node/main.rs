//! Hands and guardian without the rest of a node, for the tests: `hands RUN DATA [OPTION…]`,
//! `guardian`, `stay` (which only keeps its own network namespace open), `speak` (an agent that
//! says every word to the service manager and one that there is not, and ends), or
//! `trespass ROLE CALL` (which takes the filter of a role and makes a call).

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, exit};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgroups, sethostname, setresgid, setresuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tsugi_host::fence::Fence;
use tsugi_host::filter;
use tsugi_host::hands::{HandsConfig, run};
use tsugi_host::netlink::Netlink;
use tsugi_host::service::{self, Word};
use tsugi_vocabulary::Span;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("guardian") => exit(tsugi_host::guardian::run()),
        Some("stay") => {
            go_private();
            loop {
                std::thread::park();
            }
        }
        Some("hands") => exit(hands(&args[1..])),
        Some("speak") => speak(),
        Some("trespass") => exit(trespass(&args[1], &args[2])),
        _ => exit(64),
    }
}

fn hands(args: &[String]) -> i32 {
    let own = std::env::current_exe().expect("it was started from a file");
    let own = own.to_string_lossy().into_owned();
    let mut config = HandsConfig {
        run_dir: PathBuf::from(&args[0]),
        data_dir: PathBuf::from(&args[1]),
        agent: None,
        guardian: vec![own, "guardian".to_owned()],
        user: None,
        fence: Fence::Processes,
        watchdog: None,
        stop_limit: Span::secs(5),
        final_codes: vec![3],
    };
    for option in &args[2..] {
        match option.split_once('=') {
            None if option == "private" => go_private(),
            Some(("as", id)) => become_user(id.parse().expect("a user id")),
            Some(("watchdog", path)) => config.watchdog = Some(PathBuf::from(path)),
            Some(("fence", "machine")) => config.fence = only_in_a_namespace(),
            Some(("user", id)) => {
                let id = id.parse().expect("a user id");
                config.user = Some((id, id));
            }
            Some(("refuse", call)) => refuse(call),
            Some(("umask", mask)) => {
                umask(Mode::from_bits_truncate(mask.parse().expect("a number")));
            }
            Some(("agent", line)) => {
                config.agent = Some(line.split(' ').map(str::to_owned).collect());
            }
            _ => return 64,
        }
    }
    run(config).unwrap_or(70)
}

/// Ends with an error, so that the hands start the next one.
fn speak() {
    service::say(Word::Ready);
    for other in [&b"x"[..], b"aa", b"WATCHDOG=trigger", b""] {
        send(3, other, MsgFlags::empty()).expect("the hands gave it");
    }
    service::say(Word::Alive);
    service::say(Word::Stopping);
    exit(1);
}

fn trespass(role: &str, call: &str) -> i32 {
    match role {
        "hands" => filter::for_hands().expect("the kernel filters"),
        _ => filter::for_guardian().expect("the kernel filters"),
    }
    let done = match call {
        "inet" => UdpSocket::bind("127.0.0.1:0").is_ok(),
        "inet6" => UdpSocket::bind("[::1]:0").is_ok(),
        "local" => UnixDatagram::unbound().is_ok(),
        "routes" => Netlink::open().and_then(|mut kernel| kernel.links()).is_ok(),
        "program" => Command::new("/bin/true").spawn().is_ok(),
        "thread" => std::thread::spawn(|| ()).join().is_ok(),
        "name" => sethostname("trespasser").is_ok(),
        _ => return 64,
    };
    i32::from(!done)
}

/// As in a container whose filter does not know a way to start a process.
fn refuse(call: &str) {
    let flags = |which: i32, set: i32| {
        let masked = SeccompCmpOp::MaskedEq(u64::from(which.cast_unsigned()));
        let set = u64::from(set.cast_unsigned());
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, masked, set)?;
        SeccompRule::new(vec![condition])
    };
    // The C library's `fork` has the child note its number, the guardian's child does not.
    let (thread, noted) = (libc::CLONE_THREAD, libc::CLONE_CHILD_SETTID);
    let rule = match call {
        "clone3" => (libc::SYS_clone3, Vec::new()),
        "child" => (libc::SYS_clone, vec![flags(thread | noted, 0).expect("a rule")]),
        _ => (libc::SYS_clone, vec![flags(thread | noted, noted).expect("a rule")]),
    };
    let here = std::env::consts::ARCH.try_into().expect("it runs here");
    let no = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new([rule].into(), SeccompAction::Allow, no, here);
    let program = BpfProgram::try_from(filter.expect("a filter")).expect("a program");
    seccompiler::apply_filter(&program).expect("the kernel filters");
}

/// The machine that a test runs on is not the one to reset.
fn only_in_a_namespace() -> Fence {
    let space = std::fs::read_link("/proc/self/ns/pid").expect("/proc is mounted");
    assert_ne!(space, PathBuf::from("pid:[4026531836]"), "this would reset the machine itself");
    Fence::Machine
}

fn go_private() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("root may");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("root may");
}

fn become_user(id: u32) {
    setgroups(&[]).expect("root may");
    setresgid(Gid::from_raw(id), Gid::from_raw(id), Gid::from_raw(id)).expect("root may");
    setresuid(Uid::from_raw(id), Uid::from_raw(id), Uid::from_raw(id)).expect("root may");
}
