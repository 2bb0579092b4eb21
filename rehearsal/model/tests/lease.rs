//! The lease protocol keeps its promises in every scene, and each of its rules is needed.

use tsugi_model::{Whole, report, scenes};

/// The walks with all rules see at least this many distinct states.
const FLOOR: usize = 1_500_000;

#[test]
fn two_nodes_never_run_the_group_and_every_removed_rule_is_found() {
    let report = report();
    println!("{report}");
    assert_eq!(report.scenes.len(), scenes().len());
    for found in &report.scenes {
        assert_eq!(found.broken, None, "{}\n{}", found.scene, found.steps);
        assert_eq!(found.whole, Whole::Yes, "{} was not walked to its end", found.scene);
        assert!(found.reached.contains(&"it runs"), "{} shows nothing", found.scene);
        // Where nobody else asks, or the pin stands, nobody may take over.
        let stays = matches!(found.scene, "one-way" | "pinned" | "disk-pinned");
        let taken = found.reached.contains(&"it is taken over");
        assert_eq!(taken, !stays, "{} shows something else than it is for", found.scene);
    }
    let missed: Vec<_> = report.without.iter().filter(|f| f.broken.is_none()).collect();
    assert!(missed.is_empty(), "taken away without being missed: {missed:?}");
    assert_eq!(report.rules(), (9, 9));
    assert!(report.states() >= FLOOR, "{} states", report.states());
}
