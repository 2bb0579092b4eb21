//! Every fault that is planted in the call table is found by a walk.

use std::panic::catch_unwind;

use tsugi_service_rules::call::MUTANTS;
use tsugi_service_rules::mutant::plant;

use crate::walks::walks;

#[test]
fn every_planted_fault_is_found_and_nothing_else_is() {
    plant("");
    assert!(catch_unwind(|| walks(0..50)).is_ok(), "something is found, and nothing is planted");
    let mut missed = Vec::new();
    for (name, breaks) in MUTANTS {
        plant(name);
        let found = catch_unwind(|| walks(0..400)).is_err();
        plant("");
        if !found {
            missed.push((name, breaks));
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
