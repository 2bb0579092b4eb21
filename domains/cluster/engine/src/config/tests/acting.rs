//! Whether the cluster may act by itself, and whether it may be made to fail.

use super::*;

#[test]
fn ph_17_a_cluster_is_in_production_unless_its_file_says_that_it_is_for_tests() {
    let with = |line: &str| WHOLE.replacen("[cluster]\n", &format!("[cluster]\n{line}\n"), 1);
    assert_eq!(spec(WHOLE).environment, Environment::Production, "what says nothing");
    assert_eq!(spec(&with("environment = \"production\"")).environment, Environment::Production);
    assert_eq!(spec(&with("environment = \"test\"")).environment, Environment::Test);
    for wrong in ["environment = \"staging\"", "environment = false"] {
        let said = refused(&with(wrong), Language::En);
        assert!(said.contains("production"), "with what may stand there: {said}");
    }
}

#[test]
fn takeovers_are_observed_as_the_cluster_says_unless_a_group_says_otherwise() {
    let of = |text: &str| {
        let spec = spec(text);
        ["PAY", "BATCH"].map(|name| spec.groups[&group(name)].takeover)
    };
    assert_eq!(of(WHOLE), [Takeover::Automatic, Takeover::Automatic]);
    let cluster = WHOLE.replacen("[cluster]\n", "[cluster]\ntakeover = \"observe\"\n", 1);
    assert_eq!(of(&cluster), [Takeover::Observe, Takeover::Observe]);
    let but = cluster.replacen("[group.PAY]\n", "[group.PAY]\ntakeover = \"automatic\"\n", 1);
    assert_eq!(of(&but), [Takeover::Automatic, Takeover::Observe]);
}
