//! Every fault that is planted is found by what is to find it.

use std::panic::catch_unwind;

use tsugi_service_rules::mutant::plant;
use tsugi_service_rules::worker::{life, pool};
use tsugi_service_rules::{abroad as out, call, epoch, inquiry, nested as chain, package, sitting};

use crate::walks::walks;
use crate::{abroad, epochs, free, inquiries, nested, packages, pools, sittings, workers};

/// Plants one fault after the other; each must be found, and nothing while none is planted.
fn found(mutants: &[(&'static str, &str)], look: fn()) {
    plant("");
    assert!(catch_unwind(look).is_ok(), "something is found, and nothing is planted");
    let mut missed = Vec::new();
    for (name, breaks) in mutants {
        plant(name);
        let found = catch_unwind(look).is_err();
        plant("");
        if !found {
            missed.push((name, breaks));
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_fault_planted_in_the_table_of_calls_is_found() {
    found(call::MUTANTS, || walks(0..400));
}

#[test]
fn every_fault_planted_in_a_worker_is_found() {
    found(life::MUTANTS, || (0..400).for_each(workers::walk));
}

#[test]
fn every_fault_planted_in_a_pool_is_found() {
    found(pool::MUTANTS, || {
        pools::worn();
        pools::births_fail();
        pools::left_for_others();
        free::once_settled();
        nested::again();
        (0..200).for_each(pools::walk);
    });
}

#[test]
fn every_fault_planted_in_services_that_call_services_is_found() {
    found(chain::MUTANTS, || {
        nested::cycles();
        nested::depths();
        nested::stores();
        nested::readers();
        nested::ends();
        nested::waits();
    });
}

#[test]
fn every_fault_planted_in_calls_of_other_groups_is_found() {
    found(out::MUTANTS, || {
        abroad::table();
        abroad::numbers();
        abroad::given_up();
    });
}

#[test]
fn every_fault_planted_in_questions_about_unknown_calls_is_found() {
    found(inquiry::MUTANTS, inquiries::all);
}

#[test]
fn every_fault_planted_in_a_sitting_is_found() {
    found(sitting::MUTANTS, || (0..400).for_each(sittings::walk));
}

#[test]
fn every_fault_planted_in_ownership_is_found() {
    found(epoch::MUTANTS, || {
        (0..300).for_each(epochs::late);
        (0..300).for_each(epochs::walk);
    });
}

#[test]
fn every_fault_planted_in_packages_is_found() {
    found(package::MUTANTS, || {
        packages::deployments_die();
        packages::deletions_die();
        packages::returns();
    });
}
