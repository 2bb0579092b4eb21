//! Commands about watched programs: what refuses them, and what they write.

use tsugi_cluster_rules::command::{self, Command, Run};
use tsugi_cluster_rules::parity::{self, Item};
use tsugi_cluster_rules::record::Draft;
use tsugi_cluster_rules::record::Write;
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::watch::{AtEnd, Load, WatchId, WatchIdRefused, Watched};
use tsugi_vocabulary::{Epoch, Span};

use crate::random::issued;
use crate::world::{World, cluster, group, node};

fn two() -> World {
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2", "G2: prefer n1 n2"]));
    world.run();
    world
}

/// What is said on the node that runs both groups.
fn say(world: &mut World, command: Command) -> Result<Draft, Refusal> {
    let mut situation = world.situation();
    situation.by = crate::world::node("n1");
    let draft = command::decide(&situation, &issued(world, command))?;
    world.apply(&draft);
    Ok(draft)
}

fn run(name: &str) -> Run {
    Run { group: group(name), epoch: None }
}

fn load(name: &str, id: &str) -> Command {
    let (run, id) = (run(name), id.to_owned());
    let of = vec!["/opt/ap".to_owned()];
    let load = Box::new(Load { service: None, run: of, dir: None, user: None, at_end: AtEnd::Log });
    Command::ProcLoad { run, id, load }
}

#[test]
fn cl_08_a_service_is_what_the_configuration_of_its_group_says_whatever_the_case_of_its_name() {
    let mut spec = cluster("n1 n2 n3", &["G1: prefer n1 n2", "G2: prefer n1 n2"]);
    let run = vec!["/opt/wm/bin/is".to_owned(), "--foreground".to_owned()];
    let services = [("wmIS".to_owned(), run.clone())].into();
    spec.groups.get_mut(&group("G1")).unwrap().services = services;
    let mut world = World::new(spec);
    world.run();
    let service = |name: &str, id: &str| {
        let Command::ProcLoad { run, id, mut load } = load(name, id) else { unreachable!() };
        load.run.clear();
        load.service = Some("WMIS".to_owned());
        Command::ProcLoad { run, id, load }
    };
    say(&mut world, service("G1", "WM_IS")).unwrap();
    let watched = listed(&world, "G1", "WM_IS").expect("it is on the list");
    assert_eq!(watched.load.run, run);
    assert_eq!(watched.load.service.as_deref(), Some("wmIS"), "by the name it is configured under");
    let config = world.record.config.as_ref().expect("it was applied");
    let needs = parity::items(&config.spec, &config.spec.groups[&group("G1")], &node("n2"));
    let program = Item::Program { path: run[0].clone(), user: None };
    assert!(needs.contains(&program), "it is looked for before a takeover needs it");
    let refused = say(&mut world, service("G2", "WM_IS_2")).unwrap_err();
    let unknown = Refusal::NoSuchService {
        group: group("G2"),
        service: "WMIS".to_owned(),
        known: Vec::new(),
    };
    assert_eq!((refused.number(), refused), (33, unknown), "another group's is none of its own");
}

fn kill(id: &str) -> Command {
    Command::ProcKill { run: None, id: id.to_owned(), within: Span::secs(10) }
}

fn listed(world: &World, name: &str, id: &str) -> Option<Watched> {
    let entry = world.record.group(&group(name)).unwrap();
    entry.watched.get(entry.epoch, &WatchId::new(id).unwrap()).cloned()
}

#[test]
fn cl_12_an_id_that_is_in_use_in_any_group_or_is_none_is_refused_each_with_its_own_number() {
    let mut world = two();
    say(&mut world, load("G1", "TUSINAP")).unwrap();
    for (name, id) in [("G1", "TUSINAP"), ("G2", "tusinap")] {
        let refused = say(&mut world, load(name, id)).unwrap_err();
        assert_eq!(refused.number(), 20, "{name} {id}: {refused:?}");
        assert!(matches!(refused, Refusal::WatchIdTaken { group: of, .. } if of == group("G1")));
    }
    let long = "x".repeat(256);
    for (id, why) in [
        ("", WatchIdRefused::Empty),
        (long.as_str(), WatchIdRefused::TooLong { length: 256 }),
        ("NEC_AP", WatchIdRefused::Reserved),
        ("A.P", WatchIdRefused::Character { found: '.' }),
    ] {
        let refused = say(&mut world, load("G1", id)).unwrap_err();
        assert_eq!((refused.number(), refused), (19, Refusal::NotAWatchId(why)));
    }
}

