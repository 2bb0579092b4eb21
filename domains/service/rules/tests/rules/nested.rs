//! Services that call services.

use tsugi_service_rules::nested::{Callee, DEPTH_MOST, Writer, may_call};
use tsugi_service_rules::refusal::Refusal;

const SAME: Callee = Callee::SameStore;
const OTHER: Callee = Callee::OtherStore;

#[test]
fn a_service_is_not_called_by_whom_it_waits_for() {
    assert_eq!(may_call(&["a"], "b", SAME, Writer::Held), Ok(()));
    let cycle = |of: &str| Err(Refusal::Cycle { service: of.to_owned() });
    assert_eq!(may_call(&["a", "b"], "a", SAME, Writer::Held), cycle("a"));
    assert_eq!(may_call(&["a"], "a", OTHER, Writer::Free), cycle("a"), "itself neither");
}

#[test]
fn so_many_services_wait_for_each_other_and_no_more() {
    let names: Vec<String> = (0..DEPTH_MOST).map(|n| format!("s{n}")).collect();
    let chain: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(may_call(&chain[1..], "last", SAME, Writer::Held), Ok(()));
    let deep = Err(Refusal::TooDeep { most: DEPTH_MOST });
    assert_eq!(may_call(&chain, "last", SAME, Writer::Held), deep);
    assert_eq!(may_call(&chain, "last", OTHER, Writer::Held), deep, "before what it holds");
}

#[test]
fn who_holds_the_writer_does_not_wait_for_another_store() {
    assert_eq!(may_call(&["a"], "b", OTHER, Writer::Held), Err(Refusal::HoldsWriter));
    assert_eq!(may_call(&["a"], "b", OTHER, Writer::Free), Ok(()));
    assert_eq!(may_call(&["a"], "b", SAME, Writer::Free), Ok(()));
}
