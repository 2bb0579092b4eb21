//! Regions on real nodes: what each directory shows, and that start and stop are one region's own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tsugi_host::hands::node_mark;

use crate::site::Site;

/// Starts a program that does not end when it is asked to, and never stops it.
const STUBBORN: &str = r#"#!/bin/sh
case "$1" in
start)
    setsid sh -c 'trap "" TERM; echo $$ > "$0"; while :; do sleep 1; done' "$2" \
        > /dev/null 2>&1 < /dev/null & ;;
stop) sleep 1000 ;;
esac
"#;

/// Three nodes and these regions, which run on a or b.
fn founded(regions: &[(&str, String)]) -> Site {
    let site = Site::new();
    let file = site.configure_group(&["a", "b", "c"], "");
    let text = fs::read_to_string(&file).expect("a file");
    let mut text = text.split("[group.WORK]").next().expect("it has one").to_owned();
    for (name, resource) in regions {
        text += &format!("[group.{name}]\nprefer = [\"a\", \"b\"]\n{resource}");
    }
    fs::write(&file, text).expect("a file");
    site.found_without_group(&file)
}

/// A region as a node shows it.
fn region(site: &Site, node: &str, name: &str) -> Value {
    let (_, out, _) = site.ask(node, &["--json", "region", "list", name]);
    let told: Value = serde_json::from_str(&out).unwrap_or_default();
    told["regions"][0].clone()
}

fn stands(site: &Site, node: &str, name: &str) -> String {
    region(site, node, name)["state"].as_str().unwrap_or_default().to_owned()
}

/// A command by its old name at node a: its code, and all that it printed and said.
fn old(site: &Site, name: &str, words: &[&str]) -> (Option<i32>, String) {
    let link = site.path(name);
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_tsugi"), &link).expect("a link");
    }
    let mut command = Command::new(link);
    command.args(words).env_clear().env("LANG", "en_US.UTF-8");
    command.env("TSUGI_RUN_DIR", site.path("a").join("run")).stdin(Stdio::null());
    let ended = command.output().expect("the binary was built");
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// A process that an earlier run of a region has left on a node; ended when dropped.
struct Left(Child);

impl Left {
    fn of(site: &Site, region: &str) -> Self {
        let mark = format!("{}.{region}.p99.", node_mark(&site.path("a").join("run")));
        let mut command = Command::new("/bin/sleep");
        let child = command.arg("1000").env("TSUGI_MARK", mark).spawn();
        Self(child.expect("it starts"))
    }

