//! Every fault that is planted in these rules is found by a story, a walk or a command.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tsugi_cluster_rules::mutant::plant;
use tsugi_cluster_rules::planner::MUTANTS;

use crate::{commands, fences, random, stories};

fn is_found() -> bool {
    let notices = |what: fn()| catch_unwind(AssertUnwindSafe(what)).is_err();
    notices(stories::all_as_told)
        || notices(commands::stale_views_are_refused)
        || notices(commands::configuration_is_whole)
        || notices(fences::a_failed_fence_confirms_nothing)
        || notices(|| random::walks(0..200))
}

#[test]
fn every_planted_fault_is_found_and_nothing_else_is() {
    plant("");
    assert!(!is_found(), "something is found although nothing is planted");
    for (name, breaks) in MUTANTS {
        plant(name);
        let found = is_found();
        plant("");
        assert!(found, "{name} is not found: {breaks}");
    }
}
