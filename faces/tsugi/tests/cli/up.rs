//! A trial cluster as a person starts it: the report's service, whose owner is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Runs a trial in a folder of its own, with programs found in these folders, and loses the owner.
fn trial(path: &str) -> (Value, String) {
    let folder = TempDir::new_in("/dev/shm").expect("a folder");
    // The user of workers goes through it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
    command.args(["--json", "--lang", "en", "up", "--for", "5s", "--lose-owner-after", "2s"]);
    command.env_clear().env("LANG", "C.UTF-8").env("PATH", path).env("TMPDIR", folder.path());
    let ran = command.output().expect("it runs");
    let (out, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{said}");
    let last = out.lines().last().expect("it says how it was");
    assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 0, "nothing of it is left");
    (serde_json::from_str(last).expect("it is JSON"), said.into_owned())
}

fn follows(last: &Value, said: &str, program: &str) {
    assert_eq!((&last["lost"], &last["doubled"]), (&0.into(), &0.into()), "{last}");
    assert!(last["calls"].as_u64().is_some_and(|calls| calls > 20), "{last}");
    assert_eq!(last["program"], program, "{said}");
    let lines = ["now killing every process of the owner node1", "node2 answers", "in service, "];
    assert!(lines.iter().all(|line| said.contains(line)), "{said}");
    assert!(said.contains(&format!("{program} is deployed on the volume")), "{said}");
}

/// Where a compiler is found it is the report's own source, else this test shows the same as the
/// next.
#[test]
fn mf_17_a_trial_runs_the_reports_program_and_no_number_is_lost_with_its_owner() {
    let (last, said) = trial("/usr/local/bin:/usr/bin:/bin");
    let places = ["/usr/local/bin/cobc", "/usr/bin/cobc"];
    let compiles = places.iter().any(|at| fs::exists(at).unwrap());
    follows(&last, &said, if compiles { "cobol:CBLAPP01" } else { "native:CBLAPP01" });
    assert_eq!(said.contains("compiling CBLAPP01"), compiles, "{said}");
}

#[test]
fn without_a_compiler_a_trial_runs_the_same_service_as_a_shared_library() {
    let none = TempDir::new().expect("a folder");
    let (last, said) = trial(&none.path().display().to_string());
    follows(&last, &said, "native:CBLAPP01");
    assert!(said.contains("there is no cobc on this machine"), "{said}");
}

/// A compiler that is not one that we know.
#[test]
fn a_compiler_that_does_not_work_costs_nobody_the_trial() {
    let folder = TempDir::new().expect("a folder");
    let cobc = folder.path().join("cobc");
    fs::write(&cobc, "#!/bin/sh\necho 'cobc (GnuCOBOL) 9.9'\n").expect("written");
    fs::set_permissions(&cobc, fs::Permissions::from_mode(0o755)).expect("ours");
    let (last, said) = trial(&format!("{}:/usr/bin:/bin", folder.path().display()));
    follows(&last, &said, "native:CBLAPP01");
    assert!(said.contains("cobc could not do it (TSUG20302-E"), "{said}");
}
