//! What an agent writes down of a group, and what the next one reads.

use std::os::unix::fs::PermissionsExt;

use super::*;

const FILE: &str = "\
[cluster]
name = \"kessai\"

[node.a]
address = [\"10.0.0.1\"]

[group.PAY]
prefer = [\"a\"]

[[group.PAY.resource]]
name = \"vip\"
kind = \"address\"
address = \"10.0.0.9/24\"
on = [\"eth0\"]
";

fn pay() -> GroupName {
    GroupName::new("PAY").unwrap()
}

fn spec() -> GroupSpec {
    let read = crate::config::read(FILE).map_err(|found| found.len());
    read.expect("the file is right").spec.groups[&pay()].clone()
}

const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

const MACHINE: BootId = BootId(9);

#[test]
fn the_next_agent_reads_as_what_each_group_was_taken_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut notebook = Notebook::in_folder(dir.path(), MACHINE);
    assert!(notebook.read().is_empty());
    notebook.write(&pay(), epoch(3), &spec()).unwrap();
    let read = Notebook::in_folder(dir.path(), MACHINE).read();
    let machine = Some(MACHINE);
    assert_eq!(read[&pay()], Taken { epoch: epoch(3), spec: Arc::new(spec()), machine });
    let mode =
        std::fs::metadata(dir.path().join("agent/taken-on/PAY.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the environment of a program may hold a secret");
}

#[test]
fn an_epoch_is_written_down_as_it_was_first_and_the_next_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut notebook = Notebook::in_folder(dir.path(), MACHINE);
    let mut other = spec();
    other.resources.clear();
    notebook.write(&pay(), epoch(3), &spec()).unwrap();
    notebook.write(&pay(), epoch(3), &other).unwrap();
    assert_eq!(notebook.read()[&pay()].spec, Arc::new(spec()));
    notebook.write(&pay(), epoch(4), &other).unwrap();
    let machine = Some(MACHINE);
    let taken = Taken { epoch: epoch(4), spec: Arc::new(other), machine };
    assert_eq!(notebook.read()[&pay()], taken);
}

#[test]
fn what_cannot_be_written_down_is_said_and_what_cannot_be_read_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("agent")).unwrap();
    std::fs::write(dir.path().join("agent/taken-on"), "a file").unwrap();
    let mut notebook = Notebook::in_folder(dir.path(), MACHINE);
    assert!(notebook.write(&pay(), epoch(3), &spec()).is_err());
    assert!(notebook.read().is_empty());
    let dir = tempfile::tempdir().unwrap();
    let mut notebook = Notebook::in_folder(dir.path(), MACHINE);
    notebook.write(&pay(), epoch(3), &spec()).unwrap();
    std::fs::write(dir.path().join("agent/taken-on/PAY.json"), "{").unwrap();
    assert!(notebook.read().is_empty());
}

#[test]
fn what_was_taken_on_of_version_1_is_read_and_still_written_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/v1");
    let pages = [("taken-on-PAY.json", None), ("taken-on-PAY-machine.json", Some(MACHINE))];
    for (name, machine) in pages {
        let path = folder.join(name);
        let page = Page { format: FORMAT, epoch: epoch(3), spec: spec(), machine };
        let text = serde_json::to_vec_pretty(&page).unwrap();
        if !path.exists() && std::env::var_os("TSUGI_WRITE_CORPUS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), text);
        let read: Page = serde_json::from_slice(&text).unwrap();
        let page = (read.format, read.epoch, read.spec, read.machine);
        assert_eq!(page, (FORMAT, epoch(3), spec(), machine));
    }
}
