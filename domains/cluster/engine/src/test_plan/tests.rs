//! Plans in both forms, right and wrong, and the automated order.

use std::collections::BTreeMap;

use tsugi_messages::Language;
use tsugi_wire::control::listing::Listing;
use tsugi_wire::control::report::{Node, Votes};

use super::*;

fn a_node(name: &str, role: &str, groups: &[&str]) -> Node {
    Node {
        name: name.to_owned(),
        role: role.to_owned(),
        state: "up".to_owned(),
        intent: "in-service".to_owned(),
        silent_ms: None,
        leads: false,
        addresses: Vec::new(),
        links: BTreeMap::new(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
    }
}

/// PAY on a, BOX on b, and a witness.
fn status() -> Status {
    let group = |name: &str, owner: &str, prefer: [&str; 2]| {
        let text = format!(
            "{{\"name\":\"{name}\",\"state\":\"running\",\"paused\":false,\"owner\":\"{owner}\",\
             \"epoch\":\"e1.1\",\"prefer\":[\"{}\",\"{}\"],\"failures\":0,\"rejected\":[]}}",
            prefer[0], prefer[1]
        );
        serde_json::from_str::<Group>(&text).expect("a group")
    };
    Status {
        cluster: Some("kessai".to_owned()),
        needs: Vec::new(),
        notes: Vec::new(),
        votes: Votes { of: 3, heard: 3, needed: 2, leader: None },
        nodes: vec![
            a_node("a", "node", &["PAY"]),
            a_node("b", "node", &["BOX"]),
            a_node("w", "witness", &[]),
        ],
        groups: vec![group("PAY", "a", ["a", "b"]), group("BOX", "b", ["b", "a"])],
        generation: 1,
        config: None,
        listing: Listing::default(),
        stretch: None,
    }
}

fn wrong(plan: &[u8], variables: Option<&[u8]>) -> Vec<(usize, String)> {
    let problems = read(plan, variables, &status()).expect_err("something is wrong");
    problems.iter().map(|p| (p.line, p.what.text(Language::En))).collect()
}

/// The only problem there is.
#[track_caller]
fn one_problem(plan: &str, line: usize, says: &str) {
    let found = wrong(plan.as_bytes(), None);
    assert!(matches!(&found[..], [(at, text)] if *at == line && text.contains(says)), "{found:?}");
}

fn made(plan: &str, variables: Option<&str>) -> Vec<What> {
    let tests = read(plan.as_bytes(), variables.map(str::as_bytes), &status());
    tests.unwrap_or_else(|p| panic!("{p:?}")).into_iter().map(|test| test.what).collect()
}

fn text(name: &str) -> String {
    name.to_owned()
}

#[test]
fn ph_17_the_automated_order_is_nodes_then_groups_then_what_comes_without_a_warning() {
    let names: Vec<(String, String)> = automatic(&status())
        .iter()
        .map(|test| {
            let What::Make(failure) = &test.what else { panic!("{test:?}") };
            let about = match failure {
                Failure::GroupMove { group, .. }
                | Failure::GroupStop { group }
                | Failure::ProcessKill { group, .. } => group,
                Failure::NodeDrain { node } | Failure::AgentKill { node } => node,
            };
            (test.name.clone(), about.clone())
        })
        .collect();
    let told: Vec<(&str, &str)> = names.iter().map(|(n, a)| (n.as_str(), a.as_str())).collect();
    assert_eq!(
        told,
        [
            ("node-drain", "a"),
            ("node-drain", "b"),
            ("group-stop", "PAY"),
            ("group-move", "PAY"),
            ("process-kill", "PAY"),
            ("group-stop", "BOX"),
            ("group-move", "BOX"),
            ("process-kill", "BOX"),
            ("agent-kill", "a"),
            ("agent-kill", "b"),
        ]
    );
    let mut paused = status();
    paused.groups[0].paused = true;
    let about_pay = |test: &Test| format!("{:?}", test.what).contains("PAY");
    assert!(!automatic(&paused).iter().any(about_pay), "what is paused is left alone");
}

#[test]
fn ph_17_a_plan_in_the_own_form_is_read_in_its_order() {
    let plan = "# of the quarter\n[[test]]\ndo = \"group-move\"\ngroup = \"PAY\"\n\
                within = \"30s\"\ncomment = \"there and back\"\n\n\
                [[test]]\ndo = \"wait\"\ntime = \"5s\"\n\n\
                [[test]]\ndo = \"process-kill\"\ngroup = \"BOX\"\nresource = \"server\"\n\n\
                [[test]]\ndo = \"agent-kill\"\nnode = \"b\"\n";
    let tests = read(plan.as_bytes(), None, &status()).expect("it is right");
    let lines: Vec<Option<usize>> = tests.iter().map(|test| test.line).collect();
    assert_eq!(lines, [Some(2), Some(8), Some(12), Some(17)]);
    assert_eq!((tests[0].within, tests[0].comment.as_str()), (Span::secs(30), "there and back"));
    assert_eq!(tests[1].within, WITHIN);
    let to = Some(text("b"));
    assert_eq!(tests[0].what, What::Make(Failure::GroupMove { group: text("PAY"), to }));
    assert_eq!(tests[1].what, What::Wait(Span::secs(5)));
    let resource = Some(text("server"));
    assert_eq!(tests[2].what, What::Make(Failure::ProcessKill { group: text("BOX"), resource }));
    assert_eq!(tests[3].what, What::Make(Failure::AgentKill { node: text("b") }));
}

#[test]
fn ph_17_a_plan_of_the_cluster_test_tool_is_read_as_it_is_with_its_variables() {
    let plan = "# our old plan\n\nNODE_UP, ALL, all up\nNODE_DOWN_TAKEOVER,node1, lose it, gently\n\
                NODE_DOWN_GRACEFUL, node1, bring it offline\nRG_MOVE, rg1, ANY, away\n\
                RG_MOVE,rg1,RESTORE,home\nRG_OFFLINE, rg1, ANY\nRG_ONLINE , rg1 , node1\n\
                SERVER_DOWN, ANY, app1, /opt/stop, recover\nWAIT, 20, settle\n\
                CLSTRMGR_KILL, node2, hard\n";
    let variables = "# of this cluster\nnode1 = a\nnode2=b\nrg1=PAY\napp1=PAY/server\n";
    let tests = read(plan.as_bytes(), Some(variables.as_bytes()), &status()).expect("it is right");
    assert_eq!((tests[1].line, tests[1].comment.as_str()), (Some(4), "lose it, gently"));
    let (group, to, resource) = (text("PAY"), Some(text("b")), Some(text("server")));
    assert_eq!(
        tests.into_iter().map(|test| test.what).collect::<Vec<_>>(),
        [
            What::InService(vec![text("a"), text("b")]),
            What::Make(Failure::NodeDrain { node: text("a") }),
            What::Make(Failure::GroupStop { group: group.clone() }),
            What::Make(Failure::GroupMove { group: group.clone(), to }),
            What::Runs(group.clone()),
            What::Make(Failure::GroupStop { group: group.clone() }),
            What::Runs(group.clone()),
            What::Make(Failure::ProcessKill { group, resource }),
            What::Wait(Span::secs(20)),
            What::Make(Failure::AgentKill { node: text("b") }),
        ]
    );
    let any = made("NODE_DOWN_TAKEOVER, ANY\nNODE_DOWN_GRACEFUL, ALL\n", None);
    assert_eq!(any.len(), 3, "the first that runs something, and every group: {any:?}");
}

#[test]
fn ph_17_what_is_wrong_with_a_plan_is_told_by_its_line_and_nothing_of_it_is_taken() {
    one_problem("", 1, "no test");
    one_problem("# nothing\n\n", 1, "no test");
    one_problem("NODE_UP, a\nNODE_UP, z\n", 2, "variable z");
    one_problem("NODE_UP, w\n", 1, "witness");
    one_problem("RG_MOVE, PAY\n", 1, "lacks its parameter 2");
    one_problem("RG_MOVE, , b\n", 1, "lacks its parameter 1");
    one_problem("RG_OFFLINE, rg9, ANY\n", 1, "variable rg9");
    one_problem("SERVER_DOWN, ANY, PAY\n", 1, "lacks its parameter 3");
    one_problem("WAIT, soon\n", 1, "no time");
    one_problem("WAIT, 99999\n", 1, "no time");
    one_problem("NODE_EXPLODE, a\n", 1, "no test NODE_EXPLODE");
    one_problem("NODE_UP, a\nNETWORK_DOWN_LOCAL, a, net1, pull it\n", 2, "not offered");
    one_problem("NODE_DOWN_FORCED, a\n", 1, "not offered");
    one_problem("[[test]]\ndo = \"link-down\"\nnode = \"a\"\n", 1, "not offered");
    one_problem("\n[[test]]\ndo = \"group-stop\"\n", 2, "lacks its parameter group");
    one_problem("[[test]]\ndo = \"group-stop\"\ngroup = \"PAY\"\nnode = \"a\"\n", 1, "no node");
    one_problem("[[test]]\ndo = \"agent-kill\"\nnode = \"z\"\n", 1, "variable z");
    one_problem("[[test]]\ndo = \"wait\"\ntime = \"0s\"\n", 1, "no time");
    one_problem("[[test]]\ndo = \"wait\"\nfor = \"1s\"\n", 3, "for");
    one_problem("[[test]]\ndo = \n", 2, "");
    let several = wrong(b"RG_MOVE, X, b\nNODE_UP, a\nWAIT\n", None);
    assert_eq!(several.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn ph_17_a_plan_that_is_no_text_or_too_large_is_not_read() {
    let found = wrong(b"NODE_UP, a\nNODE_UP, \xff\n", None);
    assert!(found[0].0 == 2 && found[0].1.contains("UTF-8"), "{found:?}");
    assert!(wrong(&vec![b'#'; LONGEST + 1], None)[0].1.contains("not read"));
    let many = "WAIT, 1\n".repeat(MOST + 1);
    let found = wrong(many.as_bytes(), None);
    assert!(found[0].0 == MOST + 1 && found[0].1.contains("at most"), "{found:?}");
    assert_eq!(made(&"WAIT, 1\n".repeat(MOST), None).len(), MOST);
}

#[test]
fn ph_17_what_is_wrong_with_the_variables_is_told_of_their_file() {
    let problems = |variables: &[u8]| {
        read(b"NODE_UP, n\n", Some(variables), &status()).expect_err("something is wrong")
    };
    for (bytes, line) in
        [(&b"n=a\nn=b\n"[..], 2), (b"\nnonsense\n", 2), (b"n=\n", 1), (b"n=a\n\xff\n", 2)]
    {
        let found = problems(bytes);
        assert_eq!((found[0].file, found[0].line), (In::Variables, line), "{found:?}");
    }
    let own = read(b"[[test]]\n", Some(b"n=a\n"), &status()).expect_err("it takes none");
    assert_eq!(own[0].file, In::Variables);
}
