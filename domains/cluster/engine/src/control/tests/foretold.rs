//! What is foretold is what then comes, also where nothing comes of it.

use tsugi_cluster_rules::record::{NodeIntent, NodeRecord};

use super::super::view::scenes::order;
use super::*;

#[test]
fn whatif_says_what_the_command_itself_would_be_refused_for() {
    let mut record = record();
    let drained = NodeIntent::Drained(order());
    let known = record.nodes.get_mut(&node("node2")).expect("it is configured");
    known.value = Arc::new(NodeRecord { intent: drained, ..(*known.value).clone() });
    let site = Site::with(&record);
    let to = |node: &str| Operation::Move { group: "PAY".to_owned(), to: Some(node.to_owned()) };
    let suppose = |node: &str| Request::WhatIf {
        suppose: tsugi_wire::control::Suppose::Move {
            group: "PAY".to_owned(),
            to: node.to_owned(),
        },
    };
    let foretold = no(site.ask(suppose("node2")));
    assert_eq!(foretold, no(site.change(command("c-1", to("node2")))));
    assert!(text(&foretold.what).contains("drained"), "{foretold:?}");
    assert!(matches!(site.ask(suppose("node1")), Reply::Outlook(_)), "it is there already");
}

#[test]
fn a_group_that_goes_on_as_it_was_started_is_named_by_the_plan_and_by_the_dry_run() {
    let site = Site::with(&record());
    let other = FILE.replace("10.0.0.9/24", "10.0.0.10/24");
    let planned = site.ask(Request::Plan { text: other.clone() });
    let apply = super::apply(&other, None);
    let dry = Change { how: How::DryRun, ..command("c-1", apply) };
    for reply in [planned, site.change(dry)] {
        let Reply::Outlook(outlook) = reply else { panic!("an outlook: {reply:?}") };
        let told: Vec<String> = outlook.groups.iter().map(|g| text(&g.what)).collect();
        assert_eq!(told, ["PAY runs on as it was started; the change counts from its next start"]);
    }
    let same = Request::Plan { text: FILE.replace("[cluster]", "# the same\n[cluster]") };
    let Reply::Outlook(outlook) = site.ask(same) else { panic!("an outlook") };
    assert!(outlook.groups.is_empty(), "{:?}", outlook.groups);
}

#[test]
fn a_command_right_after_an_apply_waits_for_the_nodes_to_say_that_they_have_it() {
    let site = Site::with(&record());
    let says = |mark| {
        let mut picture = Standing::clone(&site.standing.borrow());
        picture.sights.get_mut(&node("node2")).expect("it is heard").config = mark;
        site.standing.send_replace(Arc::new(picture));
    };
    let known = site.standing.borrow().sights[&node("node1")].config;
    says(0);
    let (told, answer) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let site = &site;
        scope.spawn(move || {
            told.send(site.change(command("c-1", move_pay()))).expect("somebody listens");
        });
        let early = answer.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "it waits: {early:?}");
        says(known);
        let told = answer.recv_timeout(LONG).expect("and then it is decided");
        assert!(matches!(told, Reply::Done(_)), "{told:?}");
    });

    let site = Site::with(&record());
    let mut picture = Standing::clone(&site.standing.borrow());
    picture.sights.get_mut(&node("node2")).expect("it is heard").config = 0;
    site.standing.send_replace(Arc::new(picture));
    let late = no(site.change(command(
        "c-2",
        Operation::Move { group: "PAY".to_owned(), to: Some("node2".to_owned()) },
    )));
    assert!(text(&late.what).contains("node2"), "one that stays behind is decided about: {late:?}");
}