    fn runs(&self) -> bool {
        runs(self.0.id())
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn mf_03_mf_04_a_stop_and_a_start_touch_one_region_alone_though_its_name_begins_another() {
    let names = ["ESSRV01", "ESSRV010"];
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("region");
    fs::write(&script, STUBBORN).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let place = |name: &str| folder.path().join(format!("{name}.pid"));
    let stubborn = |name: &str| {
        format!(
            "[[group.{name}.resource]]\nname = \"es\"\nkind = \"process\"\nstop_limit = \"300s\"\n\
             start = [{script:?}, \"start\", {:?}]\nstop = [{script:?}, \"stop\"]\n\
             monitor = [\"/bin/true\"]\n",
            place(name)
        )
    };
    let site = founded(&names.map(|name| (name, stubborn(name))));
    let started = |site: &Site| names.iter().all(|name| stands(site, "a", name) == "started");
    site.until("both are started", started);
    let pid = |name: &str| -> u32 {
        let read = || fs::read_to_string(place(name)).ok()?.trim().parse().ok();
        site.until("it has a number", |_| read().is_some());
        read().expect("it has one")
    };
    let [one, other] = names.map(pid);

    // It does not end in order, and is killed; the other one's process is not.
    let (code, said) = old(&site, "casstop", &["/f", "/rESSRV01"]);
    assert_eq!(code, Some(0), "{said}\n{}", site.log("a"));
    assert!(said.contains(&format!("killed: {one} ")), "{said}");
    assert!(said.contains("TSUG20906-I") && !said.contains(&format!(" {other} ")), "{said}");
    assert!(!runs(one) && runs(other));
    assert_eq!(
        [stands(&site, "a", "ESSRV01"), stands(&site, "a", "ESSRV010")],
        ["stopped", "started"]
    );

    // What an earlier run has left is ended by the start of its own region, and nothing else is.
    let (left, others) = (Left::of(&site, "ESSRV01"), Left::of(&site, "ESSRV010"));
    let (code, said) = old(&site, "casstart", &["/rESSRV01", "/w"]);
    assert_eq!(code, Some(0), "{said}\n{}", site.log("a"));
    assert!(said.contains(&format!("killed: {} ", left.0.id())), "{said}");
    assert!(!left.runs() && others.runs() && runs(other));
    assert!(started(&site) && runs(pid("ESSRV01")));

    // A region that runs has nothing that is left over: a second start touches nothing.
    let now = pid("ESSRV01");
    let (code, said) = old(&site, "casstart", &["/rESSRV01", "/w"]);
    assert!(!said.contains("killed: "), "{code:?} {said}");
    assert!(runs(now) && runs(other) && others.runs());
}

/// A daemon of calls on a folder that both nodes reach, listening here.
fn daemon(volume: &Path, at: SocketAddr, name: &str) -> String {
    let mut run = vec![env!("CARGO_BIN_EXE_tsugi").to_owned(), "serve".to_owned()];
    run.extend(["--volume".to_owned(), volume.display().to_string()]);
    run.extend(["--listen".to_owned(), at.to_string(), "--patience".to_owned(), "10".to_owned()]);
    if nix::unistd::geteuid().is_root() {
        run.extend(["--user".to_owned(), "nobody".to_owned()]);
    }
    format!(
        "[[group.{name}.resource]]\nname = \"srv\"\nkind = \"process\"\nready = \"ready\"\n\
         run = {run:?}\n"
    )
}

#[test]
fn mf_01_mf_02_each_nodes_directory_shows_its_regions_and_the_standby_stopped_until_a_takeover() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let volumes = ["u01", "u02"].map(|name| folder.path().join(name));
    volumes.iter().for_each(|volume| fs::create_dir(volume).expect("a folder"));
    let [one, two] = [1u8, 2].map(|last| SocketAddr::from(([127, 79, 254, last], 0)));
    let free = |at: SocketAddr| {
        std::net::TcpListener::bind(at).and_then(|one| one.local_addr()).expect("a port")
    };
    let (one, two) = (free(one), free(two));
    let regions = [
        ("ESSRV01", daemon(&volumes[0], one, "ESSRV01")),
        ("ESSRV02", daemon(&volumes[1], two, "ESSRV02")),
    ];
    let site = founded(&regions);
    for name in ["ESSRV01", "ESSRV02"] {
        site.until("it is started", |site| stands(site, "a", name) == "started");
        assert_eq!(stands(&site, "b", name), "stopped");
        assert_eq!(region(&site, "b", name)["runs_on"], "a");
    }
    let listeners = |node: &str, name: &str| region(&site, node, name)["listeners"].clone();
    let told = listeners("a", "ESSRV01");
    assert_eq!((&told[0]["name"], &told[0]["listens"]), (&"Web Services".into(), &true.into()));
    assert_eq!(told[0]["address"], one.to_string());
    assert_eq!(listeners("b", "ESSRV01")[0]["listens"], false, "it listens for a");
    assert_eq!(site.ask("a", &["region", "monitor", "ESSRV01"]).0, Some(0));
    assert_eq!(site.ask("b", &["region", "monitor", "ESSRV01"]).0, Some(1));

    site.tsugi("a", &["group", "move", "ESSRV01", "b", "--wait", "--reason", "pattern 1"]);
    site.until("b has it", |site| stands(site, "b", "ESSRV01") == "started");
    assert_eq!(stands(&site, "a", "ESSRV01"), "stopped");
    assert_eq!(listeners("b", "ESSRV01")[0]["listens"], true);
    assert_eq!(stands(&site, "a", "ESSRV02"), "started", "the other one has not moved");
}

#[test]
fn mf_22_a_node_that_is_not_entitled_is_shown_before_it_is_needed_and_by_whom_it_is_asked() {
    let site = Site::founded();
    let licence = site.path("licence");
    fs::write(&licence, "#!/bin/sh\necho no licence for $1\nexit 3\n").expect("a file");
    fs::set_permissions(&licence, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let with = format!(
        "entitled = [{licence:?}, \"srv01\"]\n[[group.WORK.resource]]\nname = \"sleeper\"\n\
         kind = \"process\"\nrun = [\"/bin/sleep\", \"100000\"]\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &with);
    let apply = ["apply", file.to_str().expect("plain"), "--reason", "a licence is needed"];
    let (code, _, said) = site.ask("a", &apply);
    assert!(code == Some(3) && said.contains("TSUG10646-E"), "{code:?} {said}");
    assert!(said.contains("exit 3: no licence for srv01"), "{said}");

    // A person takes it as it is: it stays to be seen, and keeps nothing from running.
    site.tsugi("a", &[&apply[..], &["--unverified"]].concat());
    let told = |words: &[&str]| {
        let (_, out, err) = site.ask("a", words);
        out + &err
    };
    let why = "not entitled";
    site.until("parity has seen it", |_| told(&["parity", "WORK"]).contains(why));
    let item = format!("entitlement:{} srv01", licence.display());
    site.until("the doctor names it", |_| told(&["doctor"]).contains(&item));
    site.until("status names it", |site| site.status("a")["needs"].to_string().contains(&item));
    assert_eq!(site.group("a").0, "running");
    fs::write(&licence, "#!/bin/sh\nexit 0\n").expect("a file");
    site.until("it is put right", |_| !told(&["parity", "WORK"]).contains(why));
}
