//! Drills: there and back while callers call, at the stop line, and where who
//! leads is lost meanwhile.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::site::Site;

/// The counter at its address, with a volume that every node of the site reaches.
fn counting() -> Site {
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
         after = [\"address\"]\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    site.found(&file)
}

/// Calls for numbers until its standard output is closed.
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
    let reason = ["--reason", "quarterly"];
    let (code, out, err) = site.ask(by, &[&first[..], words, &reason].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

#[test]
fn a_drill_goes_there_and_back_under_load_and_no_call_is_lost() {
    let site = counting();
    let calls = caller(&site);
    let (code, told, err) = drill(&site, "a", &["--level", "move", "--window", "3s"]);
    assert_eq!(code, Some(0), "{told} {err}");
    assert_eq!(told["newest"]["verdict"], "proven", "{told}");
    let ways = told["newest"]["ways"].as_array().expect("ways");
    let ends = |way: &Value| (way["from"].clone(), way["to"].clone());
    let there_and_back = [("a".into(), "b".into()), ("b".into(), "a".into())];
    assert_eq!(ways.iter().map(ends).collect::<Vec<_>>(), there_and_back);
    for way in ways {
        let started: Vec<&str> = way["start"]
            .as_array()
            .expect("phases")
            .iter()
            .filter_map(|p| p["resource"].as_str())
            .collect();
        assert_eq!(started, ["volume", "address", "counter"], "{way}");
        assert!(way["gap_ms"].as_u64() >= way["start_ms"].as_u64(), "{way}");
    }
    assert_eq!(told["proven"].as_array().map(Vec::len), Some(2), "{told}");
    let (state, owner, _) = site.group("b");
    assert_eq!((state.as_str(), owner.as_str()), ("running", "a"));

    let output = calls.wait_with_output().expect("it was a child");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!((&summary["lost"], &summary["doubled"]), (&0.into(), &0.into()), "{summary}");
    assert!(summary["calls"].as_u64() > Some(50), "{summary}");

    let page = std::fs::read_to_string(told["report"].as_str().expect("a report")).expect("a page");
    assert!(page.contains("<svg") && page.contains("stop of counter"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let status = site.status("c");
    assert_eq!(status["groups"][0]["proven"].as_array().map(Vec::len), Some(2), "{status}");
    let (_, foretold, _) = site.ask("c", &["whatif", "move", "WORK", "b"]);
    assert!(foretold.contains("proven by a drill"), "{foretold}");
    let history = site.tsugi("b", &["history", "WORK"]);
    assert!(history.contains("proven by a drill"), "{history}");
}

#[test]
fn at_the_stop_line_a_drill_goes_back_by_itself() {
    let site = Site::founded();
    let words = ["--level", "move", "--window", "60s", "--gap", "1ms"];
    let (code, told, err) = drill(&site, "b", &words);
    assert_eq!(code, Some(1), "{told} {err}");
    assert_eq!(told["newest"]["verdict"], "beyond-line", "{told}");
    assert_eq!(told["proven"].as_array().map(Vec::len), Some(0), "{told}");
    let (state, owner, _) = site.group("b");
    assert_eq!((state.as_str(), owner.as_str()), ("running", "a"), "long before its window ends");

    let (code, told, _) = drill(&site, "c", &["--level", "check"]);
    assert_eq!(told["outlook"]["groups"].as_array().map(Vec::len), Some(1), "{told}");
    assert!(code == Some(0) || code == Some(10), "{told}");
    assert_eq!(site.group("b").1, "a", "a check touches nothing");
}

#[test]
fn a_start_that_hangs_is_cut_short_at_the_stop_line_long_before_its_own_limit() {
    let site = Site::new();
    let (once, twice) = (site.path("once"), site.path("twice"));
    // Its second start never gets ready; its limit is far beyond what anybody waits for here.
    let script = format!(
        "if mkdir {} || ! mkdir {}; then echo ready; fi; exec sleep 100000",
        once.display(),
        twice.display()
    );
    let group = format!(
        "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
         run = [\"/bin/sh\", \"-c\", \"{script}\"]\nready = \"ready\"\n\
         start_limit = \"10m\"\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    let site = site.found(&file);
    let words = ["--level", "move", "--window", "5s", "--gap", "2s"];
    let (code, told, err) = drill(&site, "c", &words);
    assert_eq!(code, Some(1), "{told} {err}");
    assert_eq!(told["newest"]["verdict"], "beyond-line", "{told}");
    let (state, owner, _) = site.group("b");
    assert_eq!((state.as_str(), owner.as_str()), ("running", "a"));
    let there = &told["newest"]["ways"][0];
    assert!(there["gap_ms"].as_u64() >= Some(2000), "{there}");
    assert!(twice.exists(), "it was begun on b");
}

#[test]
fn who_leads_next_carries_a_drill_on_and_whoever_waited_need_not() {
    let site = Site::founded();
    let leader = site.leader("a");
    let words = ["--level", "move", "--window", "8s"];
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| drill(&site, "a", &words));
        site.until("it is there", |site| {
            site.group("c").1 == "b" && site.group("c").0 == "running"
        });
        site.kill_agent(&leader);
        let (code, told, err) = asked.join().expect("nobody panicked");
        // Where it runs its owner may be taken for lost first.
        let verdict = told["newest"]["verdict"].as_str().unwrap_or_default();
        let taken_over = leader == "b" && verdict == "interrupted";
        assert!(verdict == "proven" || taken_over, "{code:?} {told} {err}");
    });
    site.until("it runs at home", |site| {
        let (state, owner, _) = site.group("b");
        (state.as_str(), owner.as_str()) == ("running", "a")
    });
    let last = site.tsugi(
        "b",
        &["drill", "WORK", "--last", "--report", site.path("r").to_str().expect("plain")],
    );
    assert!(last.contains("report:"), "{last}");
}
