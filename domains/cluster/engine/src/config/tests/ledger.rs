//! Where the ledger is.

use super::*;

const ON_DISK: &str = "[cluster]\nname = \"a\"\nledger = \"disk\"\nledger_disk = \"/dev/sdx\"\n\
                       [node.n1]\naddress = \"10.0.0.1\"\n[node.n2]\naddress = \"10.0.0.2\"\n";

#[test]
fn two_nodes_may_keep_the_ledger_on_a_disk_each_under_its_own_path() {
    let places = |text: &str| match spec(text).ledger {
        LedgerPlace::OnDisk(paths) => paths.into_values().collect::<Vec<_>>(),
        LedgerPlace::OnNodes => Vec::new(),
    };
    assert_eq!(places(ON_DISK), ["/dev/sdx", "/dev/sdx"]);
    assert_eq!(spec(ON_DISK).majority(), 2, "of three votes");
    let own = format!("{ON_DISK}ledger_disk = \"/dev/sdy\"\n");
    assert_eq!(places(&own), ["/dev/sdx", "/dev/sdy"]);
    let nodes = ON_DISK.replace("ledger = \"disk\"", "ledger = \"nodes\"");
    assert!(refused(&nodes, Language::En).contains("TSUG10637-E"), "a disk that nobody uses");
}

#[test]
fn a_ledger_on_a_disk_of_other_than_two_nodes_or_without_a_path_is_refused() {
    let one = ON_DISK.replace("[node.n2]\naddress = \"10.0.0.2\"\n", "");
    let three = format!("{ON_DISK}[node.n3]\naddress = \"10.0.0.3\"\n");
    let witness = format!("{ON_DISK}[witness]\naddress = \"10.0.0.3\"\n");
    for text in [one, three, witness] {
        assert!(refused(&text, Language::En).contains("TSUG10647-E"), "{text}");
    }
    let nowhere = ON_DISK.replace("ledger_disk = \"/dev/sdx\"\n", "");
    assert!(refused(&nowhere, Language::En).contains("add ledger_disk = "));
    let relative = ON_DISK.replace("/dev/sdx", "sdx");
    assert!(refused(&relative, Language::En).contains("/dev/disk/by-id/"));
}
