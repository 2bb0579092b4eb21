//! Real scripts that say who takes a group over.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::site::Site;

fn script(site: &Site, name: &str, text: &str) -> PathBuf {
    let path = site.path(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

#[test]
fn ph_10_the_node_whose_script_says_the_most_takes_a_group_over_and_nothing_moves_before() {
    let site = Site::new();
    let folder = site.path("");
    let score = format!("#!/bin/sh\ncat {folder:?}/score-$TSUGI_NODE\n");
    let score = script(&site, "score", &score);
    for (node, says) in [("a", "9"), ("b", "looking\n12"), ("c", "61")] {
        fs::write(site.path(&format!("score-{node}")), format!("{says}\n")).expect("a file");
    }
    let text = format!(
        "prefer_by = [{score:?}]\nprefer_every = \"1s\"\n\n[[group.WORK.resource]]\n\
         name = \"sleeper\"\nkind = \"process\"\nrun = [\"/bin/sleep\", \"100000\"]\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &text);
    let whole = fs::read_to_string(&file).expect("it was written");
    let whole = whole.replace("prefer = [\"a\", \"b\"]", "prefer = [\"a\", \"b\", \"c\"]");
    fs::write(&file, whole).expect("a file");
    let mut site = site.found(&file);
    let epoch = site.group("b").2;
    let would = |site: &Site| site.ask("b", &["whatif", "lose", "a"]).1;
    site.until("the figures are known", |site| {
        would(site).contains("its script says 12, that of c 61")
    });
    assert_eq!(site.group("b"), ("running".to_owned(), "a".to_owned(), epoch));

    // A script that fails says nothing, and that is told.
    fs::write(site.path("score-b"), "no licence\n").expect("a file");
    site.until("it is told", |site| site.log("b").contains("TSUG10132-W"));
    site.until("and known", |site| would(site).contains("b: has told no figure"));

    site.cut_power("a");
    site.until("c has it", |site| {
        let (state, owner, _) = site.group("b");
        state == "running" && owner == "c"
    });
    let explained = site.tsugi("b", &["explain", "WORK"]);
    assert!(explained.contains("c: its script says the most (61)"), "{explained}");
}