#[test]
fn a_program_is_loaded_only_where_its_group_runs_and_only_by_the_run_that_is_on() {
    let mut world = two();
    let here = issued(&world, load("G1", "AP"));
    let mut elsewhere = world.situation();
    elsewhere.by = crate::world::node("n2");
    assert_eq!(command::decide(&elsewhere, &here).unwrap_err().number(), 22);
    let newest = world.record.group(&group("G1")).unwrap().epoch;
    let old = Epoch { counter: newest.counter - 1, ..newest };
    let Command::ProcLoad { run, id, load: what } = load("G1", "AP") else { unreachable!() };
    let stale = Run { epoch: Some(old), ..run.clone() };
    let refused = say(
        &mut world,
        Command::ProcLoad { run: stale.clone(), id: id.clone(), load: what.clone() },
    );
    assert_eq!(refused.unwrap_err().number(), 23);
    let ours = Run { epoch: Some(newest), ..run };
    say(&mut world, Command::ProcLoad { run: ours, id, load: what }).unwrap();
    // A script of the run before does not end what the new run has loaded.
    let within = Span::secs(1);
    let late = Command::ProcKill { run: Some(stale), id: "AP".to_owned(), within };
    assert_eq!(say(&mut world, late).unwrap_err().number(), 23);
    assert!(listed(&world, "G1", "AP").is_some());
    say(&mut world, Command::GroupStop { group: group("G2") }).unwrap();
    world.run();
    assert_eq!(say(&mut world, load("G2", "B")).unwrap_err().number(), 17);
}

#[test]
fn cl_14_an_unknown_id_is_refused_by_its_own_number_and_nothing_is_written() {
    let mut world = two();
    say(&mut world, load("G1", "AP")).unwrap();
    let before = world.record.clone();
    let other = |id: &str| {
        [
            kill(id),
            Command::ProcHold { run: None, id: id.to_owned() },
            Command::ProcWatch { run: None, id: id.to_owned() },
        ]
    };
    for command in other("AQ").into_iter().chain(other("NEC_AP")).chain(other("")) {
        assert_eq!(say(&mut world, command).unwrap_err().number(), 21);
    }
    assert_eq!(world.record, before);
}

#[test]
fn cl_13_one_entry_takes_a_program_off_the_list_and_frees_its_id() {
    let mut world = two();
    say(&mut world, load("G1", "AP")).unwrap();
    let first = listed(&world, "G1", "AP").unwrap().slot;
    say(&mut world, kill("ap")).unwrap();
    assert_eq!(listed(&world, "G1", "AP"), None);
    assert_eq!(say(&mut world, kill("AP")).unwrap_err().number(), 21, "it is unknown now");
    say(&mut world, load("G2", "AP")).unwrap();
    say(&mut world, kill("AP")).unwrap();
    say(&mut world, load("G1", "AP")).unwrap();
    let second = listed(&world, "G1", "AP").unwrap().slot;
    assert_ne!(first, second, "the former may still be ending");
}

#[test]
fn cl_16_who_suspends_a_watch_and_who_takes_it_up_again_stands_in_the_audit() {
    let mut world = two();
    say(&mut world, load("G1", "AP")).unwrap();
    let hold = Command::ProcHold { run: None, id: "AP".to_owned() };
    let watch = Command::ProcWatch { run: None, id: "AP".to_owned() };
    let mut silent = issued(&world, hold.clone());
    silent.reason.clear();
    let refused = command::decide(&world.situation(), &silent).unwrap_err();
    assert_eq!(refused.number(), 5, "it takes a guard away");
    for (command, is_held) in [(hold.clone(), true), (watch.clone(), false)] {
        let asked = issued(&world, command.clone());
        let draft = say(&mut world, command.clone()).unwrap();
        let audit = draft.writes.iter().find_map(|write| match write {
            Write::Audit(audit) => Some(audit),
            _ => None,
        });
        let audit = audit.expect("a line in the audit");
        assert_eq!((&audit.person, audit.at), (&asked.person, asked.at));
        let held = listed(&world, "G1", "AP").unwrap().held;
        assert_eq!(held.map(|order| order.by), is_held.then_some(asked.person));
        assert_eq!(say(&mut world, command).unwrap_err().number(), 8);
    }
}

#[test]
fn a_takeover_begins_with_an_empty_list_and_free_ids() {
    let mut world = two();
    say(&mut world, load("G1", "AP")).unwrap();
    say(&mut world, Command::GroupMove { group: group("G1"), to: None }).unwrap();
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
    assert_eq!(listed(&world, "G1", "AP"), None);
    say(&mut world, load("G2", "AP")).unwrap();
}
