//! What the service manager of the machine hears of a node, by the protocol of systemd.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeVal;

use crate::site::Site;

const READY: &str = "READY=1\nWATCHDOG_USEC=0";
const ALIVE: &str = "WATCHDOG=1\nWATCHDOG_USEC=5000000";
const ASLEEP: &str = "WATCHDOG_USEC=0";
const STOPPING: &str = "STOPPING=1";

/// What stands in the place of systemd and only listens.
struct Systemd(UnixDatagram);

impl Systemd {
    fn of(site: &mut Site) -> Self {
        let path = site.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        setsockopt(&socket, sockopt::PassCred, &true).expect("it is taken");
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(40, 0)).expect("it is taken");
        site.surround("NOTIFY_SOCKET", path.to_str().expect("plain"));
        site.surround("WATCHDOG_USEC", "5000000");
        Self(socket)
    }

    /// What it is told next, and by which process.
    #[track_caller]
    fn told(&self) -> (String, u32) {
        let mut text = [0; 512];
        let mut parts = [IoSliceMut::new(&mut text)];
        let mut space = nix::cmsg_space!(UnixCredentials);
        let from = self.0.as_raw_fd();
        let came = recvmsg::<()>(from, &mut parts, Some(&mut space), MsgFlags::empty())
            .expect("it is told something");
        let by = came.cmsgs().expect("whole").find_map(|control| match control {
            ControlMessageOwned::ScmCredentials(who) => Some(who.pid().cast_unsigned()),
            _ => None,
        });
        let length = came.bytes;
        let text = String::from_utf8(text[..length].to_vec()).expect("text");
        (text, by.expect("it was asked for"))
    }

    /// Listens until it is told this by the main process of the service; what came before.
    #[track_caller]
    fn until(&self, wanted: &str, main: u32) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let (text, by) = self.told();
            assert_eq!(by, main, "{text}");
            if text == wanted {
                return before;
            }
            before.push(text);
        }
    }
}

/// A cluster of one node, which needs nobody to run its group.
fn alone(net: &str) -> String {
    format!(
        "[cluster]\nname = \"trial\"\n\n[node.a]\naddress = [\"{net}.1\"]\n\n\
         [group.WORK]\nprefer = [\"a\"]\n\n[[group.WORK.resource]]\nname = \"sleeper\"\n\
         kind = \"process\"\nrun = [\"/bin/sleep\", \"100000\"]\n"
    )
}

#[test]
fn systemd_hears_a_node_answer_its_lease_loop_go_round_and_its_stop() {
    let mut site = Site::new();
    let systemd = Systemd::of(&mut site);
    let file = site.path("tsugi.toml");
    std::fs::write(&file, alone(&site.net())).expect("a file");
    site.start("a");
    let main = site.main_process("a");
    assert_eq!(systemd.until(READY, main), [""; 0], "it is the first word");
    // Nobody has to be alive before there is a lease loop: this node may wait for days.
    site.tsugi("a", &["init", file.to_str().expect("plain")]);
    assert_eq!(systemd.until(ALIVE, main), [""; 0]);
    site.until("the group runs", |site| site.group("a").0 == "running");

    // An agent that is gone is no loop that stands still.
    site.kill_agent("a");
    systemd.until(ASLEEP, main);
    systemd.until(READY, main);
    systemd.until(ALIVE, main);
    // It listens to signals by the time it says so again.
    systemd.until(ALIVE, main);
    site.ask_to_stop("a");
    systemd.until(STOPPING, main);
    site.ended("a");
}

#[test]
fn the_unit_of_a_node_says_nothing_that_its_programs_inherit_or_that_hides_a_mount() {
    // What is added here must reach no program of a group, and give the service no mounts of its
    // own (systemd.exec(5)): decision 22 says what was left out, and why.
    const HARMLESS: [&str; 13] = [
        "Type=notify",
        "NotifyAccess=main",
        "EnvironmentFile=",
        "ExecStart=",
        "ExecReload=",
        "WatchdogSec=",
        "Restart=",
        "RestartSec=",
        "KillMode=process",
        "TimeoutStopSec=",
        "Delegate=yes",
        "OOMPolicy=continue",
        "TasksMax=infinity",
    ];
    let unit = include_str!("../../../../packaging/systemd/tsugi.service");
    let service = unit.split_once("[Service]").expect("a section").1;
    let service = service.split_once("[Install]").expect("a section").0;
    let said: Vec<&str> =
        service.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    for line in &said {
        assert!(HARMLESS.iter().any(|known| line.starts_with(known)), "{line}");
    }
    for known in HARMLESS {
        assert_eq!(said.iter().filter(|line| line.starts_with(known)).count(), 1, "{known}");
    }
}
