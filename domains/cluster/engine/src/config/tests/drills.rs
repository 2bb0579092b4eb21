//! How a group is drilled.

use super::*;

#[test]
fn how_often_a_group_is_to_be_drilled_is_a_time_and_none_if_it_is_not_said() {
    let text = |line: &str| {
        format!("[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n[group.G]\n{line}\n")
    };
    let every = |line: &str| {
        let spec = read(&text(line)).expect("it is right").spec;
        spec.groups.values().next().expect("a group").drill_every
    };
    assert_eq!(every("drill_every = \"90d\""), Some(Span::secs(90 * 24 * 3600)));
    assert_eq!(every(""), None);
    assert!(read(&text("drill_every = \"often\"")).is_err());
}

#[test]
fn how_a_group_is_drilled_without_being_moved_is_no_part_of_what_is_started() {
    let text = |volume: &str, process: &str| {
        format!(
            "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
             [[group.G.resource]]\nname = \"disk\"\nkind = \"volume\"\nmount = \"/data\"\n\
             source = \"/dev/pay\"\n{volume}\n[[group.G.resource]]\nname = \"program\"\n\
             kind = \"process\"\nrun = [\"/bin/true\"]\n{process}\n"
        )
    };
    let group = |volume: &str, process: &str| {
        let spec = read(&text(volume, process)).expect("it is right").spec;
        spec.groups.into_values().next().expect("a group")
    };
    let (copy, drop) = ("copy = [\"/opt/snap\", \"on\"]", "drop = [\"/opt/snap\", \"off\"]");
    let proof = "drill_read = [\"/opt/check\"]";
    let with = group(&format!("{copy}\n{drop}"), proof);
    let disk = ResourceName::new("disk").unwrap();
    let program = ResourceName::new("program").unwrap();
    let made = &with.rehearsing.copies[&disk];
    assert_eq!(made.copy, ["/opt/snap", "on"]);
    assert_eq!(made.drop.as_deref(), Some(&["/opt/snap".to_owned(), "off".to_owned()][..]));
    assert_eq!(with.rehearsing.proofs[&program], ["/opt/check"]);
    assert_eq!(group(copy, "").rehearsing.copies[&disk].drop, None);
    assert!(!with.starts_otherwise_than(&group("", "")), "a running group is as it was");
    let told = refused(&text(drop, ""), Language::En);
    assert!(told.contains("drop") && told.contains("copy"), "{told}");
    let told = refused(&text("copy = [\"snap\"]", ""), Language::En);
    assert!(told.contains("copy") && told.contains("[\"/…/snap\"]"), "{told}");
    assert!(read(&text(proof, "")).is_err(), "a volume has no user that could read it");
    assert!(read(&text("", copy)).is_err(), "a process has no copy");
}
