//! Drills beside the running group: a copy is read, or started, on another node; the group goes
//! on, and nothing is left.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::site::Site;

/// The counter at its address, with a volume that is a directory.
fn counting(more: &str) -> Site {
    let site = Site::new();
    let (exe, at) = (env!("CARGO_BIN_EXE_tsugi"), site.service());
    let (ip, volume) = (at.ip(), site.path("volume"));
    std::fs::create_dir_all(&volume).expect("a folder");
    let volume = volume.display();
    let group = format!(
        "[[group.WORK.resource]]\nname = \"volume\"\nkind = \"volume\"\nmount = \"{volume}\"\n\n\
         [[group.WORK.resource]]\nname = \"address\"\nkind = \"address\"\naddress = \"{ip}/32\"\n\
         after = [\"volume\"]\n\n\
         [[group.WORK.resource]]\nname = \"counter\"\nkind = \"process\"\n\
         run = [\"{exe}\", \"sample\", \"counter\", \"--listen\", \"{at}\", \"--volume\", \
         \"{volume}\", \"--create\", \"--patience\", \"30\"]\nready = \"ready\"\n\
         monitor = {{ tcp = \"{at}\" }}\nafter = [\"address\"]\n{more}"
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    site.found(&file)
}

/// A group of one volume, which is an image, and a program beside it.
fn on_an_image(volume: &str, program: &str) -> Site {
    let site = Site::new();
    let (image, mount) = (site.path("image"), site.path("mnt"));
    let made = Command::new("/sbin/mkfs.ext4").args(["-q", "-F"]).arg(&image).arg("16M").status();
    assert!(made.expect("e2fsprogs is there").success());
    std::fs::create_dir_all(&mount).expect("a folder");
    let volume = volume.replace("HERE", &site.path("").display().to_string());
    let program = program.replace("HERE", &site.path("").display().to_string());
    let group = format!(
        "[[group.WORK.resource]]\nname = \"volume\"\nkind = \"volume\"\nsource = \"{}\"\n\
         mount = \"{}\"\n{volume}\n\n[[group.WORK.resource]]\nname = \"program\"\n\
         kind = \"process\"\nafter = [\"volume\"]\n{program}\n",
        image.display(),
        mount.display()
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    site.found(&file)
}

/// Copies the image, and takes the copy away; both say so.
const COPY: &str = "copy = [\"/bin/sh\", \"-c\", \"cp HEREimage HEREcopy && echo HEREcopy\"]\n\
                    drop = [\"/bin/sh\", \"-c\", \"rm -f HEREcopy && echo drop >> HEREdropped\"]";

fn caller(site: &Site) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
    command.args(["sample", "caller", "--client", "drill", "--rate", "50", "--json", "--to"]);
    command.arg(site.service().to_string()).args(["--seconds", "6"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the binary was built")
}

fn drill(site: &Site, by: &str, words: &[&str]) -> (Option<i32>, Value, String) {
    let report = site.path("reports");
    let report = report.to_str().expect("plain");
    let first = ["drill", "WORK", "--report", report, "--json"];
    let reason = ["--reason", "monthly"];
    let (code, out, err) = site.ask(by, &[&first[..], words, &reason].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

fn parts(told: &Value) -> Vec<String> {
    let all = told["rehearsal"]["parts"].as_array().cloned().unwrap_or_default();
    let one = |part: &Value| format!("{} {}", part["part"], part["resource"]).replace('"', "");
    all.iter().map(one).collect()
}

/// What a drill could have left: processes that it told its reason, its folder, its mounts.
fn left(site: &Site, node: &str) -> Vec<String> {
    let here = site.path("").display().to_string();
    let of_a_drill = |dir: &Path| {
        let environ = std::fs::read(dir.join("environ")).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ).into_owned();
        let words = std::fs::read(dir.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        let own = environ.contains(&here) || words.contains(&here);
        own && (environ.contains("TSUGI_REASON=drill") || words.contains("rehearsing"))
    };
    let processes = std::fs::read_dir("/proc").expect("a folder").flatten();
    let numbered = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let processes = processes.filter(|entry| entry.file_name().to_str().is_some_and(numbered));
    let mut all: Vec<String> = processes
        .filter(|entry| of_a_drill(&entry.path()))
        .map(|entry| entry.path().display().to_string())
        .collect();
    let folder: PathBuf = site.path(node).join("data/drill");
    all.extend(folder.exists().then(|| folder.display().to_string()));
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("a file");
    all.extend(mounts.lines().filter(|l| l.starts_with("drill ")).map(str::to_owned));
    all
}

#[test]
fn a_copy_is_read_on_another_node_and_the_group_stays_as_it_is() {
    let site = counting("");
    let before = site.group("a");
    let (code, told, err) = drill(&site, "c", &["--level", "read"]);
    assert_eq!(code, Some(0), "{told} {err}\n{}", site.log("b"));
    assert_eq!(told["rehearsal"]["verdict"], "proven", "{told}");
    let expected =
        ["copy volume", "mount /", "mount volume", "mount volume", "read volume", "drop copy"];
    assert_eq!(parts(&told), expected, "{told}");
    assert_eq!(site.group("a"), before);
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    assert_eq!(told["rehearsed"][0]["level"], "read", "{told}");
    let page = std::fs::read_to_string(told["report"].as_str().expect("a report")).expect("a page");
    assert!(page.contains("<svg") && page.contains("copy of volume"), "{page}");
    let history = site.tsugi("b", &["history", "WORK"]);
    assert!(history.contains("could read what it needs"), "{history}");
    let last = drill(&site, "a", &["--last"]).1;
    assert_eq!(last["rehearsal"]["id"], told["rehearsal"]["id"], "{last}");
}

#[test]
fn the_volume_itself_is_no_copy_of_it_and_is_not_touched() {
    let same = "copy = [\"/bin/sh\", \"-c\", \"echo HEREimage\"]";
    let site = on_an_image(same, "run = [\"/bin/sleep\", \"100000\"]");
    let (code, told, err) = drill(&site, "a", &["--level", "read"]);
    assert_ne!(code, Some(0), "{told} {err}");
    assert_eq!(told["rehearsal"]["verdict"], "failed", "{told}");
    let how = told["rehearsal"]["fault"]["how"].to_string();
    assert!(how.contains("rehearsal_fault_original"), "{told}");
    assert_eq!(site.group("a").0, "running");
}

#[test]
fn a_block_copy_is_checked_and_mounted_read_only_for_what_the_configuration_names() {
    let proof = "run = [\"/bin/sleep\", \"100000\"]\nuser = \"nobody\"\n\
                 drill_read = [\"/bin/sh\", \"-c\", \"test -d HEREmnt/lost+found && \
                 ! touch HEREmnt/x && \
                 test $(grep -c ' HEREmnt ' /proc/self/mountinfo) = 1 && id -un\"]";
    let site = on_an_image(COPY, proof);
    let (code, told, err) = drill(&site, "a", &["--level", "read"]);
    assert_eq!(code, Some(0), "{told} {err}");
    let expected = [
        "copy volume",
        "mount /",
        "mount volume",
        "check volume",
        "mount volume",
        "read program",
        "drop volume",
    ];
    assert_eq!(parts(&told), expected, "{told}");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    assert!(!site.path("copy").exists() && site.path("dropped").exists());
}

#[test]
fn a_proof_that_fails_is_told_with_its_last_line_and_its_copy_is_taken_away() {
    let proof = "run = [\"/bin/sleep\", \"100000\"]\n\
                 drill_read = [\"/bin/sh\", \"-c\", \"echo the ledger is torn; exit 3\"]";
    let site = on_an_image(COPY, proof);
    let (code, told, _) = drill(&site, "b", &["--level", "read", "--to", "b"]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(told["rehearsal"]["verdict"], "failed", "{told}");
    let fault = &told["rehearsal"]["fault"];
    assert_eq!(fault["part"], "read", "{fault}");
    let detail = fault["how"]["values"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("exit 3") && detail.contains("the ledger is torn"), "{fault}");
    assert_eq!(told["rehearsed"].as_array().map(Vec::len), Some(0), "{told}");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    assert!(!site.path("copy").exists() && site.path("dropped").exists());
}

#[test]
fn without_a_way_to_a_copy_it_is_refused_by_name_and_a_check_says_so_before() {
    let site = on_an_image("", "run = [\"/bin/sleep\", \"100000\"]");
    let (code, told, err) = drill(&site, "a", &["--level", "read"]);
    assert_eq!(code, Some(3), "{told} {err}");
    assert!(err.contains("TSUG10599-E") && err.contains("volume volume"), "{err}");
    let (_, told, _) = drill(&site, "c", &["--level", "check"]);
    assert_eq!(told["levels"][0]["level"], "read", "{told}");
    assert_eq!(told["levels"][0]["refusal"]["id"], "TSUG10599-E", "{told}");
    let (code, _, err) = drill(&site, "a", &["--level", "read", "--to", "a"]);
    assert_eq!(code, Some(3), "{err}");
}

#[test]
fn programs_are_started_cut_off_beside_the_running_group_and_no_call_of_it_is_lost() {
    let site = counting("");
    let calls = caller(&site);
    let before = site.group("a");
    let (code, told, err) = drill(&site, "a", &["--level", "isolate"]);
    assert_eq!(code, Some(0), "{told} {err}\n{}", site.log("b"));
    let expected = [
        "copy volume",
        "mount /",
        "mount volume",
        "mount volume",
        "start /",
        "start counter",
        "monitor counter",
        "stop counter",
        "drop copy",
    ];
    assert_eq!(parts(&told), expected, "{told}");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    let output = calls.wait_with_output().expect("it was a child");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!((&summary["lost"], &summary["doubled"]), (&0.into(), &0.into()), "{summary}");
    assert!(summary["calls"].as_u64() > Some(50), "{summary}");
    assert_eq!(site.group("a"), before);
    let status = site.status("c");
    assert_eq!(
        status["groups"][0]["proven"].as_array().map(Vec::len),
        Some(0),
        "no move: {status}"
    );
}

#[test]
fn scripts_are_told_a_takeover_and_what_they_write_to_the_volume_is_thrown_away() {
    // It writes to the volume, and finds neither a network nor anything that listens.
    let start = "env > HEREtold-$TSUGI_REASON; touch HEREmnt/started-$TSUGI_REASON; \
                 test -d HEREmnt/lost+found && touch $TSUGI_RUN/x || exit 1; \
                 test $TSUGI_REASON = drill || exit 0; \
                 ! test -e HEREb/run/agent/control.sock && ! find /run -type s | grep . \
                 && test $(grep -c : /proc/net/dev) = 1";
    let stop = "rm HEREmnt/started-*; touch HEREstopped-$ARMS_EVENT";
    let program = format!(
        "start = [\"/bin/sh\", \"-c\", \"{start}\"]\nstop = [\"/bin/sh\", \"-c\", \"{stop}\"]\n\
         monitor = [\"/bin/sh\", \"-c\", \"ls HEREmnt/started-*\"]"
    );
    let site = on_an_image(COPY, &program);
    let (code, told, err) = drill(&site, "c", &["--level", "isolate"]);
    assert_eq!(code, Some(0), "{told} {err}\n{}", site.log("b"));
    let told = std::fs::read_to_string(site.path("told-drill")).expect("it was told");
    for line in ["ARMS_EVENT=FAILOVER", "ARMS_SERVER=OTHER", "TSUGI_NODE=b", "TSUGI_GROUP=WORK"] {
        assert!(told.lines().any(|l| l == line), "no {line} in {told}");
    }
    assert!(!site.path("mnt/started-drill").exists(), "the volume of the group has it");
    assert!(site.path("stopped-FAILOVER").exists(), "its own stop was run");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    assert!(!site.path("copy").exists() && site.path("dropped").exists());
}

#[test]
fn a_program_that_ends_just_after_its_start_has_failed_though_nothing_asks_for_it() {
    let program = "run = [\"/bin/sh\", \"-c\", \"test $TSUGI_REASON = drill || \
                   exec sleep 100000; sleep 0.3; echo no licence; exit 3\"]";
    let site = on_an_image(COPY, program);
    let (code, told, err) = drill(&site, "c", &["--level", "isolate"]);
    assert_eq!(code, Some(1), "{told} {err}");
    let fault = &told["rehearsal"]["fault"];
    assert_eq!(fault["part"], "start", "{told}");
    let detail = fault["how"]["values"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("exit 3") && detail.contains("no licence"), "{fault}");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
}

/// Writes to its volume, whose top is nobody's; where it cannot it ends.
const WRITES: &str = "run = [\"/bin/sh\", \"-c\", \"touch HEREmnt/begun-$TSUGI_REASON && \
                      ls -ld HEREmnt > HEREtop-$TSUGI_REASON && echo ready && \
                      exec sleep 100000\"]\nready = \"ready\"";

/// A drill of a program that writes, on a copy that nobody can write to.
fn on_a_read_only_copy(copy: &str) {
    let site = on_an_image(copy, WRITES);
    // What is copied is the image, so it has to stand there.
    for words in [&["chown", "nobody"][..], &["sync", "--file-system"]] {
        let done = Command::new(words[0]).args(&words[1..]).arg(site.path("mnt")).status();
        assert!(done.expect("coreutils are there").success());
    }
    let (code, told, err) = drill(&site, "c", &["--level", "isolate"]);
    assert_eq!(code, Some(0), "{told} {err}\n{}", site.log("b"));
    let top = std::fs::read_to_string(site.path("top-drill")).expect("it was started there");
    assert!(top.contains(" nobody "), "{top}");
    assert!(!site.path("mnt/begun-drill").exists(), "the volume of the group has it");
    let copied = std::fs::read_to_string(site.path("written")).expect("the drop has looked");
    assert!(copied.contains("lost+found") && !copied.contains("begun-drill"), "{copied}");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    assert!(!site.path("copy").exists());
}

#[test]
fn a_program_writes_over_a_directory_that_only_can_be_read_and_none_of_it_stays() {
    on_a_read_only_copy(
        "copy = [\"/bin/sh\", \"-c\", \"cp HEREimage HEREcopy && mkdir -p HEREsnapshot && \
         mount -o loop HEREcopy HEREsnapshot && mount -o remount,ro HEREsnapshot && \
         echo HEREsnapshot\"]\n\
         drop = [\"/bin/sh\", \"-c\", \"! test -e HEREcopy || { ls HEREsnapshot > HEREwritten; \
         umount HEREsnapshot && rm -f HEREcopy; }\"]",
    );
}

#[test]
fn a_program_writes_over_a_device_that_only_can_be_read_and_none_of_it_stays() {
    on_a_read_only_copy(
        "copy = [\"/bin/sh\", \"-c\", \"cp HEREimage HEREcopy && \
         { /sbin/e2fsck -fy HEREcopy > HEREchecked 2>&1; test $? -le 1; } && \
         losetup --read-only --find --show HEREcopy\"]\n\
         drop = [\"/bin/sh\", \"-c\", \"! test -e HEREcopy || { \
         /sbin/debugfs -R ls HEREcopy > HEREwritten && \
         losetup --detach $(losetup --noheadings --output NAME --associated HEREcopy) && \
         rm -f HEREcopy; }\"]",
    );
}

/// A program that never gets ready in a drill, and says that it was begun.
const HANGS: &str = "run = [\"/bin/sh\", \"-c\", \"test $TSUGI_REASON = drill && touch HEREbegun \
                     && exec sleep 100000; echo ready; exec sleep 100000\"]\nready = \"ready\"";

#[test]
fn a_takeover_goes_first_and_does_not_wait_for_the_drill() {
    let mut site = on_an_image(COPY, HANGS);
    let begun = site.path("begun");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| drill(&site, "c", &["--level", "isolate"]));
        site.until("it has begun", |_| begun.exists());
        let (code, _, err) = drill(&site, "c", &["--level", "read"]);
        assert_eq!(code, Some(3), "a second one: {err}");
        assert!(err.contains("TSUG10592-E"), "{err}");
        // It is moved to where the drill is: as with a takeover, the node is to start it.
        site.tsugi("c", &["group", "move", "WORK", "b", "--reason", "now"]);
        let (code, told, err) = asked.join().expect("nobody panicked");
        assert_eq!(code, Some(1), "{told} {err}");
        assert_eq!(told["rehearsal"]["verdict"], "interrupted", "{told}");
    });
    site.until("it runs there", |site| {
        let (state, owner, _) = site.group("c");
        (state.as_str(), owner.as_str()) == ("running", "b")
    });
    site.until("nothing is left", |site| left(site, "b").is_empty());
    assert!(!site.path("copy").exists() && site.path("dropped").exists());
    site.stop("b");
}

#[test]
fn what_an_agent_leaves_that_dies_is_taken_away_by_the_next() {
    let site = on_an_image(COPY, HANGS);
    let begun = site.path("begun");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| drill(&site, "c", &["--level", "isolate"]));
        site.until("it has begun", |_| begun.exists());
        site.kill_agent("b");
        let (code, told, err) = asked.join().expect("nobody panicked");
        assert_eq!(code, Some(1), "{told} {err}");
        assert_eq!(told["rehearsal"]["verdict"], "interrupted", "{told}");
    });
    site.until("nothing is left", |site| left(site, "b").is_empty());
    assert!(!site.path("copy").exists() && site.path("dropped").exists());
    assert_eq!(site.group("a").0, "running");
}

#[test]
fn one_that_takes_too_long_ends_at_its_limit_and_nothing_is_left() {
    let site = on_an_image(COPY, HANGS);
    let (code, told, _) = drill(&site, "c", &["--level", "isolate", "--window", "2s"]);
    assert_eq!((code, &told["rehearsal"]["verdict"]), (Some(1), &"failed".into()), "{told}");
    assert_eq!(told["rehearsal"]["fault"]["how"]["id"], "rehearsal_fault_slow", "{told}");
    assert_eq!(left(&site, "b"), Vec::<String>::new());
    assert!(!site.path("copy").exists() && site.path("dropped").exists());
}
