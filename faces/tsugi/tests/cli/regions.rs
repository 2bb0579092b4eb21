//! Regions by the new names and the old ones: the directory, its monitor, start and stop.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tsugi_wire::control::report::{self, Wants};
use tsugi_wire::control::{Operation, Reply, Request, StartOption};

use crate::agent::{Agent, answer, bytes, nobody};
use crate::ending::done;
use crate::online::{group, status};
use crate::schema::check;
use crate::{Ran, tsugi, tsugi_as};

/// A configuration of one region with these words of its program.
fn config(words: &[&str]) -> Reply {
    let run = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[cluster]\nname = \"kessai\"\n[node.node1]\naddress = \"10.0.0.1\"\n\
         [node.node2]\naddress = \"10.0.0.2\"\n\
         [witness]\naddress = \"10.0.0.3\"\n[group.ESSRV01]\n\
         [[group.ESSRV01.resource]]\nname = \"srv\"\nkind = \"process\"\nrun = [{run}]\n"
    );
    let head = report::ConfigHead {
        version: 1,
        hash: "ab".repeat(32),
        unconfirmed_within_ms: None,
        unconfirmed_since: None,
        undone_at: None,
        language: None,
    };
    Reply::Config(report::Config { head, text })
}

/// The status of a cluster whose region is so, at this node.
fn stands(state: &str, owner: Option<&str>) -> Reply {
    let region = report::Group { owner: owner.map(str::to_owned), ..group("ESSRV01", state) };
    Reply::Status(report::Status { groups: vec![region], generation: 13, ..status(0) })
}

/// An agent of a node that knows one region, and records every change.
fn directory(words: &[&str], (state, owner): (&str, Option<&str>)) -> Agent {
    let (config, stands) = (config(words), stands(state, owner));
    Agent::that_does(move |request| {
        bytes(&answer(match request {
            Request::ConfigShow => config.clone(),
            Request::Change(_) => done(&[("ESSRV01", Wants::Running { node: None })]),
            _ => stands.clone(),
        }))
    })
}

fn serving(at: SocketAddr) -> [String; 6] {
    let at = at.to_string();
    let words = ["/usr/bin/tsugi", "serve", "--volume", "/nowhere", "--listen", &at];
    words.map(str::to_owned)
}

fn running(at: SocketAddr) -> Agent {
    let words = serving(at);
    directory(&words.each_ref().map(String::as_str), ("running", Some("node1")))
}

