//! The crate is not compiled where a panic would end the process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn compiled(panic: &str) -> Output {
    let beside = std::env::var_os("CARGO").map(|cargo| Path::new(&cargo).with_file_name("rustc"));
    let rustc = beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from("rustc"));
    let folder = tempfile::tempdir().expect("a folder");
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(rustc)
        .args(["--edition", "2024", "--crate-name", "tsugi_program", "--crate-type", "lib"])
        .args(["--emit", "metadata", "-C", &format!("panic={panic}"), "--out-dir"])
        .arg(folder.path())
        .arg(room.join("src/lib.rs"))
        .output()
        .expect("rustc runs")
}

#[test]
fn a_service_is_built_with_unwinding_or_not_at_all() {
    let unwinding = compiled("unwind");
    let says = String::from_utf8_lossy(&unwinding.stderr).into_owned();
    assert!(unwinding.status.success(), "{says}");
    let aborting = compiled("abort");
    let says = String::from_utf8_lossy(&aborting.stderr).into_owned();
    assert!(!aborting.status.success());
    assert!(says.contains("a panic ends a call, not its worker"), "{says}");
}
