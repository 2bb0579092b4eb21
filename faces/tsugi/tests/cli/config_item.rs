//! One item of the configuration file, set and taken away by command.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::agent::nobody;
use crate::schema::check;
use crate::{Ran, tsugi, tsugi_ja};

const FILE: &str = "# Ours.\n[cluster]\nname = \"a\" # short\n[node.n1]\naddress = \"10.0.0.1\"\n\
                    [group.G]\nrestarts = 1\n";

/// A file to change, and `tsugi config` about it.
fn site() -> (tempfile::TempDir, PathBuf, impl Fn(&[&str]) -> Ran) {
    let dir = nobody();
    let file = dir.path().join("tsugi.toml");
    fs::write(&file, FILE).expect("a file");
    let (run, named) = (dir.path().to_owned(), file.clone());
    let config = move |words: &[&str]| {
        let words = [&["config"], words, &["--file", named.to_str().expect("plain")]].concat();
        tsugi(&run, &words)
    };
    (dir, file, config)
}

#[test]
fn cl_41_an_item_of_the_file_is_set_and_taken_away_by_command_and_comments_stay() {
    let (dir, file, config) = site();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let link = dir.path().join("link.toml");
    symlink(&file, &link).unwrap();
    let ran = config(&["set", "group.G.drill_every", "90d"]);
    ran.ended(0, "adds group.G.drill_every: \"90d\"").ended(0, "TSUG10641-I");
    ran.ended(0, &format!("next: tsugi apply {}", file.canonicalize().unwrap().display()));
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{FILE}drill_every = \"90d\"\n"));
    let words = ["config", "unset", "group.G.drill_every", "--file", link.to_str().unwrap()];
    tsugi_ja(dir.path(), &words).ended(0, "適用するまで何も変わりません");
    assert_eq!(fs::read_to_string(&file).unwrap(), FILE);
    assert!(link.symlink_metadata().unwrap().is_symlink(), "the file was replaced, not the link");
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "whoever could read it still can, and nobody else");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn cl_41_an_item_is_checked_before_the_file_is_written() {
    let (_dir, file, config) = site();
    let refused = config(&["set", "group.G.drill_evry", "90d"]);
    refused.ended(3, "did you mean \"drill_every\"?").ended(3, "8 | drill_evry = \"90d\"");
    config(&["set", "group.G.restarts", "many"]).ended(3, "TSUG10603-E");
    config(&["unset", "cluster.name"]).ended(3, "TSUG10604-E");
    config(&["set", "cluster.name.first", "a"]).ended(4, "TSUG10644-E");
    config(&["unset", "group.H"]).ended(4, "TSUG10643-E");
    config(&["set", "group..x", "a"]).ended(2, "TSUG90201-E");
    config(&["set", "cluster.name", "a"]).ended(0, "TSUG10642-I");
    let dry = config(&["set", "cluster.name", "b", "--dry-run"]);
    dry.ended(0, "changes cluster.name from \"a\" to \"b\"").ended(0, "TSUG10524-I");
    let json = config(&["set", "cluster.name", "b", "-n", "--json"]);
    assert_eq!(check(&json.out), "tsugi.outlook");
    assert_eq!(fs::read_to_string(&file).unwrap(), FILE, "nothing of it was written");
}

#[test]
fn cl_41_a_file_that_cannot_be_read_or_understood_is_left_as_it_is() {
    let (dir, file, config) = site();
    fs::write(&file, "[cluster\n").unwrap();
    config(&["set", "cluster.name", "b"]).ended(3, "TSUG10605-E");
    assert_eq!(fs::read_to_string(&file).unwrap(), "[cluster\n");
    let gone = dir.path().join("gone.toml");
    let words = ["config", "set", "cluster.name", "b", "--file", gone.to_str().unwrap()];
    tsugi(dir.path(), &words).ended(4, "TSUG10617-E");
}
