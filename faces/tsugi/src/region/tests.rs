//! Regions as one node shows them, and what the monitor of one finds.

use super::*;

use std::net::SocketAddr;

fn group(state: &str, owner: Option<&str>) -> Group {
    Group {
        name: "ESSRV01".to_owned(),
        state: state.to_owned(),
        paused: false,
        owner: owner.map(str::to_owned),
        epoch: "e1.4".to_owned(),
        cause: None,
        cause_data: None,
        lease_ms: None,
        prefer: vec!["host1".to_owned(), "host2".to_owned()],
        proven: Vec::new(),
    }
}

const CONFIG: &str = r#"
[cluster]
name = "report"
[node.host1]
address = "10.0.1.1"
[node.host2]
address = "10.0.2.1"
[witness]
address = "10.0.3.1"
[group.ESSRV01]
prefer = ["host1", "host2"]
[[group.ESSRV01.resource]]
name = "disk"
kind = "volume"
mount = "/u01"
[[group.ESSRV01.resource]]
name = "srv"
kind = "process"
run = ["/usr/bin/tsugi", "serve", "--volume", "/u01", "--listen", "10.0.0.1:9003"]
[[group.ESSRV01.resource]]
name = "page"
kind = "process"
run = ["/opt/page", "--bind=10.0.0.1:80"]
[group.ESSRV02]
prefer = ["host2", "host1"]
[[group.ESSRV02.resource]]
name = "srv"
kind = "process"
run = ["/usr/bin/tsugi", "serve", "activate", "--control", "/run/es02", "--volume", "/u02"]
[group.STANDBY]
mode = "parallel"
[[group.STANDBY.resource]]
name = "srv"
kind = "process"
run = ["/usr/bin/tsugi", "serve", "standby", "--control", "/run/es02",
       "--listener", "Batch", "--listen", "10.0.0.2:9003"]
"#;

fn configured(name: &str, node: &str) -> Vec<Configured> {
    let spec = config::read(CONFIG).expect("it is right").spec;
    listener::of(&spec, &spec.groups[&name.parse().expect("a name")], node)
}

fn served(open: bool) -> Heard {
    let service = Service { name: "CBLAPP01".into(), package: "srv01".into(), open };
    Heard::Services(vec![service])
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn seen(group: &Group, here: &str, heard: &[SocketAddr], says: Heard) -> Region {
    region((group, here), &configured("ESSRV01", here), (heard, || says))
}

#[test]
fn mf_01_a_region_has_a_state_its_listeners_and_what_its_daemon_serves() {
    let heard = [at("10.0.0.1:9003")];
    let running = group("running", Some("host1"));
    let well = seen(&running, "host1", &heard, served(true));
    assert_eq!(well.state, State::Started);
    assert_eq!(well.runs_on.as_deref(), Some("host1"));
    let listeners: Vec<_> = well.listeners.iter().map(|l| (&*l.name, l.listens)).collect();
    assert_eq!(listeners, [("Web Services", true), ("page", false)]);
    assert!(well.services[0].open && well.services[0].package == "srv01");
    assert!(!seen(&running, "host1", &heard, served(false)).services[0].open);
    for (state, stands) in [
        ("starting", State::Starting),
        ("stopping", State::Stopping),
        ("stopped", State::Stopped),
        ("given-up", State::Stopped),
        ("failed", State::NotResponding),
        ("something later", State::NotResponding),
    ] {
        let group = group(state, Some("host1"));
        let ask = || -> Heard { panic!("a daemon is asked only where it is to run") };
        let region = region((&group, "host1"), &configured("ESSRV01", "host1"), (&heard, ask));
        assert_eq!(region.state, stands, "{state}");
    }
}

#[test]
fn mf_01_a_region_whose_daemon_does_not_answer_is_not_responding_and_one_not_asked_is_believed() {
    let (running, heard) = (group("running", Some("host1")), [at("10.0.0.1:9003")]);
    let silent = seen(&running, "host1", &heard, Heard::Nothing);
    assert_eq!(silent.state, State::NotResponding);
    let unasked = seen(&running, "host1", &heard, Heard::NotAsked);
    assert_eq!((unasked.state, unasked.services), (State::Started, Vec::new()));
}

#[test]
fn mf_02_the_standby_shows_a_region_as_stopped_until_it_has_it_and_as_started_then() {
    // What stands by is bound already.
    let heard = [at("10.0.0.1:9003")];
    let (before, after) = (group("running", Some("host1")), group("running", Some("host2")));
    let stopped = seen(&before, "host2", &heard, served(true));
    assert_eq!((stopped.state, stopped.runs_on.as_deref()), (State::Stopped, Some("host1")));
    assert!(stopped.services.is_empty() && stopped.listeners.iter().all(|l| !l.listens));
    assert_eq!(seen(&after, "host2", &heard, served(true)).state, State::Started);
    assert_eq!(seen(&after, "host1", &heard, served(true)).state, State::Stopped);
    let lost = seen(&group("down", None), "host2", &heard, served(true));
    assert_eq!((lost.state, lost.runs_on), (State::Stopped, None));
}

#[test]
fn the_listener_of_a_region_that_is_handed_over_is_that_of_what_stands_by_on_the_node() {
    let found = configured("ESSRV02", "host1");
    let seen: Vec<_> = found.iter().map(|one| one.seen(true, &[])).collect();
    assert_eq!(seen.len(), 1);
    assert_eq!((&*seen[0].name, seen[0].address), ("Batch", at("10.0.0.2:9003")));
    assert!(configured("ESSRV02", "host9").is_empty());
}

fn directory(region: Region) -> Directory {
    Directory { node: "host1".into(), cluster: Some("report".into()), regions: vec![region] }
}

#[test]
fn mf_05_a_directory_that_is_down_a_listener_that_stopped_and_one_that_is_missing_are_told_apart() {
    use monitor::{Found, look};
    let running = group("running", Some("host1"));
    let both = [at("10.0.0.1:9003"), at("10.0.0.1:80")];
    let well = directory(seen(&running, "host1", &both, served(true)));
    let usual = [listener::USUAL.to_owned()];
    assert_eq!(look(Ok::<_, ()>(&well), "ESSRV01", &[]), Found::Well);
    assert_eq!(look(Err(()), "ESSRV01", &usual), Found::DirectoryDown);
    assert_eq!(look(Ok::<_, ()>(&well), "ESSRV010", &usual), Found::NoRegion);
    let other = ["Web".to_owned()];
    assert_eq!(look(Ok::<_, ()>(&well), "ESSRV01", &other), Found::ListenerMissing("Web".into()));

    let half = directory(seen(&running, "host1", &both[..1], served(true)));
    assert_eq!(look(Ok::<_, ()>(&half), "ESSRV01", &usual), Found::Well);
    let stopped = Found::ListenerStopped("page".to_owned(), both[1]);
    assert_eq!(look(Ok::<_, ()>(&half), "ESSRV01", &[]), stopped);

    let mut without = well;
    without.regions[0].listeners.clear();
    let missing = Found::ListenerMissing(usual[0].clone());
    assert_eq!(look(Ok::<_, ()>(&without), "ESSRV01", &[]), missing, "having none is no well");
}
