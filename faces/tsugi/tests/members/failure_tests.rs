//! Plans of failure tests on real nodes (PH-17).

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::site::Site;

const SLEEPER: &str = "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
                       run = [\"/bin/sleep\", \"100000\"]\n";

/// Three nodes with a group, of a cluster in which nobody works.
fn for_tests(group: &str) -> Site {
    let site = Site::new();
    let file = site.configure_group(&["a", "b", "c"], group);
    let text = std::fs::read_to_string(&file).expect("it was written");
    let text = text.replacen("[cluster]\n", "[cluster]\nenvironment = \"test\"\n", 1);
    std::fs::write(&file, text).expect("a file");
    site.found(&file)
}

fn tests(site: &Site, by: &str, words: &[&str]) -> (Option<i32>, Value, String) {
    let report = site.path("reports");
    let first = ["drill", "--json", "--reason", "acceptance", "--report"];
    let all = [&first[..], &[report.to_str().expect("plain")], words].concat();
    let (code, out, err) = site.ask(by, &all);
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

fn plan(site: &Site, text: &str) -> PathBuf {
    let file = site.path("plan");
    std::fs::write(&file, text).expect("a file");
    file
}

fn results(told: &Value) -> Vec<(&str, &str)> {
    let all = told["tests"].as_array().expect("tests").iter();
    all.map(|test| {
        (test["test"].as_str().unwrap_or_default(), test["result"].as_str().unwrap_or_default())
    })
    .collect()
}

#[test]
fn ph_17_the_automated_order_is_run_on_real_nodes_and_leaves_all_as_it_was() {
    let site = for_tests(SLEEPER);
    let (code, told, err) = tests(&site, "b", &["--all"]);
    assert_eq!(code, Some(0), "{told:#} {err}\n{}", site.log("a"));
    assert_eq!(
        results(&told),
        [
            ("node-drain", "passed"),
            ("group-stop", "passed"),
            ("group-move", "passed"),
            ("process-kill", "passed"),
            ("agent-kill", "passed"),
            ("agent-kill", "passed"),
            ("agent-kill", "passed"),
        ]
    );
    for test in told["tests"].as_array().expect("tests") {
        assert!(test["took_ms"].as_u64().is_some() && test["command"].is_string(), "{test}");
    }
    assert!(told["tests"][0]["out_of_service_ms"]["WORK"].as_u64().is_some(), "{told:#}");
    // The agent of c has come back a moment ago, and may not have read all of the ledger.
    site.until("c knows it at home", |site| {
        let (state, owner, _) = site.group("c");
        (state.as_str(), owner.as_str()) == ("running", "a")
    });
    let page = std::fs::read_to_string(told["report"].as_str().expect("a report")).expect("a page");
    assert!(page.contains("process-kill") && page.contains("acceptance"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let audit = site.tsugi("c", &["audit", "list", "--json"]);
    assert!(audit.contains("failure test agent-kill: end by itself"), "{audit}");
    site.tsugi("c", &["audit", "verify"]);
    let status = site.status("c");
    let intents = status["nodes"].as_array().expect("nodes").iter().map(|n| n["intent"].as_str());
    assert!(intents.into_iter().all(|intent| intent == Some("in-service")), "{status}");
}

#[test]
fn ph_17_a_cluster_that_does_not_say_that_it_is_for_tests_refuses_and_no_option_helps() {
    let site = Site::founded();
    let before = site.group("a");
    let file = plan(&site, "NODE_DOWN_TAKEOVER, a, lose it\n");
    let file = file.to_str().expect("plain");
    for words in [&["--all"][..], &["--plan", file], &["--all", "--dry-run"]] {
        let (code, told, err) = tests(&site, "a", words);
        assert_eq!(code, Some(3), "{words:?}: {told} {err}");
        assert!(err.contains("TSUG10562-E") && told["rule"] == 37, "{told} {err}");
    }
    assert_eq!(site.group("a"), before, "nothing was touched");
    let config = site.path("tsugi.toml");
    let config = config.to_str().expect("plain");
    site.tsugi("a", &["config", "set", "cluster.environment", "test", "--file", config]);
    site.tsugi("a", &["apply", config]);
    let (code, told, err) = tests(&site, "a", &["--plan", file, "--dry-run"]);
    assert_eq!(code, Some(0), "{told} {err}");
    assert_eq!(results(&told), [("NODE_DOWN_TAKEOVER", "not-run")]);
    assert_eq!(site.group("a"), before, "a dry run touches nothing");
    site.tsugi("a", &["config", "set", "cluster.environment", "production", "--file", config]);
    site.tsugi("a", &["apply", config]);
    let (code, _, err) = tests(&site, "a", &["--plan", file]);
    assert!(code == Some(3) && err.contains("TSUG10562-E"), "{err}");
}

#[test]
fn ph_17_a_plan_of_the_cluster_test_tool_is_run_in_its_order_with_its_variables() {
    let site = for_tests(SLEEPER);
    let file = plan(
        &site,
        "# as we had it\nNODE_UP, ALL, all up\nRG_MOVE, rg1, ANY, away and home\n\
         RG_MOVE, rg1, RESTORE\nSERVER_DOWN, ANY, app1, /opt/stop, recover\nWAIT, 1\n\
         RG_OFFLINE, rg1, ANY\nRG_ONLINE, rg1, home1\n",
    );
    let variables = site.path("variables");
    std::fs::write(&variables, "rg1=WORK\napp1=WORK/sleeper\nhome1 = a\n").expect("a file");
    let words = ["--plan", file.to_str().expect("plain"), "--variables"];
    let words = [&words[..], &[variables.to_str().expect("plain")]].concat();
    let (code, told, err) = tests(&site, "c", &words);
    assert_eq!(code, Some(0), "{told:#} {err}\n{}", site.log("a"));
    let names = ["NODE_UP", "RG_MOVE", "RG_MOVE", "SERVER_DOWN", "WAIT", "RG_OFFLINE", "RG_ONLINE"];
    assert_eq!(results(&told), names.map(|name| (name, "passed")));
    let history = site.tsugi("c", &["history", "WORK", "--json"]);
    assert!(history.contains("sleeper"), "that its program died stands there: {history}");

    let (code, _, err) = tests(&site, "c", &words[..2]);
    assert_eq!(code, Some(2), "without its variables: {err}");
    assert!(err.contains("plan:3:") && err.contains("plan:8:"), "{err}");
}

#[test]
fn ph_17_at_the_first_failure_it_stops_and_says_so_and_all_is_put_right() {
    let site = for_tests(SLEEPER);
    let file = plan(
        &site,
        "[[test]]\ndo = \"group-move\"\ngroup = \"WORK\"\nto = \"b\"\nwithin = \"1ms\"\n\n\
         [[test]]\ndo = \"agent-kill\"\nnode = \"b\"\n",
    );
    let file = file.to_str().expect("plain");
    let (code, told, err) = tests(&site, "a", &["--plan", file]);
    assert_eq!(code, Some(1), "{told:#} {err}");
    assert_eq!(results(&told), [("group-move", "failed"), ("agent-kill", "not-run")]);
    assert!(err.contains("TSUG10173-E"), "{err}");
    site.until("it is home", |site| {
        let (state, owner, _) = site.group("a");
        (state.as_str(), owner.as_str()) == ("running", "a")
    });
    let wrong = plan(&site, "[[test]]\ndo = \"agent-kill\"\nnode = \"z\"\n");
    let (code, _, err) = tests(&site, "a", &["--plan", wrong.to_str().expect("plain")]);
    assert!(code == Some(2) && err.contains("plan:1:"), "{err}");
}

#[test]
fn ph_17_who_runs_the_plan_and_who_leads_may_die_and_the_group_runs_again() {
    let mut site = for_tests(SLEEPER);
    let file = plan(&site, "RG_OFFLINE, WORK, ANY\nRG_OFFLINE, WORK, ANY\n");
    let leader = site.leader("a");
    let mut tool = Command::new(env!("CARGO_BIN_EXE_tsugi"))
        .args(["drill", "--reason", "acceptance", "--plan"])
        .arg(&file)
        .env_clear()
        .env("TSUGI_RUN_DIR", site.path(&leader).join("run"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary was built");
    let before = site.group("a").2;
    let looks = if leader == "a" { "b" } else { "a" };
    site.until("the group is being stopped", |site| {
        let (state, _, epoch) = site.group(looks);
        state != "running" || epoch > before
    });
    tool.kill().expect("it was a child");
    tool.wait().expect("it was a child");
    site.cut_power(&leader);
    site.until("the group runs again", |site| {
        let (state, _, epoch) = site.group(looks);
        state == "running" && epoch > before
    });
    let is_over = |site: &Site| {
        let (_, out, _) = site.ask(looks, &["audit", "list", "--json"]);
        out.contains("failure test group-stop: end by itself")
    };
    site.until("the test is over", is_over);
}
