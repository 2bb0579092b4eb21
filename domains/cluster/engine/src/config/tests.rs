//! What the reader accepts, what it refuses, and how it says so in both languages.

use tsugi_cluster_rules::figures::{Measure, PreferBy, ScoreScript};
use tsugi_cluster_rules::ocf::Undo;
use tsugi_cluster_rules::spec::{
    Check, Environment, Failback, FencePolicy, LedgerPlace, Mode, OnRecover, ProcessHow,
    ResourceKind, Role, Startup, Takeover, VolumeCheck, VolumeSource,
};
use tsugi_cluster_rules::timing::Profile;
use tsugi_cluster_rules::volume::Retries;
use tsugi_messages::Language;
use tsugi_vocabulary::{GroupName, NodeName, ResourceName, Span};

use super::*;

const WHOLE: &str = r#"# Two nodes and a witness.
[cluster]
name = "kessai"
timing = "fast"
language = "ja"

[node.node1]
address = ["10.0.1.1", "10.0.2.1:7500"]
[node.node2]
address = "10.0.1.2"
[witness]
address = "10.0.9.9:7400"

[group.PAY]
prefer = ["node1", "node2"]
startup = "manual"
failback = "never"
restarts = 1
within = "10m"
stop_budget = "80ms"
fence = "self"
apart = ["BATCH"]

[[group.PAY.resource]]
name = "disk"
kind = "volume"
source = "/dev/vg1/pay"
mount = "/data/pay"
[[group.PAY.resource]]
name = "vip"
kind = "address"
address = "10.0.0.1/24"
on = ["eth0", "eth1"]
[[group.PAY.resource]]
name = "server"
kind = "process"
after = ["disk", "vip"]
run = ["/opt/pay/bin/server", "--port", "9003"]
ready = "ready"
environment = { LANG = "C" }
user = "pay"
stop_limit = "3s"

[group.BATCH]
[[group.BATCH.resource]]
name = "job"
kind = "process"
start = ["/opt/batch/start"]
stop = ["/opt/batch/stop"]
monitor = ["/opt/batch/ok"]
every = "2s"
failures = 2

[group.WEB]
mode = "parallel"
[[group.WEB.resource]]
name = "httpd"
kind = "process"
run = ["/usr/sbin/httpd"]
"#;

fn spec(text: &str) -> ClusterSpec {
    match read(text) {
        Ok(resolved) => resolved.spec,
        Err(problems) => panic!("{}", shown(&problems, text, Language::En)),
    }
}

fn shown(problems: &[Problem], text: &str, language: Language) -> String {
    problems.iter().map(|p| p.show("tsugi.toml", text, language)).collect()
}