/// The old names in a folder `bin`.
fn installed() -> (tempfile::TempDir, PathBuf) {
    let dir = nobody();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let ran = tsugi(dir.path(), &["compat", "install", bin.to_str().expect("a path")]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    (dir, bin)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.9.4.48:0").expect("a port");
    let at = listener.local_addr().expect("it has one");
    (listener, at)
}

/// A script over `mdump`: its code, and what it has written to the log.
fn script(text: &Path, run_dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let (dir, _bin) = installed();
    let log = dir.path().join("ESSRV01.cntl.log");
    let mut command = Command::new("bash");
    command.arg(text).args(words).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("COBDIR", dir.path()).env("MFLOG", &log).env("TSUGI_RUN_DIR", run_dir);
    let ended = command.output().expect("there is a shell");
    (ended.status.code(), fs::read_to_string(&log).unwrap_or_default())
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/report/mfmonitor.ksh")
}

/// The monitor as the report prints it, but for its environment file and the place of its log.
const PRINTED: &str = r#"
PATH=$PATH:/usr/bin
TMPFILE=$COBDIR/tmp.txt
mdump_func()
{
$COBDIR/bin/mdump localhost ESSRV01 > $TMPFILE 2> /dev/null
web_srv_flg=0
cat $TMPFILE | while read line
do
# if mfds not started "SERVER_DOWN" found
# actual text is 'm_ldap_bind: 0x51 SERVER_DOWN'
tmp=`echo $line | fgrep "SERVER_DOWN"`
if [ ".$tmp" != "." ] ; then
return 3
fi
tmp=`echo $line | fgrep "CN:"`
if [ ".$tmp" != "." ] ; then
tmp=`echo $line | fgrep "Web Services"`
if [ ".$tmp" != "." ] ; then
web_srv_flg=1
else
web_srv_flg=0
fi
fi
if [ $web_srv_flg -eq 1 ] ; then
lisnr=`echo $line | fgrep "mfListenerStatus:"`
if [ ".$lisnr" != "." ] ; then
lisnr=`echo $line | fgrep "Started"`
if [ ".$lisnr" != "." ] ; then
return 0
else
return 1
fi
fi
fi
done
}
mdump_func
res=$?
rm -f $TMPFILE
if [ "$res" = "1" ]; then
echo "**** MF Service Failed ****" >> $MFLOG
exit 1
fi
if [ "$res" = "3" ]; then
echo "**** MF mfds Down ****" >> $MFLOG
exit 1
fi
echo $res
"#;

fn printed(run_dir: &Path) -> (Option<i32>, String) {
    let dir = nobody();
    let text = dir.path().join("mfmonitor.ksh");
    fs::write(&text, PRINTED).expect("a file");
    script(&text, run_dir, &[])
}

fn monitor(run_dir: &Path, words: &[&str]) -> Ran {
    tsugi(run_dir, &[&["region", "monitor", "ESSRV01"], words].concat())
}

#[test]
fn mf_05_the_monitor_fails_when_the_directory_is_down_and_says_so() {
    let (listener, at) = listener();
    let up = running(at);
    monitor(up.run_dir(), &[]).ended(0, "TSUG20913-I");
    assert_eq!(script(&sample(), up.run_dir(), &["ESSRV01"]), (Some(0), String::new()));
    assert_eq!(printed(up.run_dir()), (Some(0), String::new()));

    let down = nobody();
    monitor(down.path(), &[]).ended(1, "**** MF mfds Down ****");
    let told = (Some(1), "**** MF mfds Down ****\n".to_owned());
    assert_eq!(script(&sample(), down.path(), &["ESSRV01"]), told);
    assert_eq!(printed(down.path()), told);
    drop(listener);
}

#[test]
fn mf_05_the_monitor_fails_when_a_listener_is_stopped_and_says_which() {
    let (listener, at) = listener();
    drop(listener);
    let agent = running(at);
    let ran = monitor(agent.run_dir(), &[]);
    ran.ended(1, "**** MF Service Failed ****").ended(1, "Web Services");
    ran.ended(1, &at.to_string()).ended(1, "TSUG20903-E");
    let told = (Some(1), "**** MF Service Failed **** Web Services is stopped\n".to_owned());
    assert_eq!(script(&sample(), agent.run_dir(), &["ESSRV01"]), told);
    let told = (Some(1), "**** MF Service Failed ****\n".to_owned());
    assert_eq!(printed(agent.run_dir()), told);
}

#[test]
fn mf_05_the_monitor_fails_when_a_listener_is_missing_and_says_which() {
    let (_listener, at) = listener();
    let without = directory(&["/bin/sleep", "9"], ("running", Some("node1")));
    monitor(without.run_dir(), &[]).ended(1, "TSUG20904-E");
    let told = (Some(1), "**** MF Service Failed **** Web Services is missing\n".to_owned());
    assert_eq!(script(&sample(), without.run_dir(), &["ESSRV01"]), told);
    // The printed script takes it for well: what there is to mend in it.
    assert_eq!(printed(without.run_dir()).0, Some(0));

    let other = running(at);
    let ran = monitor(other.run_dir(), &["--listener", "Web Services", "--listener", "Batch"]);
    ran.ended(1, "TSUG20904-E").ended(1, "has no listener Batch");
    monitor(other.run_dir(), &["--listener", "Web Services"]).ended(0, "TSUG20913-I");
    let nothing = tsugi(other.run_dir(), &["region", "monitor", "ESSRV010"]);
    nothing.ended(1, "TSUG20901-E");
}

#[test]
fn mf_01_the_directory_lists_every_region_and_scripts_find_their_names() {
    let (_listener, at) = listener();
    let (dir, bin) = installed();
    let agent = running(at);
    let json = tsugi(agent.run_dir(), &["--json", "region", "list"]);
    assert_eq!(check(&json.out), "tsugi.regions");
    let told: Value = serde_json::from_str(&json.out).expect("JSON");
    let region = &told["regions"][0];
    assert_eq!((&region["name"], &region["runs_on"]), (&"ESSRV01".into(), &"node1".into()));
    assert_eq!(region["state"], "not-responding", "no daemon is at its volume");
    assert_eq!(region["listeners"][0]["listens"], true);
    tsugi(agent.run_dir(), &["region", "list"]).ended(0, "not responding");
    tsugi(agent.run_dir(), &["region", "list", "ESSRV010"]).ended(4, "TSUG20901-E");
    let mdump = |words: &[&str]| tsugi_as(&bin.join("mdump"), agent.run_dir(), words);
    assert_eq!(mdump(&["node1"]).out, "Server ESSRV01\n");
    let one = mdump(&["localhost", "ESSRV01"]);
    let listener = format!(
        "CN: Web Services\n  objectClass: mfListener\n  mfListenerAddress: tcp:{at}\n  \
         mfListenerStatus: Started\n"
    );
    assert!(one.out.contains(&listener), "{one:#?}");
    mdump(&["localhost", "ESSRV010"]).ended(4, "TSUG20901-E");
    drop(dir);
}

#[test]
fn mf_02_a_node_that_has_not_got_a_region_shows_it_as_stopped() {
    let (_listener, at) = listener();
    let words = serving(at);
    let words = words.each_ref().map(String::as_str);
    for (state, owner, shown) in [
        ("running", Some("node2"), "stopped"),
        ("starting", Some("node1"), "starting"),
        ("stopped", None, "stopped"),
    ] {
        let agent = directory(&words, (state, owner));
        let json = tsugi(agent.run_dir(), &["--json", "region", "list", "ESSRV01"]);
        let told: Value = serde_json::from_str(&json.out).expect("JSON");
        assert_eq!(told["regions"][0]["state"], shown, "{json:#?}");
        assert_eq!(told["regions"][0]["listeners"][0]["listens"], shown != "stopped");
    }
}

#[test]
fn mf_18_a_start_says_starting_unless_it_waits_and_cold_and_warm_are_told() {
    let (_dir, bin) = installed();
    let casstart =
        |agent: &Agent, words: &[&str]| tsugi_as(&bin.join("casstart"), agent.run_dir(), words);
    let option = |agent: &Agent| match agent.asked() {
        Request::Change(change) => match change.what {
            Operation::Start { group, on: None, option } => {
                assert_eq!((&*group, &*change.reason), ("ESSRV01", "casstart /rESSRV01"));
                option
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let cold = directory(&["/bin/sleep", "9"], ("starting", Some("node1")));
    let ran = casstart(&cold, &["/rESSRV01", "/s:c"]);
    ran.ended(0, "region ESSRV01 is starting").ended(0, "group start ESSRV01 --fresh");
    assert_eq!(option(&cold), StartOption::Fresh);
    casstart(&cold, &["-r", "ESSRV01", "-s:w"]).ended(0, "region ESSRV01 is starting");
    assert_eq!(option(&cold), StartOption::Inherit);
    casstart(&cold, &["-rESSRV01"]).ended(0, "is starting");
    assert_eq!(option(&cold), StartOption::None);

    // It waits, and ends with 0 only when the region is ready.
    let ran = casstart(&cold, &["/rESSRV01", "/w1"]);
    ran.ended(5, "--wait=1s");
    assert!(!ran.err.contains("is starting"), "{ran:#?}");
    let warm = directory(&["/bin/sleep", "9"], ("running", Some("node1")));
    casstart(&warm, &["/rESSRV01", "/w"]).ended(0, "--wait=15s").ended(0, "ESSRV01 runs on node1");
    casstart(&warm, &["/w"]).ended(2, "/r NAME is missing");
}

#[test]
fn mf_04_a_stop_ends_by_the_codes_of_the_report_where_it_lacks_what_it_needs() {
    let (dir, bin) = installed();
    let casstop = |run_dir: &Path, words: &[&str]| tsugi_as(&bin.join("casstop"), run_dir, words);
    // No directory service.
    let silent = nobody();
    for words in [&["/rESSRV01"][..], &["/rESSRV01", "/w"], &["-f", "-rESSRV01"]] {
        assert_eq!(casstop(silent.path(), words).code, 3, "{words:?}");
    }
    // What is to stop it is missing: nothing is changed, unless it is forced.
    let tool = dir.path().join("stop");
    let text = format!(
        "[cluster]\nname = \"kessai\"\n[node.node1]\naddress = \"10.0.0.1\"\n[group.ESSRV01]\n\
         [[group.ESSRV01.resource]]\nname = \"srv\"\nkind = \"process\"\n\
         start = [\"/bin/true\"]\nmonitor = [\"/bin/true\"]\nstop = [{tool:?}]\n"
    );
    let Reply::Config(mut config) = config(&[]) else { panic!("it is one") };
    config.text = text;
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let agent = Agent::that_does(move |request| {
        use std::sync::atomic::Ordering::SeqCst;
        bytes(&answer(match request {
            Request::ConfigShow => Reply::Config(config.clone()),
            Request::Change(_) => {
                stopped.store(true, SeqCst);
                done(&[("ESSRV01", Wants::Stopped)])
            }
            _ if stopped.load(SeqCst) => stands("stopped", None),
            _ => stands("running", Some("node1")),
        }))
    });
    let is_change = |agent: &Agent| matches!(agent.asked(), Request::Change(_));
    casstop(agent.run_dir(), &["/rESSRV01", "/w"]).ended(2, "TSUG20905-E");
    assert!(!is_change(&agent));
    casstop(agent.run_dir(), &["/rESSRV010", "/w"]).ended(4, "TSUG20901-E");
    assert!(!is_change(&agent), "another region is none of its business");
    fs::write(&tool, "#!/bin/sh\n").expect("a file");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("it is ours");
    casstop(agent.run_dir(), &["/rESSRV01", "/w"]).ended(0, "TSUG20906-I");

    // Without a wait it says that it is stopping.
    let plain = directory(&["/bin/sleep", "9"], ("running", Some("node1")));
    casstop(plain.run_dir(), &["/rESSRV01"]).ended(0, "region ESSRV01 is stopping");
    assert!(is_change(&plain));
}

/// A directory over HTTP; ended when dropped.
struct Served(Child, String);

impl Served {
    fn of(agent: &Agent, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
        command.args(["region", "serve"]).args(words).env_clear();
        command.env("TSUGI_RUN_DIR", agent.run_dir()).env("LANG", "en_US.UTF-8");
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        said.read_line(&mut line).expect("it says something");
        let at = line.trim().rsplit(' ').next().expect("an address").to_owned();
        assert!(line.contains("TSUG20909-I"), "{line}");
        Self(child, at)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn mf_19_the_directory_of_another_node_is_asked_over_its_port_and_only_tells() {
    let (_listener, at) = listener();
    let (_dir, bin) = installed();
    let (here, agent) = (nobody(), running(at));
    let served = Served::of(&agent, &["--listen", "127.0.0.1:0"]);
    let mdump = |words: &[&str]| tsugi_as(&bin.join("mdump"), here.path(), words);
    assert_eq!(mdump(&[&served.1]).out, "Server ESSRV01\n");
    let one = mdump(&[&served.1, "ESSRV01"]);
    assert!(one.out.contains("mfListenerStatus: Started"), "{one:#?}");
    mdump(&[&served.1, "ESSRV010"]).ended(4, "TSUG20901-E");
    let json = tsugi(here.path(), &["--json", "region", "list", "--at", &served.1]);
    assert_eq!(check(&json.out), "tsugi.regions");

    // The directory that a start names has to know the region.
    let casstart = |words: &[&str]| tsugi_as(&bin.join("casstart"), agent.run_dir(), words);
    casstart(&["/rESSRV01", "/m", &served.1]).ended(0, "is starting");
    let asked = agent.times();
    casstart(&["/rESSRV010", "/m", &served.1]).ended(4, "TSUG20901-E");
    drop(served);
    let gone = TcpListener::bind("127.9.4.48:0").and_then(|one| one.local_addr()).expect("a port");
    casstart(&["/rESSRV01", &format!("/m:{gone}")]).ended(7, "TSUG20911-E");
    let changes = |request: &Request| matches!(request, Request::Change(_));
    assert!(agent.times() >= asked && !changes(&agent.asked()), "nothing was started");
    mdump(&[&gone.to_string(), "ESSRV01"]).ended(7, "SERVER_DOWN");
}

#[test]
fn mf_19_what_the_ports_are_asked_to_change_is_refused_and_no_port_is_open_unless_asked_for() {
    use std::io::{Read as _, Write as _};
    let (_listener, at) = listener();
    let agent = running(at);
    let served = Served::of(&agent, &["--listen", "127.0.0.1:0"]);
    let ask = |line: &str| {
        let mut stream = std::net::TcpStream::connect(&served.1).expect("it listens");
        write!(stream, "{line} HTTP/1.0\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.split(' ').nth(1).map(str::to_owned).expect("a status")
    };
    assert_eq!(ask("GET /regions"), "200");
    assert_eq!(ask("GET /regions/ESSRV01"), "200");
    assert_eq!(ask("GET /regions/ESSRV010"), "404");
    assert_eq!(ask("GET /config"), "404");
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(ask(&format!("{method} /regions/ESSRV01")), "405");
    }
    // Both ports, or neither: here the second is taken.
    let (_held, taken) = listener();
    let words = ["region", "serve", "--listen", "127.0.0.1:0", "--listen", &taken.to_string()];
    tsugi(agent.run_dir(), &words).ended(1, "TSUG20910-E");
    let help = tsugi(agent.run_dir(), &["region", "serve", "--help"]);
    help.ended(0, "127.0.0.1:86").ended(0, "127.0.0.1:10086");
}
