//! Real monitors and their methods.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::site::Site;

/// Writes down what it was called for and, of a failure, what it was told.
const SCRIPT: &str = r#"#!/bin/sh
echo "$1 $TSUGI_FAILED_GROUP/$TSUGI_FAILED_RESOURCE/$TSUGI_FAILED_MONITOR" \
     "$TSUGI_FAILED_ACTION $TSUGI_FAILED_TIMES $TSUGI_FAILED_HOW" >> "$2/called"
case "$1" in
start) sleep 100000 > /dev/null 2>&1 & ;;
again) rm -f "$2/no-port" ;;
esac
true
"#;

fn script(site: &Site, name: &str, text: &str) -> PathBuf {
    let path = site.path(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

/// A monitor that says no while there is a file of this name.
fn monitor(site: &Site, name: &str, action: &str) -> String {
    let file = site.path(&format!("no-{name}"));
    let mail = site.path("script");
    let folder = site.path("");
    format!(
        "[[group.WORK.resource.monitor]]\nname = \"{name}\"\n\
         check = [\"/usr/bin/test\", \"!\", \"-e\", {file:?}]\nevery = \"100ms\"\n\
         failures = 2\naction = \"{action}\"\nnotify = [{mail:?}, \"notify\", {folder:?}]\n"
    )
}

fn called(site: &Site) -> String {
    fs::read_to_string(site.path("called")).unwrap_or_default()
}

/// Three nodes that run a group whose scripts have two monitors and every method.
fn monitored() -> Site {
    let site = Site::new();
    let script = script(&site, "script", SCRIPT);
    let folder = site.path("");
    let run = |word: &str| format!("[{script:?}, \"{word}\", {folder:?}]");
    let (start, again, clean) = (run("start"), run("again"), run("clean"));
    let (port, page) = (monitor(&site, "port", "fallover"), monitor(&site, "page", "notify"));
    let text = format!(
        "[[group.WORK.resource]]\nname = \"ap\"\nkind = \"process\"\nstart = {start}\n\
         stop = [\"/bin/true\"]\nrestart = {again}\ncleanup = {clean}\n{port}{page}"
    );
    let file = site.configure_group(&["a", "b", "c"], &text);
    let site = site.found(&file);
    site.until("both are asked and well", |site| {
        is(site, "port", "normal") && is(site, "page", "normal")
    });
    site
}

/// Whether the metrics of the owner show a monitor in this state.
fn is(site: &Site, monitor: &str, state: &str) -> bool {
    let labels = format!("node=\"a\",group=\"WORK\",monitor=\"ap/{monitor}\"");
    let line = format!("tsugi_monitor_state{{{labels},state=\"{state}\"}} 1");
    site.tsugi("a", &["metrics"]).contains(&line)
}

#[test]
fn ph_14_one_that_only_tells_leaves_the_group_and_one_that_counts_has_it_restarted() {
    let site = monitored();
    let epoch = site.group("b").2;
    let said = |site: &Site, id: &str| site.log("a").contains(id);

    // One that only tells: message, metric, method; the group is not whole and goes on.
    fs::write(site.path("no-page"), "").expect("a file");
    site.until("it is told", |site| said(site, "TSUG10226-W"));
    site.until("its method is told", |site| {
        called(site).contains("notify WORK/ap/page notify 2 exit 1")
    });
    site.until("every node knows", |site| {
        site.needs("c").iter().any(|id| id.contains("TSUG10229"))
    });
    assert!(is(&site, "page", "error") && is(&site, "port", "normal"));
    assert_eq!(site.group("b"), ("running".to_owned(), "a".to_owned(), epoch));
    fs::remove_file(site.path("no-page")).expect("it is there");
    site.until("it is well again", |site| said(site, "TSUG10227-I"));
    site.until("nothing is needed for it", |site| {
        !site.needs("c").iter().any(|id| id.contains("TSUG10229"))
    });

    // One that counts: the restart method, after the cleanup; the group stays what it is.
    assert!(!called(&site).contains("clean"), "nothing unclean has happened yet");
    fs::write(site.path("no-port"), "").expect("a file");
    site.until("it is restarted by its method", |site| called(site).contains("again"));
    let text = called(&site);
    let place = |word: &str| text.find(word).expect(word);
    assert!(place("clean") < place("again"), "{text}");
    assert!(text.contains("notify WORK/ap/port fallover 2"), "{text}");
    assert_eq!(text.matches("start ").count(), 1, "it was not started anew: {text}");
    site.until("it runs on", |site| site.group("b").0 == "running");
    assert_eq!(site.group("b").2, epoch);
}

#[test]
fn ph_14_a_suspended_monitor_leads_to_nothing_and_the_other_goes_on() {
    let site = monitored();
    let words = ["monitor", "suspend", "WORK/ap/port", "--for", "1h"];
    let (code, _, err) = site.ask("b", &words);
    assert_ne!(code, Some(0), "without a reason it is refused: {err}");
    site.tsugi("b", &[&words[..], &["--reason", "a new release"]].concat());
    site.until("the owner knows", |site| is(site, "port", "suspended"));
    let calls = called(&site);
    fs::write(site.path("no-port"), "").expect("a file");
    fs::write(site.path("no-page"), "").expect("a file");
    site.until("the other one is asked", |site| called(site).matches("ap/page").count() > 1);
    assert_eq!(called(&site).matches("again").count(), calls.matches("again").count());
    let notes = site.status("c")["notes"].to_string();
    assert!(notes.contains("a new release") && notes.contains("ap/port"), "{notes}");
    let audit = site.tsugi("b", &["audit", "list"]);
    assert!(audit.contains("monitor suspend WORK/ap/port"), "{audit}");
    fs::remove_file(site.path("no-page")).expect("it is there");
    site.tsugi("b", &["monitor", "resume", "WORK/ap/port", "--reason", "it is in"]);
    site.until("it counts again", |site| {
        called(site).matches("again").count() > calls.matches("again").count()
    });
    let (code, _, err) = site.ask("b", &["monitor", "resume", "WORK/ap/prot"]);
    assert!(code != Some(0) && err.contains("WORK/ap/port"), "{err}");
}