/// What the reader says about a text that it refuses.
fn refused(text: &str, language: Language) -> String {
    let problems = read(text).expect_err("the text is wrong");
    shown(&problems, text, language)
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

#[test]
fn a_whole_file_is_read_with_every_key() {
    let spec = spec(WHOLE);
    assert_eq!((spec.name.as_str(), spec.timing), ("kessai", Profile::Fast));
    assert_eq!(spec.language.as_deref(), Some("ja"));
    assert_eq!(spec.nodes[&node("node1")].addresses[1], "10.0.2.1:7500".parse().unwrap());
    assert_eq!(spec.nodes[&node("node2")].addresses, ["10.0.1.2:7400".parse().unwrap()]);
    assert_eq!(spec.nodes[&node("witness")].role, Role::Witness);
    let pay = &spec.groups[&group("PAY")];
    assert_eq!((pay.startup, pay.failback), (Startup::Manual, Failback::Never));
    assert_eq!((pay.failure.restarts, pay.failure.within), (1, Span::secs(600)));
    assert_eq!((pay.stop_budget, pay.fence), (Some(Span::millis(80)), FencePolicy::SelfFence));
    let order: Vec<&str> = pay.start_order().iter().map(|r| r.name.as_str()).collect();
    assert_eq!(order, ["disk", "vip", "server"]);
    assert!(matches!(&pay.resources[0].kind,
        ResourceKind::Volume { source: VolumeSource::Block(s), .. } if s == "/dev/vg1/pay"));
    let ResourceKind::Process { how, monitors, .. } =
        &spec.groups[&group("BATCH")].resources[0].kind
    else {
        panic!("a process")
    };
    assert!(matches!(how, ProcessHow::Scripts { .. }));
    assert_eq!(monitors.first().map(|m| (m.every, m.failures)), Some((Span::secs(2), 2)));
}

#[test]
fn cl_06_a_start_script_is_run_at_a_return_only_where_the_file_says_so() {
    let with = |line: &str| {
        WHOLE.replace(
            "stop = [\"/opt/batch/stop\"]",
            &format!("stop = [\"/opt/batch/stop\"]\n{line}"),
        )
    };
    let read = |text: &str| spec(text).groups[&group("BATCH")].resources[0].kind.on_recover();
    assert_eq!(read(WHOLE), OnRecover::Skip);
    assert_eq!(read(&with("on_recover = \"skip\"")), OnRecover::Skip);
    assert_eq!(read(&with("on_recover = \"run\"")), OnRecover::Run);
    let program = WHOLE.replace("ready = \"ready\"", "on_recover = \"run\"");
    let problems = refused(&program, Language::En);
    assert!(problems.contains("on_recover"), "a program has no start script: {problems}");
}

#[test]
fn a_volume_says_when_its_file_system_is_checked() {
    let with = |line: &str| {
        WHOLE.replace("mount = \"/data/pay\"", &format!("mount = \"/data/pay\"\n{line}"))
    };
    let check = |text: &str| match &spec(text).groups[&group("PAY")].resources[0].kind {
        ResourceKind::Volume { check, .. } => *check,
        other => panic!("a volume: {other:?}"),
    };
    assert_eq!(check(WHOLE), VolumeCheck::Failed);
    assert_eq!(check(&with("check = \"always\"")), VolumeCheck::Always);
    assert_eq!(check(&with("check = \"never\"")), VolumeCheck::Never);
}

#[test]
fn a_volume_says_which_resource_of_drbd_it_is() {
    let with = |line: &str| {
        WHOLE.replace("mount = \"/data/pay\"", &format!("mount = \"/data/pay\"\n{line}"))
    };
    let name = |text: &str| match &spec(text).groups[&group("PAY")].resources[0].kind {
        ResourceKind::Volume { drbd, .. } => drbd.clone(),
        other => panic!("a volume: {other:?}"),
    };
    assert_eq!(name(WHOLE), None);
    assert_eq!(name(&with("drbd = \"pay-1.data\"")).as_deref(), Some("pay-1.data"));
    // Neither what drbdadm takes for an option or for all, nor what it never takes.
    for wrong in ["--force", "all", "", "r0 r1", "r0/0", "../r0"] {
        let problems = refused(&with(&format!("drbd = \"{wrong}\"")), Language::En);
        assert!(problems.contains("\"r0\""), "{wrong}: {problems}");
    }
    let unmounted = with("drbd = \"r0\"").replace("source = \"/dev/vg1/pay\"\n", "");
    let problems = refused(&unmounted, Language::En);
    assert!(problems.contains("drbd") && problems.contains("source"), "{problems}");
}

#[test]
fn cl_19_the_limits_of_a_volume_have_their_defaults_and_each_can_be_set() {
    let with = |lines: &str| {
        WHOLE.replace("mount = \"/data/pay\"", &format!("mount = \"/data/pay\"\n{lines}"))
    };
    let volume = |text: &str| {
        let resource = spec(text).groups[&group("PAY")].resources[0].clone();
        let ResourceKind::Volume { retries, .. } = resource.kind else { panic!("a volume") };
        (resource.start_limit, resource.stop_limit, retries)
    };
    let seconds = Span::secs;
    let usual = Retries { mount: 3, release: 3, interval: seconds(5) };
    assert_eq!(volume(WHOLE), (seconds(180), seconds(120), usual));
    let lines = "start_limit = \"90s\"\nstop_limit = \"40s\"\nmount_retries = 0\n\
                 unmount_retries = 7\nretry_interval = \"1s\"";
    let own = Retries { mount: 0, release: 7, interval: seconds(1) };
    assert_eq!(volume(&with(lines)), (seconds(90), seconds(40), own));
    for wrong in ["mount_retries = -1", "unmount_retries = \"3\"", "retry_interval = 5"] {
        let problems = refused(&with(wrong), Language::En);
        let key = wrong.split(' ').next().unwrap();
        assert!(problems.contains(key), "{problems}");
    }
    let server = &spec(WHOLE).groups[&group("BATCH")].resources[0];
    assert_eq!((server.start_limit, server.stop_limit), (seconds(60), seconds(10)), "no volume");
}

#[test]
fn cl_08_a_group_names_the_services_that_its_scripts_may_load() {
    let with = |table: &str| WHOLE.replace("[group.BATCH]", &format!("{table}\n[group.BATCH]"));
    let text = with(
        "[group.PAY.services]\nwmIS = [\"/opt/wm/is\", \"-f\"]\n\
                     \"HULFT 8\" = [\"/opt/hulft/bin/hulftd\"]\n",
    );
    let pay = &spec(&text).groups[&group("PAY")];
    let run = vec!["/opt/wm/is".to_owned(), "-f".to_owned()];
    assert_eq!(pay.service("WMIS"), Some((&"wmIS".to_owned(), &run)));
    assert!(pay.service("hulft 8").is_some() && pay.service("hulft").is_none());
    for (wrong, told) in [
        ("wmIS = 3", "wmIS"),
        ("wmIS = [\"is\"]", "wmIS"),
        ("wmIS = []", "wmIS"),
        ("wmIS = [\"/opt/is\"]\nWMIS = [\"/opt/is\"]", "wmIS"),
    ] {
        let problems = refused(&with(&format!("[group.PAY.services]\n{wrong}\n")), Language::En);
        assert!(problems.contains(told), "{problems}");
    }
}

#[test]
fn a_monitor_is_a_command_or_one_of_the_kinds_that_need_none() {
    let cases = [
        ("{ tcp = \"db:5432\" }", Check::Tcp("db:5432".to_owned())),
        ("{ http = \"http://[::1]:80/\" }", Check::Http("http://[::1]:80/".to_owned())),
        ("{ ping = \"fd00::1\" }", Check::Ping("fd00::1".parse().unwrap())),
        ("{ link = \"bond0\" }", Check::Link("bond0".to_owned())),
        ("{ disk = \"/dev/sdb\" }", Check::Disk("/dev/sdb".to_owned())),
        ("[\"/ok\", \"-q\"]", Check::Run(vec!["/ok".to_owned(), "-q".to_owned()])),
    ];
    for (written, check) in cases {
        let delayed = format!("{written}\ndelay = \"30s\"");
        let spec = spec(&WHOLE.replacen("[\"/opt/batch/ok\"]", &delayed, 1));
        let ResourceKind::Process { monitors, .. } =
            &spec.groups[&group("BATCH")].resources[0].kind
        else {
            panic!("a process with a monitor")
        };
        let monitor = &monitors[0];
        assert_eq!((&monitor.check, monitor.delay), (&check, Some(Span::secs(30))));
        let again = serde_json::from_value(serde_json::to_value(monitor).unwrap());
        assert_eq!(&again.ok(), &Some(monitor.clone()), "it is read as it was written down");
    }
}

const OCF: &str = r#"
[group.DB]
[[group.DB.resource]]
name = "db"
kind = "ocf"
agent = "ocf:heartbeat:pgsql"
parameters = { pgdata = "/data/db", pgport = "5433" }
level = 10
every = "7s"
"#;

#[test]
fn what_a_resource_agent_looks_after_is_monitored_and_undone_by_a_reset_unless_told() {
    let read = |more: &str| {
        let spec = spec(&format!("{WHOLE}{OCF}{more}"));
        let db = spec.groups[&group("DB")].clone();
        (db.resources[0].kind.clone(), db.fence)
    };
    let (kind, fence) = read("");
    let ResourceKind::Ocf { agent, parameters, undo, level, monitor } = kind else {
        panic!("{kind:?}")
    };
    assert_eq!((agent.to_string().as_str(), level), ("ocf:heartbeat:pgsql", 10));
    assert_eq!((parameters["pgdata"].as_str(), parameters.len()), ("/data/db", 2));
    assert_eq!((undo, fence), (Undo::Reset, FencePolicy::Confirmed));
    assert_eq!((monitor.every, monitor.failures), (Span::secs(7), 1));
    let (kind, fence) = read("undo = \"kill\"\n");
    assert!(matches!(kind, ResourceKind::Ocf { undo: Undo::Kill, .. }));
    assert_eq!(fence, FencePolicy::Lease, "processes are the guardian's");
}

#[test]
fn an_agent_or_a_parameter_that_cannot_be_is_refused_with_what_to_write() {
    let refused = |from: &str, to: &str| {
        let text = format!("{WHOLE}{}", OCF.replace(from, to));
        refused(&text, Language::En)
    };
    for (from, to, expected) in [
        ("ocf:heartbeat:pgsql", "ocf:../x:pgsql", "ocf:heartbeat:pgsql"),
        ("agent = \"ocf:heartbeat:pgsql\"\n", "", "agent = \"ocf:heartbeat:pgsql\""),
        ("pgport =", "\"pg-port\" =", "[A-Za-z_]"),
        ("pgport =", "CRM_meta_timeout =", "[A-Za-z_]"),
        ("level = 10", "level = 5", "0, 10, 20"),
        ("level = 10", "user = \"pay\"", "user"),
    ] {
        let said = refused(from, to);
        assert!(said.contains(expected), "{to}: {said}");
    }
}

#[test]
fn a_parallel_group_becomes_one_member_a_node() {
    let spec = spec(WHOLE);
    let member = &spec.groups[&group("WEB_node2")];
    assert_eq!(member.mode, Mode::MemberOf(group("WEB")));
    assert_eq!(member.prefer, [node("node2")]);
    assert!(spec.groups.contains_key(&group("WEB_node1")));
    assert!(!spec.groups.contains_key(&group("WEB")));
}

#[test]
fn apart_holds_for_both_sides() {
    let spec = spec(WHOLE);
    assert!(spec.groups[&group("BATCH")].apart.contains(&group("PAY")));
}

#[test]
fn a_group_without_prefer_may_run_on_every_node_but_the_witness() {
    let spec = spec(WHOLE);
    assert_eq!(spec.groups[&group("BATCH")].prefer, [node("node1"), node("node2")]);
}

#[test]
fn the_hash_is_of_the_text_comments_and_all() {
    let one = read(WHOLE).unwrap().hash;
    let other = read(&WHOLE.replace("# Two", "# two")).unwrap().hash;
    assert_ne!(one, other);
    assert_eq!(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn a_block_volume_waits_for_a_confirmed_fence_unless_the_file_says_self() {
    let spec = spec(&WHOLE.replace("fence = \"self\"\n", ""));
    assert_eq!(spec.groups[&group("PAY")].fence, FencePolicy::Confirmed);
    assert_eq!(spec.groups[&group("BATCH")].fence, FencePolicy::Lease);
}

#[test]
fn only_a_group_whose_volumes_are_all_mirrored_may_rest_on_drbds_fencing() {
    let head = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [group.DB]\nfence = \"mirror\"\n";
    let volume = |name: &str, more: &str| {
        format!(
            "[[group.DB.resource]]\nname = \"{name}\"\nkind = \"volume\"\n\
             source = \"/dev/{name}\"\nmount = \"/srv/{name}\"\n{more}"
        )
    };
    let (one, other) = (volume("drbd0", "drbd = \"r0\"\n"), volume("sdb", ""));
    let read = read(&format!("{head}{one}")).unwrap();
    assert_eq!(read.spec.groups[&group("DB")].fence, FencePolicy::Mirror);
    for text in [format!("{head}{one}{other}"), format!("{head}{other}"), head.to_owned()] {
        let said = refused(&text, Language::En);
        assert!(said.contains("fence = \"mirror\"") && said.contains("\"confirmed\""), "{said}");
    }
}

#[test]
fn an_unknown_key_is_shown_with_its_line_a_caret_and_the_key_that_was_meant() {
    let text = WHOLE.replace("prefer = [", "prefre = [");
    let expected = "TSUG10601-E tsugi.toml:15: there is no key \"prefre\"; did you mean \
                    \"prefer\"?\n15 | prefre = [\"node1\", \"node2\"]\n   | ^^^^^^\n";
    assert_eq!(refused(&text, Language::En), expected);
    let japanese = "TSUG10601-E tsugi.toml:15: キー「prefre」はありません。「prefer」のことですか\n\
                    15 | prefre = [\"node1\", \"node2\"]\n   | ^^^^^^\n";
    assert_eq!(refused(&text, Language::Ja), japanese);
}

#[test]
fn a_duplicate_key_is_an_error_at_its_second_place() {
    let text =
        WHOLE.replace("startup = \"manual\"\n", "startup = \"manual\"\nstartup = \"auto\"\n");
    let out = refused(&text, Language::En);
    assert!(out.contains("TSUG10602-E tsugi.toml:17: key \"startup\" is written twice"), "{out}");
}

#[test]
fn the_caret_stands_under_the_word_also_behind_full_width_characters() {
    let text = "[cluster]\nname = \"継ぎ\"\n[node.a]\naddress=\"10.0.0.1\"\n";
    let out = refused(text, Language::Ja);
    assert!(out.contains("2 | name = \"継ぎ\"\n  |        ^^^^^^\n"), "{out}");
}

#[test]
fn cl_two_nodes_without_a_witness_are_refused_with_what_to_add() {
    let text = WHOLE.replace("[witness]\naddress = \"10.0.9.9:7400\"\n", "");
    assert!(refused(&text, Language::En).contains("add [witness] address ="));
    assert!(refused(&text, Language::En).contains("[cluster] ledger = \"disk\""));
    assert!(refused(&text, Language::Ja).contains("[cluster] ledger = \"disk\" を足してください"));
}

#[test]
fn one_node_alone_and_three_nodes_need_no_witness() {
    let one = "[cluster]\nname = \"a\"\n[node.n1]\naddress = \"10.0.0.1\"\n";
    assert_eq!(spec(one).majority(), 1);
    let more = "[node.n2]\naddress = \"10.0.0.2\"\n[node.n3]\naddress = \"10.0.0.3\"\n";
    assert_eq!(spec(&format!("{one}{more}")).majority(), 2);
}

#[test]
fn resources_that_wait_for_each_other_are_refused_with_the_circle() {
    let text = WHOLE.replace("name = \"disk\"\n", "name = \"disk\"\nafter = [\"server\"]\n");
    let out = refused(&text, Language::En);
    assert!(out.contains("TSUG10607-E"), "{out}");
    assert!(out.contains("disk → server → disk"), "{out}");
}

#[test]
fn every_error_of_a_file_is_reported_at_once_and_in_file_order() {
    let text = WHOLE
        .replace("timing = \"fast\"", "timing = \"quick\"")
        .replace("within = \"10m\"", "within = \"ten\"")
        .replace("after = [\"disk\", \"vip\"]", "after = [\"dsik\"]")
        .replace("\"/opt/batch/start\"", "\"start\"");
    let problems = read(&text).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|p| p.line(&text)).collect();
    assert_eq!(problems.len(), 4, "{}", shown(&problems, &text, Language::En));
    assert!(lines.is_sorted());
}

/// One edit of the whole file and what must be said about it.
#[test]
fn each_wrong_value_says_what_to_write_instead() {
    let cases = [
        ("timing = \"fast\"", "timing = \"quick\"", "\"default\", \"fast\""),
        ("language = \"ja\"", "language = \"fr\"", "\"ja\", \"en\""),
        ("\"10.0.2.1:7500\"", "\"node1.example\"", "[\"10.0.1.1\", \"10.0.2.1:7400\"]"),
        ("\"10.0.1.2\"", "\"10.0.1.1\"", "10.0.1.1 belongs to node1"),
        ("prefer = [\"node1\",", "prefer = [\"node3\",", "node3 is not defined"),
        ("[\"node1\", \"node2\"]", "[\"node1\", \"witness\"]", "node1, node2"),
        ("[\"node1\", \"node2\"]", "[\"node1\", \"node1\"]", "node1 is given twice"),
        ("restarts = 1", "restarts = -1", "0 … 1000"),
        ("restarts = 1", "restarts = \"1\"", "0 … 1000"),
        ("within = \"10m\"", "within = 10", "\"200ms\", \"5s\""),
        ("stop_budget = \"80ms\"", "stop_budget = \"900ms\"", "at most 149 ms"),
        ("apart = [\"BATCH\"]", "apart = [\"BACTH\"]", "there is BATCH"),
        ("[\"BATCH\"]\n", "[\"BATCH\"]\ntogether = [\"BATCH\"]\n", "TSUG10633-E"),
        ("kind = \"volume\"", "kind = \"disk\"", "\"address\", \"volume\", \"process\""),
        ("kind = \"volume\"\n", "", "\"kind\" is missing"),
        ("name = \"vip\"", "name = \"disk\"", "disk is given twice"),
        ("name = \"vip\"\n", "", "\"name\" is missing"),
        ("\"10.0.0.1/24\"", "\"10.0.0.1\"", "\"10.0.0.1/24\""),
        ("\"10.0.0.1/24\"", "\"10.0.1.1/24\"", "10.0.1.1 belongs to node1"),
        ("on = [\"eth0\", \"eth1\"]\n", "", "\"on\" is missing"),
        ("mount = \"/data/pay\"", "mount = \"data/pay\"", "\"/data/pay\""),
        ("mount = \"/data/pay\"\n", "", "\"mount\" is missing"),
        ("\"/opt/pay/bin/server\"", "\"server\"", "[\"/…/server\"]"),
        ("ready = \"ready\"", "stop = [\"/opt/stop\"]", "\"run\" and \"stop\" exclude each other"),
        ("stop = [\"/opt/batch/stop\"]\n", "", "\"stop\" is missing"),
        ("monitor = [\"/opt/batch/ok\"]\n", "", "\"monitor\" is missing"),
        ("[\"/opt/batch/ok\"]", "{ tpc = \"127.0.0.1:1\" }", "did you mean \"tcp\""),
        ("[\"/opt/batch/ok\"]", "{ tcp = \"127.0.0.1\" }", "\"127.0.0.1:5432\""),
        ("[\"/opt/batch/ok\"]", "{ http = \"https://h/\" }", "\"http://127.0.0.1:8080/health\""),
        ("[\"/opt/batch/ok\"]", "{ ping = \"gateway\" }", "\"10.0.0.254\""),
        ("[\"/opt/batch/ok\"]", "{ link = \"eth0:1\" }", "\"eth0\""),
        ("[\"/opt/batch/ok\"]", "{ disk = \"data\" }", "\"/data/pay\""),
        ("[\"/opt/batch/ok\"]", "{}", "{ tcp = \"127.0.0.1:5432\" }"),
        ("[\"/opt/batch/ok\"]", "{ tcp = \"h:1\", link = \"lo\" }", "\"tcp\" and \"link\" exclude"),
        ("start = [\"/opt/batch/start\"]\n", "", "\"run\" is missing"),
        ("environment = { LANG = \"C\" }", "environment = { LANG = 1 }", "\"LANG\" cannot be 1"),
        ("mode = \"parallel\"", "mode = \"parallell\"", "\"parallel\""),
        ("run = [\"/usr/sbin/httpd\"]", "run = [\"/x\"]\nevery = \"1s\"", "without \"monitor\""),
        ("[group.WEB]", "[group.WEBWEBWEBWEBWEBWEBWEBWEBWEB]", "31"),
        ("[group.WEB]", "[grup.WEB]", "did you mean \"group\""),
        ("[cluster]", "[claster]", "did you mean \"cluster\""),
        ("name = \"kessai\"\n", "", "name = \"kessai\""),
        ("name = \"kessai\"", "name = \"k/s\"", "[A-Za-z0-9_]"),
        ("address = \"10.0.9.9:7400\"", "adress = \"10.0.9.9\"", "did you mean \"address\""),
        ("name = \"kessai\"", "name = kessai", "TSUG10605-E"),
    ];
    let mut unsaid = Vec::new();
    for (from, to, said) in cases {
        assert!(WHOLE.contains(from), "{from} is in the file");
        let out = refused(&WHOLE.replacen(from, to, 1), Language::En);
        if !out.contains(said) {
            unsaid.push(format!("{to}: expected {said:?} in\n{out}"));
        }
    }
    assert!(unsaid.is_empty(), "{}", unsaid.join("\n"));
}

#[test]
fn a_parallel_group_with_something_only_one_node_can_hold_is_refused() {
    let resource = "[[group.WEB.resource]]\nname = \"vip\"\nkind = \"address\"\n\
                    address = \"10.0.0.9/24\"\non = [\"eth0\"]\n";
    let out = refused(&format!("{WHOLE}{resource}"), Language::En);
    assert!(out.contains("TSUG10635-E") && out.contains("vip"), "{out}");
}

#[test]
fn groups_together_by_way_of_a_third_cannot_be_apart() {
    let text = "[cluster]\nname=\"a\"\n[node.n1]\naddress=\"10.0.0.1\"\n\
                [group.A]\ntogether=[\"B\"]\n[group.B]\ntogether=[\"C\"]\n\
                [group.C]\napart=[\"A\"]\n";
    let out = refused(text, Language::En);
    assert!(out.contains("groups C and A must be together and must be apart"), "{out}");
}

#[test]
fn groups_together_need_a_node_that_both_may_own() {
    let text = "[cluster]\nname=\"a\"\n[node.n1]\naddress=\"10.0.0.1\"\n[node.n2]\n\
                address=\"10.0.0.2\"\n[witness]\naddress=\"10.0.0.3\"\n\
                [group.A]\nprefer=[\"n1\"]\ntogether=[\"B\"]\n[group.B]\nprefer=[\"n2\"]\n";
    assert!(refused(text, Language::En).contains("TSUG10634-E"));
}

#[test]
fn any_text_is_read_or_refused_and_never_a_panic() {
    for cut in 0..WHOLE.len() {
        let text = &WHOLE[..cut];
        if let Err(problems) = read(text) {
            assert!(!shown(&problems, text, Language::Ja).is_empty());
        }
    }
    for strange in ["\u{feff}", "[", "=", "a.b.c=1", "[cluster]\ncluster=1", "\"\\u{0}\"=1"] {
        assert!(read(strange).is_err(), "{strange}");
    }
}

#[test]
fn groups_come_after_groups_but_never_in_a_circle() {
    let file = |a: &str, b: &str| {
        format!(
            "[cluster]\nname=\"a\"\n[node.n1]\naddress=\"10.0.0.1\"\n[group.A]\nafter={a}\n\
             [group.B]\nafter={b}\n"
        )
    };
    let after = &spec(&file("[\"B\"]", "[]")).groups[&group("A")].after;
    assert_eq!(after.iter().map(GroupName::as_str).collect::<Vec<_>>(), ["B"]);
    let out = refused(&file("[\"B\"]", "[\"A\"]"), Language::En);
    assert!(out.contains("TSUG10607-E"), "{out}");
    assert!(refused(&file("[\"A\"]", "[]"), Language::En).contains("A → A"));
    assert!(refused(&file("[\"C\"]", "[]"), Language::En).contains("TSUG10606-E"));
}

#[test]
fn ph_11_a_failback_by_the_clock_is_read_and_a_past_date_is_warned_of() {
    let file = |when: &str| {
        format!(
            "[cluster]\nname=\"a\"\n[node.n1]\naddress=\"10.0.0.1\"\n[group.A]\n\
             failback=\"{when}\"\n"
        )
    };
    // 2026-11-22 03:00 UTC.
    let warned =
        |when: &str| warnings(&spec(&file(when)), tsugi_vocabulary::Wall(1_795_316_400_000));
    for to_come in ["never", "daily 03:00", "yearly 01-31 03:00", "2027-01-31 03:00"] {
        assert_eq!(warned(to_come), [], "{to_come}");
    }
    let past = warned("2026-11-22 03:00");
    assert_eq!(past.iter().map(Message::id).collect::<Vec<_>>(), ["TSUG10639-W"]);
    assert!(past[0].text(Language::En).contains("2026-11-22"));
    assert!(refused(&file("sometimes"), Language::En).contains("daily 03:00"));
}

#[test]
fn ph_16_an_address_that_two_groups_use_is_told_before_it_is_applied() {
    let vip = "[[group.BATCH.resource]]\nname = \"vip\"\nkind = \"address\"\n\
               address = \"10.0.0.1/24\"\non = [\"eth0\"]\n";
    let text = format!("{WHOLE}{vip}");
    let problems = read(&text).unwrap_err();
    let told = shown(&problems, &text, Language::En);
    assert!(told.contains("TSUG10632-E") && told.contains("10.0.0.1 belongs to"), "{told}");
}

#[test]
fn ph_10_a_group_says_by_what_its_next_node_is_chosen() {
    let with = |line: &str| WHOLE.replacen("[group.PAY]\n", &format!("[group.PAY]\n{line}\n"), 1);
    let read = |line: &str| spec(&with(line)).groups[&group("PAY")].prefer_by.clone();
    assert_eq!(read(""), PreferBy::Order);
    assert_eq!(read("prefer_by = \"cpu\""), PreferBy::Measure(Measure::Cpu));
    assert_eq!(read("prefer_by = \"memory\""), PreferBy::Measure(Measure::Memory));
    assert_eq!(read("prefer_by = \"load\""), PreferBy::Measure(Measure::Load));
    let script = |every, limit| {
        let run = vec!["/opt/pay/bin/score".to_owned()];
        PreferBy::Script(ScoreScript { run, every, limit })
    };
    let line = "prefer_by = [\"/opt/pay/bin/score\"]";
    assert_eq!(read(line), script(Span::secs(60), Span::secs(5)));
    let line = format!("{line}\nprefer_every = \"10s\"\nprefer_limit = \"2s\"");
    assert_eq!(read(&line), script(Span::secs(10), Span::secs(2)));
    for (line, said) in [
        ("prefer_by = \"memroy\"", "\"cpu\", \"memory\", \"load\", [\"/opt/pay/bin/score\"]"),
        ("prefer_by = [\"score\"]", "[\"/…/score\"]"),
        ("prefer_by = \"cpu\"\nprefer_every = \"10s\"", "prefer_every"),
        ("prefer_limit = \"10s\"", "prefer_limit"),
    ] {
        let problems = refused(&with(line), Language::En);
        assert!(problems.contains(said), "{line}: {problems}");
    }
}

mod acting;
mod drills;
mod isolation;
mod kept;
mod ledger;
mod monitors;
mod units;
