//! Watched programs: started beside the resources, ended in time, never left behind.

use tsugi_cluster_rules::watch::{AtEnd, Load};

use super::*;

fn load() -> Act {
    let (run, dir) = (vec!["/opt/ap".to_owned(), "line 1".to_owned()], Some("/opt".to_owned()));
    let load = Load { service: None, run, dir, user: None, at_end: AtEnd::Log };
    Act::Load { slot: resource_name("watch-1"), load, told: TOLD }
}

fn end(within: Span) -> Act {
    Act::End { slot: resource_name("watch-1"), within }
}

/// A group that is up, with a program loaded; its pid.
fn loaded() -> (Scene, u32) {
    let mut scene = going_down::up();
    scene.act(load());
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
    scene.out.clear();
    let pid = scene.hands.pids;
    (scene, pid)
}

#[test]
fn cl_07_a_program_is_loaded_under_the_lease_of_its_group_with_its_own_words() {
    let (scene, _) = loaded();
    let Some(Request::Spawn(program)) = scene.hands.asked.last() else { panic!("no program") };
    assert_eq!(program.argv, ["/opt/ap", "line 1"]);
    assert_eq!(program.right, Right::Lease { group: pay(), epoch: EPOCH });
    assert_eq!((program.name.as_str(), program.purpose), ("watch-1", Purpose::Service));
    let told = |name: &str| program.env.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(told("ARMS_EVENT"), Some("START"));
    let run_dir = scene.dir.path().join("run");
    assert_eq!(told("TSUGI_RUN_DIR"), run_dir.to_str(), "it may ask the agent in turn");
}

#[test]
fn a_loaded_program_that_ends_is_told_by_the_name_it_runs_under() {
    let (mut scene, pid) = loaded();
    scene.ends(pid, "watch-1", HowEnded::Exited(3));
    let died = scene
        .out
        .iter()
        .any(|f| matches!(f, Finished::Died { resource, .. } if resource.as_str() == "watch-1"));
    assert!(died, "{:?}", scene.out);
}

#[test]
fn cl_13_a_program_that_was_told_to_end_and_does_is_told_as_no_death() {
    let (mut scene, pid) = loaded();
    scene.act(end(Span::secs(100)));
    assert_eq!(scene.asked().last(), Some(&"end"));
    scene.ends(pid, "watch-1", HowEnded::Signalled(15));
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
    assert!(!scene.out.iter().any(|f| matches!(f, Finished::Died { .. })), "{:?}", scene.out);
}

#[test]
fn cl_14_a_program_that_does_not_end_in_time_is_killed_and_told_as_forced() {
    let (mut scene, pid) = loaded();
    scene.act(end(Span::secs(100)));
    scene.pass(Span::secs(99));
    assert_eq!(scene.asked().last(), Some(&"end"), "it has its time");
    scene.pass(Span::secs(2));
    assert_eq!(scene.asked().last(), Some(&"kill"));
    scene.ends(pid, "watch-1", HowEnded::Signalled(9));
    assert!(matches!(scene.outcome(), Outcome::Forced { .. }));
}

#[test]
fn a_stop_of_the_group_asks_what_scripts_have_left_loaded_to_end_before_it_kills() {
    let (mut scene, pid) = loaded();
    let before = scene.asked().len();
    scene.stop("disk");
    assert_eq!(scene.asked()[before..], ["end"], "nothing goes on while it runs");
    scene.ends(pid, "watch-1", HowEnded::Exited(0));
    assert_eq!(scene.asked()[before..], ["end", "kill group", "unmount"]);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn cl_13_a_stop_of_the_group_and_an_order_to_end_wait_for_the_same_end() {
    let (mut scene, pid) = loaded();
    scene.act(end(Span::secs(100)));
    scene.stop("disk");
    scene.ends(pid, "watch-1", HowEnded::Exited(0));
    let fine = scene.outcomes().into_iter().rev().take(2);
    assert!(fine.into_iter().all(|o| matches!(o, Outcome::Fine { .. })), "{:?}", scene.out);
}

#[test]
fn a_new_agent_is_told_of_the_programs_that_a_former_one_has_loaded() {
    let mut scene = Scene::new(going_down::up().spec.resources.clone());
    let listing = Listing {
        programs: vec![
            running(7, "watch-1", Purpose::Service, EPOCH),
            running(8, "watch-2", Purpose::Service, Epoch { counter: 99, ..EPOCH }),
        ],
        ..Listing::default()
    };
    scene.answers("list", Ok(Answer::Listing(listing)));
    scene.act(Act::Adopt);
    let Outcome::Adopted(found) = scene.outcome() else { panic!("{:?}", scene.out) };
    let watched: Vec<&str> =
        found.iter().map(ResourceName::as_str).filter(|n| n.starts_with("watch")).collect();
    assert_eq!(watched, ["watch-1"], "of this run only");
}
