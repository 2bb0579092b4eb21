//! Units of systemd that are resources.

use super::*;

const UNIT: &str = r#"
[group.DB]
[[group.DB.resource]]
name = "db"
kind = "unit"
unit = "postgresql@15-main.service"
"#;

#[test]
fn a_unit_is_asked_and_waits_for_a_fence_as_only_a_reset_undoes_it_for_certain() {
    let spec = spec(&format!("{WHOLE}{UNIT}"));
    let db = &spec.groups[&group("DB")];
    let ResourceKind::Unit { unit, monitor } = &db.resources[0].kind else { panic!("{db:?}") };
    assert_eq!(unit.as_str(), "postgresql@15-main.service");
    assert_eq!((monitor.every, monitor.failures), (Span::secs(5), 1));
    assert_eq!(db.fence, FencePolicy::Confirmed);
    assert_eq!(db.beyond_reach().count(), 1);
    assert_eq!(db.resources[0].monitors().len(), 1, "it can be suspended");
}

#[test]
fn a_unit_that_cannot_be_a_resource_is_refused_with_what_to_write() {
    let example = "\"postgresql@15-main.service\"";
    for (from, to, expected) in [
        (example, "\"postgresql\"", example),
        (example, "\"backup.timer\"", example),
        (example, "\"tsugi.service\"", example),
        (example, "15", example),
        ("unit = \"postgresql@15-main.service\"\n", "", "unit = \"postgresql@15-main.service\""),
        ("kind =", "undo = \"kill\"\nkind =", "undo"),
    ] {
        let said = refused(&format!("{WHOLE}{}", UNIT.replace(from, to)), Language::En);
        assert!(said.contains(expected), "{to}: {said}");
    }
    let twice = format!("{WHOLE}{UNIT}{}", UNIT.replace("DB", "DB2"));
    let said = refused(&twice, Language::En);
    assert!(said.contains("postgresql@15-main.service"), "{said}");
}
