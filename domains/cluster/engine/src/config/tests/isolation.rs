//! What a group does that nobody can call.

use tsugi_cluster_rules::spec::Isolation;

use super::*;

fn with(group: &str, line: &str) -> String {
    WHOLE.replacen(&format!("[group.{group}]\n"), &format!("[group.{group}]\n{line}\n"), 1)
}

#[test]
fn ph_19_a_group_that_nobody_can_call_stays_unless_it_says_stop() {
    let of = |text: &str| spec(text).groups[&group("PAY")].failure.isolation;
    assert_eq!(of(WHOLE), Isolation::Stay);
    assert_eq!(of(&with("PAY", "on_isolation = \"stay\"")), Isolation::Stay);
    assert_eq!(of(&with("PAY", "on_isolation = \"stop\"")), Isolation::Stop);
    let said = refused(&with("PAY", "on_isolation = \"halt\""), Language::En);
    assert!(said.contains("stay") && said.contains("stop"), "{said}");
}

#[test]
fn a_group_without_an_address_on_an_interface_has_nothing_to_be_isolated_by() {
    let said = refused(&with("BATCH", "on_isolation = \"stop\""), Language::En);
    assert!(said.contains("on_isolation") && said.contains("kind = \"address\""), "{said}");
    assert_eq!(
        spec(&with("BATCH", "on_isolation = \"stay\"")).groups[&group("BATCH")].failure.isolation,
        Isolation::Stay
    );
}
