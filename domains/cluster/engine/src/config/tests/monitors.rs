//! Several monitors of a resource, and the methods that go with them.

use tsugi_cluster_rules::monitors::{NotifyMethod, OnFailure};

use super::*;

const MONITORED: &str = r#"
[group.AP]
[[group.AP.resource]]
name = "ap"
kind = "process"
start = ["/opt/start"]
stop = ["/opt/stop"]
restart = ["/opt/again"]
cleanup = ["/opt/clean", "-f"]
[[group.AP.resource.monitor]]
name = "port"
check = { tcp = "127.0.0.1:80" }
every = "1s"
[[group.AP.resource.monitor]]
name = "page"
check = ["/opt/ok"]
failures = 3
delay = "30s"
action = "notify"
notify = ["/opt/mail", "oncall"]
notify_limit = "3s"
"#;

#[test]
fn ph_14_a_resource_has_several_monitors_each_with_its_own_rhythm_action_and_methods() {
    let spec = spec(&format!("{WHOLE}{MONITORED}"));
    let ap = &spec.groups[&group("AP")].resources[0];
    let ResourceKind::Process { monitors, cleanup, .. } = &ap.kind else { panic!("{ap:?}") };
    let [port, page] = &monitors[..] else { panic!("{monitors:?}") };
    assert_eq!(ap.restart(), Some(&["/opt/again".to_owned()][..]));
    assert_eq!(cleanup.as_deref(), Some(&["/opt/clean".to_owned(), "-f".to_owned()][..]));
    assert_eq!((port.every, port.failures, port.action), (Span::secs(1), 1, OnFailure::Fallover));
    assert_eq!((page.every, page.failures, page.action), (Span::secs(5), 3, OnFailure::Notify));
    assert_eq!((port.delay, page.delay), (None, Some(Span::secs(30))));
    let run = vec!["/opt/mail".to_owned(), "oncall".to_owned()];
    assert_eq!(page.notify, Some(NotifyMethod { run, limit: Span::secs(3) }));
    let names: Vec<String> = ap.monitors().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ap/port", "ap/page"]);
}

#[test]
fn ph_14_the_short_form_of_one_monitor_takes_the_same_settings() {
    let with = |line: &str| {
        let old = "monitor = [\"/opt/batch/ok\"]";
        assert!(WHOLE.contains(old), "the scene has one");
        WHOLE.replacen(old, &format!("{old}\n{line}"), 1)
    };
    let spec = spec(&with("action = \"notify\"\nnotify = [\"/opt/mail\"]"));
    let batch = &spec.groups[&group("BATCH")].resources[0];
    let monitor = batch.monitor(None).expect("it has one, without a name");
    assert_eq!(monitor.action, OnFailure::Notify);
    let run = vec!["/opt/mail".to_owned()];
    assert_eq!(monitor.notify, Some(NotifyMethod { run, limit: Span::secs(10) }));
    let problems = refused(&with("notify_limit = \"3s\""), Language::En);
    assert!(problems.contains("notify_limit"), "{problems}");
}

#[test]
fn ph_14_what_is_wrong_with_a_list_of_monitors_is_told_with_what_to_write() {
    let whole = format!("{WHOLE}{MONITORED}");
    for (old, new, said) in [
        ("name = \"page\"", "name = \"port\"", "port"),
        ("name = \"page\"\n", "", "name = \"port\""),
        ("check = [\"/opt/ok\"]\n", "", "check = [\"/opt/pay/bin/ok\"]"),
        ("action = \"notify\"", "action = \"mail\"", "\"fallover\", \"notify\""),
        ("delay = \"30s\"", "delya = \"30s\"", "\"delay\""),
        ("restart = [\"/opt/again\"]", "restart = [\"again\"]", "[\"/…/again\"]"),
        (
            "stop = [\"/opt/stop\"]\nrestart",
            "stop = [\"/opt/stop\"]\nevery = \"1s\"\nrestart",
            "every",
        ),
    ] {
        assert!(whole.contains(old), "{old}");
        let problems = refused(&whole.replacen(old, new, 1), Language::En);
        assert!(problems.contains(said), "{new}: {problems}");
    }
}
