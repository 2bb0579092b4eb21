//! Lets modules of COBOL find the functions that they call in the worker, and compiles the report's
//! service as a shared library, which the binary has with it for machines without COBOL.

use std::path::Path;
use std::process::Command;

/// Beside this crate.
const SOURCE: &str = "../../samples/report/native/cblapp01.c";
const HEADERS: &str = "../../programs/program/include";

fn main() {
    let list = std::env::var("DEP_TSUGI_COBOL_LIST").expect("tsugi-cobol is a dependency");
    println!("cargo::rustc-link-arg-bins=-Wl,--dynamic-list={list}");
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={HEADERS}/tsugi_program.h");
    let out = std::env::var("OUT_DIR").expect("cargo says where");
    library(&Path::new(&out).join("libCBLAPP01.so"));
}

/// The compiler is the one that SQLite is compiled by.
fn library(to: &Path) {
    let compiler = cc::Build::new().opt_level(2).pic(true).debug(false).get_compiler();
    let mut command: Command = compiler.to_command();
    command.args(["-std=c99", "-Wall", "-Wextra", "-shared", "-s", "-I", HEADERS]);
    let status = command.arg("-o").arg(to).arg(SOURCE).status().expect("there is a C compiler");
    assert!(status.success(), "{SOURCE} does not compile");
}
