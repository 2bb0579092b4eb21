//! The ledger on a shared disk keeps its promise in every scene, and each of its rules is needed.

use tsugi_model::{DISK_TAKEN_AWAY, Whole, disk_scenes, walk_disk};

/// The walks with all rules see at least this many distinct states.
const FLOOR: usize = 200_000;

#[test]
fn nothing_on_a_shared_disk_is_lost_in_any_order_of_reads_and_writes() {
    let mut states = 0;
    for scene in disk_scenes() {
        let found = walk_disk(scene, "");
        println!("{found}");
        assert_eq!(found.broken, None, "{}", found.scene);
        assert_eq!(found.whole, Whole::Yes, "{} was not walked to its end", found.scene);
        assert_eq!(found.reached.len(), 2, "{} shows too little: {:?}", found.scene, found.reached);
        states += found.states;
    }
    println!("disk: {states} states");
    assert!(states >= FLOOR, "{states} states");
}

#[test]
fn every_rule_of_the_shared_disk_that_is_taken_away_is_missed() {
    for (rule, name) in DISK_TAKEN_AWAY {
        let scene = disk_scenes().into_iter().find(|s| s.name == *name).expect("it is listed");
        let found = walk_disk(scene, rule);
        println!("{found}");
        assert!(found.broken.is_some(), "{rule} is taken away from {name} without being missed");
    }
}
